"""What several tests need: small photos of every odd kind, made on the spot."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vividpast_lib.color.scaling import UNIT_SCALING
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.course.grading.exercises import LESSONS, Lesson
from vividpast_lib.networks.checkpoints import Checkpoint
from vividpast_lib.networks.colornet_2018 import ColorAutoencoder


@pytest.fixture(autouse=True)
def _no_photos_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests must give the same with and without VIVIDPAST_PHOTOS."""
    monkeypatch.delenv("VIVIDPAST_PHOTOS", raising=False)


@pytest.fixture
def lessons() -> Iterator[dict[str, Lesson]]:
    """The exercises of the course, for a test that changes them; afterwards they are as before."""
    before = dict(LESSONS)
    yield LESSONS
    LESSONS.clear()
    LESSONS.update(before)


@pytest.fixture
def scene() -> np.ndarray:
    """A colourful uint8 scene (48, 64, 3): smooth ramps, a red disc, and a grey bar."""
    y, x = np.mgrid[:48, :64]
    rgb = np.stack([x * 3 + 40, y * 4 + 30, 200 - x * 2], axis=-1).astype(np.uint8)
    rgb[(y - 20) ** 2 + (x - 20) ** 2 < 100] = (200, 40, 30)
    rgb[40:] = x[40:, :, None] * 4
    return rgb


@pytest.fixture
def photo_folder(tmp_path: Path, scene: np.ndarray) -> Path:
    """A folder of 30 small JPEGs that differ."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(30):
        Image.fromarray(np.roll(scene, index, axis=1)).save(folder / f"photo_{index:02}.jpg")
    return folder


@pytest.fixture
def vivid_colorizer() -> Colorizer:
    """An untrained network whose answers are strong colours, also some outside sRGB."""
    torch.manual_seed(3)
    network = ColorAutoencoder()
    with torch.no_grad():
        network.decoder[-2].weight.mul_(40)
    return Colorizer(Checkpoint(network.eval(), "autoencoder", UNIT_SCALING, 32, (0.0, 0.0)), "cpu")
