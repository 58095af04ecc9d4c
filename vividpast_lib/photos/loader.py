"""Crops of a set's photos, batch by batch, as Lab tensors.

Worker processes read, cut and resize; whole batches are converted to Lab on the device.
"""

import math
import signal
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ..runtime.distributed import all_reduce_sum, local_world_size, rank, world_size
from ..runtime.errors import VividPastError
from ..runtime.threads import available_cores
from .crops import (
    CLASS_MAP_SIDE,
    SMALLEST_CROP,
    Box,
    CropBatch,
    cut_class_map,
    cut_crop,
    sample_crop,
    shrink,
)
from .photo_set import PhotoSet
from .whole_photos import WholePhotos

#: Number of photos that gives the mean colour of a set to a tenth of a Lab unit.
ENOUGH_PHOTOS = 5000


class _Crops(Dataset):
    """What a worker does: read, crop and resize the photos of a batch.

    A key is a list of (position in the whole batch, index of a photo). A batch comes out as the
    first four fields of a `CropBatch`, and the messages of damaged photos.
    """

    def __init__(
        self,
        photos: PhotoSet,
        size: int,
        augment: bool,
        smallest_crop: float,
        seed: int,
        epoch: int,
    ) -> None:
        self.photos, self.size = photos, size
        self.augment, self.smallest_crop = augment, smallest_crop
        self.seed, self.epoch = seed, epoch
        # Shorter side that photos need so that no crop is enlarged, in pixels.
        self.needed = math.ceil(size / smallest_crop) if augment else size * 3 // 2

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
            crop = self.sample(index, *image.size)
            values.append(cut_crop(image, self.size, *crop))
            if self.photos.class_maps is not None:
                class_maps.append(cut_class_map(self.photos.class_maps[index], image.size, *crop))
            read.append((index, batch_index))
        # Reshaped, because a list of no photos has no shape.
        crops = torch.from_numpy(np.array(values, np.uint8).reshape(-1, 3, self.size, self.size))
        indices, positions = torch.tensor(read, dtype=torch.int64).reshape(-1, 2).unbind(1)
        return crops, indices, self.stack(class_maps), positions, messages

    def sample(self, index: int, width: int, height: int) -> tuple[Box, bool]:
        """Choose the crop of photo ``index``."""
        # Seeded by photo and epoch, so that neither workers nor an interruption change it.
        random = np.random.default_rng([self.seed, self.epoch, index]) if self.augment else None
        return sample_crop(width, height, random, self.smallest_crop)

    def stack(self, class_maps: list[np.ndarray]) -> Tensor | None:
        """Join class maps; None if the set has none."""
        if self.photos.class_maps is None:
            return None
        side = CLASS_MAP_SIDE
        return torch.from_numpy(np.array(class_maps, np.uint8).reshape(-1, side, side))


class _WholeCrops(_Crops):
    """The same of `WholePhotos`, cut all at once where they are."""

    photos: WholePhotos

    def __getitem__(
        self, batch: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor, list[str]]:
        positions, indices = torch.tensor(batch, dtype=torch.int64).reshape(-1, 2).unbind(1)
        each = indices.tolist()
        sizes = list(map(tuple, self.photos.sizes[each].tolist()))
        crops = [self.sample(index, *size) for index, size in zip(each, sizes, strict=True)]
        class_maps = []
        if self.photos.class_maps is not None:
            class_maps = [
                cut_class_map(self.photos.class_maps[index], size, *crop)
                for index, size, crop in zip(each, sizes, crops, strict=True)
            ]
        values = self.photos.cut(each, self.size, crops)
        return values, indices, self.stack(class_maps), positions, []


class _Pixels(Dataset):
    """What a worker does for `keep_whole`: read some photos, a list of indices.

    Out come the pixels (P, 3), the sizes (N, 2) and the indices (N,) of those that can be read, and
    the messages of the others.
    """

    def __init__(self, photos: PhotoSet, side: int) -> None:
        self.photos, self.side = photos, side

    def __getitem__(self, indices: list[int]) -> tuple[Tensor, Tensor, list[int], list[str]]:
        pixels, sizes, read, messages = [np.empty((0, 3), np.uint8)], [], [], []
        for index in indices:
            try:
                image = shrink(self.photos.read(index, at_least=self.side), self.side)
            except VividPastError as error:
                messages.append(str(error))
                continue
            pixels.append(np.asarray(image).reshape(-1, 3))
            sizes.append(image.size)
            read.append(index)
        sizes_read = torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2)
        return torch.from_numpy(np.concatenate(pixels)), sizes_read, read, messages


def crop_batches(
    photos: PhotoSet,
    size: int,
    batch_size: int = 32,
    *,
    shuffle: bool = False,
    augment: bool = False,
    smallest_crop: float = SMALLEST_CROP,
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
    smallest_crop : float
        Least width of a crop that is drawn, as a share of the photo's shorter side.
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
    kind: type[_Crops] = _Crops
    if isinstance(photos, WholePhotos):
        kind, workers, pin_memory = _WholeCrops, 0, False
    if workers is None:
        workers = 0 if isinstance(photos, MemoryPhotos) else _workers(photos, split_over_ranks)
    batches = np.split(order, range(batch_size, len(order), batch_size))[start:]
    mine = slice(rank(), None, world_size()) if split_over_ranks else slice(None)
    keys = [list(enumerate(batch.tolist()))[mine] for batch in batches]
    loader = _load(
        kind(photos, size, augment, smallest_crop, seed, epoch), keys, workers, pin_memory
    )
    any_read = start > 0
    for batch, (crops, indices, maps, positions, messages) in zip(batches, loader, strict=True):
        _name_damaged(photos, messages)
        any_read = any_read or len(crops) > 0
        yield CropBatch(crops, indices, maps, positions, len(batch))
    if not (all_reduce_sum(any_read) if split_over_ranks else any_read):
        raise VividPastError(f"{photos.title}: not one of its photos can be read.")


def _workers(photos: PhotoSet, split_over_ranks: bool) -> int:
    """Choose the number of processes that decode; each rank has its share of the cores."""
    cores = available_cores() // (local_world_size() if split_over_ranks else 1)
    return 0 if len(photos) < 200 else min(max(cores, 1), 16)


def _load(dataset: Dataset, keys: list[list], workers: int, pin_memory: bool = False) -> DataLoader:
    """Let worker processes get the items of a data set, each a batch, in the order of the keys."""
    for thread in threading.enumerate() if workers else ():
        if thread.name == "QueueFeederThread":
            # It ends with its loader. A worker that is forked at that very moment hangs in Python
            # before 3.11.10 (https://github.com/python/cpython/issues/112275).
            thread.join(timeout=0.1)
    return DataLoader(
        dataset,
        batch_size=None,  # each key is a batch already
        sampler=keys,
        num_workers=workers,
        collate_fn=tuple,
        worker_init_fn=_start_worker,
        prefetch_factor=4 if workers else None,
        pin_memory=pin_memory,
        # Of its own: otherwise each loader draws from the global generator, from which another
        # thread may be drawing a network's initial weights. No photo depends on it.
        generator=torch.Generator(),
    )


def _name_damaged(photos: PhotoSet, messages: list[str]) -> None:
    """Warn of damaged photos, of each once."""
    for message in messages:
        if message not in photos.damaged:
            photos.damaged.add(message)
            warnings.warn(f"{message} Skipped.", stacklevel=3)


def keep_whole(
    photos: PhotoSet, size: int, device: torch.device | str = "cpu", progress: bool = False
) -> WholePhotos:
    """Read a set once, by worker processes, and keep it on a device.

    Parameters
    ----------
    photos : PhotoSet
        What to read; damaged photos are left out, with a warning.
    size : int
        Side of the largest crops to come, in pixels. Photos are kept with a shorter side of at
        most twice that; with less, crops would be blurred.
    device : torch.device or str
        Where to keep them, at three bytes a pixel, and while they are read at twice that.
    progress : bool
        Show a bar on stderr.

    Raises
    ------
    VividPastError
        If not one photo can be read, or they don't fit the device.
    """
    keys = [list(range(start, min(start + 64, len(photos)))) for start in range(0, len(photos), 64)]
    reader = _Pixels(photos, 2 * size)
    loader = _load(reader, keys, _workers(photos, split_over_ranks=True))
    parts: list[Tensor] = []
    sizes: list[Tensor] = []
    kept: list[int] = []
    try:
        with tqdm(total=len(photos), desc="reading", unit=" photos", disable=not progress) as bar:
            for key, (pixels, sizes_read, read, messages) in zip(keys, loader, strict=True):
                _name_damaged(photos, messages)
                parts.append(pixels.to(device, copy=True))
                sizes.append(sizes_read.clone())
                kept += read
                bar.update(len(key))
        all_pixels = torch.cat(parts)
    except torch.OutOfMemoryError:
        raise VividPastError(
            f"{photos.title}: its photos don't fit the memory of {device}; train on fewer "
            "(--head N), pack them smaller, or leave --in-memory out."
        ) from None
    if not kept:
        raise VividPastError(f"{photos.title}: not one of its photos can be read.")
    all_sizes = torch.cat(sizes).numpy()
    counts = all_sizes.prod(axis=1)
    return WholePhotos(photos, kept, all_pixels, all_sizes, counts.cumsum() - counts)


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
        As in `crop_batches`: ``shuffle``, ``augment``, ``smallest_crop``, ``seed``, ``epoch``,
        ``start``, ``workers``.
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
        self.columns = kept_photos.columns
        self.set_count, self.set_numbers = kept_photos.set_count, kept_photos.set_numbers
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
