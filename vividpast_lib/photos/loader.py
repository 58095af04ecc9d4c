"""Crops of a set's photos, batch by batch, as Lab tensors.

Worker processes read, cut and resize; whole batches are converted to Lab on the device.
"""

import math
import signal
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..runtime.distributed import all_reduce_sum, local_world_size, rank, world_size
from ..runtime.errors import VividPastError
from ..runtime.threads import available_cores
from .crops import CLASS_MAP_SIDE, SMALLEST_CROP, CropBatch, cut_class_map, cut_crop, sample_crop
from .photo_set import PhotoSet

#: Number of photos that gives the mean colour of a set to a tenth of a Lab unit.
ENOUGH_PHOTOS = 5000


class _Crops(Dataset):
    """What a worker does: read, crop and resize the photos of a batch.

    A key is a list of (position in the whole batch, index of a photo). A batch comes out as the
    first four fields of a `CropBatch`, and the messages of damaged photos.
    """

    def __init__(self, photos: PhotoSet, size: int, augment: bool, seed: int, epoch: int) -> None:
        self.photos, self.size = photos, size
        self.augment, self.seed, self.epoch = augment, seed, epoch
        # Shorter side that photos need so that no crop is enlarged, in pixels.
        self.needed = math.ceil(size / SMALLEST_CROP) if augment else size * 3 // 2

    def __getitem__(
        self, batch: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor, list[str]]:
        values, class_maps, read, messages = [], [], [], []
        for batch_index, index in batch:
            try:
                image = self.photos.read(index, at_least=self.needed)
            except VividPastError as error:
                messages.append(str(error))
                continue
            # Seeded by photo and epoch, so that neither workers nor an interruption change it.
            random = np.random.default_rng([self.seed, self.epoch, index]) if self.augment else None
            crop = sample_crop(*image.size, random)
            values.append(cut_crop(image, self.size, *crop))
            if self.photos.class_maps is not None:
                class_maps.append(cut_class_map(self.photos.class_maps[index], image.size, *crop))
            read.append((index, batch_index))
        # Reshaped, because a list of no photos has no shape.
        crops = torch.from_numpy(np.array(values, np.uint8).reshape(-1, 3, self.size, self.size))
        maps = None
        if self.photos.class_maps is not None:
            side = CLASS_MAP_SIDE
            maps = torch.from_numpy(np.array(class_maps, np.uint8).reshape(-1, side, side))
        indices, positions = torch.tensor(read, dtype=torch.int64).reshape(-1, 2).unbind(1)
        return crops, indices, maps, positions, messages


def crop_batches(
    photos: PhotoSet,
    size: int,
    batch_size: int = 32,
    *,
    shuffle: bool = False,
    augment: bool = False,
    seed: int = 0,
    epoch: int = 0,
    start: int = 0,
    workers: int | None = None,
    pin_memory: bool = False,
    split_over_ranks: bool = False,
) -> Iterator[CropBatch]:
    """Go once through a set, as batches of square 8-bit crops.

    Parameters
    ----------
    photos : PhotoSet
        What `open_photos` gives.
    size : int
        Side of the crops, in pixels.
    batch_size : int
        Photos a batch; the last one, and one with damaged photos, has fewer, perhaps none.
    shuffle, augment : bool
        Draw the order, the crops and their mirroring anew each epoch; otherwise the order of the
        set and the middle crops.
    seed, epoch : int
        Together they fix everything that is drawn.
    start : int
        Leave out this many batches, to go on with an interrupted epoch.
    workers : int, optional
        Processes that decode. By default none for a small set, else one a core, at most 16.
    pin_memory : bool
        Put the batches in page-locked memory, from which a GPU copies faster.
    split_over_ranks : bool
        Read this process's share of each batch alone, as all other processes then must: of two
        processes the second reads positions 1, 3, 5, ...; see `runtime.distributed`.

    Yields
    ------
    CropBatch

    Warns
    -----
    UserWarning
        Names a damaged photo, once, and goes on without it.

    Raises
    ------
    VividPastError
        If not one photo can be read.
    """
    order = np.arange(len(photos))
    if shuffle:
        np.random.default_rng([seed, epoch]).shuffle(order)
    if workers is None:
        few = len(photos) < 200 or isinstance(photos, MemoryPhotos)
        cores = available_cores() // (local_world_size() if split_over_ranks else 1)
        workers = 0 if few else min(max(cores, 1), 16)
    batches = np.split(order, range(batch_size, len(order), batch_size))[start:]
    mine = slice(rank(), None, world_size()) if split_over_ranks else slice(None)
    loader = DataLoader(
        _Crops(photos, size, augment, seed, epoch),
        batch_size=None,  # each key is a batch already
        sampler=[list(enumerate(batch.tolist()))[mine] for batch in batches],
        num_workers=workers,
        collate_fn=tuple,
        worker_init_fn=_start_worker,
        prefetch_factor=4 if workers else None,
        pin_memory=pin_memory,
        # Of its own: otherwise each loader draws from the global generator, from which another
        # thread may be drawing a network's initial weights. No photo depends on it.
        generator=torch.Generator(),
    )
    any_read = start > 0
    for batch, (crops, indices, maps, positions, messages) in zip(batches, loader, strict=True):
        for message in messages:
            if message not in photos.damaged:
                photos.damaged.add(message)
                warnings.warn(f"{message} Skipped.", stacklevel=2)
        any_read = any_read or len(crops) > 0
        yield CropBatch(crops, indices, maps, positions, len(batch))
    if not (all_reduce_sum(any_read) if split_over_ranks else any_read):
        raise VividPastError(f"{photos.title}: not one of its photos can be read.")


def lab_batches(
    photos: PhotoSet,
    size: int,
    batch_size: int = 32,
    *,
    device: torch.device | str = "cpu",
    **options: Any,
) -> Iterator[Tensor]:
    """Go once through a set, as batches of square Lab photos.

    Parameters
    ----------
    photos, size, batch_size, **options
        As in `crop_batches`: ``shuffle``, ``augment``, ``seed``, ``epoch``, ``start``, ``workers``.
    device : torch.device or str
        Where Lab is computed and stays.

    Yields
    ------
    Tensor, float, shape (N, 3, size, size)
        CIE Lab.
    """
    device = torch.device(device)
    options["pin_memory"] = device.type == "cuda"
    for crops in crop_batches(photos, size, batch_size, **options):
        yield photos.to_lab(crops.values.to(device, non_blocking=True))


class MemoryPhotos(PhotoSet):
    """The middle crops of a set, read once and kept in memory.

    Parameters
    ----------
    photos : PhotoSet
        What to read; damaged photos are left out.
    size : int
        Side of the crops, in pixels; each takes 3 * size * size bytes.
    """

    def __init__(self, photos: PhotoSet, size: int) -> None:
        batches = list(crop_batches(photos, size, 64))
        kept = torch.cat([batch.indices for batch in batches]).tolist()
        super().__init__(photos.title, [photos.names[index] for index in kept])
        self.whole = photos
        kept_photos = photos.subset(kept)
        self.columns, self.set_numbers = kept_photos.columns, kept_photos.set_numbers
        self.crops = torch.cat([batch.values for batch in batches])  # (N, 3, size, size)
        maps = [batch.class_maps.numpy() for batch in batches if batch.class_maps is not None]
        self.class_maps = np.concatenate(maps) if maps else None

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Give crop ``index``."""
        return Image.fromarray(self.crops[index].permute(1, 2, 0).numpy())

    def to_lab(self, values: Tensor) -> Tensor:
        """Convert as the set does that the crops come from."""
        return self.whole.to_lab(values)


def load_lab(photos: PhotoSet, size: int) -> Tensor:
    """Read a small set whole, as one Lab tensor (N, 3, size, size)."""
    return torch.cat(list(lab_batches(photos, size)))


def mean_color(photos: PhotoSet, size: int = 64) -> tuple[float, float]:
    """Mean ab of a set in Lab units, over at most 5,000 photos, evenly spaced in it."""
    total, count = torch.zeros(2, dtype=torch.float64), 0
    some = photos.evenly_spaced(ENOUGH_PHOTOS)
    for lab in lab_batches(some, size, 64):
        total += lab[:, 1:].double().mean(dim=(2, 3)).sum(dim=0)
        count += len(lab)
    a, b = (total / count).tolist()
    return a, b


def _start_worker(_worker: int) -> None:
    # The parent warns of damaged photos, once and by name.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Ctrl-C and a cluster's SIGTERM reach the whole process group; the parent still needs its
    # workers to end the batch before it saves.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
