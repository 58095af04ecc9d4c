"""TODO."""

from torch import nn

from .colornet_2018 import ColorAutoencoder, FusionColorizer
from .pyramid import PyramidColorizer

#: The colorizing networks that can be trained and shipped, by name.
NETWORKS: dict[str, type[nn.Module]] = {
    "autoencoder": ColorAutoencoder,
    "fusion2018": FusionColorizer,
    "pyramid": PyramidColorizer,
}
#: Those whose ``forward`` takes class maps besides the lightness.
WITH_CLASS_MAPS = {"fusion2018"}
