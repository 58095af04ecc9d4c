"""A trivial colorizer, which every network must beat."""

import torch
from torch import Tensor

from .color_network import ColorNetwork


class ConstantColorizer(ColorNetwork):
    """A trivial colorizer: the same ab everywhere, whatever the photo.

    With ab = (0, 0) it is ``grey``, with the mean of the training photos ``mean colour``. A
    network that does not beat both has learned nothing.
    """

    def __init__(self, ab: tuple[float, float] = (0.0, 0.0)) -> None:
        super().__init__()
        self.register_buffer("ab", torch.tensor(ab))

    def forward(self, lightness: Tensor) -> Tensor:
        """Return (N, 2, H, W) for lightness (N, 1, H, W), in the units of the parameter ``ab``."""
        n, _, height, width = lightness.shape
        return self.get_buffer("ab").to(lightness).view(1, 2, 1, 1).expand(n, 2, height, width)
