"""A job in, its segments out: those that are done are kept, so that a kill loses little.

Beside OUT, the folder OUT.parts holds the segments, and what they are made from in job.json. A
second call goes on after them. OUT appears when it is whole, and then the folder goes.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, groupby, islice, takewhile
from pathlib import Path

import numpy as np

from ..colorize.colorizer import Colorizer
from ..runtime.errors import VividPastError
from ..runtime.files import atomic_write, file_lock
from ..runtime.threads import in_order
from .analysis import BATCH, Item, analyze_batches
from .film_jobs import FilmJob
from .joining import join_segments
from .pipeline import ColoredFrame, predict_colors, worker_pool
from .pyav import film_write_errors
from .reading import Frame, read_frames
from .temporal_vote import VOTE_RADIUS
from .writing import segment_writer

#: Of each frame: its time, in the film's time base, and its exposure, as in `exposure`.
FrameRecords = Sequence[tuple[int, float]]

#: A segment ends at the first cut after MIN_SEGMENT_FRAMES, or else after MAX_SEGMENT_FRAMES.
MIN_SEGMENT_FRAMES, MAX_SEGMENT_FRAMES = 48, 240
JOB_FILE, LOCK_FILE = "job.json", "lock"


@contextmanager
def opened_parts(job: FilmJob, identity: dict[str, object], resume: bool = True) -> Iterator[None]:
    """Hold the folder of segments for one call alone, and clear it of what can't be used.

    ``identity`` is what segments must have been made from to be used, as of `FilmJob.identity`.
    """
    with film_write_errors(job.target):
        job.parts.mkdir(parents=True, exist_ok=True)
    with file_lock(job.parts / LOCK_FILE, job.target):
        usable = resume and _read_identity(job) == identity
        for pattern in [".*.tmp*"] if usable else [".*.tmp*", "*.nut", "*.json"]:
            for path in job.parts.glob(pattern):
                path.unlink()
        with film_write_errors(job.target), atomic_write(job.parts / JOB_FILE) as temporary:
            temporary.write_text(json.dumps(identity, indent=2, sort_keys=True), "utf-8")
        yield
        # While it holds the lock: afterwards, the folder may be that of the next call.
        shutil.rmtree(job.parts, ignore_errors=True)
    if os.name == "nt":  # where the lock, and so the folder, could not be removed while held
        with suppress(OSError):
            job.parts.rmdir()


def _read_identity(job: FilmJob) -> object:
    """Read what the segments were made from, None if that is not known."""
    try:
        identity = json.loads((job.parts / JOB_FILE).read_text("utf-8"))
        if (
            "each_frame_alone" in identity
        ):  # its old name, in job files written before it was renamed
            identity["independent_frames"] = identity.pop("each_frame_alone")
        return identity
    except (OSError, ValueError, TypeError):
        return None


def finished_segments(job: FilmJob, start: int = 0) -> Iterator[tuple[Path, FrameRecords]]:
    """List the segments that are done from frame ``start`` on, without a gap, and their records."""
    while (path := _segment_path(job, start)).exists():
        records = json.loads(path.with_suffix(".json").read_text("utf-8"))
        yield path, records
        start += len(records)


def _segment_path(job: FilmJob, start: int) -> Path:
    """Name the segment that begins with a frame; its records are beside it, in JSON."""
    return job.parts / f"{start:08}.nut"


def color_segments(
    job: FilmJob, colorizer: Colorizer, start: int = 0, stop: int | None = None,
    records: FrameRecords = (), on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_frame: Callable[[ColoredFrame[Frame]], None] = lambda colored: None,
) -> None:  # fmt: skip
    """Write the segments of a film that are not there yet.

    Parameters
    ----------
    job : FilmJob
    colorizer : Colorizer
    start, stop : int
        The frames to colour; the default is all. A segment begins with the first one.
    records : list of tuple
        Of the frames from `lead_in` of ``start`` to it, as in `FrameRecords`.
    on_progress, on_frame : callable
        As in `colorize_film`.
    """
    known = list(records)  # the last one is of the frame before start
    for _path, more in finished_segments(job, start):
        if start == stop:
            break
        known += more
        start += len(more)
    on_progress(start, job.frames)
    if start == stop:
        return
    begin = lead_in(start)
    first_pts, exposure = known[begin - start] if begin < start else (None, 1.0)
    frames: Iterable[Frame] = job_frames(job, begin, first_pts)
    if stop is not None:  # and as many after the last one as vote on its colours
        frames = islice(frames, math.ceil((stop + VOTE_RADIUS) / BATCH) * BATCH - begin)

    def to_planes(each: ColoredFrame[Frame]) -> tuple[ColoredFrame[Frame], np.ndarray, np.ndarray]:
        return each, *job.encoding.to_planes(each.frame.luma, job.info.planes.bits, each.ab)

    with worker_pool() as pool:
        colored = predict_colors(
            colorizer, frames, job.info.guide, pool, job.independent_frames, exposure
        )
        asked = islice(colored, start - begin, None if stop is None else stop - begin)
        stored = in_order(pool, to_planes, asked, ahead=BATCH)
        write_segments(job, stored, start, on_progress, on_frame)


def write_segments(
    job: FilmJob, stored: Iterable[tuple[ColoredFrame[Frame], np.ndarray, np.ndarray]], start: int,
    on_progress: Callable[[int, int], None],
    on_frame: Callable[[ColoredFrame[Frame]], None] = lambda colored: None,
) -> None:  # fmt: skip
    """Write coloured frames, from frame ``start`` on, with their luma and chroma, as segments."""
    for first, segment in _by_segment(stored, lambda each: each[0].is_cut, start):
        written: list[tuple[int, float]] = []
        path = _segment_path(job, first)
        # A segment counts when it has its name, so the records get theirs first.
        with film_write_errors(job.target), atomic_write(path) as temporary:
            with segment_writer(temporary, job.info, job.encoding) as encode:
                for each, luma, chroma in segment:
                    encode(each.frame.pts, luma, chroma)
                    written.append((each.frame.pts, each.exposure))
                    on_frame(each)
                    on_progress(first + len(written), job.frames)
            with atomic_write(path.with_suffix(".json")) as temporary:
                temporary.write_text(json.dumps(written), "utf-8")


def lead_in(start: int) -> int:
    """Give the index of the frame from which to decode, to colour from frame ``start`` on.

    The frames before it vote on its colours, and there must be whole batches of them.
    """
    return max(0, start - VOTE_RADIUS) // BATCH * BATCH


def scan_film(job: FilmJob, colorizer: Colorizer) -> tuple[FrameRecords, list[int]]:
    """Find where the segments of a film begin, without colouring it.

    Returns
    -------
    records : list of tuple
        Of all frames, as in `FrameRecords`.
    starts : list of int
        Index of the first frame of each segment that `color_segments` makes of the whole film.

    Raises
    ------
    VividPastError
        If the film can't be read.
    """
    records, starts = [], []
    with worker_pool() as pool:
        batches = analyze_batches(
            colorizer, job_frames(job), job.info.guide, pool, job.independent_frames
        )
        rows = (
            row
            for batch in batches
            for row in zip(batch.frames, batch.exposures, batch.cuts, strict=True)
        )
        for start, segment in _by_segment(rows, lambda row: row[2]):
            starts.append(start)
            records += [(frame.pts, exposure) for frame, exposure, _is_cut in segment]
    return records, starts


def job_frames(job: FilmJob, begin: int = 0, first_pts: int | None = None) -> Iterator[Frame]:
    """Decode a film from frame ``begin`` on, whose time is ``first_pts`` if it isn't the first."""
    frames = read_frames(job.info, first_pts)
    if first_pts is not None:
        first = next(frames, None)
        if first is not None and first.pts == first_pts:
            frames = chain([first], frames)
        else:  # in some kinds of files, such as MPEG's streams, seeking misses
            frames = islice(read_frames(job.info), begin, None)
    if job.end is not None:
        end = job.end / job.info.time_base
        frames = takewhile(lambda frame: frame.pts < end, frames)
    return frames


def _by_segment(
    items: Iterable[Item], is_cut: Callable[[Item], bool], start: int = 0
) -> Iterator[tuple[int, Iterator[Item]]]:
    """Divide items, one per frame from ``start`` on; give each segment's first index and items."""

    def with_starts(first: int) -> Iterator[tuple[int, Item]]:
        for index, item in enumerate(items, start):
            frames = index - first
            if frames >= MAX_SEGMENT_FRAMES or (is_cut(item) and frames >= MIN_SEGMENT_FRAMES):
                first = index
            yield first, item

    for first, segment in groupby(with_starts(start), key=lambda each: each[0]):
        yield first, (item for _first, item in segment)


def finish(job: FilmJob) -> None:
    """Join the segments, all of which are done, to the film.

    Raises
    ------
    VividPastError
        If it can't be written, or has no frames.
    """
    segments = [path for path, _records in finished_segments(job)]
    if not segments:
        raise VividPastError(f"{job.info.path}: not one of its frames can be decoded.")
    # Not beside the target, where a kill would leave it.
    whole = job.parts / f"whole{job.target.suffix}"
    try:
        with film_write_errors(job.target):
            join_segments(job.info, segments, whole, job.encoding, job.end)
            whole.replace(job.target)
    finally:
        whole.unlink(missing_ok=True)
