"""Files written whole or not at all, locks, hashes, and errors of writing as a sentence."""

import csv
import errno
import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from .errors import VividPastError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``: renamed to ``path`` in the end, removed on an error.

    Whoever reads ``path``, also after a crash, finds the old file or the new one, never a part.
    A folder is refused with an OSError.
    """
    _refuse_folder(path)
    temporary = path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_errors(path: Path, *others: type[Exception]) -> Iterator[None]:
    """Raise VividPastError, which says why and what to do, if a file can't be written.

    Parameters
    ----------
    path : Path
        The file, or its folder.
    *others : type
        Errors that the writer raises besides OSError, such as PyAV's.
    """
    caught: tuple[type[Exception], ...] = (OSError, *others)
    try:
        yield
    except caught as error:
        reason = getattr(error, "strerror", None) or str(error)
        advice = "choose another place, or change its permissions"
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            advice = "make room there, and give the same command again"
        raise VividPastError(f"{path}: can't be written ({reason}); {advice}.") from None


@contextmanager
def output_file(path: Path, *others: type[Exception]) -> Iterator[Path]:
    """Give a name to write to, as `atomic_write` does, in a folder that is made if need be.

    Raises
    ------
    VividPastError
        If the file can't be written, as from `write_errors`.
    """
    with write_errors(path, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            yield temporary


def check_output_file(path: Path) -> None:
    """Find out, before long work, whether `output_file` can write; make the folder if need be.

    Raises
    ------
    VividPastError
        If the file can't be written, as from `write_errors`.
    """
    with write_errors(path):
        _refuse_folder(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder")


@contextmanager
def file_lock(lock: Path, what: Path) -> Iterator[None]:
    """Hold the lock file ``lock``, so that one call at a time works on ``what``.

    Raises
    ------
    VividPastError
        If another call holds it.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise VividPastError(
            f"{what}: another call is at work on it; wait for it, or stop it."
        ) from None


def is_file_name(out: str) -> bool:
    """Whether OUT names a file, by its suffix; a folder that exists is none."""
    path = Path(out)
    with write_errors(path):  # such as a name that is too long
        is_there = path.is_dir()
    return bool(path.suffix) and not is_there and not out.endswith(("/", "\\"))


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; one whose name is too long is none."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for such a name


def exists(path: Path) -> bool:
    """Whether there is something at a path; at one whose name is too long there is nothing."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for such a name


def path_identity(path: Path) -> Path:
    """Return the same for each way to name a path; a link to a file is a file of its own."""
    return path.parent.resolve() / path.name


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths name one file, which is there."""
    with suppress(OSError):
        return one.samefile(other)
    return False


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write a CSV file whole or not at all; floats with four significant digits.

    What is no UTF-8 in a file's name is escaped.
    """
    with (
        output_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        for row in rows:
            writer.writerow([f"{each:.4g}" if isinstance(each, float) else each for each in row])


def write_records(path: Path, records: Sequence[Any]) -> None:
    """Write dataclass instances, all of one kind, as CSV: a row each, the fields' names on top."""
    write_csv(path, [[each.name for each in fields(records[0])], *map(astuple, records)])
