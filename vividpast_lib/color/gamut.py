"""Colours outside sRGB: found, and weakened until a screen can show them."""

import torch
from torch import Tensor

from .lab import check_channels, lab_to_linear


def outside_srgb(lab: Tensor, tolerance: float = 1e-4) -> Tensor:
    """Mark the colours that sRGB can't show.

    Parameters
    ----------
    lab : Tensor, float, shape (..., 3, H, W)
        Colours in Lab units.
    tolerance : float
        How far beyond [0, 1] an sRGB value may lie and still count as inside: room for
        rounding, a fortieth of one 8-bit step.

    Returns
    -------
    Tensor, bool, shape (..., H, W)
        True where the colour lies outside sRGB.
    """
    check_channels("lab", lab, 3)
    return _outside(lab_to_linear(lab), tolerance)


def _outside(linear: Tensor, tolerance: float = 1e-4) -> Tensor:
    # The curve of sRGB, which is slow to compute, only moves the two limits.
    lowest, highest = -tolerance / 12.92, ((1 + tolerance + 0.055) / 1.055) ** 2.4
    return (linear.amin(dim=-3) < lowest) | (linear.amax(dim=-3) > highest)


def fit_to_srgb(lab: Tensor) -> Tensor:
    """Weaken colours outside sRGB just enough to be shown, at the same lightness and hue.

    Each such colour is moved straight towards the grey of its lightness, by bisection.

    Parameters
    ----------
    lab : Tensor, float, shape (..., 3, H, W)
        Colours in Lab units; L in [0, 100].

    Returns
    -------
    Tensor, shape (..., 3, H, W)
        The same colours, those outside sRGB with smaller a and b.
    """
    outside = outside_srgb(lab)
    if not outside.any():
        return lab
    fitted = lab.clone()
    fitted.movedim(-3, 0)[:, outside] = _reduce_chroma(lab, outside)
    return fitted


def lab_to_linear_in_gamut(lab: Tensor) -> Tensor:
    """Convert Lab to linear sRGB, colours outside sRGB weakened as `fit_to_srgb` does.

    `linear_to_srgb` of it is what `lab_to_rgb` gives of the fitted colours, but for rounding; it
    takes half the time, which counts where large photos are written. Shapes are (..., 3, H, W).
    """
    check_channels("lab", lab, 3)
    linear = lab_to_linear(lab)
    outside = _outside(linear)
    if outside.any():
        fitted = _reduce_chroma(lab, outside)
        linear.movedim(-3, 0)[:, outside] = lab_to_linear(fitted[:, None])[:, 0]
    return linear


def _reduce_chroma(lab: Tensor, outside: Tensor) -> Tensor:
    """Weaken those colours of (..., 3, H, W) that are marked, N of them: shape (3, N)."""
    lightness, *ab = lab.movedim(-3, 0)[:, None, outside].split(1)  # (1, 1, N) each
    inside_share = torch.zeros_like(lightness)
    for halving in range(1, 13):  # leaves an error in chroma of about 0.03
        stronger = inside_share + 0.5**halving
        linear = lab_to_linear(torch.cat([lightness, *(each * stronger for each in ab)]))
        inside_share = torch.where(_outside(linear), inside_share, stronger)
    return torch.cat([lightness, *(each * inside_share for each in ab)])[:, 0]
