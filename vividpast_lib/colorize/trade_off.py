"""Faithful against vivid: how the error rises with colorfulness, for each way to decode."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from ..color.color_decoder import ColorDecoder, mode
from ..color.gamut import fit_to_srgb
from ..color.metrics import ab_l1, colorfulness, psnr
from ..color.upsampling import guided_upsample
from ..photos.loader import lab_batches
from ..photos.photo_set import PhotoSet
from ..runtime.errors import VividPastError
from .colorizer import Colorizer

GAINS = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
TEMPERATURES = (1.0, 0.8, 0.6, 0.5, 0.38, 0.3, 0.2, 0.1)
UNIFORMS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True)
class Point:
    """Metrics of one way to decode, at one setting, over a set of photos.

    Parameters
    ----------
    way : str
        The way.
    setting : float
        The parameter of the way: gain, temperature, or uniform part; 0 if there is none.
    ab_l1, psnr, colorfulness : float
        Means over the photos: Lab units, dB, and as in `metrics.colorfulness`.
    """

    way: str
    setting: float
    ab_l1: float
    psnr: float
    colorfulness: float


#: (ab of the L1 head, logits, lightness) -> ab.
Decode = Callable[[Tensor, Tensor, Tensor], Tensor]


def _ways(colorizer: Colorizer, shares: Tensor) -> Iterator[tuple[str, float, Decode]]:
    """List (way, setting, decode)."""

    def constant(color: tuple[float, float]) -> Decode:
        return lambda ab, *_: ab.new_tensor(color)[:, None, None].expand_as(ab)

    def strengthened(gain: float) -> Decode:
        return lambda ab, *_: gain * ab

    def decode(decoder: ColorDecoder) -> Decode:
        return lambda _, logits, lightness: decoder(logits, shares, lightness)

    yield "grey", 0, constant((0, 0))
    yield "mean colour", 0, constant(colorizer.mean_color)
    yield from (("L1 head times gain", gain, strengthened(gain)) for gain in GAINS)
    yield from (("annealed mean", each, decode(ColorDecoder(each))) for each in TEMPERATURES)
    yield from (
        ("sharp mean times gain", each, decode(ColorDecoder(0.5, gain=each))) for each in GAINS
    )
    yield from (("rebalanced mean", each, decode(ColorDecoder(0.5, each))) for each in UNIFORMS)
    yield "mode", 0, lambda _, logits, __: mode(logits)
    yield from ((name, 0, decode(each)) for name, each in colorizer.decoders.items())


@torch.inference_mode()
def measure_trade_off(colorizer: Colorizer, photos: PhotoSet, size: int = 128) -> list[Point]:
    """Measure every way to decode a network that predicts distributions.

    Parameters
    ----------
    colorizer : Colorizer
        Of a model that predicts a distribution.
    photos : PhotoSet
        Colour photos; their middle squares are taken.
    size : int
        Side of the squares, in pixels.

    Returns
    -------
    list of Point
        ``grey``, ``mean colour``, ``L1 head times gain``, ``annealed mean`` (by temperature),
        ``sharp mean times gain`` (at the temperature 0.5), ``rebalanced mean`` (likewise, by
        uniform part), ``mode``, ``faithful``, ``vivid`` and ``true``.

    Raises
    ------
    VividPastError
        If the network predicts no distribution.
    """
    network = colorizer.network
    if not network.predicts_bins:
        raise VividPastError(f"The model {colorizer.name} predicts no distribution of colours.")
    sums: dict[tuple[str, float], Tensor] = {}
    count = 0
    for lab in lab_batches(photos, size, 32, device=colorizer.device):
        features = network.features(colorizer.scaling.scale_lightness(lab[:, :1]))
        ab = colorizer.scaling.unscale_ab(network.ab(features))  # (N, 2, H/4, W/4)
        logits = network.bins(features)
        for way, setting, decode in _ways(colorizer, network.bin_shares):
            metrics = _metrics(decode(ab, logits, lab[:, :1]), lab)
            sums[way, setting] = sums.get((way, setting), 0) + len(lab) * metrics
        sums["true", 0] = sums.get(("true", 0), 0) + len(lab) * _metrics(lab[:, 1:], lab)
        count += len(lab)
    return [
        Point(way, setting, *(total / count).tolist()) for (way, setting), total in sums.items()
    ]


def _metrics(ab: Tensor, true: Tensor) -> Tensor:
    large = guided_upsample(ab, true[:, :1])
    shown = fit_to_srgb(torch.cat([true[:, :1], large], dim=1))
    return torch.stack([ab_l1(shown[:, 1:], true[:, 1:]), psnr(shown, true), colorfulness(shown)])


def read_trade_off(path: Path) -> list[Point]:
    """Read the points that `files.write_records` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        Point(row["way"], *(float(row[field.name]) for field in fields(Point)[1:])) for row in rows
    ]
