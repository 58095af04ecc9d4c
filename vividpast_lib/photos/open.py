"""A set's name or folder -> its photos: bundled ones, folders, shards, arrays, public data sets."""

import csv
import os
import posixpath
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..runtime.errors import VividPastError
from .photo_set import (
    CLASS_MAPS_FILE,
    SPLITS,
    ArrayPhotos,
    FolderPhotos,
    PhotoSet,
    TorchvisionPhotos,
    split_of,
)
from .picture import PHOTO_SUFFIXES
from .shards import find_shards, open_shards

#: The environment variable that names a folder of photos to train and measure on.
PHOTOS_VARIABLE = "VIVIDPAST_PHOTOS"


def bundled_folder(kind: str = "photos") -> Path:
    """Folder of what comes with the project: photos, films, runs, measured or reference."""
    package = Path(__file__).parents[1]
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
        If there is no such set, it is empty, or its manifest has a photo in two splits.
    """
    if split not in (*SPLITS, None):
        raise VividPastError(f"There is no split {split!r}; use train or val.")
    if source == "bundled":
        return _open_folder("bundled", bundled_folder(), split)
    from ..runtime import downloads  # here, because torchvision's data sets are slow to import

    for name in downloads.PUBLIC_SETS:
        if str(source).lower() == name.lower():
            return TorchvisionPhotos(name, downloads.open_public(name, split))

    folder = Path(source)
    if find_shards(folder) and not photo_files(folder):
        return open_shards(folder, split)
    if not folder.is_dir():
        raise VividPastError(
            f"{source}: is neither a folder nor a known set; `vividpast data list` shows the sets."
        )
    if ArrayPhotos.are_in(folder):
        return ArrayPhotos(folder, split)
    return _open_folder(str(folder), folder, split)


def open_class_maps(source: str | Path, split: str | None = None) -> PhotoSet:
    """Open, as `open_photos`, the photos that a folder's `CLASS_MAPS_FILE` has class maps of.

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
    if not path.exists():
        raise VividPastError(
            f"{source}: holds no class maps to learn from; name a folder of photos with a "
            f"{CLASS_MAPS_FILE} (files, labels)."
        )
    files, labels = read_class_maps(path)
    row_of = {file: row for row, file in enumerate(files)}
    found = [index for index, name in enumerate(photos.names) if name in row_of]
    if not found or labels.ndim != 3:
        raise VividPastError(f"{path}: has no class maps of the photos beside it.")
    photos = photos.subset(found)
    photos.class_maps = labels[[row_of[name] for name in photos.names]]
    return photos


def read_class_maps(path: Path) -> tuple[list[str], np.ndarray]:
    """Read a `CLASS_MAPS_FILE`: names of photos (N), and class maps of them (N, h, w), uint8."""
    try:
        with np.load(path) as stored:
            return stored["files"].tolist(), stored["labels"]
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise VividPastError(f"{path}: can't be read ({error}).") from None


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
    """Read {file: split}; a photo may be there twice, but not in two splits."""
    splits: dict[str, str] = {}
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a BOM
            for row in csv.DictReader(file):
                photo, split = posixpath.normpath(row["file"]), row["split"]
                if splits.setdefault(photo, split) != split:
                    raise VividPastError(
                        f"{manifest}: lists {photo} as {splits[photo]} and as {split}; leave one "
                        "of the two out."
                    )
    except (KeyError, TypeError, csv.Error, UnicodeDecodeError):  # TypeError: a row too short
        raise VividPastError(f"{manifest}: must be a CSV with columns file and split.") from None
    return splits


def photo_files(folder: Path) -> list[str]:
    """List the photos below ``folder`` by suffix, sorted relative paths, without hidden ones."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in found
        if path.suffix.lower() in PHOTO_SUFFIXES
        and not any(part.startswith(".") for part in path.parts)
    )
