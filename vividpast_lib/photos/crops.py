"""Square crops of photos and of their class maps, in the middle or drawn at random."""

from typing import NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

#: Least width of a random crop by default, as a share of the photo's shorter side.
SMALLEST_CROP = 0.7
#: Side of the crops of class maps.
CLASS_MAP_SIDE = 64
Box = tuple[float, float, float, float]  # left, top, right and bottom, in pixels


def sample_crop(
    width: int,
    height: int,
    random: np.random.Generator | None = None,
    smallest: float = SMALLEST_CROP,
) -> tuple[Box, bool]:
    """Choose a square crop of a photo.

    Parameters
    ----------
    width, height : int
        Of the photo, in pixels.
    random : numpy.random.Generator, optional
        Draws a crop ``smallest`` to 1 times the shorter side wide, anywhere, and mirrors every
        other one. Without it, the crop is the largest in the middle.
    smallest : float
        Least width of a random crop, as a share of the shorter side.

    Returns
    -------
    box : tuple of float
        Left, top, right and bottom, in pixels.
    mirrored : bool
    """
    side = float(min(width, height))
    left, top = (width - side) / 2, (height - side) / 2
    mirrored = False
    if random is not None:
        side *= random.uniform(smallest, 1.0)
        left, top = random.uniform(0, width - side), random.uniform(0, height - side)
        mirrored = random.random() < 0.5
    return (left, top, left + side, top + side), mirrored


def crop_square(
    image: Image.Image, size: int, random: np.random.Generator | None = None
) -> np.ndarray:
    """Crop a photo as `sample_crop` chooses, and resize the crop.

    Parameters
    ----------
    image : PIL.Image.Image
        Three channels of 8 bits.
    size : int
        Side of the result, in pixels.
    random : numpy.random.Generator, optional
        As in `sample_crop`.

    Returns
    -------
    ndarray, uint8, shape (3, size, size)
    """
    return cut_crop(image, size, *sample_crop(*image.size, random))


def cut_crop(image: Image.Image, size: int, box: Box, mirrored: bool) -> np.ndarray:
    """Cut the crop that `sample_crop` chose; the rest as in `crop_square`."""
    square = image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    values = np.asarray(square).transpose(2, 0, 1)  # (H, W, 3) => (3, H, W)
    return np.ascontiguousarray(values[..., ::-1] if mirrored else values)


def shrink(image: Image.Image, side: int) -> Image.Image:
    """Resize a photo so that its shorter side has ``side`` pixels; a smaller one stays as it is."""
    scale = side / min(image.size)
    if scale >= 1:
        return image
    size = round(image.width * scale), round(image.height * scale)
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def cut_class_map(
    class_map: np.ndarray, photo_size: tuple[int, int], box: Box, mirrored: bool
) -> np.ndarray:
    """Cut the crop of a photo out of its class map, (h, w) => (64, 64), by nearest values."""
    scale = class_map.shape[1] / photo_size[0], class_map.shape[0] / photo_size[1]
    centers = (np.arange(CLASS_MAP_SIDE) + 0.5) / CLASS_MAP_SIDE
    columns, rows = (
        ((box[axis] + centers * (box[axis + 2] - box[axis])) * scale[axis]).astype(int)
        for axis in (0, 1)
    )
    square = class_map[np.ix_(rows.clip(0, len(class_map) - 1), columns)]
    return np.ascontiguousarray(square[:, ::-1] if mirrored else square)


class CropBatch(NamedTuple):
    """A batch of crops.

    Parameters
    ----------
    values : Tensor, uint8, shape (N, 3, size, size)
        Crops of what the set's `read` gives.
    indices : Tensor, int64, shape (N,)
        Indices of their photos in the set.
    class_maps : Tensor, uint8, shape (N, 64, 64), or None
        The same crops of the class maps, of sets that have them.
    batch_index : Tensor, int64, shape (N,)
        Positions in the whole batch, to which damaged photos and those of other processes belong.
    full_batch_size : int
        Number of photos in the whole batch.
    """

    values: Tensor
    indices: Tensor
    class_maps: Tensor | None
    batch_index: Tensor
    full_batch_size: int
