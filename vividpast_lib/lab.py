"""Conversion between sRGB and CIE Lab, and the one place that scales Lab for the networks.

CIE Lab splits a colour into ``lightness`` L (0 black to 100 white) and two colour channels
``ab``: a runs from green (negative) to red, b from blue (negative) to yellow. A grey photo is
L alone; to colorize it is to find ab.

All colours are tensors of shape (..., 3, H, W), on any device, and every function here that
computes with them is differentiable with finite gradients, also at black.

Sources: IEC 61966-2-1 (sRGB) and CIE 15:2004 (Lab), with the rounded constants of
scikit-image, so that the two agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .devices import in_threads

# Linear sRGB -> CIE XYZ for the 2-degree observer, and the white point D65.
RGB_TO_XYZ = torch.tensor(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ],
    dtype=torch.float64,
)
XYZ_TO_RGB = torch.linalg.inv(RGB_TO_XYZ)
WHITE_D65 = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)
RGB_TO_XYZ_OF_WHITE = RGB_TO_XYZ / WHITE_D65[:, None]

# Below these the sRGB and Lab curves are straight lines.
SRGB_KNEE = 0.04045
LINEAR_KNEE = 0.0031308
LAB_KNEE = 0.008856
LAB_SLOPE = 7.787
LAB_OFFSET = 16 / 116

#: So many fit into a processor's cache while they are converted.
PIXELS_AT_A_TIME = 150_000


def _check_channels(
    name: str, colours: Tensor, channels: int, also: torch.dtype | None = None
) -> None:
    if not colours.is_floating_point() and colours.dtype != also:
        raise TypeError(f"{name} must be a float tensor, but is {colours.dtype}.")
    if colours.dim() < 3 or colours.shape[-3] != channels:
        shape = tuple(colours.shape)
        raise ValueError(f"{name} must have the shape (..., {channels}, H, W), but has {shape}.")


def _mix_channels(matrix: Tensor, colours: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply a (3, 3) matrix with the channels of (..., 3, H, W)."""
    if out is not None:
        torch.matmul(matrix.to(out), colours.flatten(-2), out=out.flatten(-2))
        return out
    # Sums of products, which a GPU does not round to TF32 as it may round a matmul.
    first, second, third = colours.unbind(-3)
    rows = [(x * first).add_(second, alpha=y).add_(third, alpha=z) for x, y, z in matrix.tolist()]
    return torch.stack(rows, dim=-3)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab (D65, 2-degree observer).

    Parameters
    ----------
    rgb : Tensor, float or uint8, shape (..., 3, H, W)
        sRGB in [0, 1]; values outside are carried on, not clipped. Or 8-bit sRGB, 0 to 255.

    Returns
    -------
    Tensor, float, shape (..., 3, H, W)
        L in [0, 100]; of all sRGB colours, a in [-86.2, 98.2] and b in [-107.9, 94.5].

    Raises
    ------
    TypeError
        If ``rgb`` is neither a float tensor nor uint8.
    ValueError
        If ``rgb`` does not have three channels in its third dimension from the end.
    """
    _check_channels("rgb", rgb, 3, also=torch.uint8)
    if rgb.dim() > 3 and rgb.numel() and rgb.device.type == "cpu" and not rgb.requires_grad:
        return _photos_to_lab(rgb)
    return _to_lab(rgb)


def _to_lab(
    rgb: Tensor, lab: Tensor | None = None, memory: Sequence[Tensor | None] = (None, None)
) -> Tensor:
    """Convert, into ``lab`` if it is given, by way of two more tensors of its size."""
    one, other = memory
    linear = _rgb_to_linear(rgb, out=one, spare=other)
    xyz = _mix_channels(RGB_TO_XYZ_OF_WHITE, linear, out=other)
    fx, fy, fz = _cube_root(xyz, out=one, spare=other).unbind(-3)
    lightness, a, b = (None, None, None) if lab is None else lab.unbind(-3)
    channels = [
        torch.mul(fy, 116, out=lightness).sub_(16),
        torch.sub(fx, fy, out=a).mul_(500),
        torch.sub(fy, fz, out=b).mul_(200),
    ]
    return torch.stack(channels, dim=-3) if lab is None else lab


def _photos_to_lab(rgb: Tensor) -> Tensor:
    """Convert a batch on the CPU: a few photos at a time, each thread by itself.

    What is computed on the way stays in the processor's cache. To ask for fresh memory at each
    step, or to wait there for the other threads, would take longer than the step.
    """
    lab = _on_large_pages(rgb.shape, torch.float32 if rgb.dtype == torch.uint8 else rgb.dtype)
    few = max(1, PIXELS_AT_A_TIME // max(1, rgb.shape[-2] * rgb.shape[-1]))
    jobs = list(zip(rgb.flatten(0, -4).split(few), lab.flatten(0, -4).split(few), strict=True))
    waiting = iter(jobs)  # for whichever thread comes next

    @torch.inference_mode()  # which a thread does not take over from the one that starts it
    def work() -> None:
        memory = torch.empty((2, few, *rgb.shape[-3:]), dtype=lab.dtype)
        for photos, into in waiting:
            _to_lab(photos, into, memory[:, : len(photos)].unbind())

    in_threads(work, at_most=len(jobs))
    return lab


def _on_large_pages(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """Make an empty tensor as NumPy does, which asks Linux for large pages: they come faster."""
    memory = torch.from_numpy(np.empty(shape.numel() * dtype.itemsize, np.uint8))
    return memory.view(dtype).view(shape)


# Each of the four curves below has a straight part and a bent one. Each is computed of values that
# are clamped to its own side of the knee, and they are added up. where() takes longer, and would
# pass on the power's infinite or undefined gradient from the side that it does not take.


def _power(values: Tensor, exponent: float) -> Tensor:
    """Raise positive values to a power in place, in half the time of PyTorch's pow."""
    return values.log2_().mul_(exponent).exp2_()  # exact to six digits


def srgb_to_linear(values: Tensor) -> Tensor:
    """Undo the curve of sRGB: values in [0, 1], any shape, to amounts of light in [0, 1]."""
    bent = _power(values.clamp(min=SRGB_KNEE).add_(0.055).div_(1.055), 2.4)
    return bent.add(values.clamp(max=SRGB_KNEE).sub_(SRGB_KNEE), alpha=1 / 12.92)


#: Of 8-bit sRGB, which takes 256 values only.
LINEAR_OF_8_BIT = srgb_to_linear(torch.arange(256) / 255)


def _rgb_to_linear(rgb: Tensor, out: Tensor | None = None, spare: Tensor | None = None) -> Tensor:
    if rgb.dtype != torch.uint8:
        return srgb_to_linear(rgb)
    table = LINEAR_OF_8_BIT.to(rgb.device)
    indices = rgb.int() if spare is None else spare.view(torch.int32).copy_(rgb)
    flat = None if out is None else out.view(-1)
    return torch.index_select(table, 0, indices.flatten(), out=flat).view(rgb.shape)


def luminance_to_lightness(luminance: Tensor) -> Tensor:
    """Convert luminance (Y of XYZ) in [0, 1], any shape, to lightness L in [0, 100]."""
    return 116 * _cube_root(luminance) - 16


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Apply the curve of sRGB to amounts of light, any shape; 0 to 1 become 0 to 1."""
    bent = (1.055 * _power(linear.clamp(min=LINEAR_KNEE), 1 / 2.4)).sub_(0.055)
    return torch.minimum(bent, 12.92 * linear)


def _cube_root(xyz: Tensor, out: Tensor | None = None, spare: Tensor | None = None) -> Tensor:
    bent = _power(torch.clamp(xyz, min=LAB_KNEE, out=out), 1 / 3)
    straight = torch.clamp(xyz, max=LAB_KNEE, out=spare).sub_(LAB_KNEE)
    return torch.add(bent, straight, alpha=LAB_SLOPE, out=out)


def _lab_to_linear(lab: Tensor) -> Tensor:
    """Convert Lab to linear sRGB, unclipped."""
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16) / 116
    f = torch.stack([fy.add(a, alpha=1 / 500), fy, fy.sub(b, alpha=1 / 200)], dim=-3)
    knee = LAB_KNEE ** (1 / 3)
    xyz = (f.clamp(min=knee) ** 3).add_(f.clamp(max=knee).sub_(knee), alpha=1 / LAB_SLOPE)
    return _mix_channels(XYZ_TO_RGB * WHITE_D65, xyz)


def lab_to_rgb(lab: Tensor, *, clip: bool = True) -> Tensor:
    """Convert CIE Lab (D65, 2-degree observer) to sRGB.

    Parameters
    ----------
    lab : Tensor, float, shape (..., 3, H, W)
        L in [0, 100], a and b in Lab units.
    clip : bool
        Clip to [0, 1], as a screen does. Without it, colours outside sRGB come out below 0 or
        above 1. Clipping changes lightness and hue; `fit_to_srgb` first keeps both.

    Returns
    -------
    Tensor, shape (..., 3, H, W)
        sRGB, in [0, 1] if clipped.

    Raises
    ------
    TypeError
        If ``lab`` is not a float tensor.
    ValueError
        If ``lab`` does not have three channels in its third dimension from the end.
    """
    _check_channels("lab", lab, 3)
    rgb = linear_to_srgb(_lab_to_linear(lab))
    return rgb.clamp(0, 1) if clip else rgb


def outside_srgb(lab: Tensor, tolerance: float = 1e-4) -> Tensor:
    """Mark the colours that sRGB can't show.

    Parameters
    ----------
    lab : Tensor, float, shape (..., 3, H, W)
        Colours in Lab units.
    tolerance : float
        How far beyond [0, 1] an sRGB value may lie and still count as inside: room for
        rounding, a fortieth of one 8-bit step.

    Returns
    -------
    Tensor, bool, shape (..., H, W)
        True where the colour lies outside sRGB.
    """
    _check_channels("lab", lab, 3)
    return _outside(_lab_to_linear(lab), tolerance)


def _outside(linear: Tensor, tolerance: float = 1e-4) -> Tensor:
    # The curve of sRGB, which is slow, need not be computed: it only moves the two limits.
    lowest, highest = -tolerance / 12.92, ((1 + tolerance + 0.055) / 1.055) ** 2.4
    return (linear.amin(dim=-3) < lowest) | (linear.amax(dim=-3) > highest)


def fit_to_srgb(lab: Tensor, steps: int = 12) -> Tensor:
    """Weaken colours outside sRGB just enough to be shown, at the same lightness and hue.

    Each such colour is moved straight towards the grey of its lightness, by bisection.

    Parameters
    ----------
    lab : Tensor, float, shape (..., 3, H, W)
        Colours in Lab units; L in [0, 100].
    steps : int
        Halvings of the interval; 12 leave an error in chroma of about 0.03.

    Returns
    -------
    Tensor, shape (..., 3, H, W)
        The same colours, those outside sRGB with smaller a and b.
    """
    outside = outside_srgb(lab)
    if not outside.any():
        return lab
    fitted = lab.clone()
    fitted.movedim(-3, 0)[:, outside] = _weakened(lab, outside, steps)
    return fitted


def lab_to_fitted_linear(lab: Tensor) -> Tensor:
    """Convert Lab to linear sRGB, colours outside sRGB weakened as `fit_to_srgb` does.

    `linear_to_srgb` of it is what `lab_to_rgb` gives of the fitted colours, but for rounding; it
    takes half the time, which counts where large photos are written.

    Parameters
    ----------
    lab : Tensor, float, shape (..., 3, H, W)
        Colours in Lab units; L in [0, 100].

    Returns
    -------
    Tensor, shape (..., 3, H, W)
        Amounts of light in [0, 1], but for rounding.
    """
    _check_channels("lab", lab, 3)
    linear = _lab_to_linear(lab)
    outside = _outside(linear)
    if outside.any():
        fitted = _weakened(lab, outside)
        linear.movedim(-3, 0)[:, outside] = _lab_to_linear(fitted[:, None])[:, 0]
    return linear


def _weakened(lab: Tensor, outside: Tensor, steps: int = 12) -> Tensor:
    """Weaken those colours of (..., 3, H, W) that are marked, N of them: shape (3, N)."""
    lightness, *ab = lab.movedim(-3, 0)[:, None, outside].split(1)  # (1, 1, N) each
    inside_share = torch.zeros_like(lightness)
    step = 1.0
    for _ in range(steps):
        step /= 2
        stronger = inside_share + step
        linear = _lab_to_linear(torch.cat([lightness, *(each * stronger for each in ab)]))
        inside_share = torch.where(_outside(linear), inside_share, stronger)
    return torch.cat([lightness, *(each * inside_share for each in ab)])[:, 0]


@dataclass(frozen=True)
class Scaling:
    """Linear scaling of Lab for a network: ``scaled = (value - mean) / spread``.

    Parameters
    ----------
    lightness_mean, lightness_spread : float
        For L, in Lab units.
    ab_mean, ab_spread : tuple of two floats
        For a and b, in Lab units.
    """

    lightness_mean: float
    lightness_spread: float
    ab_mean: tuple[float, float]
    ab_spread: tuple[float, float]

    def scale_lightness(self, lightness: Tensor) -> Tensor:
        """Scale L in Lab units, any shape, for a network."""
        return (lightness - self.lightness_mean) / self.lightness_spread

    def unscale_lightness(self, scaled: Tensor) -> Tensor:
        """Undo `scale_lightness`."""
        return scaled * self.lightness_spread + self.lightness_mean

    def scale_ab(self, ab: Tensor) -> Tensor:
        """Scale ab in Lab units, shape (..., 2, H, W), for a network."""
        mean, spread = self._ab_constants(ab)
        return (ab - mean) / spread

    def unscale_ab(self, scaled: Tensor) -> Tensor:
        """Undo `scale_ab`: what a network answers, in Lab units."""
        mean, spread = self._ab_constants(scaled)
        return scaled * spread + mean

    def _ab_constants(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        _check_channels("ab", ab, 2)
        mean, spread = ab.new_tensor(self.ab_mean), ab.new_tensor(self.ab_spread)
        return mean[:, None, None], spread[:, None, None]


#: L in [0, 100] and every ab of sRGB come to lie within [-1, 1].
UNIT_SCALING = Scaling(50.0, 50.0, (0.0, 0.0), (110.0, 110.0))

#: The 2018 project's (x - mean) / (2 std) on OpenCV's 8-bit Lab (L * 255 / 100, ab + 128), its
#: constants taken over to Lab units.
SCALING_2018 = Scaling(
    101.3 * 100 / 255, 142.9 * 100 / 255, (130.6 - 128, 135.2 - 128), (27.6, 39.8)
)

#: The scalings by the names that checkpoints and the command line use.
SCALINGS = {"unit": UNIT_SCALING, "2018": SCALING_2018}
