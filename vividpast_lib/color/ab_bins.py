"""Colour as a choice among bins of ab: the bins, soft encoding, cross-entropy, rebalancing.

A network that answers one ab for a pixel can only be cautious where several colours are
plausible. One that answers a *distribution* over bins says which, and how likely each is.

Source: Zhang, Isola, Efros, Colorful Image Colorization, ECCV 2016.
"""

from functools import cache

import torch
from torch import Tensor

from .lab import rgb_to_lab

#: Side of a bin, in Lab units.
BIN_SIZE = 10
#: Number of nearest bins that a colour counts for in soft encoding.
NEIGHBOURS = 5
#: Standard deviation of the Gaussian that weights them, in Lab units.
ENCODING_SIGMA = 5.0
#: Largest absolute a or b of a colour of sRGB, rounded up, in Lab units.
AB_LIMIT = 110


@cache
@torch.inference_mode(False)  # what is cached may be needed for a gradient later
def bin_centers() -> Tensor:
    """List the bins: the cells of a grid of `BIN_SIZE` that hold a colour of sRGB.

    Returns
    -------
    Tensor, shape (Q, 2)
        ab of their centres in Lab units, sorted by a, then b; shared, so not to be changed.
    """
    # Seen along L, the faces of the sRGB cube hide all that is inside it.
    steps = torch.linspace(0, 1, 256, dtype=torch.float32)
    ends = torch.tensor([0.0, 1.0], dtype=torch.float32)
    face = torch.cartesian_prod(ends, steps, steps)  # (2 * 256^2, 3)
    rgb = torch.cat([face.roll(turn, dims=1) for turn in range(3)]).T[:, :, None]
    ab = rgb_to_lab(rgb)[1:, :, 0].T
    return BIN_SIZE * torch.unique((ab / BIN_SIZE).round(), dim=0)


@cache
@torch.inference_mode(False)
def _nearest_bins(device: torch.device) -> tuple[Tensor, Tensor]:
    """For each whole a and b: its nearest bins (221, 221, 5), and their weights, summing to 1."""
    values = torch.arange(-AB_LIMIT, AB_LIMIT + 1, dtype=torch.float32)
    ab = torch.cartesian_prod(values, values)  # (221 * 221, 2)
    distances, nearest = torch.cdist(ab, bin_centers()).topk(NEIGHBOURS, largest=False)
    weights = (-(distances**2) / (2 * ENCODING_SIGMA**2)).softmax(dim=1)
    shape = (len(values), len(values), NEIGHBOURS)
    return nearest.view(shape).to(device), weights.view(shape).to(device)


def soft_encode(ab: Tensor) -> tuple[Tensor, Tensor]:
    """Encode each colour as weights of its nearest bins.

    Parameters
    ----------
    ab : Tensor, shape (N, 2, H, W)
        In Lab units; looked up to the nearest whole unit.

    Returns
    -------
    bins : Tensor, int64, shape (N, 5, H, W)
        The nearest bins, nearest first.
    weights : Tensor, shape (N, 5, H, W)
        They sum to 1.
    """
    nearest, weights = _nearest_bins(ab.device)
    a, b = (ab.round().clamp(-AB_LIMIT, AB_LIMIT).long() + AB_LIMIT).unbind(dim=1)  # (N, H, W) each
    return nearest[a, b].movedim(-1, 1), weights[a, b].movedim(-1, 1)


def cross_entropy(logits: Tensor, ab: Tensor) -> Tensor:
    """Cross-entropy of a predicted distribution with the soft encoding of the true colours.

    Parameters
    ----------
    logits : Tensor, shape (N, Q, H, W)
        Before the softmax.
    ab : Tensor, shape (N, 2, H, W)
        True colours in Lab units.

    Returns
    -------
    Tensor, shape ()
        In nats, the mean over pixels.
    """
    bins, weights = soft_encode(ab)
    log_probabilities = logits.log_softmax(dim=1).gather(1, bins)  # (N, 5, H, W)
    return -(weights * log_probabilities).sum(dim=1).mean()


def bin_shares(ab: Tensor) -> Tensor:
    """Measure how often each bin occurs among ab (N, 2, H, W) in Lab units: (Q,), sums to 1."""
    bins, weights = soft_encode(ab)
    counts = torch.zeros(len(bin_centers()), dtype=torch.float64, device=ab.device)
    counts.index_add_(0, bins.flatten(), weights.flatten().double())
    return (counts / counts.sum()).float()


def rebalancing(shares: Tensor, uniform: float = 0.5) -> Tensor:
    """Compute weights that make rare colours count more.

    Parameters
    ----------
    shares : Tensor, shape (Q,)
        How often each bin occurs in photos; sums to 1.
    uniform : float
        Part of the uniform distribution that is mixed in, 0 to 1. At 1 all weights are equal;
        the smaller, the more the rarest weigh.

    Returns
    -------
    Tensor, shape (Q,)
        1 / ((1 - uniform) * share + uniform / Q), scaled so that the mean over photos is 1.

    References
    ----------
    Zhang 2016, equation 4, where the weights are those of the training loss. Multiplied with a
    trained network's distribution instead, they ask what it would answer if colours were less
    unequally common (Menon et al., Long-tail learning via logit adjustment, 2021).
    """
    weights = 1 / ((1 - uniform) * shares + uniform / len(shares))
    return weights / (weights * shares).sum()
