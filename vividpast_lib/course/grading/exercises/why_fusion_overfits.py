"""Exercises of lesson 06: why fusion overfits."""

import numpy as np
import torch
from torch import Tensor, nn

from ...ablation.variants import GatedFusion
from .exercise import Exercise, Lesson, Question

#: Courses of a validation error, in steps, and a patience.
_COURSES = [
    ([4, 2, 3, 3, 3, 1, 5], 3),  # stopped just before it gets better
    ([5, 3, 4, 4, 2, 3, 1, 2], 3),  # gets better just before it is stopped
    ([3, 2, 2, 4, 1], 2),  # equal epochs
    ([3, 2, 1, 2, 0, 0], 1),
    ([1, 2], 4),  # ends before it could be stopped
    ([3, 1, 2, 1], 5),
    ([6, 5, 3, 2, 1], 2),  # the last is the best
]


def _curves(random: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray, int]]:
    calls = []
    for course, patience in _COURSES:
        val = random.uniform(8, 12) + random.uniform(0.1, 0.5) * np.array(course)
        train = val - np.cumsum(random.uniform(0.1, 0.8, len(val)))
        calls.append((train, val, patience))
    return calls


def _gap_at_best(train: np.ndarray, val: np.ndarray, patience: int) -> tuple[int, float]:
    lowest = np.minimum.accumulate(val)
    first = [int(np.flatnonzero(val == each)[0]) for each in lowest]
    late = [epoch for epoch, best in enumerate(first) if epoch - best >= patience]
    best = first[late[0] if late else -1]
    return best + 1, float(val[best] - train[best])


def _maps_and_others(random: np.random.Generator) -> list[tuple[Tensor, Tensor]]:
    """Draw maps whose classes differ, and a circle of photos."""
    calls = []
    for n, k, h, w in [(4, 3, 1, 5), (1, 4, 2, 3), (5, 2, 3, 4)]:
        maps = random.normal(random.normal(0, 3, (1, k, 1, 1)), 2, (n, k, h, w))
        others = np.roll(np.arange(n), 1)
        while n > 1 and len(set((others - np.arange(n)) % n)) == 1:  # no mere shift
            circle = random.permutation(n)
            others[circle] = np.roll(circle, 1)
        calls.append((torch.from_numpy(maps.astype(np.float32)), torch.from_numpy(others)))
    return calls


def _control_maps(maps: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    mean = maps.double().movedim(1, 0).flatten(1).mean(dim=1)  # (K,)
    constant = torch.ones_like(maps, dtype=torch.float64) * mean[:, None, None]
    return maps.index_select(0, others), constant


def _fusion_inputs(random: np.random.Generator) -> list[tuple[Tensor, ...]]:
    calls = []
    for n, c, d, h, w in [(1, 3, 2, 2, 5), (3, 2, 4, 4, 1), (2, 5, 3, 1, 4)]:
        shapes = [(n, c, h, w), (n, d, h, w), (c, c + d, 1, 1), (c,), (c, d, 1, 1)]
        drawn = [torch.from_numpy(random.normal(size=each).astype(np.float32)) for each in shapes]
        calls.append((drawn[0], drawn[1].abs(), *drawn[2:]))
    return calls


@torch.no_grad()
def _gated_fusion(
    features: Tensor, semantics: Tensor, gate_weight: Tensor, gate_bias: Tensor, add_weight: Tensor
) -> Tensor:
    fusion = GatedFusion([1], width=1, out=1, regularized=False)
    fusion.bring[0], fusion.mix = nn.Identity(), nn.Sequential()
    fusion.gate.weight, fusion.gate.bias = nn.Parameter(gate_weight), nn.Parameter(gate_bias)
    fusion.add.weight, fusion.add.bias = nn.Parameter(add_weight), None
    return fusion(features, semantics)


EXERCISES: Lesson = [
    Exercise("gap_at_best", 3, _curves, _gap_at_best),
    Exercise("control_maps", 2, _maps_and_others, _control_maps),
    Exercise("gated_fusion", 3, _fusion_inputs, _gated_fusion),
    Question("design_a_control", 4),
]
