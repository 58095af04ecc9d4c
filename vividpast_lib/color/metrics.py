"""How far off the colours are, and how well two class maps agree.

torchmetrics is imported where it is needed: that takes as long as importing PyTorch.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .lab import lab_to_rgb

if TYPE_CHECKING:
    from torchmetrics.classification import MulticlassJaccardIndex


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
