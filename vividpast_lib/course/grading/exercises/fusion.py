"""Exercises of lesson 05: fusion."""

import statistics

import numpy as np
import torch
from torch import Tensor, nn

from ....networks.class_maps import encode
from ....networks.layers import SameConv2d
from ...ablation.variants import ConcatFusion
from .exercise import Exercise, Lesson, no_inputs


def _tensor(random: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(random.normal(size=shape).astype(np.float32))


def _fusion_inputs(random: np.random.Generator) -> list[tuple[Tensor, ...]]:
    calls: list[tuple[Tensor, ...]] = []
    for n, c, k, d, h, w in [(1, 3, 2, 4, 2, 5), (3, 2, 4, 5, 4, 1), (2, 5, 3, 6, 1, 4)]:
        features, class_maps = _tensor(random, n, c, h, w).relu(), _tensor(random, n, k, h, w)
        calls.append((features, class_maps, _tensor(random, d, c + k, 1, 1), _tensor(random, d)))
    return calls


@torch.no_grad()
def _fusion_layer(features: Tensor, class_maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    # It counts the classes beside 128 features; only the sum of the two matters.
    fusion = ConcatFusion(classes=weight.shape[1] - 128, out=len(weight))
    fusion.load_state_dict({"mix.0.weight": weight, "mix.0.bias": bias})
    return fusion(features, class_maps)


def _chains(random: np.random.Generator) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    calls = []
    for length in (1, 2, 3, 6):
        channels = random.integers(1, 150, length + 1).tolist()
        kernels = random.permutation([3, 2, 5, 1, 4, 7])[:length].tolist()
        calls.append((tuple(channels), tuple(kernels)))
    return calls


def _parameters_of(channels: tuple[int, ...], kernels: tuple[int, ...]) -> int:
    chain = nn.Sequential(
        *(
            SameConv2d(channels[place], channels[place + 1], kernel)
            for place, kernel in enumerate(kernels)
        )
    )
    return sum(parameter.numel() for parameter in chain.parameters())


def _logits(random: np.random.Generator) -> list[tuple[Tensor, ...]]:
    """Draw logits of which one class is below 0 in all training photos, and one below 1."""
    calls: list[tuple[Tensor, ...]] = []
    shapes = [
        ((1, 3, 2, 4), (3, 3, 5, 1)),
        ((4, 5, 3, 2), (2, 5, 4, 3)),
        ((2, 4, 1, 5), (5, 4, 2, 3)),
    ]
    for shape, train_shape in shapes:
        largest = np.array([-6.0, 0.5, *random.uniform(2, 12, shape[1] - 2)])
        largest = random.permutation(largest)[:, None, None]
        logits = largest - random.exponential(2, shape)
        train = -random.exponential(2, train_shape)
        train += largest - train.max(axis=(0, 2, 3), keepdims=True)
        calls.append(tuple(torch.from_numpy(each.astype(np.float32)) for each in (logits, train)))
    return calls


def _normalised_maps(logits: Tensor, train_logits: Tensor) -> Tensor:
    return encode(logits, "logits", train_logits.amax(dim=(0, 2, 3)).clamp(min=1))


def _errors(random: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw errors of photos that differ more than networks do."""
    calls = []
    for count in (2, 5, 12):
        without = random.uniform(3, 18, count)
        calls.append((without + random.normal(-0.6, 1, count), without))
    return calls


def _paired_difference(with_maps: np.ndarray, without: np.ndarray) -> tuple[float, float]:
    differences = [one - other for one, other in zip(with_maps, without, strict=True)]
    error = (statistics.variance(differences) / len(differences)) ** 0.5
    return statistics.fmean(differences), error


EXERCISES: Lesson = [
    Exercise("fusion_layer", 4, _fusion_inputs, _fusion_layer),
    Exercise("parameters_of", 2, _chains, _parameters_of, tolerance=0),
    Exercise("normalised_maps", 2, _logits, _normalised_maps, tolerance=1e-5),
    Exercise("paired_difference", 2, _errors, _paired_difference, tolerance=1e-4),
    Exercise("claims_about_fusion", 1, no_inputs, lambda: "BDF"),
]
