"""What every colorizing network has: scaled lightness in, scaled ab out."""

import torch
from torch import Tensor, nn

from ..color.ab_bins import bin_centers


class ColorNetwork(nn.Module):
    """Base of the colorizing networks: they know no files and no Lab units.

    ``forward`` takes scaled lightness (N, 1, H, W), any H and W from 1 on, and returns scaled ab
    (N, 2, h, w), at the same size or smaller. If ``takes_class_maps``, it also takes these:
    (N, 21, ceil(H/8), ceil(W/8)). If ``predicts_bins``, there are two heads on the same features:
    ``ab``, whose output is what ``forward`` returns, and ``bins``, whose output is the logits of
    a distribution over the `ab_bins.bin_centers`.
    """

    #: Photos are resized so that it divides both sides, which saves padding.
    multiple = 1
    #: Large photos are seen at up to this many times the size of the training crops; at 1, all
    #: photos are seen at that size.
    zoom: float = 1
    #: Photos are seen at this many times their own size, or this many times the size of the
    #: training crops if they are smaller, up to the zoom.
    enlargement: float = 1
    takes_class_maps = False
    predicts_bins = False

    #: Heads, and the share of each bin in the training photos, (Q,); only if ``predicts_bins``.
    ab: nn.Module
    bins: nn.Module
    bin_shares: Tensor

    def __init__(self) -> None:
        super().__init__()
        if self.predicts_bins:
            count = len(bin_centers())
            self.register_buffer("bin_shares", torch.full((count,), 1 / count))

    def load_pretrained(self) -> None:
        """Load weights that were trained on something else; by default there are none."""

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """List the weights that `load_pretrained` loads, which are then tuned more slowly."""
        return []

    def features(self, lightness: Tensor) -> Tensor:
        """Compute what both heads take, (N, C, h, w), from scaled lightness (N, 1, H, W)."""
        raise NotImplementedError

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict scaled ab (N, 2, h, w) from scaled lightness: by default, the head ``ab``."""
        return self.ab(self.features(lightness))

    def distribution(self, lightness: Tensor) -> Tensor:
        """Predict logits (N, Q, h, w) over the bins of ab, from scaled lightness."""
        return self.bins(self.features(lightness))
