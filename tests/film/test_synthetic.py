"""The bundled films, and the command that makes them."""

import csv
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.films import read_film
from vividpast_lib.cli.main import main
from vividpast_lib.film.reading import probe_film, read_colors
from vividpast_lib.film.synthetic import (
    Look,
    camera_move,
    cross_fade,
    films_folder,
    melody,
    old_stock,
)

FILMS = ("camera_moves.mp4", "old_stock.mp4")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    assert main(["data", "clips", "-o", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("name", FILMS)
def test_the_bundled_films_are_what_the_command_makes(name: str, made: Path) -> None:
    bundled, again = read_film(films_folder() / name), read_film(made / name)
    assert bundled.times == again.times
    difference = np.abs(np.array(bundled.lumas, float) - np.array(again.lumas, float))
    assert difference.mean() < 1  # encoders differ a little


@pytest.mark.parametrize("name", FILMS)
def test_they_are_small_have_sound_and_are_credited(name: str) -> None:
    path = films_folder() / name
    assert path.stat().st_size < 2e6
    with av.open(str(path)) as film:
        assert len(film.streams.audio) == 1
        samples = [frame.to_ndarray() for frame in film.decode(audio=0)]
    assert np.abs(np.concatenate(samples, axis=1)).max() > 0.05
    with (films_folder() / "CREDITS.csv").open(encoding="utf-8", newline="") as file:
        credits = [row for row in csv.DictReader(file) if row["file"] == name]
    assert credits
    assert all(row[key] for row in credits for key in ("title", "author", "licence", "source"))


def test_one_is_in_colour_and_one_is_not() -> None:
    spread = {
        name: np.ptp(np.array(list(read_colors(probe_film(films_folder() / name))), int), axis=-1)
        for name in FILMS
    }
    assert spread["camera_moves.mp4"].mean() > 10
    assert spread["old_stock.mp4"].max() <= 3


def test_a_camera_move_goes_from_one_look_to_the_other() -> None:
    photo = np.zeros((300, 500, 3), np.uint8)
    photo[:, :250] = (200, 30, 30)
    frames = camera_move(photo, Look(0.25, 0.5, 200), Look(0.75, 0.5, 200), 9)
    assert len(frames) == 9
    assert frames[0].shape == (192, 320, 3)
    reds = [float((frame[..., 0] > 100).mean()) for frame in frames]
    assert (reds[0], reds[-1]) == (1, 0)
    assert reds == sorted(reds, reverse=True)
    assert not np.array_equal(
        frames, camera_move(photo, Look(0.25, 0.5, 200), Look(0.75, 0.5, 200), 9, shake=3)
    )


def test_a_cross_fade_changes_one_shot_into_the_other() -> None:
    black, white = (np.full((4, 4, 3), value, np.uint8) for value in (0, 250))
    frames = cross_fade([black] * 6, [white] * 6, 4)
    means = [int(frame.mean()) for frame in frames]
    assert means == [0, 0, 50, 100, 150, 200, 250, 250]


def test_old_stock_is_grey_grainy_and_flickers() -> None:
    frames = [np.full((40, 50, 3), (120, 90, 60), np.uint8)] * 20
    clean = old_stock(frames, grain=0, flicker=0)
    assert clean[0].shape == (40, 50)
    grainy = old_stock(frames, grain=8, flicker=0)
    assert np.std(grainy[0][:, :10]) > 4
    flickering = old_stock(frames, grain=0, flicker=0.1)
    assert np.std([frame.mean() for frame in flickering]) > 3 * np.std([f.mean() for f in clean])
    assert np.array_equal(flickering, old_stock(frames, grain=0, flicker=0.1))


def test_the_melody_fills_its_time() -> None:
    sound = melody(1.5)
    assert len(sound) == 72_000
    assert 0.1 < np.abs(sound).max() < 1
    assert np.abs(sound[-2400:]).max() > 0.01
