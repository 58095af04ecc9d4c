"""How far off the colours are."""

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
