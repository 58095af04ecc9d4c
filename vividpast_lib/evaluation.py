"""Judging a model on photos that it never saw: figures a photo, and means with intervals."""

import contextlib
import csv
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from .batches import square_batches
from .colorizer import Colorizer
from .errors import VividPastError
from .lab import fit_to_srgb, lab_to_rgb
from .metrics import ab_l1, class_iou, colorfulness, confusion_matrix, psnr, ssim
from .photos import PhotoSet
from .pictures import replacing
from .semantics import VOC_CLASSES, Segmenter
from .upsampling import guided_upsample

#: The figures of a colorizer, in the order they are printed.
FIGURES = ("ab_l1", "psnr", "ssim", "colorfulness")
# A class counts as seen in a photo if it takes this share of it.
SEEN_SHARE = 0.01
SMALLEST_SIDE = 11  # pixels: the window of SSIM


@dataclass(frozen=True)
class PhotoScore:
    """What was measured on one photo.

    Parameters
    ----------
    photo : str
        Its name in the set.
    classes : int
        How many classes `lite` sees in its lightness, background included, each in at least a
        hundredth of the photo.
    figures : dict
        {colorizer: {figure: value}} for ``grey``, ``mean colour``, the colorizers' names and
        ``true``; the figures are those in `FIGURES`.
    """

    photo: str
    classes: int
    figures: dict[str, dict[str, float]]


def score_photos(
    colorizers: Sequence[Colorizer], photos: PhotoSet, segmenter: Segmenter
) -> Iterator[PhotoScore]:
    """Colorize each photo from its lightness, at its own size, and compare with its true colours.

    Parameters
    ----------
    colorizers : sequence of Colorizer
        The models; the last one's training photos' mean colour is a trivial colorizer.
    photos : PhotoSet
        Colour photos.
    segmenter : Segmenter
        Counts the classes.

    Yields
    ------
    PhotoScore
        One a photo. What is compared is what `Colorizer` would write, before rounding to 8 bits.

    Warns
    -----
    UserWarning
        Names a photo that can't be read, and goes on without it.
    """
    for index, name in enumerate(photos.names):
        try:
            lab = _read_lab(photos, index)
        except VividPastError as error:
            warnings.warn(f"{error} Skipped.", stacklevel=2)
            continue
        true_ab = lab[:, 1:]
        answers = {
            "grey": torch.zeros(1, 2, 1, 1),
            "mean colour": torch.tensor(colorizers[-1].mean_color).view(1, 2, 1, 1),
            **{each.name: each.predict_small(lab[0, 0]) for each in colorizers},  # (1, 2, h, w)
            "true": true_ab,
        }
        figures = {key: _figures(lab, ab) for key, ab in answers.items()}
        yield PhotoScore(name, count_classes(segmenter, lab[:, :1]), figures)


def _read_lab(photos: PhotoSet, index: int) -> Tensor:
    values = torch.from_numpy(np.array(photos.read(index))).permute(2, 0, 1)
    if min(values.shape[1:]) < SMALLEST_SIDE:
        raise VividPastError(f"{photos.names[index]}: is smaller than {SMALLEST_SIDE} pixels.")
    return photos.to_lab(values)[None]  # (1, 3, H, W)


def _figures(true: Tensor, ab: Tensor) -> dict[str, float]:
    large = guided_upsample(ab, true[:, :1])
    lab = torch.cat([true[:, :1], large], dim=1)  # (1, 3, H, W)
    shown = fit_to_srgb(lab[0])[None]
    values = (
        ab_l1(shown[:, 1:], true[:, 1:]),
        psnr(shown, true),
        ssim(shown, true),
        colorfulness(shown),
    )
    return {name: value.item() for name, value in zip(FIGURES, values, strict=True)}


def count_classes(segmenter: Segmenter, lightness: Tensor) -> int:
    """Count the classes seen in one photo, lightness (1, 1, H, W), background included."""
    class_map = segmenter(lightness.to(segmenter.device)).logits.argmax(dim=1)  # (1, H/8, W/8)
    counts = torch.bincount(class_map.flatten(), minlength=len(VOC_CLASSES))
    return int((counts >= SEEN_SHARE * counts.sum()).sum())


INTERVAL = ("mean", "low", "high")


@dataclass(frozen=True)
class Interval:
    """A mean over photos and its bootstrap interval: 95 % of the means of resampled photos."""

    mean: float
    low: float
    high: float


def bootstrap(values: np.ndarray, resamples: int = 2000, seed: int = 0) -> Interval:
    """Estimate how far a mean over photos would move, had others been drawn (Efron 1979).

    Parameters
    ----------
    values : ndarray, shape (N,)
        One value a photo.
    resamples : int
        How often N photos are drawn anew, with replacement.
    seed : int
        Fixes what is drawn.

    Returns
    -------
    Interval
    """
    random = np.random.default_rng(seed)
    count = len(values)
    means = [values[random.integers(count, size=count)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))


Report = dict[str, Any]


def colorizer_report(scores: list[PhotoScore], title: str, split: str) -> Report:
    """Average the scores of photos.

    Parameters
    ----------
    scores : list of PhotoScore
        What `score_photos` yields.
    title, split : str
        Which photos they are of.

    Returns
    -------
    dict
        Ready for JSON: ``photos`` (count), ``set``, ``split``, and ``figures``: {colorizer:
        {figure: {mean, low, high}}}.

    Raises
    ------
    VividPastError
        If there are no scores.
    """
    if not scores:
        raise VividPastError(f"{title}: not one of its photos can be read.")
    figures = {
        key: {
            figure: asdict(bootstrap(np.array([score.figures[key][figure] for score in scores])))
            for figure in FIGURES
        }
        for key in scores[0].figures
    }
    return {"set": title, "split": split, "photos": len(scores), "figures": figures}


def segmenter_report(segmenter: Segmenter, photos: PhotoSet) -> Report:
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


def table(report: Report) -> str:
    """Lay a report out as text."""
    if "iou" in report:
        lines = [f"{report['photos']:,} photos of {report['set']}: IoU with its class maps"]
        lines += [f"{'':14}  seen grey  in colour"]
        for name, iou in {"mean": report["mean_iou"], **report["iou"]}.items():
            lines.append(f"{name:14}  {iou['grey']:9.3f}  {iou['colour']:9.3f}")
        return "\n".join(lines)
    heads = ("ab L1 (Lab units)", "PSNR (dB)", "SSIM", "colorfulness")
    digits = (2, 2, 3, 1)
    width = max(map(len, report["figures"]))
    lines = [
        f"{report['photos']:,} photos of {report['set']} (split: {report['split']}), made grey and "
        "colored at their own size",
        "mean over photos [95 % of 2,000 bootstrap means]",
        " " * width + "".join(f"{head:>22}" for head in heads),
    ]
    for key, figures in report["figures"].items():
        cells = []
        for figure, places in zip(FIGURES, digits, strict=True):
            if key == "true" and figure != "colorfulness":
                cells.append("")  # 0, infinite and 1 by definition
                continue
            mean, low, high = (f"{figures[figure][each]:.{places}f}" for each in INTERVAL)
            cells.append(f"{mean} [{low}, {high}]")
        lines.append(f"{key:{width}}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def write_scores(scores: list[PhotoScore], path: Path) -> None:
    """Write a row a photo: photo, classes, the first model's figures, and grey's ab L1."""
    model = next(name for name in scores[0].figures if name not in ("grey", "mean colour"))
    with _csv(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["photo", "classes", *FIGURES, "grey_ab_l1"])
        for score in scores:
            values = [*score.figures[model].values(), score.figures["grey"]["ab_l1"]]
            writer.writerow([score.photo, score.classes, *(f"{value:.4g}" for value in values)])


@contextlib.contextmanager
def _csv(path: Path) -> Iterator[IO[str]]:
    try:
        with (
            replacing(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            yield file
    except OSError as error:
        raise VividPastError(f"{path}: can't be written ({error.strerror}).") from None


@torch.inference_mode()
def segmenter_iou(segmenter: Segmenter, photos: PhotoSet, size: int = 128) -> dict[str, Tensor]:
    """Compare a segmenter with the class maps of a set, on the middle squares.

    Parameters
    ----------
    segmenter : Segmenter
        What is judged.
    photos : PhotoSet
        What `photos.open_class_maps` opens.
    size : int
        Side of the squares, in pixels.

    Returns
    -------
    dict of Tensor, shape (21,)
        Intersection over union of each class, seeing the photos in ``grey`` and in ``colour``.
    """
    counts = {key: torch.zeros(21, 21, dtype=torch.int64) for key in ("grey", "colour")}
    for squares in square_batches(photos, size):
        assert squares.class_maps is not None
        lab = photos.to_lab(squares.values.to(segmenter.device))
        seen = {"grey": segmenter(lab[:, :1]), "colour": segmenter.see(lab_to_rgb(lab))}
        true = squares.class_maps.to(segmenter.device).long()  # (N, 64, 64)
        for key, semantics in seen.items():
            logits = F.interpolate(semantics.logits, size=true.shape[-2:], mode="bilinear")
            counts[key] += confusion_matrix(logits.argmax(dim=1), true).cpu()
    return {key: class_iou(each) for key, each in counts.items()}


@dataclass(frozen=True)
class ClassColor:
    """The colours of a class's pixels in a set of photos, in Lab units.

    Parameters
    ----------
    name : str
        The class.
    share : float
        Of all pixels.
    a, b : float
        Their mean.
    spread : float
        Their standard deviation: the root of the mean squared distance from that mean.
    """

    name: str
    share: float
    a: float
    b: float
    spread: float


@torch.inference_mode()
def class_colors(
    segmenter: Segmenter, photos: PhotoSet, size: int = 128
) -> tuple[list[ClassColor], float]:
    """Measure which classes carry colour: the spread of ab within classes and between them.

    Parameters
    ----------
    segmenter : Segmenter
        Says what is where, from lightness alone.
    photos : PhotoSet
        Colour photos.
    size : int
        Side of their middle squares, in pixels.

    Returns
    -------
    colors : list of ClassColor
        Of the classes that were seen.
    explained : float
        Share of the variance of ab that lies between the classes: 0 if each class has all
        colours, 1 if each has a colour of its own.
    """
    sums = torch.zeros(len(VOC_CLASSES), 4, dtype=torch.float64)  # pixels, a, b, a^2 + b^2
    for squares in square_batches(photos, size):
        lab = photos.to_lab(squares.values.to(segmenter.device))
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
    seen = counts > 0
    explained = 1 - (shares[seen] * within[seen]).sum() / variance
    colors = [
        ClassColor(
            name,
            float(shares[index]),
            float(means[index, 0]),
            float(means[index, 1]),
            float(within[index].clamp(min=0).sqrt()),
        )
        for index, name in enumerate(VOC_CLASSES)
        if seen[index]
    ]
    return colors, float(explained)


def write_rows(rows: Sequence[Any], path: Path) -> None:
    """Write a row a record, such as `ClassColor`: its name, then figures of four digits.

    Parameters
    ----------
    rows : sequence of dataclass instances
        All of one kind; the first field is a str, the others are floats.
    path : Path
        Where to.

    Raises
    ------
    VividPastError
        If the file can't be written.
    """
    with _csv(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([each.name for each in fields(rows[0])])
        for row in rows:
            name, *values = astuple(row)
            writer.writerow([name, *(f"{value:.4g}" for value in values)])
