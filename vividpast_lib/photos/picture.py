"""One picture in memory: upright values, and the metadata that a copy of its file should keep."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

#: File suffixes that are taken for photos in a folder.
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".ppm", ".pgm")
EXIF_ORIENTATION = 0x0112
# How an EXIF orientation (2 to 8) turns the stored rows and columns upright.
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored.swapaxes(0, 1)[:, ::-1],
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}
# The orientations that another one undoes; all others undo themselves.
UNTURN = {6: 8, 8: 6}


@dataclass
class Picture:
    """One picture in memory, upright.

    Parameters
    ----------
    values : ndarray, uint8 or uint16, shape (H, W, 1) or (H, W, 3)
        Grey values or sRGB.
    alpha : ndarray or None, shape (H, W)
        Opacity, of the same type as ``values``.
    orientation : int
        How the file stores it: an EXIF orientation, 1 to 8.
    exif, icc_profile, xmp : bytes
        Metadata to be kept; empty if there is none.
    dpi : tuple of float, or None
        Resolution across and down, in dots per inch, if the file states one.
    notes : list of str
        What a user should know of the reading, such as "the first of 12 pages".
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    orientation: int = 1
    exif: bytes = b""
    icc_profile: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def is_color(self) -> bool:
        """True if more than one pixel in a thousand is visibly coloured."""
        if self.values.shape[2] == 1:
            return False
        threshold = np.iinfo(self.values.dtype).max // 25
        coloured = sum((np.ptp(rows, axis=2) > threshold).sum() for rows in strips(self.values))
        return bool(coloured > self.values.shape[0] * self.values.shape[1] / 1000)


def strips(values: np.ndarray, pixels: int = 2_000_000) -> Iterator[np.ndarray]:
    """Cut (H, W, ...) into views of whole rows, about ``pixels`` each, to bound memory."""
    rows = max(1, pixels // values.shape[1])
    for top in range(0, values.shape[0], rows):
        yield values[top : top + rows]


def turn_stored(picture: Picture, orientation: int) -> Picture:
    """Turn values and alpha as `TURNS` says for ``orientation``; 1 leaves them."""
    if orientation == 1:
        return picture
    turn = TURNS[orientation]
    alpha = None if picture.alpha is None else np.ascontiguousarray(turn(picture.alpha))
    return replace(picture, values=np.ascontiguousarray(turn(picture.values)), alpha=alpha)


def to_image(values: np.ndarray, alpha: np.ndarray | None = None) -> Image.Image:
    """Make a Pillow image, 8 bits a channel, of (H, W, 1 or 3) uint8 or uint16 values."""
    image = Image.fromarray(_to_8_bit(values[..., 0] if values.shape[2] == 1 else values))
    if alpha is not None:
        image.putalpha(Image.fromarray(_to_8_bit(alpha)))
    return image


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
