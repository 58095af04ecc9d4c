"""A film to play with: one of the bundled ones, or one's own."""

import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ipywidgets import Dropdown, VBox

from ...film.reading import FILM_SUFFIXES, probe_film
from ...film.synthetic import films_folder
from ...runtime.errors import VividPastError
from .parts import Message, Upload, row

#: Characters of a file's name that the menu shows.
LONGEST = 40


@dataclass(frozen=True)
class Film:
    """A film in the menu.

    Parameters
    ----------
    name : str
        What the user calls it.
    path : Path
        Where it is.
    bundled : bool
        It came with the project.
    """

    name: str
    path: Path
    bundled: bool = False

    @contextmanager
    def said(self) -> Iterator[None]:
        """Name the film in errors as the user does.

        Raises
        ------
        VividPastError
            What was raised, without a place that the user does not know.
        """
        try:
            yield
        except VividPastError as error:
            raise VividPastError(str(error).replace(str(self.path), self.name)) from None


class FilmChooser(VBox):
    """A menu of films, and a place to drop one's own, which then are in the menu too.

    Parameters
    ----------
    changed : callable
        Called when another film is chosen.
    message : Message
        Where to say what is wrong with a file.
    first : str
        File name of the bundled film that is chosen at first.
    """

    def __init__(self, changed: Callable[[], None], message: Message, first: str) -> None:
        films = [Film(path.name, path, True) for path in sorted(films_folder().glob("*.mp4"))]
        self.menu = Dropdown(
            options=[(film.path.stem.replace("_", " "), film) for film in films],
            value=next(film for film in films if film.name == first),
            description="Film",
        )
        self.upload = Upload(
            self._receive,
            lambda error: message.complain(str(error)),
            label="Your own short clip: choose it, or drop it here.",
            accept=",".join(["video/*", *sorted(FILM_SUFFIXES)]),
        )
        self._message = message
        self._reader = ThreadPoolExecutor(1)
        # The system removes it with the process, this class when it is closed.
        self.folder = tempfile.TemporaryDirectory(prefix="vividpast-", ignore_cleanup_errors=True)
        self._received = 0
        super().__init__([row(self.menu, self.upload)])
        self.menu.observe(lambda _event: changed(), "value")

    @property
    def film(self) -> Film:
        """The film that is chosen."""
        return self.menu.value

    def wait(self) -> None:
        """Wait until the files that came from the browser have been looked at."""
        self._reader.submit(int).result()

    def close(self) -> None:
        """Remove all files, and go from the page."""
        self.folder.cleanup()
        super().close()

    def _receive(self, name: str, content: bytes) -> None:
        self._reader.submit(self._add, name, content)

    def _add(self, name: str, content: bytes) -> None:
        """Take a file from the browser into the menu, if it is a film."""
        self._received += 1
        suffix = re.sub(r"[^.\w]", "", Path(name).suffix)[:10]
        film = Film(name, Path(self.folder.name, f"film-{self._received}{suffix}"))
        try:
            film.path.write_bytes(content)
            with film.said():
                probe_film(film.path)
        except (VividPastError, OSError) as error:
            film.path.unlink(missing_ok=True)
            self._message.complain(str(error))
            return
        label = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
        others = [each for each in self.menu.options if each[1].bundled or each[1].name != name]
        self.menu.options = [(label, film), *others]  # chooses the first one
