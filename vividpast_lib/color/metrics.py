"""How far off the colours are, and how well two class maps agree."""

import torch
from torch import Tensor

from .lab import lab_to_rgb


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
        In dB; higher is better. Grey photos score well: PSNR rewards caution.
    """
    squared = (lab_to_rgb(predicted) - lab_to_rgb(true)).square().mean(dim=(-3, -2, -1))
    return (-10 * squared.clamp(min=1e-10).log10()).mean()


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
    spread = opponents.var(dim=-1, correction=0).sum(dim=0).sqrt()
    strength = opponents.mean(dim=-1).square().sum(dim=0).sqrt()
    return (spread + 0.3 * strength).mean()


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


def confusion_matrix(predicted: Tensor, true: Tensor, classes: int = 21) -> Tensor:
    """Count how often each class was taken for each.

    Parameters
    ----------
    predicted, true : Tensor, int64, equal shapes
        Class maps: the number of a class in each place.
    classes : int
        How many there are.

    Returns
    -------
    Tensor, int64, shape (classes, classes)
        Row: true class, column: predicted class.
    """
    pairs = true.flatten() * classes + predicted.flatten()
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes)


def class_iou(counts: Tensor) -> Tensor:
    """Intersection over union of each class.

    Parameters
    ----------
    counts : Tensor, shape (C, C)
        What `confusion_matrix` gives, summed over photos.

    Returns
    -------
    Tensor, shape (C,)
        1 where a class is always right, NaN where it never occurs.
    """
    both = counts.diagonal()
    return both / (counts.sum(dim=0) + counts.sum(dim=1) - both)
