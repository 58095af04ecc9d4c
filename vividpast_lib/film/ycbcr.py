"""Luma planes in, lightness out; luma and Lab colours in, chroma planes out (Y'CbCr).

A film stores luma Y' (a weighted sum of gamma-coded red, green and blue) in one plane and the
colour, as two differences from it, in two more. Of a black-and-white film only the luma means
anything. To colorize it is to put two chroma planes beside the luma, which stays as it is.

Sources: ITU-R BT.601, BT.709, BT.2020 (matrices and ranges), ITU-T H.273 (their numbers).
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from ..color.lab import lab_to_rgb
from ..color.srgb import luminance_to_lightness, srgb_to_linear
from ..color.upsampling import ceil_div, upsample_halfway
from .opencv import single_threaded_cv2

#: Coefficients of red and blue in the luma, Kr and Kb, by H.273's number of the matrix.
LUMA_COEFFICIENTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}
BT_709, BT_601 = 1, 6
# Films without a label are by custom BT.601 below this height, else BT.709.
HIGH_DEFINITION = 720
#: Colours are enlarged along the edges of a picture whose shorter side has at most this many
#: pixels: half of them is what the colours of a DVD have.
GUIDE_SIDE = 540


def matrix_or_usual(matrix: int, height: int) -> int:
    """Give the matrix, by its H.273 number, or the one usual at a height if it isn't known."""
    if matrix in LUMA_COEFFICIENTS:
        return matrix
    return BT_709 if height >= HIGH_DEFINITION else BT_601


@dataclass(frozen=True)
class Planes:
    """What the numbers in a film's planes mean.

    Parameters
    ----------
    bits : int
        Bits per sample, 8 to 16.
    full_range : bool
        Samples use all their values, as in JPEG; else black is at 16 and white at 235 (of 8 bits).
    matrix : int
        H.273's number of the matrix, one of `LUMA_COEFFICIENTS`.
    """

    bits: int = 8
    full_range: bool = False
    matrix: int = BT_709

    @property
    def dtype(self) -> np.dtype:
        """Type of the samples in memory: uint8, or uint16 from 9 bits on."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def luma_range(self) -> tuple[float, float]:
        """The sample of black, and the difference of white from it."""
        if self.full_range:
            return 0.0, 2.0**self.bits - 1
        step = 2.0 ** (self.bits - 8)
        return 16 * step, 219 * step

    def grey(self, luma: np.ndarray) -> Tensor:
        """Give a luma plane (H, W) as values in [0, 1], coded as sRGB; beyond, it is clipped."""
        return torch.from_numpy(self._levels().numpy().take(luma, mode="clip"))

    def lightness(self, luma: np.ndarray) -> Tensor:
        """Give L in [0, 100] (H, W) of a luma plane (H, W), clipped, as a grey film shows it."""
        table = luminance_to_lightness(srgb_to_linear(self._levels()))
        return torch.from_numpy(table.numpy().take(luma, mode="clip"))

    def guide(self, luma: np.ndarray) -> Tensor:
        """Give the lightness that colours are predicted from and enlarged along the edges of.

        L in [0, 100], of shape (h, w); the shorter side has `GUIDE_SIDE` pixels at most.
        """
        height, width = luma.shape
        scale = max(1.0, min(height, width) / GUIDE_SIDE)
        return self.lightness(shrunk(luma, (round(height / scale), round(width / scale))))

    def _levels(self) -> Tensor:
        """Give the grey value, in [0, 1], of each possible sample of luma."""
        black, scale = self.luma_range
        return ((torch.arange(2**self.bits) - black) / scale).clamp(0, 1)

    def chroma(self, luma: np.ndarray, ab: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Make the chroma planes that give a luma plane its colours.

        Parameters
        ----------
        luma : ndarray, uint8 or uint16, shape (H, W)
        ab : Tensor, shape (1, 2, h, w)
            In Lab units, at any size; enlarged along the edges of the lightness, and as Cb and Cr
            from 270 lines on; as it is if it has the size of a chroma plane.
        size : tuple of two ints
            Height and width of a chroma plane: half the luma's (4:2:0), or all of it (4:4:4).

        Returns
        -------
        ndarray, uint8 or uint16, shape (2, *size)
            Cb and Cr, with less chroma where sRGB can't show the colour at this luma.
        """
        lightness = self.guide(luma)[None, None]  # (1, 1, h, w)
        half = ceil_div(lightness.shape[-2], 2), ceil_div(lightness.shape[-1], 2)
        if tuple(ab.shape[-2:]) == size != half:
            half = size
            lightness = self.lightness(shrunk(luma, half))[None, None]
        ab = _resized(upsample_halfway(ab, lightness), half)
        differences = self._differences(_resized(lightness, half), ab)  # (1, 2, *half)
        differences = _resized(differences, size)[0]  # (2, *size)
        differences = self._reduce_chroma(differences, self.grey(shrunk(luma, size)))

        _black, scale = self.luma_range
        peak = 2**self.bits - 1
        samples = differences * (peak if self.full_range else scale * 224 / 219)
        samples = samples.add_(2 ** (self.bits - 1)).round_().clamp_(0, peak)
        return samples.numpy().astype(self.dtype)

    def _differences(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Convert lightness (1, 1, h, w) and ab (1, 2, h, w) to Cb and Cr in [-0.5, 0.5]."""
        red, green, blue = lab_to_rgb(torch.cat([lightness, ab], dim=1), clip=False)[0]
        kr, kb = LUMA_COEFFICIENTS[self.matrix]
        luma = kr * red + (1 - kr - kb) * green + kb * blue
        cb, cr = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
        return torch.stack([cb, cr])[None]

    def _reduce_chroma(self, differences: Tensor, grey: Tensor) -> Tensor:
        """Scale Cb and Cr (2, H, W), hues kept, until sRGB can show them at grey (H, W)."""
        kr, kb = LUMA_COEFFICIENTS[self.matrix]
        blue, red = differences[0] * (2 - 2 * kb), differences[1] * (2 - 2 * kr)
        green = (kr * red + kb * blue) / (kr + kb - 1)
        # Distance of the channels from the luma, and the room above and below it.
        highest = torch.maximum(torch.maximum(red, green), blue).clamp_(min=1e-6)
        lowest = torch.minimum(torch.minimum(red, green), blue).clamp_(max=-1e-6)
        factor = torch.minimum((1 - grey) / highest, grey / -lowest).clamp_(max=1)
        return factor * differences


def shrunk(luma: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Average a luma plane (H, W) over the pixels of a smaller size."""
    import cv2  # extra `film`

    if luma.shape == size:
        return luma
    with single_threaded_cv2():
        return cv2.resize(luma, size[::-1], interpolation=cv2.INTER_AREA)


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear")
