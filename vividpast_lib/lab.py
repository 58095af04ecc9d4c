"""Conversion between sRGB and CIE Lab, and the one place that scales Lab for the networks.

CIE Lab splits a colour into ``lightness`` L (0 black to 100 white) and two colour channels
``ab``: a runs from green (negative) to red, b from blue (negative) to yellow. A grey photo is
L alone; to colorize it is to find ab.

All colours are tensors of shape (..., 3, H, W), on any device, and every function here that
computes with them is differentiable with finite gradients, also at black.

Sources: IEC 61966-2-1 (sRGB) and CIE 15:2004 (Lab), with the rounded constants of
scikit-image, so that the two agree.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

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

# Below these the sRGB and Lab curves are straight lines.
SRGB_KNEE = 0.04045
LINEAR_KNEE = 0.0031308
LAB_KNEE = 0.008856
LAB_SLOPE = 7.787
LAB_OFFSET = 16 / 116


def _check_channels(name: str, colours: Tensor, channels: int) -> None:
    if not colours.is_floating_point():
        raise TypeError(f"{name} must be a float tensor, but is {colours.dtype}.")
    if colours.dim() < 3 or colours.shape[-3] != channels:
        shape = tuple(colours.shape)
        raise ValueError(f"{name} must have the shape (..., {channels}, H, W), but has {shape}.")


def _mix_channels(matrix: Tensor, colours: Tensor) -> Tensor:
    """Multiply a (3, 3) matrix with the channels of (..., 3, H, W)."""
    matrix = matrix.to(colours)
    # Sums of products, not einsum: a GPU would round those to TF32.
    channels = colours.unbind(-3)
    rows = [row[0] * channels[0] + row[1] * channels[1] + row[2] * channels[2] for row in matrix]
    return torch.stack(rows, dim=-3)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab (D65, 2-degree observer).

    Parameters
    ----------
    rgb : Tensor, float, shape (..., 3, H, W)
        sRGB in [0, 1]. Values outside are carried on, not clipped.

    Returns
    -------
    Tensor, shape (..., 3, H, W)
        L in [0, 100]; of all sRGB colours, a in [-86.2, 98.2] and b in [-107.9, 94.5].

    Raises
    ------
    TypeError
        If ``rgb`` is not a float tensor.
    ValueError
        If ``rgb`` does not have three channels in its third dimension from the end.
    """
    _check_channels("rgb", rgb, 3)
    # Each curve is computed on clamped values: where() would else pass on the power's infinite
    # or undefined gradient from the side that it does not take.
    curve = ((rgb.clamp(min=SRGB_KNEE) + 0.055) / 1.055) ** 2.4
    linear = torch.where(rgb > SRGB_KNEE, curve, rgb / 12.92)

    xyz = _mix_channels(RGB_TO_XYZ / WHITE_D65[:, None], linear)
    cube_root = xyz.clamp(min=LAB_KNEE) ** (1 / 3)
    fx, fy, fz = torch.where(xyz > LAB_KNEE, cube_root, LAB_SLOPE * xyz + LAB_OFFSET).unbind(-3)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=-3)


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
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16) / 116
    f = torch.stack([fy + a / 500, fy, fy - b / 200], dim=-3)
    f_knee = LAB_KNEE ** (1 / 3)
    xyz = torch.where(f > f_knee, f.clamp(min=f_knee) ** 3, (f - LAB_OFFSET) / LAB_SLOPE)

    linear = _mix_channels(XYZ_TO_RGB * WHITE_D65, xyz)
    curve = 1.055 * linear.clamp(min=LINEAR_KNEE) ** (1 / 2.4) - 0.055
    rgb = torch.where(linear > LINEAR_KNEE, curve, 12.92 * linear)
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
    rgb = lab_to_rgb(lab, clip=False)
    return ((rgb < -tolerance) | (rgb > 1 + tolerance)).any(dim=-3)


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
    colours = lab.movedim(-3, -1)[outside].T[:, None]  # (3, 1, number of colours outside)
    inside_share = torch.zeros_like(colours[0])
    outside_share = torch.ones_like(colours[0])
    for _ in range(steps):
        share = (inside_share + outside_share) / 2
        too_strong = outside_srgb(torch.cat([colours[:1], colours[1:] * share]))
        outside_share = torch.where(too_strong, share, outside_share)
        inside_share = torch.where(too_strong, inside_share, share)
    fitted = torch.cat([colours[:1], colours[1:] * inside_share])
    result = lab.movedim(-3, -1).clone()
    result[outside] = fitted[:, 0].T
    return result.movedim(-1, -3)


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
