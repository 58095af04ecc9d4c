"""A segmenter measured: against class maps, and which of its classes have colours of their own."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from ..color.lab import lab_to_rgb
from ..color.metrics import class_iou
from ..photos.loader import crop_batches
from ..photos.photo_set import PhotoSet
from .segmenters import Segmenter
from .voc import VOC_CLASSES


def count_classes(segmenter: Segmenter, lightness: Tensor) -> int:
    """Count the classes in at least 1 % of a photo (1, 1, H, W), background included."""
    class_map = segmenter(lightness.to(segmenter.device)).logits.argmax(dim=1)  # (1, H/8, W/8)
    counts = torch.bincount(class_map.flatten(), minlength=len(VOC_CLASSES))
    return int((counts >= 0.01 * counts.sum()).sum())


def segmenter_report(segmenter: Segmenter, photos: PhotoSet) -> dict[str, Any]:
    """Measure a segmenter against a set's class maps, ready for JSON."""
    iou = segmenter_iou(segmenter, photos)
    return {
        "set": photos.title,
        "photos": len(photos),
        "mean_iou": {key: each.nanmean().item() for key, each in iou.items()},
        "iou": {
            name: {key: each[index].item() for key, each in iou.items()}
            for index, name in enumerate(VOC_CLASSES)
        },
    }


def segmenter_table(report: dict[str, Any]) -> str:
    """Lay out as text what `segmenter_report` returns."""
    lines = [f"{report['photos']:,} photos of {report['set']}: IoU with its class maps"]
    lines += [f"{'':14}  seen grey  in colour"]
    for name, iou in {"mean": report["mean_iou"], **report["iou"]}.items():
        lines.append(f"{name:14}  {iou['grey']:9.3f}  {iou['colour']:9.3f}")
    return "\n".join(lines)


@torch.inference_mode()
def segmenter_iou(segmenter: Segmenter, photos: PhotoSet, size: int = 128) -> dict[str, Tensor]:
    """Compare a segmenter with the class maps of a set, on middle crops of ``size`` pixels.

    Returns
    -------
    dict of Tensor, shape (21,)
        Intersection over union of each class, seeing the photos in ``grey`` and in ``colour``.
    """
    iou = {key: class_iou(len(VOC_CLASSES)).to(segmenter.device) for key in ("grey", "colour")}
    for crops in crop_batches(photos, size):
        assert crops.class_maps is not None
        lab = photos.to_lab(crops.values.to(segmenter.device))
        outputs = {"grey": segmenter(lab[:, :1]), "colour": segmenter.segment(lab_to_rgb(lab))}
        true = crops.class_maps.to(segmenter.device).long()  # (N, 64, 64)
        for key, output in outputs.items():
            logits = F.interpolate(output.logits, size=true.shape[-2:], mode="bilinear")
            iou[key].update(logits.argmax(dim=1), true)
    return {key: each.compute().cpu() for key, each in iou.items()}


@dataclass(frozen=True)
class ClassColor:
    """The colours of a class's pixels in a set of photos.

    Parameters
    ----------
    name : str
        The class.
    share : float
        Of all pixels.
    a, b, std : float
        Mean and standard deviation (root mean squared distance from the mean), in Lab units.
    """

    name: str
    share: float
    a: float
    b: float
    std: float


@torch.inference_mode()
def class_colors(
    segmenter: Segmenter, photos: PhotoSet, size: int = 128
) -> tuple[list[ClassColor], float]:
    """Measure which classes carry colour: the variance of ab within classes and between them.

    Parameters
    ----------
    segmenter : Segmenter
        Finds the classes, from lightness alone.
    photos : PhotoSet
        Colour photos.
    size : int
        Side of their middle crops, in pixels.

    Returns
    -------
    colors : list of ClassColor
        Of the classes that occur.
    explained : float
        Share of the variance of ab that lies between the classes: 0 if each class has all
        colours, 1 if each has a colour of its own.
    """
    sums = torch.zeros(len(VOC_CLASSES), 4, dtype=torch.float64)  # pixels, a, b, a^2 + b^2
    for crops in crop_batches(photos, size):
        lab = photos.to_lab(crops.values.to(segmenter.device))
        logits = segmenter(lab[:, :1]).logits
        class_map = F.interpolate(logits, size=(size, size), mode="bilinear").argmax(dim=1)
        ab = lab[:, 1:]
        squared = ab.square().sum(dim=1, keepdim=True)
        pixels = torch.cat([torch.ones_like(squared), ab, squared], dim=1)  # (N, 4, H, W)
        values = pixels.movedim(1, -1).reshape(-1, 4).cpu().double()
        sums.index_add_(0, class_map.flatten().cpu(), values)
    counts, means = sums[:, 0], sums[:, 1:3] / sums[:, :1]
    within = sums[:, 3] / counts - means.square().sum(dim=1)  # variance, (21,)
    total = sums.sum(dim=0)
    overall = total[1:3] / total[0]
    variance = total[3] / total[0] - overall.square().sum()
    shares = counts / total[0]
    deviations = within.clamp(min=0).sqrt()
    table = torch.stack([shares, *means.T, deviations], dim=1).tolist()
    occurs = counts > 0
    explained = 1 - (shares[occurs] * within[occurs]).sum() / variance
    colors = [ClassColor(VOC_CLASSES[index], *table[index]) for index in occurs.nonzero().flatten()]
    return colors, float(explained)
