"""Metrics of colour and of class maps: right on cases that can be worked out by hand."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from vividpast_lib.color.lab import lab_to_rgb, rgb_to_lab
from vividpast_lib.color.metrics import (
    blotches,
    class_iou,
    colorfulness,
    hue_error,
    psnr,
    ssim,
)


def lab_of(rgb: np.ndarray) -> torch.Tensor:
    return rgb_to_lab(torch.from_numpy(rgb / 255).permute(2, 0, 1)[None])


def test_psnr_is_scikit_images_a_picture_and_100_at_most(scene: np.ndarray) -> None:
    noisy = np.clip(scene + np.random.default_rng(0).normal(0, 20, scene.shape), 0, 255)
    expected = peak_signal_noise_ratio(scene / 255, noisy / 255, data_range=1.0)
    true = lab_of(scene).repeat(2, 1, 1, 1)
    predicted = torch.cat([lab_of(noisy), lab_of(scene)])
    assert psnr(predicted[:1], true[:1]).item() == pytest.approx(expected, abs=0.01)
    assert psnr(true, true).item() == 100
    assert psnr(predicted, true).item() == pytest.approx((expected + 100) / 2, abs=0.01)


def test_colorfulness_is_hasler_and_suesstrunks(scene: np.ndarray) -> None:
    red, green, blue = (scene[..., channel].astype(float) for channel in range(3))
    opponents = red - green, (red + green) / 2 - blue
    spread = np.hypot(*(each.std() for each in opponents))
    strength = np.hypot(*(each.mean() for each in opponents))
    assert colorfulness(lab_of(scene)).item() == pytest.approx(spread + 0.3 * strength, rel=1e-3)
    grey = np.full((12, 12, 3), 90, np.uint8)
    assert colorfulness(lab_of(grey)).item() == pytest.approx(0, abs=0.1)


def test_ssim_is_scikit_images(scene: np.ndarray) -> None:
    scene = scene.repeat(6, axis=0).repeat(6, axis=1)  # the two differ at the borders alone
    noisy = np.clip(scene + np.random.default_rng(0).normal(0, 20, scene.shape), 0, 255)
    one, two = lab_of(scene.astype(float)), lab_of(noisy)
    expected = structural_similarity(
        *(lab_to_rgb(each)[0].permute(1, 2, 0).numpy() for each in (one, two)),
        channel_axis=2, data_range=1.0, gaussian_weights=True, use_sample_covariance=False,
    )  # fmt: skip
    assert ssim(one, two).item() == pytest.approx(expected, abs=0.01)
    assert ssim(one, one).item() == pytest.approx(1)


def test_iou_counts_what_was_missed_and_what_was_made_up() -> None:
    true = torch.tensor([0, 0, 0, 0, 1, 1])
    predicted = torch.tensor([0, 0, 0, 1, 1, 0])
    metric = class_iou(3)
    for half in (slice(3), slice(3, 6)):  # counts are summed up
        metric.update(predicted[half], true[half])
    assert metric.confmat.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    iou = metric.compute()
    assert iou[:2].tolist() == pytest.approx([3 / 5, 1 / 3])
    assert iou[2].isnan()


def test_no_metric_is_slow_to_import() -> None:
    script = "import sys, vividpast_lib.color.metrics; assert 'torchmetrics' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_blotches_are_colour_that_changes_where_the_lightness_does_not() -> None:
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(160.0), indexing="ij")
    lab = torch.stack([torch.full_like(x, 60), 5 * (x / 3).sin(), 3 * (y / 3).cos()])[None]
    waves = ((5**2 + 3**2) / 2) ** 0.5
    assert blotches(lab) == pytest.approx(waves, rel=0.25)
    assert blotches(lab * torch.tensor([1.0, 0, 0])[:, None, None]) == 0
    assert blotches(lab * torch.tensor([1.0, 2, 2])[:, None, None]) == pytest.approx(
        2 * blotches(lab)
    )
    # The same colours, where the lightness changes with them, are no blotches.
    lab[:, 0, :, 80:] += 20 * (x[:, 80:] / 3).sin()
    left = blotches(lab[..., :80])
    assert blotches(lab) == pytest.approx(left, rel=0.25)
    assert np.isnan(blotches(lab[..., 90:]))


def test_noise_is_no_blotch() -> None:
    random = torch.Generator().manual_seed(0)
    lab = torch.full((1, 3, 512, 512), 50.0)
    lab[:, 1:] = 4 * torch.randn(1, 2, 512, 512, generator=random)
    assert blotches(lab) < 1  # of a standard deviation of 5.7


def test_hue_error_is_an_angle_and_grey_is_a_right_one() -> None:
    def ab(degrees: float, chroma: float) -> torch.Tensor:
        angle = torch.tensor(degrees).deg2rad()
        return chroma * torch.stack([angle.cos(), angle.sin()]).view(2, 1, 1)

    assert hue_error(ab(170, 9), ab(-170, 30)).item() == pytest.approx(20, abs=1e-3)
    assert hue_error(ab(40, 0), ab(40, 30)).item() == 90
    # Strong true colours count for more.
    predicted = torch.cat([ab(0, 10), ab(90, 10)], dim=2)
    true = torch.cat([ab(0, 30), ab(0, 10)], dim=2)
    assert hue_error(predicted, true).item() == pytest.approx(90 / 4, abs=1e-3)
