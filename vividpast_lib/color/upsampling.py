"""A small ab map brought to a photo's size, guided by the photo's lightness.

A network answers with some thousand cells of ab, each as large as 25 x 25 pixels of a photo.
Enlarged bilinearly, colours run over the edges of things. Here each pixel takes its colour from
those of the four nearest cells whose lightness is like its own. Before that, blotches on even
surfaces can be smoothed away, by the lightness too.

Source: Kopf et al., Joint bilateral upsampling, 2007; the network's answer is small as theirs.
"""

import math
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

Length = TypeVar("Length", int, Tensor)

# Standard deviation, in L, of the Gaussian weight of a cell by how its lightness differs.
GUIDE_SIGMA = 8.0
# Keeps a pixel that is like none of its cells near their bilinear mean.
WEIGHT_FLOOR = 1e-3
# Standard deviation of the lightness, in L, from which on a cell counts as more than half mixed.
MIXED_SIGMA = 2.5
UNMIXING_STEPS = 2
# Standard deviation of the lightness, in L, at which smoothing keeps half of a map's detail.
DETAIL_SIGMA = 1.0
# Number of pixels that are enlarged at once: they fit into a processor's cache.
PIXELS_PER_STRIP = 100_000
# Number of maps that are smoothed at once, for the same reason.
MAPS_AT_ONCE = 32


def ceil_div(length: Length, divisor: int) -> Length:
    """Divide and round up, in the one way that also holds in an exported network.

    `torch.export` does not simplify `math.ceil`, and ONNX divides negative numbers otherwise.
    """
    return (length + divisor - 1) // divisor


def guided_upsample(ab: Tensor, lightness: Tensor) -> Tensor:
    """Enlarge a small ab map so that its colours end where the photo's lightness changes.

    Parameters
    ----------
    ab : Tensor, shape (N, 2, h, w)
        In Lab units.
    lightness : Tensor, shape (N, 1, H, W)
        The photo's L in [0, 100].

    Returns
    -------
    Tensor, shape (N, 2, H, W)
        In each pixel a mean of nearby ab, never a colour beyond theirs. Where the lightness is
        even, the same as bilinear enlargement.
    """
    height, width = lightness.shape[-2:]
    return enlarge_rows(upsample_halfway(ab, lightness), height, width, 0, height)


def upsample_halfway(ab: Tensor, lightness: Tensor) -> Tensor:
    """Do what `guided_upsample` does, to half the photo's size; the rest is bilinear.

    Colour at half the size is what JPEG keeps of most photos: the eye does not see more. The
    result is (N, 2, ceil(H/2), ceil(W/2)), or ``ab`` itself where it is not smaller than that.
    """
    (h, w), (height, width) = ab.shape[-2:], lightness.shape[-2:]
    half = ceil_div(height, 2), ceil_div(width, 2)
    if h * w == 1 or h >= half[0] or w >= half[1]:
        return ab
    guide = F.interpolate(lightness, size=half, mode="bilinear")  # the mean of 2 x 2 pixels
    cells = _shrink(guide, (h, w))
    return _joint_bilateral(_unmix(ab, cells, guide), cells, guide)


def guided_smooth(maps: Tensor, lightness: Tensor, radius: int) -> Tensor:
    """Smooth maps where the lightness is even, and keep them where it is not.

    Parameters
    ----------
    maps : Tensor, shape (N, C, h, w)
    lightness : Tensor, shape (N, 1, H, W)
        L in [0, 100], at any size.
    radius : int
        Of the square windows, in cells of ``maps``; 0 changes nothing.

    Returns
    -------
    Tensor, shape (N, C, h, w)

    Notes
    -----
    In each window the maps are taken to be a linear function of the lightness: He, Sun and Tang,
    Guided image filtering, 2010.
    """
    if radius == 0:
        return maps
    (h, w), (height, width) = maps.shape[-2:], lightness.shape[-2:]
    down, across = _window_means(h, radius).to(maps), _window_means(w, radius).to(maps)

    def mean(values: Tensor) -> Tensor:
        return down @ (values @ across.T)

    # What `_shrink` does, in a way that an exported network can follow.
    guide = _cell_means(height, h).to(maps) @ lightness @ _cell_means(width, w).to(maps).T
    mean_guide = mean(guide)
    variance = mean(guide.square()) - mean_guide.square()
    smoothed = []
    for part in maps.contiguous().split(MAPS_AT_ONCE, dim=1):
        mean_part = mean(part)
        slope = (mean(guide * part) - mean_guide * mean_part) / (variance + DETAIL_SIGMA**2)
        smoothed.append(mean(slope) * guide + mean(mean_part - slope * mean_guide))
    return torch.cat(smoothed, dim=1)


def _window_means(length: int, radius: int) -> Tensor:
    """Make the matrix (length, length) that averages a line over windows, cut off at its ends."""
    place = torch.arange(length)
    return _means(place - radius, place + radius + 1, length)


def _cell_means(length: int, cells: int) -> Tensor:
    """Make the matrix (cells, length) that averages a line over the cells of a smaller grid."""
    cell = torch.arange(cells)
    return _means(cell * length // cells, ceil_div((cell + 1) * length, cells), length)


def _means(first: Tensor, end: Tensor, length: int) -> Tensor:
    """Make the matrix (N, length) that averages the places from each of N first ones to its end."""
    place = torch.arange(length)
    inside = ((first[:, None] <= place) & (place < end[:, None])).float()
    return inside / inside.sum(dim=1, keepdim=True)


def enlarge_rows(maps: Tensor, height: int, width: int, top: int, bottom: int) -> Tensor:
    """Enlarge (N, C, h, w) to H x W bilinearly; returns its rows from top to bottom alone."""
    above, below, share = (
        each[top:bottom] for each in _nearest_two(height, maps.shape[-2], maps.device)
    )
    upper, lower = maps.index_select(2, above), maps.index_select(2, below)
    rows = torch.lerp(upper, lower, share[:, None])  # (N, C, rows, w)
    return F.interpolate(rows, size=(bottom - top, width), mode="bilinear")


def _shrink(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Average (N, C, H, W) over the cells of a smaller grid."""
    return F.interpolate(maps, size=size, mode="area")


def _unmix(ab: Tensor, cells: Tensor, guide: Tensor) -> Tensor:
    """Take out of each cell what it has from beyond an edge that runs through it.

    What is enlarged should, averaged over a cell, give the cell's own ab; it is corrected by what
    is missing (Irani and Peleg 1991), but not beyond the colours of the cells around, and only
    where the lightness varies within the cell.
    """
    h, w = ab.shape[-2:]
    # Four pixels a cell are enough to see an edge in it.
    guide = _shrink(guide, (min(4 * h, guide.shape[-2]), min(4 * w, guide.shape[-1])))
    variance = (_shrink(guide.square(), (h, w)) - cells.square()).clamp(min=0)
    mixed = variance / (variance + MIXED_SIGMA**2)  # 0 in an even cell, near 1 on a strong edge
    lowest, highest = -F.max_pool2d(-ab, 3, 1, padding=1), F.max_pool2d(ab, 3, 1, padding=1)
    pure = ab
    for _ in range(UNMIXING_STEPS):
        missing = ab - _shrink(_joint_bilateral(pure, cells, guide), (h, w))
        pure = (pure + mixed * missing).clamp(lowest, highest)
    return pure


def _joint_bilateral(ab: Tensor, cells: Tensor, guide: Tensor) -> Tensor:
    """Average the four nearest cells of each pixel, by nearness in place and in lightness.

    ab (N, 2, h, w) becomes (N, 2, H, W); the lightness of cells is (N, 1, h, w), that of pixels,
    the guide, (N, 1, H, W).
    """
    height, width = guide.shape[-2:]
    above, below, down = _nearest_two(height, ab.shape[-2], guide.device)
    left, right, across = _nearest_two(width, ab.shape[-1], guide.device)
    maps = torch.cat([cells, ab], dim=1)  # (N, 3, h, w)
    sides = (maps[..., left], 1 - across), (maps[..., right], across)  # (N, 3, h, W)

    result = ab.new_empty(len(ab), 2, height, width)
    step = max(1, PIXELS_PER_STRIP // width)
    for top in range(0, height, step):
        rows = slice(top, top + step)
        total, weights = torch.zeros_like(result[:, :, rows]), torch.zeros_like(guide[:, :, rows])
        for cell_rows, weight_y in ((above[rows], 1 - down[rows]), (below[rows], down[rows])):
            for side, weight_x in sides:
                near = side.index_select(2, cell_rows)  # (N, 3, rows, W)
                unlike = guide[:, :, rows] - near[:, :1]
                # exp2, since it takes half the time of exp
                weight = unlike.square_().mul_(-0.5 / (GUIDE_SIGMA**2 * math.log(2))).exp2_()
                weight.add_(WEIGHT_FLOOR).mul_(weight_y[:, None]).mul_(weight_x)
                total.addcmul_(weight, near[:, 1:])
                weights += weight
        torch.div(total, weights, out=result[:, :, rows])
    return result


def _nearest_two(pixels: int, cells: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Find the two cells nearest to each pixel of a line, and the share of the second in [0, 1]."""
    place = (torch.arange(pixels, device=device) + 0.5) * cells / pixels - 0.5
    place = place.clamp(0, cells - 1)
    first = place.floor().long()
    return first, (first + 1).clamp(max=cells - 1), place - first
