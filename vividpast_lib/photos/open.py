"""A set's name or folder -> its photos: bundled ones, folders, shards, arrays, public data sets."""

import csv
import os
import posixpath
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from ..runtime.errors import VividPastError
from ..runtime.files import exists, is_folder
from .photo_set import (
    CLASS_MAPS_FILE,
    MANIFEST_FILE,
    SPLITS,
    ArrayPhotos,
    FolderPhotos,
    JoinedPhotos,
    PhotoSet,
    Subset,
    TorchvisionPhotos,
    split_of,
)
from .picture import PHOTO_SUFFIXES
from .shards import ShardPhotos, find_shards, open_shards

#: The environment variable that names a folder of photos to train and measure on.
PHOTOS_VARIABLE = "VIVIDPAST_PHOTOS"


def bundled_folder(kind: str = "photos") -> Path:
    """Folder of what comes with the project: photos, films, runs, measured or reference."""
    package = Path(__file__).parents[1]
    inside_wheel = package / "data" / kind
    return inside_wheel if inside_wheel.exists() else package.parent / "data" / kind


Source = str | Path | Sequence[str | Path]


def source_names(source: Source) -> list[str | Path]:
    """List the names or folders of the sets that a source is made of."""
    return [source] if isinstance(source, (str, Path)) else list(source)


def default_source() -> list[str]:
    """Name what to train on when nothing is named: `PHOTOS_VARIABLE` if set, else bundled.

    The variable may name several folders, separated as in PATH.
    """
    folders = os.environ.get(PHOTOS_VARIABLE, "").split(os.pathsep)
    return [folder for folder in folders if folder] or ["bundled"]


def open_photos(source: Source = "bundled", split: str | None = None) -> PhotoSet:
    """Open a set of photos, or several as one.

    Parameters
    ----------
    source : str, Path or sequence of them
        ``"bundled"``; the name of a torchvision data set that `vividpast data fetch` has
        fetched; or a folder: of photos, of photos with a ``manifest.csv`` (columns ``file`` and
        ``split``), of WebDataset shards (see `shards.open_shards`), or of the 2018 project's
        arrays. Shards can have a manifest, too, as `pack_shards.write_shards` writes it. A
        folder is searched with its subfolders, but for shards. Of several, each is
        opened with its own manifest and split, and they follow one another.
    split : {"train", "val", None}
        Which part; None takes all. Without a manifest one photo in ten is for validation,
        chosen by a checksum of its name, so that it stays where it is when others are added.

    Returns
    -------
    PhotoSet

    Raises
    ------
    VividPastError
        If there is no such set, it is empty, its manifest has a photo in two splits, or two sets
        have the same photos.
    """
    if split not in (*SPLITS, None):
        raise VividPastError(f"There is no split {split!r}; use train or val.")
    sets = _open_some(_open_one, source, split)
    return sets[0] if len(sets) == 1 else JoinedPhotos(sets)


def _open_one(source: str | Path, split: str | None) -> PhotoSet:
    if source == "bundled":
        return _open_folder("bundled", bundled_folder(), split)
    from ..runtime import downloads  # here, because torchvision's data sets are slow to import

    for name in downloads.PUBLIC_SETS:
        if str(source).lower() == name.lower():
            return TorchvisionPhotos(name, downloads.open_public(name, split))

    folder = Path(source)
    if find_shards(folder) and not photo_files(folder):
        photos = open_shards(folder, split)
        if (folder / MANIFEST_FILE).exists():
            _add_manifest(photos, folder / MANIFEST_FILE, split)
        return photos
    if not is_folder(folder):
        raise VividPastError(
            f"{source}: is neither a folder nor a known set; `vividpast data list` shows the sets."
        )
    if ArrayPhotos.are_in(folder):
        return ArrayPhotos(folder, split)
    return _open_folder(str(folder), folder, split)


def open_class_maps(source: Source, split: str | None = None) -> PhotoSet:
    """Open, as `open_photos`, the photos that a folder's `CLASS_MAPS_FILE` has class maps of.

    Returns
    -------
    PhotoSet
        With ``class_maps``, uint8 (N, h, w): one a photo, of the whole photo, whatever its shape.

    Raises
    ------
    VividPastError
        If there is no such file, no map in it belongs to a photo of that split, or the maps of
        several sets differ in size.
    """
    sets = _open_some(_open_class_maps, source, split)
    if len(sets) == 1:
        return sets[0]
    photos = JoinedPhotos(sets)
    class_maps = [each.class_maps for each in sets if each.class_maps is not None]
    if len({each.shape[1:] for each in class_maps}) > 1:
        raise VividPastError(f"{photos.title}: their class maps differ in size; train on one set.")
    photos.class_maps = np.concatenate(class_maps)
    return photos


def _open_class_maps(source: str | Path, split: str | None) -> PhotoSet:
    photos = _open_one(source, split)
    path = Path(source) / CLASS_MAPS_FILE
    if not path.exists():
        raise VividPastError(
            f"{source}: holds no class maps to learn from; name a folder of photos with a "
            f"{CLASS_MAPS_FILE} (files, labels)."
        )
    files, labels = read_class_maps(path)
    row_of = {file: row for row, file in enumerate(files)}
    found = [index for index, name in enumerate(photos.names) if name in row_of]
    if not found:
        raise VividPastError(f"{path}: has no class maps of the photos beside it.")
    photos = photos.subset(found)
    photos.class_maps = labels[[row_of[name] for name in photos.names]]
    return photos


def _open_some(
    open_set: Callable[[str | Path, str | None], PhotoSet],
    source: Source,
    split: str | None,
) -> list[PhotoSet]:
    """Open the sets that a source names; each place in the file system once."""
    sources = source_names(source)
    resolved = [str(source).lower() for source in sources]
    for place, source in enumerate(sources):
        if source == "":
            raise VividPastError("The name of a set is empty; name a folder, or leave it out.")
        if exists(Path(source)):
            resolved[place] = str(Path(source).resolve())
        if resolved[place] in resolved[:place]:
            raise VividPastError(f"{source}: is named twice; name each set once.")
    sets = [open_set(source, split) for source in sources]
    for one, other in permutations(sets, 2):
        _check_not_within(one, other)
    return sets


def _check_not_within(inner: PhotoSet, outer: PhotoSet) -> None:
    """Refuse two sets of which one has photos of the other, whose folder is around its own."""
    inner, outer = (each.whole if isinstance(each, Subset) else each for each in (inner, outer))
    if not isinstance(inner, FolderPhotos) or not isinstance(outer, FolderPhotos):
        return
    folder, around = inner.folder.resolve(), outer.folder.resolve()
    if not folder.is_relative_to(around):
        return
    below, known = folder.relative_to(around).as_posix(), set(outer.names)
    if any(posixpath.normpath(f"{below}/{name}") in known for name in inner.names):
        raise VividPastError(
            f"{inner.title}: its photos belong to {outer.title}, too; name one of the two."
        )


def read_class_maps(path: Path) -> tuple[list[str], np.ndarray]:
    """Read a `CLASS_MAPS_FILE`: names of photos (N), and class maps of them (N, h, w), uint8."""
    try:
        with np.load(path) as stored:
            files, labels = stored["files"], stored["labels"]
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise VividPastError(f"{path}: can't be read ({error}).") from None
    if files.ndim != 1 or labels.ndim != 3 or len(files) != len(labels):
        raise VividPastError(
            f"{path}: must have files (N,) and labels (N, h, w), but they are {files.shape} and "
            f"{labels.shape}."
        )
    return files.tolist(), labels


def _open_folder(title: str, folder: Path, split: str | None) -> FolderPhotos:
    if (folder / MANIFEST_FILE).exists():
        rows = _read_manifest(folder / MANIFEST_FILE)
    else:
        rows = {name: {"split": split_of(name)} for name in photo_files(folder)}
    chosen = {name: row for name, row in rows.items() if split in (None, row["split"])}
    if rows and not chosen:
        raise VividPastError(
            f"{title}: has {len(rows)} photos but none for {split}; add photos, or a "
            "manifest.csv with the columns file and split."
        )
    return FolderPhotos(title, folder, list(chosen), _columns(list(chosen.values())))


def _add_manifest(photos: ShardPhotos, manifest: Path, split: str | None) -> None:
    """Tell photos of shards what the manifest beside them says: their columns and sets."""
    rows = _read_manifest(manifest)
    listed = {name for name, row in rows.items() if split in (None, row["split"])}
    if differing := len(listed.symmetric_difference(photos.names)):
        raise VividPastError(
            f"{manifest}: {differing:,} photos are in it or in the shards beside it, but not in "
            "both; copy all shards of the set, or remove this file."
        )
    photos.columns |= _columns([rows[name] for name in photos.names])
    sets = list(dict.fromkeys(row.get("set") for row in rows.values()))
    photos.set_count = len(sets)
    photos.set_numbers = [sets.index(rows[name].get("set")) for name in photos.names]


def _columns(rows: list[dict[str, str]]) -> dict[str, list[str]]:
    """Turn the rows of a manifest into its columns, but for ``file`` and ``split``."""
    return {
        column: [row[column] or "" for row in rows]
        for column in next(iter(rows), {})
        if column not in ("file", "split", None)  # None: cells beyond the head's
    }


def _read_manifest(manifest: Path) -> dict[str, dict[str, str]]:
    """Read {file: row}; a photo may be there twice, but not in two splits.

    A UserWarning says how many photos have another split than `SPLITS`.
    """
    rows: dict[str, dict[str, str]] = {}
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a BOM
            for row in csv.DictReader(file):
                photo, split = posixpath.normpath(row["file"]), row["split"]
                known = rows.setdefault(photo, row)["split"]
                if known != split:
                    raise VividPastError(
                        f"{manifest}: lists {photo} as {known} and as {split}; leave one "
                        "of the two out."
                    )
    except (KeyError, TypeError, csv.Error, UnicodeDecodeError):  # TypeError: a row too short
        raise VividPastError(f"{manifest}: must be a CSV with columns file and split.") from None
    except OSError as error:
        raise VividPastError(f"{manifest}: can't be read ({error.strerror or error}).") from None
    others = [row["split"] for row in rows.values() if row["split"] not in SPLITS]
    if others:
        named = ", ".join(sorted(map(repr, set(others)))[:5])
        warnings.warn(
            f"{manifest}: {len(others):,} photos are neither for train nor for val, but for "
            f"{named}; they are left out of both.",
            stacklevel=2,
        )
    return rows


def photo_files(folder: Path) -> list[str]:
    """List the photos below ``folder`` by suffix, sorted relative paths, without hidden ones."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in found
        if path.suffix.lower() in PHOTO_SUFFIXES
        and not any(part.startswith(".") for part in path.parts)
    )
