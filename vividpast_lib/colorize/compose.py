"""A photo's own lightness and a small ab map in, sRGB values of the photo's size out."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..color.gamut import lab_to_linear_in_gamut
from ..color.srgb import RGB_TO_XYZ, linear_to_srgb, luminance_to_lightness, srgb_level_table
from ..color.upsampling import enlarge_rows, upsample_halfway
from ..photos.picture import strips
from .strokes import Stroke, draw_strokes

if TYPE_CHECKING:
    from .hint_spreading import Spreading


def lightness_of(values: np.ndarray) -> Tensor:
    """Lightness L in [0, 100], shape (H, W), of 8- or 16-bit values (H, W, 1 or 3)."""
    peak = np.iinfo(values.dtype).max
    # There are few levels: what each adds to the luminance is looked up, not computed.
    linear = srgb_level_table(peak)
    levels = luminance_to_lightness(linear).numpy()
    tables = (RGB_TO_XYZ[1, :, None] * linear).float().numpy()  # (3, levels)
    lightness = torch.empty(values.shape[:2])
    for rows, into in zip(strips(values), strips(lightness.numpy()), strict=True):
        if values.shape[2] == 1:
            into[...] = levels.take(rows[..., 0])
            continue
        red, green, blue = (tables[channel].take(rows[..., channel]) for channel in range(3))
        into[...] = luminance_to_lightness(torch.from_numpy(red + green + blue))
    return lightness


def compose_rgb(
    lightness: Tensor,
    ab: Tensor,
    dtype: type | np.dtype = np.uint8,
    hints: Sequence[Stroke] = (),
    spreading: "Spreading | None" = None,
) -> np.ndarray:
    """Join a photo's own lightness with a small ab map, as sRGB values.

    The chroma of colours that sRGB can't show at that lightness is reduced until it can, so that
    the lightness survives.

    Parameters
    ----------
    lightness : Tensor, shape (H, W)
        L in [0, 100].
    ab : Tensor, shape (1, 2, h, w)
        In Lab units; enlarged to H x W, guided by the lightness: `guided_upsample`.
    dtype : numpy.dtype
        uint8 or uint16.
    hints : sequence of Stroke
        Colours that hold exactly where they are put, and spread from there.
    spreading : Spreading, optional
        That of this lightness, if earlier hints made it already.

    Returns
    -------
    ndarray, shape (H, W, 3)
    """
    height, width = lightness.shape
    halfway = upsample_halfway(ab, lightness[None, None])
    if hints:
        from .hint_spreading import Spreading  # with scipy.sparse, which only hints need

        difference = (spreading or Spreading(lightness)).spread(ab, hints)
        difference = upsample_halfway(difference, lightness[None, None])

    def ab_rows(top: int, bottom: int) -> Tensor:
        large = enlarge_rows(halfway, height, width, top, bottom)[0]  # (2, rows, W)
        if not hints:
            return large
        large += enlarge_rows(difference, height, width, top, bottom)[0]
        mask, colors = map(torch.from_numpy, draw_strokes(hints, height, width, top, bottom))
        return torch.where(mask, colors, large)

    return compose_rows(lightness, ab_rows, dtype)


def compose_rows(
    lightness: Tensor,
    ab_rows: Callable[[int, int], Tensor],
    dtype: type | np.dtype = np.uint8,
) -> np.ndarray:
    """Join a photo's own lightness with ab that is computed some rows at a time.

    Parameters
    ----------
    lightness, dtype
        As in `compose_rgb`.
    ab_rows : callable
        Gives the ab (2, bottom - top, W), in Lab units, of the rows from top to bottom.

    Returns
    -------
    ndarray, shape (H, W, 3)
    """
    height, width = lightness.shape
    values = np.empty((height, width, 3), dtype)
    encode = _encoder(np.dtype(dtype))
    top = 0
    for rows in strips(values, pixels=150_000):  # small enough for a processor's cache
        bottom = top + len(rows)
        lab = torch.cat([lightness[top:bottom][None], ab_rows(top, bottom)])  # (3, rows, W)
        torch.from_numpy(rows).copy_(encode(lab_to_linear_in_gamut(lab)).permute(1, 2, 0))
        top = bottom
    return values


def _encoder(dtype: np.dtype) -> Callable[[Tensor], Tensor]:
    """Make the function that encodes linear sRGB in rounded values of 8 or 16 bits."""
    if dtype == np.uint16:
        return lambda linear: (linear_to_srgb(linear.clamp(0, 1)) * 65535 + 0.5).to(torch.uint16)
    # 8 bits are looked up: the table's error is a fortieth of a step at most.
    entries = (torch.arange(65536) + 0.5) / 65536
    table = (linear_to_srgb(entries) * 255 + 0.5).to(torch.uint8)

    def look_up(linear: Tensor) -> Tensor:
        indices = (linear * 65536).clamp_(0, 65535).int()
        return table.index_select(0, indices.flatten()).view_as(indices)

    return look_up


def to_gray(values: np.ndarray) -> np.ndarray:
    """Take the colour out of values (H, W, 1 or 3): the same lightness, ab = 0."""
    return compose_rgb(lightness_of(values), torch.zeros(1, 2, 1, 1), values.dtype)
