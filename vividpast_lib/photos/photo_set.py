"""Photos of one set and split, read one at a time; each kind of source is a class of its own."""

import contextlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset

from ..color.lab import rgb_to_lab
from ..runtime.errors import VividPastError
from .picture_reading import decoding_errors, read_rgb, read_shorter_side

SPLITS = ("train", "val")
#: A file of class maps in a folder of photos: ``files`` (N,), ``labels`` (N, h, w) uint8.
CLASS_MAPS_FILE = "voc21_teacher.npz"
#: What says of each photo in a folder, or in shards, its split and more.
MANIFEST_FILE = "manifest.csv"
# Of photos without a manifest, one in this many is for validation.
VAL_EVERY = 10


class PhotoSet(ABC):
    """Photos of one set and split, read one at a time as 8-bit values.

    Parameters
    ----------
    title : str
        What the set is called in messages.
    names : list of str
        One name a photo.
    """

    def __init__(self, title: str, names: list[str]) -> None:
        self.title, self.names = title, names
        self.damaged: set[str] = set()  # messages of damaged photos that were given already
        #: What a manifest says of each photo: {column: (N,)}, ``source`` among them.
        self.columns: dict[str, list[str]] = {"source": [Path(title).absolute().name] * len(names)}
        #: Number of joined sets, and which of them each photo is from, (N,).
        self.set_count = 1
        self.set_numbers: list[int] = [0] * len(names)
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

    def shorter_side(self, index: int) -> int:
        """Read the shorter side of photo ``index``, in pixels."""
        return min(self.read(index).size)

    def shorter_sides(self) -> np.ndarray:
        """Read the shorter side of each photo in pixels, (N,); 0 if it can't be read."""
        sides = np.zeros(len(self), int)
        for index in range(len(self)):
            with contextlib.suppress(VividPastError):
                sides[index] = self.shorter_side(index)
        return sides

    def subset(self, indices: list[int]) -> "PhotoSet":
        """Keep the photos with these indices, in this order."""
        return Subset(self, indices)

    def head(self, count: int) -> "PhotoSet":
        """Keep the first ``count`` photos."""
        return self.subset(list(range(min(count, len(self)))))

    def evenly_spaced(self, count: int) -> "PhotoSet":
        """Keep ``count`` photos, or all if there are fewer, evenly spaced in the set."""
        return self.subset(self.evenly_spaced_indices(count))

    def evenly_spaced_indices(self, count: int) -> list[int]:
        """List the indices of ``count`` photos, or of all if there are fewer."""
        count = min(count, len(self))
        return [index * len(self) // count for index in range(count)]


class FolderPhotos(PhotoSet):
    """Photo files of a folder; ``names`` are their paths relative to it."""

    def __init__(
        self,
        title: str,
        folder: Path,
        names: list[str],
        columns: Mapping[str, list[str]] | None = None,
    ) -> None:
        super().__init__(title, names)
        self.folder = folder
        self.columns |= columns or {}

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Read and decode file ``index``."""
        return read_rgb(self.folder / self.names[index], at_least)

    def shorter_side(self, index: int) -> int:
        """Read the shorter side of photo ``index`` from the file's header alone."""
        return read_shorter_side(self.folder / self.names[index])


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

    LIGHTNESS_FILE, AB_FILES = "gray_scale.npy", ("ab1.npy", "ab/ab1.npy")

    def __init__(self, folder: Path, split: str | None) -> None:
        self.made_with = folder, split
        ab_file = next(folder / name for name in self.AB_FILES if (folder / name).exists())
        try:
            self.lightness = np.load(folder / self.LIGHTNESS_FILE, mmap_mode="r")
            self.ab = np.load(ab_file, mmap_mode="r")
        except (ValueError, OSError, EOFError) as error:
            raise VividPastError(f"{folder}: its arrays can't be read ({error}).") from None
        if self.lightness.ndim != 3 or self.ab.shape[1:] != (*self.lightness.shape[1:], 2):
            raise VividPastError(
                f"{folder}: gray_scale.npy must be (N, H, W) and ab1.npy (M, H, W, 2), but they "
                f"are {self.lightness.shape} and {self.ab.shape}."
            )
        names = [f"{row:05d}" for row in range(min(len(self.lightness), len(self.ab)))]
        super().__init__(str(folder), [name for name in names if split in (None, split_of(name))])
        self.rows = [int(name) for name in self.names]

    @classmethod
    def are_in(cls, folder: Path) -> bool:
        """Tell whether a folder holds such arrays."""
        return (folder / cls.LIGHTNESS_FILE).exists() and any(
            (folder / name).exists() for name in cls.AB_FILES
        )

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
        with decoding_errors(self.names[index]):
            return self.dataset[index][0].convert("RGB")


class Subset(PhotoSet):
    """Some photos of another set: those with ``indices``, in this order."""

    def __init__(self, whole: PhotoSet, indices: list[int]) -> None:
        super().__init__(whole.title, [whole.names[index] for index in indices])
        self.whole, self.indices = whole, indices
        self.damaged = whole.damaged
        self.columns = {
            column: [values[index] for index in indices] for column, values in whole.columns.items()
        }
        self.set_count = whole.set_count
        self.set_numbers = [whole.set_numbers[index] for index in indices]
        self.class_maps = None if whole.class_maps is None else whole.class_maps[indices]

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Read photo ``index`` of these."""
        return self.whole.read(self.indices[index], at_least)

    def shorter_side(self, index: int) -> int:
        """Read the shorter side of photo ``index`` of these, in pixels."""
        return self.whole.shorter_side(self.indices[index])

    def to_lab(self, values: Tensor) -> Tensor:
        """Convert as the other set does."""
        return self.whole.to_lab(values)


class JoinedPhotos(PhotoSet):
    """Several sets, one after the other.

    Parameters
    ----------
    sets : sequence of PhotoSet
        All of 8-bit sRGB; so not the 2018 project's arrays, a `VividPastError` says.
    """

    def __init__(self, sets: Sequence[PhotoSet]) -> None:
        super().__init__(
            " and ".join(photos.title for photos in sets),
            [name for photos in sets for name in photos.names],
        )
        if arrays := [photos.title for photos in sets if isinstance(photos, ArrayPhotos)]:
            raise VividPastError(
                f"{arrays[0]}: holds Lab arrays, which can't be joined with other sets; use them "
                "by themselves."
            )
        self.sets = sets
        self.places = [(photos, index) for photos in sets for index in range(len(photos))]
        shared = set[str].intersection(*(set(photos.columns) for photos in sets))
        self.columns = {
            column: [value for photos in sets for value in photos.columns[column]]
            for column in sorted(shared)
        }
        self.set_count = len(sets)
        self.set_numbers = [number for number, photos in enumerate(sets) for _ in photos.names]

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Read photo ``index``, of the sets counted through."""
        photos, place = self.places[index]
        return photos.read(place, at_least)

    def shorter_side(self, index: int) -> int:
        """Read the shorter side of photo ``index``, in pixels."""
        photos, place = self.places[index]
        return photos.shorter_side(place)


def split_of(name: str) -> str:
    """Split of a photo that no manifest lists: fixed by a checksum of its name."""
    stored = name.encode(errors="surrogateescape")  # a file's name may be no UTF-8
    return "val" if zlib.crc32(stored) % VAL_EVERY == 0 else "train"
