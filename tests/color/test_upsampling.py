"""A small ab map enlarged along the edges of a photo's lightness."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from tests.support import ROOT
from vividpast_lib.color import upsampling
from vividpast_lib.color.upsampling import enlarge_rows, guided_smooth, guided_upsample

CELL = 16  # pixels


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def bilinear(ab: Tensor, lightness: Tensor) -> Tensor:
    return F.interpolate(ab, size=lightness.shape[-2:], mode="bilinear")


def two_things(edge: float, contrast: float = 50.0) -> tuple[Tensor, Tensor, Tensor]:
    """A slanted edge between two things that differ in lightness and in colour.

    Returns their lightness, true ab, and each pixel's distance to the edge.
    """
    y, x = torch.meshgrid(torch.arange(192.0), torch.arange(256.0), indexing="ij")
    distance = (x - 128 - edge + 0.3 * (y - 96)) / 1.044
    right = (distance > 0).float()
    lightness = 25 + contrast * right + 2 * noise(192, 256)
    ab = torch.stack([40 - 60 * right, -30 + 60 * right])
    return lightness[None, None], ab[None], distance


@pytest.mark.parametrize("edge", [0.0, 3.0, 8.0, 13.0])
def test_colors_end_at_an_edge_of_the_lightness(edge: float) -> None:
    lightness, ab, distance = two_things(edge)
    small = F.interpolate(ab, size=(192 // CELL, 256 // CELL), mode="area")
    near = (distance.abs() > 2) & (distance.abs() < CELL)
    ours = (guided_upsample(small, lightness) - ab).abs().mean(dim=1)[0]
    plain = (bilinear(small, lightness) - ab).abs().mean(dim=1)[0]
    assert ours[near].mean() < 0.2 * plain[near].mean()
    assert ours[near].quantile(0.95) < 0.25 * plain[near].quantile(0.95)
    assert ours[distance.abs() > 2 * CELL].max() < 1


def test_even_lightness_is_as_smooth_as_bilinear_enlargement() -> None:
    small = F.avg_pool2d(20 * noise(1, 2, 26, 34), 3, stride=1)  # (1, 2, 24, 32)
    lightness = torch.full((1, 1, 24 * CELL, 32 * CELL), 60.0)
    large = guided_upsample(small, lightness)
    plain = bilinear(small, lightness)
    assert (large - plain).abs().max() < 0.05 * (small.max() - small.min())
    # No blocks: two neighbouring pixels differ by no more than in the bilinear one.
    for axis in (2, 3):
        steps, plain_steps = large.diff(dim=axis).abs(), plain.diff(dim=axis).abs()
        assert steps.max() < 1.01 * plain_steps.max()


def test_the_lightness_of_a_texture_does_not_color_it() -> None:
    small = torch.tensor([20.0, -35.0]).view(1, 2, 1, 1).expand(1, 2, 12, 16)
    lightness = (50 + 30 * noise(1, 1, 300, 401)).clamp(0, 100)
    large = guided_upsample(small, lightness)
    assert torch.allclose(large, small[..., :1, :1].expand_as(large), atol=1e-4)


def test_no_color_is_stronger_than_those_around_it() -> None:
    small = 40 * noise(1, 2, 12, 16)
    lightness = (50 + 25 * noise(1, 1, 12, 16, seed=1)).clamp(0, 100)
    lightness = F.interpolate(lightness, scale_factor=CELL, mode="nearest")
    large = guided_upsample(small, lightness)
    # The four nearest cells, each no stronger than the cells around it.
    highest = F.max_pool2d(small, 5, stride=1, padding=2)
    lowest = -F.max_pool2d(-small, 5, stride=1, padding=2)
    assert (large <= F.interpolate(highest, scale_factor=CELL) + 1e-3).all()
    assert (large >= F.interpolate(lowest, scale_factor=CELL) - 1e-3).all()


@pytest.mark.parametrize("size", [(192, 256), (191, 253)])
@pytest.mark.parametrize("axes", [(2,), (3,)])
def test_a_mirrored_photo_gets_the_mirrored_colors(
    size: tuple[int, int], axes: tuple[int, ...]
) -> None:
    small = 20 * noise(1, 2, 12, 16)
    lightness = F.interpolate(50 + 20 * noise(1, 1, 40, 50), size=size, mode="bilinear")
    large = guided_upsample(small, lightness)
    mirrored = guided_upsample(small.flip(axes), lightness.flip(axes))
    assert torch.allclose(mirrored.flip(axes), large, atol=1e-2)


def test_strips_make_the_same_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    small = 20 * noise(1, 2, 12, 16)
    lightness = 50 + 20 * noise(1, 1, 151, 200)
    whole = guided_upsample(small, lightness)
    monkeypatch.setattr(upsampling, "PIXELS_PER_STRIP", 700)
    assert torch.allclose(guided_upsample(small, lightness), whole, atol=1e-5)
    rows = [enlarge_rows(small, 151, 200, top, min(top + 7, 151)) for top in range(0, 151, 7)]
    assert torch.allclose(torch.cat(rows, dim=2), bilinear(small, lightness), atol=1e-3)


def test_photos_of_a_batch_do_not_mix() -> None:
    small, lightness = 20 * noise(3, 2, 8, 9), 50 + 20 * noise(3, 1, 60, 70)
    together = guided_upsample(small, lightness)
    for index in range(3):
        one = slice(index, index + 1)
        assert torch.allclose(together[one], guided_upsample(small[one], lightness[one]), atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (5000, 3), (7, 9), (64, 64), (65, 64)])
@pytest.mark.parametrize("cells", [(1, 1), (8, 8), (32, 41), (2, 125)])
def test_extreme_shapes(size: tuple[int, int], cells: tuple[int, int]) -> None:
    small = 20 * noise(1, 2, *cells)
    large = guided_upsample(small, 50 + 20 * noise(1, 1, *size))
    assert large.shape == (1, 2, *size)
    assert small.min() - 1e-3 <= large.min() and large.max() <= small.max() + 1e-3


def test_ab_of_the_photos_own_size_is_left_alone() -> None:
    ab = 20 * noise(1, 2, 50, 61)
    assert torch.equal(guided_upsample(ab, 50 + noise(1, 1, 50, 61)), ab)


def test_importing_the_package_loads_no_weights() -> None:
    # In a process of its own, where whatever opens a file of weights is noted.
    script = """
import importlib, pkgutil, sys
opened = []
def note(event, arguments):
    if event == "open" and str(arguments[0]).endswith((".safetensors", ".pth", ".pt", ".bin")):
        opened.append(arguments[0])
sys.addaudithook(note)
import safetensors, safetensors.torch, torch
def refuse(*arguments, **options):
    raise AssertionError(f"loads {arguments}")
safetensors.safe_open = safetensors.torch.load_file = safetensors.torch.load = torch.load = refuse
import vividpast_lib
for module in pkgutil.walk_packages(vividpast_lib.__path__, "vividpast_lib."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert not opened, opened
assert "vividpast_lib.colorize.colorizer" in sys.modules
"""
    root = ROOT
    run = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_smoothing_is_by_windows_of_even_lightness() -> None:
    maps, even = noise(1, 3, 20, 30), torch.full((1, 1, 20, 30), 50.0)
    smooth = guided_smooth(maps, even, 2)
    # Where the lightness says nothing, it is the mean of a window, taken twice.
    once = F.avg_pool2d(maps, 5, 1, 2, count_include_pad=False)
    twice = F.avg_pool2d(once, 5, 1, 2, count_include_pad=False)
    assert torch.allclose(smooth, twice, atol=1e-5)
    assert torch.equal(guided_smooth(maps, even, 0), maps)
    # What follows the lightness is kept.
    lightness = 50 + 30 * noise(1, 1, 20, 30, seed=1)
    followed = torch.cat([lightness * 0.5 - 3, -lightness], dim=1)
    assert torch.allclose(guided_smooth(followed, lightness, 2), followed, atol=0.5)
