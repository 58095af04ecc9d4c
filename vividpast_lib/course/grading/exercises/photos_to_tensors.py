"""Exercises of lesson 02: photos to tensors."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ....photos.crops import sample_crop
from .exercise import Exercise, Lesson, no_inputs


def _pictures(random: np.random.Generator) -> list[tuple[np.ndarray]]:
    """Draw pictures in colour and in grey, of which one is as wide as colours have channels."""
    shapes = [(4, 7, 3), (5, 2, 3), (6, 3), (2, 5), (1, 4, 3)]
    return [(random.integers(0, 256, shape, dtype=np.uint8),) for shape in shapes]


def _to_tensor(picture: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.asarray(Image.fromarray(picture).convert("RGB")), -1, 0) / 255


def _photos(random: np.random.Generator) -> list[tuple[Tensor]]:
    """Draw upright, wide and square photos, with odd and even numbers of rows to cut."""
    shapes = [(3, 7, 4), (1, 5, 10), (2, 4, 8), (4, 9, 7), (3, 5, 5)]
    photos = [random.uniform(-90, 90, shape).astype(np.float32) for shape in shapes]
    return [(torch.from_numpy(photo),) for photo in photos]


def _middle_square(photo: Tensor) -> Tensor:
    _, height, width = photo.shape
    box, _ = sample_crop(width, height)
    left, top, right, bottom = (int(edge) for edge in box)
    return photo[:, top:bottom, left:right]


def _photos_with_padding(random: np.random.Generator) -> list[tuple[Tensor, Tensor]]:
    """Draw photos of different sizes and tints, each somewhere in its block."""
    calls = []
    for n, height, width in [(3, 5, 7), (1, 4, 6), (4, 6, 3)]:
        tints = random.uniform(-60, 60, (n, 2, 1, 1))
        ab = tints + random.normal(0, 10, (n, 2, height, width))
        inside = np.zeros((n, height, width), dtype=bool)
        for number in range(n):
            # From nearly the whole block down to a single pixel.
            h = height - 1 - number * (height - 2) // max(n - 1, 1)
            w = width - number * (width - 1) // max(n - 1, 1)
            top, left = random.integers(height - h + 1), random.integers(width - w + 1)
            inside[number, top : top + h, left : left + w] = True
        ab = np.where(inside[:, None], ab, random.uniform(70, 110, (n, 2, 1, 1)))
        order = random.permutation(n)
        ab, inside = ab[order].astype(np.float32), inside[order]
        calls.append((torch.from_numpy(ab), torch.from_numpy(inside)))
    return calls


def _mean_color_of_photos(ab: Tensor, inside: Tensor) -> np.ndarray:
    pairs = zip(ab.double().numpy(), inside.numpy(), strict=True)
    return np.mean([photo[:, pixels].mean(axis=1) for photo, pixels in pairs], axis=0)


def _pairs_of_pictures(random: np.random.Generator) -> list[tuple[Tensor, Tensor]]:
    """Draw pictures with small and large errors, and from the second pair on one with none."""
    calls = []
    for n, height, width in [(1, 4, 5), (3, 2, 6), (4, 5, 3)]:
        true = random.random((n, 3, height, width))
        noise = random.random(true.shape) - true
        strengths = np.linspace(0.8, 0.0 if n > 1 else 0.5, n).reshape(n, 1, 1, 1)
        channels = np.array([1.0, 0.3, 0.1]).reshape(3, 1, 1)
        predicted = true + strengths * channels * noise
        pair = predicted.astype(np.float32), true.astype(np.float32)
        calls.append((torch.from_numpy(pair[0]), torch.from_numpy(pair[1])))
    return calls


def _mean_psnr(predicted: Tensor, true: Tensor) -> Tensor:
    squared = (predicted - true).double().square().mean(dim=(1, 2, 3))
    return (-10 * squared.clamp(min=1e-10).log10()).mean()


EXERCISES: Lesson = [
    Exercise("to_tensor", 3, _pictures, _to_tensor, tolerance=1e-4),
    Exercise("middle_square", 2, _photos, _middle_square),
    Exercise("mean_color_of_photos", 3, _photos_with_padding, _mean_color_of_photos),
    Exercise("mean_psnr", 2, _pairs_of_pictures, _mean_psnr),
    Exercise("claims_about_scores", 2, no_inputs, lambda: "BCF"),
]
