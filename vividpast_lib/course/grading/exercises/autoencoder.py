"""Exercises of lesson 03: autoencoder."""

import numpy as np
import torch
from torch import Tensor

from ....color.metrics import ab_l1
from ....networks.layers import SameConv2d
from .exercise import Exercise, Lesson, Question


def _rows(random: np.random.Generator) -> list[tuple[int, int, int]]:
    """Draw rows: sizes that the stride divides and others, and kernels smaller than the stride."""
    calls = [(224, 3, 2), (15, 3, 2), (9, 2, 1), (12, 1, 3), (1, 4, 2), (13, 6, 1)]
    for _ in range(12):
        calls.append((int(random.integers(1, 40)), *random.integers(1, 6, 2).tolist()))
    return calls


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    outputs = len(range(0, size, stride))
    zeros = 0
    while len(range(kernel, size + zeros + 1, stride)) < outputs:
        zeros += 1
    return zeros // 2, (zeros + 1) // 2


def _blocks(random: np.random.Generator) -> list[tuple[Tensor, Tensor, Tensor, int]]:
    """Draw blocks whose rows and columns need different padding, one of them none at all."""
    calls = []
    for shape, out, kernel, stride in [
        ((1, 2, 7, 10), 3, 3, 2),
        ((3, 4, 5, 6), 2, 2, 1),
        ((2, 1, 8, 5), 4, 3, 1),
        ((2, 3, 6, 9), 2, 1, 2),
        ((1, 2, 4, 11), 3, 4, 3),
    ]:
        x = random.normal(0, 1, shape)
        weight = random.normal(0, 0.5, (out, shape[1], kernel, kernel))
        bias = random.uniform(0.3, 1, out) * random.choice([-1, 1], out)
        tensors = [torch.from_numpy(each.astype(np.float32)) for each in (x, weight, bias)]
        calls.append((tensors[0], tensors[1], tensors[2], stride))
    return calls


def _encoder_block(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    out, channels, kernel, _ = weight.shape
    layer = SameConv2d(channels, out, kernel, stride=stride)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer(x).relu().detach()


def _scaled_colors(
    random: np.random.Generator,
) -> list[tuple[Tensor, Tensor, tuple[float, float]]]:
    calls = []
    for n, height, width in [(1, 3, 4), (4, 2, 5), (3, 6, 1)]:
        pair = random.uniform(-1, 1, (2, n, 2, height, width)).astype(np.float32)
        scale = (float(random.uniform(40, 60)), float(random.uniform(80, 110)))
        if random.random() < 0.5:
            scale = scale[::-1]
        calls.append((torch.from_numpy(pair[0]), torch.from_numpy(pair[1]), scale))
    return calls


def _l1_in_lab_units(predicted: Tensor, true: Tensor, scale: tuple[float, float]) -> float:
    parts = [ab_l1(predicted[:, i], true[:, i]).item() * scale[i] for i in range(2)]
    return sum(parts) / 2


def _layers(random: np.random.Generator) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    calls: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((2, 3, 4, 2), (2, 3, 1, 2)),
        ((4,), (3,)),
    ]
    for count in (2, 3, 5, 6):
        kernels = random.integers(1, 6, count).tolist()
        strides = random.integers(1, 4, count).tolist()
        calls.append((tuple(kernels), tuple(strides)))
    return calls


def _field_of_view(kernels: tuple[int, ...], strides: tuple[int, ...]) -> int:
    seen = {0}
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        seen = {place * stride + offset for place in seen for offset in range(kernel)}
    return max(seen) - min(seen) + 1


EXERCISES: Lesson = [
    Exercise("same_padding", 2, _rows, _same_padding),
    Exercise("encoder_block", 4, _blocks, _encoder_block),
    Exercise("l1_in_lab_units", 2, _scaled_colors, _l1_in_lab_units),
    Exercise("field_of_view", 2, _layers, _field_of_view),
    Question("why_brown", 4),
]
