"""A blurred ab map made as sharp as the lightness."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy import ndimage
from torch import Tensor

from vividpast_lib.color.local_colors import estimate_blur, fit_local_colors


def blurred(maps: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(ndimage.gaussian_filter(maps.numpy(), (0, 0, sigma, sigma)))


def two_things() -> tuple[Tensor, Tensor, Tensor]:
    """Lightness and ab of two things, with a little grain, and the distance to their edge."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    distance = (x - 64 + 0.3 * (y - 48)) / 1.044
    right = (distance > 0).float()
    grain = torch.randn(96, 128, generator=torch.Generator().manual_seed(0))
    ab = torch.stack([50 - 60 * right, -20 + 50 * right])
    return (30 + 40 * right + grain)[None, None], ab[None], distance


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_blurred_colors_end_at_the_edge_again(sigma: float) -> None:
    lightness, ab, distance = two_things()
    soft = blurred(ab, sigma)
    sharp = fit_local_colors(soft, lightness, sigma).rows(lightness[0, 0], 0, 96)[None]
    near = (distance.abs() > 1) & (distance.abs() < 2 * sigma)
    assert (sharp - ab).abs()[..., near].mean() < 0.3 * (soft - ab).abs()[..., near].mean()
    assert (sharp - ab).abs()[..., distance.abs() > 5 * sigma + 2].max() < 1


def test_colors_of_a_small_copy_end_at_the_edge_of_the_large_lightness() -> None:
    lightness, ab, distance = two_things()
    small, guide = (F.interpolate(each, scale_factor=0.25, mode="area") for each in (ab, lightness))
    large = fit_local_colors(small, guide, 0.0).rows(lightness[0, 0], 0, 96)[None]
    plain = F.interpolate(small, size=(96, 128), mode="bilinear")
    near = (distance.abs() > 1) & (distance.abs() < 4)
    assert (large - ab).abs()[..., near].mean() < 0.5 * (plain - ab).abs()[..., near].mean()


def test_sharp_colors_stay_as_they_are() -> None:
    random = torch.Generator().manual_seed(1)
    ab = 30 * torch.randn(1, 2, 40, 50, generator=random)
    lightness = 100 * torch.rand(1, 1, 40, 50, generator=random)
    assert torch.allclose(
        fit_local_colors(ab, lightness, 0.0).rows(lightness[0, 0], 0, 40)[None], ab, atol=1e-3
    )


def test_no_color_lies_beyond_those_around_it() -> None:
    lightness, ab, _distance = two_things()
    lightness = (lightness + 20 * torch.randn(lightness.shape)).clamp(0, 100)
    sharp = fit_local_colors(blurred(ab, 3), lightness, 3.0).rows(lightness[0, 0], 0, 96)
    for channel, values in zip(sharp, ab[0], strict=True):
        assert values.min() - 1e-3 <= channel.min() and channel.max() <= values.max() + 1e-3


def test_rows_are_those_of_the_whole() -> None:
    lightness, ab, _distance = two_things()
    colors = fit_local_colors(blurred(ab, 2), lightness, 2.0)
    whole = colors.rows(lightness[0, 0], 0, 96)
    assert torch.equal(colors.rows(lightness[0, 0], 31, 57), whole[:, 31:57])


@pytest.mark.parametrize("sigma", [0.0, 0.7, 1.4, 2.8])
def test_the_blur_is_found_though_contrast_and_brightness_differ(sigma: float) -> None:
    random = np.random.default_rng(2)
    texture = ndimage.gaussian_filter(random.uniform(0, 100, (120, 160)), 0.6).astype(np.float32)
    texture = torch.from_numpy(texture)[None, None]
    other = 0.6 * blurred(texture, sigma) + 25 if sigma else 0.6 * texture + 25
    assert estimate_blur(texture, other) == sigma
