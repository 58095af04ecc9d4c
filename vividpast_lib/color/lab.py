"""Conversion between sRGB and CIE Lab.

CIE Lab splits a colour into ``lightness`` L (0 black to 100 white) and two colour channels
``ab``: a runs from green (negative) to red, b from blue (negative) to yellow. A grey photo is
L alone; to colorize it is to find ab.

All colours are tensors of shape (..., 3, H, W), on any device, and every function here that
computes with them is differentiable with finite gradients, also at black.

Sources: IEC 61966-2-1 (sRGB) and CIE 15:2004 (Lab), with the rounded constants of
scikit-image, so that the two agree.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ..runtime.threads import single_threaded_ops
from .srgb import (
    LAB_KNEE,
    LAB_SLOPE,
    RGB_TO_WHITE_XYZ,
    WHITE_XYZ_TO_RGB,
    lab_curve,
    linear_to_srgb,
    srgb_level_table,
    srgb_to_linear,
)

# Number of pixels of 8-bit photos that a thread converts at once: they fit into its core's cache.
PIXELS_AT_ONCE = 50_000
# Too coarse to compute in.
HALF_PRECISION = torch.bfloat16, torch.float16


def check_channels(
    name: str, colors: Tensor, channels: int, also: torch.dtype | None = None
) -> None:
    """Refuse colours that are neither floats nor ``also``, or not of shape (..., channels, H, W).

    Raises
    ------
    TypeError, ValueError
        They say ``name``, that of the argument.
    """
    if not colors.is_floating_point() and colors.dtype != also:
        raise TypeError(f"{name} must be a float tensor, but is {colors.dtype}.")
    if colors.dim() < 3 or colors.shape[-3] != channels:
        shape = tuple(colors.shape)
        raise ValueError(f"{name} must have the shape (..., {channels}, H, W), but has {shape}.")


def _mix_channels(matrix: list[list[float]], channels: Iterable[Tensor]) -> list[Tensor]:
    """Multiply a (3, 3) matrix with three channels, any shape."""
    # Sums of products, not einsum: a GPU would round those to TF32.
    first, second, third = channels
    return [(x * first).add_(second, alpha=y).add_(third, alpha=z) for x, y, z in matrix]


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab (D65, 2-degree observer).

    Parameters
    ----------
    rgb : Tensor, float or uint8, shape (..., 3, H, W)
        sRGB in [0, 1]; values outside are converted too, not clipped. Or 8-bit sRGB, 0 to 255.

    Returns
    -------
    Tensor, float, shape (..., 3, H, W)
        L in [0, 100]; of all sRGB colours, a in [-86.2, 98.2] and b in [-107.9, 94.5].

    Raises
    ------
    TypeError
        If ``rgb`` is neither a float tensor nor uint8.
    ValueError
        If ``rgb`` does not have three channels in its third dimension from the end.
    """
    check_channels("rgb", rgb, 3, also=torch.uint8)
    if rgb.dtype in HALF_PRECISION:
        return rgb_to_lab(rgb.float()).to(rgb.dtype)
    if rgb.dtype != torch.uint8:
        # Channel by channel, of which a compiler can make one loop.
        return torch.stack(_linear_to_lab(map(srgb_to_linear, rgb.unbind(-3))), dim=-3)
    if rgb.dim() == 3 or rgb.device.type != "cpu":
        return rgb_to_lab(rgb / 255)
    return _batch_to_lab(rgb)


def _linear_to_lab(linear: Iterable[Tensor]) -> list[Tensor]:
    """Convert the three channels of linear sRGB, any shape, to L, a and b."""
    fx, fy, fz = map(lab_curve, _mix_channels(RGB_TO_WHITE_XYZ, linear))
    return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)]


def _batch_to_lab(rgb: Tensor) -> Tensor:
    """Convert 8-bit photos on the CPU: their 256 levels are looked up.

    Each thread converts its share of the photos: threads that share each step wait for each other.
    """
    srgb_level_table(255)  # computed here, if it is the first time, and not in each thread
    # NumPy asks Linux for large pages, which come in a third of the time.
    lab = torch.from_numpy(np.empty(rgb.shape, np.float32))
    threads = torch.get_num_threads() if rgb.numel() > 3 * PIXELS_AT_ONCE else 1
    shares = [each.flatten(0, -4).chunk(threads) for each in (rgb, lab)]
    if threads == 1:
        _levels_to_lab(shares[0][0], shares[1][0])
    else:
        with single_threaded_ops(threads) as pool:
            list(pool.map(_levels_to_lab, *shares))
    return lab


@torch.inference_mode()  # which a thread does not take over from the one that starts it
def _levels_to_lab(rgb: Tensor, into: Tensor) -> None:
    """Convert 8-bit photos (N, 3, H, W), as many at once as fit into a processor's cache."""
    table = srgb_level_table(255)
    at_once = max(1, PIXELS_AT_ONCE // max(1, rgb.shape[-2] * rgb.shape[-1]))
    for photos, lab in zip(rgb.split(at_once), into.split(at_once), strict=True):
        torch.index_select(table, 0, photos.flatten().int(), out=lab.view(-1))
        torch.stack(_linear_to_lab(lab.unbind(-3)), dim=-3, out=lab)


def lab_to_linear(lab: Tensor) -> Tensor:
    """Convert CIE Lab (..., 3, H, W) to linear sRGB; not clipped, so also below 0 and above 1."""
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16) / 116
    f = torch.stack([fy.add(a, alpha=1 / 500), fy, fy.sub(b, alpha=1 / 200)], dim=-3)
    knee = LAB_KNEE ** (1 / 3)
    xyz = (f.clamp(min=knee) ** 3).add_(f.clamp(max=knee).sub_(knee), alpha=1 / LAB_SLOPE)
    return torch.stack(_mix_channels(WHITE_XYZ_TO_RGB, xyz.unbind(-3)), dim=-3)


def lab_to_rgb(lab: Tensor, *, clip: bool = True) -> Tensor:
    """Convert CIE Lab (D65, 2-degree observer) to sRGB.

    Parameters
    ----------
    lab : Tensor, float, shape (..., 3, H, W)
        L in [0, 100], a and b in Lab units.
    clip : bool
        Clip to [0, 1], as a screen does. Without it, colours outside sRGB come out below 0 or
        above 1. Clipping changes lightness and hue; `fit_to_srgb` first keeps both.

    Returns
    -------
    Tensor, shape (..., 3, H, W)
        sRGB, in [0, 1] if clipped.

    Raises
    ------
    TypeError
        If ``lab`` is not a float tensor.
    ValueError
        If ``lab`` does not have three channels in its third dimension from the end.
    """
    check_channels("lab", lab, 3)
    if lab.dtype in HALF_PRECISION:
        return lab_to_rgb(lab.float(), clip=clip).to(lab.dtype)
    rgb = linear_to_srgb(lab_to_linear(lab))
    return rgb.clamp(0, 1) if clip else rgb
