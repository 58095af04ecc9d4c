"""The metrics that judge models: right on cases that can be worked out by hand."""

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vividpast_lib.cli.main import main
from vividpast_lib.color.lab import rgb_to_lab
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.evaluation import Interval, bootstrap, score_photos
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


def test_bootstrap_is_the_quantiles_of_resampled_means() -> None:
    values = np.random.default_rng(1).normal(5, 2, size=70)
    random = np.random.default_rng(3)
    means = [values[random.integers(70, size=70)].mean() for _ in range(500)]
    interval = bootstrap(values, resamples=500, seed=3)
    assert interval.mean == pytest.approx(values.mean())
    assert [interval.low, interval.high] == pytest.approx(np.quantile(means, (0.025, 0.975)))
    assert bootstrap(np.array([4.0])) == Interval(4, 4, 4)


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
        assert score.metrics["autoencoder"]["ab_l1"] == pytest.approx(error, abs=0.3)  # 8 bits
        squared = ((written / 255.0 - true / 255.0) ** 2).mean()
        psnr = score.metrics["autoencoder"]["psnr"]
        assert psnr == pytest.approx(-10 * np.log10(squared), abs=0.1)
        assert score.metrics["grey"]["colorfulness"] == pytest.approx(0, abs=0.1)
        assert score.metrics["grey"]["ab_l1"] == pytest.approx(
            lab[1][:, 1:].abs().mean().item(), rel=1e-3
        )
        assert score.metrics["true"]["ab_l1"] == pytest.approx(0, abs=0.05)


class Halves(Segmenter):
    """Left half aeroplane, right half background, in each photo."""

    name = "halves"
    side = 64
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
    colors, explained = class_colors(Halves(), open_photos(tmp_path), size=64)
    assert explained == pytest.approx(1, abs=0.1)  # the maps blur a little at the seam
    assert [each.name for each in colors] == ["background", "aeroplane"]
    red = lab_of(halves)[0, 1:, 0, 0]
    assert (colors[1].a, colors[1].b) == pytest.approx(tuple(red.tolist()), abs=6)
    assert colors[0].share == pytest.approx(0.5, abs=0.1)

    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2], stripes[1::2] = (200, 40, 30), (30, 60, 200)
    Image.fromarray(stripes).save(tmp_path / "halves.png")
    _, explained = class_colors(Halves(), open_photos(tmp_path), size=64)
    assert explained == pytest.approx(0, abs=0.02)


def test_classes_in_a_photo_are_counted() -> None:
    assert count_classes(Halves(), torch.rand(1, 1, 64, 64) * 100) == 2


def test_segmenter_is_compared_with_the_same_square_of_the_class_map(tmp_path: Path) -> None:
    """The map is of the whole photo, squeezed to a square; what is seen is its middle."""
    Image.fromarray(np.zeros((64, 128, 3), np.uint8)).save(tmp_path / "wide.png")
    labels = np.zeros((1, 65, 65), np.uint8)
    labels[:, :, :33] = 1  # the photo's left half is also the middle square's
    files = np.array(["wide.png"])
    np.savez(tmp_path / "voc21_teacher.npz", files=files, labels=labels)
    iou = segmenter_iou(Halves(), open_class_maps(tmp_path), size=64)
    assert iou["grey"][:2].min() > 0.9
    labels[:, :, 16:] = 0  # nothing but background in the middle square
    np.savez(tmp_path / "voc21_teacher.npz", files=files, labels=labels)
    iou = segmenter_iou(Halves(), open_class_maps(tmp_path), size=64)
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
    metrics = report["metrics"]["autoencoder"]["ab_l1"]
    assert metrics["mean"] == pytest.approx(mean, rel=1e-3)
    assert metrics["low"] <= metrics["mean"] <= metrics["high"]
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
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report["iou"]["train"] == {"grey": None, "colour": None}  # there is none
    assert report["mean_iou"]["grey"] > 0


@pytest.mark.parametrize(
    ("mode", "others"),
    [
        ("--film x.mp4", ["--split val", "--each-photo a.csv", "--trade-off a.csv", "--photos x"]),
        ("--film x.mp4", ["--photos ''"]),
        ("--trade-off x.csv", ["--json", "--each-photo a.csv"]),
    ],
)
def test_evaluate_refuses_what_it_would_ignore(
    mode: str, others: list[str], capsys: pytest.CaptureFixture
) -> None:
    for other in others:
        assert main(["evaluate", *mode.split(), *shlex.split(other)]) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert mode.split()[0] in line and other.split()[0] in line
    assert main(["evaluate", "--model", "lite", "--each-photo", "a.csv"]) == 2
    assert "--each-photo" in capsys.readouterr().err


def test_a_film_that_can_not_be_measured_is_named_and_the_others_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from vividpast_lib.film import evaluation
    from vividpast_lib.runtime.errors import VividPastError

    def score_film(_colorizers: object, film: Path) -> evaluation.FilmScore:
        if film.stem == "bad":
            raise VividPastError(f"{film}: is damaged.")
        metrics = dict.fromkeys(evaluation.FILM_METRICS, 1.0)
        return evaluation.FilmScore(film, 9, {"grey": metrics})

    monkeypatch.setattr(evaluation, "score_film", score_film)
    films = [str(tmp_path / name) for name in ("bad.mp4", "good.mp4")]
    assert main(["evaluate", "--model", "autoencoder", "--film", *films]) == 2
    shown = capsys.readouterr()
    assert "good.mp4, 9 frames" in shown.out
    assert shown.err == f"vividpast: {films[0]}: is damaged.\n"
