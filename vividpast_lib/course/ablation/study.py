"""Why naive fusion overfits: the `variants`, trained alike, one after the other.

All learn from the same photos in the same order, by the same schedule. `AblationTask` is what a
variant learns, `run_study` trains all of them; lesson 06 plots the results.
"""

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from safetensors.torch import save
from torch import Tensor

from ...color.scaling import SCALINGS
from ...networks.class_maps import ENCODINGS, encode
from ...networks.segmenters import load_segmenter
from ...networks.voc import VOC_CLASSES
from ...photos.crops import CropBatch
from ...photos.loader import MemoryPhotos, crop_batches
from ...photos.open import Source, open_class_maps, open_photos, source_names
from ...photos.photo_set import CLASS_MAPS_FILE, PhotoSet
from ...runtime.devices import best_device
from ...runtime.errors import VividPastError
from ...runtime.files import atomic_write
from ...runtime.randomness import own_random_numbers
from ...training.colorizing import l1_losses, trivial_errors
from ...training.loop import fit
from ...training.run_folder import holds_run
from ...training.settings import Settings
from ...training.task import Batch, Row, Task
from .variants import VARIANTS, StudyNetwork, Variant

#: Number of training photos that are measured again after each epoch.
MEASURED_AGAIN = 500
#: Crops of a photo that an augmented variant draws from: the middle one and random ones.
VIEWS = 4


class SegmentedPhotos:
    """Photos, kept in memory with all semantics of them that the variants are given.

    Parameters
    ----------
    photos : PhotoSet
        Damaged ones are left out.
    size : int
        Side of the crops in pixels; 8 divides it.
    device : torch.device
        Where the segmenter computes.
    views : int
        Crops of each photo: the middle one, and random ones.

    Attributes
    ----------
    lab : Tensor, float16, shape (views, N, 3, size, size)
        Lab; half precision is exact to 0.06 of a Lab unit.
    logits : Tensor, shape (views, N, 21, size/8, size/8)
        Of the segmenter ``lite``, from the lightness.
    pyramid : list of Tensor, float16, shape (views, N, C, h, w)
        Its deep features, one tensor per scale.
    teacher : Tensor or None
        A teacher's one-hot class maps of the colour photo, shape as ``logits``.
    """

    def __init__(self, photos: PhotoSet, size: int, device: torch.device, views: int = 1) -> None:
        self.photos = MemoryPhotos(photos, size)
        crops = [self.photos.crops]
        for view in range(1, views):
            parts = crop_batches(self.photos.whole, size, 64, augment=True, epoch=view)
            crops.append(torch.cat([part.values for part in parts]))
        segmenter = load_segmenter().to(device)
        lab, logits, pyramid = [], [], []
        for part in torch.cat(crops).split(64):
            lab.append(photos.to_lab(part.to(device)))
            output = segmenter(lab[-1][:, :1])
            logits.append(output.logits)
            pyramid.append(output.features)

        def join(parts: Sequence[Tensor]) -> Tensor:
            whole = torch.cat([part.half().cpu() for part in parts])
            return whole.unflatten(0, (views, len(self.photos)))

        self.lab = join(lab)
        self.logits = join(logits).float()
        self.pyramid = [join(scale) for scale in zip(*pyramid, strict=True)]
        self.teacher: Tensor | None = None
        if self.photos.class_maps is not None:
            maps = torch.from_numpy(self.photos.class_maps).long()  # (N, 64, 64)
            shares = F.one_hot(maps, len(VOC_CLASSES)).movedim(-1, 1).float()
            shares = F.interpolate(shares, size=self.logits.shape[-2:], mode="area")
            self.teacher = encode(shares, "one-hot")[None]

    def __len__(self) -> int:
        return len(self.photos)


def other_photos(count: int) -> Tensor:
    """Give each of ``count`` photos another one: a fixed random cycle, so never itself."""
    cycle = torch.from_numpy(np.random.default_rng(2018).permutation(count))
    others = torch.empty_like(cycle)
    others[cycle] = cycle.roll(1)
    return others


@dataclass(frozen=True)
class StudySettings(Settings):
    """Settings of a run of the study: its network and class maps are those of its variant."""

    network: str = ""
    class_maps: str = ""


class AblationTask(Task):
    """Learn to colorize as one variant does.

    Parameters
    ----------
    variant : Variant
        What the network is given.
    train, val : SegmentedPhotos
        Photos to learn from, and photos to judge by.
    settings : Settings
        The recipe.
    device : torch.device
        Where to train.
    passes : int
        How often an epoch goes through the training photos.
    """

    network: StudyNetwork

    def __init__(
        self,
        variant: Variant,
        train: SegmentedPhotos,
        val: SegmentedPhotos,
        settings: Settings,
        device: torch.device,
        passes: int = 1,
    ) -> None:
        super().__init__(train.photos, val.photos, settings, device)
        self.variant, self.passes = variant, passes
        self.segmented: dict[PhotoSet, SegmentedPhotos] = {train.photos: train, val.photos: val}
        self.scaling = SCALINGS[settings.scaling]
        with own_random_numbers(settings.seed):
            network = StudyNetwork(variant)
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def compute_statistics(self) -> dict[str, list[float]]:
        """Measure the mean colour and the scale of the semantics, over the middle crops."""
        photos = self.segmented[self.train]
        logit_max = photos.logits[0].amax(dim=(0, 2, 3)).clamp(min=1)
        scaled = encode(photos.logits[0], "logits", logit_max)
        return {
            "mean_color": photos.lab[0, :, 1:].double().mean(dim=(0, 2, 3)).tolist(),
            "logit_max": logit_max.tolist(),
            "mean_logits": scaled.mean(dim=(0, 2, 3)).tolist(),
            "feature_std": [scale[0].float().std().item() for scale in photos.pyramid],
        }

    def apply_statistics(self, statistics: dict[str, list[float]]) -> None:
        """Make the semantics that the network is given of each photo."""
        self.mean_color = torch.tensor(statistics["mean_color"], device=self.device)[:, None, None]
        self.semantics = {
            photos: self._semantics(segmented, statistics)
            for photos, segmented in self.segmented.items()
        }

    def _semantics(
        self, photos: SegmentedPhotos, statistics: dict[str, list[float]]
    ) -> list[Tensor]:
        """Make the semantics of all photos, each (views, N, C, h, w)."""
        kind, source = self.variant.semantic_input, self.variant.source
        if not kind:
            return []
        if kind == "features":
            std = statistics["feature_std"]
            semantics = [photos.pyramid[scale] / std[scale] for scale in self.variant.scales]
        elif source == "teacher":
            assert photos.teacher is not None, "pick_variants leaves this variant out"
            semantics = [photos.teacher]
        else:
            logit_max = torch.tensor(statistics["logit_max"])
            maps = encode(photos.logits.flatten(0, 1), kind, logit_max)
            semantics = [maps.unflatten(0, photos.logits.shape[:2])]
        if source == "constant":
            mean = torch.tensor(statistics["mean_logits"])[:, None, None]
            semantics = [mean.expand_as(each) for each in semantics]
        if source == "shuffled":
            semantics = [each[:, other_photos(len(photos))] for each in semantics]
        return semantics

    def batch(self, photos: PhotoSet, crops: CropBatch) -> Batch:
        """Take the middle crops' Lab (N, 3, H, W) and semantics out of memory."""
        return self._pick(photos, torch.zeros_like(crops.indices), crops.indices)

    def _pick(self, photos: PhotoSet, views: Tensor, indices: Tensor) -> Batch:
        kept = (self.segmented[photos].lab, *self.semantics[photos])
        lab, *semantics = (each[views, indices].to(self.device).float() for each in kept)
        return Batch(lab, (lab[:, :1], *semantics))

    def epoch_photos(self, epoch: int) -> PhotoSet:
        """Give the training photos, as often as an epoch goes through them."""
        return self.train.subset(list(range(len(self.train))) * self.passes)

    def train_batches(self, epoch: int, start: int, size: int | None = None) -> Iterator[Batch]:
        """Go through the training photos: for one seed, in the same order in each variant."""
        seed, count = self.settings.seed, len(self.train)
        random = np.random.default_rng([seed, epoch])
        order = np.concatenate([random.permutation(count) for _ in range(self.passes)])
        views = random.integers(VIEWS if self.settings.augment else 1, size=len(order))
        parts = torch.from_numpy(np.stack([views, order])).split(self.settings.batch_size, dim=1)
        on_cpu = self.device.type == "cpu"  # where no GPU's sequence may begin anew
        manual_seed = torch.default_generator.manual_seed if on_cpu else torch.manual_seed
        for number, (views_now, indices) in enumerate(parts[start:], start):
            # Dropout depends on the step alone, so that resuming changes nothing.
            manual_seed((seed * 1000 + epoch) * len(parts) + number)
            yield self._pick(self.train, views_now, indices)

    def compute_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the L1 as trained on, scaled, and ``ab_l1`` in Lab units."""
        return l1_losses(self.network, self.scaling, batch, self.autocast())

    def validate(self) -> Row:
        """Judge by all photos of ``val``, and by some of ``train``: ``val_`` and ``seen_``."""
        indices = self.train.evenly_spaced_indices(MEASURED_AGAIN)
        return {
            **self._judge(self.val, torch.arange(len(self.val)), "val_"),
            **self._judge(self.train, torch.tensor(indices), "seen_"),
        }

    def _judge(self, photos: PhotoSet, chosen: Tensor, prefix: str) -> Row:
        sums: dict[str, float] = {}
        for indices in chosen.split(50):
            batch = self._pick(photos, torch.zeros_like(indices), indices)
            losses = {**self.compute_losses(batch), **trivial_errors(batch, self.mean_color)}
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(indices)
        return {prefix + name: total / len(chosen) for name, total in sums.items()}

    def save(self, path: Path) -> None:
        """Write the weights."""
        weights = {
            key: value.cpu().contiguous() for key, value in self.network.state_dict().items()
        }
        with atomic_write(path) as temporary:
            temporary.write_bytes(save(weights))


def settings_of(
    variant: Variant, seed: int, size: int, epochs: int, passes: int, precision: str
) -> Settings:
    """Make the recipe: for all variants the same, but for augmentation; no weight decay."""
    return StudySettings(
        network=f"study {variant.name}, {passes} passes an epoch",
        scaling="2018",
        class_maps=variant.semantic_input if variant.semantic_input in ENCODINGS else "",
        size=size,
        epochs=epochs,
        batch_size=8,
        learning_rate=0.002,
        weight_decay=0.0,
        schedule="one-cycle",
        augment=variant.regularized,
        precision=precision,  # type: ignore[arg-type] # checked when made
        seed=seed,
    )


def open_study_photos(source: Source, count: int) -> tuple[PhotoSet, PhotoSet]:
    """Open the photos of the study: those with a teacher's class maps, where there are any.

    Parameters
    ----------
    source : str, Path or sequence of them
        As in `photos.open.open_photos`.
    count : int
        Training photos, evenly spaced in the set.

    Returns
    -------
    train, val : PhotoSet
    """
    with_maps = all((Path(each) / CLASS_MAPS_FILE).exists() for each in source_names(source))
    open_set = open_class_maps if with_maps else open_photos
    return open_set(source, "train").evenly_spaced(count), open_set(source, "val")


def pick_variants(names: Sequence[str] | None, *, with_teacher: bool) -> list[Variant]:
    """Find variants by name; without names, all that can be had.

    Raises
    ------
    VividPastError
        If there is no such variant, or it needs a teacher's class maps and there are none.

    Warns
    -----
    UserWarning
        If the variant that needs the teacher is left out.
    """
    for name in names or ():
        if name not in VARIANTS:
            raise VividPastError(
                f"{name}: is no variant of the study; there are {', '.join(VARIANTS)}."
            )
    variants = [VARIANTS[name] for name in names or VARIANTS]
    taught = [variant for variant in variants if variant.source == "teacher"]
    if with_teacher or not taught:
        return variants
    sentence = f"These photos come without a {CLASS_MAPS_FILE}, which the variant teacher needs"
    if names:
        raise VividPastError(f"{sentence}; leave it out, or name photos that have one.")
    warnings.warn(f"{sentence}: it is left out.", stacklevel=2)
    return [variant for variant in variants if variant not in taught]


def run_study(
    train: PhotoSet,
    val: PhotoSet,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    runs: Path,
    *,
    size: int = 96,
    epochs: int,
    passes: int = 1,
    precision: str = "float32",
    device: torch.device | str = "auto",
    progress: bool = True,
    on_epoch: Callable[[str, Row], None] = lambda _run, _row: None,
) -> dict[str, list[Row]]:
    """Train variants, each with each seed: first all variants with the first seed, then the next.

    Parameters
    ----------
    train, val : PhotoSet
        Photos to learn from, and photos to judge by.
    variants : sequence of Variant
        Values of `VARIANTS`.
    seeds : sequence of int
        Each fixes initial weights, order and dropout.
    runs : Path
        Each run is a folder in it, ``VARIANT-SEED``, as `training.fit` writes it. What is there
        and complete is kept; what was stopped goes on.
    size, epochs, precision, device, progress
        As in `training.Settings`, `training.open_task` and `training.fit`.
    passes : int
        How often an epoch goes through the photos: few photos and many passes make as many steps
        as many photos and few passes.
    on_epoch : callable, optional
        Called with a run's name and its new row after each epoch.

    Returns
    -------
    dict
        {run's name: history}. Besides what a colorizer's history has, each row has the errors
        on (at most 500 of) the training photos after the epoch, middle crops, without dropout:
        ``seen_ab_l1``, and ``seen_grey_ab_l1`` and others to compare with. The generalization
        gap is ``val_ab_l1 - seen_ab_l1``.

    Raises
    ------
    VividPastError
        If ``runs`` holds runs with other settings or photos, or the teacher has no maps of these.
    """
    device = best_device(device)
    all_settings = {
        f"{variant.name}-{seed}": (
            variant,
            settings_of(variant, seed, size, epochs, passes, precision),
        )
        for seed, variant in itertools.product(seeds, variants)
    }
    views = VIEWS if any(variant.regularized for variant in variants) else 1
    photos = SegmentedPhotos(train, size, device, views), SegmentedPhotos(val, size, device)
    histories: dict[str, list[Row]] = {}
    for name, (variant, settings) in all_settings.items():
        gpus = range(torch.cuda.device_count()) if device.type == "cuda" else []
        with torch.random.fork_rng(devices=gpus):
            task = AblationTask(variant, *photos, settings, device, passes)
            _network, histories[name] = fit(
                task,
                run=runs / name,
                resume=holds_run(runs / name),
                progress=progress,
                on_epoch=lambda _network, row: on_epoch(name, row),  # noqa: B023 - called at once
            )
    return histories


def study_summary(histories: dict[str, list[Row]]) -> str:
    """Tabulate the last epoch's errors, as means over the seeds of each variant.

    Parameters
    ----------
    histories : dict
        What `run_study` gives.

    Returns
    -------
    str
        A line per variant: training and validation error and their gap, in Lab units.
    """
    variants = list(dict.fromkeys(name.rpartition("-")[0] for name in histories))
    lines = [f"{'variant':17} seeds  training  validation   gap"]
    for variant in variants:
        last = [rows[-1] for name, rows in histories.items() if name.rpartition("-")[0] == variant]
        seen, val = (np.mean([row[f"{key}_ab_l1"] for row in last]) for key in ("seen", "val"))
        lines.append(f"{variant:17} {len(last):5} {seen:9.2f} {val:11.2f} {val - seen:5.2f}")
    return "\n".join(lines)
