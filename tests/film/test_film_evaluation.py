"""Films measured beside the true ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.films import camera_move, write_film
from vividpast_lib.cli.main import main
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.compose import compose_rgb, lightness_of
from vividpast_lib.film.evaluation import (
    FILM_METRICS,
    INDEPENDENT,
    FilmScore,
    compare_films,
    film_report,
    film_table,
    score_film,
)


def painted(colors: list[tuple[float, float]]) -> list[np.ndarray]:
    """A camera move with one colour a frame."""
    import torch

    frames = camera_move(len(colors))
    return [
        compose_rgb(lightness_of(grey[..., None]), torch.tensor(color).view(1, 2, 1, 1))
        for grey, color in zip(frames, colors, strict=True)
    ]


def test_flicker_wrong_colours_and_grey_are_told_apart() -> None:
    random = np.random.default_rng(0)
    true = painted([(12.0, -8.0)] * 12)
    films = {
        "grey": painted([(0.0, 0.0)] * 12),
        "flickers": painted([tuple(each) for each in random.normal((12, -8), 5, (12, 2)).tolist()]),
        "wrong": painted([(-12.0, 8.0)] * 12),
        "true": true,
    }
    frames, metrics = compare_films(films, [lightness_of(g[..., None]) for g in camera_move(12)])
    assert frames == 12
    assert metrics["grey"]["warping_error"] < 0.5
    assert metrics["grey"]["chroma"] < 1
    assert metrics["flickers"]["warping_error"] > 3 * metrics["true"]["warping_error"]
    assert metrics["flickers"]["cdc"] > 1.5 * metrics["true"]["cdc"]
    assert metrics["wrong"]["psnr"] < metrics["flickers"]["psnr"] < metrics["true"]["psnr"]
    assert metrics["wrong"]["warping_error"] < metrics["flickers"]["warping_error"]
    assert metrics["true"]["chroma"] == pytest.approx(np.hypot(12, 8), abs=1.5)


def test_a_colour_film_is_greyed_coloured_and_compared(
    tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    write_film(tmp_path / "film.mkv", camera_move(12), encoder="ffv1")
    score = score_film([vivid_colorizer], tmp_path / "film.mkv")
    assert score.frames == 12
    names = list(score.metrics)
    assert names == ["grey", "mean colour", f"autoencoder{INDEPENDENT}", "autoencoder", "true"]
    assert all(set(each) == set(FILM_METRICS) for each in score.metrics.values())
    # The film is grey: so is the truth.
    assert score.metrics["grey"]["psnr"] > 60
    assert score.metrics["true"]["chroma"] < 0.5
    film, independent = score.metrics["autoencoder"], score.metrics[f"autoencoder{INDEPENDENT}"]
    assert film["warping_error"] < independent["warping_error"]

    report = film_report([score, score])
    assert report["mean"] == score.metrics
    text = film_table(film_report([score]))
    assert "film.mkv, 12 frames" in text
    assert "beside it" in text


def test_films_of_one_name_are_all_in_the_report() -> None:
    paths = [Path("a/film.mp4"), Path("b/film.mp4"), Path("b/other.mp4"), Path("a/film.mp4")]
    scores = [
        FilmScore(path, index, {"true": dict.fromkeys(FILM_METRICS, float(index))})
        for index, path in enumerate(paths[:3], start=5)
    ]
    report = film_report([*scores, scores[0]])
    assert {name: film["frames"] for name, film in report["films"].items()} == {
        str(paths[0]): 5, str(paths[1]): 6, "other.mp4": 7,
    }  # fmt: skip
    assert report["mean"]["true"]["psnr"] == 6


def test_a_film_that_is_spelled_in_two_ways_counts_once() -> None:
    paths = {Path("x.mp4"): 1.0, Path("..", Path.cwd().name, "x.mp4"): 1.0, Path("y.mp4"): 4.0}
    report = film_report(
        [
            FilmScore(path, 5, {"true": dict.fromkeys(FILM_METRICS, value)})
            for path, value in paths.items()
        ]
    )
    assert len(report["films"]) == 2
    assert report["mean"]["true"]["psnr"] == 2.5


def test_a_still_black_film_has_a_table(tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    write_film(tmp_path / "black.mkv", [np.zeros((48, 64), np.uint8)] * 6, encoder="ffv1")
    text = film_table(film_report([score_film([vivid_colorizer], tmp_path / "black.mkv")]))
    assert "–" in next(line for line in text.splitlines() if "beside it" in line)


def test_the_command_prints_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    film = str(tmp_path / "film.mp4")
    write_film(Path(film), camera_move(6))
    arguments = ["evaluate", "--model", "autoencoder", "--film", film]
    assert main(arguments) == 0
    assert "warping error" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["films"]["film.mp4"]["frames"] == 6


def test_a_film_too_short_to_measure_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_film(tmp_path / "film.mp4", camera_move(3))
    assert main(["evaluate", "--model", "autoencoder", "--film", str(tmp_path / "film.mp4")]) == 2
    assert "film.mp4" in capsys.readouterr().err
