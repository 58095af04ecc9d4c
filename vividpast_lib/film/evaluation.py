"""Colour films in, made grey and coloured; measures of how steady and how true they are out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..color.lab import rgb_to_lab
from ..colorize.colorizer import Colorizer
from ..runtime.errors import VividPastError
from ..runtime.files import path_identity
from ..runtime.threads import in_order
from .metrics import color_distribution_consistency, rgb_histograms, warping_error
from .motion import consistent, optical_flow
from .pipeline import predict_colors, worker_pool
from .reading import Frame, probe_film, read_colors, read_frames, to_rgb
from .writing import choose_encoding, make_frame

#: The metrics of a film, in the order they are printed.
FILM_METRICS = ("warping_error", "cdc", "psnr", "chroma")
INDEPENDENT = " --independent-frames"
# Number of frames that CDC needs.
MIN_FRAMES = 5


@dataclass(frozen=True)
class FilmScore:
    """What was measured on one film.

    Parameters
    ----------
    film : Path
    frames : int
    metrics : dict
        {colorizer: {metric: value}} for ``grey``, ``mean colour``, each colorizer's name with and
        without ``--independent-frames``, and ``true``; the metrics are those in `FILM_METRICS`:
        warping error and mean chroma in Lab units, PSNR in dB, the mean over frames.
    """

    film: Path
    frames: int
    metrics: dict[str, dict[str, float]]


def score_film(colorizers: Sequence[Colorizer], path: Path) -> FilmScore:
    """Colorize the luma of a colour film, and compare with the film.

    Parameters
    ----------
    colorizers : sequence of Colorizer
        The models; the last one's training photos' mean colour is a trivial colorizer.
    path : Path

    Returns
    -------
    FilmScore
        Of the frames as they are before they are encoded.

    Raises
    ------
    VividPastError
        If it can't be read, or has fewer than 5 frames.
    """
    info = probe_film(path)
    encoding = choose_encoding(info, Path("film.mp4"))

    def shown(frame: Frame, ab: Tensor) -> np.ndarray:
        planes = encoding.to_planes(frame.luma, info.planes.bits, ab)
        return to_rgb(make_frame(encoding, *planes), encoding.planes)

    def constant(a: float, b: float) -> Iterator[np.ndarray]:
        ab = torch.tensor([float(a), float(b)]).view(1, 2, 1, 1)
        return (shown(frame, ab) for frame in read_frames(info))

    with worker_pool() as pool:

        def colored(colorizer: Colorizer, independent: bool) -> Iterator[np.ndarray]:
            maps = predict_colors(colorizer, read_frames(info), info.guide, pool, independent)
            return in_order(pool, lambda each: shown(each.frame, each.ab), maps)

        films: dict[str, Iterable[np.ndarray]] = {
            "grey": constant(0, 0),
            "mean colour": constant(*colorizers[-1].mean_color),
        }
        for each in colorizers:
            films[each.name + INDEPENDENT] = colored(each, True)
            films[each.name] = colored(each, False)
        films["true"] = read_colors(info)
        greys = (info.planes.lightness(frame.luma) for frame in read_frames(info))
        frames, metrics = compare_films(films, greys)
    if frames < MIN_FRAMES:
        raise VividPastError(f"{path}: has {frames} frames; a film of {MIN_FRAMES} is needed.")
    return FilmScore(path, frames, metrics)


@torch.inference_mode()
def compare_films(
    films: dict[str, Iterable[np.ndarray]], greys: Iterable[Tensor]
) -> tuple[int, dict[str, dict[str, float]]]:
    """Measure films of the same scene, frame by frame.

    Parameters
    ----------
    films : dict of iterables of ndarray, uint8, shape (H, W, 3)
        By name; the last one is the true one.
    greys : iterable of Tensor, shape (H, W)
        Lightness of the frames, in which their motion is estimated.

    Returns
    -------
    frames : int
        Number of frames.
    metrics : dict
        {name: {metric: value}} as in `FilmScore`; of fewer than 5 frames without CDC.
    """
    measured: dict[str, dict[str, list[float]]] = {
        name: {metric: [] for metric in FILM_METRICS} for name in films
    }
    histograms: dict[str, list[Tensor]] = {name: [] for name in films}
    earlier_ab: dict[str, Tensor] = {}
    earlier = None
    for *shown, grey in zip(*films.values(), greys, strict=True):
        later = grey[None, None]
        if earlier is not None:
            flow = optical_flow(later, earlier)
            seen = consistent(flow, optical_flow(earlier, later))
        for name, rgb in zip(films, shown, strict=True):
            pixels = torch.from_numpy(rgb).permute(2, 0, 1)
            ab = rgb_to_lab(pixels[None] / 255)[:, 1:]
            values = measured[name]
            histograms[name].append(rgb_histograms(pixels))
            values["chroma"].append(float(ab.square().sum(dim=1).sqrt().mean()))
            error = np.square(rgb.astype(np.float32) - shown[-1]).mean()
            values["psnr"].append(10 * float(np.log10(255**2 / max(error, 1e-4))))
            if earlier is not None:
                warped = warping_error(ab, earlier_ab[name], flow, seen)
                values["warping_error"].append(float(warped))
            earlier_ab[name] = ab
        earlier = later
    frames = len(next(iter(histograms.values())))
    if frames >= MIN_FRAMES:
        for name, values in measured.items():
            values["cdc"] = [float(color_distribution_consistency(torch.stack(histograms[name])))]
    return frames, {
        name: {metric: float(np.nanmean(each)) for metric, each in values.items() if each}
        for name, values in measured.items()
    }


def film_report(scores: Sequence[FilmScore]) -> dict[str, Any]:
    """Average the scores of films, each film counting alike; ready for JSON.

    Returns
    -------
    dict
        ``films``: {film: {frames, metrics}}, and ``mean``: {colorizer: {metric: value}}. A film
        is called by its file's name; films of one name, by their paths. One that is there twice
        counts once.
    """
    scores = list({path_identity(each.film): each for each in scores}.values())
    file_names = [each.film.name for each in scores]
    films = {}
    for name, each in zip(file_names, scores, strict=True):
        key = name if file_names.count(name) == 1 else str(each.film)
        films[key] = {"frames": each.frames, "metrics": each.metrics}
    mean = {}
    for name in scores[0].metrics:
        values = {key: [each.metrics[name][key] for each in scores] for key in FILM_METRICS}
        mean[name] = {key: float(np.mean(each)) for key, each in values.items()}
    return {"films": films, "mean": mean}


def film_table(report: dict[str, Any]) -> str:
    """Lay a report out as text: a table per film, and one of their means."""
    tables = [
        _table(f"{film}, {each['frames']} frames", each["metrics"])
        for film, each in report["films"].items()
    ]
    if len(tables) > 1:
        frames = sum(each["frames"] for each in report["films"].values())
        tables.append(_table(f"mean of {len(tables)} films, {frames} frames", report["mean"]))
    return "\n\n".join(tables)


def _table(title: str, metrics: dict[str, dict[str, float]]) -> str:
    width = max(map(len, metrics))
    rows = [["", "warping error", "CDC / 1000", "PSNR (dB)", "chroma"]]
    for name, values in metrics.items():
        error, cdc, psnr, chroma = (values[metric] for metric in FILM_METRICS)
        shown_psnr = "" if name == "true" else f"{psnr:.2f}"
        rows.append([name, f"{error:.3f}", f"{cdc * 1000:.3f}", shown_psnr, f"{chroma:.2f}"])
        frames = metrics.get(name + INDEPENDENT)
        if frames:
            by = {metric: _ratio(values[metric], frames[metric]) for metric in FILM_METRICS}
            by["psnr"] = f"{psnr - frames['psnr']:+.2f}"
            rows.append(["  beside it", *by.values()])
    lines = [f"{name:{width}}" + "".join(f"{cell:>15}" for cell in cells) for name, *cells in rows]
    return "\n".join([title, *lines])


def _ratio(value: float, other: float) -> str:
    return f"x {value / other:.2f}" if other > 0 else "–"  # a still or grey film has zeros
