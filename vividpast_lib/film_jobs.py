"""A film file in, a coloured film file out: in segments, so that a kill loses little.

Beside OUT, a folder OUT.parts holds the segments that are done and what they were made from. A
second call goes on after them. OUT appears when all is in it, and then the folder goes.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, groupby, islice, takewhile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from . import __version__
from .colorizer import Colorizer
from .errors import VividPastError
from .film import BATCH, Colored, Item, color_maps, in_order, shots, workers
from .film_reading import FILM_SUFFIXES, FilmFacts, Frame, read_colors, read_facts, read_frames
from .film_writing import (
    CONTAINERS,
    Encoding,
    check_tracks,
    choose_encoding,
    join_segments,
    said_of,
    segment_writer,
)
from .jobs import THUMBNAIL, names_file
from .pictures import replacing
from .steady import REACH

#: Of frames: time in the film's time base, and light as in `exposure`.
FrameRecords = Sequence[tuple[int, float]]

#: A segment ends at the first cut after SHORTEST frames, and at LONGEST frames in any case.
SHORTEST, LONGEST = 48, 240
JOB_FILE, LOCK_FILE = "job.json", "lock"


@dataclass(frozen=True)
class FilmJob:
    """What is to be made of a film, and how.

    Parameters
    ----------
    facts : FilmFacts
        Of the black-and-white film.
    target : Path
        The coloured film.
    encoding : Encoding
        How it is stored.
    each_frame_alone : bool
        Colour each frame as if it were a photo.
    preview : float, optional
        Only so many seconds from the start.
    """

    facts: FilmFacts
    target: Path
    encoding: Encoding
    each_frame_alone: bool = False
    preview: float | None = None

    @property
    def parts(self) -> Path:
        """Folder for the segments."""
        return self.target.with_name(f"{self.target.name}.parts")

    @property
    def end(self) -> Fraction | None:
        """Second of the film at which the preview ends."""
        return None if self.preview is None else self.facts.start + Fraction(self.preview)

    @property
    def frames(self) -> int:
        """How many frames there are to colour: a good guess."""
        if self.preview is None:
            return self.facts.frames
        return min(self.facts.frames, round(self.preview * self.facts.rate))

    def lightness(self, frame: Frame) -> Tensor:
        """Lightness (h, w) that a frame's colours are found by."""
        return self.facts.planes.guide(frame.luma)

    def identity(self, colorizer: Colorizer) -> dict[str, object]:
        """Say what segments must have been made from to be used."""
        return {
            "version": __version__,
            "film": file_hash(self.facts.path),
            "model": colorizer.fingerprint(),
            "each_frame_alone": self.each_frame_alone,
            "preview": self.preview,
            "encoding": dataclasses.asdict(self.encoding),
        }


def is_film(path: Path) -> bool:
    """Tell by its suffix whether a file is taken for a film."""
    return path.suffix.lower() in FILM_SUFFIXES and not path.is_dir()


def film_target(source: Path, out: str, alone: bool) -> Path:
    """Say where the coloured copy of a film goes.

    Parameters
    ----------
    source : Path
        The film.
    out : str
        A folder; or a file, if it ends in a suffix of `film_writing.CONTAINERS`.
    alone : bool
        No other film is coloured in the same call, so that ``out`` may be a file.

    Returns
    -------
    Path
        In a folder, OUT/<the film's name>, with the suffix .mkv if films of its own can't be
        written.

    Raises
    ------
    VividPastError
        If ``out`` can't be what it must be.
    """
    path = Path(out)
    if names_file(out) and alone:
        return path  # `choose_encoding` says if its suffix is no film's
    if names_file(out) or path.is_file():
        raise VividPastError(f"{out}: is a file; name a folder to write several films to.")
    return path / colored_name(source)


def colored_name(source: Path) -> str:
    """Name the coloured copy of a film in a folder."""
    suffix = source.suffix if source.suffix.lower() in CONTAINERS else ".mkv"
    return f"{source.stem}{suffix}"


def colorize_film(
    colorizer: Colorizer, source: Path, target: Path, *, each_frame_alone: bool = False,
    preview: float | None = None, resume: bool = True, force: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
    watch: Callable[[Colored[Frame]], None] = lambda colored: None,
) -> FilmJob:  # fmt: skip
    """Colorize a film file; everything else about it is kept.

    Parameters
    ----------
    colorizer : Colorizer
        The model.
    source, target : Path
        The film, and the film to write; its suffix says in which container.
    each_frame_alone : bool
        Colour each frame as if it were a photo: the colours flicker.
    preview : float, optional
        Colour only so many seconds from the start.
    resume : bool
        Go on where an earlier call was stopped.
    force : bool
        Replace ``target`` if it exists.
    tell : callable
        Called with the number of frames done and the number of all, which is a guess.
    watch : callable
        Called with each frame and its colours, of those that this call colours.

    Returns
    -------
    FilmJob
        What was done.

    Raises
    ------
    VividPastError
        If the film can't be read or coloured, or can't be written.
    """
    job = plan_film(source, target, each_frame_alone, preview, force)
    with opened_parts(job, colorizer, resume):
        color_segments(job, colorizer, tell=tell, watch=watch)
        finish(job)
    return job


def plan_film(
    source: Path, target: Path, each_frame_alone: bool = False, preview: float | None = None,
    force: bool = False,
) -> FilmJob:  # fmt: skip
    """Check that a film can be coloured, without doing it.

    Raises
    ------
    VividPastError
        If it can't be read or coloured, or the target can't be written or exists.
    """
    if source.exists() and target.exists() and source.samefile(target):
        raise VividPastError(f"{source}: would be replaced by its coloured copy; name another.")
    if target.exists() and not force:
        raise VividPastError(f"{target}: exists already; add --force to replace it.")
    facts = read_facts(source)
    encoding = choose_encoding(facts, target)
    check_tracks(facts, target, encoding)
    return FilmJob(facts, target, encoding, each_frame_alone, preview)


@contextmanager
def opened_parts(job: FilmJob, colorizer: Colorizer, resume: bool = True) -> Iterator[None]:
    """Hold the folder of segments for one call alone, and clear it of what can't be used."""
    identity = json.dumps(job.identity(colorizer), indent=2, sort_keys=True)
    with said_of(job.target):
        job.parts.mkdir(parents=True, exist_ok=True)
    with held(job.parts / LOCK_FILE, job.target):
        made_from = job.parts / JOB_FILE
        if not resume or not made_from.exists() or made_from.read_text("utf-8") != identity:
            _clear(job.parts, "*.nut")
            _clear(job.parts, "*.json")
        _clear(job.parts, ".*.tmp*")
        with said_of(job.target), replacing(made_from) as temporary:
            temporary.write_text(identity, "utf-8")
        yield
        _clear(job.parts, "*")
    shutil.rmtree(job.parts, ignore_errors=True)


@contextmanager
def held(lock: Path, what: Path) -> Iterator[None]:
    """Hold a lock file while one call works on something.

    Raises
    ------
    VividPastError
        If another call holds it.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise VividPastError(
            f"{what}: another call is at work on it; wait for it, or stop it."
        ) from None


def _clear(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        if path.name != LOCK_FILE:
            path.unlink()


def finished_segments(job: FilmJob, start: int = 0) -> Iterator[tuple[Path, FrameRecords]]:
    """List the segments that are done from frame ``start`` on, without a gap.

    Yields
    ------
    path : Path
        The segment.
    records : list of tuple
        Of each of its frames the time, in the film's time base, and the light.
    """
    while (path := segment_path(job, start)).exists():
        records = json.loads(path.with_suffix(".json").read_text("utf-8"))
        yield path, records
        start += len(records)


def segment_path(job: FilmJob, start: int) -> Path:
    """Name the segment that begins with a frame; its records are beside it, in JSON."""
    return job.parts / f"{start:08}.nut"


def color_segments(
    job: FilmJob, colorizer: Colorizer, start: int = 0, stop: int | None = None,
    records: FrameRecords = (), tell: Callable[[int, int], None] = lambda done, total: None,
    watch: Callable[[Colored[Frame]], None] = lambda colored: None,
) -> None:  # fmt: skip
    """Write the segments of a film that are not there yet.

    Parameters
    ----------
    job : FilmJob
        What to do.
    colorizer : Colorizer
        The model.
    start, stop : int
        Frames to colour; the default is all. A segment begins with the first one.
    records : list of tuple
        Time and light of the frames from `lead_in` of ``start`` to it.
    tell : callable
        Called with the number of frames done and the number of all, which is a guess.
    watch : callable
        Called with each frame and its colours.
    """
    known = list(records)  # the last one is of the frame before start
    for _path, more in finished_segments(job, start):
        if start == stop:
            break
        known += more
        start += len(more)
    tell(start, job.frames)
    if start == stop:
        return
    begin = lead_in(start)
    first_pts, light = known[begin - start] if begin < start else (None, 1.0)
    frames: Iterable[Frame] = _frames(job, begin, first_pts)
    if stop is not None:  # as many after the last one as vote in it
        frames = islice(frames, -(-(stop + REACH) // BATCH) * BATCH - begin)

    def paint(colored: Colored[Frame]) -> Painted:
        frame = colored.frame
        return Painted(colored, *job.encoding.paint(frame.luma, job.facts.planes.bits, colored.ab))

    with workers() as pool:
        alone = job.each_frame_alone
        colored = color_maps(colorizer, frames, job.lightness, pool, alone, light)
        asked = islice(colored, start - begin, None if stop is None else stop - begin)
        painted = in_order(pool, paint, asked, ahead=BATCH)
        for first, segment in by_segment(painted, lambda each: each.colored.is_cut, start):
            with _segment(job, first) as write:
                for done, each in enumerate(segment, first + 1):
                    write(each)
                    watch(each.colored)
                    tell(done, job.frames)


def lead_in(start: int) -> int:
    """Name the frame to begin with for the colours of frame ``start``.

    Frames before it vote in it, and there must be whole batches of them.
    """
    return max(0, start - REACH) // BATCH * BATCH


def scan_film(job: FilmJob, colorizer: Colorizer) -> tuple[FrameRecords, list[int]]:
    """Look through a film without colouring it.

    Returns
    -------
    records : list of tuple
        Time and light of all frames.
    starts : list of int
        The frames with which the segments begin that `color_segments` makes of the whole film.

    Raises
    ------
    VividPastError
        If the film can't be read.
    """
    records, starts = [], []
    with workers() as pool:
        frames = _frames(job)
        seen = shots(colorizer, frames, job.lightness, pool, job.each_frame_alone)
        for start, segment in by_segment(seen, lambda each: each.is_cut):
            starts.append(start)
            records += [(each.frame.pts, each.light) for each in segment]
    return records, starts


def _frames(job: FilmJob, begin: int = 0, first_pts: int | None = None) -> Iterator[Frame]:
    """Decode a film from frame ``begin`` on, whose time is told, if it isn't the first."""
    frames = read_frames(job.facts, first_pts)
    if first_pts is not None:
        first = next(frames, None)
        if first is not None and first.pts == first_pts:
            frames = chain([first], frames)
        else:  # in some kinds of files, such as MPEG's streams, seeking misses
            frames = islice(read_frames(job.facts), begin, None)
    if job.end is not None:
        end = job.end / job.facts.time_base
        frames = takewhile(lambda frame: frame.pts < end, frames)
    return frames


@dataclass(frozen=True)
class Painted:
    """A frame as it is stored: luma (H, W) and chroma (2, h, w)."""

    colored: Colored[Frame]
    luma: np.ndarray
    chroma: np.ndarray


@contextmanager
def _segment(job: FilmJob, start: int) -> Iterator[Callable[[Painted], None]]:
    """Write a segment, and then, if all went well, the records of its frames."""
    path = segment_path(job, start)
    records: list[tuple[int, float]] = []

    def write(painted: Painted) -> None:
        pts = painted.colored.frame.pts
        encode(pts, painted.luma, painted.chroma)
        records.append((pts, painted.colored.light))

    # A segment counts when it has its name, so the records get theirs first.
    with said_of(job.target), replacing(path) as segment:
        with segment_writer(segment, job.facts, job.encoding) as encode:
            yield write
        with replacing(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(records), "utf-8")


def by_segment(
    items: Iterable[Item], is_cut: Callable[[Item], bool], start: int = 0
) -> Iterator[tuple[int, Iterator[Item]]]:
    """Divide what there is of each frame, from ``start`` on, into segments.

    Yields
    ------
    start : int
        Frame that a segment begins with.
    segment : iterator
        To be used before the next one is asked for.
    """

    def with_starts(first: int) -> Iterator[tuple[int, Item]]:
        for index, item in enumerate(items, start):
            if ends_segment(index - first, is_cut(item)):
                first = index
            yield first, item

    for first, segment in groupby(with_starts(start), key=lambda each: each[0]):
        yield first, (item for _first, item in segment)


def ends_segment(frames: int, is_cut: bool) -> bool:
    """Tell whether a new segment begins after so many frames of one."""
    return frames >= LONGEST or (is_cut and frames >= SHORTEST)


def finish(job: FilmJob) -> None:
    """Join the segments, all of which are done, to the film.

    Raises
    ------
    VividPastError
        If it can't be written, or has no frames.
    """
    segments = [path for path, _times in finished_segments(job)]
    if not segments:
        raise VividPastError(f"{job.facts.path}: not one of its frames can be decoded.")
    # Not beside the target, where a kill would leave it.
    whole = job.parts / f"whole{job.target.suffix}"
    try:
        with said_of(job.target):
            join_segments(job.facts, segments, whole, job.encoding, job.end)
            whole.replace(job.target)
    finally:
        whole.unlink(missing_ok=True)


def film_stills(job: FilmJob, count: int = 9) -> list[tuple[str, list[Image.Image]]]:
    """Take stills out of a film and its coloured copy, which is done, for a contact sheet.

    Returns
    -------
    list of tuple
        The second at which a frame is shown, and the frame in grey and coloured; evenly spread.
    """
    facts, colored = job.facts, read_facts(job.target)
    picks = {round((index + 0.5) * colored.frames / count - 0.5) for index in range(count)}
    rows = []
    for index, (frame, shown) in enumerate(
        zip(read_frames(facts), read_colors(colored), strict=False)
    ):
        if index in picks:
            grey = (facts.planes.grey(frame.luma) * 255).round().to(torch.uint8).numpy()
            seconds = float(frame.pts * facts.time_base - facts.start)
            images = [Image.fromarray(grey).convert("RGB"), Image.fromarray(shown)]
            for image in images:
                image.thumbnail((THUMBNAIL, THUMBNAIL))
            rows.append((f"{seconds:.1f} s", images))
    return rows


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
