"""The figures that judge models: right on cases that can be worked out by hand."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vividpast_lib.cli.main import main
from vividpast_lib.color.lab import rgb_to_lab
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.evaluation import bootstrap, score_photos
from vividpast_lib.networks.segmenter_evaluation import class_colors, count_classes, segmenter_iou
from vividpast_lib.networks.segmenters import Segmenter, load_segmenter
from vividpast_lib.photos.open import open_class_maps, open_photos


def lab_of(rgb: np.ndarray) -> torch.Tensor:
    return rgb_to_lab(torch.from_numpy(rgb / 255).permute(2, 0, 1)[None])


def test_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    intervals = [bootstrap(random.normal(5, 2, size=60), resamples=400) for _ in range(200)]
    covered = np.mean([each.low <= 5 <= each.high for each in intervals])
    assert 0.88 <= covered <= 0.99
    assert all(each.low <= each.mean <= each.high for each in intervals)


@pytest.fixture(scope="module")
def lite() -> Segmenter:
    return load_segmenter()


def test_scores_are_those_of_the_written_photo(
    photo_folder: Path, vivid_colorizer: Colorizer, lite: Segmenter
) -> None:
    photos = open_photos(photo_folder).head(2)
    for index, score in enumerate(score_photos([vivid_colorizer], photos, lite)):
        true = np.asarray(photos.read(index))
        written = vivid_colorizer(true)
        lab = [lab_of(each) for each in (written, true)]
        error = (lab[0] - lab[1])[:, 1:].abs().mean().item()
        assert score.figures["autoencoder"]["ab_l1"] == pytest.approx(error, abs=0.3)  # 8 bits
        squared = ((written / 255.0 - true / 255.0) ** 2).mean()
        psnr = score.figures["autoencoder"]["psnr"]
        assert psnr == pytest.approx(-10 * np.log10(squared), abs=0.1)
        assert score.figures["grey"]["colorfulness"] == pytest.approx(0, abs=0.1)
        assert score.figures["grey"]["ab_l1"] == pytest.approx(
            lab[1][:, 1:].abs().mean().item(), rel=1e-3
        )
        assert score.figures["true"]["ab_l1"] == pytest.approx(0, abs=0.05)


class Halves(Segmenter):
    """Left half aeroplane, right half background, in each photo."""

    name = "halves"
    channels = (1, 1, 1)

    def pyramid(self, rgb):
        return tuple(torch.nn.functional.avg_pool2d(rgb[:, :1], each) for each in (8, 16, 32))

    def classify(self, features):
        logits = torch.zeros(len(features[0]), 21, *features[0].shape[-2:])
        middle = logits.shape[3] // 2
        logits[:, 1, :, :middle] = 1
        logits[:, 0, :, middle:] = 1
        return logits


def test_class_colors_tell_spread_within_from_between(tmp_path: Path) -> None:
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32], halves[:, 32:] = (200, 40, 30), (30, 60, 200)
    Image.fromarray(halves).save(tmp_path / "halves.png")
    colors, explained = class_colors(Halves(64), open_photos(tmp_path), size=64)
    assert explained == pytest.approx(1, abs=0.1)  # the maps blur a little at the seam
    assert [each.name for each in colors] == ["background", "aeroplane"]
    red = lab_of(halves)[0, 1:, 0, 0]
    assert (colors[1].a, colors[1].b) == pytest.approx(tuple(red.tolist()), abs=6)
    assert colors[0].share == pytest.approx(0.5, abs=0.1)

    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2], stripes[1::2] = (200, 40, 30), (30, 60, 200)
    Image.fromarray(stripes).save(tmp_path / "halves.png")
    _, explained = class_colors(Halves(64), open_photos(tmp_path), size=64)
    assert explained == pytest.approx(0, abs=0.02)


def test_classes_in_a_photo_are_counted() -> None:
    assert count_classes(Halves(64), torch.rand(1, 1, 64, 64) * 100) == 2


def test_segmenter_is_compared_with_the_same_square_of_the_class_map(tmp_path: Path) -> None:
    """The map is of the whole photo, squeezed to a square; what is seen is its middle."""
    Image.fromarray(np.zeros((64, 128, 3), np.uint8)).save(tmp_path / "wide.png")
    labels = np.zeros((1, 65, 65), np.uint8)
    labels[:, :, :33] = 1  # the photo's left half is also the middle square's
    files = np.array(["wide.png"])
    np.savez(tmp_path / "voc21_teacher.npz", files=files, labels=labels)
    iou = segmenter_iou(Halves(64), open_class_maps(tmp_path), size=64)
    assert iou["grey"][:2].min() > 0.9
    labels[:, :, 16:] = 0  # nothing but background in the middle square
    np.savez(tmp_path / "voc21_teacher.npz", files=files, labels=labels)
    iou = segmenter_iou(Halves(64), open_class_maps(tmp_path), size=64)
    assert iou["grey"][1] == 0


def test_evaluate_prints_a_table_or_json_and_writes_each_photo(
    photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    each = tmp_path / "each.csv"
    command = ["evaluate", "--model", "autoencoder", "--photos", str(photo_folder)]
    assert main([*command, "--split", "all", "--each-photo", str(each)]) == 0
    table = capsys.readouterr().out
    assert "30 photos" in table
    assert all(name in table for name in ("autoencoder", "grey", "mean colour", "true"))
    assert main([*command, "--split", "all", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["photos"] == 30
    with each.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    mean = np.mean([float(row["ab_l1"]) for row in rows])
    figures = report["figures"]["autoencoder"]["ab_l1"]
    assert figures["mean"] == pytest.approx(mean, rel=1e-3)
    assert figures["low"] <= figures["mean"] <= figures["high"]
    assert main([*command, "--model", "nonsuch"]) == 2


def test_evaluate_measures_segmenters(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["evaluate", "--model", "lite", "--photos", str(tmp_path), "--split", "all"]
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "black.png")
    assert main(command) == 2
    assert "no class maps" in capsys.readouterr().err
    np.savez(
        tmp_path / "voc21_teacher.npz",
        files=np.array(["black.png"]), labels=np.zeros((1, 65, 65), np.uint8),
    )  # fmt: skip
    assert main(command) == 0
    assert "background" in capsys.readouterr().out
