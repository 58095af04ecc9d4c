"""Colorizers and photos that they never saw in, metrics out: of each photo, and their means."""

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

#: The metrics of a colorizer, in the order they are printed.
METRICS = ("ab_l1", "psnr", "ssim", "colorfulness")
#: Shortest side of a photo that SSIM can measure, in pixels: that of its window.
SMALLEST_SIDE = 11


@dataclass(frozen=True)
class PhotoScore:
    """The metrics of one photo.

    Parameters
    ----------
    photo : str
        Its name in the set.
    classes : int
        Number of classes that the segmenter finds in its lightness, background included, each in
        at least a hundredth of the photo.
    metrics : dict
        {colorizer: {metric: value}} for ``grey``, ``mean colour``, the colorizers' names and
        ``true``; the metrics are those in `METRICS`.
    """

    photo: str
    classes: int
    metrics: dict[str, dict[str, float]]


def score_photos(
    colorizers: Sequence[Colorizer], photos: PhotoSet, segmenter: Segmenter
) -> Iterator[PhotoScore]:
    """Colorize each photo from its lightness, at its own size, and compare with its true colours.

    The mean colour of the last colorizer's training photos is a trivial colorizer; the segmenter
    counts the classes.

    Yields
    ------
    PhotoScore
        One a photo, of what `Colorizer` would write, before rounding to 8 bits.

    Warns
    -----
    UserWarning
        Names a photo that can't be read; the others are measured.
    """
    for index, name in enumerate(photos.names):
        try:
            values = torch.from_numpy(np.array(photos.read(index))).permute(2, 0, 1)
            if min(values.shape[1:]) < SMALLEST_SIDE:
                raise VividPastError(f"{name}: is smaller than {SMALLEST_SIDE} pixels.")
        except VividPastError as error:
            warnings.warn(f"{error} Skipped.", stacklevel=2)
            continue
        lab = photos.to_lab(values)[None]  # (1, 3, H, W)
        answers = {
            "grey": torch.zeros(1, 2, 1, 1),
            "mean colour": torch.tensor(colorizers[-1].mean_color).view(1, 2, 1, 1),
            **{each.name: each.predict_small(lab[0, 0]) for each in colorizers},  # (1, 2, h, w)
            "true": lab[:, 1:],
        }
        metrics = {key: _measure(lab, ab) for key, ab in answers.items()}
        yield PhotoScore(name, count_classes(segmenter, lab[:, :1]), metrics)


def _measure(true: Tensor, ab: Tensor) -> dict[str, float]:
    large = guided_upsample(ab, true[:, :1])
    lab = torch.cat([true[:, :1], large], dim=1)  # (1, 3, H, W)
    shown = fit_to_srgb(lab[0])[None]
    error = ab_l1(shown[:, 1:], true[:, 1:])
    values = error, psnr(shown, true), ssim(shown, true), colorfulness(shown)
    return {name: value.item() for name, value in zip(METRICS, values, strict=True)}


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
    from scipy import stats  # takes a second

    mean = float(values.mean())
    if len(values) == 1:
        return Interval(mean, mean, mean)
    interval = stats.bootstrap(
        (values,), np.mean, n_resamples=resamples, batch=50, method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return Interval(mean, float(interval.low), float(interval.high))


def colorizer_report(scores: list[PhotoScore], title: str, split: str) -> dict[str, Any]:
    """Average the scores of photos, of a split of the set of that title.

    Returns
    -------
    dict
        Ready for JSON: ``photos`` (count), ``set``, ``split``, and ``metrics``: {colorizer:
        {metric: {mean, low, high}}}.

    Raises
    ------
    VividPastError
        If there are no scores.
    """
    if not scores:
        raise VividPastError(f"{title}: not one of its photos can be read.")
    metrics = {
        key: {
            metric: asdict(bootstrap(np.array([score.metrics[key][metric] for score in scores])))
            for metric in METRICS
        }
        for key in scores[0].metrics
    }
    return {"set": title, "split": split, "photos": len(scores), "metrics": metrics}


def colorizer_table(report: dict[str, Any]) -> str:
    """Lay out as text what `colorizer_report` returns."""
    heads = ("ab L1 (Lab units)", "PSNR (dB)", "SSIM", "colorfulness")
    digits = (2, 2, 3, 1)
    width = max(map(len, report["metrics"]))
    lines = [
        f"{report['photos']:,} photos of {report['set']} (split: {report['split']}), made grey and "
        "coloured at their own size",
        "mean over photos [95 % of 2,000 bootstrap means]",
        " " * width + "".join(f"{head:>22}" for head in heads),
    ]
    for key, metrics in report["metrics"].items():
        cells = []
        for metric, places in zip(METRICS, digits, strict=True):
            if key == "true" and metric != "colorfulness":
                cells.append("")  # 0, infinite and 1 by definition
                continue
            mean, low, high = (
                f"{metrics[metric][each]:.{places}f}" for each in ("mean", "low", "high")
            )
            cells.append(f"{mean} [{low}, {high}]")
        lines.append(f"{key:{width}}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def write_scores(scores: list[PhotoScore], path: Path) -> None:
    """Write a row a photo: photo, classes, the first model's metrics, and grey's ab L1."""
    model = next(name for name in scores[0].metrics if name not in ("grey", "mean colour"))
    rows: list[list[object]] = [["photo", "classes", *METRICS, "grey_ab_l1"]]
    for score in scores:
        values = [*score.metrics[model].values(), score.metrics["grey"]["ab_l1"]]
        rows.append([score.photo, score.classes, *values])
    write_csv(path, rows)
