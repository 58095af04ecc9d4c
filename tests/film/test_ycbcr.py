"""Planes of luma and chroma, checked with FFmpeg's own conversion to RGB."""

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from vividpast_lib.color.lab import rgb_to_lab
from vividpast_lib.color.srgb import luminance_to_lightness, srgb_to_linear
from vividpast_lib.film.ycbcr import BT_601, BT_709, Planes, matrix_or_usual


def ramp(planes: Planes, height: int = 48, width: int = 64) -> np.ndarray:
    """Luma from dark to bright."""
    black, spread = planes.luma_range
    values = np.linspace(0.25, 0.8, width) * spread + black
    return np.tile(values.round().astype(planes.dtype), (height, 1))


def shown(planes: Planes, luma: np.ndarray, chroma: np.ndarray) -> Tensor:
    """Lab (3, H, W) of what FFmpeg makes of the planes."""
    pixel_format = "yuv444p" if planes.bits == 8 else f"yuv444p{planes.bits}le"
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], pixel_format)
    for plane, samples in zip(frame.planes, (luma, *chroma), strict=True):
        np.frombuffer(plane, planes.dtype).reshape(plane.height, -1)[:, : plane.width] = samples
    frame.colorspace, frame.color_range = planes.matrix, 2 if planes.full_range else 1
    rgb = frame.reformat(
        format="rgb48le", src_colorspace=planes.matrix, dst_color_range=2,
        src_color_range=2 if planes.full_range else 1,
    ).to_ndarray()  # fmt: skip
    return rgb_to_lab(torch.from_numpy(rgb.astype(np.float32) / 65535).permute(2, 0, 1))


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_the_colours_asked_for_are_shown(bits: int, full_range: bool, matrix: int) -> None:
    planes = Planes(bits, full_range, matrix)
    luma = ramp(planes)
    for asked in ((18.0, -12.0), (-15.0, 20.0), (0.0, 0.0)):
        ab = torch.tensor(asked).view(1, 2, 1, 1).expand(1, 2, 6, 8)
        chroma = planes.chroma(luma, ab, luma.shape)
        assert chroma.dtype == luma.dtype
        lab = shown(planes, luma, chroma)[:, 2:-2, 2:-2]
        error = (lab[1:].mean(dim=(1, 2)) - ab[0, :, 0, 0]).abs().max()
        assert error < 2, f"{asked} became {lab[1:].mean(dim=(1, 2)).tolist()}"


@pytest.mark.parametrize("planes", [Planes(8), Planes(10, full_range=True)])
def test_lightness_is_that_of_the_grey_shown(planes: Planes) -> None:
    luma = ramp(planes)
    middle = np.full((2, *luma.shape), 2 ** (planes.bits - 1), planes.dtype)
    assert (planes.lightness(luma) - shown(planes, luma, middle)[0]).abs().max() < 0.5


def test_samples_beyond_black_and_white_are_black_and_white() -> None:
    lightness = Planes(8).lightness(np.array([[0, 16, 235, 255]], np.uint8))
    assert lightness[0].tolist() == pytest.approx([0, 0, 100, 100], abs=0.01)


def test_colours_beyond_srgb_are_weakened_with_their_hue_kept() -> None:
    planes = Planes(8)
    luma = np.full((8, 8), 225, np.uint8)  # near white there is no strong colour
    ab = torch.tensor([60.0, -60.0]).view(1, 2, 1, 1)
    cb, cr = planes.chroma(luma, ab, (8, 8))[:, 4, 4].astype(float) - 128
    y = (225 - 16) / 219
    red, blue = y + 1.5748 * cr / 224, y + 1.8556 * cb / 224
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    assert max(red, green, blue) == pytest.approx(1, abs=0.02)
    assert min(red, green, blue) > 0
    assert red > green
    assert blue > green


def test_chroma_ends_where_the_luma_does() -> None:
    """The small ab map is enlarged along the luma's edges, not across them."""
    planes = Planes(8)
    luma = np.full((64, 64), 60, np.uint8)
    luma[:, 36:] = 180
    ab = torch.zeros(1, 2, 8, 8)
    ab[..., :5] = 30  # the edge runs through the middle of the fifth column of cells
    cr = planes.chroma(luma, ab, (32, 32))[1].astype(int) - 128
    inside, outside = cr[16, 16], cr[16, 20:23]
    assert inside > 15
    assert np.abs(outside).max() < inside / 2


def test_ab_of_the_size_of_a_chroma_plane_keeps_its_detail() -> None:
    luma = ramp(Planes(8), 1200, 1600)
    red = (torch.arange(800) % 2 * 20.0).expand(1, 1, 600, 800)
    chroma = Planes(8).chroma(luma, torch.cat([red, 0 * red], dim=1), (600, 800))
    stripes = chroma[1, :, 1::2].astype(int) - chroma[1, :, ::2]
    assert stripes.min() > 8


def test_planes_without_a_known_matrix_get_the_usual_one() -> None:
    assert [matrix_or_usual(2, height) for height in (480, 719, 720, 1080)] == [
        BT_601, BT_601, BT_709, BT_709,
    ]  # fmt: skip
    assert matrix_or_usual(9, 480) == 9
    assert luminance_to_lightness(srgb_to_linear(torch.ones(1))).item() == pytest.approx(100)
