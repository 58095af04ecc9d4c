"""Faithful against vivid: how the error rises with colorfulness, for each way to decode."""

import csv
from collections.abc import Iterator
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
TILTS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


@dataclass(frozen=True)
class Point:
    """Metrics of one way to decode, at one setting, over a set of photos.

    Parameters
    ----------
    way : str
        The way.
    setting : float
        The parameter of the way: gain, temperature, uniform part, or tilt; 0 if there is none.
    ab_l1, psnr, colorfulness : float
        Means over the photos: Lab units, dB, and as in `color.metrics.colorfulness`.
    """

    way: str
    setting: float
    ab_l1: float
    psnr: float
    colorfulness: float


def _decode(
    colorizer: Colorizer, ab: Tensor, logits: Tensor, seen: Tensor, true: Tensor
) -> Iterator[tuple[str, float, Tensor]]:
    """Yield (way, setting, ab), from the L1 head's ab, the logits, what was seen, and true ab."""

    def decoded(decoder: ColorDecoder) -> Tensor:
        return decoder(decoder.smooth(logits, seen), colorizer.network.bin_shares)

    yield "grey", 0, torch.zeros_like(ab)
    yield "mean colour", 0, ab.new_tensor(colorizer.mean_color)[:, None, None].expand_as(ab)
    for gain in GAINS:
        yield "L1 head times gain", gain, gain * ab
    for temperature in TEMPERATURES:
        yield "annealed mean", temperature, decoded(ColorDecoder(temperature))
    for gain in GAINS:
        yield "sharp mean times gain", gain, decoded(ColorDecoder(0.5, gain=gain))
    for uniform in UNIFORMS:
        yield "rebalanced mean", uniform, decoded(ColorDecoder(0.5, uniform))
    for tilt in TILTS:
        yield "tilted mean", tilt, decoded(ColorDecoder(0.5, tilt=tilt))
    yield "mode", 0, mode(logits)
    for name, decoder in colorizer.decoders.items():
        yield name, 0, decoded(decoder)
    yield "true", 0, true


@torch.inference_mode()
def measure_trade_off(colorizer: Colorizer, photos: PhotoSet, size: int = 128) -> list[Point]:
    """Measure every way to decode a network that predicts distributions.

    Parameters
    ----------
    colorizer : Colorizer
    photos : PhotoSet
        Colour photos; their middle crops are taken, and seen as `Colorizer.small_copy` gives them.
    size : int
        Side of the crops, in pixels.

    Returns
    -------
    list of Point
        ``grey``, ``mean colour``, ``L1 head times gain``, ``annealed mean`` (by temperature),
        ``sharp mean times gain`` (at the temperature 0.5), ``rebalanced mean`` (likewise, by
        uniform part), ``tilted mean`` (likewise, by tilt), ``mode``, ``faithful``, ``vivid`` and
        ``true``.

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
        seen = torch.cat([colorizer.small_copy(each) for each in lab[:, 0]])
        features = network.features(colorizer.scaling.scale_lightness(seen))
        ab = colorizer.scaling.unscale_ab(network.ab(features))  # (N, 2, h/4, w/4) of what is seen
        logits = network.bins(features)
        for way, setting, decoded in _decode(colorizer, ab, logits, seen, lab[:, 1:]):
            metrics = _metrics(decoded, lab)
            sums[way, setting] = sums.get((way, setting), 0) + len(lab) * metrics
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
