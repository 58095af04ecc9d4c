"""The colorizing networks: scaled lightness in, scaled ab out. They know no files, no Lab units.

``lightness`` is (N, 1, H, W), ``ab`` is (N, 2, H, W) or smaller, both scaled as `lab.Scaling` says.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor, nn

from .ab_bins import bin_centers
from .semantics import ceil_div, efficientnet_lite0


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: the output has ceil(size / stride) pixels.

    What can't be padded evenly gets the odd row below and the odd column at the right, as in
    the framework of 2018. PyTorch's own ``padding="same"`` refuses strides.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, D, ceil(H / stride), ceil(W / stride))."""
        pads: list[int] = []
        for axis in (1, 0):  # F.pad starts at the last dimension
            size, kernel, stride = x.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            total = max((ceil_div(size, stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


class Encoder2018(nn.Sequential):
    """The 2018 encoder: lightness (N, 1, H, W) -> features (N, 128, H/8, W/8)."""

    def __init__(self) -> None:
        super().__init__(
            *(SameConv2d(1, 32, 3, stride=2), nn.ReLU()),  # 1/1 => 1/2
            *(SameConv2d(32, 32, 2), nn.ReLU()),
            *(SameConv2d(32, 64, 3, stride=2), nn.ReLU()),  # 1/2 => 1/4
            *(SameConv2d(64, 64, 2), nn.ReLU()),
            *(SameConv2d(64, 128, 3, stride=2), nn.ReLU()),  # 1/4 => 1/8
        )


class Decoder2018(nn.Sequential):
    """The 2018 decoder: features (N, channels, H/8, W/8) -> ab (N, 2, H, W)."""

    def __init__(self, channels: int = 128) -> None:
        super().__init__(
            *(nn.Upsample(scale_factor=2), SameConv2d(channels, 128, 3), nn.ReLU()),  # => 1/4
            *(nn.Upsample(scale_factor=2), SameConv2d(128, 64, 3), nn.ReLU()),  # => 1/2
            *(nn.Upsample(scale_factor=2), SameConv2d(64, 2, 1), nn.Tanh()),  # => 1/1
        )


def pad_to_multiple(lightness: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (N, C, H, W) until ``multiple`` divides H and W."""
    height, width = lightness.shape[-2:]
    right, below = (ceil_div(side, multiple) * multiple - side for side in (width, height))
    return F.pad(lightness, (0, right, 0, below), mode="replicate")


class ColorAutoencoder(nn.Module):
    """The 2018 baseline, without semantics: encoder and decoder, 334,754 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder2018()
        self.decoder = Decoder2018()

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict colour.

        Parameters
        ----------
        lightness : Tensor, shape (N, 1, H, W)
            Scaled lightness; any H and W from 1 on.

        Returns
        -------
        Tensor, shape (N, 2, H, W)
            Scaled ab in [-1, 1].
        """
        height, width = lightness.shape[-2:]
        padded = pad_to_multiple(lightness, 8)
        features = self.encoder(padded)  # (N, 128, H/8, W/8)
        ab = self.decoder(features)  # (N, 2, H, W), padded
        return ab[..., :height, :width]


class FusionColorizer(nn.Module):
    """The 2018 fusion network: class maps joined to the autoencoder's features, 381,296 parameters.

    What is concatenated, logits or probabilities or a one-hot map, is up to the caller: see
    `semantics.ClassMaps`.

    Parameters
    ----------
    classes : int
        Channels of the class maps; 21 for the classes of PASCAL VOC.
    """

    def __init__(self, classes: int = 21) -> None:
        super().__init__()
        channels = 128 + classes  # 149
        self.encoder = Encoder2018()
        self.fusion = nn.Sequential(SameConv2d(channels, channels, 1), nn.ReLU())
        self.decoder = Decoder2018(channels)

    def forward(self, lightness: Tensor, class_maps: Tensor) -> Tensor:
        """Predict colour.

        Parameters
        ----------
        lightness : Tensor, shape (N, 1, H, W)
            Scaled lightness; any H and W from 1 on.
        class_maps : Tensor, shape (N, 21, ceil(H/8), ceil(W/8))
            One channel a class.

        Returns
        -------
        Tensor, shape (N, 2, H, W)
            Scaled ab in [-1, 1].
        """
        height, width = lightness.shape[-2:]
        padded = pad_to_multiple(lightness, 8)
        features = self.encoder(padded)  # (N, 128, H/8, W/8)
        joined = torch.cat([features, class_maps.to(features)], dim=1)  # (N, 149, H/8, W/8)
        ab = self.decoder(self.fusion(joined))  # (N, 2, H, W), padded
        return ab[..., :height, :width]


class PyramidEncoder(nn.Module):
    """EfficientNet-Lite0: lightness (N, 1, H, W) -> features at strides 4, 8, 16 and 32.

    In training its first layers, up to stride 8, stay as they are, and so do the statistics of
    its batch norm; the rest is tuned to what colours need.
    """

    channels = (24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        self.backbone = efficientnet_lite0((4, 8, 16, 32))
        first_layers = ("conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.2")
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(not name.startswith(first_layers))

    def forward(self, lightness: Tensor) -> list[Tensor]:
        """Compute the feature pyramid of scaled lightness; 32 divides H and W."""
        # On a CPU its depthwise convolutions are slower in bfloat16.
        reduced = lightness.device.type != "cpu" and torch.is_autocast_enabled("cuda")
        with torch.autocast(lightness.device.type, torch.bfloat16, enabled=reduced):
            grey = lightness.expand(-1, 3, -1, -1)
            return self.backbone(grey.contiguous(memory_format=torch.channels_last))

    def train(self, mode: bool = True) -> "PyramidEncoder":
        """Stay in evaluation mode, so that batch norm keeps its statistics."""
        return super().train(False)


class GatedFusion(nn.Module):
    """Joins coarse features with the finer ones of the next scale, as far as a gate lets them in.

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


class PyramidColorizer(nn.Module):
    """The project's colorizer: deep semantic features fused at four scales, two heads.

    ``bins`` predicts a distribution over bins of ab, from which `ab_bins.Reading` reads faithful
    or vivid colours. ``ab`` predicts one colour by the L1, as the other networks do, and helps in
    training. Both are at a quarter of the size.
    """

    #: Sides that this divides need no padding.
    multiple = 32
    #: Larger photos are also seen closer up, at up to so many times the size of the training.
    zoom = 2

    def __init__(self) -> None:
        super().__init__()
        self.encoder = PyramidEncoder()
        fine, mid, coarse, coarsest = self.encoder.channels
        self.context = nn.Sequential(nn.Conv2d(coarsest, 256, 1), nn.ReLU())  # 1/32
        self.fusion16 = GatedFusion(256, coarse, 224)  # 1/32 => 1/16
        self.fusion8 = GatedFusion(224, mid, 160)  # 1/16 => 1/8
        self.fusion4 = GatedFusion(160, fine, 128)  # 1/8 => 1/4
        self.ab = nn.Conv2d(128, 2, 1)
        nn.init.zeros_(self.ab.weight)  # grey at first
        self.bins = nn.Conv2d(128, len(bin_centers()), 1)
        #: How often each bin occurs in the training photos.
        self.bin_shares: Tensor
        self.register_buffer(
            "bin_shares", torch.full((len(bin_centers()),), 1 / len(bin_centers()))
        )

    def features(self, lightness: Tensor) -> Tensor:
        """Fuse the pyramid of scaled lightness (N, 1, H, W) to features (N, 128, H/4, W/4)."""
        height, width = lightness.shape[-2:]
        at4, at8, at16, at32 = self.encoder(pad_to_multiple(lightness, self.multiple))
        fused = self.fusion16(self.context(at32), at16)
        fused = self.fusion4(self.fusion8(fused, at8), at4)
        return fused[..., : ceil_div(height, 4), : ceil_div(width, 4)]

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict one colour, by the head trained with the L1.

        Parameters
        ----------
        lightness : Tensor, shape (N, 1, H, W)
            Scaled lightness; any H and W from 1 on.

        Returns
        -------
        Tensor, shape (N, 2, ceil(H/4), ceil(W/4))
            Scaled ab.
        """
        return self.ab(self.features(lightness))

    def distribution(self, lightness: Tensor) -> Tensor:
        """Predict logits (N, Q, H/4, W/4) over the bins of ab, from scaled lightness."""
        return self.bins(self.features(lightness))


class ConstantColorizer(nn.Module):
    """A trivial colorizer: the same ab everywhere, whatever the photo.

    With ab = (0, 0) it is ``grey``, with the mean of the training photos ``mean colour``. A
    network that does not beat both has learned nothing.
    """

    def __init__(self, ab: tuple[float, float] = (0.0, 0.0)) -> None:
        super().__init__()
        self.register_buffer("ab", torch.tensor(ab))

    def forward(self, lightness: Tensor) -> Tensor:
        """Answer (N, 2, H, W) for lightness (N, 1, H, W), in the units that ``ab`` came in."""
        n, _, height, width = lightness.shape
        return self.get_buffer("ab").to(lightness).view(1, 2, 1, 1).expand(n, 2, height, width)


#: The colorizing networks that can be trained and shipped, by name.
NETWORKS: dict[str, type[nn.Module]] = {
    "autoencoder": ColorAutoencoder,
    "fusion2018": FusionColorizer,
    "pyramid": PyramidColorizer,
}
#: Those whose ``forward`` takes class maps besides the lightness.
WITH_CLASS_MAPS = {"fusion2018"}
