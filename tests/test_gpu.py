"""The same on a GPU as on the CPU, within what rounding leaves; needs a CUDA device."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vividpast_lib.color.lab import lab_to_rgb, rgb_to_lab
from vividpast_lib.colorize.colorizer import Colorizer, load_colorizers
from vividpast_lib.film.pipeline import colorize_frames
from vividpast_lib.networks.checkpoints import shipped_models
from vividpast_lib.networks.segmenters import load_segmenter
from vividpast_lib.photos.loader import crop_batches, keep_whole
from vividpast_lib.photos.open import bundled_folder, open_photos
from vividpast_lib.photos.picture_reading import read_picture
from vividpast_lib.training.loop import fit
from vividpast_lib.training.settings import Settings
from vividpast_lib.training.task_registry import open_task

from tests.support.films import camera_move  # isort: skip

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_lab_conversion() -> None:
    rgb = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    lab = rgb_to_lab(rgb)
    assert (rgb_to_lab(rgb.cuda()).cpu() - lab).abs().max() < 1e-3
    assert (lab_to_rgb(lab.cuda()).cpu() - rgb).abs().max() < 1e-4


def test_lab_conversion_compiled() -> None:
    rgb = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)).cuda()
    assert (torch.compile(rgb_to_lab)(rgb) - rgb_to_lab(rgb)).abs().max() < 1e-3


def test_every_model_gives_the_colours_that_it_gives_on_the_cpu() -> None:
    picture = read_picture(bundled_folder() / "city_skyline_night.jpg")
    pairs = zip(
        load_colorizers(shipped_models(), "cpu"), load_colorizers(shipped_models(), "cuda"),
        strict=True,
    )  # fmt: skip
    for on_cpu, on_gpu in pairs:
        difference = np.abs(
            on_cpu.colorize(picture).values.astype(int) - on_gpu.colorize(picture).values
        )
        assert difference.mean() < 0.1, on_cpu.name
        assert np.quantile(difference, 0.999) <= 2, on_cpu.name


def test_a_film_is_coloured_as_on_the_cpu() -> None:
    frames = camera_move(30)
    films = [
        np.stack(list(colorize_frames(Colorizer.load(device=device), frames))).astype(int)
        for device in ("cpu", "cuda")
    ]
    assert np.abs(films[0] - films[1]).mean() < 0.2


def test_a_segmenter_sees_the_same_classes() -> None:
    lightness = rgb_to_lab(torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(1)))
    on_cpu, on_gpu = load_segmenter(), load_segmenter().cuda()
    lightness = lightness[:, :1]
    difference = on_cpu(lightness).logits - on_gpu(lightness.cuda()).logits.cpu()
    assert difference.abs().max() < 1e-2


def test_photos_in_memory_are_cut_as_on_the_cpu() -> None:
    photos = open_photos("bundled")
    on_cpu, on_gpu = (
        crop_batches(keep_whole(photos, 64, device), 64, augment=True, pin_memory=True)
        for device in ("cpu", "cuda")
    )
    for one, other in zip(on_cpu, on_gpu, strict=True):
        assert other.values.is_cuda
        difference = one.values.int() - other.values.cpu().int()
        assert difference.abs().float().mean() < 0.05


def test_a_run_of_minutes_from_memory(tmp_path: Path) -> None:
    train, val = open_photos("bundled", "train"), open_photos("bundled", "val")
    settings = Settings("pyramid", size=64, minutes=0.25, batch_size=16, precision="bfloat16")
    task = open_task(train, val, settings, "cuda", in_memory=True)
    _network, history = fit(task, run=tmp_path, progress=False)
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert history[-1]["learning_rate"] < 0.1 * settings.learning_rate
    Colorizer.load(tmp_path / "model.safetensors", "cuda")


@pytest.mark.parametrize("network", ["autoencoder", "fusion2018", "pyramid"])
def test_training_learns_and_goes_on(network: str, tmp_path: Path) -> None:
    train, val = open_photos("bundled", "train"), open_photos("bundled", "val")
    settings = Settings(network, size=64, epochs=2, batch_size=8)
    _network, whole = fit(open_task(train, val, settings, "cuda"), run=tmp_path, progress=False)
    _network, on_cpu = fit(open_task(train, val, settings, "cpu"), progress=False)
    assert whole[1]["train_ab_l1"] == pytest.approx(on_cpu[1]["train_ab_l1"], rel=0.05)
    model = Colorizer.load(tmp_path / "model.safetensors", "cuda")
    assert model.predict(torch.rand(1, 1, 64, 64) * 100).isfinite().all()


def test_bfloat16_trains_as_well(tmp_path: Path) -> None:
    train, val = open_photos("bundled", "train"), open_photos("bundled", "val")
    figures = [
        fit(
            open_task(
                train, val, Settings("pyramid", size=64, epochs=2, precision=precision), "cuda"
            ),
            progress=False,
        )[1][1]["val_ab_l1"]
        for precision in ("float32", "bfloat16")
    ]  # fmt: skip
    assert figures[1] == pytest.approx(figures[0], rel=0.05)
