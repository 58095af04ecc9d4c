"""Base of the photo and the film chooser: a menu, and a place to drop files of one's own."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ipywidgets import Dropdown, VBox

from ...runtime.errors import VividPastError
from .parts import Message, Upload, row


class Chooser(VBox):
    """A menu of files, and a place to drop one's own, which then are in the menu too.

    A subclass reads an upload in `_read`, and puts it into the menu in `_add`; both run beside the
    page, because a large file takes seconds to read.

    Parameters
    ----------
    on_choice : callable
        Called when another file is chosen.
    message : Message
        Shows what is wrong with a file.
    menu : Dropdown
        The bundled files.
    **upload
        Traits of the `Upload`.
    """

    def __init__(
        self, on_choice: Callable[[], None], message: Message, menu: Dropdown, **upload: Any
    ) -> None:
        self.menu = menu
        self.upload = Upload(
            self._receive,
            lambda error: message.show_error(str(error)),
            **upload,
        )
        self._message, self._on_choice = message, on_choice
        self._reader = ThreadPoolExecutor(1)
        super().__init__([row(self.menu, self.upload)])
        self.menu.observe(lambda _event: on_choice(), "value")

    def wait(self) -> None:
        """Wait until the files that came from the browser have been read."""
        self._reader.submit(int).result()

    def _receive(self, name: str, content: bytes) -> None:
        self._reader.submit(self._try_to_add, name, content)

    def _try_to_add(self, name: str, content: bytes) -> None:
        try:
            file = self._read(name, content)
        except VividPastError as error:
            self._message.show_error(str(error))
        except (OSError, ValueError) as error:  # a full disk, or a name that is not allowed
            self._message.show_error(f"{name}: can't be read ({error}); try another one.")
        else:
            self._add(name, content, file)

    def _read(self, name: str, content: bytes) -> Any:
        """Read an upload.

        Raises
        ------
        VividPastError, OSError, ValueError
            If it can't be read.
        """
        raise NotImplementedError

    def _add(self, name: str, content: bytes, file: Any) -> None:
        """Put an upload, and what `_read` made of it, into the menu."""
        raise NotImplementedError


def menu_of(description: str, paths: Sequence[Path], values: Sequence[Any], first: Any) -> Dropdown:
    """Make a menu of bundled files; their names are written without underscores and suffix."""
    labels = [path.stem.replace("_", " ") for path in paths]
    options = list(zip(labels, values, strict=True))
    return Dropdown(options=options, value=first, description=description)


@contextmanager
def errors_naming(name: str, path: Path) -> Iterator[None]:
    """Name a file in errors as the user does, not by its temporary path."""
    try:
        yield
    except VividPastError as error:
        raise VividPastError(str(error).replace(str(path), name)) from None
