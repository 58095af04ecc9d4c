"""Colour a short clip, play it beside the grey one, and see how its colours flicker."""

import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ipywidgets import HTML, Button, Checkbox, VBox
from matplotlib.axes import Axes
from PIL import Image
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ...colorize.colorizer import Colorizer
from ...colorize.compose import compose_rgb, lightness_of
from ...film.film_files import colorize_film
from ...film.film_jobs import colored_name
from ...film.pipeline import ColoredFrame, predict_colors, workers
from ...film.reading import FilmInfo, Frame, probe_film, read_colors, read_frames
from ...film.synthetic import write_mp4
from ...networks.checkpoints import DEFAULT_MODEL
from ...runtime.errors import VividPastError
from .demo import Demo, on_change
from .film_chooser import Film, FilmChooser
from .latest_job_runner import LatestJobRunner
from .parts import Download, Progress, Slider, Stage, Video, beside, png, row
from .photo_colorizer import open_colorizer
from .plots import DENSITY, plot, time_left, titled
from .words import tones

#: Longer side of each half of what is played, at most, in pixels.
SIDE = 320
#: Of a film, so many seconds are coloured, at first and at most.
SECONDS, MOST_SECONDS = 4, 20


class Cancelled(Exception):  # noqa: N818 - no error
    """The work under way is no longer wanted."""


class FilmPlayer(Demo):
    """Choose or upload a short clip, colour it, play both in step, and point at what flickers.

    Parameters
    ----------
    colorizer : vividpast_lib.colorize.colorizer.Colorizer, optional
        The model; by default the one that the command line takes.

    Examples
    --------
    >>> from vividpast_lib.course.widgets import FilmPlayer
    >>> FilmPlayer()  # doctest: +SKIP
    """

    def __init__(self, colorizer: Colorizer | None = None) -> None:
        super().__init__()
        self._colorizer = colorizer or open_colorizer(DEFAULT_MODEL)
        self.chooser = FilmChooser(self._choose, self.message, "old_stock.mp4")
        self.seconds = Slider(label="Seconds to colour", min=1, max=MOST_SECONDS, value=SECONDS)
        self.compare = Checkbox(
            value=True, indent=False, description="Also each frame alone (takes twice as long)"
        )
        self.color = Button(description="Colour the film")
        self.cancel = Button(description="Cancel", disabled=True)
        self.progress = Progress(label="Colouring the film")
        self.names = HTML()
        self.video = Video()
        self.stage = Stage(
            label="First frame: arrow keys move the point whose colours the plot shows.",
            help="Click, drag or use the arrow keys: the plot follows this place of the frame.",
            point=[0.5, 0.5],
        )
        self.plot = HTML()
        self.save = Download(self._save, label="Download the coloured film", disabled=True)
        self._plotting = LatestJobRunner(self._failed)
        self._cancelled = threading.Event()
        self._shown: Shown | None = None
        self._result: tuple[str, Path] | None = None  # name for the user, file
        self.set_layout(
            self.chooser,
            row(self.seconds, self.compare),
            row(self.color, self.cancel, self.save),
            self.progress,
            VBox([self.names, self.video]),
            row(self.stage, self.plot),
        )
        on_change(self._show_plot, self.stage, names="point")
        self.color.on_click(lambda _button: self._color())
        self.cancel.on_click(lambda _button: self._stop())
        self._choose()
        self.wait()

    def static_preview(self) -> tuple[Image.Image, str]:
        """Draw a frame of both halves, and the plot."""
        name = self.chooser.film.path.stem.replace("_", " ")
        alt = (
            f"FilmPlayer: a frame of the film {name}, in grey and coloured, and a plot of one "
            "place over time."
        )
        if self._shown is None:
            return Image.new("RGB", (4, 4), "white"), alt
        frame = Image.fromarray(side_by_side(self._shown.greys[0], self._shown.first))
        return beside(frame, flicker_plot(self._shown, *self.stage.point).reduce(DENSITY)), alt

    def wait(self) -> "FilmPlayer":
        """Wait until all that was asked for is done."""
        self.chooser.wait()
        self._latest.wait(600)
        self._plotting.wait()
        return self

    def close(self) -> None:
        """Stop, remove all files, and go from the page."""
        self._cancelled.set()
        with suppress(TimeoutError):
            self._latest.wait(30)
        self.chooser.close()
        super().close()

    # Opening

    def _choose(self) -> None:
        film, seconds = self.chooser.film, self.seconds.value
        self.compare.value = film.bundled
        self._busy(False)
        self.run_in_background(lambda: self._open(film, seconds))

    def _open(self, film: Film, seconds: float) -> "Shown":
        """Show a film before it is coloured."""
        self.message.say(f"Opening {film.name}.")
        self._forget_result()
        with film.said():
            info = probe_film(film.path)
            greys, first = [], None
            for frame in frames_within(info, seconds):
                self._check()
                greys.append(small(info, grey_of(info, frame)))
                first = first or frame
            if first is None:
                raise VividPastError(f"{film.name}: not one of its frames can be decoded.")
            lightness = info.planes.lightness(first.luma)
            colored = compose_rgb(lightness, self._colorizer.predict_small(lightness))
        shown = Shown(film, info, seconds, np.stack(greys), small(info, colored))
        self._play(shown, itertools.repeat(shown.first), "its first frame in colour, so far")
        self.message.say(
            f"{film.name}: {info.summary()}, {float(length(info)):.1f} s. Of it, "
            f"{len(greys)} frames are shown."
        )
        return shown

    def _play(self, shown: "Shown", colored: Iterator[np.ndarray], name: str) -> None:
        """Show a film: grey at the left, and what there is in colour at the right."""
        path = Path(self.chooser.folder.name, "played.mp4")

        def frames() -> Iterator[np.ndarray]:
            for halves in zip(shown.greys, colored, strict=False):
                self._check()
                yield side_by_side(*halves)

        write_mp4(path, frames(), quality=23, rate=shown.info.rate, preset="veryfast")
        width = 2 * shown.greys.shape[2]
        title = shown.film.path.stem if shown.film.bundled else shown.film.name
        title = title.replace("_", " ")
        self._shown = shown
        self.names.value = names_html("grey", name, width)
        self.video.alt = f"The film {title}, at the left in grey, at the right {name}."
        self.video.film = path.read_bytes()
        path.unlink()
        self.stage.alt = f"First frame of {title}, coloured: {tones(shown.first)}."
        self.stage.picture = png(Image.fromarray(shown.first))
        self._show_plot()

    def _check(self) -> None:
        if self._latest.superseded or self._cancelled.is_set():
            raise Cancelled

    def run_in_background(self, job: Callable[[], object]) -> None:
        """Run a job beside the page; what is under way is cancelled."""

        def unless_cancelled() -> None:
            with suppress(Cancelled):
                job()

        self._cancelled = threading.Event()
        super().run_in_background(unless_cancelled)

    # Colouring

    def _color(self) -> None:
        film, seconds, compare = self.chooser.film, self.seconds.value, self.compare.value
        self._busy(True)
        self.run_in_background(lambda: self._color_film(film, seconds, compare))

    def _stop(self) -> None:
        self._cancelled.set()
        self.progress.running = False
        self.cancel.disabled = True
        self.message.say("Cancelled.")

    def _busy(self, busy: bool) -> None:
        self.color.disabled = self.seconds.disabled = self.compare.disabled = busy
        self.cancel.disabled = not busy
        self.progress.running = False

    def _color_film(self, film: Film, seconds: float, compare: bool) -> None:
        self._busy(True)
        try:
            shown = self._shown
            if shown is None or (shown.film, shown.seconds) != (film, seconds):
                shown = self._open(film, seconds)
            self._forget_result()
            with film.said():
                self._color_shown(shown, compare)
        except Cancelled:
            self.message.say(f"Cancelled; no more of {film.name} was coloured.")
        finally:
            self._busy(False)

    def _color_shown(self, shown: "Shown", compare: bool) -> None:
        film, info = shown.film, shown.info
        begun, count = time.perf_counter(), len(shown.greys)
        shown = replace(shown, ab=None, ab_alone=None)
        counter = Counter(count, 2 if compare else 1)

        self._tell(*counter.add(0))
        colorizer = Watched(self._colorizer, self._check)
        preview = shown.seconds if shown.seconds < length(info) else None
        folder = Path(self.chooser.folder.name, "coloring")
        folder.mkdir()
        target = folder / colored_name(film.path)
        ab: list[np.ndarray] = []
        alone: list[np.ndarray] = []

        def keep(maps: list[np.ndarray]) -> Callable[[ColoredFrame[Frame]], None]:
            def kept(colored: ColoredFrame[Frame]) -> None:
                maps.append(turned(info, colored.ab[0].numpy()))
                self._tell(*counter.add(1))

            return kept

        try:
            colorize_film(
                colorizer, film.path, target, preview=preview,
                on_progress=lambda _done, _total: self._check(), on_frame=keep(ab),
            )  # fmt: skip
            colored_facts = probe_film(target)
            colored = [small(colored_facts, frame) for frame in read_colors(colored_facts)]
            shown = replace(shown, first=colored[0], ab=np.stack(ab))
            self._play(shown, iter(colored), "coloured")
            result = folder.with_name("colored") / target.name
            self._check()
            folder.rename(result.parent)
        except VividPastError as error:
            raise VividPastError(str(error).replace(str(target), "the coloured film")) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._result = f"{Path(film.name).stem}_colored{target.suffix}", result
        self.save.disabled = False
        self.message.say(
            f"{film.name}: {len(ab)} frames coloured in {time.perf_counter() - begun:.0f} s."
        )
        if not compare:
            return

        def lightness(frame: Frame) -> Tensor:
            return info.planes.guide(frame.luma)

        with workers() as pool:
            frames = frames_within(info, shown.seconds)
            for each in predict_colors(colorizer, frames, lightness, pool, independent_frames=True):
                self._check()
                keep(alone)(each)
            self._shown = replace(shown, ab_alone=np.stack(alone))
            self._show_plot()

    def _tell(self, share: float, words: str) -> None:
        with self.progress.hold_sync():
            self.progress.value, self.progress.text = share, words
            self.progress.running = True

    def _forget_result(self) -> None:
        self._result = None
        self.save.disabled = True
        shutil.rmtree(Path(self.chooser.folder.name, "colored"), ignore_errors=True)

    def _save(self) -> None:
        if self._result:
            name, path = self._result
            self.save.deliver(name, path.read_bytes(), "video/mp4")
            self.message.say(f"{name} goes to your downloads.")

    # The plot

    def _show_plot(self) -> None:
        def job() -> None:
            shown, (x, y) = self._shown, self.stage.point
            if shown is not None:
                alt = describe_flicker(shown, x, y)
                title = "How the colour of this place changes" if shown.ab is not None else (
                    "How light this place is"
                )  # fmt: skip
                self.plot.value = titled(title, flicker_plot(shown, x, y), alt, DENSITY)

        self._plotting(job)


@dataclass(frozen=True)
class Shown:
    """What is known of the film on the page.

    Parameters
    ----------
    film : Film
        Which one.
    info : FilmFacts
        Of its file.
    seconds : float
        So many of it, from the start.
    greys : ndarray, uint8, shape (T, H, W)
        Its frames, upright and small.
    first : ndarray, uint8, shape (H, W, 3)
        The first one, coloured.
    ab, ab_alone : ndarray, float32, shape (T, 2, h, w), optional
        The colours of the film, and of each frame alone, in Lab units at the network's size.
    """

    film: Film
    info: FilmInfo
    seconds: float
    greys: np.ndarray
    first: np.ndarray
    ab: np.ndarray | None = None
    ab_alone: np.ndarray | None = None


class Watched(Colorizer):
    """A colorizer that can be interrupted.

    Parameters
    ----------
    colorizer : Colorizer
        The one whose answers it gives.
    check : callable
        Called before each step of the network, of which there are many a second, in any thread.
        What it raises ends the work.
    """

    def __init__(self, colorizer: Colorizer, check: Callable[[], None]) -> None:
        vars(self).update(vars(colorizer))
        self.check = check

    def predict(self, *copies: Tensor) -> Tensor:
        """Predict as the colorizer does."""
        with _EachStep(self.check):
            return super().predict(*copies)


class _EachStep(TorchFunctionMode):
    """Calls something before each of PyTorch's functions, in this thread."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self.check = check

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        self.check()
        return func(*args, **(kwargs or {}))


class Counter:
    """Counts frames, and says how far they are and how long the rest takes.

    Parameters
    ----------
    frames : int
        Of the film.
    passes : int
        How often each is coloured: once, and a second time alone.
    """

    def __init__(self, frames: int, passes: int) -> None:
        self.frames, self.passes = frames, passes
        self.done, self.begun = 0, time.perf_counter()
        self._counting = threading.Lock()

    def add(self, frames: int) -> tuple[float, str]:
        """Count some more: the share that is done, and that in words."""
        with self._counting:
            self.done = min(self.done + frames, self.frames * self.passes)
            done, total = self.done, self.frames * self.passes
        now = done % self.frames if done < total else self.frames
        words = f"{now} of {self.frames} frames"
        if self.passes > 1:
            words += ", each alone" if done >= self.frames else " of the film"
        if 0 < done < total:
            words += ", " + time_left((time.perf_counter() - self.begun) / done * (total - done))
        return done / total, words


def length(info: FilmInfo) -> float:
    """Tell the seconds of a film."""
    return float(info.end - info.start)


def frames_within(info: FilmInfo, seconds: float) -> Iterator[Frame]:
    """Decode the frames that `film_jobs.colorize_film` colours of so many seconds."""
    end = (float(info.start) + seconds) / info.time_base
    return itertools.takewhile(lambda frame: frame.pts < end, read_frames(info))


def grey_of(info: FilmInfo, frame: Frame) -> np.ndarray:
    """Give a frame as grey values, uint8 (H, W)."""
    return (info.planes.grey(frame.luma) * 255).round().byte().numpy()


def turned(info: FilmInfo, planes: np.ndarray) -> np.ndarray:
    """Turn planes (..., H, W) as players turn the frames of a film."""
    if info.display_matrix is None:
        return planes
    right, down = info.display_matrix[:2]
    quarters = round(-np.arctan2(down, right) / (np.pi / 2))
    return np.ascontiguousarray(np.rot90(planes, quarters, axes=(-2, -1)))


def small(info: FilmInfo, values: np.ndarray) -> np.ndarray:
    """Make a frame upright and small, with square pixels and even sides.

    Parameters
    ----------
    info : FilmFacts
        Of its film.
    values : ndarray, uint8, shape (H, W) or (H, W, 3)
        The frame as it is stored.

    Returns
    -------
    ndarray, uint8, shape (h, w) or (h, w, 3)
        No side is longer than `SIDE`.
    """
    width, height = values.shape[1] * float(info.aspect), values.shape[0]
    scale = min(1.0, SIDE / max(width, height))
    size = [max(2, 2 * round(side * scale / 2)) for side in (width, height)]
    image = Image.fromarray(values).resize((size[0], size[1]), Image.Resampling.BILINEAR)
    planes = np.asarray(image)
    if planes.ndim == 2:
        return turned(info, planes)
    return np.ascontiguousarray(turned(info, planes.transpose(2, 0, 1)).transpose(1, 2, 0))


def side_by_side(grey: np.ndarray, colored: np.ndarray) -> np.ndarray:
    """Put a grey frame (H, W) left of its coloured one (H, W, 3): (H, 2 W, 3)."""
    return np.concatenate([np.repeat(grey[..., None], 3, axis=2), colored], axis=1)


def names_html(left: str, right: str, width: int) -> str:
    """Write names above the halves of a picture of that width."""
    halves = "".join(f'<span style="flex: 1">{name}</span>' for name in (left, right))
    return f'<div style="display: flex; gap: 0.5em; max-width: {width}px">{halves}</div>'


def at_place(planes: np.ndarray, x: float, y: float) -> np.ndarray:
    """Read planes (..., H, W) at a place, shares of width and height."""
    height, width = planes.shape[-2:]
    return planes[..., int(y * height), int(x * width)]


def flicker(ab: np.ndarray) -> float:
    """Measure how far the colour of one place jumps from frame to frame.

    Parameters
    ----------
    ab : ndarray, shape (T, 2)
        In Lab units.

    Returns
    -------
    float
        Mean distance in the plane of a and b; 0 of a single frame.
    """
    steps = np.diff(np.asarray(ab, np.float64), axis=0)
    return float(np.hypot(*steps.T).mean()) if len(steps) else 0.0


def places(shown: Shown, x: float, y: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Follow one place of the frame through a film.

    Returns
    -------
    lightness : ndarray, shape (T,)
        L in [0, 100].
    colors : dict of ndarray, shape (T, 2)
        ab in Lab units of ``each frame alone`` and of the ``film``, as far as they are known.
    """
    values = np.ascontiguousarray(at_place(shown.greys, x, y))
    lightness = lightness_of(values[:, None, None])[:, 0].numpy()
    maps = {"each frame alone": shown.ab_alone, "film": shown.ab}
    return lightness, {name: at_place(ab, x, y) for name, ab in maps.items() if ab is not None}


def flicker_plot(shown: Shown, x: float, y: float) -> Image.Image:
    """Draw how one place changes over time: its lightness, or a and b once there are colours.

    Parameters
    ----------
    shown : Shown
        The film.
    x, y : float
        The place, shares of width and height in [0, 1).
    """
    lightness, colors = places(shown, x, y)
    seconds = np.arange(len(lightness)) / float(shown.info.rate)
    return plot(lambda axes: draw_flicker(axes, seconds, lightness, colors), 2 if colors else 1)


def draw_flicker(
    axes: list[Axes], seconds: np.ndarray, lightness: np.ndarray, colors: dict[str, np.ndarray]
) -> None:
    """Draw what `places` gives on two axes, a and b, or without colours on one."""
    styles: dict[str, dict[str, Any]] = {
        "each frame alone": {"ls": "--", "lw": 1.0, "color": "tab:orange"},
        "film": {"ls": "-", "lw": 1.8, "color": "tab:blue"},
    }
    marker = "" if len(seconds) > 1 else "o"
    if not colors:
        axes[0].plot(seconds, lightness, marker=marker, color="black")
        axes[0].set_ylabel("lightness L")
    for channel, axis in enumerate(axes if colors else []):
        for name, ab in colors.items():
            axis.plot(seconds, ab[:, channel], marker=marker, label=name, **styles[name])
        axis.set_ylabel("a (red)" if channel == 0 else "b (yellow)")
    if colors:
        axes[0].legend(fontsize=9)
    for axis in axes:
        axis.grid(alpha=0.3)
        low, high = axis.get_ylim()
        middle = (low + high) / 2
        axis.set_ylim(min(low, middle - 5), max(high, middle + 5))  # noise must not look large
    axes[-1].set_xlabel("seconds")


def describe_flicker(shown: Shown, x: float, y: float) -> str:
    """Say in words what `flicker_plot` draws."""
    lightness, colors = places(shown, x, y)
    place = f"{100 * x:.0f} % from the left, {100 * y:.0f} % from the top"
    if not colors:
        return (
            f"Plot of the lightness at {place}, over {len(lightness)} frames: between "
            f"{lightness.min():.0f} and {lightness.max():.0f}."
        )
    jumps = "; ".join(f"{name} {flicker(ab):.2f}" for name, ab in reversed(colors.items()))
    return (
        f"Plot of a and b at {place}, over {len(lightness)} frames. Mean change from frame to "
        f"frame in Lab units: {jumps}."
    )
