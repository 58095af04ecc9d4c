"""Sets of photos in, batches of Lab tensors out.

`open_photos` finds a set by name or folder. A set reads one photo at a time as 8-bit values,
in worker processes; `lab_batches` converts whole batches to Lab on the device.
"""

import csv
import os
import signal
import warnings
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from .errors import VividPastError
from .lab import rgb_to_lab
from .pictures import PHOTO_SUFFIXES, read_rgb

#: The environment variable that names a folder of photos to train and measure on.
PHOTOS_VARIABLE = "VIVIDPAST_PHOTOS"
SPLITS = ("train", "val")
# Of photos without a manifest, one in this many is for validation.
VAL_EVERY = 10


class PhotoSet(Dataset, ABC):
    """Photos of one set and split, read one at a time as 8-bit values.

    Parameters
    ----------
    title : str
        What the set is called in messages.
    names : list of str
        One name a photo.
    """

    def __init__(self, title: str, names: list[str]) -> None:
        self.title = title
        self.names = names
        self.damaged: set[str] = set()  # named already
        if not names:
            raise VividPastError(
                f"{title}: holds no photos; name a folder with photos in it, or see "
                "`vividpast data list`."
            )

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Read photo ``index`` as a three-channel image that `to_lab` understands.

        ``at_least`` is the shorter side needed in pixels; a set may read larger photos faster
        by decoding no more than that. 0 reads the photo whole.
        """

    def to_lab(self, values: Tensor) -> Tensor:
        """Convert what `read` gives, uint8 (..., 3, H, W), to Lab of the same shape."""
        return rgb_to_lab(values.float() / 255)

    def first(self, count: int) -> "PhotoSet":
        """Keep the first ``count`` photos."""
        return _Part(self, list(range(min(count, len(self)))))

    def spread(self, count: int) -> "PhotoSet":
        """Keep ``count`` photos, or all if there are fewer, spread evenly through the set."""
        count = min(count, len(self))
        return _Part(self, [index * len(self) // count for index in range(count)])


class FolderPhotos(PhotoSet):
    """Photo files of a folder; ``names`` are their paths relative to it."""

    def __init__(self, title: str, folder: Path, names: list[str]) -> None:
        super().__init__(title, names)
        self.folder = folder

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Read and decode file ``index``."""
        return read_rgb(self.folder / self.names[index], at_least)


class ArrayPhotos(PhotoSet):
    """The 2018 project's arrays, memory-mapped: OpenCV's 8-bit Lab.

    Parameters
    ----------
    folder : Path
        Holds ``gray_scale.npy`` (N, H, W), and ``ab1.npy`` (M, H, W, 2) there or in ``ab/``;
        the first min(N, M) photos have both.
    split : str or None
        As in `open_photos`.
    """

    def __init__(self, folder: Path, split: str | None) -> None:
        self.made_with = folder, split
        ab_file = next(p for p in _array_files(folder)[1] if p.exists())
        try:
            self.lightness = np.load(folder / "gray_scale.npy", mmap_mode="r")
            self.ab = np.load(ab_file, mmap_mode="r")
        except (ValueError, OSError, EOFError) as error:
            raise VividPastError(f"{folder}: its arrays can't be read ({error}).") from None
        if self.lightness.ndim != 3 or self.ab.shape[1:] != (*self.lightness.shape[1:], 2):
            raise VividPastError(
                f"{folder}: gray_scale.npy must be (N, H, W) and ab1.npy (M, H, W, 2), but they "
                f"are {self.lightness.shape} and {self.ab.shape}."
            )
        count = min(len(self.lightness), len(self.ab))
        rows = [(f"{index:05d}", index) for index in range(count)]
        kept = [row for row in rows if split in (None, split_of(row[0]))]
        super().__init__(str(folder), [name for name, _ in kept])
        self.rows = [index for _, index in kept]

    def __reduce__(self) -> tuple[type, tuple[Path, str | None]]:
        # A worker process opens the files itself: pickling would copy the arrays whole.
        return ArrayPhotos, self.made_with

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Read photo ``index`` as an image whose three channels are 8-bit Lab, not RGB."""
        row = self.rows[index]
        return Image.fromarray(np.dstack([self.lightness[row], self.ab[row]]).astype(np.uint8))

    def to_lab(self, values: Tensor) -> Tensor:
        """Undo OpenCV's 8-bit coding: L * 255 / 100, ab + 128."""
        scale = torch.tensor([100 / 255, 1.0, 1.0], device=values.device)[:, None, None]
        offset = torch.tensor([0.0, 128.0, 128.0], device=values.device)[:, None, None]
        return (values.float() - offset) * scale


class TorchvisionPhotos(PhotoSet):
    """A torchvision data set that gives (image, target) pairs; the targets are left unused."""

    def __init__(self, title: str, dataset: ConcatDataset) -> None:
        super().__init__(title, [f"{title} {index}" for index in range(len(dataset))])
        self.dataset = dataset

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Read photo ``index``."""
        try:
            return self.dataset[index][0].convert("RGB")
        except OSError as error:
            raise VividPastError(f"{self.names[index]}: is damaged ({error}).") from None


class _Part(PhotoSet):
    def __init__(self, whole: PhotoSet, indices: list[int]) -> None:
        super().__init__(whole.title, [whole.names[index] for index in indices])
        self.whole = whole
        self.indices = indices
        self.damaged = whole.damaged

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        return self.whole.read(self.indices[index], at_least)

    def to_lab(self, values: Tensor) -> Tensor:
        return self.whole.to_lab(values)


def bundled_folder() -> Path:
    """Folder of the photos that come with the project."""
    package = Path(__file__).parent
    inside_wheel = package / "data" / "photos"
    return inside_wheel if inside_wheel.exists() else package.parent / "data" / "photos"


def default_source() -> str:
    """Name what to train on when nothing is named: `PHOTOS_VARIABLE` if set, else bundled."""
    return os.environ.get(PHOTOS_VARIABLE) or "bundled"


def open_photos(source: str | Path = "bundled", split: str | None = None) -> PhotoSet:
    """Open a set of photos.

    Parameters
    ----------
    source : str or Path
        ``"bundled"``; the name of a torchvision data set that `vividpast data fetch` has
        fetched; or a folder: of photos, of photos with a ``manifest.csv`` (columns ``file`` and
        ``split``), or of the 2018 project's arrays. A folder is searched with its subfolders.
    split : {"train", "val", None}
        Which part; None takes all. Without a manifest one photo in ten is for validation,
        chosen by a checksum of its name, so that it stays where it is when others are added.

    Returns
    -------
    PhotoSet

    Raises
    ------
    VividPastError
        If there is no such set, or it is empty.
    """
    if split not in (*SPLITS, None):
        raise VividPastError(f"There is no split {split!r}; use train or val.")
    if source == "bundled":
        return _open_folder("bundled", bundled_folder(), split)
    from . import downloads  # here, because torchvision's data sets are slow to import

    for name in downloads.PUBLIC_SETS:
        if str(source).lower() == name.lower():
            return TorchvisionPhotos(name, downloads.open_public(name, split))
    folder = Path(source)
    if not folder.is_dir():
        raise VividPastError(
            f"{source}: is neither a folder nor a known set; `vividpast data list` shows the sets."
        )
    gray_file, ab_files = _array_files(folder)
    if gray_file.exists() and any(file.exists() for file in ab_files):
        return ArrayPhotos(folder, split)
    return _open_folder(str(folder), folder, split)


def _array_files(folder: Path) -> tuple[Path, list[Path]]:
    """Where the 2018 arrays may lie: lightness, and the two usual places of ab."""
    return folder / "gray_scale.npy", [folder / "ab1.npy", folder / "ab" / "ab1.npy"]


def split_of(name: str) -> str:
    """Split of a photo that no manifest lists: fixed by a checksum of its name."""
    return "val" if zlib.crc32(name.encode()) % VAL_EVERY == 0 else "train"


def _open_folder(title: str, folder: Path, split: str | None) -> FolderPhotos:
    manifest = folder / "manifest.csv"
    if manifest.exists():
        splits = _read_manifest(manifest)
    else:
        splits = {name: split_of(name) for name in photo_files(folder)}
    if splits and split and split not in splits.values():
        raise VividPastError(
            f"{title}: has {len(splits)} photos but none for {split}; add photos, or a "
            "manifest.csv with the columns file and split."
        )
    names = [name for name, of in splits.items() if split in (None, of)]
    return FolderPhotos(title, folder, names)


def _read_manifest(manifest: Path) -> dict[str, str]:
    """Read {file: split}."""
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            return {row["file"]: row["split"] for row in csv.DictReader(file)}
    except (KeyError, csv.Error, UnicodeDecodeError):
        raise VividPastError(f"{manifest}: must be a CSV with columns file and split.") from None


def photo_files(folder: Path) -> list[str]:
    """List the photos below ``folder`` by suffix, sorted relative paths, without hidden ones."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in found
        if path.suffix.lower() in PHOTO_SUFFIXES
        and not any(part.startswith(".") for part in path.parts)
    )


def crop_square(
    image: Image.Image, size: int, random: np.random.Generator | None = None
) -> np.ndarray:
    """Cut a square out of a photo and resize it.

    Parameters
    ----------
    image : PIL.Image.Image
        Three channels of 8 bits.
    size : int
        Side of the result, in pixels.
    random : numpy.random.Generator, optional
        Draws the square, 0.7 to 1 times the shorter side wide, anywhere, and mirrors every
        other one. Without it, the largest square in the middle is taken.

    Returns
    -------
    ndarray, uint8, shape (3, size, size)
    """
    width, height = image.size
    side = float(min(width, height))
    left, top = (width - side) / 2, (height - side) / 2
    mirrored = False
    if random is not None:
        side *= random.uniform(0.7, 1.0)
        left, top = random.uniform(0, width - side), random.uniform(0, height - side)
        mirrored = random.random() < 0.5
    box = (left, top, left + side, top + side)
    square = image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    values = np.asarray(square).transpose(2, 0, 1)  # (H, W, 3) => (3, H, W)
    return np.ascontiguousarray(values[..., ::-1] if mirrored else values)


class _Squares(Dataset):
    """What a worker does: read, crop, resize. A damaged photo comes out as its message."""

    def __init__(self, photos: PhotoSet, size: int, augment: bool, seed: int, epoch: int) -> None:
        self.photos, self.size = photos, size
        self.augment, self.seed, self.epoch = augment, seed, epoch

    def __getitem__(self, index: int) -> np.ndarray | str:
        # Seeded by photo and epoch, so that neither workers nor an interruption change it.
        random = np.random.default_rng([self.seed, self.epoch, index]) if self.augment else None
        try:
            image = self.photos.read(index, at_least=self.size * 3 // 2)
            return crop_square(image, self.size, random)
        except VividPastError as error:
            return str(error)


def lab_batches(
    photos: PhotoSet,
    size: int,
    batch_size: int = 32,
    *,
    device: torch.device | str = "cpu",
    shuffle: bool = False,
    augment: bool = False,
    seed: int = 0,
    epoch: int = 0,
    start: int = 0,
    workers: int | None = None,
) -> Iterator[Tensor]:
    """Go once through a set, as batches of square Lab photos.

    Parameters
    ----------
    photos : PhotoSet
        What `open_photos` gives.
    size : int
        Side of the squares, in pixels.
    batch_size : int
        Photos a batch; the last one, and one with damaged photos, has fewer, perhaps none.
    device : torch.device or str
        Where Lab is computed and stays.
    shuffle, augment : bool
        Draw the order, the squares and their mirroring anew each epoch; otherwise the order of
        the set and the middle squares.
    seed, epoch : int
        Together they fix everything that is drawn.
    start : int
        Leave out this many batches, to go on with an interrupted epoch.
    workers : int, optional
        Processes that decode. By default none for a small set, else one a core, at most 8.

    Yields
    ------
    Tensor, float, shape (N, 3, size, size)
        CIE Lab.

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
        workers = 0 if len(photos) < 200 else min(os.cpu_count() or 1, 8)
    device = torch.device(device)
    loader = DataLoader(
        _Squares(photos, size, augment, seed, epoch),
        batch_size=batch_size,
        sampler=order[start * batch_size :].tolist(),
        num_workers=workers,
        collate_fn=partial(_collate, size),
        worker_init_fn=_leave_signals_to_parent,
        prefetch_factor=4 if workers else None,
        pin_memory=device.type == "cuda",
    )
    any_read = start > 0
    for values, messages in loader:
        for message in messages:
            if message not in photos.damaged:
                photos.damaged.add(message)
                warnings.warn(f"{message} Skipped.", stacklevel=2)
        any_read = any_read or len(values) > 0
        yield photos.to_lab(values.to(device, non_blocking=True))
    if not any_read:
        raise VividPastError(f"{photos.title}: not one of its photos can be read.")


def load_lab(photos: PhotoSet, size: int) -> Tensor:
    """Read a small set whole, as one Lab tensor (N, 3, size, size)."""
    return torch.cat(list(lab_batches(photos, size)))


def _collate(size: int, items: list[np.ndarray | str]) -> tuple[Tensor, list[str]]:
    squares = [item for item in items if not isinstance(item, str)]
    messages = [item for item in items if isinstance(item, str)]
    values = np.stack(squares) if squares else np.empty((0, 3, size, size), np.uint8)
    return torch.from_numpy(values), messages


def _leave_signals_to_parent(_worker: int) -> None:
    # Ctrl-C and a cluster's SIGTERM reach the whole process group; the parent still needs its
    # workers to end the batch before it saves.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
