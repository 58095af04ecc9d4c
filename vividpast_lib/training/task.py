"""What a run learns: the photos, the network, the losses, and the metrics that judge it.

`loop.fit` is the loop; a task here says what is done with each batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..photos.crops import CropBatch
from ..photos.loader import crop_batches
from ..photos.photo_set import PhotoSet
from ..runtime.distributed import all_reduce_sum
from ..runtime.errors import VividPastError
from .settings import Settings

Row = dict[str, float]


@dataclass(frozen=True)
class Batch:
    """Photos as a network learns from them, or is judged by them.

    Parameters
    ----------
    target : Tensor, shape (N, ...)
        What is to be predicted: Lab (N, 3, H, W), or class maps (N, H, W).
    inputs : tuple of Tensor, shape (N, ...)
        What the network is given: lightness (N, 1, H, W) in Lab units, and class maps or
        features, if it takes any.
    bin_offset : tuple of int
        Offset (row, column), 0 or 1 each, of the grid of every second place on which the bins are
        trained.
    """

    target: Tensor
    inputs: tuple[Tensor, ...]
    bin_offset: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.target)


class Task(ABC):
    """One thing to learn, from one set of photos.

    Parameters
    ----------
    train, val : PhotoSet
        Photos to learn from, and photos to judge by.
    settings : Settings
        The recipe.
    device : torch.device
        Where to compute.
    """

    #: Whether the photos must come with class maps.
    needs_class_maps = False
    #: Whether other models can teach it.
    takes_teachers = False
    #: What is trained.
    network: nn.Module

    def __init__(
        self, train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device
    ) -> None:
        if settings.teachers and not self.takes_teachers:
            raise VividPastError(
                f"{settings.network}: predicts no distribution over colours, which teachers teach; "
                "leave --teachers out."
            )
        if settings.shares and len(settings.shares) != train.set_count:
            raise VividPastError(
                f"{len(settings.shares)} shares are given, but there are {train.set_count} sets of "
                "training photos; give one share for each set."
            )
        missing = set(range(len(settings.shares))).difference(train.set_numbers)
        if missing:  # all damaged, or beyond the first few that are trained on
            raise VividPastError(
                f"{train.title}: no photo of set {min(missing) + 1} is left to train on; leave it "
                "and its share out."
            )
        self.train, self.val = train, val
        self.settings = settings
        self.device = device

    @abstractmethod
    def compute_statistics(self) -> dict[str, list[float]]:
        """Measure what must be known of the training photos before the first step."""

    @abstractmethod
    def apply_statistics(self, statistics: dict[str, list[float]]) -> None:
        """Take what `compute_statistics` found, now or when the run was started."""

    @abstractmethod
    def batch(self, photos: PhotoSet, crops: CropBatch) -> Batch:
        """Make the batch of some crops of ``photos``."""

    @abstractmethod
    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute ``loss``, and other metrics worth following, as means over the batch's photos."""

    @abstractmethod
    def validate(self) -> Row:
        """Judge the network by all photos of ``val``."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the network as it is now."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """List what the optimizer moves; a group learns at ``lr_scale`` times the rate."""
        return [{"params": list(self.network.parameters()), "lr_scale": 1.0}]

    def epoch_photos(self, epoch: int) -> PhotoSet:
        """Choose the photos of an epoch: all large ones, one in ``upscaled_every`` of the small.

        With ``shares``, as many in all, but of each set its share, some left out or repeated.
        """
        every = self.settings.upscaled_every
        if every == 1 and not self.settings.shares:
            return self.train
        chosen = np.arange(len(self.train))
        if every > 1:
            small = self._is_small.nonzero()[0][epoch % every :: every]
            large = (~self._is_small).nonzero()[0]
            chosen = np.union1d(large, small) if len(large) + len(small) else chosen
        if self.settings.shares:
            chosen = self._shared_out(chosen, epoch)
        return self.train.subset(chosen.tolist())

    def _shared_out(self, photos: np.ndarray, epoch: int) -> np.ndarray:
        """Draw as many photos as these (N,), of each set its share."""
        random = np.random.default_rng([self.settings.seed, epoch])
        shares = np.array(self.settings.shares) / sum(self.settings.shares)
        ends = (shares.cumsum() * len(photos)).round().astype(int)
        numbers = np.array(self.train.set_numbers)[photos]
        drawn = []
        for number, count in enumerate(np.diff(ends, prepend=0)):
            own = photos[numbers == number]
            own = own if len(own) else (np.array(self.train.set_numbers) == number).nonzero()[0]
            whole = np.tile(own, count // len(own))
            rest = random.choice(own, count % len(own), replace=False)
            drawn.append(np.sort(np.concatenate([whole, rest])))
        return np.concatenate(drawn)

    @cached_property
    def _is_small(self) -> np.ndarray:
        return 2 * self.train.shorter_sides() <= self.settings.size

    def train_batches(self, epoch: int, start: int, size: int | None = None) -> Iterator[Batch]:
        """Go through the training photos of an epoch, from batch ``start`` on.

        Each rank gets its share of every batch; N may be 0. ``size`` is the side of the crops; by
        default, that of the settings.
        """
        photos = self.epoch_photos(epoch)
        batches = crop_batches(
            photos,
            size or self.settings.size,
            self.settings.batch_size,
            shuffle=True,
            augment=self.settings.augment,
            smallest_crop=self.settings.smallest_crop,
            seed=self.settings.seed,
            epoch=epoch,
            start=start,
            pin_memory=self.device.type == "cuda",
            split_over_ranks=True,
        )
        for number, crops in enumerate(batches, start):
            seed = np.random.default_rng([self.settings.seed, epoch, number]).integers(2**62)
            yield self.train_batch(photos, crops, torch.Generator().manual_seed(int(seed)))

    def train_batch(self, photos: PhotoSet, crops: CropBatch, random: torch.Generator) -> Batch:
        """Make a batch to learn from; ``random`` is drawn from alike on every rank."""
        return self.batch(photos, crops)

    def val_batches(self) -> Iterator[tuple[Batch, int]]:
        """Go through the validation photos: batches, and the number of photos on all ranks.

        Each rank gets its share of every batch; N may be 0.
        """
        size, batch_size = self.settings.size, self.settings.batch_size
        for crops in crop_batches(self.val, size, batch_size, split_over_ranks=True):
            photos = int(all_reduce_sum(len(crops.values)))
            if photos:
                yield self.batch(self.val, crops), photos

    def autocast(self) -> torch.autocast:
        """Compute in the precision of the settings."""
        enabled = self.settings.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)
