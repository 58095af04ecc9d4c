"""The default network: deep features of the lightness, fused at four scales."""

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor, nn

from ..color.ab_bins import bin_centers
from ..color.upsampling import ceil_div
from .color_network import ColorNetwork
from .efficientnet import EfficientNetLite, load_imagenet
from .layers import pad_to_multiple


class PyramidEncoder(nn.Module):
    """EfficientNet-Lite: lightness (N, 1, H, W) -> features at strides 4, 8, 16 and 32.

    In training, the layers up to stride 8 and the statistics of batch norm stay frozen; the rest
    is fine-tuned.
    """

    def __init__(self, variant: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite(variant, (4, 8, 16, 32))
        first_layers = ("conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.2")
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(not name.startswith(first_layers))

    def forward(self, lightness: Tensor) -> list[Tensor]:
        """Compute the feature pyramid of scaled lightness; 32 divides H and W."""
        # On a CPU, depthwise convolutions are slower in bfloat16.
        reduced = lightness.device.type != "cpu" and torch.is_autocast_enabled("cuda")
        with torch.autocast(lightness.device.type, torch.bfloat16, enabled=reduced):
            grey = lightness.expand(-1, 3, -1, -1)
            return self.backbone(grey.contiguous(memory_format=torch.channels_last))

    def train(self, mode: bool = True) -> "PyramidEncoder":
        """Stay in evaluation mode, so that batch norm keeps its statistics."""
        return super().train(False)


class GatedFusion(nn.Module):
    """Joins coarse features with the finer ones of the next scale, weighted by a learned gate.

    Parameters
    ----------
    coarse, fine, out : int
        Channels of the features at half the scale, of those at this scale, and of the result.
    """

    def __init__(self, coarse: int, fine: int, out: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(fine, out, 1)
        self.gate = nn.Conv2d(coarse + fine, out, 1)
        self.join = nn.Sequential(
            nn.Conv2d(coarse + out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Join (N, coarse, H/2, W/2) and (N, fine, H, W) to (N, out, H, W)."""
        coarse = F.interpolate(coarse, scale_factor=2.0, mode="bilinear")
        fine = fine.to(coarse.dtype)
        admitted = self.gate(torch.cat([coarse, fine], dim=1)).sigmoid() * self.project(fine)
        return self.join(torch.cat([coarse, admitted], dim=1))


class PyramidColorizer(ColorNetwork):
    """The project's colorizer: deep semantic features fused at four scales, two heads.

    ``bins`` predicts a distribution over bins of ab, from which a `ColorDecoder` takes faithful
    or vivid colours. ``ab`` predicts one colour by the L1, as the other networks do, and helps in
    training. Both answer at a quarter of the size: (N, 2 or Q, ceil(H/4), ceil(W/4)).

    Parameters
    ----------
    variant : int
        Of the encoder: 0, 1 or 2, for EfficientNet-Lite0, -Lite1 or -Lite2.
    """

    multiple = 32
    zoom = 2
    enlargement = 1.25  # as in the last epochs of the weights that ship: 160 px of photos of 128
    predicts_bins = True

    def __init__(self, variant: int = 2) -> None:
        super().__init__()
        self.encoder = PyramidEncoder(variant)
        fine, mid, coarse, coarsest = self.encoder.backbone.channels
        self.context = nn.Sequential(nn.Conv2d(coarsest, 256, 1), nn.ReLU())  # 1/32
        self.fusion16 = GatedFusion(256, coarse, 224)  # 1/32 => 1/16
        self.fusion8 = GatedFusion(224, mid, 160)  # 1/16 => 1/8
        self.fusion4 = GatedFusion(160, fine, 128)  # 1/8 => 1/4
        self.ab = nn.Conv2d(128, 2, 1)
        nn.init.zeros_(self.ab.weight)  # grey at first
        self.bins = nn.Conv2d(128, len(bin_centers()), 1)

    def load_pretrained(self) -> None:
        """Load the encoder's weights trained on ImageNet."""
        load_imagenet(self.encoder.backbone)

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """List the weights of the encoder."""
        return list(self.encoder.parameters())

    def features(self, lightness: Tensor) -> Tensor:
        """Fuse the pyramid of scaled lightness (N, 1, H, W) to features (N, 128, H/4, W/4)."""
        height, width = lightness.shape[-2:]
        at4, at8, at16, at32 = self.encoder(pad_to_multiple(lightness, self.multiple))
        fused = self.fusion16(self.context(at32), at16)
        fused = self.fusion4(self.fusion8(fused, at8), at4)
        return fused[..., : ceil_div(height, 4), : ceil_div(width, 4)]
