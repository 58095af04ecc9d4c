"""The tasks of colorizing networks: photos in Lab in, losses and a checkpoint out."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor, nn

from ..color.ab_bins import BIN_SIZE, bin_centers, bin_shares, cross_entropy
from ..color.metrics import ab_l1
from ..color.scaling import SCALINGS, Scaling
from ..networks.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from ..networks.class_maps import ClassMaps
from ..networks.color_network import ColorNetwork
from ..networks.registry import NETWORKS
from ..networks.segmenters import load_segmenter
from ..networks.voc import VOC_CLASSES
from ..photos.crops import CropBatch
from ..photos.loader import ENOUGH_PHOTOS, MemoryPhotos, lab_batches, mean_color
from ..photos.photo_set import PhotoSet
from ..runtime.distributed import mean_losses
from ..runtime.errors import VividPastError
from .augment import degrade, insert_blank_cards
from .settings import Settings
from .task import Batch, Row, Task

#: Learning rate of pretrained weights, as a share of that of the others.
PRETRAINED_LR_SCALE = 0.3


class Colorizing(Task):
    """Learn to colorize: the L1 between predicted and true ab, scaled, as in 2018."""

    network: ColorNetwork

    def __init__(
        self, train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device
    ) -> None:
        super().__init__(train, val, settings, device)
        self.scaling = SCALINGS[settings.scaling]
        network = NETWORKS[settings.network].network()
        assert isinstance(network, ColorNetwork)
        network.load_pretrained()
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.class_maps: ClassMaps | None = None
        if network.takes_class_maps:
            segmenter = load_segmenter(settings.segmenter)
            self.class_maps = ClassMaps(segmenter, settings.class_maps).to(device)
        self.kept_class_maps: dict[PhotoSet, Tensor] = {}

    def compute_statistics(self) -> dict[str, list[float]]:
        """Measure the mean colour and the largest logit of each class."""
        statistics = {"mean_color": list(mean_color(self.train, self.settings.size))}
        if self.class_maps:
            statistics["logit_max"] = self._logit_max()
        return statistics

    def _logit_max(self) -> list[float]:
        assert self.class_maps
        some = self.train.evenly_spaced(ENOUGH_PHOTOS)
        highest = torch.full((len(VOC_CLASSES),), -torch.inf)
        for lab in lab_batches(some, self.settings.size, 64, device=self.device):
            with self.autocast():
                logits = self.class_maps.segmenter(lab[:, :1]).logits
            highest = highest.maximum(logits.amax(dim=(0, 2, 3)).cpu())
        return highest.clamp(min=1).tolist()  # a class that no photo shows has none above 0

    def apply_statistics(self, statistics: dict[str, list[float]]) -> None:
        """Take the mean colour and the largest logits."""
        a, b = statistics["mean_color"]
        self.mean_color = a, b
        if self.class_maps:
            self.class_maps.logit_max.copy_(torch.tensor(statistics["logit_max"]))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Tune pretrained weights, which have learned much already, more slowly."""
        pretrained = self.network.pretrained_parameters()
        known = set(pretrained)
        new = [p for p in self.network.parameters() if p not in known]
        tuned = [p for p in pretrained if p.requires_grad]
        groups = [
            {"params": new, "lr_scale": 1.0},
            {"params": tuned, "lr_scale": PRETRAINED_LR_SCALE},
        ]
        return [group for group in groups if group["params"]]

    def batch(self, photos: PhotoSet, crops: CropBatch) -> Batch:
        """Make Lab (N, 3, H, W) and, for networks with them, class maps (N, 21, H/8, W/8)."""
        lab = photos.to_lab(crops.values.to(self.device, non_blocking=True))
        lightness = lab[:, :1]
        if self.class_maps is None:
            return Batch(lab, (lightness,))
        if not isinstance(photos, MemoryPhotos):
            return Batch(lab, (lightness, self._class_maps(lab)))
        if photos not in self.kept_class_maps:
            parts = [photos.to_lab(part.to(self.device)) for part in photos.crops.split(64)]
            kept = [self._class_maps(part).cpu() for part in parts]
            self.kept_class_maps[photos] = torch.cat(kept)
        class_maps = self.kept_class_maps[photos][crops.indices].to(self.device)
        return Batch(lab, (lightness, class_maps))

    def _class_maps(self, lab: Tensor) -> Tensor:
        assert self.class_maps
        with self.autocast():
            return self.class_maps(lab[:, :1])

    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the L1 as trained on, scaled, and ``ab_l1`` in Lab units."""
        return l1_losses(self.network, self.scaling, batch, self.autocast())

    def validate(self) -> Row:
        """Measure the network and the two trivial colorizers."""
        sums: dict[str, Tensor] = {}
        all_photos = 0
        mean_color = torch.tensor(self.mean_color, device=self.device)[:, None, None]
        for batch, photos in self.val_batches():
            losses = {**self.compute_losses(batch), **trivial_errors(batch, mean_color)}
            for name, mean in mean_losses(losses, len(batch)).items():
                sums[name] = sums.get(name, 0.0) + mean * photos
            all_photos += photos
        return {f"val_{name}": value.item() / all_photos for name, value in sums.items()}

    def checkpoint(self) -> Checkpoint:
        """Give what a `colorize.Colorizer` needs to colorize with the network as it is now."""
        return Checkpoint(
            self.network,
            self.settings.network,
            self.scaling,
            self.settings.size,
            self.mean_color,
            self.class_maps,
            dict(NETWORKS[self.settings.network].decoders),
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint that `vividpast colorize --model` takes."""
        save_checkpoint(self.checkpoint(), path)


class ColorizingBins(Colorizing):
    """Train both heads of networks that also predict a distribution over bins of ab.

    The loss is the L1 of the head ``ab``, in units of a bin's side, plus a quarter of the
    cross-entropy of the head ``bins``, and with teachers a quarter of that with their average. The
    input is degraded a little, as old photos are; the target is not, nor what the teachers see.
    """

    takes_teachers = True

    def __init__(
        self, train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device
    ) -> None:
        super().__init__(train, val, settings, device)
        self.teachers = [_load_teacher(model, device) for model in settings.teachers]

    def compute_statistics(self) -> dict[str, list[float]]:
        """Measure the mean colour, and how often each bin of ab occurs."""
        total, batches = torch.zeros(len(bin_centers())), 0
        for lab in lab_batches(self.train.evenly_spaced(ENOUGH_PHOTOS), self.settings.size, 64):
            total += bin_shares(F.avg_pool2d(lab[:, 1:], 4))
            batches += 1
        return {**super().compute_statistics(), "bin_shares": (total / batches).tolist()}

    def apply_statistics(self, statistics: dict[str, list[float]]) -> None:
        """Take the mean colour and the shares of the bins."""
        super().apply_statistics(statistics)
        self.network.bin_shares.copy_(torch.tensor(statistics["bin_shares"]))

    def train_batch(self, photos: PhotoSet, crops: CropBatch, random: torch.Generator) -> Batch:
        """Make a batch of which the distribution is learned at a quarter of the pixels."""
        batch = self.batch(photos, crops)
        row, column = torch.randint(2, (2,), generator=random).tolist()
        lab, lightness = batch.target, batch.inputs[0]
        if self.settings.augment:
            # Drawn for the whole batch, of which this rank may have a part.
            own = crops.batch_index.to(lab.device, non_blocking=True)
            whole = lab.new_zeros(crops.full_batch_size, *lab.shape[1:])
            whole[own] = lab
            whole = insert_blank_cards(whole, random)
            lab, lightness = (each[own] for each in (whole, degrade(whole[:, :1], random)))
        return Batch(lab, (lightness,), (row, column))

    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the loss, ``ab_l1`` in Lab units, and the ``cross_entropy`` in nats."""
        true, (row, column) = batch.target[:, 1:], batch.bin_offset
        lightness = self.scaling.scale_lightness(batch.inputs[0])
        with self.autocast():
            features = self.network.features(lightness)  # (N, C, h, w)
            ab = self.network.ab(features)
            logits = self.network.bins(features[..., row::2, column::2])
        ab = F.interpolate(ab.float(), size=true.shape[-2:], mode="bilinear")
        error = ab_l1(self.scaling.unscale_ab(ab), true)
        height, width = features.shape[-2:]
        asked = F.adaptive_avg_pool2d(true, (height, width))[..., row::2, column::2]
        entropy = cross_entropy(logits.float(), asked)
        loss = error / BIN_SIZE + entropy / 4
        if self.teachers and self.network.training:  # validation compares runs with and without
            taught = self._teach(batch.target[:, :1], (height, width))[..., row::2, column::2]
            loss += F.cross_entropy(logits.float(), taught) / 4
        return {
            "loss": loss,
            "ab_l1": error.detach(),
            "cross_entropy": entropy.detach(),
        }

    def _teach(self, lightness: Tensor, size: tuple[int, int]) -> Tensor:
        """Average the teachers' distributions (N, Q, h, w): they see the crops undegraded."""
        logits = torch.zeros((), device=lightness.device)
        for teacher in self.teachers:
            seen = teacher.scaling.scale_lightness(lightness)
            with torch.no_grad(), self.autocast():
                own = teacher.network.distribution(
                    seen.contiguous(memory_format=torch.channels_last)
                )
            logits = logits + F.interpolate(own.float(), size=size, mode="bilinear")
        return (logits / len(self.teachers)).softmax(dim=1)


def _load_teacher(model: str, device: torch.device) -> Checkpoint:
    teacher = load_checkpoint(model)
    if not teacher.network.predicts_bins:
        raise VividPastError(
            f"{model}: predicts no distribution over colours, and so can't teach; name models like "
            "pyramid."
        )
    teacher.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return teacher


def l1_losses(
    network: nn.Module, scaling: Scaling, batch: Batch, autocast: AbstractContextManager
) -> dict[str, Tensor]:
    """Compute the L1 as trained on, scaled, and ``ab_l1`` in Lab units."""
    lightness, *semantics = batch.inputs
    lightness = scaling.scale_lightness(lightness)
    true = batch.target[:, 1:]
    with autocast:
        predicted = network(lightness.contiguous(memory_format=torch.channels_last), *semantics)
    predicted = predicted.float()
    return {
        "loss": ab_l1(predicted, scaling.scale_ab(true)),
        "ab_l1": ab_l1(scaling.unscale_ab(predicted.detach()), true),
    }


def trivial_errors(batch: Batch, mean_color: Tensor) -> dict[str, Tensor]:
    """Compute the L1, in Lab units, of colouring all grey, and all in one colour (2, 1, 1)."""
    true = batch.target[:, 1:]
    return {"grey_ab_l1": true.abs().mean(), "mean_color_ab_l1": ab_l1(mean_color, true)}
