"""A network of one's own: one class and one entry, and everything else takes it as it is."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from vividpast_lib.color.ab_bins import bin_centers
from vividpast_lib.color.color_decoder import ColorDecoder
from vividpast_lib.color.scaling import UNIT_SCALING
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.onnx_export import export_onnx
from vividpast_lib.networks.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from vividpast_lib.networks.class_maps import ClassMaps
from vividpast_lib.networks.color_network import ColorNetwork
from vividpast_lib.networks.layers import pad_to_multiple
from vividpast_lib.networks.registry import NETWORKS, NetworkEntry, find_network
from vividpast_lib.networks.segmenters import load_segmenter
from vividpast_lib.runtime.errors import VividPastError


class ToyBins(ColorNetwork):
    """What a student might write: it zooms, and predicts a distribution."""

    multiple = 4
    zoom = 2
    enlargement = 1.5
    predicts_bins = True

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 4, stride=4)
        self.ab = nn.Conv2d(8, 2, 1)
        self.bins = nn.Conv2d(8, len(bin_centers()), 1)

    def features(self, lightness: Tensor) -> Tensor:
        return self.first(pad_to_multiple(lightness, 4)).relu()


class ToyFusion(ColorNetwork):
    """Another: colour from the class maps alone."""

    takes_class_maps = True

    def __init__(self) -> None:
        super().__init__()
        self.ab = nn.Conv2d(21, 2, 1)

    def forward(self, lightness: Tensor, class_maps: Tensor) -> Tensor:
        return self.ab(class_maps).tanh()


DECODERS = {"faithful": ColorDecoder(0.5), "vivid": ColorDecoder(0.2, gain=2.0)}


@pytest.fixture(params=["toy bins", "toy ab", "toy fusion"])
def stored(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[Checkpoint, Path]:
    """A toy with its entry, and the file that it was saved in."""
    toys = (
        NetworkEntry(
            "toy bins", ToyBins, "colorizing_bins", decoders=DECODERS, half_precision=True
        ),
        NetworkEntry("toy ab", ToyBins, "colorizing_bins"),  # colours come from the other head
        NetworkEntry("toy fusion", ToyFusion),
    )
    for toy in toys:
        monkeypatch.setitem(NETWORKS, toy.name, toy)
    model = find_network(request.param)
    torch.manual_seed(0)
    network = model.network()
    assert isinstance(network, ColorNetwork)
    class_maps = ClassMaps(load_segmenter(), "one-hot") if network.takes_class_maps else None
    checkpoint = Checkpoint(
        network.eval(), model.name, UNIT_SCALING, 32, (1.0, 2.0), class_maps, dict(model.decoders)
    )
    path = tmp_path / "model.safetensors"
    save_checkpoint(checkpoint, path)
    return checkpoint, path


def test_a_network_of_ones_own_is_saved_loaded_and_colors(
    stored: tuple[Checkpoint, Path], scene: np.ndarray
) -> None:
    checkpoint, path = stored
    colorizer, again = Colorizer(checkpoint, "cpu"), Colorizer.load(path, "cpu")
    assert again.name == checkpoint.name
    assert np.abs(again(scene).astype(int) - colorizer(scene)).max() <= 1  # half precision
    assert np.ptp(again(scene).astype(int), axis=2).mean() > 2
    weights = again.network.state_dict()["ab.weight"]
    assert torch.equal(weights, weights.half()) == find_network(again.name).half_precision
    zooms = again.network.zoom > 1
    for own, side in ((20, 48), (40, 60), (64, 64)):
        seen = again.small_copy(torch.rand(own, own)).shape[-2:]
        assert seen == ((side, side) if zooms else (32, 32))
    if checkpoint.decoders:
        assert not np.array_equal(Colorizer.load(path, "cpu", vivid=True)(scene), again(scene))


@pytest.mark.parametrize("stored", ["toy bins"], indirect=True)
def test_a_network_of_ones_own_is_exported(stored: tuple[Checkpoint, Path]) -> None:
    _, path = stored
    colorizer = Colorizer.load(path, "cpu")
    export_onnx(colorizer, path.with_suffix(".onnx"))
    session = onnxruntime.InferenceSession(
        path.with_suffix(".onnx"), providers=["CPUExecutionProvider"]
    )
    lightness = 100 * torch.rand(2, 1, 40, 50)
    (ab,) = session.run(["ab"], {"lightness": lightness.numpy()})
    assert np.abs(ab - colorizer.predict(lightness).numpy()).max() < 0.01


@pytest.mark.parametrize(
    "load", [Colorizer.load, partial(load_checkpoint, "fusion2018"), load_segmenter]
)
def test_loading_leaves_the_caller_s_random_numbers_alone(load: Callable[[], object]) -> None:
    before = torch.random.get_rng_state()
    load()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_unknown_network_is_named_with_those_there_are() -> None:
    assert find_network("pyramid") is NETWORKS["pyramid"]
    with pytest.raises(VividPastError, match=r"^nonsuch: .*autoencoder, fusion2018, pyramid"):
        find_network("nonsuch")
