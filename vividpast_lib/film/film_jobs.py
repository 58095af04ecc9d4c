"""Films and options in, what is to be coloured out: which film goes where, and how it is stored."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, islice
from pathlib import Path

from .. import __version__
from ..colorize.colorizer import Colorizer
from ..runtime.errors import VividPastError
from ..runtime.files import (
    file_hash,
    is_file_name,
    is_folder,
    is_same_file,
    path_identity,
    write_errors,
)
from .joining import check_tracks
from .reading import FILM_SUFFIXES, FilmInfo, probe_film
from .writing import CONTAINERS, Encoding, choose_encoding


@dataclass(frozen=True)
class FilmJob:
    """What is to be made of a film, and how.

    Parameters
    ----------
    info : FilmInfo
        Of the black-and-white film.
    target : Path
        The coloured film.
    encoding, independent_frames, preview
        As in `choose_encoding` and `colorize_film`.
    """

    info: FilmInfo
    target: Path
    encoding: Encoding
    independent_frames: bool = False
    preview: float | None = None

    @property
    def parts(self) -> Path:
        """Folder for the segments."""
        return self.target.with_name(f"{self.target.name}.parts")

    @property
    def end(self) -> Fraction | None:
        """Second of the film at which the preview ends, if that is before the film's end."""
        end = None if self.preview is None else self.info.start + Fraction(self.preview)
        return end if end is not None and end < self.info.end else None

    @property
    def frames(self) -> int:
        """Number of frames to colour: a good guess."""
        if self.preview is None or self.end is None:
            return self.info.frames
        return min(self.info.frames, round(self.preview * self.info.rate))

    def identity(self, colorizer: Colorizer) -> dict[str, object]:
        """Give what segments must have been made from to be used, ready for JSON."""
        return {
            "version": __version__,
            "film": file_hash(self.info.path),
            "model": colorizer.fingerprint(),
            "independent_frames": self.independent_frames,
            "preview": self.preview,
            "encoding": dataclasses.asdict(self.encoding),
        }


def is_film(path: Path) -> bool:
    """Whether a file is taken for a film, by its suffix."""
    return path.suffix.lower() in FILM_SUFFIXES and not is_folder(path)


def choose_film_targets(
    sources: Sequence[Path], out: str, only_input: bool = True
) -> tuple[list[tuple[Path, Path]], list[VividPastError]]:
    """Decide where the coloured copies of films go.

    Parameters
    ----------
    sources : sequence of Path
        The films; one that is named twice counts once.
    out : str
        A folder; or a file, if one film goes in and this ends in a file suffix.
    only_input : bool
        Nothing else, such as photos, is written to ``out`` in the same call.

    Returns
    -------
    films : list of tuple
        Each film and its copy. In a folder the copy has the film's name, with the suffix .mkv if
        films of its own can't be written; or <stem>_<its suffix> if another film in the call has
        that name already: a.mkv and a_avi.mkv.
    problems : list of VividPastError
        One for each film that can't be done; the others still can.

    Raises
    ------
    VividPastError
        If ``out`` is a file and not one film alone goes in.
    """
    sources = list({path_identity(source): source for source in sources}.values())
    path = Path(out)
    if len(sources) == 1 and only_input and is_file_name(out):
        return [(sources[0], path)], []  # `choose_encoding` says if its suffix is no film's
    if is_file_name(out) or path.is_file():
        raise VividPastError(f"{out}: is a file; name a folder to write several films to.")
    originals = {source.resolve(): source for source in sources}
    films: dict[Path, Path] = {}  # {copy: film}
    problems = []
    for source in sources:
        possible = (path / name for name in islice(possible_names(source), 2))
        target = next((each for each in possible if each not in films), None)
        if target is None:
            clash = films[path / colored_name(source)]
            problems.append(
                VividPastError(
                    f"{source}: would be written over the copy of {clash}; do it separately."
                )
            )
        elif originals.get(target.resolve(), source) != source:
            problems.append(
                VividPastError(
                    f"{source}: would be written over {target}, which goes in too; name another "
                    "folder."
                )
            )
        else:
            films[target] = source
    return [(source, target) for target, source in films.items()], problems


def colored_name(source: Path) -> str:
    """Name the coloured copy of a film in a folder."""
    suffix = source.suffix if source.suffix.lower() in CONTAINERS else ".mkv"
    return f"{source.stem}{suffix}"


def possible_names(source: Path) -> Iterator[str]:
    """Name the coloured copy of a film in a folder, and again for as long as that is taken."""
    name, stem = Path(colored_name(source)), f"{source.stem}_{source.suffix[1:]}"
    yield name.name
    yield f"{stem}{name.suffix}"
    yield from (f"{stem}_{number}{name.suffix}" for number in count(2))


def plan_film(
    source: Path, target: Path, independent_frames: bool = False, preview: float | None = None,
    force: bool = False,
) -> FilmJob:  # fmt: skip
    """Check that a film can be coloured, without doing it.

    Raises
    ------
    VividPastError
        If it can't be read or coloured, or the target can't be written or exists.
    """
    if preview is not None:
        if not 0 < preview < math.inf:
            raise VividPastError(
                f"A preview must have more than 0 seconds, but is to have {preview}."
            )
        preview = float(min(preview, 1e30))  # JSON holds no other numbers, nor a float all ints
    with write_errors(target):  # such as a name that is too long
        is_there = target.exists()
    if is_there and is_same_file(source, target):
        raise VividPastError(f"{source}: would be replaced by its coloured copy; name another.")
    if is_there and not force:
        raise VividPastError(f"{target}: exists already; add --force to replace it.")
    info = probe_film(source)
    encoding = choose_encoding(info, target)
    check_tracks(info, target, encoding)
    return FilmJob(info, target, encoding, independent_frames, preview)
