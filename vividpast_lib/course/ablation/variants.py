"""The variants of the study: networks of one size that differ in what they are given of semantics.

A `Variant` says what its network is given besides the lightness, and how the two are fused.
`study` trains them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor, nn

from ...networks.colornet_2018 import Decoder2018, Encoder2018
from ...networks.layers import SameConv2d
from ...networks.segmenters import EfficientNetSegmenter
from ...networks.voc import VOC_CLASSES

CHANNEL_DROPOUT, BRANCH_DROPOUT = 0.2, 0.25


@dataclass(frozen=True)
class Variant:
    """One network of the study.

    Parameters
    ----------
    name : str
        As on the command line, and in the names of runs.
    step : str
        Its place on the ladder, 0 to 6, or "control".
    description : str
        A few words on it.
    semantic_input : {"", "logits", "one-hot", "probabilities", "features"}
        What the network is given besides the lightness: nothing, class maps so encoded
        (`class_maps.encode`), or deep features of the segmenter's backbone.
    source : {"own", "shuffled", "constant", "teacher"}
        Whose: the photo's own; those of another photo; their mean over all training photos and
        pixels, for each photo; or a teacher's class maps of the colour photo.
    scales : tuple of int
        Which of the feature pyramid's three scales.
    regularized : bool
        With dropout of channels and of the whole semantic branch, and with augmentation.
    """

    name: str
    step: str
    description: str
    semantic_input: str = ""
    source: str = "own"
    scales: tuple[int, ...] = ()
    regularized: bool = False


#: The ladder and its controls, by name.
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("none", "0", "no semantics"),
        Variant("logits", "1", "scaled logits, concatenated, as in 2018", "logits"),
        Variant("one-hot", "2", "one-hot class maps, concatenated", "one-hot"),
        Variant("probabilities", "3", "probabilities, concatenated", "probabilities"),
        Variant("gated", "4", "deep features at 1/16, gated", "features", scales=(1,)),
        Variant("scales", "5", "deep features at 1/8, 1/16, 1/32, gated", "features",
            scales=(0, 1, 2)),
        Variant("dropout", "6", "as scales, with dropout and augmentation", "features",
            scales=(0, 1, 2), regularized=True),
        Variant("shuffled", "control", "logits of another photo", "logits", "shuffled"),
        Variant("constant", "control", "the same logits for each photo", "logits", "constant"),
        Variant("teacher", "control", "one-hot maps of the teacher", "one-hot", "teacher"),
        Variant("shuffled-scales", "control", "deep features of another photo", "features",
            "shuffled", (0, 1, 2)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How one set of runs is trained, all variants alike.

    Parameters
    ----------
    photos : int
        Training photos, evenly spaced in the set.
    epochs, passes : int
        How many epochs, and how often each goes through the photos.
    """

    photos: int
    epochs: int
    passes: int


#: The runs of lesson 06, by number of photos: few and often, or eight times as many.
PLANS = {plan.photos: plan for plan in (Plan(500, 6, 4), Plan(4000, 8, 1))}
#: Seeds that each variant is trained with.
SEEDS = (0, 1, 2)


class ConcatFusion(nn.Module):
    """Put class maps beside the features and mix them by a 1 x 1 convolution, as in 2018."""

    def __init__(self, classes: int, out: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(SameConv2d(128 + classes, out, 1), nn.ReLU())

    def forward(self, features: Tensor, *class_maps: Tensor) -> Tensor:
        """Fuse features (N, 128, h, w) and class maps (N, 21, h, w) to (N, out, h, w)."""
        return self.mix(torch.cat([features, *class_maps], dim=1))


class GatedFusion(nn.Module):
    """Add deep features to the encoder's, weighted pixel by pixel by a gate.

    What is added starts at zero, so that at first the network answers as without semantics
    (as ControlNet does, 2023), and the semantics come in as far as they lower the loss.

    Parameters
    ----------
    channels : sequence of int
        Of each scale of the deep features.
    width : int
        Channels that each scale is projected to.
    out : int
        Channels of the result.
    regularized : bool
        In training, drop a fifth of the deep channels, and for a quarter of the photos all.
    """

    def __init__(self, channels: Sequence[int], width: int, out: int, regularized: bool) -> None:
        super().__init__()
        self.regularized = regularized
        self.bring = nn.ModuleList(nn.Conv2d(each, width, 1) for each in channels)
        self.gate = nn.Conv2d(128 + width, 128, 1)
        self.add = nn.Conv2d(width, 128, 1)
        nn.init.zeros_(self.add.weight)
        nn.init.zeros_(self.add.bias)  # type: ignore[arg-type] # it has one
        self.mix = nn.Sequential(SameConv2d(128, out, 1), nn.ReLU())

    def forward(self, features: Tensor, *pyramid: Tensor) -> Tensor:
        """Fuse features (N, 128, h, w) and deep features of any size to (N, out, h, w)."""
        size = features.shape[-2:]
        kept: Tensor | float = 1.0
        if self.training and self.regularized:
            pyramid = tuple(F.dropout2d(each, CHANNEL_DROPOUT) for each in pyramid)
            photos = torch.rand(len(features), 1, 1, 1, device=features.device)
            kept = (photos >= BRANCH_DROPOUT).to(features.dtype)
        brought = [
            F.interpolate(bring(each), size=size, mode="bilinear")  # 1/16, 1/32 => 1/8
            for bring, each in zip(self.bring, pyramid, strict=True)
        ]
        deep = torch.stack(brought).sum(dim=0).relu()  # (N, width, h, w)
        gate = self.gate(torch.cat([features, deep], dim=1)).sigmoid()
        return self.mix(features + kept * gate * self.add(deep))


class StudyNetwork(nn.Module):
    """Encoder and decoder of 2018, and between them the fusion of a variant.

    Widths are chosen so that each has within 0.2 % of the 381,296 parameters of 2018: without
    semantics, what the class maps took goes to the 1 x 1 convolution and the decoder.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.encoder = Encoder2018()
        self.fusion: ConcatFusion | GatedFusion
        if variant.semantic_input == "features":
            channels = [EfficientNetSegmenter.channels[scale] for scale in variant.scales]
            width, out = {1: (64, 120), 3: (32, 120)}[len(channels)]
            self.fusion = GatedFusion(channels, width, out, variant.regularized)
        else:
            classes, out = (len(VOC_CLASSES), 149) if variant.semantic_input else (0, 152)
            self.fusion = ConcatFusion(classes, out)
        self.decoder = Decoder2018(out)

    def forward(self, lightness: Tensor, *semantics: Tensor) -> Tensor:
        """Predict scaled ab (N, 2, H, W) from scaled lightness (N, 1, H, W); 8 divides H and W.

        ``semantics`` are class maps (N, 21, H/8, W/8), or deep features, one tensor a scale.
        """
        features = self.fusion(self.encoder(lightness), *semantics)
        # The last convolution and tanh look at one pixel alone: before the last upsampling they
        # give the same colours as after it, for a quarter of the work.
        *layers, upsample, convolution, tanh = self.decoder
        for layer in (*layers, convolution, tanh, upsample):
            features = layer(features)
        return features
