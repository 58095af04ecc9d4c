"""Sets of photos packed as WebDataset shards: a few large tar files instead of many small ones.

A file system that many machines share opens files slowly, and lists them more slowly still. Where
each photo lies is looked up once; then any is read alone, in any order, as from a folder.
"""

import tarfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image

from ..runtime.errors import VividPastError
from ..runtime.files import exists, is_folder
from .photo_set import SPLITS, PhotoSet, split_of
from .picture import PHOTO_SUFFIXES
from .picture_reading import read_rgb, read_shorter_side


class Member(NamedTuple):
    """Where a photo lies: ``size`` bytes of a tar file, from ``start`` on."""

    shard: Path
    name: str
    start: int
    size: int


class ShardPhotos(PhotoSet):
    """Photo files within tar files; ``names`` are theirs.

    Every call opens the shard anew, so that processes and threads can share the set.
    """

    def __init__(self, title: str, members: list[Member]) -> None:
        super().__init__(title, [member.name for member in members])
        self.members = members

    def read(self, index: int, at_least: int = 0) -> Image.Image:
        """Read and decode photo ``index``."""
        member = self.members[index]
        return read_rgb(member.shard / member.name, at_least, self.content(index))

    def shorter_side(self, index: int) -> int:
        """Read the shorter side of photo ``index`` from the file's header alone."""
        member = self.members[index]
        return read_shorter_side(member.shard / member.name, self.content(index))

    def content(self, index: int) -> bytes:
        """Read file ``index`` as it is."""
        shard, name, start, size = self.members[index]
        try:
            with shard.open("rb") as file:
                file.seek(start)
                content = file.read(size)
        except OSError as error:
            raise VividPastError(f"{shard}: can't be read ({error.strerror}).") from None
        if len(content) < size:
            raise VividPastError(f"{shard}: breaks off within {name}; copy it again.")
        return content


def find_shards(source: Path) -> list[Path]:
    """List the shards that ``source`` is, or has in it; none if it is no set of shards."""
    if is_folder(source):
        return sorted(source.glob("*.tar"))
    return [source] if source.suffix == ".tar" and exists(source) else []


def open_shards(source: Path, split: str | None) -> ShardPhotos:
    """Open a folder of shards, or one shard.

    Shards named ``train*.tar`` and ``val*.tar`` say what they are for, and others beside them are
    left aside. If none is named so, photos are split by their names, as those of a folder are.
    """
    shards = find_shards(source)
    named = {shard: each for shard in shards for each in SPLITS if shard.name.startswith(each)}
    if named and source.is_dir():
        wanted = [shard for shard, each in named.items() if split in (None, each)]
        members = [member for shard in wanted for member in _members(shard)]
    else:
        members = [member for shard in shards for member in _members(shard)]
        members = [each for each in members if split in (None, split_of(each.name))]
    if split and not members:
        raise VividPastError(
            f"{source}: its shards hold no photos for {split}; name some {split}-000000.tar, and "
            "so on."
        )
    return ShardPhotos(str(source), members)


def _members(shard: Path) -> list[Member]:
    """Look up the photos of a shard, from the headers alone."""
    damaged = VividPastError(f"{shard}: breaks off or is damaged; copy it again from its source.")
    try:
        with shard.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            found = [
                Member(shard, each.name, each.offset_data, each.size)
                for each in tar
                if each.isreg() and not each.issparse() and _is_photo(each.name)
            ]
            # A header that makes no sense ends the loop as the end does, which is a block of zeros.
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise damaged
    except (tarfile.TarError, OSError, ValueError):
        raise damaged from None
    return found


def _is_photo(name: str) -> bool:
    """Tell photos from what else belongs to a sample, such as ``0001.json`` or ``0001.seg.png``."""
    key, _, extension = PurePosixPath(name).name.partition(".")
    return bool(key) and f".{extension.lower()}" in PHOTO_SUFFIXES
