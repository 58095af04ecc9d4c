"""Exercises of lesson 01: Lab colour."""

import numpy as np
import torch
from torch import Tensor

from ....color.lab import lab_to_rgb, rgb_to_lab
from ....color.srgb import XYZ_TO_RGB, linear_to_srgb, srgb_to_linear
from .exercise import Exercise, Lesson, no_inputs


def _lights(random: np.random.Generator) -> list[tuple[np.ndarray]]:
    # Squared, so that enough of them lie near black.
    return [(random.random(shape) ** 4,) for shape in [(7,), (4, 5), (2, 3, 4)]]


def _srgb_from_light(light: np.ndarray) -> Tensor:
    return linear_to_srgb(torch.from_numpy(light))


def _lab_colors(random: np.random.Generator) -> list[tuple[np.ndarray]]:
    """Colours of sRGB, a third of them nearly black."""
    colors = []
    for shape in [(3,), (11, 3), (4, 6, 3)]:
        rgb = random.random(shape) ** random.choice([1, 5], size=(*shape[:-1], 1), p=[0.6, 0.4])
        colors.append((_channels_last(rgb_to_lab(_channels_first(rgb))),))
    return colors


def _xyz_from_lab(lab: np.ndarray) -> np.ndarray:
    linear = srgb_to_linear(lab_to_rgb(_channels_first(lab), clip=False))
    return _channels_last(linear) @ torch.linalg.inv(XYZ_TO_RGB).numpy().T


def _pictures(random: np.random.Generator) -> list[tuple[np.ndarray]]:
    shapes = [(1, 1, 3), (5, 8, 3), (9, 4, 3)]
    return [(random.integers(0, 256, shape, dtype=np.uint8),) for shape in shapes]


def _lab_planes(picture: np.ndarray) -> Tensor:
    return rgb_to_lab(torch.from_numpy(picture / 255).permute(2, 0, 1))


def _lightness_and_colors(random: np.random.Generator) -> list[tuple[Tensor, Tensor]]:
    calls = []
    for n, h, w, k in [(1, 2, 3, 2), (3, 4, 2, 1), (2, 1, 5, 4)]:
        lightness = random.uniform(0, 100, (n, 1, k * h, k * w)).astype(np.float32)
        colors = random.uniform(-90, 90, (n, 3, h, w)).astype(np.float32)
        calls.append((torch.from_numpy(lightness), torch.from_numpy(colors)))
    return calls


def _keep_lightness(lightness: Tensor, colors: Tensor) -> Tensor:
    large = torch.nn.functional.interpolate(colors[:, 1:], lightness.shape[-2:], mode="nearest")
    return torch.cat([lightness, large], dim=1)


def _channels_first(colors: np.ndarray) -> Tensor:
    """Make a photo (3, pixels, 1) of colours (..., 3)."""
    return torch.from_numpy(colors).reshape(-1, 3).T[..., None]


def _channels_last(photo: Tensor) -> np.ndarray:
    return photo[..., 0].T.numpy()


EXERCISES: Lesson = [
    Exercise("srgb_from_light", 3, _lights, _srgb_from_light),
    Exercise("xyz_from_lab", 4, _lab_colors, _xyz_from_lab, tolerance=2e-5),
    Exercise("lab_planes", 3, _pictures, _lab_planes),
    Exercise("keep_lightness", 3, _lightness_and_colors, _keep_lightness),
    Exercise("true_claims", 2, no_inputs, lambda: "ADF"),
]
