"""A folder of films in, their coloured copies and OUT/manifest.json out.

What is done is skipped, and what can't be done is named and left aside. The manifest says what
was made of each film, and from what.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

from .. import __version__
from ..colorize.colorizer import Colorizer
from ..runtime.errors import VividPastError
from ..runtime.files import atomic_write, exists, file_hash, file_lock
from ..runtime.threads import core_count
from .archive_workers import ColorFilm, on_ray
from .film_files import colorize_film
from .film_jobs import is_film, possible_names
from .pyav import film_write_errors
from .reading import probe_film

MANIFEST_FILE, MANIFEST_LOCK_FILE = "manifest.json", ".manifest.lock"


@dataclass(frozen=True)
class Entry:
    """What the manifest says of a film.

    Parameters
    ----------
    state : str
        ``begun``, ``done`` or ``failed``.
    target : str
        The coloured film, below OUT; empty where there is none of ours.
    size, mtime_ns, sha256
        Of the film; while the first two are the same, it is not hashed again.
    model : str
        `Colorizer.fingerprint`.
    frames : int
        In the coloured film.
    """

    state: str
    target: str
    size: int
    mtime_ns: int
    sha256: str
    model: str
    independent_frames: bool
    version: str = __version__
    frames: int = 0
    reason: str = ""


class Manifest:
    """What was made of the films of an archive, in a file that is whole at all times.

    Raises
    ------
    VividPastError
        If the file is damaged. It is made with the first entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        try:
            if exists(path):
                for name, each in json.loads(path.read_text("utf-8"))["films"].items():
                    if (
                        "each_frame_alone" in each
                    ):  # its old name, in manifests written before it was renamed
                        each["independent_frames"] = each.pop("each_frame_alone")
                    self.entries[name] = Entry(**each)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise VividPastError(
                f"{path}: is damaged; put an older copy in its place, or move it and the films "
                "beside it away: all will be coloured anew."
            ) from None

    def record(self, name: str, entry: Entry) -> None:
        """Write what is known of a film, whose name is its path below the folder."""
        with self._lock:
            self.entries[name] = entry
            films = {key: asdict(each) for key, each in sorted(self.entries.items())}
            with film_write_errors(self.path), atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps({"films": films}, indent=1), "utf-8")


@dataclass(frozen=True)
class Outcome:
    """What became of a film.

    Parameters
    ----------
    name : str
        Its path below the folder.
    state : str
        ``done now``, ``done before`` or ``failed``.
    frames : int
        In the coloured film.
    seconds : float
        Time taken.
    reason : str
        Why it failed, in a sentence.
    """

    name: str
    state: str
    frames: int = 0
    seconds: float = 0.0
    reason: str = ""


def colorize_archive(
    folder: Path, out: Path, colorizer: Colorizer, *, independent_frames: bool = False,
    workers: int | None = None, ray: str | None = None,
    on_progress: Callable[[Outcome, int], None] = lambda outcome, films: None,
) -> list[Outcome]:  # fmt: skip
    """Colorize all films below a folder that are not done yet.

    Parameters
    ----------
    folder : Path
        Searched with its sub-folders.
    out : Path
        Folder for the coloured films, in the same sub-folders, and for the manifest.
    colorizer : Colorizer
        The model.
    independent_frames : bool
        Colour each frame as if it were a photo.
    workers : int, optional
        Number of segments that a Ray begun here colours at once; the default is half as many as
        there are cores. Without Ray, films are coloured one after another.
    ray : str, optional
        The address of a cluster of Ray, or `archive_workers.LOCAL`. Its nodes must see
        ``folder`` and ``out`` under the same paths, and have this version of the library.
    on_progress : callable
        Called with what became of each film, and the number of films.

    Returns
    -------
    list of Outcome
        One a film, sorted by name.

    Raises
    ------
    VividPastError
        If nothing can be begun at all; a film that can't be coloured only has failed.
    """
    names = _find_films(folder, out)
    folder, out = folder.absolute(), out.absolute()
    with film_write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    with file_lock(out / MANIFEST_LOCK_FILE, out):
        manifest = Manifest(out / MANIFEST_FILE)
        targets = _choose_targets(names, manifest)
        if ray:
            workers = workers or max(1, core_count() // 2)
            begun = on_ray(ray, workers, colorizer, independent_frames, stop)
        else:
            begun = _one_after_another(colorizer, independent_frames, stop)
        model = colorizer.fingerprint()

        def color_one(name: str) -> Outcome:
            blank = Entry("begun", targets[name], 0, 0, "", model, independent_frames)
            return _color_one(folder / name, out, name, blank, manifest, color)

        with begun as (color, at_once), ThreadPoolExecutor(at_once) as pool:
            # A film that an earlier call had begun comes last: if it is what ended that call, the
            # others are done first.
            last = {name for name, each in manifest.entries.items() if each.state == "begun"}
            films = [pool.submit(color_one, name) for name in sorted(names, key=last.__contains__)]
            try:
                for film in as_completed(films):
                    on_progress(film.result(), len(films))
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
    return sorted((film.result() for film in films), key=lambda each: each.name)


def _find_films(folder: Path, out: Path) -> list[str]:
    """List the films below a folder, but for hidden ones, segments and what is in ``out``."""
    if not exists(folder):
        raise VividPastError(f"{folder}: there is no such folder.")
    if not folder.is_dir():
        raise VividPastError(f"{folder}: is a file; name a folder of films.")
    if exists(out) and not out.is_dir():
        raise VividPastError(f"{out}: is a file; name a folder to write the films to.")
    if out.resolve() == folder.resolve():
        raise VividPastError(f"{out}: holds the films themselves; name another folder for them.")
    films = [path.relative_to(folder) for path in folder.rglob("*") if is_film(path)]
    names = sorted(
        path.as_posix()
        for path in films
        if not any(part.startswith(".") or part.endswith(".parts") for part in path.parts)
        and not (folder / path).resolve().is_relative_to(out.resolve())
    )
    if not names:
        raise VividPastError(f"{folder}: holds no films; name a folder with films in it.")
    return names


def _choose_targets(names: Sequence[str], manifest: Manifest) -> dict[str, str]:
    """Decide where the copy of each film goes, below OUT: where it went before, if it did."""
    targets = {name: each.target for name, each in manifest.entries.items() if each.target}
    taken = set(targets.values())
    for name in names:
        if name not in targets:
            folder = PurePosixPath(name).parent
            possible = (str(folder / each) for each in possible_names(Path(name)))
            targets[name] = next(each for each in possible if each not in taken)
            taken.add(targets[name])
    return targets


@contextmanager
def _one_after_another(
    colorizer: Colorizer, independent_frames: bool, stop: threading.Event
) -> Iterator[tuple[ColorFilm, int]]:
    """Colour films in this process, each on all cores; as `on_ray`."""

    def check(_done: int, _total: int) -> None:
        if stop.is_set():
            raise CancelledError

    def color(source: Path, target: Path) -> int:
        colorize_film(
            colorizer, source, target, independent_frames=independent_frames, force=True,
            on_progress=check,
        )  # fmt: skip
        return probe_film(target).frames

    yield color, 1


def _color_one(
    source: Path, out: Path, name: str, blank: Entry, manifest: Manifest, color: ColorFilm
) -> Outcome:
    """Colour a film, unless that is done, and record what became of it."""
    started = time.perf_counter()
    before = manifest.entries.get(name)
    ours = before is not None and before.target == blank.target
    entry, target = blank, out / blank.target
    try:
        entry = _identify(source, blank, before)
        if before and target.exists():
            done = replace(entry, state="done", frames=before.frames, version=before.version)
            if done == replace(before, size=entry.size, mtime_ns=entry.mtime_ns):
                if done != before:  # touched, but the same
                    manifest.record(name, done)
                return Outcome(name, "done before", done.frames)
        if target.exists() and not ours:
            raise VividPastError(
                f"{source}: {target} exists already and was not made here; move it away."
            )
        # Should all be cut off now, the next call still knows whose copy it meets.
        manifest.record(name, entry)
        frames = color(source, target)
        manifest.record(name, replace(entry, state="done", frames=frames))
        return Outcome(name, "done now", frames, time.perf_counter() - started)
    except CancelledError:
        raise
    except Exception as error:  # a fault of our own, too: the other films are done all the same
        reason = str(error)
        if not isinstance(error, VividPastError):
            reason = (
                f"{source}: can't be coloured, by a fault of this program ({error!r}); report it."
            )
        kept = entry.target if ours and target.exists() else ""
        manifest.record(name, replace(entry, state="failed", target=kept, reason=reason))
        return Outcome(name, "failed", seconds=time.perf_counter() - started, reason=reason)


def _identify(source: Path, blank: Entry, before: Entry | None) -> Entry:
    """Fill in size, time and hash of a film; it is read only if it may have changed."""
    try:
        status = source.stat()
        entry = replace(blank, size=status.st_size, mtime_ns=status.st_mtime_ns)
        if before and (before.size, before.mtime_ns) == (entry.size, entry.mtime_ns):
            return replace(entry, sha256=before.sha256)
        return replace(entry, sha256=file_hash(source))
    except OSError as error:
        raise VividPastError(f"{source}: can't be read ({error.strerror}).") from None


def archive_summary(outcomes: Sequence[Outcome]) -> str:
    """Summarize what became of the films: a table, and a line of counts."""
    width = max(4, *(len(each.name) for each in outcomes))
    lines = [f"{'film':{width}}  {'frames':>9}  state"]
    for each in outcomes:
        frames = f"{each.frames:,}" if each.frames else "-"
        state = {"done now": f"done in {each.seconds:.1f} s", "failed": f"failed: {each.reason}"}
        lines.append(f"{each.name:{width}}  {frames:>9}  {state.get(each.state, each.state)}")
    states = [each.state for each in outcomes]
    counts = [f"{states.count(state)} {state}" for state in ("done now", "done before", "failed")]
    return "\n".join([*lines, f"{len(outcomes)} films: {', '.join(counts)}"])
