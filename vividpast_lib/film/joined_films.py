"""The colours of a film that any tool has coloured, on the frames of the original.

What `colorize.joined_photos` does for photos, frame by frame. How the copy lies on the film, and
how blurred it is, is found once, for all frames, so that colours do not tremble.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..color.local_colors import estimate_blur, fit_local_colors
from ..colorize.joined_photos import (
    check_not_an_input,
    lab_of_copy,
    lay_on,
    no_color,
    shows_something_else,
    warn_if_cut_off,
)
from ..colorize.registration import SAME_PICTURE, Alignment, align, likeness
from ..photos.picture import Picture
from ..runtime.errors import VividPastError
from ..runtime.files import file_hash
from ..runtime.threads import in_order
from .analysis import BATCH
from .film_jobs import FilmJob, plan_film
from .pipeline import ColoredFrame, worker_pool
from .reading import FilmInfo, Frame, decode_frames, probe_film, read_frames, to_rgb
from .segments import finish, finished_segments, job_frames, opened_parts, write_segments
from .ycbcr import shrunk

# A copy may end so many of its own or the film's frames, whichever last longer, before the film.
FRAMES_MISSING = 1.5
# Number of frames, evenly spaced, by which the copy is compared with the film.
SAMPLES = 12


@dataclass(frozen=True)
class _Copy:
    """A coloured copy of a film, how it lies on the film, and how blurred it is, in its pixels."""

    info: FilmInfo
    alignment: Alignment
    blur: float


def join_films(
    film: str | Path, colored: str | Path, target: str | Path, *, force: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> FilmJob:  # fmt: skip
    """Join a film with the colours of its coloured copy; everything else about it is kept.

    Parameters
    ----------
    film, colored, target : str or Path
        The film; its copy, which may have another size and another frame rate: a frame gets the
        colours that the copy shows at its time; and the film to write.
    force, on_progress
        As in `colorize_film`. A call that was stopped is gone on with.

    Returns
    -------
    FilmJob

    Raises
    ------
    VividPastError
        If a film can't be read or written; if the copy has no colour, is shorter than the film,
        or shows something else.

    Warns
    -----
    UserWarning
        If the copy shows much less than the film.
    """
    check_not_an_input(Path(target), Path(colored))
    job, info = plan_film(Path(film), Path(target), force=force), probe_film(Path(colored))
    _check_length(job.info, info)
    copy = _compare(job, info)
    identity: dict[str, object] = {
        "version": __version__,
        "film": file_hash(job.info.path),
        "colored": file_hash(info.path),
        "encoding": dataclasses.asdict(job.encoding),
    }
    with opened_parts(job, identity):
        _join(job, copy, on_progress)
        finish(job)
    return job


def _check_length(film: FilmInfo, copy: FilmInfo) -> None:
    length, copy_length = film.end - film.start, copy.end - copy.start
    if length - copy_length > FRAMES_MISSING * max(1 / film.rate, 1 / copy.rate):
        raise VividPastError(
            f"{copy.path}: lasts {float(copy_length):.2f} s, and {film.path} "
            f"{float(length):.2f} s; colour the whole film."
        )


def _compare(job: FilmJob, copy: FilmInfo) -> _Copy:
    """Find how a copy lies on a film, and how blurred it is, as the median over some frames."""
    film, alignments, blurs, has_color = job.info, [], [], False
    for sample in range(SAMPLES):
        time = (film.end - film.start) * (2 * sample + 1) / (2 * SAMPLES)
        frames = read_frames(film, round((film.start + time) / film.time_base))
        frame = next(chain(frames, read_frames(film)))  # where seeking misses, the first
        _frame, copies = next(_with_copies(film, copy, iter([frame])))
        rgb = to_rgb(copies[0], copy.planes)
        has_color |= Picture(rgb).is_color
        lightness = _lightness(job, frame)
        lab = lab_of_copy(rgb, lightness.shape)
        alignments.append(align(lightness, lab[0, 0]))
        if alignments[-1].likeness >= SAME_PICTURE:
            guide, lab = lay_on(lightness, lab, alignments[-1])
            blurs.append(estimate_blur(guide, lab[:, :1]))
    if not has_color:
        raise no_color(copy.path)
    alike = [each for each in alignments if each.likeness >= SAME_PICTURE]
    if 2 * len(alike) < len(alignments):
        raise shows_something_else(
            film.path, copy.path, float(np.median([each.likeness for each in alignments]))
        )
    shift = np.median([each.shift for each in alike], axis=0).tolist()
    scale = np.median([each.scale for each in alike], axis=0).tolist()
    alignment = Alignment((shift[0], shift[1]), (scale[0], scale[1]))
    warn_if_cut_off(film.path, copy.path, alignment)
    return _Copy(copy, alignment, float(np.median(blurs)))


def _join(job: FilmJob, copy: _Copy, on_progress: Callable[[int, int], None]) -> None:
    """Write the segments of a film that are not there yet."""
    known = [record for _path, records in finished_segments(job) for record in records]
    start = len(known)
    frames = islice(job_frames(job, start - 1, known[-1][0]), 1, None) if known else job_frames(job)

    @torch.inference_mode()
    def to_planes(
        pair: tuple[Frame, Sequence[Any]],
    ) -> tuple[ColoredFrame[Frame], np.ndarray, np.ndarray]:
        frame, copies = pair
        colored = ColoredFrame(frame, 1.0, False, _ab(job, copy, frame, copies))
        return colored, *job.encoding.to_planes(frame.luma, job.info.planes.bits, colored.ab)

    on_progress(start, job.frames)
    with worker_pool() as pool:
        stored = in_order(pool, to_planes, _with_copies(job.info, copy.info, frames), BATCH)
        write_segments(job, stored, start, on_progress)


def _lightness(job: FilmJob, frame: Frame) -> Tensor:
    """Lightness (h, w) of a frame, at the size of a chroma plane."""
    size = job.encoding.chroma_size(*frame.luma.shape)
    return job.info.planes.lightness(shrunk(frame.luma, size))


def _ab(job: FilmJob, copy: _Copy, frame: Frame, copies: Sequence[Any]) -> Tensor:
    """Take a frame's ab (1, 2, h, w), at the size of a chroma plane, from a frame of the copy.

    From the one nearest in time, or, if that shows another shot, from one beside it.
    """
    lightness, lab = _lightness(job, frame), None
    for each in copies:
        other = lab_of_copy(to_rgb(each, copy.info.planes), lightness.shape)
        lab = other if lab is None else lab
        if likeness(lightness, other[0, 0], copy.alignment) >= SAME_PICTURE:
            lab = other
            break
    assert lab is not None
    guide, lab = lay_on(lightness, lab, copy.alignment)
    colors = fit_local_colors(lab[:, 1:], guide, copy.blur)
    return colors.rows(lightness, 0, len(lightness))[None]


def _with_copies(
    film: FilmInfo, copy: FilmInfo, frames: Iterator[Frame]
) -> Iterator[tuple[Frame, list[Any]]]:
    """Give each frame with up to three frames of the copy around its time, the nearest first."""
    around: deque[tuple[Fraction, Any]] = deque(maxlen=3)
    rest: Iterator[tuple[Fraction, Any]] | None = None
    for frame in frames:
        time = frame.pts * film.time_base - film.start
        rest = rest or _frames_from(copy, time - 2 / copy.rate)
        while not around or around[-1][0] <= time:
            following = next(rest, None)
            if following is None:
                break
            around.append(following)
        if not around:
            raise VividPastError(f"{copy.path}: not one of its frames can be decoded.")
        nearest = sorted(around, key=lambda each: abs(each[0] - time))
        yield frame, [each for _time, each in nearest]


def _frames_from(info: FilmInfo, time: Fraction) -> Iterator[tuple[Fraction, Any]]:
    """Decode a film from about a time on, in seconds from its start, as the frames' times are."""

    def times(frames: Iterator[tuple[int, Any]]) -> Iterator[tuple[Fraction, Any]]:
        return ((pts * info.time_base - info.start, frame) for pts, frame in frames)

    if time > 0:
        frames = times(decode_frames(info, round((time + info.start) / info.time_base)))
        first = next(frames, None)
        if first is not None and first[0] <= time + 2 / info.rate:
            yield first
            yield from frames
            return
    yield from times(decode_frames(info))  # in some kinds of files seeking misses
