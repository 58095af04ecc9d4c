"""Exercises of lesson 07: bins of colours, distributions, and what is read out of them."""

import numpy as np
import torch
from torch import Tensor

from ....color.ab_bins import rebalancing
from .exercise import Exercise, Lesson, no_inputs

#: N, H, W and the number of bins of each call.
_SHAPES = ((1, 8, 11, 9), (3, 5, 6, 7), (2, 9, 4, 12), (2, 4, 1, 10))


def _bins(random: np.random.Generator, count: int) -> Tensor:
    """Draw centres (count, 2) of neighbouring bins, somewhat off the grid of 10 x 10.

    On the grid another distance, as the sum of both differences, mostly has the same nearest bin.
    """
    grid = np.stack(np.meshgrid(np.arange(-40, 50, 10), np.arange(-40, 50, 10)), axis=-1)
    grid = grid.reshape(-1, 2).astype(np.float32)
    away = np.abs(grid - random.uniform(-30, 30, 2)).max(axis=1)
    centers = grid[away.argsort()[:count]] + random.uniform(-4, 4, (count, 2))
    return torch.from_numpy(random.permutation(centers).astype(np.float32))


def _colors_and_bins(random: np.random.Generator) -> list[tuple[Tensor, Tensor]]:
    calls = []
    for n, h, w, q in _SHAPES:
        centers = _bins(random, q)
        ab = centers.numpy().mean(axis=0)[:, None, None] + random.uniform(-18, 18, (n, 2, h, w))
        calls.append((torch.from_numpy(ab.astype(np.float32)), centers))
    return calls


def _distances(ab: Tensor, centers: Tensor) -> Tensor:
    """Distances (N, H, W, Q) of colours (N, 2, H, W) and centres (Q, 2), as float64."""
    return torch.cdist(ab.double().permute(0, 2, 3, 1), centers.double()[None, None])


def _nearest_bins(ab: Tensor, centers: Tensor) -> Tensor:
    return _distances(ab, centers).argmin(dim=-1)


def _soft_bins(ab: Tensor, centers: Tensor) -> Tensor:
    distances = _distances(ab, centers)
    fifth = distances.sort(dim=-1).values[..., 4:5]
    # Relative to the nearest, so that far colours don't vanish.
    powers = (distances.amin(dim=-1, keepdim=True) ** 2 - distances**2) / 50
    shares = powers.exp() * (distances <= fifth)
    return (shares / shares.sum(dim=-1, keepdim=True)).permute(0, 3, 1, 2)


def _answers(random: np.random.Generator) -> list[tuple[Tensor, Tensor, float]]:
    """Draw logits, some of them large, with several temperatures.

    In the last call the shares are so even that their powers vanish in float32.
    """
    calls = []
    for (n, h, w, q), spread, temperature in zip(
        _SHAPES, (2, 2, 300, 0.5), (0.38, 1.7, 0.01, 0.01), strict=True
    ):
        logits = (spread * random.normal(size=(n, q, h, w))).astype(np.float32)
        calls.append((torch.from_numpy(logits), _bins(random, q), temperature))
    return calls


def _annealed_color(logits: Tensor, centers: Tensor, temperature: float) -> Tensor:
    shares = (logits.double() / temperature).softmax(dim=1).movedim(1, -1)  # (N, H, W, Q)
    return (shares @ centers.double()).movedim(-1, 1)


def _shares(random: np.random.Generator) -> list[tuple[Tensor, float]]:
    calls = []
    for q, mix in [(5, 0.5), (8, 0.2), (3, 1.0), (6, 0.75)]:
        shares = random.random(q) ** 4
        shares[random.integers(q)] = 0
        calls.append((torch.from_numpy((shares / shares.sum()).astype(np.float32)), mix))
    return calls


EXERCISES: Lesson = [
    Exercise("nearest_bins", 3, _colors_and_bins, _nearest_bins),
    Exercise("soft_bins", 3, _colors_and_bins, _soft_bins),
    Exercise("annealed_color", 3, _answers, _annealed_color),
    Exercise("bin_weights", 2, _shares, rebalancing),
    Exercise("claims_about_colors", 1, no_inputs, lambda: "BCE"),
]
