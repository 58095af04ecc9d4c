import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab

from vividpast_lib.color.ab_bins import bin_centers
from vividpast_lib.color.gamut import fit_to_srgb, lab_to_linear_in_gamut, outside_srgb
from vividpast_lib.color.lab import lab_to_rgb, rgb_to_lab
from vividpast_lib.color.scaling import SCALING_2018, SCALINGS, UNIT_SCALING
from vividpast_lib.color.srgb import (
    linear_to_srgb,
    luminance_to_lightness,
    srgb_level_table,
    srgb_to_linear,
)


def million_colors() -> torch.Tensor:
    return torch.rand(3, 1000, 1000, generator=torch.Generator().manual_seed(0))


def corners() -> torch.Tensor:
    ends = torch.tensor([0.0, 1.0])
    return torch.cartesian_prod(ends, ends, ends).T[:, None]  # (3, 1, 8)


@pytest.mark.parametrize("rgb", [million_colors(), corners()], ids=["random", "corners"])
def test_rgb_to_lab_agrees_with_scikit_image(rgb: torch.Tensor) -> None:
    expected = rgb2lab(rgb.double().numpy(), channel_axis=0)
    assert np.abs(rgb_to_lab(rgb).numpy() - expected).max() < 1e-3


@pytest.mark.parametrize("rgb", [million_colors(), corners()], ids=["random", "corners"])
def test_round_trip(rgb: torch.Tensor) -> None:
    lab = rgb_to_lab(rgb)
    assert (lab_to_rgb(lab, clip=False) - rgb).abs().max() < 1e-4
    assert (rgb_to_lab(lab_to_rgb(lab)) - lab).abs().max() < 1e-4


@pytest.mark.filterwarnings("ignore:.*negative Z values")
def test_lab_to_rgb_agrees_with_scikit_image_outside_the_gamut_too() -> None:
    generator = torch.Generator().manual_seed(1)
    lab = torch.rand(3, 100, 100, generator=generator) * torch.tensor([[[100.0]], [[160]], [[160]]])
    lab[1:] -= 80
    rgb = lab_to_rgb(lab).numpy()
    expected = lab2rgb(lab.double().numpy(), channel_axis=0)
    fz = (lab[0] + 16) / 116 - lab[2] / 200  # scikit-image clips Z at 0, which is its own choice
    same = (fz > 0).numpy()
    assert np.abs(rgb - expected)[:, same].max() < 1e-3


def test_known_colors() -> None:
    red, white, grey = (
        rgb_to_lab(torch.tensor(c)[:, None, None])
        for c in ((1.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))
    )
    assert red.flatten().tolist() == pytest.approx([53.24, 80.09, 67.20], abs=0.01)
    assert white.flatten().tolist() == pytest.approx([100, 0, 0], abs=0.01)
    assert grey[1:].abs().max() < 0.01


@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 3, 4, 5), (2, 2, 3, 4, 5)])
def test_any_leading_dimensions(shape: tuple[int, ...]) -> None:
    rgb = torch.rand(shape)
    lab = rgb_to_lab(rgb)
    assert lab.shape == rgb.shape
    one = rgb.reshape(-1, *shape[-3:])[-1]
    assert torch.allclose(lab.reshape(-1, *shape[-3:])[-1], rgb_to_lab(one), atol=1e-4)


@pytest.mark.parametrize("convert", [rgb_to_lab, lab_to_rgb, lambda x: lab_to_rgb(x, clip=False)])
def test_gradients_are_finite_everywhere(convert) -> None:
    special = torch.tensor([0.0, -1.0, 1.0, 0.04045, 0.0031308, 0.5, 100.0, -60.0, 7.9996])
    colors = torch.cartesian_prod(special, special, special).T[:, None].requires_grad_()
    convert(colors).sum().backward()
    assert colors.grad is not None
    assert torch.isfinite(colors.grad).all()


def test_gradients_are_right() -> None:
    rgb = torch.rand(3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    rgb = (rgb * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(rgb_to_lab, rgb)
    lab = rgb_to_lab(rgb).detach().requires_grad_()
    assert torch.autograd.gradcheck(lab_to_rgb, lab)


def test_8_bit_photos_are_converted_as_their_shares_of_255() -> None:
    photos = torch.randint(256, (3, 3, 9, 7), dtype=torch.uint8)
    expected = rgb_to_lab(photos / 255)
    assert torch.allclose(rgb_to_lab(photos), expected, atol=1e-3)
    assert torch.allclose(rgb_to_lab(photos[1]), expected[1], atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_a_batch_is_converted_as_each_of_its_photos(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two photos at a time, the last one alone.
    monkeypatch.setattr("vividpast_lib.color.lab.PIXELS_AT_ONCE", 2 * 40 * 30)
    photos = torch.randint(256, (7, 3, 40, 30), dtype=torch.uint8)
    photos = photos if dtype == torch.uint8 else (photos / 255).to(dtype)
    each = torch.stack([rgb_to_lab(photo) for photo in photos])
    lab = rgb_to_lab(photos)
    with torch.inference_mode():
        inferred = rgb_to_lab(photos + 0)
    assert lab.dtype == each.dtype
    assert torch.allclose(lab, each, atol=1e-3)
    assert torch.equal(lab, inferred)
    lab.requires_grad_().sum().backward()  # it is an ordinary tensor
    assert rgb_to_lab(photos[:0]).shape == photos[:0].shape
    assert torch.allclose(rgb_to_lab(photos.mT.contiguous().mT), lab, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_batch_in_half_precision_is_converted_as_each_of_its_photos(dtype: torch.dtype) -> None:
    photos = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(5)).to(dtype)
    lab = rgb_to_lab(photos)
    assert lab.dtype == dtype
    assert torch.equal(lab, torch.stack([rgb_to_lab(photo) for photo in photos]))
    assert (lab.float() - rgb_to_lab(photos.float())).abs().mean() < 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lab_in_half_precision_is_computed_in_float(dtype: torch.dtype) -> None:
    lab = rgb_to_lab(torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(5))).to(dtype)
    rgb = lab_to_rgb(lab)
    assert rgb.dtype == dtype
    assert torch.equal(rgb, lab_to_rgb(lab.float()).to(dtype))


def test_what_is_cached_is_float32_whatever_the_default_is() -> None:
    srgb_level_table.cache_clear()
    bin_centers.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        tables = srgb_level_table(255), bin_centers()
    finally:
        torch.set_default_dtype(torch.float32)
    assert [table.dtype for table in tables] == [torch.float32] * 2


def test_a_batch_has_forward_mode_gradients_and_those_of_functional_transforms() -> None:
    random = torch.Generator().manual_seed(6)
    photos = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=random) * 0.8 + 0.1
    direction = torch.rand(photos.shape, dtype=torch.float64, generator=random)
    _, tangent = torch.func.jvp(rgb_to_lab, (photos,), (direction,))
    small = 1e-6 * direction
    expected = (rgb_to_lab(photos + small) - rgb_to_lab(photos - small)) / 2e-6
    assert torch.allclose(tangent, expected, atol=1e-4)
    assert torch.allclose(torch.vmap(rgb_to_lab)(photos[None])[0], rgb_to_lab(photos), atol=1e-3)


@pytest.mark.parametrize("convert", [rgb_to_lab, lab_to_rgb])
def test_a_compiler_sees_a_conversion_whole(convert) -> None:
    colors = torch.rand(3, 8, 8)
    compiled = torch.compile(convert, backend="eager", fullgraph=True)  # an error if it can't
    assert torch.allclose(compiled(colors), convert(colors), atol=1e-3)


def test_wrong_input_is_named() -> None:
    with pytest.raises(TypeError, match="float"):
        rgb_to_lab(torch.zeros(3, 2, 2, dtype=torch.int32))
    with pytest.raises(ValueError, match=r"\(\.\.\., 3, H, W\).*\(2, 2, 3\)"):
        rgb_to_lab(torch.zeros(2, 2, 3))


def test_outside_srgb() -> None:
    assert not outside_srgb(rgb_to_lab(million_colors())).any()
    assert not outside_srgb(rgb_to_lab(corners())).any()
    impossible = torch.tensor([[50.0, 120, 0], [99, 30, 30], [5, 0, 40], [101, 0, 0]]).T[:, None]
    assert outside_srgb(impossible).all()


def test_fit_to_srgb_keeps_lightness_and_hue_and_weakens_no_more_than_needed() -> None:
    generator = torch.Generator().manual_seed(3)
    lab = torch.rand(2, 3, 50, 50, generator=generator) * 200 - 100
    lab[:, 0] = lab[:, 0].abs()
    fitted = fit_to_srgb(lab)
    assert not outside_srgb(fitted, tolerance=2e-4).any()
    shown = rgb_to_lab(lab_to_rgb(fitted))
    assert (shown[:, 0] - lab[:, 0]).abs().max() < 0.05
    assert torch.equal(fitted[:, 0], lab[:, 0])
    cross = fitted[:, 1] * lab[:, 2] - fitted[:, 2] * lab[:, 1]
    assert cross.abs().max() < 1e-2 * lab[:, 1:].abs().max()
    inside = ~outside_srgb(lab)
    assert inside.any() and not inside.all()
    kept = inside[:, None].expand_as(lab)
    assert torch.equal(fitted[kept], lab[kept])
    stronger = torch.cat([fitted[:, :1], fitted[:, 1:] * 1.02], dim=1)
    assert outside_srgb(stronger)[~inside].float().mean() > 0.98


def test_the_fast_way_to_write_a_photo_gives_the_fitted_colors() -> None:
    generator = torch.Generator().manual_seed(4)
    lab = torch.rand(2, 3, 50, 50, generator=generator) * 200 - 100
    lab[:, 0] = lab[:, 0].abs()
    assert outside_srgb(lab).float().mean() > 0.3
    fast = linear_to_srgb(lab_to_linear_in_gamut(lab)).clamp(0, 1)
    assert (fast - lab_to_rgb(fit_to_srgb(lab))).abs().max() < 1e-4


def test_curves_of_srgb_and_of_lightness() -> None:
    values = torch.linspace(0, 1, 100_001)
    linear = srgb_to_linear(values)
    assert (linear_to_srgb(linear) - values).abs().max() < 1e-5
    assert linear[0] == pytest.approx(0, abs=1e-8) and linear.diff().min() > 0
    lightness = rgb_to_lab(values.expand(3, 1, -1))[0, 0]
    assert (luminance_to_lightness(linear) - lightness).abs().max() < 1e-3


@pytest.mark.parametrize("name", SCALINGS)
def test_scaling_round_trip(name: str) -> None:
    lab = rgb_to_lab(torch.rand(2, 3, 8, 8))
    scaling = SCALINGS[name]
    back = scaling.unscale_ab(scaling.scale_ab(lab[:, 1:]))
    assert torch.allclose(back, lab[:, 1:], atol=1e-4)
    back = scaling.scale_lightness(lab[:, :1]) * scaling.lightness_scale + scaling.lightness_mean
    assert torch.allclose(back, lab[:, :1], atol=1e-4)


def test_unit_scaling_brings_all_of_srgb_into_plus_minus_one() -> None:
    for rgb in (million_colors(), corners()):
        lab = rgb_to_lab(rgb)
        assert UNIT_SCALING.scale_lightness(lab[:1]).abs().max() <= 1.0001
        assert UNIT_SCALING.scale_ab(lab[1:]).abs().max() <= 1


def test_2018_scaling_is_that_of_opencv_8_bit_lab() -> None:
    lightness, ab = torch.tensor([[[60.0]]]), torch.tensor([[[-20.0]], [[35.0]]])
    scaled = SCALING_2018.scale_lightness(lightness)
    assert scaled.item() == pytest.approx((60 * 255 / 100 - 101.3) / 142.9, abs=1e-6)
    a, b = SCALING_2018.scale_ab(ab).flatten().tolist()
    assert a == pytest.approx((-20 + 128 - 130.6) / 27.6, abs=1e-5)
    assert b == pytest.approx((35 + 128 - 135.2) / 39.8, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lab_of_half_precision_errs_by_rounding_alone(dtype: torch.dtype) -> None:
    rgb = torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert torch.equal(rgb_to_lab(rgb), rgb_to_lab(rgb.float()).to(dtype))
