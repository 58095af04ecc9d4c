"""Colour a short clip, play it beside the grey one, and see how its colours flicker."""

import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from ipywidgets import HTML, Button, Checkbox, VBox
from PIL import Image

from ...colorize.colorizer import Colorizer
from ...colorize.compose import compose_rgb
from ...film.film_files import colorize_film
from ...film.film_jobs import colored_name
from ...film.pipeline import ColoredFrame, predict_colors, worker_pool
from ...film.reading import Frame, probe_film, read_colors
from ...film.synthetic import write_mp4
from ...networks.checkpoints import DEFAULT_MODEL
from ...runtime.errors import VividPastError
from .chooser import errors_naming
from .demo import Demo, on_change
from .film_chooser import Film, FilmChooser
from .flicker_plot import describe_flicker, flicker_plot
from .interruptible import Cancelled, InterruptibleColorizer
from .latest_job_runner import LatestJobRunner
from .parts import Download, Progress, Slider, Stage, Video, beside, png, row
from .photo_colorizer import open_colorizer
from .played_film import (
    PlayedFilm,
    frames_within,
    length,
    side_by_side,
    small,
    turned,
)
from .plots import DENSITY, time_left, titled
from .words import tones

#: Length of the part of a film that is coloured, in seconds: at first, and at most.
DEFAULT_SECONDS, MAX_SECONDS = 4, 20


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
        self.seconds = Slider(
            label="Seconds to colour", min=1, max=MAX_SECONDS, value=DEFAULT_SECONDS
        )
        self.compare = Checkbox(
            value=True, indent=False, description="Also independent frames (takes twice as long)"
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
        self._plotting = LatestJobRunner(self._on_error)
        self._cancelled = threading.Event()
        self._shown: PlayedFilm | None = None
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
        """Wait until all jobs are done."""
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

    def _open(self, film: Film, seconds: float) -> PlayedFilm:
        """Show a film before it is coloured."""
        self.message.show(f"Opening {film.name}.")
        self._forget_result()
        with errors_naming(film.name, film.path):
            info = probe_film(film.path)
            greys, first = [], None
            for frame in frames_within(info, seconds):
                self._check()
                greys.append(small(info, info.grey(frame)))
                first = first or frame
            if first is None:
                raise VividPastError(f"{film.name}: not one of its frames can be decoded.")
            lightness = info.planes.lightness(first.luma)
            colored = compose_rgb(lightness, self._colorizer.predict_small(lightness))
        shown = PlayedFilm(film, info, seconds, np.stack(greys), small(info, colored))
        self._play(shown, itertools.repeat(shown.first), "its first frame in colour, so far")
        self.message.show(
            f"{film.name}: {info.summary()}, {float(length(info)):.1f} s. Of it, "
            f"{len(greys)} frames are shown."
        )
        return shown

    def _play(self, shown: PlayedFilm, colored: Iterator[np.ndarray], name: str) -> None:
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
        self.message.show("Cancelled.")

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
            with errors_naming(film.name, film.path):
                self._color_shown(shown, compare)
        except Cancelled:
            self.message.show(f"Cancelled; no more of {film.name} was coloured.")
        finally:
            self._busy(False)

    def _color_shown(self, shown: PlayedFilm, compare: bool) -> None:
        film, info = shown.film, shown.info
        begun, count = time.perf_counter(), len(shown.greys)
        shown = replace(shown, ab=None, ab_independent=None)
        counter = Counter(count, 2 if compare else 1)

        self._on_progress(*counter.add(0))
        colorizer = InterruptibleColorizer(self._colorizer, self._check)
        preview = shown.seconds if shown.seconds < length(info) else None
        folder = Path(self.chooser.folder.name, "coloring")
        folder.mkdir()
        target = folder / colored_name(film.path)
        ab: list[np.ndarray] = []
        independent: list[np.ndarray] = []

        def keep(maps: list[np.ndarray], colored: ColoredFrame[Frame]) -> None:
            maps.append(turned(info, colored.ab[0].numpy()))
            self._on_progress(*counter.add(1))

        try:
            with errors_naming("the coloured film", target):
                colorize_film(
                    colorizer, film.path, target, preview=preview,
                    on_progress=lambda _done, _total: self._check(), on_frame=partial(keep, ab),
                )  # fmt: skip
                result_info = probe_film(target)
                colored = [small(result_info, frame) for frame in read_colors(result_info)]
            shown = replace(shown, first=colored[0], ab=np.stack(ab))
            self._play(shown, iter(colored), "coloured")
            result = folder.with_name("colored") / target.name
            self._check()
            folder.rename(result.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._result = f"{Path(film.name).stem}_colored{target.suffix}", result
        self.save.disabled = False
        self.message.show(
            f"{film.name}: {len(ab)} frames coloured in {time.perf_counter() - begun:.0f} s."
        )
        if not compare:
            return

        with worker_pool() as pool:
            frames = frames_within(info, shown.seconds)
            maps = predict_colors(colorizer, frames, info.guide, pool, independent_frames=True)
            for each in maps:
                self._check()
                keep(independent, each)
            self._shown = replace(shown, ab_independent=np.stack(independent))
            self._show_plot()

    def _on_progress(self, share: float, words: str) -> None:
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
            self.message.show(f"{name} goes to your downloads.")

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


class Counter:
    """Counts coloured frames, and estimates the time left.

    Parameters
    ----------
    frames : int
        Number of frames of the film.
    passes : int
        Number of times each is coloured: once, and perhaps again as an independent frame.
    """

    def __init__(self, frames: int, passes: int) -> None:
        self.frames, self.passes = frames, passes
        self.done, self.begun = 0, time.perf_counter()
        self._counting = threading.Lock()

    def add(self, frames: int) -> tuple[float, str]:
        """Count some more; return the share done, in [0, 1], and the same in words."""
        with self._counting:
            self.done = min(self.done + frames, self.frames * self.passes)
            done, total = self.done, self.frames * self.passes
        now = done % self.frames if done < total else self.frames
        words = f"{now} of {self.frames} frames"
        if self.passes > 1:
            words += ", independent frames" if done >= self.frames else " of the film"
        if 0 < done < total:
            words += ", " + time_left((time.perf_counter() - self.begun) / done * (total - done))
        return done / total, words


def names_html(left: str, right: str, width: int) -> str:
    """Write names above the halves of a picture that is so many pixels wide."""
    halves = "".join(f'<span style="flex: 1">{name}</span>' for name in (left, right))
    return f'<div style="display: flex; gap: 0.5em; max-width: {width}px">{halves}</div>'
