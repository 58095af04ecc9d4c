"""Whole photos kept in memory, on the device that trains, which cuts crops of them itself.

Nothing is read, decoded or moved anymore, so that a GPU need not wait for a CPU.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .crops import Box
from .photo_set import PhotoSet, Subset


class WholePhotos(Subset):
    """Photos of a set, in one tensor.

    Parameters
    ----------
    whole : PhotoSet
        The set.
    indices : list of int
        Which of its photos these are, N.
    pixels : Tensor, uint8, shape (P, 3)
        Their pixels, row after row and photo after photo, on the device that cuts.
    sizes : ndarray, int64, shape (N, 2)
        Width and height of each photo.
    starts : ndarray, int64, shape (N,)
        Where in ``pixels`` each begins.
    """

    def __init__(
        self,
        whole: PhotoSet,
        indices: list[int],
        pixels: Tensor,
        sizes: np.ndarray,
        starts: np.ndarray,
    ) -> None:
        super().__init__(whole, indices)
        self.pixels, self.sizes, self.starts = pixels, sizes, starts

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Give photo ``index``."""
        width, height = self.sizes[index]
        start = self.starts[index]
        values = self.pixels[start : start + width * height].view(height, width, 3)
        return Image.fromarray(values.cpu().numpy())

    def shorter_side(self, index: int) -> int:
        """Give the shorter side of photo ``index``, in pixels."""
        return int(self.sizes[index].min())

    def subset(self, indices: list[int]) -> "WholePhotos":
        """Keep the photos with these indices, in this order; their pixels are not copied."""
        return WholePhotos(self, indices, self.pixels, self.sizes[indices], self.starts[indices])

    def cut(self, indices: Sequence[int], size: int, crops: Sequence[tuple[Box, bool]]) -> Tensor:
        """Cut crops as `crops.cut_crop` does, all at once.

        Parameters
        ----------
        indices : sequence of int
            Of the photos, N; one may be there several times.
        size : int
            Side of the crops, in pixels.
        crops : sequence of (box, mirrored)
            What `crops.sample_crop` chose in each.

        Returns
        -------
        Tensor, uint8, shape (N, 3, size, size)
            On the device. Of noise they are off Pillow's by up to half a level on the average.
        """
        rows = [
            (top, bottom, height, *((right, left) if mirrored else (left, right)), width)
            for ((left, top, right, bottom), mirrored), (width, height) in zip(
                crops, self.sizes[indices].tolist(), strict=True
            )
        ]
        device = self.pixels.device
        top, bottom, height, left, right, width = (
            torch.tensor(rows).reshape(-1, 6).to(device, non_blocking=True).unbind(1)
        )  # (N,) each
        starts = torch.from_numpy(self.starts[indices]).to(device, non_blocking=True)
        # Pixels of a photo that the widest crop needs, with those that the kernel takes around it.
        widest = max((row[1] - row[0] for row in rows), default=0.0)
        taps = int(widest + 4 * max(widest / size, 1)) + 2
        y, y_weights = _bicubic(top, bottom, height, size, taps)
        x, x_weights = _bicubic(left, right, width, size, taps)
        places = starts[:, None, None] + y[:, :, None] * width.long()[:, None, None] + x[:, None]
        values = self.pixels[places].permute(0, 3, 1, 2).float()  # (N, 3, taps, taps)
        # Across first, and rounded in between, as Pillow does but for some tall photos.
        narrow = (values @ x_weights[:, None].mT).round().clamp(0, 255)  # (N, 3, taps, size)
        return (y_weights[:, None] @ narrow).round().clamp(0, 255).to(torch.uint8)


def _bicubic(
    start: Tensor, end: Tensor, length: Tensor, size: int, taps: int
) -> tuple[Tensor, Tensor]:
    """Compute which pixels along one axis make up a resized crop, and their weights.

    The kernel is Pillow's: Keys' with a = -0.5, stretched where the crop shrinks.

    Parameters
    ----------
    start, end, length : Tensor, shape (N,)
        Where the crop begins and ends, backwards if mirrored, and the photo's length, in pixels.

    Returns
    -------
    places : Tensor, int64, shape (N, taps)
        Pixels of the photo, one after the other.
    weights : Tensor, shape (N, size, taps)
        Of each for each pixel of the crop.
    """
    scale = (end - start) / size
    stretch = scale.abs().clamp(min=1)
    steps = torch.arange(size, device=start.device) + 0.5
    centers = start[:, None] + scale[:, None] * steps  # (N, size)
    first = (torch.minimum(start, end) - 2 * stretch).floor().clamp(min=0)
    places = first[:, None] + torch.arange(taps, device=start.device)  # (N, taps)
    distances = (places[:, None] + 0.5 - centers[:, :, None]).abs() / stretch[:, None, None]
    near = (1.5 * distances - 2.5) * distances.square() + 1
    far = ((2.5 - 0.5 * distances) * distances - 4) * distances + 2
    weights = torch.where(distances < 1, near, torch.where(distances < 2, far, 0))
    weights = weights * (places < length[:, None])[:, None]
    weights = weights / weights.sum(dim=2, keepdim=True)
    return places.clamp(max=length[:, None] - 1).long(), weights
