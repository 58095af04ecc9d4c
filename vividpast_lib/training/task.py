"""What a run learns: the photos, the network, the loss, and the figures that judge it.

`loop.fit` is the loop; a task here says what is done with each batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..photos.crops import CropBatch
from ..photos.loader import crop_batches
from ..photos.photo_set import PhotoSet
from ..runtime.distributed import total
from .settings import Settings

Row = dict[str, float]
Batch = tuple[Tensor, ...]


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

    #: What is trained.
    network: nn.Module

    def __init__(
        self, train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device
    ) -> None:
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
    def batch(self, photos: PhotoSet, squares: CropBatch) -> Batch:
        """Make tensors (N, ...) of squares of ``photos``."""

    @abstractmethod
    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute ``loss``, and other figures worth following, as means over the batch's photos."""

    @abstractmethod
    def validate(self) -> Row:
        """Judge the network by all photos of ``val``."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the network as it is now."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """List what the optimizer moves; ``lr_scale`` times the learning rate is that of a group."""
        return [{"params": list(self.network.parameters()), "lr_scale": 1.0}]

    def epoch_photos(self, epoch: int) -> PhotoSet:
        """Choose the training photos of an epoch: all, but small ones in turn."""
        every = self.settings.upscaled_every
        if every == 1:
            return self.train
        small = self._is_small.nonzero()[0]
        seen_now = small[epoch % every :: every][: len(small) // every]  # equally many each time
        return self.train.subset(np.union1d((~self._is_small).nonzero()[0], seen_now).tolist())

    @cached_property
    def _is_small(self) -> np.ndarray:
        return 2 * self.train.shorter_sides() <= self.settings.size

    def train_batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """Go through the training photos of an epoch, from batch ``start`` on.

        Of several processes each gets its share of every batch; N may be 0.
        """
        photos = self.epoch_photos(epoch)
        batches = crop_batches(
            photos,
            self.settings.size,
            self.settings.batch_size,
            shuffle=True,
            augment=self.settings.augment,
            seed=self.settings.seed,
            epoch=epoch,
            start=start,
            pin_memory=self.device.type == "cuda",
            shared=True,
        )
        for number, squares in enumerate(batches, start):
            seed = np.random.default_rng([self.settings.seed, epoch, number]).integers(2**62)
            yield self.train_batch(photos, squares, torch.Generator().manual_seed(int(seed)))

    def train_batch(self, photos: PhotoSet, squares: CropBatch, random: torch.Generator) -> Batch:
        """Make a batch to learn from; what is drawn from ``random`` is drawn for all its places."""
        return self.batch(photos, squares)

    def val_batches(self) -> Iterator[tuple[Batch, int]]:
        """Go through the validation photos: batches, and how many photos each has in all processes.

        Of several processes each gets its share of every batch; N may be 0.
        """
        size, batch_size = self.settings.size, self.settings.batch_size
        for squares in crop_batches(self.val, size, batch_size, shared=True):
            photos = int(*total(len(squares.values)))
            if photos:
                yield self.batch(self.val, squares), photos

    def autocast(self) -> torch.autocast:
        """Compute in the precision of the settings."""
        enabled = self.settings.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)
