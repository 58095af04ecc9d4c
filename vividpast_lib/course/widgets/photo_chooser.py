"""A photo to play with: one of the bundled ones, or one's own."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from ipywidgets import Dropdown, VBox
from PIL import Image

from ...photos.open import bundled_folder, open_photos
from ...photos.picture import Picture, to_image
from ...photos.picture_reading import read_picture
from ...runtime.errors import VividPastError
from .parts import Message, Upload, row

#: Longer side of what is shown, in pixels.
SHOWN = 640


class PhotoChooser(VBox):
    """A menu of photos, and a place to drop one's own, which then are in the menu too.

    Parameters
    ----------
    changed : callable
        Called when another photo is chosen.
    message : Message
        Where to say what is wrong with a file.
    first : str
        File name of the bundled photo that is chosen at first.
    """

    def __init__(self, changed: Callable[[], None], message: Message, first: str) -> None:
        names = open_photos("bundled").names
        self.menu = Dropdown(
            options=[(Path(name).stem.replace("_", " "), name) for name in sorted(names)],
            value=first,
            description="Photo",
        )
        self.upload = Upload(
            self._receive,
            lambda error: message.complain(str(error)),
            label="Your own photos: choose them, or drop them here.",
            accept="image/*,.tif,.tiff",
            multiple=True,
        )
        #: Content of the files that came from the browser, by name.
        self.uploaded: dict[str, bytes] = {}
        self._message = message
        self._changed = changed
        self._reader = ThreadPoolExecutor(1)
        # The photo read last, whole and small.
        self._whole: tuple[str, Picture] = "", Picture(np.zeros((1, 1, 1), np.uint8))
        self._small: tuple[str, np.ndarray] = "", np.zeros((1, 1, 3), np.uint8)
        super().__init__([row(self.menu, self.upload)])
        self.menu.observe(lambda _event: changed(), "value")

    @property
    def name(self) -> str:
        """File name of the photo that is chosen."""
        return self.menu.value

    def read(self, name: str | None = None) -> Picture:
        """Read a photo, the chosen one by default, at its full size.

        Raises
        ------
        VividPastError
            If it can't be read; the sentence names it as the user does.
        """
        name = name or self.name
        if self._whole[0] != name:
            if name in self.uploaded:
                picture = read_bytes(name, self.uploaded[name])
            else:
                picture = read_picture(bundled_folder() / name)
            self._whole = name, picture
        return self._whole[1]

    def small(self, name: str | None = None) -> np.ndarray:
        """Read a photo, the chosen one by default, at the size that is shown: uint8 (h, w, 3).

        Raises
        ------
        VividPastError
            As `read`.
        """
        name = name or self.name
        if self._small[0] != name:
            self._small = name, preview(self.read(name))
        return self._small[1]

    def wait(self) -> None:
        """Wait until the files that came from the browser have been looked at."""
        self._reader.submit(int).result()

    def _receive(self, name: str, content: bytes) -> None:
        self._reader.submit(self._add, name, content)  # a large photo takes seconds to read

    def _add(self, name: str, content: bytes) -> None:
        """Take a file from the browser into the menu, if it is a photo."""
        try:
            picture = read_bytes(name, content)
        except VividPastError as error:
            self._message.complain(str(error))
            return
        except (OSError, ValueError) as error:  # no room on the disk, or a name that can't be
            self._message.complain(f"{name}: can't be read ({error}); try another one.")
            return
        if name in dict(self.menu.options).values() and name not in self.uploaded:
            name = f"my {name}"  # a bundled photo has that name
        self.uploaded[name] = content
        self._whole = name, picture
        self._small = name, preview(picture)
        if (name, name) not in self.menu.options:
            self.menu.options = [(name, name), *self.menu.options]
        if self.menu.value == name:  # another photo of the same name
            self._changed()
        self.menu.value = name


def read_bytes(name: str, content: bytes) -> Picture:
    """Read a photo from a file's content.

    Raises
    ------
    VividPastError
        If it can't be read; the sentence names the file as the user does.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo").with_suffix(Path(name).suffix[:10])
        path.write_bytes(content)
        try:
            return read_picture(path)
        except VividPastError as error:
            raise VividPastError(str(error).replace(str(path), name)) from None


def preview(picture: Picture, longest: int = SHOWN) -> np.ndarray:
    """Make a small copy of a picture to work on, uint8 (h, w, 3)."""
    image = to_image(picture.values).convert("RGB")
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(image)
