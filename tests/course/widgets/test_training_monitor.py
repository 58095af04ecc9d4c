"""TrainingMonitor without a browser: what it shows, pause and stop, nothing disturbed."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from tests.support.demos import until
from vividpast_lib.course.widgets import TrainingMonitor, training_monitor
from vividpast_lib.course.widgets.plots import plot, time_left
from vividpast_lib.course.widgets.training_monitor import (
    color_samples,
    describe,
    draw_curves,
    thinned,
)
from vividpast_lib.photos.loader import load_lab, mean_color
from vividpast_lib.photos.open import open_photos
from vividpast_lib.photos.photo_set import PhotoSet
from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.training.colorizing import Colorizing
from vividpast_lib.training.loop import fit
from vividpast_lib.training.run_folder import read_history
from vividpast_lib.training.settings import Settings
from vividpast_lib.training.task_registry import open_task

SMALL = Settings(size=16, epochs=3, batch_size=4)
LONG = replace(SMALL, epochs=100_000)  # ends only when it is stopped


@pytest.fixture
def sets(photo_folder: Path) -> tuple[PhotoSet, PhotoSet]:
    return open_photos(photo_folder, "train"), open_photos(photo_folder, "val")


@pytest.fixture(autouse=True)
def _pictures_whenever_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could disturb the training, happens as often as it can."""
    monkeypatch.setattr(training_monitor, "PICTURE_INTERVAL", 0.0)
    monkeypatch.setattr(training_monitor, "PICTURE_SHARE", 1.0)


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_it_opens_with_photos_and_the_levels_to_beat(sets) -> None:
    monitor = TrainingMonitor(*sets, SMALL)
    ab = load_lab(sets[1], 16)[:, 1:]
    mean = torch.tensor(mean_color(sets[0], 16))[:, None, None]
    for level in (ab.abs().mean(), (ab - mean).abs().mean()):
        assert f"{level:.2f}" in monitor.curve.value
    assert "<img" in monitor.grey.value and "<img" in monitor.true.value
    assert Path(monitor.samples.names[0]).stem.replace("_", " ") in monitor.grey.value
    assert monitor.state == "ready" and monitor.go_button.description == "Start"
    assert monitor.stop_button.disabled and not monitor.progress.running
    assert "Ready" in monitor.message.text and not monitor.message.is_error
    with pytest.raises(VividPastError, match="start"):
        _ = monitor.result
    picture, words = monitor.static_preview()
    assert np.asarray(picture).std() > 10 and "grey" in words


@pytest.mark.parametrize("network", ["autoencoder", "fusion2018"])
def test_what_is_trained_is_the_same_to_the_last_bit(sets, tmp_path: Path, network: str) -> None:
    settings = replace(SMALL, network=network, epochs=2)
    expected, history = fit(open_task(*sets, settings, "cpu"), run=tmp_path / "fit", progress=False)
    monitor = TrainingMonitor(*sets, settings, run=tmp_path / "monitor").start().wait()
    assert monitor.state == "done"
    trained, rows = monitor.result
    assert same(trained, expected) and not trained.training
    files = [tmp_path / each / "model.safetensors" for each in ("fit", "monitor")]
    assert files[0].read_bytes() == files[1].read_bytes()
    for one, other in zip(history, rows, strict=True):
        assert {**one, "photos_per_second": 0} == {**other, "photos_per_second": 0}
    assert f"{rows[-1]['val_ab_l1']:.2f}" in monitor.message.text
    assert monitor.go_button.disabled  # nothing is left to do in that folder


def test_two_at_once_do_not_disturb_each_other(sets) -> None:
    settings = [replace(SMALL, seed=seed) for seed in (1, 2)]
    expected = [fit(open_task(*sets, each, "cpu"), progress=False)[0] for each in settings]
    monitors = [TrainingMonitor(*sets, each) for each in settings]
    for monitor in monitors:
        monitor.start()
    for monitor, network in zip(monitors, expected, strict=True):
        assert same(monitor.wait().result[0], network)


def test_pause_holds_the_number_of_steps_and_stop_ends_it(sets) -> None:
    monitor = TrainingMonitor(*sets, LONG)
    monitor.go_button.click()
    until(lambda: len(monitor.history) > 0)
    assert monitor.state == "training" and monitor.go_button.description == "Pause"
    assert monitor.progress.running and "epoch" in monitor.progress.text
    monitor.go_button.click()
    assert monitor.state == "paused" and monitor.go_button.description == "Go on"
    until(lambda: "Paused" in monitor.message.text)  # after the batch under way, and its pictures
    steps = len(monitor.steps)
    time.sleep(0.5)
    assert len(monitor.steps) == steps
    monitor.go_button.click()
    until(lambda: len(monitor.steps) > steps + 5)
    monitor.pause()
    monitor.stop_button.click()  # a run that is paused can be stopped
    monitor.wait()
    assert monitor.state == "stopped" and not monitor.progress.running
    assert f"Stopped in epoch {len(monitor.history) + 1} of" in monitor.message.text
    assert monitor.stop_button.disabled and monitor.go_button.description == "Start again"
    network, history = monitor.result
    assert not network.training and history == monitor.history

    monitor.start()  # without a folder it begins anew
    until(lambda: 0 < len(monitor.steps) < steps)
    assert monitor.steps[0][0] < 1
    monitor.close()
    monitor.wait()
    assert monitor.state == "stopped"


def test_with_a_folder_a_stopped_run_goes_on_as_if_it_had_never_stopped(
    sets, tmp_path: Path
) -> None:
    settings = replace(SMALL, epochs=8)
    expected, _ = fit(open_task(*sets, settings, "cpu"), progress=False)
    run = tmp_path / "run"
    monitor = TrainingMonitor(*sets, settings, run=run).start()
    until(lambda: len(monitor.history) > 1)
    monitor.stop()
    monitor.wait()
    assert str(run) in monitor.message.text and monitor.go_button.description == "Go on"
    before = len(monitor.history)
    assert len(read_history(run / "history.csv")) == before
    # ... also by another monitor
    later = TrainingMonitor(*sets, settings, run=run, resume=True).start().wait()
    assert later.state == "done" and same(later.result[0], expected)
    assert len(later.history) == 8
    assert later.steps[0][0] > before


def test_errors_are_said_and_end_the_run(sets, tmp_path: Path, monkeypatch, capsys) -> None:
    fit(open_task(*sets, replace(SMALL, epochs=1), "cpu"), run=tmp_path / "run", progress=False)
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    monitor = TrainingMonitor(*sets, SMALL, run=tmp_path / "run").start().wait()
    assert monitor.state == "failed" and monitor.message.is_error
    assert "holds a run already" in monitor.message.text
    with pytest.raises(VividPastError, match="holds a run already"):
        _ = monitor.result
    monitor.start().wait()  # it must not take that run for its own
    assert monitor.state == "failed"
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before

    def fail(*_anything: object) -> None:
        raise RuntimeError("out of memory")

    monitor = TrainingMonitor(*sets, SMALL)
    monkeypatch.setattr(Colorizing, "compute_losses", fail)
    monitor.start().wait()
    assert monitor.state == "failed" and "out of memory" in monitor.message.text
    monkeypatch.undo()
    assert monitor.start().wait().state == "done" and not monitor.message.is_error

    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "photo.jpg").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="Skipped"):
        monitor = TrainingMonitor(*sets, SMALL, samples=open_photos(damaged))
    assert monitor.message.is_error and "not one of its photos" in monitor.message.text
    monitor = TrainingMonitor(*sets, replace(SMALL, network="segmenter"))
    assert "segmenter" in monitor.message.text


@pytest.mark.parametrize("network", ["autoencoder", "pyramid"])
def test_sample_photos_are_coloured_as_the_saved_network_would(
    sets, tmp_path: Path, network: str
) -> None:
    """And the network in training is left as it was: its mode, statistics and random numbers."""
    settings = replace(SMALL, network=network, size=32)
    task = open_task(*sets, settings, "cpu")
    assert isinstance(task, Colorizing)
    task.apply_statistics(task.compute_statistics())
    lab = load_lab(sets[1], 48)
    task.network.train()
    modes = [module.training for module in task.network.modules()]
    assert network == "autoencoder" or not all(modes)  # the encoder stays as it was
    before = {key: value.clone() for key, value in task.network.state_dict().items()}
    random = torch.get_rng_state()
    pictures = color_samples(task, lab)
    assert torch.equal(torch.get_rng_state(), random)
    assert modes == [module.training for module in task.network.modules()]
    after = task.network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)

    task.save(tmp_path / "model.safetensors")
    model = training_monitor.Colorizer.load(tmp_path / "model.safetensors", "cpu")
    expected = [training_monitor.compose_rgb(each, model.predict_small(each)) for each in lab[:, 0]]
    error = np.abs(np.array(pictures, float) - np.array(expected, float)).max()
    assert error <= (2 if network == "pyramid" else 0)  # saved in half precision


def test_the_sample_photos_on_the_page_change_as_it_learns(sets) -> None:
    monitor = TrainingMonitor(*sets, replace(SMALL, epochs=8, learning_rate=0.01))
    shown: list[str] = []
    monitor.colored.observe(lambda change: shown.append(change["new"]), "value")
    monitor.start().wait()
    assert len(shown) > 2 and len(set(shown)) == len(shown)
    assert "after 8.0 epochs" in shown[-1]


def test_the_curve_holds_what_the_history_says() -> None:
    steps = [((index + 1) / 10, 20 - index / 10) for index in range(30)]
    history = [{"epoch": epoch, "val_ab_l1": 18.0 - epoch} for epoch in (1, 2, 3)]
    axis = Figure().subplots()
    draw_curves(axis, steps, history, {"grey": 15.0, "mean colour": 14.0}, 5)
    lines = {line.get_label(): line for line in axis.get_lines()}
    assert list(lines["validation"].get_xdata()) == [1, 2, 3]
    assert list(lines["validation"].get_ydata()) == [17, 16, 15]
    assert np.mean(lines["training"].get_ydata()) == pytest.approx(np.mean([y for _, y in steps]))
    assert set(lines["grey"].get_ydata()) == {15} and set(lines["mean colour"].get_ydata()) == {14}
    assert axis.get_xlim() == (0, 5)
    styles = [(line.get_linestyle(), line.get_marker()) for line in lines.values()]
    assert len(set(styles)) == 4  # told apart without colours
    words = describe(steps, history, {"grey": 15.0}, 5)
    assert "after 3.0 of 5 epochs" in words and "17.00" in words and "grey 15.00" in words


def test_many_batches_are_averaged() -> None:
    steps = [(index / 1000, float(index % 2)) for index in range(10_001)]
    points = thinned(steps)
    assert len(points) <= 200
    assert np.allclose(points[:-1, 1], 0.5, atol=0.05)
    one_more = [*((index, 1.0) for index in range(10)), (10, 6.0)]
    assert np.allclose(thinned(one_more)[:, 1], [1, 1, 2])  # one batch is no spike
    assert np.array_equal(thinned(steps[:3]), [np.mean(steps[:3], axis=0)])


def test_plots_can_be_drawn_in_several_threads_at_once() -> None:
    pictures: list[Image.Image] = []

    def draw() -> None:
        pictures.append(plot(lambda axes: axes[0].plot([1, 2, 3], label="a $x^2$")))

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pictures) == 8
    assert all(np.array_equal(pictures[0], other) for other in pictures)


def test_time_left_in_words() -> None:
    assert [time_left(each) for each in (0.2, 40, 300, 7200)] == [
        "about 1 s left", "about 40 s left", "about 5 min left", "about 2.0 h left",
    ]  # fmt: skip
