"""A film file in, a coloured film file out: in segments, so that a kill loses little.

Beside OUT, a folder OUT.parts holds the segments that are done and what they were made from. A
second call goes on after them. OUT appears when all is in it, and then the folder goes.
"""

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from .. import __version__
from ..colorize.colorizer import Colorizer
from ..colorize.photo_jobs import names_file
from ..runtime.errors import VividPastError
from ..runtime.files import file_hash
from .joining import check_tracks
from .reading import FILM_SUFFIXES, FilmInfo, Frame, probe_film
from .writing import CONTAINERS, Encoding, choose_encoding


@dataclass(frozen=True)
class FilmJob:
    """What is to be made of a film, and how.

    Parameters
    ----------
    info : FilmFacts
        Of the black-and-white film.
    target : Path
        The coloured film.
    encoding : Encoding
        How it is stored.
    independent_frames : bool
        Colour each frame as if it were a photo.
    preview : float, optional
        Only so many seconds from the start.
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
        """Second of the film at which the preview ends."""
        return None if self.preview is None else self.info.start + Fraction(self.preview)

    @property
    def frames(self) -> int:
        """How many frames there are to colour: a good guess."""
        if self.preview is None:
            return self.info.frames
        return min(self.info.frames, round(self.preview * self.info.rate))

    def lightness(self, frame: Frame) -> Tensor:
        """Lightness (h, w) that a frame's colours are found by."""
        return self.info.planes.guide(frame.luma)

    def identity(self, colorizer: Colorizer) -> dict[str, object]:
        """Say what segments must have been made from to be used."""
        return {
            "version": __version__,
            "film": file_hash(self.info.path),
            "model": colorizer.fingerprint(),
            "independent_frames": self.independent_frames,
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
    if source.exists() and target.exists() and source.samefile(target):
        raise VividPastError(f"{source}: would be replaced by its coloured copy; name another.")
    if target.exists() and not force:
        raise VividPastError(f"{target}: exists already; add --force to replace it.")
    info = probe_film(source)
    encoding = choose_encoding(info, target)
    check_tracks(info, target, encoding)
    return FilmJob(info, target, encoding, independent_frames, preview)
