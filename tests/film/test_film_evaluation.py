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
    ALONE,
    FILM_METRICS,
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
    frames, figures = compare_films(films, [lightness_of(g[..., None]) for g in camera_move(12)])
    assert frames == 12
    assert figures["grey"]["warping_error"] < 0.5
    assert figures["grey"]["chroma"] < 1
    assert figures["flickers"]["warping_error"] > 3 * figures["true"]["warping_error"]
    assert figures["flickers"]["cdc"] > 1.5 * figures["true"]["cdc"]
    assert figures["wrong"]["psnr"] < figures["flickers"]["psnr"] < figures["true"]["psnr"]
    assert figures["wrong"]["warping_error"] < figures["flickers"]["warping_error"]
    assert figures["true"]["chroma"] == pytest.approx(np.hypot(12, 8), abs=1.5)


def test_a_colour_film_is_greyed_coloured_and_compared(
    tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    write_film(tmp_path / "film.mkv", camera_move(12), encoder="ffv1")
    score = score_film([vivid_colorizer], tmp_path / "film.mkv")
    assert score.frames == 12
    names = list(score.figures)
    assert names == ["grey", "mean colour", f"autoencoder{ALONE}", "autoencoder", "true"]
    assert all(set(each) == set(FILM_METRICS) for each in score.figures.values())
    # The film is grey: so is the truth.
    assert score.figures["grey"]["psnr"] > 60
    assert score.figures["true"]["chroma"] < 0.5
    film, alone = score.figures["autoencoder"], score.figures[f"autoencoder{ALONE}"]
    assert film["warping_error"] < alone["warping_error"]

    report = film_report([score, score])
    assert report["mean"] == score.figures
    text = film_table(film_report([score]))
    assert "film.mkv, 12 frames" in text
    assert "beside it" in text


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
