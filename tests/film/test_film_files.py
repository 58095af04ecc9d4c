"""Films through files: nothing is lost but the grey."""

import contextlib
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.support.films import Read, camera_move, luma_psnr, read_film, write_film
from vividpast_lib.cli.main import main
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.film import writing
from vividpast_lib.film.film_files import colorize_film
from vividpast_lib.film.film_jobs import choose_film_targets
from vividpast_lib.film.reading import probe_film, read_frames
from vividpast_lib.runtime.errors import VividPastError


def colored(colorizer: Colorizer, source: Path, suffix: str | None = None) -> Read:
    """The coloured copy of a film, read back."""
    target = source.with_name(f"colored{suffix or source.suffix}")
    colorize_film(colorizer, source, target)
    assert not target.with_name(f"{target.name}.parts").exists()
    return read_film(target)


def assert_kept(before: Read, after: Read, bits: int = 8) -> None:
    """Frames, their times and their luma are there, and colour."""
    assert after.times == before.times
    assert luma_psnr(before.lumas, after.lumas, bits) > 40
    middle = 2 ** (bits - 1)
    distance = np.abs(np.stack(after.chromas).astype(float) - middle)
    assert distance.mean() > 2 ** (bits - 6), "hardly any colour"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_frames_times_and_luma_are_kept_in_every_container(
    suffix: str, tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    encoder = "libvpx-vp9" if suffix == ".webm" else "libx264"
    write_film(tmp_path / f"film{suffix}", camera_move(14), encoder=encoder)
    before = read_film(tmp_path / f"film{suffix}")
    after = colored(vivid_colorizer, tmp_path / f"film{suffix}")
    assert_kept(before, after)
    assert len(after.lumas) == 14
    assert (after.rate, after.length) == (before.rate, before.length) == (25, 560_000)
    assert after.lumas[0].shape == (48, 64)


def test_frame_rates_that_vary_or_are_no_whole_number(
    tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    times = [0, 1, 2, 5, 6, 20, 21, 22, 40, 41]
    write_film(tmp_path / "varies.mp4", camera_move(10), times=times, time_base=Fraction(1, 90))
    before = read_film(tmp_path / "varies.mp4")
    assert before.times == [Fraction(each, 90) for each in times]
    assert_kept(before, colored(vivid_colorizer, tmp_path / "varies.mp4"))

    ntsc = Fraction(1001, 30000)
    write_film(tmp_path / "ntsc.mov", camera_move(10), time_base=ntsc)
    before = read_film(tmp_path / "ntsc.mov")
    assert before.times == [index * ntsc for index in range(10)]
    after = colored(vivid_colorizer, tmp_path / "ntsc.mov")
    assert_kept(before, after)
    assert (after.rate, after.length) == (before.rate, before.length)


def test_frames_that_were_stored_out_of_order(tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    write_film(tmp_path / "film.mp4", camera_move(16), options={"bf": "3", "b-pyramid": "normal"})
    with av.open(str(tmp_path / "film.mp4")) as film:
        times = [packet.pts for packet in film.demux(video=0) if packet.size]
    assert times != sorted(times)
    before = read_film(tmp_path / "film.mp4")
    assert_kept(before, colored(vivid_colorizer, tmp_path / "film.mp4"))


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_odd_sizes(suffix: str, tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    write_film(tmp_path / "film.mkv", camera_move(9, 51, 65), encoder="ffv1")
    before = read_film(tmp_path / "film.mkv")
    after = colored(vivid_colorizer, tmp_path / "film.mkv", suffix)
    assert after.lumas[0].shape == (51, 65)
    assert_kept(before, after)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_ten_bits_stay_ten_bits(suffix: str, tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    lumas = [each.astype(np.uint16) * 4 + 1 for each in camera_move(9, 64, 80)]
    write_film(tmp_path / "film.mkv", lumas, encoder="ffv1", pixel_format="yuv420p10le")
    before = read_film(tmp_path / "film.mkv")
    after = colored(vivid_colorizer, tmp_path / "film.mkv", suffix)
    assert after.pixel_format == "yuv420p10le"
    assert_kept(before, after, bits=10)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists its threads")
def test_no_encoder_leaves_threads_that_others_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vivid_colorizer: Colorizer
) -> None:
    """An AV1 encoder makes its threads real-time, if root runs it, and the one that opens it."""
    policies: set[int] = set()

    def look(*arguments: Any) -> Any:
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it has ended
                policies.add(os.sched_getscheduler(int(thread.name)))
        return make_frame(*arguments)

    make_frame = writing.make_frame
    monkeypatch.setattr(writing, "make_frame", look)
    lumas = [each.astype(np.uint16) * 4 for each in camera_move(9, 64, 80)]
    write_film(tmp_path / "film.mkv", lumas, encoder="ffv1", pixel_format="yuv420p10le")
    colored(vivid_colorizer, tmp_path / "film.mkv", ".webm")
    assert policies == {os.SCHED_OTHER}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.parametrize("pixel_format", ["gray", "gray10le", "yuv444p", "yuv422p10le"])
def test_other_kinds_of_planes(
    pixel_format: str, tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    bits = 10 if "10" in pixel_format else 8
    lumas = [
        each.astype(np.uint16 if bits == 10 else np.uint8) << (bits - 8) for each in camera_move(5)
    ]
    write_film(tmp_path / "film.mkv", lumas, encoder="ffv1", pixel_format=pixel_format)
    before = read_film(tmp_path / "film.mkv")
    assert_kept(before, colored(vivid_colorizer, tmp_path / "film.mkv"), bits)


def write_grey(path: Path, pixel_format: str, encoder: str) -> np.ndarray:
    """Write a film of two frames with a ramp of grey, and give its values (H, W) in [0, 255]."""
    ramp = np.tile(np.linspace(0, 65535, 66).round().astype(np.uint16), (32, 1))
    if "mono" in pixel_format:
        ramp = ramp // 32768 * np.uint16(65535)
    full = pixel_format.startswith(("gray", "ya", "mono"))
    with av.open(str(path), "w") as out:
        video = out.add_stream(encoder, rate=25)
        video.width, video.height, video.pix_fmt = 66, 32, pixel_format
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(ramp, format="gray16le").reformat(
                format=pixel_format, src_color_range=2, dst_color_range=2 if full else 1,
                dst_colorspace=6,
            )  # fmt: skip
            out.mux(video.encode(frame))
        out.mux(video.encode())
    return ramp / 257


@pytest.mark.parametrize(
    ("pixel_format", "encoder", "suffix", "tolerance"),
    [
        ("gray16be", "png", ".mov", 2.5),  # big-endian
        ("gray10be", "rawvideo", ".nut", 2.5),
        ("yuv420p10be", "rawvideo", ".nut", 2.5),
        ("yuv422p16be", "rawvideo", ".nut", 2.5),
        ("rgb48be", "png", ".mov", 2.5),
        ("rgb555le", "rawvideo", ".avi", 10),
        ("rgb565le", "rawvideo", ".nut", 10),
        ("rgb555be", "rawvideo", ".mov", 10),
        ("rgb565be", "rawvideo", ".nut", 10),
        ("monow", "rawvideo", ".nut", 2.5),
        ("monob", "rawvideo", ".nut", 2.5),
        ("ya8", "png", ".mov", 2.5),
        ("nv12", "rawvideo", ".nut", 2.5),
        ("yuyv422", "rawvideo", ".avi", 2.5),
        ("yuva420p", "rawvideo", ".nut", 2.5),
        ("gbrp10le", "ffv1", ".mkv", 2.5),
        ("rgb24", "rawvideo", ".avi", 2.5),
    ],
)
def test_the_luma_of_every_pixel_format_is_read(
    pixel_format: str, encoder: str, suffix: str, tolerance: float, tmp_path: Path
) -> None:
    film = tmp_path / f"film{suffix}"
    grey = write_grey(film, pixel_format, encoder)
    info = probe_film(film)
    shown = [info.planes.grey(frame.luma).numpy() * 255 for frame in read_frames(info)]
    assert len(shown) == 2
    for frame in shown:
        assert frame.shape == grey.shape
        assert np.abs(frame - grey).max() < tolerance


@pytest.mark.parametrize("range_", [1, 2])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_range_and_matrix_are_kept(
    range_: int, matrix: int, tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    colors = {"color_range": range_, "colorspace": matrix, "color_primaries": 1, "color_trc": 1}
    write_film(tmp_path / "film.mkv", camera_move(3), colors=colors)
    for suffix in (".mp4", ".mkv"):
        assert colored(vivid_colorizer, tmp_path / "film.mkv", suffix).colors == colors


def test_films_stored_as_rgb(tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    lumas = camera_move(4)
    write_film(tmp_path / "film.mkv", lumas, encoder="ffv1", pixel_format="bgr0")
    after = colored(vivid_colorizer, tmp_path / "film.mkv", ".mp4")
    shown = [(each.astype(float) - 16) * 255 / 219 for each in after.lumas]
    assert luma_psnr(lumas, shown) > 40


def test_unknown_colors_get_the_usual_tags(tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    write_film(tmp_path / "film.mp4", camera_move(2))
    after = colored(vivid_colorizer, tmp_path / "film.mp4")
    assert after.colors["color_range"] == 1
    assert after.colors["colorspace"] == 6  # BT.601, as small films are
    assert probe_film(tmp_path / "film.mp4").planes.matrix == 6


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_aspect_and_rotation(suffix: str, tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    path = tmp_path / f"film{suffix}"
    write_film(path, camera_move(3), aspect=Fraction(16, 15), rotation=90)
    before, after = read_film(path), colored(vivid_colorizer, path)
    assert before.rotation != 0
    assert (after.rotation, after.aspect) == (before.rotation, before.aspect)
    assert after.aspect == Fraction(16, 15)
    assert after.lumas[0].shape == (48, 64)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_sounds_subtitles_chapters_and_metadata_are_copied(
    suffix: str, tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    path = tmp_path / f"film{suffix}"
    write_film(
        path, camera_move(40), sounds=2, subtitles=[(0.1, 0.5, "One."), (0.9, 1.4, "Two.")],
        metadata={"title": "A film's name", "comment": "from a reel"},
        chapters=[(0, 0.8, "Beginning"), (0.8, 1.6, "End")],
    )  # fmt: skip
    before, after = read_film(path), colored(vivid_colorizer, path)
    kinds = [track.kind for track in before.tracks]
    assert kinds == [track.kind for track in after.tracks]
    assert kinds.count("audio") == 2
    assert kinds.count("subtitle") >= 1
    for old, new in zip(before.tracks[1:], after.tracks[1:], strict=True):
        assert new == old, f"the {old.kind} track is another"
    assert_kept(before, after)
    assert after.chapters == before.chapters
    assert [title for _start, _end, title in after.chapters] == ["Beginning", "End"]
    tags = {key.lower(): value for key, value in after.metadata.items()}  # mkv has capitals
    assert tags["title"] == "A film's name"
    assert tags["comment"] == "from a reel"


def test_metadata_that_mp4_has_no_name_for(tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    write_film(
        tmp_path / "film.mp4", camera_move(2), metadata={"title": "T", "reel": "no. 7"},
        container_options={"movflags": "use_metadata_tags"},
    )  # fmt: skip
    assert read_film(tmp_path / "film.mp4").metadata["reel"] == "no. 7"
    after = colored(vivid_colorizer, tmp_path / "film.mp4")
    assert (after.metadata["title"], after.metadata["reel"]) == ("T", "no. 7")


def test_a_film_of_one_frame(tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    write_film(tmp_path / "film.mp4", camera_move(1))
    before = read_film(tmp_path / "film.mp4")
    after = colored(vivid_colorizer, tmp_path / "film.mp4")
    assert len(after.lumas) == 1
    assert_kept(before, after)


def test_a_preview_ends_early_with_its_sound(tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    write_film(tmp_path / "film.mp4", camera_move(50), sounds=1)
    target = tmp_path / "preview.mp4"
    colorize_film(vivid_colorizer, tmp_path / "film.mp4", target, preview=0.6)
    before, after = read_film(tmp_path / "film.mp4"), read_film(target)
    assert after.times == before.times[:15]
    sound = after.tracks[1].packets
    assert sound == before.tracks[1].packets[: len(sound)]
    assert 0.5 < sound[-1][0] < 0.7


def test_a_track_that_the_container_cannot_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_film(tmp_path / "film.mkv", camera_move(3), subtitles=[(0, 0.1, "One.")])
    target = tmp_path / "out.mp4"
    assert main(["colorize", str(tmp_path / "film.mkv"), "-o", str(target)]) == 2
    message = capsys.readouterr().err
    assert "subrip" in message
    assert ".mkv" in message
    assert list(tmp_path.iterdir()) == [tmp_path / "film.mkv"]


def no_film(folder: Path) -> Path:
    (folder / "film.mp4").write_text("no film at all")
    return folder / "film.mp4"


def missing(folder: Path) -> Path:
    return folder / "film.mp4"


def sound_alone(folder: Path) -> Path:
    path = folder / "film.mp4"
    with av.open(str(path), "w") as out:
        voice = out.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = 16000
        out.mux(voice.encode(frame))
        out.mux(voice.encode())
    return path


def without_frames(folder: Path) -> Path:
    path = folder / "film.mkv"
    write_film(path, [], sounds=1)
    return path


def cut_off(folder: Path) -> Path:
    path = folder / "film.mkv"
    write_film(path, camera_move(200, 96, 128), encoder="ffv1")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def cut_off_at_its_end(folder: Path) -> Path:
    path = folder / "film.mp4"
    write_film(path, camera_move(50, 96, 128), container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-400])
    return path


def cut_off_before_its_index(folder: Path) -> Path:
    path = folder / "film.mp4"
    write_film(path, camera_move(50, 96, 128))
    path.write_bytes(path.read_bytes()[:-400])
    return path


def unknown_coding(folder: Path) -> Path:
    path = folder / "film.avi"
    write_film(path, camera_move(5), encoder="mpeg4")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"QQQQ"))
    return path


def high_dynamic_range(folder: Path) -> Path:
    path = folder / "film.mkv"
    colors = {"color_range": 1, "colorspace": 9, "color_primaries": 9, "color_trc": 16}
    lumas = [each.astype(np.uint16) * 4 for each in camera_move(3)]
    write_film(path, lumas, encoder="libx265", pixel_format="yuv420p10le", colors=colors,
               options={"x265-params": "log-level=none"})  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (no_film, "can't be read as a film"),
        (missing, "no such file"),
        (sound_alone, "no video track"),
        (without_frames, "no frames|without frames|no video track"),
        (cut_off, "breaks off"),
        (cut_off_at_its_end, "breaks off"),
        (cut_off_before_its_index, "not whole"),
        (unknown_coding, "can't be decoded"),
        (high_dynamic_range, "HDR"),
    ],
)
def test_a_bad_film_is_named_in_one_sentence(
    make, word: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    film = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["colorize", str(film), "-o", str(tmp_path / "out.mkv")]) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("vividpast:")]
    assert len(lines) == 1, captured.err
    assert str(film) in lines[0]
    assert re.search(word, lines[0]), lines[0]
    assert "Traceback" not in captured.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "name", ["a 'quoted' \"name\".mp4", "$(touch x).mkv", "-o.mp4", "a:b%d.mp4"]
)
def test_any_name_is_safe(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vivid_colorizer: Colorizer
) -> None:
    monkeypatch.chdir(tmp_path)
    write_film(Path(name), camera_move(2))
    assert main(["colorize", "-o", f"out/{name}", "--model", "autoencoder", "--", name]) == 0
    assert len(read_film(Path("out") / name).lumas) == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, "out"])


def test_nothing_is_overwritten_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    film, out = tmp_path / "film.mp4", tmp_path / "out.mp4"
    write_film(film, camera_move(2))
    out.write_bytes(b"precious")
    assert main(["colorize", str(film), "-o", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["colorize", str(film), "-o", str(film), "--force"]) == 2
    assert out.read_bytes() == b"precious"
    assert main(["colorize", str(film), "-o", str(out), "--force", "--model", "autoencoder"]) == 0
    assert len(read_film(out).lumas) == 2


def test_films_and_photos_in_one_call(tmp_path: Path, scene_photo: Path) -> None:
    write_film(tmp_path / "one.mp4", camera_move(2))
    write_film(tmp_path / "two.avi", camera_move(2), encoder="mpeg4")
    inputs = [str(tmp_path / "one.mp4"), str(tmp_path / "two.avi"), str(scene_photo)]
    assert main(["colorize", *inputs, "-o", str(tmp_path / "out"), "--model", "autoencoder"]) == 0
    names = sorted(each.name for each in (tmp_path / "out").iterdir())
    assert names == ["one.mp4", "photo.png", "two.mkv"]


def test_films_of_one_name_do_not_overwrite_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    films = [tmp_path / name for name in ("a/x.mp4", "b/x.mp4", "c/x.mp4", "c/y.mp4")]
    for count, film in enumerate(films, start=2):
        film.parent.mkdir(exist_ok=True)
        write_film(film, camera_move(count))
    out = tmp_path / "out"
    arguments = [*map(str, films), str(films[0]), "-o", str(out), "--force"]
    assert main(["colorize", *arguments, "--model", "autoencoder"]) == 2
    said = capsys.readouterr().err
    (line,) = [each for each in said.splitlines() if each.startswith("vividpast: ")]
    assert line == (
        f"vividpast: {films[2]}: would be written over the copy of {films[0]}; do it separately."
    )
    frames = {each.name: len(read_film(each).lumas) for each in out.iterdir()}
    assert frames == {"x.mp4": 2, "x_mp4.mp4": 3, "y.mp4": 5}


def test_no_copy_is_written_over_a_film_that_goes_in(tmp_path: Path) -> None:
    below, above = tmp_path / "sub" / "a.mp4", tmp_path / "a.mp4"
    below.parent.mkdir()
    for film in (below, above):
        film.touch()
    films, (problem,) = choose_film_targets([below, above], str(tmp_path))
    assert str(problem).startswith(f"{below}: would be written over {above}, which goes in too")
    assert below not in dict(films)


def test_films_that_differ_in_their_suffix_alone_keep_it(tmp_path: Path) -> None:
    names = ["a.mkv", "a.avi", "b.avi"]
    films, problems = choose_film_targets(
        [tmp_path / name for name in names], str(tmp_path / "out")
    )
    assert [target.name for _source, target in films] == ["a.mkv", "a_avi.mkv", "b.mkv"]
    assert not problems
    with pytest.raises(VividPastError, match="is a file"):
        choose_film_targets([tmp_path / name for name in names], str(tmp_path / "out.mkv"))
    ((_source, target),), _ = choose_film_targets([tmp_path / "a.avi"], str(tmp_path / "out.mkv"))
    assert target == tmp_path / "out.mkv"


@pytest.fixture
def scene_photo(tmp_path: Path) -> Path:
    from PIL import Image

    Image.fromarray(camera_move(1)[0]).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def test_a_film_named_in_two_ways_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one, other = tmp_path / "a.mp4", tmp_path / "a" / ".." / "a.mp4"
    films, problems = choose_film_targets([one, other], str(tmp_path / "out"))
    assert ([target.name for _source, target in films], problems) == (["a.mp4"], [])


@pytest.mark.parametrize("preview", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_preview_that_cannot_be_is_one_sentence(
    preview: float, tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    with pytest.raises(VividPastError, match="more than 0 seconds"):
        colorize_film(vivid_colorizer, "a.mp4", tmp_path / "b.mp4", preview=preview)


@pytest.mark.parametrize("preview", [np.float32(0.1), np.int64(1), Fraction(1, 10)])
def test_a_preview_is_any_kind_of_number(
    preview: Any, tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    write_film(tmp_path / "a.mp4", camera_move(9, 64, 80))
    job = colorize_film(vivid_colorizer, tmp_path / "a.mp4", tmp_path / "b.mp4", preview=preview)
    assert job.preview == float(preview)


def test_the_log_level_of_the_caller_is_kept(tmp_path: Path, vivid_colorizer: Colorizer) -> None:
    write_film(tmp_path / "a.mp4", camera_move(9, 64, 80))
    av.logging.set_level(av.logging.ERROR)
    try:
        colored(vivid_colorizer, tmp_path / "a.mp4")
        assert av.logging.get_level() == av.logging.ERROR
    finally:
        av.logging.set_level(None)


def test_a_preview_longer_than_the_film_is_the_film(
    tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    write_film(tmp_path / "a.mp4", camera_move(9, 64, 80))
    colorize_film(vivid_colorizer, str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"))
    colorize_film(vivid_colorizer, tmp_path / "a.mp4", tmp_path / "c.mp4", preview=10**400)
    whole, preview = (probe_film(tmp_path / name) for name in ("b.mp4", "c.mp4"))
    assert (preview.packets, preview.end) == (whole.packets, whole.end)
