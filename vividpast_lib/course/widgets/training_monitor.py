"""Watch a network learn: the error as it falls, and sample photos, with pause and stop."""

import contextlib
import contextvars
import math
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ipywidgets import HTML, Button, VBox
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor, nn

from ...color.metrics import ab_l1
from ...colorize.colorizer import Colorizer
from ...colorize.compose import compose_rgb
from ...photos.loader import load_lab, mean_color
from ...photos.open import open_photos
from ...photos.photo_set import PhotoSet
from ...runtime.devices import best_device
from ...runtime.errors import VividPastError
from ...training.colorizing import Colorizing
from ...training.loop import Step, fit
from ...training.run_folder import holds_run, read_history
from ...training.settings import Settings
from ...training.task import Row
from ...training.task_registry import open_task, task_class
from .demo import Demo
from .parts import Progress, beside, row
from .plots import DENSITY, plot, time_left, titled
from .words import tones

#: Default settings of a monitor.
EXAMPLE = Settings(size=64, epochs=20, batch_size=8)
#: Side of a sample photo, in pixels.
SAMPLE_SIDE = 112
#: Number of photos on which grey and the mean colour are evaluated before the first epoch ends.
BASELINE_PHOTOS = 50
#: Shortest time between two pictures, in seconds, and the largest share of the time they take.
PICTURE_INTERVAL, PICTURE_SHARE = 2.0, 0.1


class TrainingMonitor(Demo):
    """Trains a network by `loop.fit` beside the page, and shows its progress.

    Parameters
    ----------
    train, val : PhotoSet, optional
        Photos for training, and for validation after each epoch; the bundled ones by default.
    settings : Settings, optional
        Settings of a colorizer; by default a small network that trains in about a minute.
    samples : PhotoSet, optional
        Sample photos; four of ``val`` by default.
    run, resume
        As in `loop.fit`.
    device, in_memory
        As in `open_task`; the CPU by default.

    Attributes
    ----------
    state : str
        ``ready``, ``training``, ``paused``, ``stopping``, ``stopped``, ``done`` or ``failed``.
    history : list of dict
        One row per epoch, so far.

    Examples
    --------
    >>> from vividpast_lib.course.widgets import TrainingMonitor
    >>> monitor = TrainingMonitor(train, val, settings)  # doctest: +SKIP
    >>> monitor  # shows it, with a button Start  # doctest: +SKIP
    >>> monitor.start()  # ... does the same  # doctest: +SKIP
    >>> network, history = monitor.wait().result  # doctest: +SKIP
    """

    def __init__(
        self,
        train: PhotoSet | None = None,
        val: PhotoSet | None = None,
        settings: Settings = EXAMPLE,
        *,
        samples: PhotoSet | None = None,
        run: Path | str | None = None,
        resume: bool = False,
        device: torch.device | str = "cpu",
        in_memory: bool = False,
    ) -> None:
        super().__init__()
        self.train = train or open_photos("bundled", "train")
        self.val = val or open_photos("bundled", "val")
        self.samples = samples or self.val.evenly_spaced(4)
        self.settings = settings
        self.run = Path(run) if run else None
        self.device, self.in_memory = best_device(device), in_memory
        self.history: list[Row] = []
        self.state = "ready"
        self._resume = resume
        self._curve = self._grey = self._true = Image.new("RGB", (4, 4), "white")
        self._colored: Image.Image | None = None
        self._network: nn.Module | None = None
        self._error: Exception | None = None
        #: (epochs done, training error in Lab units) after each batch.
        self.steps: list[tuple[float, float]] = []
        self._levels: dict[str, float] = {}
        self._changing = threading.RLock()
        self._go, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

        self.go_button = Button(description="Start")
        self.stop_button = Button(description="Stop", disabled=True)
        self.progress = Progress(label="Training")
        self.curve = HTML()
        self.grey, self.colored, self.true = HTML(), HTML(), HTML()
        self.set_layout(
            row(self.go_button, self.stop_button, self.progress),
            row(self.curve, VBox([self.grey, self.colored, self.true])),
        )
        self.go_button.on_click(lambda _button: self._press())
        self.stop_button.on_click(lambda _button: self.stop())
        self.run_in_background(self._open)
        self._latest.wait()

    def static_preview(self) -> tuple[Image.Image, str]:
        """Draw the curve and the sample photos."""
        strips = [np.asarray(each) for each in (self._grey, self._colored, self._true) if each]
        samples = Image.fromarray(np.vstack(strips))
        return beside(self._curve.reduce(DENSITY), samples), (
            "TrainingMonitor: a plot of the error over the epochs, and sample photos in grey, as "
            "the network colours them, and in their true colours."
        )

    # What the buttons do, and code can

    def start(self) -> "TrainingMonitor":
        """Begin, or go on after a pause; returns at once.

        After a stop it begins anew; with a ``run`` it goes on where that was stopped.
        """
        with self._changing:
            if self.state == "paused":
                self._enter("training", "Training goes on.")
                self._go.set()
            elif self.state not in ("training", "stopping"):
                self._begin()
        return self

    def pause(self) -> None:
        """Hold the training after the batch under way."""
        with self._changing:
            if self.state == "training":
                self._go.clear()
                self._enter("paused", "Pausing after the batch under way.")

    def stop(self) -> None:
        """End the training after the batch under way."""
        with self._changing:
            if self.state in ("training", "paused"):
                self._enter("stopping", "Stopping after the batch under way.")
                self._stop.set()
                self._go.set()

    def wait(self) -> "TrainingMonitor":
        """Wait until the training has ended, also by a stop or an error."""
        super().wait()
        if self._thread:
            self._thread.join()
        return self

    @property
    def result(self) -> tuple[nn.Module, list[Row]]:
        """The network as it is now, in evaluation mode once training has ended; the history.

        Raises
        ------
        VividPastError
            If nothing is trained yet; if training failed, its own error is raised.
        """
        if self._error:
            raise self._error
        if self._network is None:
            raise VividPastError("Nothing is trained yet; press Start, or call start().")
        return self._network, self.history

    def close(self) -> None:
        """Stop, and go from the page."""
        self.stop()
        super().close()

    def _press(self) -> None:
        if self.state == "training":
            self.pause()
        else:
            self.start()

    def _enter(self, state: str, sentence: str) -> None:
        """Change the state, and with it the buttons and the message."""
        with self._changing:
            self.state = state
            labels = {"training": "Pause", "stopping": "Pause", "paused": "Go on"}
            self.go_button.description = labels.get(
                state, "Go on" if self._resume else "Start again"
            )
            self.go_button.disabled = state == "stopping" or (state == "done" and self._resume)
            self.stop_button.disabled = state not in ("training", "paused")
            self.progress.label = "Training, paused" if state == "paused" else "Training"
            self.progress.running = state in ("training", "paused", "stopping")
            if state == "failed":
                self.message.show_error(sentence)
            else:
                self.message.show(sentence)

    # In the thread that trains

    def _begin(self) -> None:
        if not (self._resume and self.run and holds_run(self.run)):
            self.history, self.steps = [], []
        elif not self.history:  # of an earlier session
            with contextlib.suppress(OSError, ValueError, KeyError):
                self.history = read_history(self.run / "history.csv")
        self._error = self._network = None
        self._go.set()
        self._stop.clear()
        self._clock = self._first_share = self._next_picture = self._next_words = 0.0
        self.progress.value, self.progress.text = 0.0, "looking at the photos"
        self._enter("training", "Training has begun.")
        # Jupyter knows by the context which cell a thread works for.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._work,), daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._enter(*self._train())
        except Exception as error:
            self._error = error
            sentence = str(error)
            if not isinstance(error, VividPastError):  # a mistake of ours belongs in the log
                traceback.print_exception(error, file=sys.__stderr__)
                sentence = f"training failed ({type(error).__name__}: {error})."
            self._enter("failed", sentence)

    def _train(self) -> tuple[str, str]:
        """Train; return the final state and a sentence about it."""
        epochs = self.settings.epochs
        task = open_task(self.train, self.val, self.settings, self.device, self.in_memory)
        assert isinstance(task, Colorizing)
        self._network = task.network
        try:
            _network, self.history = fit(
                task, run=self.run, resume=self._resume, progress=False, stop=self._stop,
                on_batch=lambda _network, step: self._on_batch(task, step),
                on_epoch=lambda _network, row: self._on_epoch(task, row),
            )  # fmt: skip
        except KeyboardInterrupt:
            task.network.eval()
            self._show(task)
            kept = "`result` holds the network as it is now; Start again begins anew."
            if self.run:
                kept = f"It is saved in {self.run}; Go on goes on there."
            return "stopped", f"Stopped in epoch {len(self.history) + 1} of {epochs}. {kept}"
        self._show_curve()
        return "done", (
            f"Done: {epochs} epochs, validation error {self.history[-1]['val_ab_l1']:.2f} Lab "
            "units. `result` holds the network and the history."
        )

    def _on_batch(self, task: Colorizing, step: Step) -> None:
        self._resume = self.run is not None  # what is in that folder now, is ours
        epochs = step.epoch - 1 + step.photos / step.photos_per_epoch
        self.steps.append((epochs, step.losses["ab_l1"]))
        share = epochs / self.settings.epochs
        now = time.perf_counter()
        if not self._clock:
            self._clock, self._first_share = now, share
        if now >= self._next_words or not self._go.is_set():
            self._next_words = now + 0.25
            done = max(share - self._first_share, 1e-9)
            left = (now - self._clock) * (1 - share) / done
            words = [
                f"epoch {step.epoch} of {self.settings.epochs}",
                f"photo {step.photos} of {step.photos_per_epoch}",
                *([time_left(left)] if left else []),
            ]
            with self.progress.hold_sync():
                self.progress.value, self.progress.text = share, ", ".join(words)
        if now >= self._next_picture or not self._go.is_set():
            self._show(task)
        if not self._go.is_set():
            self._hold()

    def _hold(self) -> None:
        """Wait for Go on or Stop."""
        with self._changing:
            if self.state == "paused":
                self.message.show("Paused. Go on goes on, Stop ends it here.")
        paused = time.perf_counter()
        self._go.wait()
        self._clock += time.perf_counter() - paused

    def _on_epoch(self, task: Colorizing, row: Row) -> None:
        self.history = [*self.history, row]
        if time.perf_counter() >= self._next_picture or len(self.history) == self.settings.epochs:
            self._show(task)
        else:
            self._show_curve()

    # The picture

    def _open(self) -> None:
        """Show the photos, and the errors of the trivial colorizers."""
        if not issubclass(task_class(self.settings.network), Colorizing):
            raise VividPastError("A monitor shows colours; a segmenter has none to show.")
        self._lab = load_lab(self.samples, SAMPLE_SIDE)  # (N, 3, SAMPLE_SIDE, SAMPLE_SIDE)
        self._grey, self._true = (
            strip([compose_rgb(lab[0], lab[None, 1:] * share) for lab in self._lab])
            for share in (0, 1)
        )
        names = ", ".join(Path(name).stem.replace("_", " ") for name in self.samples.names)
        self.grey.value = titled("What it sees", self._grey, f"Grey photos: {names}.")
        alt = f"The photos in colour: {colors_of(self._true)}."
        self.true.value = titled("True colours", self._true, alt)
        mean = torch.tensor(
            mean_color(self.train.evenly_spaced(BASELINE_PHOTOS), self.settings.size)
        )
        ab = load_lab(self.val.evenly_spaced(BASELINE_PHOTOS), self.settings.size)[:, 1:]
        self._levels = {
            "grey": float(ab.abs().mean()),
            "mean colour": float(ab_l1(mean[:, None, None], ab)),
        }
        self._show_curve()
        self.message.show(
            f"Ready to train {self.settings.network} on {len(self.train):,} photos for "
            f"{self.settings.epochs} epochs."
        )

    def _show(self, task: Colorizing) -> None:
        started = time.perf_counter()
        self._show_curve()
        self._colored = image = strip(color_samples(task, self._lab))
        epochs = self.steps[-1][0] if self.steps else float(len(self.history))
        title = f"What it makes of it after {epochs:.1f} epochs"
        self.colored.value = titled(title, image, f"{title}: {colors_of(image)}.")
        now = time.perf_counter()
        self._next_picture = now + max(PICTURE_INTERVAL, (now - started) / PICTURE_SHARE)

    def _show_curve(self) -> None:
        if self.history:
            last = self.history[-1]
            names = {"grey": "val_grey_ab_l1", "mean colour": "val_mean_color_ab_l1"}
            self._levels = {name: last[key] for name, key in names.items()}
        self._curve = render(self.steps, self.history, self._levels, self.settings.epochs)
        alt = describe(self.steps, self.history, self._levels, self.settings.epochs)
        self.curve.value = titled("How far off the colours are", self._curve, alt, DENSITY)


def render(
    steps: Sequence[tuple[float, float]],
    history: Sequence[Row],
    levels: dict[str, float],
    epochs: int,
) -> Image.Image:
    """Draw the error over the epochs; see `draw_curves`."""
    return plot(lambda axes: draw_curves(axes[0], steps, history, levels, epochs))


def draw_curves(
    axis: Axes,
    steps: Sequence[tuple[float, float]],
    history: Sequence[Row],
    levels: dict[str, float],
    epochs: int,
) -> None:
    """Draw the training error, the validation error, and the trivial colorizers.

    Parameters
    ----------
    axis : matplotlib Axes
        Where to draw.
    steps : sequence of (float, float)
        Epochs done and error in Lab units, after each batch.
    history : sequence of dict
        The rows that `loop.fit` returns, so far.
    levels : dict of float
        {name: error} of the trivial colorizers: ``grey`` and ``mean colour``.
    epochs : int
        Number of epochs of the whole training.
    """
    if steps:
        axis.plot(*thinned(steps).T, "-", lw=1.2, label="training")
    if history:
        values = [row["val_ab_l1"] for row in history]
        axis.plot([row["epoch"] for row in history], values, "s--", ms=4, label="validation")
    styles = {"grey": ("grey", ":"), "mean colour": ("sienna", "-.")}
    for name, value in levels.items():
        color, style = styles[name]
        axis.axhline(value, color=color, ls=style, label=name)
    axis.set_xlim(0, epochs)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("epoch")
    axis.set_ylabel("L1 of ab (Lab units)")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=9)
    axis.grid(alpha=0.3)


def thinned(steps: Sequence[tuple[float, float]], least: int = 5, most: int = 200) -> np.ndarray:
    """Average ``least`` batches, or as many more as leave at most ``most`` points: (points, 2).

    The last point is the mean of as many batches as the others.
    """
    every = max(least, math.ceil(len(steps) / most))
    values = np.array(steps)
    ends = [*range(every, len(values), every), len(values)]
    return np.stack([values[max(0, end - every) : end].mean(axis=0) for end in ends])


def describe(
    steps: Sequence[tuple[float, float]],
    history: Sequence[Row],
    levels: dict[str, float],
    epochs: int,
) -> str:
    """Describe in words what `draw_curves` draws."""
    parts = []
    if steps:
        recent = np.mean([error for _epoch, error in steps[-20:]])
        parts.append(f"training {recent:.2f} after {steps[-1][0]:.1f} of {epochs} epochs")
    if history:
        first, last = history[0]["val_ab_l1"], history[-1]["val_ab_l1"]
        parts.append(f"validation {first:.2f} after the first epoch, {last:.2f} after the last one")
    parts += [f"{name} {value:.2f}" for name, value in levels.items()]
    return f"Plot of the error over the epochs, L1 of ab in Lab units: {'; '.join(parts)}."


def color_samples(task: Colorizing, lab: Tensor) -> list[np.ndarray]:
    """Colour photos by a network in the midst of training.

    Parameters
    ----------
    task : Colorizing
        Its network stays as it is: no random numbers are drawn, no statistics are updated.
    lab : Tensor, shape (N, 3, H, W)
        Photos; only their lightness is used.

    Returns
    -------
    list of ndarray, uint8, shape (H, W, 3)
    """
    modes = {module: module.training for module in task.network.modules()}
    task.network.eval()
    try:
        model = Colorizer(task.checkpoint(), task.device)
        return [compose_rgb(lightness, model.predict_small(lightness)) for lightness in lab[:, 0]]
    finally:
        for module, mode in modes.items():
            module.training = mode


def strip(photos: Sequence[np.ndarray]) -> Image.Image:
    """Put photos (H, W, 3) beside each other."""
    return beside(*map(Image.fromarray, photos), gap=4)


def colors_of(image: Image.Image) -> str:
    """Name the colours of a picture."""
    return tones(np.asarray(image))
