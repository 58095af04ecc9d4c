"""What a run is trained with: checked when it is made, and described for the command line."""

import math
from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal, get_args, get_origin

import numpy as np

from ..color.scaling import SCALINGS
from ..networks.class_maps import ENCODINGS
from ..networks.registry import NETWORKS
from ..networks.segmenters import SEGMENTERS
from ..photos.crops import SMALLEST_CROP
from ..runtime.errors import VividPastError

#: Largest number of any setting, so that a seed fits PyTorch, NumPy and sums with it.
LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Settings:
    """What a run is trained with; the same settings and photos give the same weights.

    Parameters
    ----------
    network : str
        A key of `networks.registry.NETWORKS`.
    scaling : str
        A key of `color.scaling.SCALINGS`.
    segmenter, class_maps : str
        For networks with class maps: a key of `networks.segmenters.SEGMENTERS`, and what is
        concatenated, one of `networks.class_maps.ENCODINGS`.
    size, last_size : int
        Side of the square crops, in pixels, and that in the last quarter of the run, the
        cooldown; 0 there is the same.
    epochs, batch_size : int
        Times through the set, and photos per step, of all processes together.
    minutes : float
        Time to train, with validation and saving, however often that goes through the set. The
        schedule then runs over it, and ``epochs`` only divides it into equal parts. 0 for a run of
        ``epochs``.
    learning_rate, weight_decay : float
        Of AdamW; without decay it is Adam.
    schedule : {"one-cycle", "constant", "warmup-stable-decay"}
        One-cycle rises over the first tenth and falls to zero along a cosine (Smith 2018).
        Warmup-stable-decay rises over half an epoch, stays, and falls linearly to zero in the
        cooldown, so that how long it stays can be decided later (Hu et al., MiniCPM, 2024).
    augment : bool
        Random crops, mirrored, instead of the middle of each photo.
    smallest_crop : float
        Least width of a random crop, as a share of the photo's shorter side, up to 1.
    teachers : tuple of str
        Models, shipped ones or files, whose averaged distribution over bins is imitated beside the
        true colours: distillation (Hinton et al., Distilling the knowledge in a neural network,
        2015).
        A run that got others when it was resumed knows only the last ones; so with ``last_size``
        and ``smallest_crop``.
    shares : tuple of float
        How much of an epoch each of several joined sets gets, relative to one another; if empty,
        each gets as much as it has photos.
    upscaled_every : int
        Photos whose shorter side is at most half of ``size``, which have to be upscaled, are shown
        in one epoch of so many, each in its turn.
    precision : {"float32", "bfloat16"}
        Of the network's arithmetic; weights and loss stay float32.
    seed : int
        Fixes initial weights, order and augmentation.

    Raises
    ------
    VividPastError
        If a value is not one of those.
    """

    network: str = field(
        default="autoencoder", metadata={"help": "network to train", "choices": NETWORKS}
    )
    scaling: str = field(
        default="unit", metadata={"help": "how Lab is scaled for the network", "choices": SCALINGS}
    )
    segmenter: str = field(
        default="lite",
        metadata={"help": "segmenter whose class maps fusion networks get", "choices": SEGMENTERS},
    )
    class_maps: str = field(
        default="logits",
        metadata={"help": "form in which fusion networks get class maps", "choices": ENCODINGS},
    )
    size: int = field(
        default=96,
        metadata={"help": "side of the square crops in pixels", "least": 8, "most": 4096},
    )
    last_size: int = field(
        default=0,
        metadata={
            "help": "side of the crops in the last quarter of the run; 0: the same as --size",
            "least": 0,
            "most": 4096,
        },
    )
    epochs: int = field(default=10, metadata={"help": "times through the photos", "least": 1})
    minutes: float = field(
        default=0.0,
        metadata={
            "help": "train for so many minutes instead of for --epochs, and run the schedule over "
            "them; 0: train for --epochs",
            "least": 0,
        },
    )
    batch_size: int = field(default=32, metadata={"help": "photos per step", "least": 1})
    learning_rate: float = field(
        default=0.002, metadata={"help": "learning rate of AdamW, at its highest", "above": 0}
    )
    weight_decay: float = field(
        default=1e-4, metadata={"help": "weight decay of AdamW", "least": 0}
    )
    schedule: Literal["one-cycle", "constant", "warmup-stable-decay"] = field(
        default="one-cycle", metadata={"help": "how the learning rate changes in the run"}
    )
    augment: bool = field(
        default=True,
        metadata={
            "help": "random crops, half of them mirrored, instead of the middle of each photo"
        },
    )
    smallest_crop: float = field(
        default=SMALLEST_CROP,
        metadata={
            "help": "least width of a random crop, as a share of the photo's shorter side",
            "above": 0,
            "most": 1,
        },
    )
    teachers: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "models whose average the network imitates, beside the true colours; only for "
            "networks that predict distributions, like pyramid",
        },
    )
    shares: tuple[float, ...] = field(
        default=(),
        metadata={"help": "how much of an epoch each set of --photos gets, relative to the others"},
    )
    upscaled_every: int = field(
        default=1,
        metadata={
            "help": "show each photo of at most half the side of the crops, which has to be "
            "enlarged, in only one epoch of N",
            "least": 1,
        },
    )
    precision: Literal["float32", "bfloat16"] = field(
        default="float32", metadata={"help": "number format in which the network computes"}
    )
    seed: int = field(
        default=0,
        metadata={"help": "fixes the initial weights, the order and the crops", "least": 0},
    )

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            if isinstance(value, np.generic):  # a number of NumPy's, which JSON can't hold
                value = value.item()
            if isinstance(value, list):  # a tuple that JSON kept
                value = tuple(value)
            object.__setattr__(self, setting.name, value)
            wanted = _wanted(value, setting) if setting.metadata else ""
            if wanted:
                raise VividPastError(f"The setting {setting.name} must be {wanted}, not {value!r}.")

    @property
    def stable_epochs(self) -> int:
        """Number of epochs before the cooldown, which is the last quarter of them."""
        return self.epochs - math.ceil(self.epochs / 4)

    def crop_size(self, epoch: float) -> int:
        """Side of the crops so many epochs after the start."""
        return self.last_size if self.last_size and epoch >= self.stable_epochs else self.size


def choices_of(setting: Field) -> tuple[str, ...]:
    """List the values that a setting can have, if there are few."""
    literal = get_args(setting.type) if get_origin(setting.type) is Literal else ()
    return tuple(setting.metadata.get("choices", ())) or literal


def _wanted(value: Any, setting: Field) -> str:
    """Say what a value must be; nothing if it is that."""
    limits, kind = setting.metadata, setting.type
    if choices := choices_of(setting):
        return "" if value in choices else f"one of {', '.join(choices)}"
    if kind is bool:
        return "" if type(value) is bool else "True or False"
    if kind == tuple[str, ...]:
        fits = isinstance(value, tuple) and all(type(each) is str and each for each in value)
        return "" if fits else "names of models"
    if get_origin(kind) is tuple:
        fits = isinstance(value, tuple) and all(
            type(each) in (int, float) and 0 < each <= LARGEST for each in value
        )
        return "" if fits else f"numbers above 0 and up to {LARGEST}"
    if kind is int:
        most = limits.get("most", LARGEST)
        fits = type(value) is int and limits["least"] <= value <= most
        return "" if fits else f"a whole number from {limits['least']} to {most}"
    most = limits.get("most", LARGEST)
    fits = type(value) in (int, float) and abs(value) <= most  # and so no nan
    if "above" in limits:
        fits, wanted = fits and value > limits["above"], f"above {limits['above']}"
    else:
        fits, wanted = fits and value >= limits["least"], f"of at least {limits['least']}"
    return "" if fits else f"a number {wanted} and up to {most}"


#: What 2018 trained its colorizers with (it took 1,000 photos and about 100 epochs).
RECIPE_2018: dict[str, object] = {
    "scaling": "2018",
    "batch_size": 20,
    "learning_rate": 0.002,
    "weight_decay": 0.0,
    "schedule": "constant",
    "augment": False,
}
