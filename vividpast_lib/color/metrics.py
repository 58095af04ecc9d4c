"""How far off the colours are, and how well two class maps agree.

torchmetrics is imported where it is needed: that takes as long as importing PyTorch.
"""

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from .lab import lab_to_rgb

if TYPE_CHECKING:
    from torchmetrics.classification import MulticlassJaccardIndex

#: `blotches` looks at pictures of this shorter side, in cells; noise is averaged out there.
BLOTCH_SIDE = 64
#: Side of its windows, in cells, and the distance between two of them.
BLOTCH_WINDOW, BLOTCH_STEP = 9, 4
#: Standard deviation of L within a window up to which the lightness counts as even.
EVEN_SIGMA = 2.0
#: Chroma up to which a predicted colour counts as grey, without a hue.
GREY_CHROMA = 0.5


def ab_l1(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean absolute error of ab: the loss of 2018, over pixels and both channels.

    Parameters
    ----------
    predicted, true : Tensor, shape (..., 2, H, W)
        Both in Lab units (then so is the result), or both scaled alike.

    Returns
    -------
    Tensor, shape ()
    """
    return (predicted - true).abs().mean()


def psnr(predicted: Tensor, true: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of sRGB pictures, the mean over pictures.

    Parameters
    ----------
    predicted, true : Tensor, shape (N, 3, H, W)
        Lab. Compared as sRGB in [0, 1], clipped, as a screen shows them.

    Returns
    -------
    Tensor, shape ()
        In dB; higher is better; 100 at most. Grey photos score well: PSNR rewards caution.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    one_per_picture = peak_signal_noise_ratio(
        lab_to_rgb(predicted), lab_to_rgb(true), data_range=1.0, dim=(1, 2, 3), reduction="none"
    )
    return one_per_picture.clamp(max=100).mean()  # infinite for equal pictures


def colorfulness(lab: Tensor) -> Tensor:
    """How colourful pictures look, the mean over pictures.

    Parameters
    ----------
    lab : Tensor, shape (N, 3, H, W)
        Lab. Measured in sRGB of 0 to 255, clipped.

    Returns
    -------
    Tensor, shape ()
        0 for grey; about 40 for an averagely colourful photo. True colours are the mark to
        reach: more is not better.

    References
    ----------
    Hasler and Suesstrunk, Measuring colourfulness in natural images, 2003 (their M3).
    """
    red, green, blue = (lab_to_rgb(lab) * 255).unbind(dim=-3)  # (N, H, W) each
    opponents = torch.stack([red - green, (red + green) / 2 - blue]).flatten(2)  # (2, N, H * W)
    deviation = opponents.var(dim=-1, correction=0).sum(dim=0).sqrt()
    strength = opponents.mean(dim=-1).square().sum(dim=0).sqrt()
    return (deviation + 0.3 * strength).mean()


def blotches(lab: Tensor) -> float:
    """Measure how much colour changes where the lightness does not: on walls, cloth and skin.

    Parameters
    ----------
    lab : Tensor, shape (1, 3, H, W)
        CIE Lab.

    Returns
    -------
    float
        Standard deviation of ab (of both together, Lab units) within windows of a seventh of the
        shorter side in which L has a standard deviation of less than 2: the root of the mean
        variance. NaN if no window is as even. 0 for grey. True photos have some: true colours
        do change on even surfaces.
    """
    height, width = lab.shape[-2:]
    scale = min(1.0, BLOTCH_SIDE / min(height, width))
    size = round(height * scale), round(width * scale)
    cells = F.interpolate(lab, size=size, mode="area")  # (1, 3, h, w)
    window = min(BLOTCH_WINDOW, *size)
    mean = F.avg_pool2d(cells, window, BLOTCH_STEP)
    variance = (F.avg_pool2d(cells.square(), window, BLOTCH_STEP) - mean.square()).clamp(min=0)
    lightness, a, b = variance[0]
    return (a + b)[lightness < EVEN_SIGMA**2].mean().sqrt().item()


def hue_error(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean angle between predicted and true hue, where true colours are strong above all.

    Parameters
    ----------
    predicted, true : Tensor, shape (..., 2, H, W)
        ab in Lab units.

    Returns
    -------
    Tensor, shape ()
        In degrees, 0 to 180, weighted by the true chroma; grey, which has no hue, counts as 90.
    """
    lengths = [each.norm(dim=-3) for each in (predicted, true)]
    cosine = (predicted * true).sum(dim=-3) / (lengths[0] * lengths[1]).clamp(min=1e-9)
    angle = torch.rad2deg(cosine.clamp(-1, 1).acos())
    angle = torch.where(lengths[0] < GREY_CHROMA, 90.0, angle)
    return (angle * lengths[1]).sum() / lengths[1].sum().clamp(min=1e-9)


def ssim(predicted: Tensor, true: Tensor) -> Tensor:
    """Structural similarity of sRGB pictures, the mean over pictures and channels.

    Parameters
    ----------
    predicted, true : Tensor, shape (N, 3, H, W)
        Lab, H and W from 11 on. Compared as sRGB in [0, 1], clipped.

    Returns
    -------
    Tensor, shape ()
        1 for equal pictures. With the true lightness kept, even grey scores over 0.9.

    References
    ----------
    Wang et al., Image quality assessment, 2004, with its Gaussian window of 11 pixels.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    value = structural_similarity_index_measure(
        lab_to_rgb(predicted), lab_to_rgb(true), data_range=1.0
    )
    assert isinstance(value, Tensor)
    return value


def class_iou(classes: int) -> "MulticlassJaccardIndex":
    """Make a metric that counts pixels: the intersection over union of each class.

    Its ``update(predicted, true)`` takes class maps, int64, of equal shapes; ``compute()`` gives
    a Tensor of shape (classes,): 1 where a class is always right, NaN where it never occurs. If
    several processes train as one, it counts the pixels of all.
    """
    from torchmetrics.classification import MulticlassJaccardIndex

    return MulticlassJaccardIndex(
        classes, average="none", validate_args=False, zero_division=math.nan
    )
