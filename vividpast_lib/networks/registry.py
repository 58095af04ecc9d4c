"""The networks that can be trained: a name in, the network with its task and recipe out.

A network of your own is a file with a `ColorNetwork` and one entry in `_NETWORKS`:
docs/add_a_network.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from torch import nn

from ..color.color_decoder import ColorDecoder
from ..runtime.errors import VividPastError
from .colornet_2018 import ColorAutoencoder, FusionColorizer
from .pyramid import PyramidColorizer
from .segmenters import EfficientNetSegmenter


@dataclass(frozen=True)
class NetworkEntry:
    """A network, and how to train, store and decode it.

    Parameters
    ----------
    name : str
        What users call it.
    network : callable
        Makes the network: a `ColorNetwork` with random weights, or a `Segmenter` with those that
        ship (its task makes its own, with a random head).
    task : {"colorizing", "colorizing_bins", "segmenting"}
        What it is trained for; "colorizing_bins" is for networks with ``predicts_bins``.
    recipe : mapping
        Fields of `training.Settings` whose defaults are others for this network.
    decoders : mapping of ColorDecoder
        ``faithful`` and ``vivid``: what takes colours from its distribution, if it predicts one.
    half_precision : bool
        Whether files store weights as float16: half the size, the same colours.
    older : tuple of callable
        Networks that had this name before, whose files still load.
    """

    name: str
    network: Callable[[], nn.Module]
    task: str = "colorizing"
    recipe: Mapping[str, object] = field(default_factory=dict)
    decoders: Mapping[str, ColorDecoder] = field(default_factory=dict)
    half_precision: bool = False
    older: tuple[Callable[[], nn.Module], ...] = ()


_NETWORKS = (
    NetworkEntry("autoencoder", ColorAutoencoder),
    NetworkEntry("fusion2018", FusionColorizer),
    NetworkEntry(
        "pyramid",
        PyramidColorizer,
        task="colorizing_bins",
        recipe={
            "size": 128,
            "epochs": 10,
            "learning_rate": 0.001,
            "weight_decay": 0.02,
            "upscaled_every": 4,
        },
        # Chosen on validation photos and by looking at faces: a gain alone, or rebalancing, makes
        # skin orange long before clothes get colours.
        decoders={
            "faithful": ColorDecoder(temperature=0.5, radius=0.035),
            "vivid": ColorDecoder(temperature=0.4, radius=0.06, tilt=1.5),
        },
        half_precision=True,
        older=(partial(PyramidColorizer, 0),),
    ),
    NetworkEntry(
        "segmenter",
        EfficientNetSegmenter,
        task="segmenting",
        recipe={"size": 128, "epochs": 6, "learning_rate": 0.003, "weight_decay": 0.01},
    ),
)

#: The networks that can be trained, by name.
NETWORKS: dict[str, NetworkEntry] = {entry.name: entry for entry in _NETWORKS}


def find_network(name: str) -> NetworkEntry:
    """Look up a network's entry; a `VividPastError` says if there is none of that name."""
    if name not in NETWORKS:
        raise VividPastError(
            f"{name}: is no network of this project; there are {', '.join(NETWORKS)}."
        )
    return NETWORKS[name]
