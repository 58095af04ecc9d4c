"""Two processes on the CPU train as one does, and go on when one of them is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from safetensors.torch import load_file

from tests.support import ROOT
from tests.support.processes import NETWORKS, SMALL, open_sets, settings_of, train_all
from vividpast_lib.cli.main import main
from vividpast_lib.photos.open import open_photos
from vividpast_lib.photos.photo_set import CLASS_MAPS_FILE, SPLITS
from vividpast_lib.runtime import distributed
from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.training.run_folder import read_history
from vividpast_lib.training.task_registry import open_task

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SCRIPT = ROOT / "tests" / "support" / "processes.py"
VIVIDPAST = [sys.executable, "-m", "vividpast_lib.cli"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes by signals")
ONE_CORE = os.environ | {"OMP_NUM_THREADS": "1"}

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 photos with class maps, two of them damaged: one to learn from, one to judge by."""
    folder = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[:72, :96]
    random = np.random.default_rng(0)
    names = [f"photo_{index:02}.jpg" for index in range(30)]
    for name in names:
        waves = [np.sin(x / random.uniform(5, 30) + y / random.uniform(5, 30)) for _ in range(3)]
        values = (127 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)
        Image.fromarray(values).save(folder / name)
    labels = random.integers(0, 21, (30, 16, 16)).astype(np.uint8)
    np.savez(folder / CLASS_MAPS_FILE, files=names, labels=labels)
    for split in ("train", "val"):
        (folder / open_photos(folder, split).names[2]).write_bytes(b"damaged")
    return folder


@pytest.fixture(scope="module")
def one(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process gives."""
    out = tmp_path_factory.mktemp("one")
    train_all(photos, out)
    return out


@pytest.fixture(scope="module")
def two(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes give, each in files that end in its rank."""
    out = tmp_path_factory.mktemp("two")
    command = [*TORCHRUN, str(SCRIPT), str(photos), str(out)]
    ended = subprocess.run(command, env=ONE_CORE, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stderr
    return out


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("network", NETWORKS)
def test_two_processes_train_as_one(network: str, photos: Path, one: Path, two: Path) -> None:
    """To within a hundredth of the way that each tensor of weights has gone.

    Other convolutions in one process alone make a difference of up to a thousandth.
    """
    sets = open_sets(photos, network)
    begun = open_task(*sets, settings_of(network), "cpu").network.state_dict()
    alone, first, second = (
        load_file(file)
        for folder in (one, two)
        for file in sorted(folder.glob(f"{network}.*.safetensors"))
    )
    assert alone.keys() == begun.keys()
    assert same(first, second)
    for key, ended in alone.items():
        way = (ended.double() - begun[key]).norm()
        assert (ended.double() - first[key]).norm() <= 0.01 * way, key


@pytest.mark.parametrize("network", NETWORKS)
def test_all_processes_have_the_figures_of_all_photos(network: str, one: Path, two: Path) -> None:
    alone, first, second = (
        read(file)[0] for folder in (one, two) for file in sorted(folder.glob(f"{network}.*.json"))
    )
    for expected, *rows in zip(alone, first, second, strict=True):
        for row in (expected, *rows):
            del row["photos_per_second"]
        assert rows[0] == rows[1]
        # Where two classes are all but equally likely, a pixel may go to either.
        loose = {key for key in expected if "accuracy" in key or "iou" in key}
        for key, value in expected.items():
            assert rows[0][key] == pytest.approx(value, rel=0.05 if key in loose else 1e-3), key


def test_a_damaged_photo_is_named_once(photos: Path, two: Path) -> None:
    damaged = [name for split in SPLITS for name in [open_photos(photos, split).names[2]]]
    for network in NETWORKS:
        warned = [line for rank in (0, 1) for line in read(two / f"{network}.{rank}.json")[1]]
        assert sorted(warned) == sorted(
            line for name in damaged for line in warned if f"/{name}:" in line
        )
        assert len(warned) == 2


def test_all_stop_where_one_is_told_to(two: Path) -> None:
    """Told within the second epoch; the run then goes on to where it would have come."""
    assert [read(two / f"stopped.{rank}.json") for rank in (0, 1)] == [9, 9]
    whole, resumed = (load_file(two / name / "model.safetensors") for name in ("whole", "resumed"))
    assert same(whole, resumed)


def test_an_error_in_one_process_ends_all_and_is_said_once(two: Path) -> None:
    first, second = (read(two / f"raised.{rank}.json") for rank in (0, 1))
    assert first == ["SystemExit(2)", "VividPastError('0 fails')", "0"]
    assert second == ["VividPastError('1 fails')", "SystemExit(2)", "0"]


def test_a_killed_process_is_begun_again_and_the_run_goes_on(
    photos: Path, two: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = ["train", "autoencoder", "--photos", str(photos), "--run", str(run)]
    arguments += ["--device", "cpu", "--precision", "float32"]
    for name in ("size", "epochs", "batch_size"):
        arguments += [f"--{name.replace('_', '-')}", str(getattr(SMALL, name))]
    launch = [*TORCHRUN, "--max-restarts", "1", "--no-python", "--", *VIVIDPAST, *arguments]
    with subprocess.Popen(
        launch, env=ONE_CORE, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as torchrun:
        assert torchrun.stdout
        lines = []
        for line in torchrun.stdout:
            lines.append(line)
            if line.startswith("epoch 1:"):
                break
        children = subprocess.run(
            ["pgrep", "-P", str(torchrun.pid)], capture_output=True, text=True, check=True
        )
        os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
        stdout, stderr = torchrun.communicate(timeout=300)
    assert torchrun.returncode == 0, stderr
    told = [*lines, *stdout.splitlines()]
    assert sum("training and" in line for line in told) == 2  # by the first process, twice
    assert sum(line.startswith("epoch 1:") for line in told) == 1
    assert "Traceback" not in stderr
    assert len(read_history(run / "history.csv")) == SMALL.epochs
    undisturbed = two / "whole" / "model.safetensors"
    assert same(load_file(undisturbed), load_file(run / "model.safetensors"))


def test_processes_that_are_begun_again_do_not_meet_those_that_ended() -> None:
    """The store outlives them; the second process looks into it before the first one does."""
    store, prefixes = dist.HashStore(), []
    for _attempt in range(3):
        with ThreadPoolExecutor() as pool:
            second = pool.submit(distributed._unused_prefix, store, 1, 2)
            time.sleep(0.2)
            first = pool.submit(distributed._unused_prefix, store, 0, 2)
            assert first.result() == second.result()
        prefixes.append(first.result())
    assert len(set(prefixes)) == 3


def test_start_or_resume_does_either(photos: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    command = ["train", "autoencoder", "--photos", str(photos), "--run", str(run)]
    command += ["--size", "16", "--epochs", "1", "--device", "cpu", "--start-or-resume"]
    assert main(command) == 0
    assert "epoch 1:" in capsys.readouterr().out
    assert main(command) == 0
    assert "epoch 1:" not in capsys.readouterr().out


def test_more_processes_than_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with (
        pytest.raises(VividPastError, match="--nproc-per-node 2"),
        distributed.process_group(torch.device("cuda")),
    ):
        pass
