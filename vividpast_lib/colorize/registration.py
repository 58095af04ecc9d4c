"""Where a coloured copy of a picture shows what the picture shows: its shift and its stretch.

Tools shift a picture by some pixels, or cut off a border to get the sides they want. The gradients
of the two lightnesses, as complex numbers and hardly dependent on contrast, are correlated.

Sources: Fitch et al., Orientation correlation, 2002; Foroosh et al., Extension of phase correlation
to subpixel registration, 2002.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from scipy import ndimage
from torch import Tensor

#: Two pictures show the same if their likeness is at least this. Of 2,256 pairs of different
#: bundled photos, the most alike have 0.28; copies of a quarter of the size, blurred, with a gamma
#: of 0.5 and saved as JPEG at quality 40 have 0.66 and more.
SAME_PICTURE = 0.4
# Pixels of the longer side at which pictures are compared, and of the shorter one, at least.
SIDE, SHORTEST_SIDE = 256, 48
# Standard deviation of the blur before pictures are compared, in pixels: what a copy lacks in
# sharpness, and grain, then hardly counts.
BLUR = 2.0
# Length of a gradient, in L per 2 pixels, from which on its direction counts as more than half.
GRADIENT_FLOOR = 2.0
# Share of a picture's side, or of a tile's, up to which a shift is looked for.
LARGEST_SHIFT, LARGEST_TILE_SHIFT = 1 / 16, 1 / 8
# Standard deviation, in pixels, of the peak of the correlation: sharper ones tell less exactly.
PEAK_SIGMA = 2.0
# Tiles down and across, each half as large as the picture. They are looked at so many times, and
# further, up to so many, while each time makes the likeness rise by more than this.
TILES, ROUNDS, MOST_ROUNDS, STILL_RISING = 3, 3, 8, 0.01
# Two pictures are clearly more alike if no more than this share of what they lacked is left.
CLEARLY_MORE = 0.95


@dataclass(frozen=True)
class Alignment:
    """How a copy lies on a picture.

    What the picture shows at a place, the copy shows at ``scale * place + shift``. Places are
    measured down and to the right from the middle, in heights and widths of the picture.

    Parameters
    ----------
    shift, scale : tuple of two floats
        Down and to the right.
    likeness : float
        Correlation, in [-1, 1], of the gradients of the two.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    likeness: float = 0.0

    @property
    def covered(self) -> float:
        """Share of the picture that the copy shows."""
        share = 1.0
        for scale, shift in zip(self.scale, self.shift, strict=True):
            first, last = shift - scale / 2, shift + scale / 2  # the picture's borders on the copy
            share *= max(0.0, min(last, 0.5) - max(first, -0.5)) / scale
        return share

    def resample(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        """Bring maps (1, C, h, w) of the copy to the picture, at a size (H, W) not much smaller.

        Read bilinearly; what comes from outside is the nearest border.
        """
        if (self.shift, self.scale, maps.shape[-2:]) == ((0, 0), (1, 1), tuple(size)):
            return maps
        y, x = (
            2 * (scale * ((torch.arange(length) + 0.5) / length - 0.5) + shift)
            for length, scale, shift in zip(size, self.scale, self.shift, strict=True)
        )
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (H, W, 2)
        return F.grid_sample(maps, grid[None], padding_mode="border", align_corners=False)


def align(lightness: Tensor, copy: Tensor) -> Alignment:
    """Find how a copy lies on a picture: as it is, shifted, or shifted and stretched.

    Parameters
    ----------
    lightness, copy : Tensor, shapes (H, W) and (h, w)
        L in [0, 100].

    Returns
    -------
    Alignment
        A shift is taken only if the two are clearly more alike with it, and so is a stretch.
    """
    picture, copy = _comparable(lightness, copy)
    gradients = _gradients(picture)
    height, width = gradients.shape
    down, right = _peak(gradients, _gradients(copy), LARGEST_SHIFT)
    shifted = _with_likeness(Alignment((down / height, right / width)), gradients, copy)
    stretched = [shifted]
    for done in range(1, MOST_ROUNDS + 1):
        refined = _refined(stretched[-1], gradients, copy)
        stretched.append(_with_likeness(refined, gradients, copy))
        risen = stretched[-1].likeness - stretched[-2].likeness
        if done >= ROUNDS and risen <= STILL_RISING:
            break
    best = _with_likeness(Alignment(), gradients, copy)
    for each in (shifted, max(stretched, key=lambda each: each.likeness)):
        if 1 - each.likeness < CLEARLY_MORE * (1 - best.likeness):
            best = each
    return best


def likeness(lightness: Tensor, copy: Tensor, alignment: Alignment) -> float:
    """Tell how alike a picture (H, W) and a copy (h, w) are that is known to lie on it so."""
    picture, copy = _comparable(lightness, copy)
    return _with_likeness(alignment, _gradients(picture), copy).likeness


def _comparable(lightness: Tensor, copy: Tensor) -> tuple[Tensor, Tensor]:
    """Bring both to one small size, (1, 1, h, w), and blur them."""
    longest = max(lightness.shape)
    height, width = (max(SHORTEST_SIDE, round(each * SIDE / longest)) for each in lightness.shape)
    small = (
        F.interpolate(each[None, None], size=(height, width), mode="bilinear", antialias=True)
        for each in (lightness, copy)
    )
    sigma = (0, 0, BLUR, BLUR)
    first, second = (
        torch.from_numpy(ndimage.gaussian_filter(each.numpy(), sigma, mode="nearest"))
        for each in small
    )
    return first, second


def _gradients(lightness: Tensor) -> Tensor:
    """Gradients (h, w) of (1, 1, h, w), complex: of nearly length 1 where there is an edge."""
    down, right = torch.gradient(lightness[0, 0], spacing=0.5)
    gradients = torch.complex(right, down)
    return gradients / (gradients.abs() + GRADIENT_FLOOR)


def _window(size: Sequence[int]) -> Tensor:
    """Weights (h, w) that fall to 0 at the borders, where pictures need not match."""
    down, across = (torch.hann_window(length, periodic=False).sqrt() for length in size)
    return down[:, None] * across


def _correlation(one: Tensor, other: Tensor) -> float:
    """Correlate gradients (h, w): in [-1, 1]."""
    weight = _window(one.shape).square()
    product = (weight * (one * other.conj()).real).sum()
    energy = (weight * one.abs().square()).sum() * (weight * other.abs().square()).sum()
    return float(product / energy.clamp(min=1e-12).sqrt())


def _with_likeness(alignment: Alignment, gradients: Tensor, copy: Tensor) -> Alignment:
    aligned = _gradients(alignment.resample(copy, gradients.shape))
    return replace(alignment, likeness=_correlation(gradients, aligned))


def _peak(one: Tensor, other: Tensor, share: float) -> tuple[float, float]:
    """Find by how many pixels, down and to the right, ``other`` (h, w) is shifted against ``one``.

    By phase correlation, whose peak is made a Gaussian; looked for up to a share of the sides.
    """
    height, width = one.shape
    window = _window(one.shape)
    spectrum = torch.fft.fft2(other * window) * torch.fft.fft2(one * window).conj()
    frequency = torch.fft.fftfreq(height)[:, None].square() + torch.fft.fftfreq(width).square()
    gaussian = torch.exp(-2 * (math.pi * PEAK_SIGMA) ** 2 * frequency)
    correlation = torch.fft.ifft2(spectrum / (spectrum.abs() + 1e-9) * gaussian).real
    most_down, most_right = int(height * share), int(width * share)
    near = correlation.roll((most_down, most_right), (0, 1))
    near = near[: 2 * most_down + 1, : 2 * most_right + 1]
    row, column = divmod(int(near.argmax()), near.shape[1])
    return (
        row + _vertex(near[:, column], row) - most_down,
        column + _vertex(near[row], column) - most_right,
    )


def _vertex(line: Tensor, index: int) -> float:
    """Find where the parabola through the highest of a line's values and its neighbours peaks.

    Relative to the index, in [-0.5, 0.5]; 0 at an end of the line.
    """
    if not 0 < index < len(line) - 1:
        return 0.0
    before, peak, after = line[index - 1 : index + 2].tolist()
    bend = before - 2 * peak + after
    return (before - after) / (2 * bend) if bend < 0 else 0.0


def _refined(alignment: Alignment, gradients: Tensor, copy: Tensor) -> Alignment:
    """Fit shift and scale to the shifts of tiles that are left after an alignment."""
    size = gradients.shape
    aligned = _gradients(alignment.resample(copy, size))
    rows = []
    for tile in _tiles(size):
        one, other = gradients[tile], aligned[tile]
        shift = _peak(one, other, LARGEST_TILE_SHIFT)
        back = other.roll((-round(shift[0]), -round(shift[1])), (0, 1))
        weight = max(_correlation(one, back), 0) * math.sqrt(float(one.abs().sum()))
        middle = [(each.start + each.stop) / 2 for each in tile]
        rows.append([*middle, *shift, weight])
    *columns, weights = np.array(rows).T
    shifts, scales = list(alignment.shift), list(alignment.scale)
    for axis, length in enumerate(size):
        place, moved = columns[axis] / length - 0.5, columns[2 + axis] / length
        equations = np.stack([np.ones_like(place), place], axis=1) * weights[:, None]
        more_shift, more_scale = np.linalg.lstsq(equations, moved * weights)[0].tolist()
        shifts[axis] += scales[axis] * more_shift  # one alignment after the other
        scales[axis] *= 1 + more_scale
    return Alignment((shifts[0], shifts[1]), (scales[0], scales[1]))


def _tiles(size: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Cut a size (h, w) into overlapping tiles."""
    halves = [length // 2 for length in size]
    for row in range(TILES):
        for column in range(TILES):
            starts = (
                round(index * (length - half) / (TILES - 1))
                for index, length, half in zip((row, column), size, halves, strict=True)
            )
            down, across = (
                slice(start, start + half) for start, half in zip(starts, halves, strict=True)
            )
            yield down, across
