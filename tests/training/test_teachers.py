"""Teachers: a network that imitates the average of others comes nearer to them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vividpast_lib.cli.main import main
from vividpast_lib.networks.checkpoints import load_checkpoint, save_checkpoint
from vividpast_lib.photos.loader import load_lab
from vividpast_lib.photos.open import open_photos
from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.training.loop import fit
from vividpast_lib.training.settings import Settings
from vividpast_lib.training.task_registry import open_task, task_class

SETTINGS = Settings(network="pyramid", size=32, epochs=3, batch_size=8)


@pytest.fixture
def sets(photo_folder: Path):
    return open_photos(photo_folder, "train"), open_photos(photo_folder, "val")


@pytest.fixture
def swapped(tmp_path: Path) -> str:
    """The shipped model with all colours turned into their opposites, the bins in reverse."""
    checkpoint = load_checkpoint("pyramid")
    with torch.no_grad():
        for parameter in checkpoint.network.bins.parameters():
            parameter.copy_(parameter.flip(0))
    save_checkpoint(checkpoint, tmp_path / "swapped.safetensors")
    return str(tmp_path / "swapped.safetensors")


@torch.inference_mode()
def distribution(network, lightness: torch.Tensor) -> torch.Tensor:
    return network.distribution(lightness / 50 - 1).softmax(dim=1)


def test_a_network_comes_nearer_to_its_teachers(sets, swapped: str) -> None:
    lightness = load_lab(sets[1], 32)[:, :1]
    distance = {}
    for teachers in ((), ("pyramid",), (swapped,), ("pyramid", swapped)):
        settings = replace(SETTINGS, teachers=teachers)
        network, _ = fit(open_task(*sets, settings, "cpu"), progress=False)
        for model in ("pyramid", swapped):
            other = distribution(load_checkpoint(model).network, lightness)
            own = distribution(network, lightness)
            distance[teachers, model] = (own - other).abs().sum(dim=1).mean().item()
    for model in ("pyramid", swapped):
        alone, both, only = (
            distance[teachers, model] for teachers in ((), ("pyramid", swapped), (model,))
        )
        assert only < both < alone


def test_validation_compares_runs_with_and_without(sets, swapped: str) -> None:
    """Before the first step both know the same, and the teacher does not count."""
    losses = []
    for teachers in ((), (swapped,)):
        task = open_task(*sets, replace(SETTINGS, teachers=teachers), "cpu")
        task.apply_statistics(task.compute_statistics())
        task.network.eval()
        with torch.inference_mode():
            losses.append(task.validate()["val_loss"])
    assert losses[0] == losses[1]


def test_who_cant_teach_or_be_taught_says_so(
    sets, photo_folder: Path, tmp_path: Path, capsys
) -> None:
    with pytest.raises(VividPastError, match=r"^autoencoder: .* leave --teachers out\.$"):
        open_task(*sets, Settings(size=32, teachers=("pyramid",)), "cpu")
    with pytest.raises(VividPastError, match=r"^segmenter: .* leave --teachers out\.$"):
        settings = Settings(network="segmenter", size=32, teachers=("pyramid",))
        task_class("segmenter")(*sets, settings, torch.device("cpu"))
    with pytest.raises(VividPastError, match=r"^autoencoder: .*can't teach"):
        open_task(*sets, replace(SETTINGS, teachers=("autoencoder",)), "cpu")
    run = str(tmp_path / "run")
    options = ["--photos", str(photo_folder), "--run", run, "--teachers", "pyramid", "nobody"]
    assert main(["train", "pyramid", *options]) == 2
    assert "nobody: is neither a model file nor" in capsys.readouterr().err


def test_teachers_may_come_before_the_cooldown(sets, tmp_path: Path) -> None:
    alone = replace(SETTINGS, schedule="warmup-stable-decay", epochs=4)

    def stop(_network: object, _row: object) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(open_task(*sets, alone, "cpu"), run=run, progress=False, on_epoch=stop)
    taught = replace(alone, teachers=("pyramid",), smallest_crop=0.5)
    _, history = fit(open_task(*sets, taught, "cpu"), run=run, resume=True, progress=False)
    assert history[1]["train_loss"] > history[0]["train_loss"]  # one more term
