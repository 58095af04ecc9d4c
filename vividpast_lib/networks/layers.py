"""Layers and sizes that several networks share."""

import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor, nn

from ..color.upsampling import ceil_div


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: the output has ceil(size / stride) pixels.

    An odd number of rows or columns has the additional one below or at the right. PyTorch's own
    ``padding="same"`` refuses strides.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, D, ceil(H / stride), ceil(W / stride))."""
        pads: list[int] = []
        for axis in (1, 0):  # F.pad starts at the last dimension
            size, kernel, stride = x.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            total = max((ceil_div(size, stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def pad_to_multiple(lightness: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (N, C, H, W) until ``multiple`` divides H and W."""
    height, width = lightness.shape[-2:]
    right, below = (ceil_div(side, multiple) * multiple - side for side in (width, height))
    return F.pad(lightness, (0, right, 0, below), mode="replicate")
