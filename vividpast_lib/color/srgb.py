"""The constants and curves of sRGB and CIE Lab, from which the conversions are put together."""

from functools import cache

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
# Both as lists of rows, and with the white point in them.
RGB_TO_WHITE_XYZ = (RGB_TO_XYZ / WHITE_D65[:, None]).tolist()
WHITE_XYZ_TO_RGB = (XYZ_TO_RGB * WHITE_D65).tolist()

# Below these the sRGB and Lab curves are straight lines.
SRGB_KNEE = 0.04045
LINEAR_KNEE = 0.0031308
LAB_KNEE = 0.008856
LAB_SLOPE = 7.787


# Each curve has a straight part below a knee and a power above it. The power is computed of values
# that are clamped to the knee; the straight part is added to it, or, in `linear_to_srgb`, the
# smaller of the two is taken. where() takes longer, and would pass on the power's infinite or
# undefined gradient from the side that it does not take.


def _power(values: Tensor, exponent: float) -> Tensor:
    """Raise positive values to a power, in half the time of PyTorch's pow."""
    return values.log2().mul_(exponent).exp2()  # exact to six digits


def srgb_to_linear(values: Tensor) -> Tensor:
    """Undo the curve of sRGB: values in [0, 1], any shape, to linear values in [0, 1]."""
    bent = _power(values.clamp(min=SRGB_KNEE).add_(0.055).div_(1.055), 2.4)
    return bent.add(values.clamp(max=SRGB_KNEE).sub_(SRGB_KNEE), alpha=1 / 12.92)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Apply the curve of sRGB to linear values, any shape; 0 to 1 become 0 to 1."""
    bent = (1.055 * _power(linear.clamp(min=LINEAR_KNEE), 1 / 2.4)).sub_(0.055)
    return torch.minimum(bent, 12.92 * linear)


@cache
@torch.inference_mode(False)  # what is cached may be needed for a gradient later
def srgb_level_table(peak: int) -> Tensor:
    """Linear values in [0, 1] of the sRGB levels 0 to ``peak``; shared, so not to be changed.

    Computed once: MKL takes all threads for even so few logarithms, and they then wait busily for
    more, for longer than it takes to convert a batch of photos.
    """
    return srgb_to_linear(torch.arange(peak + 1, dtype=torch.float32) / peak)


def lab_curve(xyz: Tensor) -> Tensor:
    """Apply the curve of Lab, f of CIE 15:2004, to X, Y or Z as shares of the white point's."""
    bent = _power(xyz.clamp(min=LAB_KNEE), 1 / 3)
    return bent.add(xyz.clamp(max=LAB_KNEE).sub_(LAB_KNEE), alpha=LAB_SLOPE)


def luminance_to_lightness(luminance: Tensor) -> Tensor:
    """Convert luminance (Y of XYZ) in [0, 1], any shape, to lightness L in [0, 100]."""
    return 116 * lab_curve(luminance) - 16
