"""What a fetch says when it breaks off. tests/photos has those that succeed."""

import errno
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from torchvision import datasets

from vividpast_lib.runtime import downloads
from vividpast_lib.runtime.errors import VividPastError

HEADER = b"HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\n"


def reset(connection: socket.socket) -> None:
    connection.sendall(HEADER + b"Content-Length: 1000000\r\n\r\n" + 100 * b"x")
    linger = struct.pack("ii", 1, 0)  # what is not yet sent is dropped, and the peer is told so
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def break_off(connection: socket.socket) -> None:
    connection.sendall(HEADER + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nno more")


def hang_up(connection: socket.socket) -> None:
    pass


def babble(connection: socket.socket) -> None:
    connection.sendall(b"what?\r\n\r\n")


Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer every request on the loopback in one way, and close the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_with(answer: Callable[[socket.socket], None]) -> str:
            def work() -> None:
                while True:
                    try:
                        connection, _ = server.accept()
                    except OSError:
                        return
                    with connection:
                        connection.recv(65536)
                        answer(connection)

            threading.Thread(target=work, daemon=True).start()
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        yield answer_with
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", ["Imagenette", "deeplabv3"])
@pytest.mark.parametrize("answer", [reset, break_off, hang_up, babble])
def test_a_connection_that_breaks_off_is_the_networks_fault(
    name: str,
    answer: Callable[[socket.socket], None],
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = serve(answer)
    monkeypatch.setenv("VIVIDPAST_DATA", str(tmp_path / "data"))
    archive = (f"{url}/imagenette2-320.tgz", "0" * 32)
    monkeypatch.setitem(datasets.Imagenette._ARCHIVES, "320px", archive)
    weights = replace(downloads.PUBLIC_WEIGHTS["deeplabv3"], url=f"{url}/deeplabv3-cfc3ed61.pth")
    monkeypatch.setitem(downloads.PUBLIC_WEIGHTS, "deeplabv3", weights)
    with pytest.raises(VividPastError, match=rf"^{name}: could not be fetched \(.+\); check the n"):
        downloads.fetch(name)
    assert not list((tmp_path / "data").iterdir())


def test_a_full_disk_is_no_fault_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads, "download_url_to_file", fill)
    monkeypatch.setenv("VIVIDPAST_DATA", str(tmp_path / "data"))
    with pytest.raises(VividPastError, match=r"data: can't be written \(No space left.*make room"):
        downloads.fetch("deeplabv3")
    assert not list((tmp_path / "data").iterdir())


def test_a_folder_that_cant_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VIVIDPAST_DATA", str(tmp_path / "file"))
    with pytest.raises(VividPastError, match=r"file: can't be written \(Not a directory\)"):
        downloads.fetch("deeplabv3")
