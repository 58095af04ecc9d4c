"""A network is one file and one entry: what docs/add_a_network.md says, done word for word."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest
from PIL import Image

from tests.support import ROOT
from tests.support.films import read_film
from vividpast_lib.networks.checkpoints import WEIGHTS_FOLDER
from vividpast_lib.training.run_folder import read_history

PAGE = (ROOT / "docs" / "add_a_network.md").read_text("utf-8")
NETWORK, SCRIPT = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
IMPORT, ENTRY = re.findall(r"^\+(.*\n)", PAGE, re.M)
START, *COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^vividpast .*", PAGE, re.M)]
#: What does all that comes after the first training, in one process.
GO_ON = f"""
from vividpast_lib.cli.main import main
for command in {COMMANDS!r}:
    assert main(command) == 0, command
{SCRIPT}
assert len(history) == 1
main(["train", "--help"])
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project with one more file, and one more entry."""
    library = tmp_path / "vividpast_lib"
    shutil.copytree(
        ROOT / "vividpast_lib", library, ignore=shutil.ignore_patterns("weights", "__pycache__")
    )
    (library / "networks" / "weights").symlink_to(WEIGHTS_FOLDER)
    (tmp_path / "data").symlink_to(ROOT / "data")
    (library / "networks" / "tiny.py").write_text(NETWORK, "utf-8")
    registry = library / "networks" / "registry.py"
    text = registry.read_text("utf-8")
    for line, added in (("from .segmenters import ", IMPORT), ("    NetworkEntry(\n", ENTRY)):
        before, found, after = text.partition(line)
        text = before + added + found + after
    registry.write_text(text, "utf-8")
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="stops a run by a signal")
def test_a_network_is_one_file_and_one_entry(checkout: Path) -> None:
    def python(*arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=checkout, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(checkout)},
        )  # fmt: skip

    process = python("-m", "vividpast_lib.cli", *START)
    assert process.stdout
    next(line for line in process.stdout if line.startswith("epoch 1:"))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 130, stderr
    history = checkout / "runs" / "tiny" / "history.csv"
    assert 1 <= len(read_history(history)) < 4

    process = python("-c", GO_ON)
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stderr
    assert len(read_history(history)) == 4
    assert re.search(r"^  tiny +--size 64 --learning-rate 0.004$", stdout, re.M)
    with Image.open(checkout / "moose.png") as photo:
        assert len(photo.getcolors(photo.width * photo.height) or ()) > 256
    film = read_film(checkout / "film.mp4")
    assert len(film.lumas) > 5 and any(chroma.std() > 0 for chroma in film.chromas)
    session = onnxruntime.InferenceSession(checkout / "tiny.onnx")
    assert "tiny" in json.dumps(session.get_modelmeta().custom_metadata_map)
