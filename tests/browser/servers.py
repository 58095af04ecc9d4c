"""JupyterLab and Voila, started for the tests on 127.0.0.1 and stopped with their kernels."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TO_START = 120  # seconds
TO_STOP = 30
SETTINGS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "IPYTHONDIR": "ipython",
}


@dataclass(frozen=True)
class Server:
    """A server that runs: ``url`` ends without a slash; ``folder`` holds the notebooks."""

    url: str
    token: str
    folder: Path
    log: Path
    port: int
    pid: int = 0

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """Ask for a path, with the token; the status and what came back."""
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        if self.token:
            request.add_header("Authorization", f"token {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def end_kernel(self, kernel: str) -> None:
        """Stop a kernel of JupyterLab."""
        self.get(f"/api/kernels/{kernel}", "DELETE")

    def end_session(self, notebook: str) -> None:
        """Stop the kernel of a notebook in JupyterLab."""
        for session in json.loads(self.get("/api/sessions")[1]):
            if session["path"] == notebook:
                self.get(f"/api/sessions/{session['id']}", "DELETE")

    def kernels(self) -> list[dict[str, Any]]:
        """JupyterLab's kernels, also those that Voila started in it."""
        return json.loads(self.get("/api/kernels")[1])


@contextmanager
def jupyterlab(folder: Path, home: Path) -> Iterator[Server]:
    """Serve ``folder`` in JupyterLab; its settings and log are kept in ``home``."""
    token = secrets.token_urlsafe(24)
    port = _free_port()
    announcements = {"@jupyterlab/apputils-extension:announcements": True}
    page = home / "config" / "labconfig" / "page_config.json"
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps({"disabledExtensions": announcements}), "utf-8")
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={token}",
        # The tests ask the page itself whether its cells have run.
        "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    server = Server(f"http://127.0.0.1:{port}", token, folder, home / "server.log", port)
    with _running(command, server, home, ready="/api/status") as pid:
        yield replace(server, pid=pid)


@contextmanager
def voila(notebook: Path, home: Path) -> Iterator[Server]:
    """Serve one notebook in Voila, as `make app` does."""
    port = _free_port()
    command = [
        sys.executable, "-m", "voila", str(notebook), "--no-browser",
        f"--port={port}", "--Voila.port_retries=0",
    ]  # fmt: skip
    server = Server(f"http://127.0.0.1:{port}", "", notebook.parent, home / "server.log", port)
    with _running(command, server, home, ready="/voila/static/voila.js") as pid:
        yield replace(server, pid=pid)


@contextmanager
def _running(command: Sequence[str], server: Server, home: Path, ready: str) -> Iterator[int]:
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("JUPYTER", "VIVIDPAST_PHOTOS"))
    }
    environment |= {key: str(home / name) for key, name in SETTINGS.items()}
    home.mkdir(parents=True, exist_ok=True)
    with server.log.open("wb") as log:
        # In the checkout, as with make: there Voila finds voila.json.
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _wait(process, server, ready)
        yield process.pid
    finally:
        _stop(process)


def _wait(process: subprocess.Popen[bytes], server: Server, ready: str) -> None:
    until = time.monotonic() + TO_START
    while time.monotonic() < until and process.poll() is None:
        try:
            if server.get(ready)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    tail = server.log.read_text("utf-8", "replace")[-3000:]
    what = "did not answer" if process.poll() is None else f"ended with {process.returncode}"
    raise RuntimeError(f"{' '.join(process.args)} {what}. Its log ends with:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Both servers stop their kernels on this signal; kernels also end when a server dies."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
