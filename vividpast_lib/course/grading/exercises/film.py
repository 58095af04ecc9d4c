"""Exercises of lesson 08: colours warped along the flow, and two measures of flicker."""

import numpy as np
import torch
from torch import Tensor

from ....film.metrics import color_distribution_consistency, rgb_histograms
from ....film.motion import warp
from .exercise import Exercise, Lesson, no_inputs


def _maps_and_flow(random: np.random.Generator) -> list[tuple[Tensor, Tensor]]:
    """Draw flow that leads between pixels, and out of the frame on all sides."""
    calls = []
    for n, c, h, w in [(1, 2, 5, 7), (3, 1, 4, 6), (2, 3, 6, 3)]:
        maps = random.uniform(-60, 60, (n, c, h, w)).astype(np.float32)
        flow = random.normal(0, 2, (n, 2, h, w)).astype(np.float32)
        calls.append((torch.from_numpy(maps), torch.from_numpy(flow)))
    return calls


def _frames_with_seen(random: np.random.Generator) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Draw frames of which more or less is seen; in the second film nothing of one of them."""
    calls = []
    for n, h, w in [(1, 4, 5), (4, 3, 6), (3, 5, 2)]:
        ab, warped = random.uniform(-60, 60, (2, n, 2, h, w)).astype(np.float32)
        seen = random.random((n, 1, h, w)) < np.linspace(0.2, 0.9, n)[:, None, None, None]
        seen[0, 0, 0, 0] = True
        seen[1:2] &= n != 4
        calls.append((torch.from_numpy(ab), torch.from_numpy(warped), torch.from_numpy(seen)))
    nothing = torch.zeros(2, 1, 2, 3, dtype=torch.bool)
    calls.append((torch.ones(2, 2, 2, 3), torch.zeros(2, 2, 2, 3), nothing))
    return calls


def _mean_flicker(ab: Tensor, warped_ab: Tensor, seen: Tensor) -> float:
    change = (ab.double() - warped_ab.double()).abs().mean(dim=1, keepdim=True) * seen
    pixels = seen.sum(dim=(1, 2, 3))
    frames = change.sum(dim=(1, 2, 3)) / pixels.clamp(min=1)
    return float(frames.sum() / (pixels > 0).sum().clamp(min=1))


def _films(random: np.random.Generator) -> list[tuple[Tensor]]:
    """Draw films whose colours wander among neighbouring values.

    In the second film they wander at both ends of the scale, in the others away from them.
    """
    calls = []
    for t, h, w in [(5, 4, 6), (8, 3, 5), (6, 7, 2)]:
        low, high = (0, 255) if t == 8 else random.integers([40, 140], [100, 200])
        start = random.choice([low, low + 2, high - 2, high], (1, 3, h, w))
        film = start + random.integers(-1, 2, (t, 3, h, w))
        calls.append((torch.from_numpy(film.clip(0, 255).astype(np.uint8)),))
    return calls


def _film_cdc(frames: Tensor) -> Tensor:
    return color_distribution_consistency(torch.stack([rgb_histograms(each) for each in frames]))


EXERCISES: Lesson = [
    Exercise("warp_colors", 4, _maps_and_flow, warp),
    Exercise("mean_flicker", 3, _frames_with_seen, _mean_flicker),
    Exercise("film_cdc", 3, _films, _film_cdc, tolerance=2e-5),
    Exercise("claims_about_film", 2, no_inputs, lambda: "ACD"),
]
