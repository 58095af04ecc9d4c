"""TODO."""

import torch
from torch import Tensor


def warping_error(ab: Tensor, earlier_ab: Tensor, flow: Tensor, seen: Tensor) -> Tensor:
    """How much the colours of a film change on the way of a thing from one frame to the next.

    Parameters
    ----------
    ab, earlier_ab : Tensor, shape (1, 2, H, W)
        Of a frame and of the one before it, in Lab units.
    flow : Tensor, shape (1, 2, H, W)
        Where each pixel was in the frame before: `flow.optical_flow` between the grey frames.
    seen : Tensor, bool, shape (1, 1, H, W)
        Pixels that are seen in both: `flow.consistent`.

    Returns
    -------
    Tensor, shape ()
        Mean absolute difference in Lab units; 0 for a grey film, and more than 0 for a true one,
        as light and flow are not perfect. NaN if nothing is seen in both.

    References
    ----------
    Lai et al., Learning blind video temporal consistency, 2018, who take RGB.
    """
    from .motion import warp

    change = (ab - warp(earlier_ab, flow)).abs().mean(dim=1, keepdim=True)
    return change[seen].mean()


def rgb_histograms(rgb: Tensor) -> Tensor:
    """Count the values of a picture, uint8 (3, H, W): shares, shape (3, 256)."""
    counts = torch.stack([torch.bincount(each.flatten(), minlength=256) for each in rgb])
    return counts / counts.sum(dim=1, keepdim=True)


def color_distribution_consistency(histograms: Tensor) -> Tensor:
    """How much the distribution of colours changes from frame to frame (CDC).

    Parameters
    ----------
    histograms : Tensor, shape (frames, 3, 256)
        What `rgb_histograms` gives of each frame of a film; 5 frames at least.

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
    means = [_jensen_shannon(histograms[apart:], histograms[:-apart]).mean() for apart in (1, 2, 4)]
    return torch.stack(means).mean()


def _jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Divergence along the last dimension."""
    middle = (first + second) / 2

    def divergence(from_: Tensor) -> Tensor:
        return torch.special.xlogy(from_, from_ / middle.clamp(min=1e-12)).sum(dim=-1)

    return (divergence(first) + divergence(second)) / 2
