"""Training: the loop, its figures, and that a run survives being stopped at any moment."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vividpast_lib import training
from vividpast_lib.colorizer import Colorizer
from vividpast_lib.errors import VividPastError
from vividpast_lib.photos import load_lab, open_photos
from vividpast_lib.training import Settings, fit, mean_color, read_history

SMALL = Settings(size=16, epochs=3, batch_size=4)
VIVIDPAST = [sys.executable, "-c", "from vividpast_lib.cli import main; raise SystemExit(main())"]


@pytest.fixture
def sets(photo_folder: Path):
    return open_photos(photo_folder, "train"), open_photos(photo_folder, "val")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_it_learns_and_reports_the_trivial_colorizers(sets, tmp_path: Path) -> None:
    settings = Settings(size=32, epochs=25, batch_size=4, learning_rate=0.004, augment=False)
    _, history = fit(*sets, settings, run=tmp_path / "run", progress=False)
    assert [row["epoch"] for row in history] == list(range(1, 26))
    assert history[-1]["train_ab_l1"] < 0.8 * history[0]["train_ab_l1"]
    assert history[-1]["val_ab_l1"] < history[-1]["val_grey_ab_l1"]
    ab = load_lab(sets[1], 32)[:, 1:]
    mean = torch.tensor(mean_color(sets[0], 32))[:, None, None]
    for row in history:
        assert row["val_grey_ab_l1"] == pytest.approx(ab.abs().mean().item(), rel=1e-5)
        assert row["val_mean_color_ab_l1"] == pytest.approx(
            (ab - mean).abs().mean().item(), rel=1e-5
        )
        assert row["val_ab_l1"] == pytest.approx(row["val_loss"] * 110, rel=1e-4)
    stored = read_history(tmp_path / "run" / "history.csv")
    assert [row["val_ab_l1"] for row in stored] == pytest.approx(
        [row["val_ab_l1"] for row in history], rel=1e-5
    )
    model = Colorizer.load(tmp_path / "run" / "model.safetensors", "cpu")
    error = (model.predict(load_lab(sets[1], 32)[:, :1]) - ab).abs().mean()
    assert error.item() == pytest.approx(history[-1]["val_ab_l1"], rel=1e-3)


def test_mean_color_is_the_mean_over_the_set(sets) -> None:
    expected = load_lab(sets[0], 16)[:, 1:].mean(dim=(0, 2, 3))
    assert torch.tensor(mean_color(sets[0], 16)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("scaling", ["unit", "2018"])
def test_same_settings_same_weights_other_seed_other_weights(sets, scaling: str) -> None:
    settings = replace(SMALL, epochs=1, scaling=scaling)
    first, again, other = (
        fit(*sets, s, progress=False)[0].state_dict()
        for s in (settings, settings, replace(settings, seed=1))
    )
    assert same(first, again)
    assert not same(first, other)


def test_learning_rate_rises_and_falls(sets) -> None:
    _, history = fit(*sets, replace(SMALL, epochs=5), progress=False)
    rates = [row["learning_rate"] for row in history]
    assert max(rates) == pytest.approx(0.002, rel=0.05)
    assert rates[-1] < 0.0001
    _, history = fit(*sets, replace(SMALL, epochs=2, schedule="constant"), progress=False)
    assert {row["learning_rate"] for row in history} == {0.002}


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resuming_after_any_epoch_gives_the_same_weights(
    sets, tmp_path: Path, precision: str
) -> None:
    settings = replace(SMALL, precision=precision)
    whole, history = fit(*sets, settings, progress=False)

    def kill(_network: torch.nn.Module, row: dict[str, float]) -> None:
        raise Killed

    run = tmp_path / "run"
    for resume in (False, True):
        with pytest.raises(Killed):
            fit(*sets, settings, run=run, resume=resume, progress=False, on_epoch=kill)
    resumed, resumed_history = fit(*sets, settings, run=run, resume=True, progress=False)
    assert same(whole.state_dict(), resumed.state_dict())
    fit(*sets, settings, run=tmp_path / "whole", progress=False)
    files = [folder / "model.safetensors" for folder in (run, tmp_path / "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()
    for one, two in zip(history, resumed_history, strict=True):
        assert one["train_loss"] == two["train_loss"] and one["val_loss"] == two["val_loss"]


def test_a_kill_while_saving_leaves_the_epoch_before(
    sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    fit(*sets, replace(SMALL, epochs=3), run=tmp_path / "whole", progress=False)
    real, states = Path.write_bytes, []

    def half_a_file(path: Path, data: bytes) -> int:
        if path.name.startswith(".state"):
            states.append(path)
        if len(states) == 3:  # start, epoch 1, epoch 2
            real(path, data[: len(data) // 2])
            raise Killed
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", half_a_file)
    with pytest.raises(Killed):
        fit(*sets, SMALL, run=run, progress=False)
    monkeypatch.setattr(Path, "write_bytes", real)
    assert len(read_history(run / "history.csv")) == 1
    fit(*sets, SMALL, run=run, resume=True, progress=False)
    assert same(weights(run), weights(tmp_path / "whole"))


def test_damaged_photos_do_not_shift_the_place_to_go_on_from(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for index in range(0, 30, 2):  # with two a batch, some batches are all damaged
        (photo_folder / f"photo_{index:02}.jpg").write_bytes(b"damaged")
    sets = open_photos(photo_folder, "train"), open_photos(photo_folder, "val")
    settings = replace(SMALL, epochs=2, batch_size=2)
    run, real = tmp_path / "run", training._losses
    with pytest.warns(UserWarning, match="damaged|not a photo"):
        whole, _ = fit(*sets, settings, progress=False)
    steps = 0

    def ctrl_c_in_the_second_epoch(network, lab, settings):
        nonlocal steps
        steps += network.training
        if steps == 15:
            signal.raise_signal(signal.SIGINT)
        return real(network, lab, settings)

    monkeypatch.setattr(training, "_losses", ctrl_c_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        fit(*sets, settings, run=run, progress=False)
    monkeypatch.setattr(training, "_losses", real)
    resumed, _ = fit(*sets, settings, run=run, resume=True, progress=False)
    assert same(whole.state_dict(), resumed.state_dict())


def test_an_existing_run_is_not_overwritten(sets, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(*sets, replace(SMALL, epochs=1), run=run, progress=False)
    before = weights(run)
    with pytest.raises(VividPastError, match="--resume"):
        fit(*sets, replace(SMALL, epochs=1, seed=9), run=run, progress=False)
    with pytest.raises(VividPastError, match="another learning_rate and seed"):
        settings = replace(SMALL, epochs=1, seed=9, learning_rate=1.0)
        fit(*sets, settings, run=run, resume=True, progress=False)
    with pytest.raises(VividPastError, match="holds no run to resume"):
        fit(*sets, SMALL, run=tmp_path / "none", resume=True, progress=False)
    with pytest.raises(VividPastError, match="started on"):
        one = replace(SMALL, epochs=1)
        fit(sets[0].first(9), sets[1], one, run=run, resume=True, progress=False)
    assert same(before, weights(run))


def start(photo_folder: Path, run: Path, *more: str) -> subprocess.Popen:
    arguments = ["train", "autoencoder", "--photos", photo_folder, "--run", run, "--device", "cpu"]
    if "--resume" not in more:
        settings = ["--size", "32", "--epochs", "4", "--batch-size", "2", "--precision", "float32"]
        arguments += settings
    return subprocess.Popen(
        [*VIVIDPAST, *map(str, arguments), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def wait_for_epoch(process: subprocess.Popen, number: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(f"epoch {number}:"):
            return
    raise AssertionError(f"ended before epoch {number}: {process.communicate()}")


def test_kill_9_and_ctrl_c_lose_nothing_that_was_promised(
    photo_folder: Path, tmp_path: Path, scene
) -> None:
    from PIL import Image

    for index in range(30, 230):  # enough photos for worker processes
        Image.fromarray(scene).rotate(index).save(photo_folder / f"photo_{index}.jpg")
    whole = start(photo_folder, tmp_path / "whole")
    assert whole.wait(120) == 0

    run = tmp_path / "run"
    process = start(photo_folder, run)
    wait_for_epoch(process, 1)
    time.sleep(0.3)  # into the second epoch
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(read_history(run / "history.csv")) >= 1

    process = start(photo_folder, run, "--resume")
    wait_for_epoch(process, 2)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert f"--run {run} --resume" in stderr

    process = start(photo_folder, run, "--resume")
    stdout, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "epoch 2:" not in stdout
    assert same(weights(run), weights(tmp_path / "whole"))
