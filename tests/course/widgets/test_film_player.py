"""FilmPlayer without a browser: what is played and drawn, files that are no films, cancelling."""

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from tests.support.demos import until
from tests.support.films import camera_move, read_film, write_film
from vividpast_lib.color.lab import rgb_to_lab
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.compose import lightness_of
from vividpast_lib.course.widgets import FilmPlayer, film_chooser
from vividpast_lib.course.widgets.film_chooser import Film
from vividpast_lib.course.widgets.film_player import Counter
from vividpast_lib.course.widgets.flicker_plot import (
    describe_flicker,
    draw_flicker,
    flicker,
    flicker_plot,
    follow_point,
)
from vividpast_lib.course.widgets.interruptible import InterruptibleColorizer
from vividpast_lib.course.widgets.parts import at_point
from vividpast_lib.course.widgets.played_film import side_by_side, small
from vividpast_lib.film.film_files import colorize_film
from vividpast_lib.film.pipeline import predict_colors, worker_pool
from vividpast_lib.film.reading import probe_film, read_colors, read_frames
from vividpast_lib.film.synthetic import films_folder, write_mp4
from vividpast_lib.networks.color_network import ColorNetwork
from vividpast_lib.runtime.errors import VividPastError


@pytest.fixture
def player(
    tmp_path: Path, vivid_colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FilmPlayer]:
    """A player whose bundled films are short and small: 30 frames with sound, and 40 frames."""
    folder = tmp_path / "films"
    folder.mkdir()
    write_film(folder / "old_stock.mp4", camera_move(30), sounds=1)
    write_film(folder / "other.mp4", camera_move(40, seed=1))
    monkeypatch.setattr(film_chooser, "films_folder", lambda: folder)
    player = FilmPlayer(vivid_colorizer)
    yield player
    player.close()


def bundled(player: FilmPlayer, name: str) -> Film:
    return next(film for _label, film in player.chooser.menu.options if film.name == name)


def played(player: FilmPlayer, tmp_path: Path) -> list[np.ndarray]:
    """The frames of what the page plays."""
    path = tmp_path / "played.mp4"
    path.write_bytes(player.video.film)
    return list(read_colors(probe_film(path)))


def chroma(values: np.ndarray) -> float:
    ab = rgb_to_lab(torch.from_numpy(values / 255).permute(2, 0, 1))[1:]
    return float(ab.square().sum(dim=0).sqrt().mean())


def files(player: FilmPlayer) -> list[str]:
    return sorted(path.name for path in Path(player.chooser.folder.name).rglob("*"))


class Slow(ColorNetwork):
    """A network that takes a second a batch, in many small steps."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network, self.multiple = network, network.multiple
        self.zoom, self.enlargement = network.zoom, network.enlargement

    def forward(self, lightness: torch.Tensor) -> torch.Tensor:
        if len(lightness) > 1:  # not the first frame, before a film is coloured
            for _step in range(100):
                time.sleep(0.01)
                lightness = lightness + 0
        return self.network(lightness)


# Opening


def test_it_opens_with_the_grey_film_beside_its_first_frame_in_colour(
    player: FilmPlayer, tmp_path: Path
) -> None:
    frames = played(player, tmp_path)
    assert len(frames) == 30 and frames[0].shape == (48, 128, 3)
    for frame in frames:
        assert chroma(frame[:, :62]) < 3 < 8 < chroma(frame[:, 66:])
    grey = [frame[:, :62].astype(float) for frame in frames]
    still = [frame[:, 66:].astype(float) for frame in frames]
    assert np.abs(grey[0] - grey[-1]).mean() > 5 > np.abs(still[0] - still[-1]).mean()
    assert "first frame in colour" in player.names.value and "old stock" in player.video.alt
    assert "lightness" in player.plot.value and "30 frames" in player.plot.value
    assert Image.open(io.BytesIO(player.stage.picture)).size == (64, 48)
    assert player.save.disabled and player.cancel.disabled and not player.progress.running
    assert player.compare.value and not player.message.is_error
    assert "64 x 48" in player.message.text
    assert files(player) == []
    assert player.static_preview()[0].width > 128


def test_only_so_many_seconds_are_shown_and_coloured(
    player: FilmPlayer, tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    player.seconds.value = 1
    player.color.click()
    player.wait()
    assert len(played(player, tmp_path)) == 25
    target = tmp_path / "again.mp4"
    colorize_film(vivid_colorizer, player.chooser.film.path, target, preview=1.0)
    assert player._result[1].read_bytes() == target.read_bytes()


# Colouring


def test_what_is_downloaded_is_what_the_command_line_makes(
    player: FilmPlayer, tmp_path: Path, vivid_colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[str] = []
    player.progress.observe(lambda change: words.append(change["new"]), "text")
    player.color.click()
    assert player.color.disabled and not player.cancel.disabled
    player.wait()
    assert not player.color.disabled and player.cancel.disabled and not player.progress.running
    assert words[0] == "0 of 30 frames of the film"
    assert words[1].startswith("1 of 30 frames of the film, about")
    assert words[-1] == "30 of 30 frames, independent frames"

    delivered = []
    monkeypatch.setattr(player.save, "deliver", lambda *args: delivered.append(args))
    player.save._handle_custom_msg({"type": "wanted"}, [])
    ((name, content, mime),) = delivered
    assert name == "old_stock_colored.mp4" and mime == "video/mp4"
    target = tmp_path / "old_stock.mp4"
    colorize_film(vivid_colorizer, player.chooser.film.path, target)
    assert content == target.read_bytes()
    assert [track.kind for track in read_film(target).tracks] == ["video", "audio"]

    frames, whole = played(player, tmp_path), list(read_colors(probe_film(target)))
    assert len(frames) == len(whole) == 30
    for frame, colored in zip(frames, whole, strict=True):
        assert chroma(frame[:, :62]) < 3
        assert np.abs(frame[:, 66:].astype(float) - colored[:, 2:]).mean() < 12
    assert "right coloured" in player.video.alt and "coloured" in player.names.value
    assert files(player) == ["colored", "old_stock.mp4"]


def test_the_plot_follows_the_point_and_its_numbers_match_the_frames(
    player: FilmPlayer, vivid_colorizer: Colorizer
) -> None:
    player.color.click()
    player.wait()
    info = probe_film(player.chooser.film.path)

    def maps(independent: bool) -> np.ndarray:
        with worker_pool() as pool:
            return torch.cat([
                each.ab for each in predict_colors(
                    vivid_colorizer, read_frames(info),
                    lambda frame: info.planes.lightness(frame.luma), pool, independent,
                )
            ]).numpy()  # fmt: skip

    player.stage.point = [0.3, 0.7]
    player.wait()
    for name, independent in (("film", False), ("independent frames", True)):
        ab = maps(independent)
        height, width = ab.shape[-2:]
        at = ab[:, :, int(0.7 * height), int(0.3 * width)]
        assert f"{name} {flicker(at):.2f}" in player.plot.value
    first = player.plot.value
    assert "30 % from the left, 70 % from the top" in first
    player.stage.point = [0.8, 0.2]
    player.wait()
    assert player.plot.value != first and "80 % from the left" in player.plot.value


def test_without_comparison_the_plot_has_the_film_alone(player: FilmPlayer) -> None:
    player.compare.value = False
    player.color.click()
    player.wait()
    assert "film" in player.plot.value and "independent frames" not in player.plot.value
    assert player.progress.text == "30 of 30 frames"


# Cancelling


def test_cancel_leaves_nothing_and_the_next_film_works(
    player: FilmPlayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = player._colorizer.network
    player._colorizer.network = Slow(quick)
    player.color.click()
    until(lambda: "coloring" in files(player))
    started = time.monotonic()
    player.cancel.click()
    assert "Cancelled" in player.message.text and not player.progress.running
    player.wait()
    assert time.monotonic() - started < 3  # a film takes at least ten times as long
    assert files(player) == [] and player.save.disabled
    assert "Cancelled" in player.message.text and not player.message.is_error
    assert not player.color.disabled and player.cancel.disabled
    player._colorizer.network = quick
    player.color.click()
    player.wait()
    assert not player.save.disabled and len(played(player, tmp_path)) == 30


def test_another_film_cancels_the_one_that_is_coloured(player: FilmPlayer, tmp_path: Path) -> None:
    player._colorizer.network = Slow(player._colorizer.network)
    player.color.click()
    until(lambda: "coloring" in files(player))
    player.chooser.menu.value = bundled(player, "other.mp4")
    player.wait()
    assert player._shown.film.name == "other.mp4" and len(played(player, tmp_path)) == 40
    assert files(player) == [] and player.save.disabled and not player.color.disabled
    assert "other.mp4" in player.message.text


def test_a_film_is_opened_before_it_is_coloured_however_fast_the_clicks(
    player: FilmPlayer, tmp_path: Path
) -> None:
    player.chooser.menu.value = bundled(player, "other.mp4")
    player.color.click()
    player.wait()
    assert player._result[0] == "other_colored.mp4" and len(played(player, tmp_path)) == 40


def test_no_file_is_left_when_it_is_closed(player: FilmPlayer) -> None:
    player._colorizer.network = Slow(player._colorizer.network)
    player.color.click()
    until(lambda: "coloring" in files(player))
    player.close()
    assert not Path(player.chooser.folder.name).exists()


# Uploads


def test_an_upload_is_shown_and_coloured(player: FilmPlayer, tmp_path: Path) -> None:
    write_film(tmp_path / "mine.mkv", camera_move(12), sounds=1)
    player.chooser._receive("mine.mkv", (tmp_path / "mine.mkv").read_bytes())
    player.wait()
    assert player.chooser.film.name == "mine.mkv" and not player.compare.value
    player.color.click()
    player.wait()
    assert player._result[0] == "mine_colored.mkv" and not player.message.is_error
    player.chooser._receive("mine.mkv", bundled_bytes())  # another one of the same name
    player.wait()
    assert player.save.disabled and player._shown.greys.shape == (72, 192, 320)
    assert [film.name for _label, film in player.chooser.menu.options].count("mine.mkv") == 1


def bundled_bytes() -> bytes:
    return (films_folder() / "camera_moves.mp4").read_bytes()


def test_what_cannot_be_coloured_is_said_by_the_name_that_the_user_knows(
    player: FilmPlayer, tmp_path: Path
) -> None:
    before, options = player.video.film, player.chooser.menu.options
    whole = bundled_bytes()
    write_film(
        tmp_path / "hdr.mp4", camera_move(5), encoder="libx265", pixel_format="yuv420p10le",
        colors={"color_trc": 16, "color_primaries": 9, "colorspace": 9},
        options={"x265-params": "log-level=none"},
    )  # fmt: skip
    bad = {
        "notes.mp4": (b"These are notes.\n" * 100, "notes.mp4"),
        "broken.mp4": (whole[: len(whole) // 2], "broken.mp4"),
        f"{'long' * 60}.mp4": (b"", "longlong"),
        "hdr.mp4": ((tmp_path / "hdr.mp4").read_bytes(), "HDR"),
        "no\nsuffix": (b"no film", "no\nsuffix"),
    }
    for name, (content, said) in bad.items():
        player.message.show("")
        player.chooser._receive(name, content)
        player.wait()
        assert player.message.is_error and said in player.message.text
        assert player.chooser.folder.name not in player.message.text
    assert player.video.film == before and player.chooser.menu.options == options
    assert files(player) == []


def test_a_film_of_one_frame(player: FilmPlayer, tmp_path: Path) -> None:
    write_film(tmp_path / "one.mp4", camera_move(1))
    player.chooser._receive("one.mp4", (tmp_path / "one.mp4").read_bytes())
    player.wait()
    player.compare.value = True
    player.color.click()
    player.wait()
    assert not player.message.is_error and len(played(player, tmp_path)) == 1
    assert "film 0.00" in player.plot.value


def test_an_upright_film_with_wide_pixels_is_played_as_players_play_it(tmp_path: Path) -> None:
    """Phones store upright films lying, and say how to turn them; old ones have wide pixels."""
    luma = np.full((48, 64), 60, np.uint8)
    luma[:, :16] = 200  # the left edge
    path = tmp_path / "phone.mp4"
    for rotation, side in ((90, np.s_[-14:, :]), (-90, np.s_[:14, :]), (180, np.s_[:, -14:])):
        write_film(path, [luma] * 3, rotation=rotation)
        info = probe_film(path)
        shown = small(info, luma)
        assert shown.shape == ((48, 64) if rotation == 180 else (64, 48))
        assert shown[side].mean() > 180
        colors = np.stack([luma, luma, luma], axis=2)
        assert np.array_equal(small(info, colors)[..., 1], shown)
    write_film(path, [luma] * 3, aspect=Fraction(2))
    assert small(probe_film(path), luma).shape == (48, 128)
    write_film(path, [np.zeros((360, 1000), np.uint8)] * 2)
    assert small(probe_film(path), np.zeros((360, 1000), np.uint8)).shape == (116, 320)


# What is drawn and measured


def test_side_by_side_keeps_both() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    colored = np.random.default_rng(0).integers(0, 255, (3, 4, 3)).astype(np.uint8)
    frame = side_by_side(grey, colored)
    assert frame.shape == (3, 8, 3)
    assert np.array_equal(frame[:, :4, 0], grey) and np.array_equal(frame[:, 4:], colored)


def test_flicker_is_the_mean_step_of_the_colour() -> None:
    steady = np.tile([10.0, -20.0], (9, 1))
    assert flicker(steady) == 0 and flicker(steady[:1]) == 0
    jumping = steady.copy()
    jumping[1::2] += (3, 4)
    assert flicker(jumping) == pytest.approx(5)
    assert flicker(steady + np.arange(9)[:, None] * [0, 0.5]) == pytest.approx(0.5)


def test_the_plot_draws_both_colours_so_that_they_differ_without_colours(
    player: FilmPlayer,
) -> None:
    random = np.random.default_rng(0)
    maps = random.normal(0, 20, (2, 30, 2, 6, 8)).astype(np.float32)
    shown = replace(player._shown, ab=maps[0], ab_independent=maps[1])
    axes = list(Figure().subplots(2))
    lightness, colors = follow_point(shown, 0.5, 0.5)
    draw_flicker(axes, np.arange(30) / 25, lightness, colors)
    for channel, axis in enumerate(axes):
        lines = {line.get_label(): line for line in axis.get_lines()}
        assert np.array_equal(lines["film"].get_ydata(), maps[0, :, channel, 3, 4])
        assert np.array_equal(lines["independent frames"].get_ydata(), maps[1, :, channel, 3, 4])
        assert lines["film"].get_linestyle() != lines["independent frames"].get_linestyle()
    grey = shown.greys[:, 24, 32]
    expected = [lightness_of(np.full((1, 1, 1), value, np.uint8)).item() for value in grey]
    assert lightness == pytest.approx(expected, abs=1e-3)
    one, other = flicker_plot(shown, 0.1, 0.1), flicker_plot(shown, 0.9, 0.9)
    assert not np.array_equal(one, other)
    words = describe_flicker(shown, 0.5, 0.5)
    assert f"film {flicker(maps[0][:, :, 3, 4]):.2f}" in words
    assert f"independent frames {flicker(maps[1][:, :, 3, 4]):.2f}" in words


def test_points_at_the_edges() -> None:
    planes = np.arange(12).reshape(3, 4)
    assert at_point(planes, 0, 0) == 0
    assert at_point(planes, 0.9999, 0.9999) == at_point(planes, 1, 1) == 11


def test_the_count_ends_where_the_film_does() -> None:
    once, twice = Counter(10, 1), Counter(10, 2)
    assert once.add(8)[1].startswith("8 of 10 frames, about")
    assert once.add(8) == (1.0, "10 of 10 frames")  # more frames than were guessed
    assert twice.add(10)[0] == 0.5
    assert twice.add(4)[1].startswith("4 of 10 frames, independent frames, about")
    assert twice.add(6) == (1.0, "10 of 10 frames, independent frames")


def test_an_interruptible_colorizer_answers_as_the_one_it_wraps(vivid_colorizer: Colorizer) -> None:
    checks = []
    interruptible = InterruptibleColorizer(vivid_colorizer, lambda: checks.append(1))
    lightness = torch.rand(5, 1, 32, 32) * 100
    assert torch.equal(interruptible.predict(lightness), vivid_colorizer.predict(lightness))
    assert interruptible.fingerprint() == vivid_colorizer.fingerprint()
    assert len(checks) > 10

    def stop() -> None:
        raise VividPastError("stop")

    with pytest.raises(VividPastError, match="stop"):
        InterruptibleColorizer(vivid_colorizer, stop).predict(lightness)


def test_clips_are_written_at_any_rate_from_any_iterable(tmp_path: Path) -> None:
    frames = [np.repeat(luma[..., None], 3, axis=2) for luma in camera_move(6)]
    write_mp4(tmp_path / "clip.mp4", iter(frames), rate=Fraction(30000, 1001), preset="veryfast")
    film = read_film(tmp_path / "clip.mp4")
    assert film.rate == Fraction(30000, 1001) and len(film.lumas) == 6
    assert film.times[5] - film.times[0] == pytest.approx(5 * 1001 / 30000, abs=1e-4)
