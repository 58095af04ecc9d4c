"""Colours of consecutive frames in, measures of how steady they are out."""

import torch
from torch import Tensor

from .motion import warp


def warping_error(ab: Tensor, earlier_ab: Tensor, flow: Tensor, seen: Tensor) -> Tensor:
    """Measure how much the colours of things change from one frame to the next.

    Parameters
    ----------
    ab, earlier_ab : Tensor, shape (1, 2, H, W)
        Of a frame and of the one before it, in Lab units.
    flow : Tensor, shape (1, 2, H, W)
        Where each pixel was in the frame before: `motion.optical_flow` between the grey frames.
    seen : Tensor, bool, shape (1, 1, H, W)
        Pixels that are seen in both: `motion.consistent`.

    Returns
    -------
    Tensor, shape ()
        Mean absolute difference in Lab units; 0 for a grey film, and more than 0 for a true one,
        as exposure and flow are not perfect. NaN if nothing is seen in both.

    References
    ----------
    Lai et al., Learning blind video temporal consistency, 2018, who take RGB.
    """
    change = (ab - warp(earlier_ab, flow)).abs().mean(dim=1, keepdim=True)
    return change[seen].mean()


def rgb_histograms(rgb: Tensor) -> Tensor:
    """Give the histograms of a picture, uint8 (3, H, W): fractions, shape (3, 256)."""
    counts = torch.stack([torch.bincount(each.flatten(), minlength=256) for each in rgb])
    return counts / counts.sum(dim=1, keepdim=True)


def color_distribution_consistency(histograms: Tensor) -> Tensor:
    """Measure how much the distribution of colours changes from frame to frame (CDC).

    Parameters
    ----------
    histograms : Tensor, shape (frames, 3, 256)
        What `rgb_histograms` gives of each frame of a film; at least 5 frames.

    Returns
    -------
    Tensor, shape ()
        Mean Jensen-Shannon divergence of frames that are 1, 2 and 4 apart, in nats; lower is
        steadier. Lightness counts as well, so a grey film and the true one set the scale.

    References
    ----------
    Liu et al., Temporally consistent video colorization with deep feature propagation and
    self-regularization learning, 2021.
    """
    means = [_jensen_shannon(histograms[lag:], histograms[:-lag]).mean() for lag in (1, 2, 4)]
    return torch.stack(means).mean()


def _jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Give the Jensen-Shannon divergence along the last dimension."""
    middle = (first + second) / 2

    def divergence(from_: Tensor) -> Tensor:
        return torch.special.xlogy(from_, from_ / middle.clamp(min=1e-12)).sum(dim=-1)

    return (divergence(first) + divergence(second)) / 2
