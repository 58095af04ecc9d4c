"""Colorizers and photos that they never saw in, metrics out: of each photo, and their means.

`evaluation_tables` prints what `colorizer_report` returns.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..color.ciede2000 import ciede2000
from ..color.gamut import fit_to_srgb
from ..color.lab import lab_to_rgb
from ..color.metrics import ab_l1, blotches, colorfulness, hue_error, psnr, ssim
from ..color.upsampling import guided_upsample
from ..networks.segmenter_evaluation import count_classes
from ..networks.segmenters import Segmenter
from ..photos.photo_set import PhotoSet
from ..runtime.errors import VividPastError
from ..runtime.files import write_csv
from .colorizer import Colorizer

#: The metrics of a colorizer on a photo: units and definitions are in `color.metrics`, that of
#: ``ciede2000`` is the mean over pixels. ``a_bias`` and ``chroma_bias`` are how much redder and
#: how much more colourful it is than the true photo, on average over pixels, in Lab units.
METRICS = (
    "ab_l1", "ciede2000", "psnr", "ssim", "colorfulness", "blotches", "hue_error", "a_bias",
    "chroma_bias",
)  # fmt: skip
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
    features : dict of ndarray, shape (C,)
        {colorizer: features}: what a segmenter's frozen backbone sees in the coloured photo, the
        mean over places.
    group : str
        What the photos are grouped by.
    """

    photo: str
    classes: int
    metrics: dict[str, dict[str, float]]
    features: dict[str, np.ndarray] = field(default_factory=dict)
    group: str = ""


def score_photos(
    colorizers: Sequence[Colorizer],
    photos: PhotoSet,
    segmenter: Segmenter,
    groups: Sequence[str] | None = None,
) -> Iterator[PhotoScore]:
    """Colorize each photo from its lightness, at its own size, and compare with its true colours.

    The mean colour of the last colorizer's training photos is a trivial colorizer; the segmenter
    counts the classes, and its backbone sees the features. ``groups`` has one a photo.

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
        shown = {key: _show(lab[:, :1], ab) for key, ab in answers.items()}
        yield PhotoScore(
            name,
            count_classes(segmenter, lab[:, :1]),
            {key: _measure(lab, each) for key, each in shown.items()},
            {key: _features(segmenter, each) for key, each in shown.items()},
            groups[index] if groups else "",
        )


def _show(lightness: Tensor, ab: Tensor) -> Tensor:
    """Make the coloured photo, Lab (1, 3, H, W), of small ab and the photo's own lightness."""
    large = guided_upsample(ab, lightness)
    return fit_to_srgb(torch.cat([lightness, large], dim=1)[0])[None]


def _measure(true: Tensor, shown: Tensor) -> dict[str, float]:
    ab, true_ab = shown[:, 1:], true[:, 1:]
    return {
        "ab_l1": ab_l1(ab, true_ab).item(),
        "ciede2000": ciede2000(shown, true).mean().item(),
        "psnr": psnr(shown, true).item(),
        "ssim": ssim(shown, true).item(),
        "colorfulness": colorfulness(shown).item(),
        "blotches": blotches(shown),
        "hue_error": hue_error(ab, true_ab).item(),
        "a_bias": (ab - true_ab)[:, 0].mean().item(),
        "chroma_bias": (ab.norm(dim=1) - true_ab.norm(dim=1)).mean().item(),
    }


@torch.inference_mode()
def _features(segmenter: Segmenter, lab: Tensor) -> np.ndarray:
    rgb = lab_to_rgb(lab).clamp(0, 1).to(segmenter.device)
    return segmenter.features(rgb)[-1].mean(dim=(2, 3))[0].double().cpu().numpy()


def frechet_distance(features: np.ndarray, true: np.ndarray) -> float:
    """Compare how features of two sets of photos are distributed, not photo by photo.

    Parameters
    ----------
    features, true : ndarray, shape (N, C)

    Returns
    -------
    float
        Frechet distance of the two Gaussians with their means and covariances; 0 for equal ones.
        It is as the FID, but of other features: not to be compared with a published FID. The
        fewer photos, the larger it comes out, so only figures of the same photos compare.

    References
    ----------
    Heusel et al., GANs trained by a two time-scale update rule, 2017.
    """
    from scipy.linalg import sqrtm  # takes a while to import

    means = features.mean(axis=0) - true.mean(axis=0)
    one, two = (np.cov(each, rowvar=False) for each in (features, true))
    overlap = np.trace(sqrtm(one @ two)).real
    return max(0.0, float(means @ means + np.trace(one) + np.trace(two) - 2 * overlap))


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
        One value a photo; of none, everything is NaN.
    resamples : int
        How often N photos are drawn anew, with replacement.
    seed : int
        Fixes what is drawn.

    Returns
    -------
    Interval
    """
    from scipy import stats  # takes a second

    mean = _mean(values)
    if len(values) <= 1:
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
        Ready for JSON: ``photos`` (count), ``set``, ``split``; ``metrics``: {colorizer: {metric:
        {mean, low, high}}}; ``frechet``: {colorizer: distance}, of at least two photos; and
        ``groups``: {group: {photos, metrics: {colorizer: {metric: mean}}}}.

    Raises
    ------
    VividPastError
        If there are no scores.
    """
    if not scores:
        raise VividPastError(f"{title}: not one of its photos can be read.")
    keys = list(scores[0].metrics)
    report: dict[str, Any] = {"set": title, "split": split, "photos": len(scores)}
    report["metrics"] = {
        key: {metric: asdict(bootstrap(_values(scores, key, metric))) for metric in METRICS}
        for key in keys
    }
    report["frechet"] = {}
    if len(scores) > 1:
        features = {key: np.array([score.features[key] for score in scores]) for key in keys}
        report["frechet"] = {
            key: frechet_distance(each, features["true"]) for key, each in features.items()
        }
    report["groups"] = {}
    for group in sorted({score.group for score in scores}):
        members = [score for score in scores if score.group == group]
        means = {
            key: {metric: _mean(_values(members, key, metric)) for metric in METRICS}
            for key in keys
        }
        report["groups"][group] = {"photos": len(members), "metrics": means}
    return report


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _values(scores: list[PhotoScore], key: str, metric: str) -> np.ndarray:
    """Take a metric of a colorizer from all photos that have it: blotches may be NaN."""
    values = np.array([score.metrics[key][metric] for score in scores])
    return values[~np.isnan(values)]


def write_scores(scores: list[PhotoScore], path: Path) -> None:
    """Write a row a photo: photo, classes, the first model's metrics, and grey's ab L1."""
    model = next(name for name in scores[0].metrics if name not in ("grey", "mean colour"))
    rows: list[list[object]] = [["photo", "classes", *METRICS, "grey_ab_l1"]]
    for score in scores:
        values = [*score.metrics[model].values(), score.metrics["grey"]["ab_l1"]]
        rows.append([score.photo, score.classes, *values])
    write_csv(path, rows)
