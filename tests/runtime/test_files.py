"""Files are written whole or not at all, and a file that can't be written is named."""

import errno
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.runtime.files import (
    atomic_write,
    check_output_file,
    file_hash,
    file_lock,
    output_file,
    write_csv,
    write_errors,
    write_records,
)


# A name may have 255 bytes, which are 80 of these characters.
@pytest.mark.parametrize("name", ["photo.png", 80 * "写" + ".png"], ids=["short", "long"])
def test_a_file_appears_whole_or_not_at_all(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as temporary:
        assert temporary.suffix == ".png"  # by which writers choose a format
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "(Permission denied); choose another"),
        (OSError(errno.ENOSPC, "No space left on device"), "(No space left on device); make room"),
        (OSError("cannot write mode F as PNG"), "(cannot write mode F as PNG); choose another"),
        (EOFError("of a library"), "(of a library); choose another"),
    ],
)
def test_why_a_file_cant_be_written_is_one_sentence(error: Exception, message: str) -> None:
    with pytest.raises(VividPastError) as caught, write_errors(Path("out.png"), EOFError):
        raise error
    assert str(caught.value).startswith(f"out.png: can't be written {message}")


def test_other_errors_are_not_of_writing() -> None:
    with pytest.raises(ZeroDivisionError), write_errors(Path("out.png")):
        raise ZeroDivisionError


def test_one_call_at_a_time_holds_a_lock(tmp_path: Path) -> None:
    lock, film = tmp_path / "lock", tmp_path / "film.mp4"
    with (
        file_lock(lock, film),
        pytest.raises(VividPastError, match=r"film\.mp4: another call is at work on it"),
        file_lock(lock, film),
    ):
        pass
    with file_lock(lock, film):
        pass


def test_a_hash_is_sha_256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_hash(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


@dataclass
class Record:
    name: str
    value: float
    count: int


def test_records_are_rows_under_their_fields_names(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    write_records(path, [Record("é", 1 / 3, 12345), Record("a,b", 2e-9, 0)])
    assert path.read_bytes() == 'name,value,count\né,0.3333,12345\n"a,b",2e-09,0\n'.encode()
    with pytest.raises(VividPastError, match="can't be written"):
        write_csv(path / "file.csv", [])


def test_an_output_file_is_whole_or_not_there_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with pytest.raises(RuntimeError), output_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert not list(path.parent.iterdir())
    with output_file(path) as temporary:
        temporary.write_text("whole")
    assert [file.read_text() for file in path.parent.iterdir()] == ["whole"]
    with pytest.raises(VividPastError, match="can't be written"), output_file(path / "file.txt"):
        pass


@pytest.mark.parametrize("name", [".", "", "/", "folder"])
def test_a_folder_is_no_file_to_write(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for write in (lambda path: write_csv(path, []), check_output_file):
        with pytest.raises(VividPastError, match=r"can't be written \(is a folder\)"):
            write(Path(name))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_whether_a_file_can_be_written_is_found_out_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    check_output_file(path)
    assert not list(path.parent.iterdir())
    path.write_text("old")
    check_output_file(path)
    assert path.read_text() == "old"
    for bad in (path / "file.txt", tmp_path / ("a" * 300)):
        with pytest.raises(VividPastError, match="can't be written"):
            check_output_file(bad)
