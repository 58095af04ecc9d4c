"""The project's colorizer: its parts, its training, and what may be relied on in its answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vividpast_lib.cli.main import main
from vividpast_lib.color.ab_bins import bin_centers
from vividpast_lib.color.gamut import fit_to_srgb
from vividpast_lib.color.metrics import ab_l1, colorfulness
from vividpast_lib.color.upsampling import guided_upsample
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.compose import lightness_of
from vividpast_lib.networks.checkpoints import load_checkpoint, save_checkpoint
from vividpast_lib.networks.pyramid import PyramidColorizer
from vividpast_lib.photos.loader import load_lab
from vividpast_lib.photos.open import bundled_folder, open_photos
from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.training.augment import degrade, insert_blank_cards
from vividpast_lib.training.loop import fit
from vividpast_lib.training.settings import Settings
from vividpast_lib.training.task_registry import open_task

TINY = Settings(network="pyramid", size=32, epochs=2, batch_size=4, learning_rate=0.001)


@pytest.fixture(scope="module")
def network() -> PyramidColorizer:
    torch.manual_seed(0)
    network = PyramidColorizer().eval()
    nn.init.normal_(network.ab.weight)  # zero at first
    return network


@pytest.fixture
def sets(photo_folder: Path):
    return open_photos(photo_folder, "train").head(8), open_photos(photo_folder, "val").head(2)


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
    task = open_task(*sets, TINY, "cpu")
    before = {key: value.clone() for key, value in task.network.state_dict().items()}
    network, history = fit(open_task(*sets, TINY, "cpu"), progress=False)
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
    whole, _ = fit(open_task(*sets, TINY, "cpu"), progress=False)

    def stop(_network: nn.Module, row: dict[str, float]) -> None:
        if row["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(open_task(*sets, TINY, "cpu"), run=tmp_path, progress=False, on_epoch=stop)
    parts, _ = fit(open_task(*sets, TINY, "cpu"), run=tmp_path, resume=True, progress=False)
    for key, value in whole.state_dict().items():
        assert torch.equal(parts.state_dict()[key], value), key


def test_small_photos_take_turns(tmp_path: Path) -> None:
    for index in range(12):
        side = 16 if index < 7 else 64
        Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(tmp_path / f"{index:02}.png")
    photos = open_photos(tmp_path)
    settings = replace(TINY, network="autoencoder", upscaled_every=3)
    task = open_task(photos, photos, settings, "cpu")
    epochs = [task.epoch_photos(epoch).names for epoch in range(4)]
    large = {f"{index:02}.png" for index in range(7, 12)}
    assert all(large < set(epoch) for epoch in epochs)
    assert [len(epoch) for epoch in epochs] == [8, 7, 7, 8]  # three, two and two of seven
    assert len({*epochs[0], *epochs[1], *epochs[2]}) == 12
    assert epochs[3] == epochs[0]


def test_wear_leaves_most_photos_and_the_range_alone() -> None:
    lightness = 100 * torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    worn = degrade(lightness, torch.Generator().manual_seed(1))
    changed = (worn - lightness).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert 0.5 < changed.float().mean() < 0.75
    assert worn.min() >= 0 and worn.max() <= 100
    assert torch.equal(worn, degrade(lightness, torch.Generator().manual_seed(1)))
    assert (worn - lightness).abs().mean() < 5


def test_blank_cards_are_grey_and_rare() -> None:
    lab = 100 * torch.rand(640, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    shown = insert_blank_cards(lab, torch.Generator().manual_seed(1))
    cards = (shown != lab).flatten(1).any(dim=1)
    assert 8 <= cards.sum() <= 40  # one in 32
    assert shown[cards, 1:].abs().max() == 0
    assert torch.allclose(
        shown[cards, 0], lab[cards, 0].mean(dim=(1, 2), keepdim=True).expand(-1, 8, 8)
    )


def test_files_of_the_smaller_encoder_still_load(tmp_path: Path) -> None:
    shipped = load_checkpoint("pyramid")
    older = replace(shipped, network=PyramidColorizer(0).eval())
    save_checkpoint(older, tmp_path / "older.safetensors")
    stored = load_checkpoint(tmp_path / "older.safetensors").network
    lightness = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(stored(lightness), older.network(lightness), atol=1e-2)
    save_checkpoint(replace(shipped, network=PyramidColorizer(1)), tmp_path / "no.safetensors")
    with pytest.raises(VividPastError, match="damaged"):
        load_checkpoint(tmp_path / "no.safetensors")


def test_half_precision_keeps_the_colors(sets, tmp_path: Path) -> None:
    network, _ = fit(open_task(*sets, TINY, "cpu"), run=tmp_path, progress=False)
    stored = load_checkpoint(tmp_path / "model.safetensors").network
    lightness = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        difference = 110 * (network(lightness) - stored(lightness)).abs().max()
    assert difference < 0.5  # Lab units
    assert (tmp_path / "model.safetensors").stat().st_size < 14e6


def test_models_without_a_vivid_answer_say_so(tmp_path: Path, capsys) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    command = ["colorize", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--vivid"]
    assert main([*command, "--model", "autoencoder"]) == 2
    assert "no vivid answer" in capsys.readouterr().err
    assert not (tmp_path / "b.png").exists()


# What may be relied on in the model that ships.


@pytest.fixture(scope="module", params=[False, True], ids=["faithful", "vivid"])
def shipped(request: pytest.FixtureRequest) -> Colorizer:
    return Colorizer.load("pyramid", "cpu", vivid=request.param)


@pytest.fixture(scope="module")
def bundled() -> torch.Tensor:
    """The bundled photos, none of which it was trained on, as Lab (48, 3, 128, 128)."""
    return load_lab(open_photos("bundled"), 128)


def colored(colorizer: Colorizer, lab: torch.Tensor) -> torch.Tensor:
    ab = guided_upsample(colorizer.predict(lab[:, :1]), lab[:, :1])
    return fit_to_srgb(torch.cat([lab[:, :1], ab], dim=1))


def test_the_default_beats_the_mean_color_by_a_tenth(bundled: torch.Tensor) -> None:
    default = Colorizer.load(device="cpu")
    assert default.name == "pyramid"
    mean_color = torch.tensor(default.mean_color)[:, None, None]
    true = bundled[:, 1:]
    assert ab_l1(colored(default, bundled)[:, 1:], true) < 0.9 * ab_l1(mean_color, true)


def test_vivid_is_nearly_as_colorful_as_the_photos() -> None:
    large = load_lab(open_photos("bundled"), 256)[::3]
    faithful, vivid = (Colorizer.load("pyramid", "cpu", vivid) for vivid in (False, True))
    strengths = [colorfulness(colored(each, large)) for each in (faithful, vivid)]
    assert strengths[0] < 0.85 * strengths[1]
    assert 0.75 < strengths[1] / colorfulness(large) < 1.1


def test_between_faithful_and_vivid_colors_get_stronger_step_by_step(
    bundled: torch.Tensor,
) -> None:
    shares = (False, 0.25, 0.5, 0.75, True)
    colorizers = [Colorizer.load("pyramid", "cpu", vivid) for vivid in shares]
    assert len({each.fingerprint() for each in colorizers}) == 5
    strengths = [colorfulness(colored(each, bundled[::4])).item() for each in colorizers]
    steps = np.diff(strengths)
    assert steps.min() > 0.4 * steps.mean() and steps.max() < 1.6 * steps.mean()
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Colorizer.load("pyramid", "cpu", wrong)


def test_a_distribution_is_what_is_read(shipped: Colorizer, bundled: torch.Tensor) -> None:
    lightness = bundled[:2, :1]
    logits = shipped.distribution(lightness)
    assert logits.shape == (2, len(bin_centers()), 32, 32)
    assert shipped.decoder and shipped.network.predicts_bins
    # Smoothed after the last layer, not before it: the same.
    smooth = shipped.decoder.smooth(logits, lightness)
    ab = shipped.decoder(smooth, shipped.network.bin_shares)
    assert torch.allclose(ab, shipped.predict(lightness), atol=1e-3)
    with pytest.raises(ValueError, match=r"autoencoder predicts no distribution.*pyramid"):
        Colorizer.load("autoencoder", "cpu").distribution(lightness)


def test_lightness_is_kept(shipped: Colorizer) -> None:
    for name in ("scarlet_macaw", "fig_on_red_plate"):
        with Image.open(bundled_folder() / f"{name}.jpg") as photo:
            values = np.asarray(photo.convert("RGB"))
        colors = shipped(values)
        assert isinstance(colors, np.ndarray) and np.ptp(colors.astype(int), axis=2).mean() > 5
        difference = lightness_of(colors) - lightness_of(values)
        assert difference.abs().max() < 0.6  # 8-bit rounding


def test_a_mirrored_photo_gets_mirrored_colors(shipped: Colorizer, bundled: torch.Tensor) -> None:
    ab, mirrored = (
        shipped.predict(lightness) for lightness in (bundled[:, :1], bundled[:, :1].flip(-1))
    )
    difference = (mirrored.flip(-1) - ab).abs().mean()
    # Strided convolutions pad one side only, so the two can't be equal; photos differ far more.
    assert difference < 0.15 * ab.norm(dim=1).mean()
    assert difference < 0.3 * (ab - ab.roll(1, dims=0)).abs().mean()


@pytest.mark.parametrize("lightness", [5, 25, 50, 75, 95])
def test_a_grey_card_stays_grey(shipped: Colorizer, lightness: float) -> None:
    ab = shipped.predict(torch.full((1, 1, 128, 160), float(lightness)))
    assert ab.norm(dim=1).max() < 6  # Lab units: hardly to be seen


def test_a_photo_is_colored_alike_in_any_batch(shipped: Colorizer, bundled: torch.Tensor) -> None:
    together = shipped.predict(bundled[:8, :1])
    alone = torch.cat([shipped.predict(each[None, :1]) for each in bundled[:8]])
    assert torch.allclose(together, alone, atol=0.01)  # Lab units


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        ((40, 60), (160, 256)),
        ((128, 170), (160, 224)),
        ((180, 200), (224, 256)),
        ((256, 256), (256, 256)),
        ((1000, 1500), (256, 384)),
    ],
)
def test_photos_are_seen_a_little_enlarged_within_limits(
    shipped: Colorizer, own: tuple[int, int], seen: tuple[int, int]
) -> None:
    assert shipped.small_copy(torch.rand(own)).shape == (1, 1, *seen)


def test_an_enlarged_photo_stays_as_sharp_as_in_training_and_within_range(
    shipped: Colorizer,
) -> None:
    edges = np.kron(np.random.default_rng(0).integers(0, 2, (32, 32)), np.full((4, 4), 100.0))
    seen = shipped.small_copy(torch.from_numpy(edges).float())[0, 0].numpy()
    pillow = Image.fromarray(edges.astype(np.float32)).resize((160, 160), Image.Resampling.BICUBIC)
    assert np.allclose(seen, np.asarray(pillow).clip(0, 100), atol=0.01)
    assert np.asarray(pillow).max() > 101


def test_a_long_panorama_is_reduced_softly(shipped: Colorizer) -> None:
    noise = torch.rand(200, 2000) * 100
    seen = shipped.small_copy(noise)
    size = seen.shape[-2:]
    assert size == (160, 1568)
    soft = nn.functional.interpolate(noise[None, None], size, mode="bilinear", antialias=True)
    assert torch.allclose(seen, soft, atol=1e-3)
