"""A coloured copy is found to lie on the original, or not to be one."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.pictures import damaged_copy
from vividpast_lib import bundled_folder
from vividpast_lib.colorize.compose import lightness_of
from vividpast_lib.colorize.registration import SAME_PICTURE, Alignment, align, likeness

PHOTOS = ("scarlet_macaw", "fig_on_red_plate", "playground", "forest_stream")


def photo(name: str) -> np.ndarray:
    return np.array(Image.open(bundled_folder() / f"{name}.jpg").convert("RGB"))


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.4, -2.3), (-7.0, 11.6)])
def test_a_shift_is_found_within_half_a_pixel(name: str, shift: tuple[float, float]) -> None:
    rgb = photo(name)
    height, width = rgb.shape[:2]
    copy = damaged_copy(
        rgb, (height // 3, width // 3), 1, 60, gamma=0.8, contrast=0.85, shift=shift
    )
    found = align(lightness_of(rgb), lightness_of(copy))
    for place in (-0.5, 0.0, 0.5):  # at the borders, too
        for axis, length in enumerate((height, width)):
            there = found.scale[axis] * place + found.shift[axis]
            assert abs((there - place) * length - shift[axis]) < 0.5
    assert found.likeness > 0.9


@pytest.mark.parametrize("name", PHOTOS)
def test_a_copy_without_its_borders_is_found(name: str) -> None:
    rgb = photo(name)
    height, width = rgb.shape[:2]
    top, bottom, left = 12, 20, 15
    copy = damaged_copy(rgb[top : height - bottom, left:], (320, 448), 1, 80, gamma=1.2)
    found = align(lightness_of(rgb), lightness_of(copy))
    for axis, first, last, length in ((0, top, height - bottom, height), (1, left, width, width)):
        for pixel in (first, (first + last) / 2, last):
            there = found.scale[axis] * (pixel / length - 0.5) + found.shift[axis]
            assert abs((there + 0.5) * (last - first) - (pixel - first)) < 0.7
    assert found.likeness > 0.9


@pytest.mark.parametrize("name", PHOTOS)
def test_a_copy_that_lacks_half_lies_right_or_is_refused(name: str) -> None:
    rgb = photo(name)
    sides = rgb.shape[:2]
    (top, bottom), (left, right) = (
        (round(first * side), round(0.85 * side))
        for first, side in zip((0.15, 0.2), sides, strict=True)
    )
    found = align(lightness_of(rgb), lightness_of(rgb[top:bottom, left:right]))
    assert found.likeness < SAME_PICTURE or found.covered == pytest.approx(0.455, abs=0.01)
    for axis, first, last in ((0, top, bottom), (1, left, right)):
        for pixel in (first, (first + last) / 2, last):
            there = found.scale[axis] * (pixel / sides[axis] - 0.5) + found.shift[axis]
            off = abs((there + 0.5) * (last - first) - (pixel - first))
            assert found.likeness < SAME_PICTURE or off < 3


def test_what_lies_right_is_left_as_it_is() -> None:
    rgb = photo("scarlet_macaw")
    copy = damaged_copy(rgb, (128, 192), 1, 60, gamma=0.7)
    found = align(lightness_of(rgb), lightness_of(copy))
    assert (found.shift, found.scale) == ((0, 0), (1, 1))
    maps = torch.rand(1, 3, 20, 30)
    assert found.resample(maps, (20, 30)) is maps


def test_resampling_undoes_shift_and_stretch() -> None:
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    maps = torch.stack([y, x])[None]
    moved = Alignment((0.1, -0.05), (1.1, 0.9)).resample(maps, (40, 60))[0, :, 20, 30]
    place_y, place_x = 20.5 / 40 - 0.5, 30.5 / 60 - 0.5
    expected = (1.1 * place_y + 0.1 + 0.5) * 40 - 0.5, (0.9 * place_x - 0.05 + 0.5) * 60 - 0.5
    assert moved.tolist() == pytest.approx(expected, abs=1e-3)


def test_a_copy_that_is_changed_a_lot_is_alike_and_another_photo_is_not() -> None:
    photos = {name: photo(name) for name in PHOTOS}
    for name, other in itertools.product(PHOTOS, PHOTOS):
        rgb = photos[other]
        size = rgb.shape[0] // 4, rgb.shape[1] // 4
        copy = damaged_copy(rgb, size, 1.5, 40, gamma=0.5, contrast=0.6, shift=(6, -7))
        alike = align(lightness_of(photos[name]), lightness_of(copy)).likeness
        if name == other:
            assert alike > SAME_PICTURE + 0.1
        else:
            assert alike < SAME_PICTURE - 0.1


def test_grain_of_the_original_does_not_hide_the_copy() -> None:
    rgb = photo("playground")
    random = np.random.default_rng(0)
    grainy = (rgb + random.normal(0, 20, (*rgb.shape[:2], 1))).clip(0, 255).astype(np.uint8)
    copy = damaged_copy(rgb, blur=2, shift=(4, 4))
    assert align(lightness_of(grainy), lightness_of(copy)).likeness > 0.8


def test_likeness_is_that_of_a_known_alignment() -> None:
    rgb = photo("scarlet_macaw")
    lightness = lightness_of(rgb)
    copy = lightness_of(damaged_copy(rgb, blur=1, shift=(5, 5)))
    found = align(lightness, copy)
    assert likeness(lightness, copy, found) == found.likeness
    assert likeness(lightness, copy, Alignment()) < found.likeness - 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (3000, 40)])
def test_extreme_shapes_and_flat_pictures_are_not_alike(size: tuple[int, int]) -> None:
    flat = torch.full(size, 50.0)
    assert align(flat, flat).likeness == pytest.approx(0, abs=1e-3)
