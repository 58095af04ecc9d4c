"""Sets of photos: bundled ones, folders, shards, arrays, public data sets.

`open_photos` finds a set by name or folder. A set reads one photo at a time as 8-bit values;
`batches.lab_batches` makes Lab tensors of them.
"""

import contextlib
import csv
import os
import zlib
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset

from .errors import VividPastError
from .lab import rgb_to_lab
from .pictures import PHOTO_SUFFIXES, read_rgb

#: The environment variable that names a folder of photos to train and measure on.
PHOTOS_VARIABLE = "VIVIDPAST_PHOTOS"
SPLITS = ("train", "val")
#: A file of class maps in a folder of photos: ``files`` (N,), ``labels`` (N, h, w) uint8.
CLASS_MAPS_FILE = "voc21_teacher.npz"
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
        #: Class maps of the whole photos, uint8 (N, h, w), of sets that `open_class_maps` opens.
        self.class_maps: np.ndarray | None = None
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
        return rgb_to_lab(values)

    def shorter_sides(self) -> np.ndarray:
        """Tell the shorter side of each photo in pixels, (N,); 0 if it can't be read."""
        sides = np.zeros(len(self), int)
        for index in range(len(self)):
            with contextlib.suppress(VividPastError):
                sides[index] = min(self.read(index).size)
        return sides

    def part(self, indices: list[int]) -> "PhotoSet":
        """Keep the photos with these indices, in this order."""
        return _Part(self, indices)

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

    def shorter_sides(self) -> np.ndarray:
        """Tell the shorter side of each photo, from the files' headers alone."""
        sides = np.zeros(len(self), int)
        for index, name in enumerate(self.names):
            with contextlib.suppress(OSError), Image.open(self.folder / name) as image:
                sides[index] = min(image.size)
        return sides


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
        self.class_maps = None if whole.class_maps is None else whole.class_maps[indices]

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        return self.whole.read(self.indices[index], at_least)

    def shorter_sides(self) -> np.ndarray:
        return self.whole.shorter_sides()[self.indices]

    def to_lab(self, values: Tensor) -> Tensor:
        return self.whole.to_lab(values)


def bundled_folder(kind: str = "photos") -> Path:
    """Folder of what comes with the project: photos, films, runs, measured or reference."""
    package = Path(__file__).parent
    inside_wheel = package / "data" / kind
    return inside_wheel if inside_wheel.exists() else package.parent / "data" / kind


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
        ``split``), of WebDataset shards (see `shards.open_shards`), or of the 2018 project's
        arrays. A folder is searched with its subfolders, but for shards.
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
    from . import shards  # here, because it builds on this module

    folder = Path(source)
    if shards.find_shards(folder) and not photo_files(folder):
        return shards.open_shards(folder, split)
    if not folder.is_dir():
        raise VividPastError(
            f"{source}: is neither a folder nor a known set; `vividpast data list` shows the sets."
        )
    gray_file, ab_files = _array_files(folder)
    if gray_file.exists() and any(file.exists() for file in ab_files):
        return ArrayPhotos(folder, split)
    return _open_folder(str(folder), folder, split)


def open_class_maps(source: str | Path, split: str | None = None) -> PhotoSet:
    """Open the photos of a folder that its `CLASS_MAPS_FILE` has class maps of.

    Parameters
    ----------
    source, split
        As in `open_photos`.

    Returns
    -------
    PhotoSet
        With ``class_maps``, uint8 (N, h, w): one a photo, of the whole photo, whatever its shape.

    Raises
    ------
    VividPastError
        If there is no such file, or no map in it belongs to a photo of that split.
    """
    photos = open_photos(source, split)
    path = Path(source) / CLASS_MAPS_FILE
    try:
        with np.load(path) as stored:
            files, labels = stored["files"].tolist(), stored["labels"]
    except FileNotFoundError:
        raise VividPastError(
            f"{source}: holds no class maps to learn from; name a folder of photos with a "
            f"{CLASS_MAPS_FILE} (files, labels)."
        ) from None
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise VividPastError(f"{path}: can't be read ({error}).") from None
    row_of = {file: row for row, file in enumerate(files)}
    found = [index for index, name in enumerate(photos.names) if name in row_of]
    if not found or labels.ndim != 3:
        raise VividPastError(f"{path}: has no class maps of the photos beside it.")
    part = _Part(photos, found)
    part.class_maps = labels[[row_of[name] for name in part.names]]
    return part


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
