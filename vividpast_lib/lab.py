"""Conversion between sRGB and CIE Lab, and the one place that scales Lab for the networks.

CIE Lab splits a colour into ``lightness`` L (0 black to 100 white) and two colour channels
``ab``: a runs from green (negative) to red, b from blue (negative) to yellow. A grey photo is
L alone; to colorize it is to find ab.

All colours are tensors of shape (..., 3, H, W), on any device, and every function here that
computes with them is differentiable with finite gradients, also at black.

Sources: IEC 61966-2-1 (sRGB) and CIE 15:2004 (Lab), with the rounded constants of
scikit-image, so that the two agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from . import lab_of_batches

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
# Both as lists of rows, and with the white point in them.
RGB_TO_WHITE_XYZ = (RGB_TO_XYZ / WHITE_D65[:, None]).tolist()
WHITE_XYZ_TO_RGB = (XYZ_TO_RGB * WHITE_D65).tolist()

# Below these the sRGB and Lab curves are straight lines.
SRGB_KNEE = 0.04045
LINEAR_KNEE = 0.0031308
LAB_KNEE = 0.008856
LAB_SLOPE = 7.787
LAB_OFFSET = 16 / 116


def _check_channels(
    name: str, colours: Tensor, channels: int, also: torch.dtype | None = None
) -> None:
    if not colours.is_floating_point() and colours.dtype != also:
        raise TypeError(f"{name} must be a float tensor, but is {colours.dtype}.")
    if colours.dim() < 3 or colours.shape[-3] != channels:
        shape = tuple(colours.shape)
        raise ValueError(f"{name} must have the shape (..., {channels}, H, W), but has {shape}.")


def _mix_channels(matrix: list[list[float]], channels: Iterable[Tensor]) -> list[Tensor]:
    """Multiply a (3, 3) matrix with three channels, any shape."""
    # Sums of products, not einsum: a GPU would round those to TF32.
    first, second, third = channels
    return [(x * first).add_(second, alpha=y).add_(third, alpha=z) for x, y, z in matrix]


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
        return lab_of_batches.rgb_to_lab(rgb)
    # Channel by channel, of which a compiler can make one loop.
    channels = (rgb / 255 if rgb.dtype == torch.uint8 else rgb).unbind(-3)
    xyz = _mix_channels(RGB_TO_WHITE_XYZ, map(srgb_to_linear, channels))
    fx, fy, fz = map(_cube_root, xyz)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=-3)


# Each of the four curves below has a straight part and a bent one. Each is computed of values that
# are clamped to its own side of the knee, and they are added up. where() takes longer, and would
# pass on the power's infinite or undefined gradient from the side that it does not take.


def _power(values: Tensor, exponent: float) -> Tensor:
    """Raise positive values to a power, in half the time of PyTorch's pow."""
    return values.log2().mul_(exponent).exp2()  # exact to six digits


def srgb_to_linear(values: Tensor) -> Tensor:
    """Undo the curve of sRGB: values in [0, 1], any shape, to amounts of light in [0, 1]."""
    bent = _power(values.clamp(min=SRGB_KNEE).add_(0.055).div_(1.055), 2.4)
    return bent.add(values.clamp(max=SRGB_KNEE).sub_(SRGB_KNEE), alpha=1 / 12.92)


@cache
def light_of_levels(peak: int) -> Tensor:
    """Tell the amounts of light of whole sRGB values, 0 to ``peak``: shape (peak + 1,), float32.

    Computed once: MKL takes all threads for even so few logarithms, and they then wait busily for
    more, for longer than it takes to convert a batch of photos.
    """
    return srgb_to_linear(torch.arange(peak + 1) / peak)


def luminance_to_lightness(luminance: Tensor) -> Tensor:
    """Convert luminance (Y of XYZ) in [0, 1], any shape, to lightness L in [0, 100]."""
    return 116 * _cube_root(luminance) - 16


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Apply the curve of sRGB to amounts of light, any shape; 0 to 1 become 0 to 1."""
    bent = (1.055 * _power(linear.clamp(min=LINEAR_KNEE), 1 / 2.4)).sub_(0.055)
    return torch.minimum(bent, 12.92 * linear)


def _cube_root(xyz: Tensor) -> Tensor:
    bent = _power(xyz.clamp(min=LAB_KNEE), 1 / 3)
    return bent.add(xyz.clamp(max=LAB_KNEE).sub_(LAB_KNEE), alpha=LAB_SLOPE)


def _lab_to_linear(lab: Tensor) -> Tensor:
    """Convert Lab to linear sRGB, unclipped."""
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16) / 116
    f = torch.stack([fy.add(a, alpha=1 / 500), fy, fy.sub(b, alpha=1 / 200)], dim=-3)
    knee = LAB_KNEE ** (1 / 3)
    xyz = (f.clamp(min=knee) ** 3).add_(f.clamp(max=knee).sub_(knee), alpha=1 / LAB_SLOPE)
    return torch.stack(_mix_channels(WHITE_XYZ_TO_RGB, xyz.unbind(-3)), dim=-3)


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
