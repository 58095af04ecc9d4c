"""Colours of a blurred or small picture, made as sharp as the lightness that they are for.

Around each place, ab is taken to be a linear function of the lightness, as both are blurred alike.
What the blur has taken from the lightness is known, and so is what it has taken from ab.

Source: He, Sun and Tang, Guided image filtering, 2010; computed on the small picture as in He and
Sun, Fast guided filter, 2015. Unlike theirs, ab that the lightness does not explain is kept.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from scipy import ndimage
from torch import Tensor

from .upsampling import enlarge_rows

# Standard deviation of the lightness, in L, at which half of a linear relation is believed: less
# may be grain, which is not to colour anything.
BELIEVED_SIGMA = 4.0
#: Standard deviations, in pixels, among which that of a blur is looked for.
BLURS = (0.0, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)
# Side, in pixels, of the squares in which a blurred lightness is compared with another.
SQUARE = 13


@dataclass(frozen=True)
class LocalColors:
    """ab as a linear function of the lightness around each place.

    Parameters
    ----------
    maps : Tensor, shape (1, 8, h, w)
        Of a and of b: offset (Lab units), slope (Lab units per L), and the lowest and the highest
        ab around.
    """

    maps: Tensor

    def rows(self, lightness: Tensor, top: int, bottom: int) -> Tensor:
        """Give the ab (2, bottom - top, W) of some rows of a lightness (H, W), at any size."""
        height, width = lightness.shape
        maps = enlarge_rows(self.maps, height, width, top, bottom)[0]
        offset, slope, lowest, highest = maps.split(2)
        ab = torch.addcmul(offset, slope, lightness[top:bottom])
        return ab.clamp(lowest, highest)


def fit_local_colors(ab: Tensor, lightness: Tensor, blur: float) -> LocalColors:
    """Fit `LocalColors` to a blurred ab map.

    Parameters
    ----------
    ab : Tensor, shape (1, 2, h, w)
        In Lab units.
    lightness : Tensor, shape (1, 1, h, w)
        L in [0, 100], not blurred, of the picture that is to be coloured.
    blur : float
        Standard deviation, in pixels, of the blur of ``ab``.
    """
    radius = max(2, round(1.25 * blur) + 1)
    size = (1, 1, 2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, size, mode="nearest")

    guide, colors = _blurred(lightness, blur).numpy(), ab.numpy()
    mean_guide, mean_colors = mean(guide), mean(colors)
    variance = (mean(guide * guide) - mean_guide**2).clip(min=0)
    slope = (mean(guide * colors) - mean_guide * mean_colors) / (variance + BELIEVED_SIGMA**2)
    slope = mean(slope)
    lowest = ndimage.minimum_filter(colors, size, mode="nearest")
    highest = ndimage.maximum_filter(colors, size, mode="nearest")
    maps = np.concatenate([colors - slope * guide, slope, lowest, highest], axis=1)
    return LocalColors(torch.from_numpy(maps))


def estimate_blur(lightness: Tensor, blurred: Tensor) -> float:
    """Estimate by how much a lightness was blurred; contrast and brightness may have changed too.

    Parameters
    ----------
    lightness, blurred : Tensor, shape (1, 1, h, w)
        L in [0, 100], aligned.

    Returns
    -------
    float
        Standard deviation in pixels: that of `BLURS` which leaves the smallest error when, in
        each `SQUARE`, ``blurred`` is a linear function of the blurred ``lightness``.
    """
    best, least = 0.0, math.inf
    for blur in BLURS:
        error = _linear_error(_blurred(lightness, blur), blurred)
        if error >= least:
            break
        best, least = blur, error
    return best


def _linear_error(x: Tensor, y: Tensor) -> float:
    """Mean standard deviation of y (1, 1, h, w) that is no linear function of x in a square."""
    side = min(SQUARE, *x.shape[-2:])
    moments = F.avg_pool2d(torch.cat([x, y, x * x, y * y, x * y], dim=1), side)
    mean_x, mean_y, xx, yy, xy = moments.split(1, dim=1)
    covariance = xy - mean_x * mean_y
    explained = covariance**2 / (xx - mean_x**2 + 1)
    return float((yy - mean_y**2 - explained).clamp(min=0).sqrt().mean())


def _blurred(maps: Tensor, blur: float) -> Tensor:
    """Blur (1, 1, h, w) with a Gaussian of this standard deviation in pixels."""
    if blur == 0:
        return maps
    sigma = (0, 0, blur, blur)
    return torch.from_numpy(ndimage.gaussian_filter(maps.numpy(), sigma, mode="nearest"))
