"""The project's colorizer: its parts, its training, and what may be relied on in its answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vividpast_lib.ab_bins import bin_centers
from vividpast_lib.checkpoints import load_checkpoint
from vividpast_lib.cli import main
from vividpast_lib.models import PyramidColorizer
from vividpast_lib.photos import open_photos
from vividpast_lib.tasks import Settings, open_task, wear, with_blank_cards
from vividpast_lib.training import fit

TINY = Settings(network="pyramid", size=32, epochs=2, batch_size=4, learning_rate=0.001)


@pytest.fixture(scope="module")
def network() -> PyramidColorizer:
    torch.manual_seed(0)
    network = PyramidColorizer().eval()
    nn.init.normal_(network.ab.weight)  # zero at first
    return network


@pytest.fixture
def sets(photo_folder: Path):
    return open_photos(photo_folder, "train").first(8), open_photos(photo_folder, "val").first(2)


@pytest.mark.parametrize("size", [(64, 96), (32, 32), (1, 1), (33, 70)])
def test_both_answers_come_at_a_quarter_of_any_size(
    network: PyramidColorizer, size: tuple[int, int]
) -> None:
    lightness = torch.rand(2, 1, *size)
    quarter = (-(-size[0] // 4), -(-size[1] // 4))
    with torch.inference_mode():
        assert network(lightness).shape == (2, 2, *quarter)
        assert network.distribution(lightness).shape == (2, len(bin_centers()), *quarter)


@pytest.mark.parametrize("scale", range(4))
def test_every_scale_of_the_pyramid_is_fused(network: PyramidColorizer, scale: int) -> None:
    class Nudged(nn.Module):
        def forward(self, lightness: torch.Tensor) -> list[torch.Tensor]:
            features = list(encoder(lightness))
            features[scale] = features[scale] + 1
            return features

    lightness = torch.rand(1, 1, 64, 64)
    encoder = network.encoder
    with torch.inference_mode():
        before = network(lightness)
        network.encoder = Nudged()  # type: ignore[assignment]
        try:
            after = network(lightness)
        finally:
            network.encoder = encoder
    assert not torch.allclose(before, after, atol=1e-4)


def test_training_moves_what_it_should_and_nothing_else(sets) -> None:
    task = open_task(*sets, TINY, torch.device("cpu"), in_memory=False)
    before = {key: value.clone() for key, value in task.network.state_dict().items()}
    network, history = fit(*sets, TINY, progress=False)
    moved = {
        key for key, value in network.state_dict().items() if not torch.equal(value, before[key])
    }
    encoder = {key for key in moved if key.startswith("encoder.")}
    assert any(key.startswith("encoder.backbone.blocks.6") for key in encoder)
    assert not any("running" in key or "num_batches" in key for key in encoder)
    assert not any(f"backbone.{part}" in key for key in encoder for part in ("conv_stem", "bn1"))
    assert not any(f"blocks.{first}." in key for key in encoder for first in range(3))
    assert {"ab.weight", "bins.weight", "context.0.weight", "bin_shares"} <= moved
    assert all(f"fusion{scale}.gate.weight" in moved for scale in (4, 8, 16))
    assert {"train_cross_entropy", "val_cross_entropy"} <= history[0].keys()


def test_it_goes_on_where_it_stopped(sets, tmp_path: Path) -> None:
    whole, _ = fit(*sets, TINY, progress=False)

    def stop(_network: nn.Module, row: dict[str, float]) -> None:
        if row["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(*sets, TINY, run=tmp_path, progress=False, on_epoch=stop)
    parts, _ = fit(*sets, TINY, run=tmp_path, resume=True, progress=False)
    for key, value in whole.state_dict().items():
        assert torch.equal(parts.state_dict()[key], value), key


def test_small_photos_take_turns(tmp_path: Path) -> None:
    for index in range(12):
        side = 16 if index < 7 else 64
        Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(tmp_path / f"{index:02}.png")
    photos = open_photos(tmp_path)
    settings = replace(TINY, network="autoencoder", small_every=3)
    task = open_task(photos, photos, settings, torch.device("cpu"), in_memory=False)
    epochs = [set(task.epoch_photos(epoch).names) for epoch in range(4)]
    large = {f"{index:02}.png" for index in range(7, 12)}
    assert all(large < epoch and len(epoch) == 7 for epoch in epochs)
    assert len(epochs[0] | epochs[1] | epochs[2]) == 11  # two of seven each; one is left over
    assert epochs[3] == epochs[0]


def test_wear_leaves_most_photos_and_the_range_alone() -> None:
    lightness = 100 * torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    worn = wear(lightness, torch.Generator().manual_seed(1))
    changed = (worn - lightness).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert 0.5 < changed.float().mean() < 0.75
    assert worn.min() >= 0 and worn.max() <= 100
    assert torch.equal(worn, wear(lightness, torch.Generator().manual_seed(1)))
    assert (worn - lightness).abs().mean() < 5


def test_blank_cards_are_grey_and_rare() -> None:
    lab = 100 * torch.rand(640, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    shown = with_blank_cards(lab, torch.Generator().manual_seed(1))
    cards = (shown != lab).flatten(1).any(dim=1)
    assert 8 <= cards.sum() <= 40  # one in 32
    assert shown[cards, 1:].abs().max() == 0
    assert torch.allclose(
        shown[cards, 0], lab[cards, 0].mean(dim=(1, 2), keepdim=True).expand(-1, 8, 8)
    )


def test_half_precision_keeps_the_colors(sets, tmp_path: Path) -> None:
    network, _ = fit(*sets, TINY, run=tmp_path, progress=False)
    stored = load_checkpoint(tmp_path / "model.safetensors").network
    lightness = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        difference = 110 * (network(lightness) - stored(lightness)).abs().max()
    assert difference < 0.5  # Lab units
    assert (tmp_path / "model.safetensors").stat().st_size < 12e6


def test_models_without_a_vivid_answer_say_so(tmp_path: Path, capsys) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    command = ["colorize", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--vivid"]
    assert main([*command, "--model", "autoencoder"]) == 2
    assert "no vivid answer" in capsys.readouterr().err
    assert not (tmp_path / "b.png").exists()
