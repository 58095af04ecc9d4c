"""A model judged on colour films, made grey: how steady its colours are, and how far off."""

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
from ..runtime.threads import in_order
from .metrics import color_distribution_consistency, rgb_histograms, warping_error
from .motion import consistent, optical_flow
from .pipeline import ColoredFrame, predict_colors, workers
from .reading import Frame, probe_film, read_colors, read_frames, to_rgb
from .writing import choose_encoding, make_frame

#: The figures of a film, in the order they are printed.
FILM_METRICS = ("warping_error", "cdc", "psnr", "chroma")
ALONE = " --each-frame-alone"
# Frames that CDC needs.
SHORTEST = 5


@dataclass(frozen=True)
class FilmScore:
    """What was measured on one film.

    Parameters
    ----------
    film : str
        Its name.
    frames : int
        How many were compared.
    figures : dict
        {colorizer: {figure: value}} for ``grey``, ``mean colour``, each colorizer's name with and
        without ``--each-frame-alone``, and ``true``; the figures are those in `FILM_METRICS`:
        warping error and mean chroma in Lab units, PSNR in dB, the mean over frames.
    """

    film: str
    frames: int
    figures: dict[str, dict[str, float]]


def score_film(colorizers: Sequence[Colorizer], path: Path) -> FilmScore:
    """Colorize the luma of a colour film, and compare with the film.

    Parameters
    ----------
    colorizers : sequence of Colorizer
        The models; the last one's training photos' mean colour is a trivial colorizer.
    path : Path
        The film.

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
        planes = encoding.paint(frame.luma, info.planes.bits, ab)
        return to_rgb(make_frame(encoding, *planes), encoding.planes)

    def constant(a: float, b: float) -> Iterator[np.ndarray]:
        ab = torch.tensor([float(a), float(b)]).view(1, 2, 1, 1)
        return (shown(frame, ab) for frame in read_frames(info))

    with workers() as pool:

        def colored(colorizer: Colorizer, alone: bool) -> Iterator[np.ndarray]:
            def paint(each: ColoredFrame[Frame]) -> np.ndarray:
                return shown(each.frame, each.ab)

            def lightness(frame: Frame) -> Tensor:
                return info.planes.guide(frame.luma)

            maps = predict_colors(colorizer, read_frames(info), lightness, pool, alone)
            return in_order(pool, paint, maps)

        films: dict[str, Iterable[np.ndarray]] = {
            "grey": constant(0, 0),
            "mean colour": constant(*colorizers[-1].mean_color),
        }
        for each in colorizers:
            films[each.name + ALONE] = colored(each, True)
            films[each.name] = colored(each, False)
        films["true"] = read_colors(info)
        greys = (info.planes.lightness(frame.luma) for frame in read_frames(info))
        frames, figures = compare_films(films, greys)
    if frames < SHORTEST:
        raise VividPastError(f"{path}: has {frames} frames; a film of {SHORTEST} is needed.")
    return FilmScore(path.name, frames, figures)


def _motions(greys: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor] | None]:
    """Give the flow to the frame before, and what is seen in both; None for the first frame."""
    earlier = None
    for grey in greys:
        later = grey[None, None]
        if earlier is None:
            yield None
        else:
            flow = optical_flow(later, earlier)
            yield flow, consistent(flow, optical_flow(earlier, later))
        earlier = later


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
        Lightness of the frames: their motion is looked for in it.

    Returns
    -------
    frames : int
        How many there are.
    figures : dict
        {name: {figure: value}} as in `FilmScore`; of fewer than 5 frames without CDC.
    """
    sums: dict[str, dict[str, list[float]]] = {
        name: {figure: [] for figure in FILM_METRICS} for name in films
    }
    histograms: dict[str, list[Tensor]] = {name: [] for name in films}
    earlier: dict[str, Tensor] = {}
    for *shown, motion in zip(*films.values(), _motions(greys), strict=True):
        for name, rgb in zip(films, shown, strict=True):
            pixels = torch.from_numpy(rgb).permute(2, 0, 1)
            ab = rgb_to_lab(pixels[None] / 255)[:, 1:]
            figures = sums[name]
            histograms[name].append(rgb_histograms(pixels))
            figures["chroma"].append(float(ab.square().sum(dim=1).sqrt().mean()))
            error = np.square(rgb.astype(np.float32) - shown[-1]).mean()
            figures["psnr"].append(10 * float(np.log10(255**2 / max(error, 1e-4))))
            if motion is not None:
                figures["warping_error"].append(float(warping_error(ab, earlier[name], *motion)))
            earlier[name] = ab
    frames = len(next(iter(histograms.values())))
    if frames >= SHORTEST:
        for name, figures in sums.items():
            figures["cdc"] = [float(color_distribution_consistency(torch.stack(histograms[name])))]
    means = {
        name: {figure: float(np.nanmean(values)) for figure, values in figures.items() if values}
        for name, figures in sums.items()
    }
    return frames, means


def film_report(scores: Sequence[FilmScore]) -> dict[str, Any]:
    """Average the scores of films, each film counting alike; ready for JSON.

    Returns
    -------
    dict
        ``films``: {film: {frames, figures}}, and ``mean``: {colorizer: {figure: value}}.
    """
    names = scores[0].figures
    mean = {
        name: {
            figure: float(np.mean([score.figures[name][figure] for score in scores]))
            for figure in FILM_METRICS
        }
        for name in names
    }
    films = {each.film: {"frames": each.frames, "figures": each.figures} for each in scores}
    return {"films": films, "mean": mean}


def film_table(report: dict[str, Any]) -> str:
    """Lay a report out as text: a table a film, and one of their means."""
    tables = [
        _table(f"{film}, {each['frames']} frames", each["figures"])
        for film, each in report["films"].items()
    ]
    if len(tables) > 1:
        frames = sum(each["frames"] for each in report["films"].values())
        tables.append(_table(f"mean of {len(tables)} films, {frames} frames", report["mean"]))
    return "\n\n".join(tables)


def _table(title: str, figures: dict[str, dict[str, float]]) -> str:
    width = max(map(len, figures))
    heads = ("warping error", "CDC / 1000", "PSNR (dB)", "chroma")
    lines = [title, " " * width + "".join(f"{head:>15}" for head in heads)]
    for name, values in figures.items():
        alone = figures.get(name + ALONE)
        cells = [f"{values['warping_error']:.3f}", f"{values['cdc'] * 1000:.3f}"]
        cells.append("" if name == "true" else f"{values['psnr']:.2f}")
        cells.append(f"{values['chroma']:.2f}")
        lines.append(f"{name:{width}}" + "".join(f"{cell:>15}" for cell in cells))
        if alone:
            shares = [f"x {values[each] / alone[each]:.2f}" for each in ("warping_error", "cdc")]
            shares.append(f"{values['psnr'] - alone['psnr']:+.2f}")
            shares.append(f"x {values['chroma'] / alone['chroma']:.2f}")
            lines.append(f"{'  beside it':{width}}" + "".join(f"{share:>15}" for share in shares))
    return "\n".join(lines)
