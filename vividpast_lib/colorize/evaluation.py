"""Judging a model on photos that it never saw: figures a photo, and means with intervals."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..color.gamut import fit_to_srgb
from ..color.metrics import ab_l1, colorfulness, psnr, ssim
from ..color.upsampling import guided_upsample
from ..networks.segmenter_evaluation import count_classes
from ..networks.segmenters import Segmenter
from ..photos.photo_set import PhotoSet
from ..runtime.errors import VividPastError
from ..runtime.files import write_csv
from .colorizer import Colorizer

#: The figures of a colorizer, in the order they are printed.
METRICS = ("ab_l1", "psnr", "ssim", "colorfulness")
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
        ``true``; the figures are those in `METRICS`.
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
    return {name: value.item() for name, value in zip(METRICS, values, strict=True)}


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
            for figure in METRICS
        }
        for key in scores[0].figures
    }
    return {"set": title, "split": split, "photos": len(scores), "figures": figures}


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
        for figure, places in zip(METRICS, digits, strict=True):
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
    rows: list[list[object]] = [["photo", "classes", *METRICS, "grey_ab_l1"]]
    for score in scores:
        values = [*score.figures[model].values(), score.figures["grey"]["ab_l1"]]
        rows.append([score.photo, score.classes, *values])
    write_csv(path, rows)
