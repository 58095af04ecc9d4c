"""A folder of photos -> WebDataset shards, which `shards` reads."""

import io
import shutil
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np

from ..runtime.errors import VividPastError
from ..runtime.files import write_errors
from .open import open_photos, read_class_maps
from .photo_set import CLASS_MAPS_FILE, SPLITS, FolderPhotos


def write_shards(source: str | Path, folder: Path, photos_per_shard: int = 1000) -> list[Path]:
    """Pack a folder of photos, file by file as they are, with its class maps if there are any.

    Parameters
    ----------
    source : str or Path
        What `open.open_photos` opens as a folder.
    folder : Path
        Where to: a folder that is not there yet. It gets ``train-000000.tar``, ...,
        ``val-000000.tar``, ..., or if something fails, nothing.
    photos_per_shard : int
        Photos in each but the last.

    Returns
    -------
    list of Path
        The shards.

    Raises
    ------
    VividPastError
        If the set has no files, one of them can't be read, or the disk refuses.
    """
    if folder.exists():
        raise VividPastError(f"{folder}: exists already; name a new folder, or remove it first.")
    sets: dict[str, FolderPhotos] = {}
    for split in SPLITS:
        photos = open_photos(source, split)
        if not isinstance(photos, FolderPhotos):
            raise VividPastError(f"{photos.title}: is no folder of photo files to pack.")
        sets[split] = photos
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shards: list[Path] = []
    names: dict[str, str] = {}
    keys: set[str] = set()
    try:
        with write_errors(folder):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            for split, photos in sets.items():
                for start in range(0, len(photos), photos_per_shard):
                    shards.append(folder / f"{split}-{start // photos_per_shard:06d}.tar")
                    with tarfile.open(unfinished / shards[-1].name, "w") as tar:
                        for name in photos.names[start : start + photos_per_shard]:
                            content = _read(photos.folder / name)
                            names[name] = _member_name(name, keys)
                            header = tarfile.TarInfo(names[name])
                            header.size = len(content)
                            tar.addfile(header, io.BytesIO(content))
                class_maps = photos.folder / CLASS_MAPS_FILE
            if class_maps.exists():
                files, labels = read_class_maps(class_maps)
                files = [names.get(file, file) for file in files]
                np.savez(unfinished / CLASS_MAPS_FILE, files=files, labels=labels)
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return shards


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VividPastError(f"{path}: can't be read ({error.strerror or error}).") from None


def _member_name(name: str, keys: set[str]) -> str:
    """Name a photo so that it is a sample of its own, with a key that is not among ``keys`` yet."""
    path = PurePosixPath(name)
    stem = path.stem.replace(".", "_")  # a key ends at the first dot of the base name
    key, number = path.with_name(stem), 1
    while str(key) in keys:
        number += 1
        key = path.with_name(f"{stem}_{number}")
    keys.add(str(key))
    return f"{key}{path.suffix}"
