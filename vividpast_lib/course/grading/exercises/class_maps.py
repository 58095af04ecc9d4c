"""Exercises of lesson 04: class maps."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from ....networks.class_maps import encode
from .exercise import Exercise, Lesson, no_inputs

VOID = 255


def _logits(random: np.random.Generator) -> list[tuple[Tensor, float]]:
    """Draw logits; from the second call on some places lie near 1000 and others near -1000."""
    calls = []
    shapes = [(1, 3, 2, 5), (4, 6, 3, 2), (2, 5, 1, 4)]
    for shape, temperature, level in zip(shapes, (2.0, 0.5, 3.0), (0, 1000, 1000), strict=True):
        levels = level * random.permuted(np.arange(shape[0] * shape[2] * shape[3]) % 3 - 1)
        logits = random.normal(0, 2, shape) + levels.reshape(shape[0], 1, *shape[2:])
        calls.append((torch.from_numpy(logits.astype(np.float32)), temperature))
    return calls


def _soft_class_maps(logits: Tensor, temperature: float) -> Tensor:
    return encode(logits / temperature, "probabilities")


def _class_maps(random: np.random.Generator) -> list[tuple[Tensor, int]]:
    """Draw class maps with void places, in which the last class does not occur."""
    calls = []
    for shape, classes in [((1, 2, 3), 4), ((3, 4, 2), 6), ((2, 1, 5), 3)]:
        numbers = random.integers(0, classes - 1, shape)
        numbers[random.random(shape) < 0.2] = VOID
        numbers[-1, 0, -1] = VOID
        calls.append((torch.from_numpy(numbers), classes))
    return calls


def _one_hot_maps(class_map: Tensor, classes: int) -> Tensor:
    near = -(class_map[:, None] - torch.arange(classes)[:, None, None]).abs()
    return encode(near.float(), "one-hot") * (class_map != VOID)[:, None]


def _pairs_of_class_maps(random: np.random.Generator) -> list[tuple[Tensor, Tensor, int]]:
    """Draw maps that agree in half of the places.

    The last class is only predicted, where the truth is void; the one before it only predicted;
    and the third last one occurs nowhere.
    """
    calls = []
    for shape, classes in [((1, 4, 5), 5), ((3, 2, 7), 7), ((2, 5, 3), 6)]:
        predicted = random.integers(0, classes - 3, shape)
        other = random.integers(0, classes - 3, shape)
        true = np.where(random.random(shape) < 0.5, predicted, other)
        places = random.permutation(true.size)
        true.reshape(-1)[places[:3]] = VOID
        predicted.reshape(-1)[places[0]] = classes - 1
        predicted.reshape(-1)[places[3]] = classes - 2
        calls.append((torch.from_numpy(predicted), torch.from_numpy(true), classes))
    return calls


def _mean_iou_of(predicted: Tensor, true: Tensor, classes: int) -> Tensor:
    known = true != VOID
    taken, right = (F.one_hot(each[known], classes).bool() for each in (predicted, true))
    return ((taken & right).sum(dim=0) / (taken | right).sum(dim=0)).nanmean()


def _colors_and_class_maps(random: np.random.Generator) -> list[tuple[Tensor, Tensor, int]]:
    """Draw colours of classes, of which one does not occur."""
    calls = []
    for (n, h, w), classes in [((1, 2, 5), 3), ((3, 4, 2), 5), ((2, 1, 6), 4)]:
        ab = random.uniform(-90, 90, (n, 2, h, w)).astype(np.float32)
        there = np.delete(np.arange(classes), random.integers(classes))
        class_map = random.choice(there, (n, h, w))
        calls.append((torch.from_numpy(ab), torch.from_numpy(class_map), classes))
    return calls


def _mean_color_of_classes(ab: Tensor, class_map: Tensor, classes: int) -> np.ndarray:
    numbers = class_map.numpy().ravel()
    counts = np.bincount(numbers, minlength=classes)
    sums = [np.bincount(numbers, ab[:, i].numpy().ravel(), classes) for i in range(2)]
    return np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]


EXERCISES: Lesson = [
    Exercise("soft_class_maps", 3, _logits, _soft_class_maps),
    Exercise("one_hot_maps", 3, _class_maps, _one_hot_maps),
    Exercise("mean_iou_of", 2, _pairs_of_class_maps, _mean_iou_of),
    Exercise(
        "mean_color_of_classes", 2, _colors_and_class_maps, _mean_color_of_classes, tolerance=1e-4
    ),
    Exercise("claims_about_class_maps", 2, no_inputs, lambda: "BDE"),
]
