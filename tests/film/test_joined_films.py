"""The colours of another tool's film on the frames of the original."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.films import camera_move, luma_psnr, read_film, to_planes, write_film
from tests.support.pictures import damaged_copy
from vividpast_lib import bundled_folder, join_films
from vividpast_lib.cli.main import main
from vividpast_lib.film import joined_films, segments
from vividpast_lib.film.reading import FilmInfo

HEIGHT, WIDTH = 96, 128
FAST = {"qp": "10", "g": "5"}


def shot(name: str, frames: int) -> list[np.ndarray]:
    """A camera that moves over a bundled photo: uint8 (H, W, 3) each."""
    image = Image.open(bundled_folder() / f"{name}.jpg").convert("RGB").reduce(2)
    rgb = np.asarray(image)
    return [rgb[20 : 20 + HEIGHT, 2 * each : 2 * each + WIDTH] for each in range(frames)]


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    """Two shots."""
    return shot("scarlet_macaw", 20) + shot("playground", 20)


def write_scenes(path: Path, scenes: list[np.ndarray], colored: bool = True, **how) -> Path:
    lumas, chromas = zip(*map(to_planes, scenes), strict=True)
    write_film(path, lumas, chromas=chromas if colored else (), options=FAST, **how)
    return path


@pytest.fixture
def film(tmp_path: Path, scenes: list[np.ndarray]) -> Path:
    return write_scenes(
        tmp_path / "grey.mp4", scenes, colored=False, sounds=1,
        subtitles=[(0.2, 0.8, "one")], metadata={"title": "A film"},
    )  # fmt: skip


def small(scene: np.ndarray, shift: tuple[float, float] = (2.0, -3.0)) -> np.ndarray:
    return damaged_copy(scene, (72, 90), 0.7, gamma=0.8, contrast=0.9, shift=shift)


def chroma_errors(chromas: list[np.ndarray], scenes: list[np.ndarray]) -> np.ndarray:
    """Mean absolute error of Cb and Cr, of each frame."""
    true = [to_planes(scene)[1].astype(float) for scene in scenes]
    return np.array([np.abs(a - b).mean() for a, b in zip(chromas, true, strict=True)])


def test_the_copy_gives_its_colors_and_the_film_all_else(
    film: Path, scenes: list[np.ndarray], capsys: pytest.CaptureFixture
) -> None:
    copy = write_scenes(film.with_name("copy.mkv"), [small(each) for each in scenes])
    out = film.with_name("out.mp4")
    assert main(["join", str(film), str(copy), "-o", str(out)]) == 0
    assert f"{film}: 128 x 96, 40 frames" in capsys.readouterr().out
    before, after = read_film(film), read_film(out)
    assert after.times == before.times and len(after.times) == 40
    assert luma_psnr(before.lumas, after.lumas) > 40
    assert [each.kind for each in after.tracks] == ["video", "audio", "subtitle"]
    for one, other in zip(before.tracks[1:], after.tracks[1:], strict=True):
        assert one.packets == other.packets
    assert after.metadata["title"] == "A film"
    assert not out.with_name("out.mp4.parts").exists()

    naive = [
        to_planes(np.array(Image.fromarray(small(each)).resize((WIDTH, HEIGHT))))[1]
        for each in scenes
    ]
    ours, plain = chroma_errors(after.chromas, scenes), chroma_errors(naive, scenes)
    assert ours.mean() < 0.7 * plain.mean()
    assert ours.max() < plain.max()


@pytest.mark.parametrize("rate", [Fraction(25, 2), Fraction(30)])
def test_a_copy_with_another_frame_rate_is_matched_by_time(
    rate: Fraction, film: Path, scenes: list[np.ndarray]
) -> None:
    count = int(len(scenes) * rate / 25)
    # Each of its frames shows what the film shows in the middle of it.
    shown = [scenes[int((index + Fraction(1, 2)) * 25 / rate)] for index in range(count)]
    copy = write_scenes(film.with_name("copy.mp4"), shown, time_base=1 / rate)
    join_films(film, copy, film.with_name("out.mp4"))
    after = read_film(film.with_name("out.mp4"))
    assert after.times == read_film(film).times
    errors = chroma_errors(after.chromas, scenes)
    none = chroma_errors([np.full((2, HEIGHT // 2, WIDTH // 2), 128)] * 40, scenes)
    assert (errors < 0.4 * none).all()  # also beside the cut: no frame has another shot's colours


def test_a_frame_beside_a_cut_never_gets_the_other_shot_s_colors(
    film: Path, scenes: list[np.ndarray]
) -> None:
    stills = [scenes[0]] * 20 + [scenes[-1]] * 20
    write_scenes(film, stills, colored=False)
    for late in (-1, 1):
        copied = [scenes[0]] * (20 + late) + [scenes[-1]] * (20 - late)
        copy = write_scenes(film.with_name("copy.mp4"), copied)
        join_films(film, copy, film.with_name("out.mp4"), force=True)
        errors = chroma_errors(read_film(film.with_name("out.mp4")).chromas, stills)
        assert errors.max() < 2 * np.median(errors)


def test_a_frame_has_the_colors_of_its_own_time_also_where_seeking_misses(
    film: Path, scenes: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    changing = [scene if index % 2 else scene[..., ::-1] for index, scene in enumerate(scenes)]
    copy = write_scenes(film.with_name("copy.mp4"), changing)
    join_films(film, copy, film.with_name("out.mp4"))
    # The film's own luma is that of the first kind.
    chromas = read_film(film.with_name("out.mp4")).chromas
    assert (
        chroma_errors(chromas, changing).max()
        < 0.5 * chroma_errors(chromas[1:], changing[:-1]).min()
    )

    decode = joined_films.decode_frames

    def late(info: FilmInfo, first_pts: int | None = None) -> Iterator[tuple[int, Any]]:
        return islice(decode(info, first_pts), 0 if first_pts is None else 7, None)

    monkeypatch.setattr(joined_films, "decode_frames", late)
    join_films(film, copy, film.with_name("again.mp4"))
    assert np.array_equal(read_film(film.with_name("again.mp4")).chromas, chromas)


def test_colors_of_a_still_do_not_tremble(film: Path, scenes: list[np.ndarray]) -> None:
    random = np.random.default_rng(0)
    grain = [random.normal(0, 6, (HEIGHT, WIDTH, 1)) for _ in range(15)]
    still = [(scenes[0] + each).clip(0, 255).astype(np.uint8) for each in grain]
    write_scenes(film, still, colored=False)
    copy = write_scenes(film.with_name("copy.mp4"), [small(scenes[0])] * 15)
    join_films(film, copy, film.with_name("out.mp4"), force=True)
    chromas = np.stack(read_film(film.with_name("out.mp4")).chromas).astype(float)
    assert chromas.std(axis=0).mean() < 1


def test_a_call_that_was_stopped_is_gone_on_with(
    film: Path, scenes: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "MAX_SEGMENT_FRAMES", 9)
    copy = write_scenes(film.with_name("copy.mp4"), [small(each) for each in scenes[::2]],
                        time_base=Fraction(2, 25))  # fmt: skip
    whole, out = film.with_name("whole.mp4"), film.with_name("out.mp4")
    join_films(film, copy, whole)

    def stop(done: int, _total: int) -> None:
        if done == 23:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        join_films(film, copy, out, on_progress=stop)
    assert not out.exists()
    done: list[int] = []
    join_films(film, copy, out, on_progress=lambda frames, _total: done.append(frames))
    assert done[0] == 18 and done[-1] == 40
    one, other = read_film(whole), read_film(out)
    assert one.times == other.times
    assert np.array_equal(one.lumas, other.lumas) and np.array_equal(one.chromas, other.chromas)


def test_what_is_wrong_is_said_in_a_line_before_anything_is_written(
    film: Path, scenes: list[np.ndarray], capsys: pytest.CaptureFixture
) -> None:
    folder, out = film.parent, film.with_name("out.mp4")
    copy = write_scenes(folder / "copy.mp4", scenes)
    short = write_scenes(folder / "short.mp4", scenes[:35])
    other = write_scenes(folder / "other.mp4", shot("tabby_cat", 20) + shot("great_wall", 20))
    write_film(folder / "grey2.mp4", camera_move(40, HEIGHT, WIDTH))
    photo = bundled_folder() / "bison.jpg"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for colored, target, words in (
        (short, out, f"{short}: lasts 1.40 s, and {film} 1.60 s"),
        (other, out, "other.mp4: shows something else than"),
        (folder / "grey2.mp4", out, "is grey and has no colours to give"),
        (photo, out, "name two films or two photos"),
        (copy, copy, "copy.mp4: would be replaced by the result"),
        (copy, film, "would be replaced by its coloured copy"),
        (copy, folder / "out.png", "end the name in .mp4"),
        (folder / "none.mp4", out, "there is no such file"),
    ):
        assert main(["join", str(film), str(colored), "-o", str(target)]) == 2
        *_progress, error = capsys.readouterr().err.splitlines()
        assert words in error and error.startswith("vividpast: ")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before

    out.write_text("mine")
    assert main(["join", str(film), str(copy), "-o", str(out)]) == 2
    assert "exists already; add --force" in capsys.readouterr().err
    assert main(["join", str(film), str(copy), "-o", str(out), "--force"]) == 0
    assert len(read_film(out).times) == 40


def test_a_copy_that_lacks_a_frame_at_its_end_is_taken(
    film: Path, scenes: list[np.ndarray]
) -> None:
    copy = write_scenes(film.with_name("copy.mp4"), scenes[:-1])
    join_films(film, copy, film.with_name("out.mp4"))
    assert len(read_film(film.with_name("out.mp4")).times) == 40


def test_a_film_with_dark_frames_is_compared_by_the_others(
    film: Path, scenes: list[np.ndarray]
) -> None:
    dark = [np.zeros_like(scenes[0])] * 12
    write_scenes(film, dark + scenes, colored=False)
    copy = write_scenes(film.with_name("copy.mp4"), [small(each) for each in dark + scenes])
    join_films(film, copy, film.with_name("out.mp4"), force=True)
    after = read_film(film.with_name("out.mp4"))
    assert chroma_errors(after.chromas, dark + scenes).max() < 6


def test_a_copy_that_lacks_a_border_is_named(
    film: Path, scenes: list[np.ndarray], capsys: pytest.CaptureFixture
) -> None:
    copy = write_scenes(film.with_name("copy.mkv"), [scene[:, 32:] for scene in scenes])
    assert main(["join", str(film), str(copy), "-o", str(film.with_name("out.mp4"))]) == 0
    assert f"copy.mkv: shows only 75% of {film}; the rest gets" in capsys.readouterr().err
