"""What a run learns: the photos, the network, the loss, and the figures that judge it.

`training.fit` is the loop; a task here says what is done with each batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor, nn

from .batches import ENOUGH_PHOTOS, MemoryPhotos, Squares, lab_batches, mean_color, square_batches
from .checkpoints import Checkpoint, save_checkpoint
from .errors import VividPastError
from .lab import SCALINGS
from .metrics import ab_l1, class_iou, confusion_matrix
from .models import NETWORKS, WITH_CLASS_MAPS
from .photos import PhotoSet
from .semantics import VOC_CLASSES, ClassMaps, Lite, SegmentationHead, load_segmenter, save_head

Row = dict[str, float]
Batch = tuple[Tensor, ...]


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
        How often through the set, and photos a step.
    learning_rate, weight_decay : float
        Of AdamW; without decay it is Adam.
    schedule : {"one-cycle", "constant"}
        One-cycle rises over the first tenth and falls to nought along a cosine (Smith 2018).
    augment : bool
        Random squares, mirrored, instead of the middle of each photo.
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
        """Compute ``loss``, and other figures worth following, as means over the batch."""

    @abstractmethod
    def validate(self) -> Row:
        """Judge the network by all photos of ``val``."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the network as it is now."""

    def train_batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """Go through the training photos, from batch ``start`` on."""
        for squares in square_batches(
            self.train,
            self.settings.size,
            self.settings.batch_size,
            shuffle=True,
            augment=self.settings.augment,
            seed=self.settings.seed,
            epoch=epoch,
            start=start,
            pin_memory=self.device.type == "cuda",
        ):
            yield self.batch(self.train, squares) if len(squares.values) else (squares.values,)

    def val_batches(self) -> Iterator[Batch]:
        """Go through the validation photos."""
        for squares in square_batches(self.val, self.settings.size, self.settings.batch_size):
            if len(squares.values):
                yield self.batch(self.val, squares)

    def autocast(self) -> torch.autocast:
        """Compute in the precision of the settings."""
        enabled = self.settings.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)


class Colorizing(Task):
    """Learn to color: the L1 between predicted and true ab, scaled, as in 2018."""

    def __init__(
        self, train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device
    ) -> None:
        super().__init__(train, val, settings, device)
        self.scaling = SCALINGS[settings.scaling]
        network = NETWORKS[settings.network]()
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
        sums: dict[str, Tensor] = {}
        photos = 0
        mean_color = torch.tensor(self.mean_color, device=self.device)[:, None, None]
        for batch in self.val_batches():
            true = batch[0][:, 1:]
            figures = {
                **self.figures(batch),
                "grey_ab_l1": true.abs().mean(),
                "mean_color_ab_l1": ab_l1(mean_color, true),
            }
            for name, value in figures.items():
                sums[name] = sums.get(name, 0) + value.cpu().double() * len(true)
            photos += len(true)
        return {f"val_{name}": (total / photos).item() for name, total in sums.items()}

    def save(self, path: Path) -> None:
        """Write a checkpoint that `vividpast colorize --model` takes."""
        checkpoint = Checkpoint(
            self.network,
            self.settings.network,
            self.scaling,
            self.settings.size,
            self.mean_color,
            self.class_maps,
        )
        save_checkpoint(checkpoint, path)


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
        return {"loss": loss, "accuracy": (logits.argmax(dim=1) == true).float().mean()}

    def _logits(self, features: list[Tensor], true: Tensor) -> Tensor:
        with self.autocast():
            logits = self.network(features)
        return F.interpolate(logits.float(), size=true.shape[-2:], mode="bilinear")

    def validate(self) -> Row:
        """Compare with the teacher on the validation photos, grey."""
        sums = {"loss": 0.0, "accuracy": 0.0}
        photos, counts = 0, torch.zeros(len(VOC_CLASSES), len(VOC_CLASSES), dtype=torch.int64)
        for batch in self.val_batches():
            true, *features = batch
            for name, value in self.figures(batch).items():
                sums[name] += value.item() * len(true)
            counts += confusion_matrix(self._logits(features, true).argmax(dim=1), true).cpu()
            photos += len(true)
        means = {f"val_{name}": total / photos for name, total in sums.items()}
        return {**means, "val_mean_iou": class_iou(counts).nanmean().item()}

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
    torch.manual_seed(settings.seed)
    task = Segmenting if settings.network == "segmenter" else Colorizing
    return task(train, val, settings, device)
