"""A film to play with: one of the bundled ones, or one's own."""

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...film.reading import FILM_SUFFIXES, probe_film
from ...film.synthetic import films_folder
from .chooser import Chooser, errors_naming, menu_of
from .parts import Message

#: Number of characters of a file's name that the menu shows.
LABEL_LENGTH = 40


@dataclass(frozen=True)
class Film:
    """A film in the menu.

    Parameters
    ----------
    name : str
        The user's name for it.
    path : Path
        The file.
    bundled : bool
        It came with the project.
    """

    name: str
    path: Path
    bundled: bool = False


class FilmChooser(Chooser):
    """A menu of films, and a place to drop one's own, which then are in the menu too.

    Parameters
    ----------
    on_choice : callable
        Called when another film is chosen.
    message : Message
        Shows what is wrong with a file.
    first : str
        File name of the bundled film that is chosen at first.
    """

    def __init__(self, on_choice: Callable[[], None], message: Message, first: str) -> None:
        paths = sorted(films_folder().glob("*.mp4"))
        films = [Film(path.name, path, True) for path in paths]
        # The system removes it with the process, this class when it is closed.
        self.folder = tempfile.TemporaryDirectory(prefix="vividpast-", ignore_cleanup_errors=True)
        self._uploads = 0
        super().__init__(
            on_choice,
            message,
            menu_of("Film", paths, films, next(film for film in films if film.name == first)),
            label="Your own short clip: choose it, or drop it here.",
            accept=",".join(["video/*", *sorted(FILM_SUFFIXES)]),
        )

    @property
    def film(self) -> Film:
        """The film that is chosen."""
        return self.menu.value

    def close(self) -> None:
        """Remove all files, and go from the page."""
        self.folder.cleanup()
        super().close()

    def _read(self, name: str, content: bytes) -> Film:
        self._uploads += 1
        suffix = re.sub(r"[^.\w]", "", Path(name).suffix)[:10]
        film = Film(name, Path(self.folder.name, f"film-{self._uploads}{suffix}"))
        try:
            film.path.write_bytes(content)
            with errors_naming(name, film.path):
                probe_film(film.path)
        except BaseException:
            film.path.unlink(missing_ok=True)
            raise
        return film

    def _add(self, name: str, content: bytes, file: Film) -> None:
        label = name if len(name) <= LABEL_LENGTH else f"{name[: LABEL_LENGTH - 1]}…"
        others = [each for each in self.menu.options if each[1].bundled or each[1].name != name]
        self.menu.options = [(label, file), *others]  # chooses the first one
