"""Training: the loop, its figures, and that a run survives being stopped at any moment."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vividpast_lib.cli.main import main
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.networks.segmenter_evaluation import segmenter_iou
from vividpast_lib.networks.segmenters import EfficientNetSegmenter
from vividpast_lib.networks.voc import VOC_CLASSES
from vividpast_lib.photos.loader import load_lab, mean_color
from vividpast_lib.photos.open import open_class_maps, open_photos
from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.training import colorizing, loop
from vividpast_lib.training.loop import Step, fit
from vividpast_lib.training.run_folder import load_settings, read_history
from vividpast_lib.training.settings import RECIPE_2018, Settings
from vividpast_lib.training.task_registry import open_task

SMALL = Settings(size=16, epochs=3, batch_size=4)
VIVIDPAST = [sys.executable, "-m", "vividpast_lib.cli"]


@pytest.fixture
def sets(photo_folder: Path):
    return open_photos(photo_folder, "train"), open_photos(photo_folder, "val")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_it_learns_and_reports_the_trivial_colorizers(sets, tmp_path: Path) -> None:
    settings = Settings(size=32, epochs=25, batch_size=4, learning_rate=0.004, augment=False)
    _, history = fit(open_task(*sets, settings, "cpu"), run=tmp_path / "run", progress=False)
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
        fit(open_task(*sets, s, "cpu"), progress=False)[0].state_dict()
        for s in (settings, settings, replace(settings, seed=1))
    )
    assert same(first, again)
    assert not same(first, other)


def test_learning_rate_rises_and_falls(sets) -> None:
    _, history = fit(open_task(*sets, replace(SMALL, epochs=5), "cpu"), progress=False)
    rates = [row["learning_rate"] for row in history]
    assert max(rates) == pytest.approx(0.002, rel=0.05)
    assert rates[-1] < 0.0001
    _, history = fit(
        open_task(*sets, replace(SMALL, epochs=2, schedule="constant"), "cpu"), progress=False
    )
    assert {row["learning_rate"] for row in history} == {0.002}
    settings = replace(SMALL, epochs=8, schedule="warmup-stable-decay")
    _, history = fit(open_task(*sets, settings, "cpu"), progress=False)
    rates = [row["learning_rate"] for row in history]
    assert rates[:6] == pytest.approx([0.002] * 6)
    assert 0.001 < rates[6] < 0.0015 and rates[7] < 0.0005


def test_on_batch_is_told_each_step_and_its_time_does_not_count(
    sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def on_batch(network: torch.nn.Module, step: Step) -> None:
        assert network.training
        told.append(step)

    def clock() -> float:
        """As if each `on_batch` took an hour."""
        return time.perf_counter() + 3600 * len(told)

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=clock))

    settings = replace(SMALL, epochs=2)
    network, history = fit(open_task(*sets, settings, "cpu"), progress=False, on_batch=on_batch)
    photos = len(sets[0])
    seen = [min(batch, photos) for batch in range(4, photos + 4, 4)]
    assert [(step.epoch, step.photos) for step in told] == [
        (epoch, count) for epoch in (1, 2) for count in seen
    ]
    assert {step.photos_per_epoch for step in told} == {photos}
    sizes = np.diff([0, *seen])
    for row, steps in zip(history, (told[: len(seen)], told[len(seen) :]), strict=True):
        errors = [step.losses["ab_l1"] for step in steps]
        assert row["train_ab_l1"] == pytest.approx(np.average(errors, weights=sizes))
        assert row["photos_per_second"] > photos / 3600
    alone, _ = fit(open_task(*sets, settings, "cpu"), progress=False)
    assert same(network.state_dict(), alone.state_dict())


def test_stop_saves_after_the_batch_under_way(sets, tmp_path: Path) -> None:
    """As Ctrl-C does, from wherever it is set; resumed, the run ends as if it had gone on."""
    whole, _ = fit(open_task(*sets, SMALL, "cpu"), progress=False)
    stop, steps = threading.Event(), []

    def stop_in_the_second_epoch(_network: torch.nn.Module, step: Step) -> None:
        steps.append(step)
        if (step.epoch, step.photos) == (2, 8):
            stop.set()

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(
            open_task(*sets, SMALL, "cpu"),
            run=run,
            progress=False,
            stop=stop,
            on_batch=stop_in_the_second_epoch,
        )
    assert (steps[-1].epoch, steps[-1].photos) == (2, 8)
    first: list[Step] = []
    resumed, history = fit(open_task(*sets, SMALL, "cpu"), run=run, resume=True, progress=False,
        on_batch=lambda _network, step: first.append(step),
    )  # fmt: skip
    assert (first[0].epoch, first[0].photos) == (2, 12)
    assert len(history) == 3
    assert same(whole.state_dict(), resumed.state_dict())


def test_networks_that_are_made_at_once_get_the_weights_of_their_seeds(sets) -> None:
    """PyTorch has one sequence of random numbers for all threads."""

    def initial(seed: int) -> dict[str, torch.Tensor]:
        task = open_task(*sets, replace(SMALL, seed=seed), "cpu")
        return task.network.state_dict()

    expected = [initial(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(initial, range(8)))
    assert all(map(same, expected, made))


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resuming_after_any_epoch_gives_the_same_weights(
    sets, tmp_path: Path, precision: str
) -> None:
    settings = replace(SMALL, precision=precision)
    whole, history = fit(open_task(*sets, settings, "cpu"), progress=False)

    def kill(_network: torch.nn.Module, row: dict[str, float]) -> None:
        raise Killed

    run = tmp_path / "run"
    for resume in (False, True):
        with pytest.raises(Killed):
            fit(
                open_task(*sets, settings, "cpu"),
                run=run,
                resume=resume,
                progress=False,
                on_epoch=kill,
            )
    resumed, resumed_history = fit(
        open_task(*sets, settings, "cpu"), run=run, resume=True, progress=False
    )
    assert same(whole.state_dict(), resumed.state_dict())
    fit(open_task(*sets, settings, "cpu"), run=tmp_path / "whole", progress=False)
    files = [folder / "model.safetensors" for folder in (run, tmp_path / "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()
    for one, two in zip(history, resumed_history, strict=True):
        assert one["train_loss"] == two["train_loss"] and one["val_loss"] == two["val_loss"]


def test_a_kill_while_saving_leaves_the_epoch_before(
    sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    fit(open_task(*sets, replace(SMALL, epochs=3), "cpu"), run=tmp_path / "whole", progress=False)
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
        fit(open_task(*sets, SMALL, "cpu"), run=run, progress=False)
    monkeypatch.setattr(Path, "write_bytes", real)
    assert len(read_history(run / "history.csv")) == 1
    fit(open_task(*sets, SMALL, "cpu"), run=run, resume=True, progress=False)
    assert same(weights(run), weights(tmp_path / "whole"))


def test_damaged_photos_do_not_shift_the_place_to_go_on_from(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for index in range(0, 30, 2):  # with two a batch, some batches are all damaged
        (photo_folder / f"photo_{index:02}.jpg").write_bytes(b"damaged")
    sets = open_photos(photo_folder, "train"), open_photos(photo_folder, "val")
    settings = replace(SMALL, epochs=2, batch_size=2)
    run, real = tmp_path / "run", colorizing.Colorizing.compute_losses
    with pytest.warns(UserWarning, match="damaged|not a photo"):
        whole, _ = fit(open_task(*sets, settings, "cpu"), progress=False)
    steps = 0

    def ctrl_c_in_the_second_epoch(task, batch):
        nonlocal steps
        steps += task.network.training
        if steps == 15:
            signal.raise_signal(signal.SIGINT)
        return real(task, batch)

    monkeypatch.setattr(colorizing.Colorizing, "compute_losses", ctrl_c_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        fit(open_task(*sets, settings, "cpu"), run=run, progress=False)
    monkeypatch.setattr(colorizing.Colorizing, "compute_losses", real)
    resumed, _ = fit(open_task(*sets, settings, "cpu"), run=run, resume=True, progress=False)
    assert same(whole.state_dict(), resumed.state_dict())


def test_an_existing_run_is_not_overwritten(sets, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(open_task(*sets, replace(SMALL, epochs=1), "cpu"), run=run, progress=False)
    before = weights(run)
    with pytest.raises(VividPastError, match="--resume"):
        fit(open_task(*sets, replace(SMALL, epochs=1, seed=9), "cpu"), run=run, progress=False)
    with pytest.raises(VividPastError, match="other settings: learning_rate, seed;"):
        settings = replace(SMALL, epochs=1, seed=9, learning_rate=1.0)
        fit(open_task(*sets, settings, "cpu"), run=run, resume=True, progress=False)
    with pytest.raises(VividPastError, match="holds no run to resume"):
        fit(open_task(*sets, SMALL, "cpu"), run=tmp_path / "none", resume=True, progress=False)
    with pytest.raises(VividPastError, match="started on"):
        one = replace(SMALL, epochs=1)
        fit(open_task(sets[0].head(9), sets[1], one, "cpu"), run=run, resume=True, progress=False)
    assert same(before, weights(run))


def test_a_run_of_another_version_is_refused_in_one_sentence(sets, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = replace(SMALL, epochs=1)
    fit(open_task(*sets, settings, "cpu"), run=run, progress=False)
    state = run / "state.safetensors"
    with safe_open(state, "pt") as file:
        metadata = file.metadata()
    progress = json.loads(metadata["progress"])
    progress["steps"] = progress.pop("batch")
    save_file(load_file(state), state, metadata | {"progress": json.dumps(progress)})
    with pytest.raises(VividPastError, match="another version"):
        fit(open_task(*sets, settings, "cpu"), run=run, resume=True, progress=False)


def histories_read_and_kept(sets, settings: Settings) -> Iterator[tuple[dict, dict]]:
    """Train on photos that are read each epoch, and kept in memory: the rows of both, by epoch."""
    read, kept = (
        fit(open_task(*sets, settings, "cpu", in_memory), progress=False)[1]
        for in_memory in (False, True)
    )
    return zip(read, kept, strict=True)


@pytest.mark.parametrize("network", ["autoencoder", "fusion2018"])
def test_in_memory_trains_alike(sets, network: str) -> None:
    """Photos and class maps must stay with each other, in whatever order they are drawn."""
    settings = Settings(**{**RECIPE_2018, "network": network, "size": 32, "epochs": 2})
    for one, two in histories_read_and_kept(sets, settings):
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-4)
        assert two["val_ab_l1"] == pytest.approx(one["val_ab_l1"], rel=1e-4)


@pytest.mark.parametrize("network", ["autoencoder", "fusion2018", "pyramid"])
def test_in_memory_with_augmentation_trains_alike(sets, network: str) -> None:
    """Small photos now and then, larger crops in the end: the same photos are cut alike."""
    settings = Settings(network, size=32, last_size=40, epochs=2, batch_size=8, upscaled_every=2)
    for one, two in histories_read_and_kept(sets, settings):
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-2)
        assert two["val_ab_l1"] == pytest.approx(one["val_ab_l1"], rel=5e-2)


def test_in_memory_goes_on_where_it_stopped(sets, tmp_path: Path) -> None:
    whole, _ = fit(open_task(*sets, SMALL, "cpu", in_memory=True), progress=False)
    stop, run = threading.Event(), tmp_path / "run"

    def stop_in_the_second_epoch(_network: torch.nn.Module, step: Step) -> None:
        if (step.epoch, step.photos) == (2, 8):
            stop.set()

    with pytest.raises(KeyboardInterrupt):
        fit(
            open_task(*sets, SMALL, "cpu", in_memory=True), run=run, progress=False, stop=stop,
            on_batch=stop_in_the_second_epoch,
        )  # fmt: skip
    task = open_task(*sets, SMALL, "cpu", in_memory=True)
    resumed, _ = fit(task, run=run, resume=True, progress=False)
    assert same(whole.state_dict(), resumed.state_dict())


class Clock:
    """A time in which each step of training takes ten seconds, and each validation twenty."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.sizes: list[int] = []
        compute_losses, validate = (
            getattr(colorizing.Colorizing, name) for name in ("compute_losses", "validate")
        )

        def step(task, batch):
            if task.network.training:
                self.seconds += 10
                self.sizes.append(batch.target.shape[-1])
            return compute_losses(task, batch)

        def validation(task):
            self.seconds += 20
            return validate(task)

        monkeypatch.setattr(colorizing.Colorizing, "compute_losses", step)
        monkeypatch.setattr(colorizing.Colorizing, "validate", validation)
        monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: self.seconds))


@pytest.mark.parametrize("stopped", [False, True])
def test_minutes_end_the_run_and_its_schedule(
    sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """An epoch is 7 steps and 90 s with its validation, so 150 s end the second after 6 steps."""
    assert 25 <= len(sets[0]) <= 28
    settings = replace(SMALL, epochs=4, last_size=24, minutes=2.5, schedule="warmup-stable-decay")
    clock, stop, run = Clock(monkeypatch), threading.Event(), tmp_path / "run"

    def on_batch(_network: torch.nn.Module, step: Step) -> None:
        clock.seconds += 1000  # which does not count
        if stopped and (step.epoch, step.photos) == (2, 8):
            stop.set()

    task = open_task(*sets, settings, "cpu")
    with contextlib.suppress(KeyboardInterrupt):
        fit(task, run=run, progress=False, on_batch=on_batch, stop=stop)
    if stopped:
        clock.seconds += 1000  # nor does this
        fit(open_task(*sets, settings, "cpu"), run=run, resume=True, progress=False)
    history = read_history(run / "history.csv")
    assert [row["epoch"] for row in history] == [1, 2]
    # The last quarter begins after 112.5 s, within the step before the crops grow.
    assert clock.sizes == [16] * (7 + 4) + [24] * 2
    cooling = (150 - 140) / (150 / 4)
    rates = [row["learning_rate"] for row in history]
    assert rates == pytest.approx([0.002, 0.002 * cooling], rel=1e-5)
    model = Colorizer.load(run / "model.safetensors", "cpu")
    error = (model.predict(load_lab(sets[1], 16)[:, :1]) - load_lab(sets[1], 16)[:, 1:]).abs()
    assert error.mean().item() == pytest.approx(history[-1]["val_ab_l1"], rel=1e-3)
    assert load_settings(run).minutes == 2.5
    again = fit(open_task(*sets, settings, "cpu"), run=run, resume=True, progress=False)[1]
    assert len(again) == 2 and len(clock.sizes) == 13  # nothing is left to do


def test_fusion_goes_on_where_it_stopped_and_colorizes(sets, tmp_path: Path) -> None:
    settings = replace(SMALL, network="fusion2018", epochs=2)
    whole, _ = fit(open_task(*sets, settings, "cpu"), run=tmp_path / "whole", progress=False)

    def kill(_network: torch.nn.Module, row: dict[str, float]) -> None:
        raise Killed

    run = tmp_path / "run"
    with pytest.raises(Killed):
        fit(open_task(*sets, settings, "cpu"), run=run, progress=False, on_epoch=kill)
    fit(open_task(*sets, settings, "cpu"), run=run, resume=True, progress=False)
    files = [folder / "model.safetensors" for folder in (run, tmp_path / "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()

    colorizer = Colorizer.load(files[0], "cpu")
    assert colorizer.class_maps is not None
    highest = colorizer.class_maps.logit_max
    lightness = load_lab(sets[0], 16)[:, :1]
    logits = colorizer.class_maps.segmenter(lightness).logits
    assert torch.allclose(highest, logits.amax(dim=(0, 2, 3)).clamp(min=1), rtol=0.01)
    ab = whole(
        colorizer.scaling.scale_lightness(lightness), logits / highest[:, None, None]
    )  # (N, 2, 16, 16)
    expected = colorizer.scaling.unscale_ab(ab)
    assert torch.allclose(colorizer.predict(lightness), expected, atol=1e-3)


def test_segmenter_learns_what_the_class_maps_say(photo_folder: Path, tmp_path: Path) -> None:
    """Dark is background, light is boat: what the head could see without a teacher's help."""
    names, labels = [], []
    for index in range(30):
        values = np.zeros((64, 64), np.uint8)
        values[:, 16 + index :] = 220
        Image.fromarray(values).save(photo_folder / f"photo_{index:02}.jpg")
        names.append(f"photo_{index:02}.jpg")
        labels.append(np.where(values > 100, VOC_CLASSES.index("boat"), 0).astype(np.uint8))
    np.savez(photo_folder / "voc21_teacher.npz", files=np.array(names), labels=np.stack(labels))
    sets = [open_class_maps(photo_folder, split) for split in ("train", "val")]
    settings = Settings(network="segmenter", size=64, epochs=12, batch_size=4)
    _, history = fit(open_task(*sets, settings, "cpu"), run=tmp_path / "run", progress=False)
    assert history[-1]["val_mean_iou"] > 0.7 > history[0]["val_mean_iou"]
    lite = EfficientNetSegmenter(head_file=tmp_path / "run" / "model.safetensors")
    iou = segmenter_iou(lite, sets[1], size=64)["grey"]
    assert iou[[0, VOC_CLASSES.index("boat")]].mean() == pytest.approx(
        history[-1]["val_mean_iou"], abs=0.02
    )
    with pytest.raises(VividPastError, match="no class maps"):
        plain = open_photos(photo_folder)
        open_task(plain, plain, settings, "cpu")


def test_recipe_2018_on_the_command_line(photo_folder: Path, tmp_path: Path) -> None:
    command = ["train", "fusion2018", "--recipe", "2018", "--head", "4", "--in-memory"]
    command += ["--class-maps", "one-hot", "--epochs", "1", "--size", "16", "--device", "cpu"]
    run = tmp_path / "run"
    assert main([*command, "--photos", str(photo_folder), "--run", str(run)]) == 0
    settings = load_settings(run)
    assert (settings.learning_rate, settings.weight_decay) == (0.002, 0)
    assert (settings.batch_size, settings.scaling, settings.schedule) == (20, "2018", "constant")
    assert (settings.augment, settings.class_maps, settings.size) == (False, "one-hot", 16)
    assert main([*command, "--photos", str(photo_folder), "--run", str(run), "--resume"]) == 0


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
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert f"--run {run} --resume" in stderr

    process = start(photo_folder, run, "--resume")
    stdout, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    assert "epoch 2:" not in stdout
    assert same(weights(run), weights(tmp_path / "whole"))


def test_shares_decide_how_often_each_set_is_shown(photo_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for index in range(40):
        name = f"other_{index:02}.jpg"
        (other / name).write_bytes((photo_folder / f"photo_{index % 30:02}.jpg").read_bytes())
    train, val = (open_photos([photo_folder, other], split) for split in ("train", "val"))
    settings = replace(SMALL, shares=(3, 1))
    task = open_task(train, val, settings, "cpu")
    epochs = [task.epoch_photos(epoch).names for epoch in range(3)]
    counts = [sum(name.startswith("photo") for name in names) for names in epochs]
    assert counts == [round(0.75 * len(train))] * 3
    assert all(len(names) == len(train) for names in epochs)
    assert epochs[0] != epochs[1]  # others are left out
    repeats = {name: epochs[0].count(name) for name in epochs[0] if name.startswith("photo")}
    assert max(repeats.values()) - min(repeats.values()) <= 1  # evenly
    assert open_task(train, val, settings, "cpu").epoch_photos(1).names == epochs[1]
    for wrong in ((1,), (1, 1, 1)):
        with pytest.raises(VividPastError, match="2 sets"):
            open_task(train, val, replace(SMALL, shares=wrong), "cpu")


@pytest.mark.parametrize("augment", [True, False])
def test_a_set_that_is_left_without_photos_cant_have_a_share(
    augment: bool, photo_folder: Path, tmp_path: Path
) -> None:
    """In memory, where damaged photos are left out, the third set is not taken for the second."""
    sets = [photo_folder, tmp_path / "bad", tmp_path / "third"]
    for folder in sets[1:]:
        shutil.copytree(photo_folder, folder)
    train, val = (open_photos(sets, split) for split in ("train", "val"))
    for path in sets[1].iterdir():
        path.write_bytes(b"")
    for shares, said in (((1, 1), "2 shares are given, but there are 3"), ((1, 1, 1), "of set 2")):
        settings = replace(SMALL, shares=shares, augment=augment)
        train.damaged = set()
        with (
            pytest.warns(UserWarning, match="is empty"),
            pytest.raises(VividPastError, match=said),
        ):
            open_task(train, val, settings, "cpu", in_memory=True)
    with pytest.raises(VividPastError, match="no photo of set 2 is left"):
        open_task(train.head(5), val, replace(SMALL, shares=(1, 1, 1)), "cpu")


def test_a_run_may_change_its_crops_in_the_cooldown_but_not_its_length(
    sets, tmp_path: Path
) -> None:
    before = replace(SMALL, epochs=8, schedule="warmup-stable-decay")
    after = replace(before, last_size=24, smallest_crop=0.5)

    def stop(_network: torch.nn.Module, row: dict[str, float]) -> None:
        if row["epoch"] == 7:  # of which the last two are the cooldown
            raise KeyboardInterrupt

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(open_task(*sets, before, "cpu"), run=run, progress=False, on_epoch=stop)
    with pytest.raises(VividPastError, match="other settings: epochs;"):
        longer = replace(after, epochs=9)
        fit(open_task(*sets, longer, "cpu"), run=run, resume=True, progress=False)
    changed, history = fit(open_task(*sets, after, "cpu"), run=run, resume=True, progress=False)
    assert len(history) == 8
    with pytest.raises(VividPastError, match="other settings: last_size, smallest_crop;"):
        fit(open_task(*sets, before, "cpu"), run=run, resume=True, progress=False)
    assert load_settings(run) == after
    whole, _ = fit(open_task(*sets, before, "cpu"), progress=False)
    assert not same(whole.state_dict(), changed.state_dict())


def test_a_run_may_decide_its_end_before_the_cooldown(sets, tmp_path: Path) -> None:
    long = replace(SMALL, epochs=8, schedule="warmup-stable-decay")
    short = replace(long, epochs=4, last_size=24)

    def stop_after(epochs: int):
        def stop(_network: torch.nn.Module, row: dict[str, float]) -> None:
            if row["epoch"] == epochs:
                raise KeyboardInterrupt

        return stop

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(open_task(*sets, long, "cpu"), run=run, progress=False, on_epoch=stop_after(3))
    with pytest.raises(VividPastError, match="other settings: seed;"):
        other = replace(short, seed=1)
        settings = replace(other, last_size=0)
        fit(open_task(*sets, settings, "cpu"), run=run, resume=True, progress=False)
    parts, history = fit(open_task(*sets, short, "cpu"), run=run, resume=True, progress=False)
    assert len(history) == 4 and history[-1]["learning_rate"] < 0.0005
    whole, _ = fit(open_task(*sets, short, "cpu"), progress=False)
    assert same(whole.state_dict(), parts.state_dict())
    assert load_settings(run) == short
    with pytest.raises(VividPastError, match="other settings: epochs"):  # the cooldown is over
        settings = replace(short, epochs=5)
        fit(open_task(*sets, settings, "cpu"), run=run, resume=True, progress=False)
