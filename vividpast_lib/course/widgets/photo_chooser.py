"""A photo to play with: one of the bundled ones, or one's own."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ...photos.open import bundled_folder, open_photos
from ...photos.picture import Picture, to_image
from ...photos.picture_reading import read_picture
from .chooser import Chooser, errors_naming, menu_of
from .parts import Message

#: Longer side of a preview, in pixels.
PREVIEW_SIDE = 640


class PhotoChooser(Chooser):
    """A menu of photos, and a place to drop one's own, which then are in the menu too.

    Parameters
    ----------
    on_choice : callable
        Called when another photo is chosen.
    message : Message
        Shows what is wrong with a file.
    first : str
        File name of the bundled photo that is chosen at first.
    """

    def __init__(self, on_choice: Callable[[], None], message: Message, first: str) -> None:
        names = sorted(open_photos("bundled").names)
        #: Content of the files that came from the browser, by name.
        self.uploaded: dict[str, bytes] = {}
        # The photo read last, whole and small.
        self._whole: tuple[str, Picture] = "", Picture(np.zeros((1, 1, 1), np.uint8))
        self._small: tuple[str, np.ndarray] = "", np.zeros((1, 1, 3), np.uint8)
        super().__init__(
            on_choice,
            message,
            menu_of("Photo", [Path(name) for name in names], names, first),
            label="Your own photos: choose them, or drop them here.",
            accept="image/*,.tif,.tiff",
            multiple=True,
        )

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

    def _read(self, name: str, content: bytes) -> Picture:
        return read_bytes(name, content)

    def _add(self, name: str, content: bytes, file: Picture) -> None:
        if name in dict(self.menu.options).values() and name not in self.uploaded:
            name = f"my {name}"  # a bundled photo has that name
        self.uploaded[name] = content
        self._whole = name, file
        self._small = name, preview(file)
        if (name, name) not in self.menu.options:
            self.menu.options = [(name, name), *self.menu.options]
        if self.menu.value == name:  # another photo of the same name
            self._on_choice()
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
        with errors_naming(name, path):
            return read_picture(path)


def preview(picture: Picture, longest: int = PREVIEW_SIDE) -> np.ndarray:
    """Make a small copy of a picture, uint8 (h, w, 3)."""
    image = to_image(picture.values).convert("RGB")
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(image)
