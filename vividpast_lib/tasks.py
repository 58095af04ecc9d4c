"""What a run learns: the photos, the network, the loss, and the figures that judge it.

`training.fit` is the loop; a task here says what is done with each batch.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor, nn

from .ab_bins import BIN_SIZE, Reading, bin_centers, bin_shares, cross_entropy
from .batches import ENOUGH_PHOTOS, MemoryPhotos, Squares, lab_batches, mean_color, square_batches
from .checkpoints import Checkpoint, save_checkpoint
from .distributed import batch_means, processes, summed, total
from .errors import VividPastError
from .lab import SCALINGS
from .metrics import ab_l1, class_iou, confusion_matrix
from .models import NETWORKS, WITH_CLASS_MAPS, PyramidColorizer
from .photos import PhotoSet
from .semantics import (
    VOC_CLASSES,
    ClassMaps,
    Lite,
    SegmentationHead,
    load_imagenet,
    load_segmenter,
    save_head,
)

Row = dict[str, float]
Batch = tuple[Tensor, ...]

# PyTorch's random numbers are one sequence for all threads.
_drawing = threading.Lock()


@dataclass(frozen=True)
class Settings:
    """What a run is trained with; the same settings and photos give the same weights.

    Parameters
    ----------
    network : str
        A key of `models.NETWORKS`, or "segmenter": the head of `semantics.Lite`.
    scaling : str
        A key of `lab.SCALINGS`.
    segmenter, class_maps : str
        For networks with class maps: a key of `semantics.SEGMENTERS`, and what is concatenated,
        one of `semantics.ENCODINGS`.
    size : int
        Side of the square photos, in pixels.
    epochs, batch_size : int
        How often through the set, and photos a step, in all processes together.
    learning_rate, weight_decay : float
        Of AdamW; without decay it is Adam.
    schedule : {"one-cycle", "constant"}
        One-cycle rises over the first tenth and falls to nought along a cosine (Smith 2018).
    augment : bool
        Random squares, mirrored, instead of the middle of each photo.
    small_every : int
        Photos of no more than half the squares' side, which have to be enlarged, are seen in one
        epoch of so many.
    precision : {"float32", "bfloat16"}
        Of the network's arithmetic; weights and loss stay float32.
    seed : int
        Fixes initial weights, order and augmentation.
    """

    network: str = "autoencoder"
    scaling: str = "unit"
    segmenter: str = "lite"
    class_maps: str = "logits"
    size: int = 96
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.002
    weight_decay: float = 1e-4
    schedule: str = "one-cycle"
    augment: bool = True
    small_every: int = 1
    precision: str = "float32"
    seed: int = 0


#: What 2018 trained its colorizers with (it took 1,000 photos and about 100 epochs).
RECIPE_2018: dict[str, object] = {
    "scaling": "2018",
    "batch_size": 20,
    "learning_rate": 0.002,
    "weight_decay": 0.0,
    "schedule": "constant",
    "augment": False,
}
#: What the shipped `pyramid` was trained with.
PYRAMID_RECIPE: dict[str, object] = {
    "size": 128,
    "epochs": 10,
    "learning_rate": 0.001,
    "weight_decay": 0.02,
    "small_every": 4,
}
#: How `pyramid` is read: chosen on its validation photos by `vividpast evaluate --trade-off`,
#: and the radius also by looking at historic photos.
READINGS = {
    "faithful": Reading(temperature=0.6),
    "vivid": Reading(temperature=0.5, uniform=0.9, gain=1.3, radius=0.05),
}
#: What the shipped segmenter's head was trained with.
SEGMENTER_RECIPE: dict[str, object] = {
    "size": 128,
    "epochs": 6,
    "learning_rate": 0.003,
    "weight_decay": 0.01,
}


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
    def measure(self) -> dict[str, list[float]]:
        """Measure what must be known of the training photos before the first step."""

    @abstractmethod
    def use(self, facts: dict[str, list[float]]) -> None:
        """Take what `measure` found, now or when the run was started."""

    @abstractmethod
    def batch(self, photos: PhotoSet, squares: Squares) -> Batch:
        """Make tensors (N, ...) of squares of ``photos``."""

    @abstractmethod
    def figures(self, batch: Batch) -> dict[str, Tensor]:
        """Compute ``loss``, and other figures worth following, as means over the batch's photos."""

    @abstractmethod
    def validate(self) -> Row:
        """Judge the network by all photos of ``val``."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the network as it is now."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """List what the optimizer moves; ``share`` of the learning rate is that of a group."""
        return [{"params": list(self.network.parameters()), "share": 1.0}]

    def epoch_photos(self, epoch: int) -> PhotoSet:
        """Choose the training photos of an epoch: all, but small ones in turn."""
        every = self.settings.small_every
        if every == 1:
            return self.train
        small = self._is_small.nonzero()[0]
        seen_now = small[epoch % every :: every][: len(small) // every]  # equally many each time
        return self.train.part(np.union1d((~self._is_small).nonzero()[0], seen_now).tolist())

    @cached_property
    def _is_small(self) -> np.ndarray:
        return 2 * self.train.shorter_sides() <= self.settings.size

    def train_batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """Go through the training photos of an epoch, from batch ``start`` on.

        Of several processes each gets its share of every batch; N may be 0.
        """
        photos = self.epoch_photos(epoch)
        batches = square_batches(
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

    def train_batch(self, photos: PhotoSet, squares: Squares, random: torch.Generator) -> Batch:
        """Make a batch to learn from; what is drawn from ``random`` is drawn for all its places."""
        return self.batch(photos, squares)

    def val_batches(self) -> Iterator[tuple[Batch, int]]:
        """Go through the validation photos: batches, and how many photos each has in all processes.

        Of several processes each gets its share of every batch; N may be 0.
        """
        size, batch_size = self.settings.size, self.settings.batch_size
        for squares in square_batches(self.val, size, batch_size, shared=True):
            photos = int(*total(len(squares.values)))
            if photos:
                yield self.batch(self.val, squares), photos

    def autocast(self) -> torch.autocast:
        """Compute in the precision of the settings."""
        enabled = self.settings.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)


class Colorizing(Task):
    """Learn to color: the L1 between predicted and true ab, scaled, as in 2018."""

    #: How the distribution is read, of networks that predict one.
    readings: dict[str, Reading] = {}  # noqa: RUF012 - never changed

    def __init__(
        self, train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device
    ) -> None:
        super().__init__(train, val, settings, device)
        self.scaling = SCALINGS[settings.scaling]
        network = NETWORKS[settings.network]()
        if isinstance(network, PyramidColorizer):
            load_imagenet(network.encoder.backbone)
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.class_maps: ClassMaps | None = None
        if settings.network in WITH_CLASS_MAPS:
            segmenter = load_segmenter(settings.segmenter)
            self.class_maps = ClassMaps(segmenter, settings.class_maps).to(device)
        self.kept_class_maps: dict[PhotoSet, Tensor] = {}

    def measure(self) -> dict[str, list[float]]:
        """Measure the mean colour and the largest logit of each class."""
        facts = {"mean_color": list(mean_color(self.train, self.settings.size))}
        if self.class_maps:
            facts["logit_max"] = self._logit_max()
        return facts

    def _logit_max(self) -> list[float]:
        assert self.class_maps
        some = self.train.spread(ENOUGH_PHOTOS)
        highest = torch.full((len(VOC_CLASSES),), -torch.inf)
        for lab in lab_batches(some, self.settings.size, 64, device=self.device):
            with self.autocast():
                logits = self.class_maps.segmenter(lab[:, :1]).logits
            highest = highest.maximum(logits.amax(dim=(0, 2, 3)).cpu())
        return highest.clamp(min=1).tolist()  # a class that no photo shows has none above 0

    def use(self, facts: dict[str, list[float]]) -> None:
        """Take the mean colour and the largest logits."""
        a, b = facts["mean_color"]
        self.mean_color = a, b
        if self.class_maps:
            self.class_maps.logit_max.copy_(torch.tensor(facts["logit_max"]))

    def batch(self, photos: PhotoSet, squares: Squares) -> Batch:
        """Make Lab (N, 3, H, W) and, for networks with them, class maps (N, 21, H/8, W/8)."""
        lab = photos.to_lab(squares.values.to(self.device, non_blocking=True))
        if self.class_maps is None:
            return (lab,)
        if not isinstance(photos, MemoryPhotos):
            return lab, self._class_maps(lab)
        if photos not in self.kept_class_maps:
            parts = [photos.to_lab(part.to(self.device)) for part in photos.squares.split(64)]
            kept = [self._class_maps(part).cpu() for part in parts]
            self.kept_class_maps[photos] = torch.cat(kept)
        return lab, self.kept_class_maps[photos][squares.indices].to(self.device)

    def _class_maps(self, lab: Tensor) -> Tensor:
        assert self.class_maps
        with self.autocast():
            return self.class_maps(lab[:, :1])

    def figures(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the L1 as trained on, scaled, and ``ab_l1`` in Lab units."""
        lab, *class_maps = batch
        lightness = self.scaling.scale_lightness(lab[:, :1])
        with self.autocast():
            predicted = self.network(
                lightness.contiguous(memory_format=torch.channels_last), *class_maps
            )
        predicted, true = predicted.float(), lab[:, 1:]
        return {
            "loss": ab_l1(predicted, self.scaling.scale_ab(true)),
            "ab_l1": ab_l1(self.scaling.unscale_ab(predicted.detach()), true),
        }

    def validate(self) -> Row:
        """Measure the network and the two trivial colorizers."""
        sums: Row = {}
        all_photos = 0
        mean_color = torch.tensor(self.mean_color, device=self.device)[:, None, None]
        for batch, photos in self.val_batches():
            true = batch[0][:, 1:]
            figures = {
                **self.figures(batch),
                "grey_ab_l1": true.abs().mean(),
                "mean_color_ab_l1": ab_l1(mean_color, true),
            }
            for name, mean in batch_means(figures, len(true)).items():
                sums[name] = sums.get(name, 0.0) + mean * photos
            all_photos += photos
        return {f"val_{name}": value / all_photos for name, value in sums.items()}

    def checkpoint(self) -> Checkpoint:
        """Give what a `colorizer.Colorizer` needs to colorize with the network as it is now."""
        return Checkpoint(
            self.network,
            self.settings.network,
            self.scaling,
            self.settings.size,
            self.mean_color,
            self.class_maps,
            self.readings,
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint that `vividpast colorize --model` takes."""
        save_checkpoint(self.checkpoint(), path)


class PyramidColorizing(Colorizing):
    """Learn both answers of `models.PyramidColorizer`.

    The loss is the L1 of the faithful answer, with the side of a bin as its unit, and a quarter
    of the cross-entropy of the distribution. What the network sees is worn a little, as old
    photos are; what it has to answer is not.
    """

    network: PyramidColorizer
    readings = READINGS

    def measure(self) -> dict[str, list[float]]:
        """Measure the mean colour, and how often each bin of ab occurs."""
        total, batches = torch.zeros(len(bin_centers())), 0
        for lab in lab_batches(self.train.spread(ENOUGH_PHOTOS), self.settings.size, 64):
            total += bin_shares(F.avg_pool2d(lab[:, 1:], 4))
            batches += 1
        return {**super().measure(), "bin_shares": (total / batches).tolist()}

    def use(self, facts: dict[str, list[float]]) -> None:
        """Take the mean colour and the shares of the bins."""
        super().use(facts)
        self.network.bin_shares.copy_(torch.tensor(facts["bin_shares"]))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Tune the encoder, which has learned much already, more slowly."""
        tuned = [p for p in self.network.encoder.parameters() if p.requires_grad]
        encoder = set(self.network.encoder.parameters())
        fresh = [p for p in self.network.parameters() if p not in encoder]
        return [{"params": fresh, "share": 1.0}, {"params": tuned, "share": 0.3}]

    def train_batch(self, photos: PhotoSet, squares: Squares, random: torch.Generator) -> Batch:
        """Give Lab (N, 3, H, W), worn lightness (N, 1, H, W), and which places are asked (2,)."""
        (lab,) = self.batch(photos, squares)
        # The distribution is learned at a quarter of the places, others each time.
        first = torch.randint(2, (2,), generator=random)
        if not self.settings.augment:
            return lab, lab[:, :1], first
        whole = lab.new_zeros(squares.places_of_all, *lab.shape[1:])
        whole[squares.places] = lab
        whole = with_blank_cards(whole, random)
        worn = wear(whole[:, :1], random)
        return whole[squares.places], worn[squares.places], first

    def figures(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the loss, ``ab_l1`` in Lab units, and the ``cross_entropy`` in nats."""
        lab, seen, first = batch if len(batch) == 3 else (batch[0], batch[0][:, :1], torch.zeros(2))
        row, column = (int(each) for each in first)
        lightness = self.scaling.scale_lightness(seen)
        with self.autocast():
            features = self.network.features(lightness)  # (N, 128, H/4, W/4)
            ab = self.network.ab(features)
            logits = self.network.bins(features[..., row::2, column::2])
        ab = F.interpolate(ab.float(), size=lab.shape[-2:], mode="bilinear")
        error = ab_l1(self.scaling.unscale_ab(ab), lab[:, 1:])
        asked = F.avg_pool2d(lab[:, 1:], 4)[..., row::2, column::2]
        entropy = cross_entropy(logits.float(), asked)
        return {
            "loss": error / BIN_SIZE + entropy / 4,
            "ab_l1": error.detach(),
            "cross_entropy": entropy.detach(),
        }


def with_blank_cards(lab: Tensor, random: torch.Generator, share: float = 1 / 32) -> Tensor:
    """Replace some photos of Lab (N, 3, H, W) by cards of their mean lightness, without colour.

    Where there is nothing to see, grey is the answer; from photos alone a network learns sky.
    """
    is_card = torch.rand((len(lab), 1, 1, 1), generator=random).to(lab.device) < share
    cards = lab.mean(dim=(2, 3), keepdim=True) * lab.new_tensor([1, 0, 0])[:, None, None]
    return torch.where(is_card, cards, lab)


def wear(lightness: Tensor, random: torch.Generator) -> Tensor:
    """Make lightness (N, 1, H, W) look as old photos do: other contrast, and grain.

    Every other photo gets another gamma, of a spread of 0.2 on a logarithmic scale; every
    fourth one noise of up to 4 units of L.
    """
    shape = (len(lightness), 1, 1, 1)
    drawn = torch.rand(2, *shape, generator=random)
    gamma = (0.2 * torch.randn(shape, generator=random) * (drawn[0] < 0.5)).exp()
    strength = 4 * torch.rand(shape, generator=random) * (drawn[1] < 0.25)
    grain = strength * torch.randn(lightness.shape, generator=random)
    worn = 100 * (lightness / 100).clamp(0, 1) ** gamma.to(lightness.device)
    return (worn + grain.to(lightness.device)).clamp(0, 100)


class Segmenting(Task):
    """Learn `semantics.Lite`'s head: to see in grey what a teacher saw in the colour photo.

    The loss is the cross-entropy with the teacher's class maps. Most pixels are background, so
    each class is weighted by one over the square root of its share.
    """

    def __init__(
        self, train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device
    ) -> None:
        super().__init__(train, val, settings, device)
        self.segmenter = Lite(head_file=None).to(device)
        self.network: SegmentationHead = self.segmenter.head.requires_grad_(True)
        self.kept_features: dict[PhotoSet, tuple[Tensor, ...]] = {}

    def measure(self) -> dict[str, list[float]]:
        """Measure the share of each class in the training photos."""
        assert self.train.class_maps is not None
        counts = np.bincount(self.train.class_maps.ravel(), minlength=len(VOC_CLASSES))
        return {"class_shares": (counts / counts.sum()).tolist()}

    def use(self, facts: dict[str, list[float]]) -> None:
        """Make the weights of the classes, 1 on the average over all pixels."""
        shares = torch.tensor(facts["class_shares"], device=self.device)
        weights = shares.clamp(min=1e-5).rsqrt()
        self.weights = weights / (weights * shares).sum()

    def batch(self, photos: PhotoSet, squares: Squares) -> Batch:
        """Make class maps (N, 64, 64) and the feature pyramid of the grey photos."""
        assert squares.class_maps is not None
        true = squares.class_maps.to(self.device).long()
        if not isinstance(photos, MemoryPhotos):
            return true, *self._features(photos, squares.values)
        if photos not in self.kept_features:
            parts = [self._features(photos, part) for part in photos.squares.split(64)]
            scales = zip(*parts, strict=True)
            self.kept_features[photos] = tuple(torch.cat(scale).half().cpu() for scale in scales)
        features = (scale[squares.indices] for scale in self.kept_features[photos])
        return true, *(scale.to(self.device).float() for scale in features)

    def _features(self, photos: PhotoSet, values: Tensor) -> tuple[Tensor, ...]:
        lightness = photos.to_lab(values.to(self.device))[:, :1]
        with self.autocast():
            return self.segmenter.features(lightness.expand(-1, 3, -1, -1) / 100)

    def figures(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the weighted cross-entropy, and the share of pixels that agree."""
        true, *features = batch
        logits = self._logits(features, true)
        loss = F.cross_entropy(logits, true, self.weights)
        if processes() > 1:
            # It is a mean by weight: make it one by photos, which can be joined with others'.
            own, photos = self.weights[true].sum().item(), len(true)
            own_of_all, photos_of_all = total(own, photos)
            loss = loss * own / max(photos, 1) * photos_of_all / own_of_all
        return {"loss": loss, "accuracy": (logits.argmax(dim=1) == true).float().mean()}

    def _logits(self, features: list[Tensor], true: Tensor) -> Tensor:
        with self.autocast():
            logits = self.network(features)
        return F.interpolate(logits.float(), size=true.shape[-2:], mode="bilinear")

    def validate(self) -> Row:
        """Compare with the teacher on the validation photos, grey."""
        sums = {"loss": 0.0, "accuracy": 0.0}
        counts = torch.zeros(len(VOC_CLASSES), len(VOC_CLASSES), dtype=torch.int64)
        all_photos = 0
        for batch, photos in self.val_batches():
            true, *features = batch
            for name, mean in batch_means(self.figures(batch), len(true)).items():
                sums[name] += mean * photos
            counts += confusion_matrix(self._logits(features, true).argmax(dim=1), true).cpu()
            all_photos += photos
        means = {f"val_{name}": value / all_photos for name, value in sums.items()}
        return {**means, "val_mean_iou": class_iou(summed(counts)).nanmean().item()}

    def save(self, path: Path) -> None:
        """Write the head."""
        save_head(self.network, path)


def open_task(
    train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device, in_memory: bool
) -> Task:
    """Make the task that ``settings.network`` names, with initial weights fixed by the seed.

    Raises
    ------
    VividPastError
        If photos are to be kept in memory but drawn anew each epoch, or if a segmenter is to
        learn from photos without class maps.
    """
    if in_memory and settings.augment:
        raise VividPastError(
            "Squares that are drawn anew each epoch can't be kept in memory; "
            "add --no-augment, or leave --in-memory out."
        )
    if settings.network == "segmenter" and (train.class_maps is None or val.class_maps is None):
        raise VividPastError(f"{train.title}: has no class maps, which a segmenter learns from.")
    if in_memory:
        train, val = (MemoryPhotos(photos, settings.size) for photos in (train, val))
    tasks: dict[str, type[Task]] = {"segmenter": Segmenting, "pyramid": PyramidColorizing}
    make = tasks.get(settings.network, Colorizing)
    with _drawing:  # initial weights
        torch.manual_seed(settings.seed)
        return make(train, val, settings, device)
