"""Folders of photos -> WebDataset shards, which `shards` reads."""

import io
import math
import shutil
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from ..runtime.errors import VividPastError
from ..runtime.files import exists, write_csv, write_errors
from ..runtime.threads import core_count, in_order
from .crops import shrink
from .open import Source, open_photos, read_class_maps
from .photo_set import (
    CLASS_MAPS_FILE,
    MANIFEST_FILE,
    SPLITS,
    FolderPhotos,
    JoinedPhotos,
    PhotoSet,
)
from .picture import PHOTO_SUFFIXES
from .picture_reading import read_rgb, read_shorter_side

_SIZES = ("width", "height")  # columns that no longer hold once photos are encoded anew


def write_shards(
    source: Source,
    folder: Path,
    photos_per_shard: int | None = None,
    *,
    megabytes_per_shard: float | None = None,
    side: int | None = None,
    quality: int = 80,
    progress: bool = False,
) -> list[Path]:
    """Pack folders of photos, with what their manifests and class maps say of them.

    Parameters
    ----------
    source : str, Path or sequence of them
        What `open.open_photos` opens as a folder, or as several.
    folder : Path
        Where to: a folder that is not there yet. It gets ``train-000000.tar``, ...,
        ``val-000000.tar``, ..., a ``manifest.csv``, and the class maps if there are any; or if
        something fails, nothing. The manifest has the columns ``file``, ``split``, ``set`` (0 for
        the first of ``source``), and those that the manifests of all have.
    photos_per_shard : int, optional
        The most photos in a shard; 1,000 unless ``megabytes_per_shard`` is given.
    megabytes_per_shard : float, optional
        The most that a shard may take, in 10^6 bytes.
    side : int, optional
        Encode photos anew, as WebP, with a shorter side of at most so many pixels. What is as
        small and takes fewer bytes stays as it is, and so does what is no photo. Without, all do.
    quality : int
        Of WebP, 1 to 100.
    progress : bool
        Show a bar on stderr.

    Returns
    -------
    list of Path
        The shards.

    Raises
    ------
    VividPastError
        If a set has no files, one of them can't be read or is too large for a shard, or the disk
        refuses.
    """
    if exists(folder):
        raise VividPastError(f"{folder}: exists already; name a new folder, or remove it first.")
    if not 1 <= quality <= 100:
        raise VividPastError(f"The quality of WebP is a number from 1 to 100, not {quality}.")
    photos_of = {split: open_photos(source, split) for split in SPLITS}
    folders_of = {split: _folders(photos) for split, photos in photos_of.items()}
    class_maps = _read_class_maps(folders_of["train"])
    most_photos = photos_per_shard or (1000 if megabytes_per_shard is None else sys.maxsize)
    most_bytes = math.inf if megabytes_per_shard is None else megabytes_per_shard * 1e6
    read = partial(_read, side=side, quality=quality)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shards: list[Path] = []
    packed: list[tuple[Path, str]] = []  # files, and their names in the shards
    keys: set[str] = set()
    rows: list[tuple[str, ...]] = []

    def members(split: str, pool: ThreadPoolExecutor) -> Iterator[tuple[str, bytes]]:
        folders = folders_of[split]
        files = [(each.folder / name, name) for each in folders for name in each.names]
        contents = in_order(pool, read, [path for path, _ in files], ahead=2 * core_count())
        bar = tqdm(contents, split, len(files), unit=" photos", disable=not progress)
        for (path, name), (content, suffix) in zip(files, bar, strict=True):
            packed.append((path, _member_name(name, suffix, keys)))
            yield packed[-1][1], content

    try:
        with write_errors(folder), ThreadPoolExecutor(core_count()) as pool:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            for split, photos in photos_of.items():
                shards += _write(members(split, pool), unfinished / split, most_photos, most_bytes)
                columns = {**photos.columns, "set": list(map(str, photos.set_numbers))}
                if side:
                    columns = {key: columns[key] for key in columns if key not in _SIZES}
                names = [name for _, name in packed[len(rows) :]]
                rows += zip(names, [split] * len(names), *columns.values(), strict=True)
            write_csv(unfinished / MANIFEST_FILE, [("file", "split", *columns), *rows])
            if class_maps:
                paths, labels = class_maps
                name_of = dict(packed)
                known = [index for index, path in enumerate(paths) if path in name_of]
                files = [name_of[paths[index]] for index in known]
                np.savez_compressed(unfinished / CLASS_MAPS_FILE, files=files, labels=labels[known])
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return [folder / shard.name for shard in shards]


def _folders(photos: PhotoSet) -> list[FolderPhotos]:
    """List the folders that a set is made of."""
    folders = []
    for each in photos.sets if isinstance(photos, JoinedPhotos) else [photos]:
        if not isinstance(each, FolderPhotos):
            raise VividPastError(f"{each.title}: is no folder of photo files to pack.")
        folders.append(each)
    return folders


def _read_class_maps(folders: list[FolderPhotos]) -> tuple[list[Path], np.ndarray] | None:
    """Read the class maps of all folders that have some: files (N), maps (N, h, w)."""
    paths, labels = [], []
    for folder in (each.folder for each in folders):
        if (folder / CLASS_MAPS_FILE).exists():
            files, maps = read_class_maps(folder / CLASS_MAPS_FILE)
            paths += [folder / file for file in files]
            labels.append(maps)
    if len({maps.shape[1:] for maps in labels}) > 1:
        raise VividPastError("The class maps of these sets differ in size; pack each by itself.")
    return (paths, np.concatenate(labels)) if labels else None


def _read(path: Path, side: int | None, quality: int) -> tuple[bytes, str]:
    """Read a file, encoded anew if ``side`` is given; give its content and its suffix."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise VividPastError(f"{path}: can't be read ({error.strerror or error}).") from None
    suffix = path.suffix
    if suffix.lower() not in PHOTO_SUFFIXES:  # by which alone photos in shards are known
        suffix = ".jpg"
    if side is None:
        return content, suffix
    encoded = io.BytesIO()
    try:
        shrink(read_rgb(path, side, content), side).save(encoded, "WEBP", quality=quality)
        if len(content) <= encoded.tell() and read_shorter_side(path, content) <= side:
            return content, suffix
    except (VividPastError, ValueError):  # damaged, which is said where it is used; or too long
        return content, suffix
    return encoded.getvalue(), ".webp"


def _write(
    members: Iterator[tuple[str, bytes]], start: Path, most_photos: int, most_bytes: float
) -> list[Path]:
    """Write members, names and contents, as shards ``start``-000000.tar and so on."""
    shards: list[Path] = []
    room = most_bytes - 2 * tarfile.RECORDSIZE  # one for headers, one for the end of the file
    following = next(members, None)
    while following:
        shards.append(start.with_name(f"{start.name}-{len(shards):06d}.tar"))
        with tarfile.open(shards[-1], "w") as tar:
            photos = 0
            while following and (
                photos == 0 or (photos < most_photos and tar.offset + len(following[1]) <= room)
            ):
                name, content = following
                header = tarfile.TarInfo(name)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))
                photos += 1
                following = next(members, None)
        if (size := shards[-1].stat().st_size) > most_bytes:
            raise VividPastError(
                f"{name}: makes a shard of {size / 1e6:.2f} MB; allow as much, or encode photos "
                "smaller."
            )
    return shards


def _member_name(name: str, suffix: str, keys: set[str]) -> str:
    """Name a photo so that it is a sample of its own, with a key that is not among ``keys`` yet.

    What is no UTF-8 in it is escaped, as it is in the manifest.
    """
    path = PurePosixPath(name.encode(errors="backslashreplace").decode())
    stem = path.stem.replace(".", "_")  # a key ends at the first dot of the base name
    key, number = path.with_name(stem), 1
    while str(key) in keys:
        number += 1
        key = path.with_name(f"{stem}_{number}")
    keys.add(str(key))
    return f"{key}{suffix}"
