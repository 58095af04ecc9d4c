"""Error against colorfulness: the points of a curve are what their names say."""

from dataclasses import astuple
from pathlib import Path

import pytest
import torch

from vividpast_lib.cli.main import main
from vividpast_lib.color.scaling import UNIT_SCALING
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.trade_off import Point, measure_trade_off, read_trade_off
from vividpast_lib.networks.checkpoints import Checkpoint
from vividpast_lib.networks.pyramid import PyramidColorizer
from vividpast_lib.networks.registry import NETWORKS
from vividpast_lib.photos.open import open_photos
from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.runtime.files import write_records


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    """An untrained network with strong answers."""
    torch.manual_seed(0)
    network = PyramidColorizer().eval()
    torch.nn.init.normal_(network.ab.weight, std=0.05)
    torch.nn.init.normal_(network.bins.weight, std=0.5)
    decoders = dict(NETWORKS["pyramid"].decoders)
    checkpoint = Checkpoint(network, "pyramid", UNIT_SCALING, 32, (4.0, 9.0), decoders=decoders)
    return Colorizer(checkpoint, "cpu")


def test_points_are_what_their_names_say(colorizer: Colorizer, photo_folder: Path) -> None:
    points = measure_trade_off(colorizer, open_photos(photo_folder).head(3), size=32)
    ways: dict[str, list[Point]] = {}
    for point in points:
        ways.setdefault(point.way, []).append(point)
    (grey,), (true,) = ways["grey"], ways["true"]
    assert grey.colorfulness == pytest.approx(0, abs=0.1)
    assert true.ab_l1 == pytest.approx(0, abs=0.1) and true.psnr > 60
    for way in ("L1 head times gain", "sharp mean times gain"):
        stronger = [each.colorfulness for each in ways[way]]
        assert stronger == sorted(stronger) and stronger[-1] > 1.2 * stronger[0]
    temperatures = ways["annealed mean"]
    assert temperatures[0].setting == 1 and temperatures[-1].setting < 0.2
    assert temperatures[-1].colorfulness > temperatures[0].colorfulness  # sharper, stronger
    half = next(each for each in temperatures if each.setting == 0.5)
    assert ways["sharp mean times gain"][0].ab_l1 == pytest.approx(half.ab_l1)
    assert ways["faithful"] != ways["vivid"]


def test_points_survive_the_file(tmp_path: Path) -> None:
    points = [Point("grey", 0, 11.03, 22.16, 0.001), Point("annealed mean", 0.38, 8.5, 24.5, 31.2)]
    write_records(tmp_path / "points.csv", points)
    for one, two in zip(points, read_trade_off(tmp_path / "points.csv"), strict=True):
        assert two.way == one.way
        assert astuple(two)[1:] == pytest.approx(astuple(one)[1:], rel=1e-3)


def test_a_network_without_a_distribution_is_refused(
    vivid_colorizer: Colorizer, photo_folder: Path, tmp_path: Path, capsys
) -> None:
    with pytest.raises(VividPastError, match="no distribution"):
        measure_trade_off(vivid_colorizer, open_photos(photo_folder))
    command = ["evaluate", "--model", "autoencoder", "--photos", str(photo_folder)]
    assert main([*command, "--trade-off", str(tmp_path / "points.csv")]) == 2
    assert "no distribution" in capsys.readouterr().err
