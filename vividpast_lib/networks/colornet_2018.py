"""The networks of 2018: an autoencoder, and its fusion with class maps."""

import torch
from torch import Tensor, nn

from .color_network import ColorNetwork
from .layers import SameConv2d, pad_to_multiple


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


class ColorAutoencoder(ColorNetwork):
    """The 2018 baseline, without semantics: encoder and decoder, 334,754 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder2018()
        self.decoder = Decoder2018()

    def forward(self, lightness: Tensor) -> Tensor:
        """Predict scaled ab (N, 2, H, W) in [-1, 1] from scaled lightness (N, 1, H, W)."""
        height, width = lightness.shape[-2:]
        features = self.encoder(pad_to_multiple(lightness, 8))  # (N, 128, H/8, W/8)
        ab = self.decoder(features)  # (N, 2, H, W), padded
        return ab[..., :height, :width]


class FusionColorizer(ColorNetwork):
    """The 2018 fusion network: class maps joined to the autoencoder's features, 381,296 parameters.

    What is concatenated, logits or probabilities or a one-hot map, is up to the caller: see
    `class_maps.ClassMaps`.

    Parameters
    ----------
    classes : int
        Channels of the class maps; 21 for the classes of PASCAL VOC.
    """

    takes_class_maps = True

    def __init__(self, classes: int = 21) -> None:
        super().__init__()
        channels = 128 + classes  # 149
        self.encoder = Encoder2018()
        self.fusion = nn.Sequential(SameConv2d(channels, channels, 1), nn.ReLU())
        self.decoder = Decoder2018(channels)

    def forward(self, lightness: Tensor, class_maps: Tensor) -> Tensor:  # type: ignore[override]
        """Predict scaled ab (N, 2, H, W) in [-1, 1] from scaled lightness (N, 1, H, W).

        Class maps have the shape (N, 21, ceil(H/8), ceil(W/8)), one channel a class.
        """
        height, width = lightness.shape[-2:]
        features = self.encoder(pad_to_multiple(lightness, 8))  # (N, 128, H/8, W/8)
        joined = torch.cat([features, class_maps.to(features)], dim=1)  # (N, 149, H/8, W/8)
        ab = self.decoder(self.fusion(joined))  # (N, 2, H, W), padded
        return ab[..., :height, :width]
