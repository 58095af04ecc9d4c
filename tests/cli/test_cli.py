"""The command line as a user meets it."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vividpast_lib.cli.main import _parser, main
from vividpast_lib.colorize.strokes import Stroke, hints_to_json
from vividpast_lib.photos.open import bundled_folder


@pytest.fixture
def photos(tmp_path: Path, scene: np.ndarray) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(scene).save(folder / "color.png")
    Image.fromarray(scene).convert("L").save(folder / "grey.jpg")
    return folder


def test_one_photo_to_a_folder_or_a_file(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["colorize", str(photos / "color.png"), "-o", str(tmp_path / "out")]) == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["color.png"]
    assert "a colour photo, made grey first" in capsys.readouterr().out
    assert main(["colorize", str(photos / "grey.jpg"), "-o", str(tmp_path / "made/new.webp")]) == 0
    assert "greyed" not in capsys.readouterr().out
    with Image.open(tmp_path / "made" / "new.webp") as image:
        assert image.size == (64, 48)


def test_folders_give_one_output_a_photo(photos: Path, tmp_path: Path, capsys) -> None:
    (photos / "below").mkdir()
    (photos / "grey.jpg").rename(photos / "below" / "grey.jpg")
    (photos / "color.txt").write_text("no photo")
    Image.open(photos / "color.png").save(photos / "color.tif")
    out = tmp_path / "out"
    assert main(["colorize", str(photos), "-o", str(out)]) == 0
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert files == ["below/grey.png", "color.png", "color_tif.png"]
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_bad_photos_are_named_and_the_others_done(photos: Path, tmp_path: Path, capsys) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff junk")
    (photos / "empty.png").write_bytes(b"")
    out = tmp_path / "out"
    status = main(["colorize", str(photos), str(tmp_path / "missing.jpg"), "-o", str(out)])
    assert status == 2
    assert sorted(p.name for p in out.iterdir()) == ["color.png", "grey.png"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    for name in ("broken.jpg", "empty.png", "missing.jpg"):
        assert sum(name in line for line in lines) == 1


def test_nothing_is_overwritten_without_force(photos: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "grey.png").write_bytes(b"precious")
    assert main(["colorize", str(photos), "-o", str(out)]) == 2
    assert (out / "grey.png").read_bytes() == b"precious"
    assert (out / "color.png").exists()
    assert "--force" in capsys.readouterr().err
    assert main(["colorize", str(photos), "-o", str(out), "--force"]) == 0
    with Image.open(out / "grey.png") as image:
        assert image.size == (64, 48)


def test_a_photo_is_never_replaced_by_its_own_copy(photos: Path, capsys) -> None:
    before = (photos / "color.png").read_bytes()
    assert main(["colorize", str(photos / "color.png"), "-o", str(photos), "--force"]) == 2
    assert (photos / "color.png").read_bytes() == before
    assert "another folder" in capsys.readouterr().err


def test_what_was_written_into_the_input_is_not_colorized_again(photos: Path) -> None:
    out = str(photos / "out")
    assert main(["colorize", str(photos), "-o", out]) == 0
    assert main(["colorize", str(photos), "-o", out, "--force"]) == 0
    assert sorted(p.name for p in (photos / "out").iterdir()) == ["color.png", "grey.png"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{in}/color.png", "-o", "{tmp}/x.doc"], "can't write .doc files"),
        (["{tmp}/empty", "-o", "{tmp}/out"], "holds no photos"),
        (["{in}", "-o", "{in}/color.png"], "is a file; name a folder"),
        (["{in}", "-o", "{tmp}/out", "--model", "nonsuch"], "nonsuch: is neither a model file"),
        (["{in}/color.png", "-o", "{in}/grey.jpg"], "exists already; add --force"),
        (["{in}/color.png", "-o", "{in}/grey.jpg/a.png"], "can't be written"),
        (["{in}", "-o", "{tmp}/out", "--preview", "1", "--no-resume"], "--preview, --no-resume"),
        (["{in}", "-o", "{tmp}/out", "--independent-frames"], "leave --independent-frames out"),
        (["{tmp}/film.mp4", "-o", "{tmp}/out", "--format", "png"], "leave --format out"),
        (["{in}/color.png", "-o", "{tmp}/y.png", "--format", "jpg"], "doesn't go with --format"),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: list[str], sentence: str, photos: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "empty").mkdir()
    arguments = [a.format(**{"in": photos, "tmp": tmp_path}) for a in arguments]
    assert main(["colorize", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert sentence in lines[0]
    assert not (tmp_path / "out").exists() and not (tmp_path / "y.png").exists()


def test_hints_color_one_photo(photos: Path, tmp_path: Path, capsys) -> None:
    strokes = [Stroke((20, -40), ((0.5, 0.5),), 0.2), Stroke((20, -40), ((0.2, 0.2),), 0.1)]
    (tmp_path / "hints.json").write_text(hints_to_json(strokes))
    command = ["colorize", str(photos / "grey.jpg"), "-o", str(tmp_path / "blue.png")]
    assert main([*command, "--hints", str(tmp_path / "hints.json")]) == 0
    assert "64 x 48, 2 hints -> " in capsys.readouterr().out
    with Image.open(tmp_path / "blue.png") as image:
        red, _, blue = image.getpixel((32, 24))
    assert blue > red + 40


@pytest.mark.parametrize("inputs", [["grey.jpg", "color.png"], [""], ["film.mp4"]])
def test_hints_for_more_than_one_photo_are_refused(
    inputs: list[str], photos: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "hints.json").write_text(hints_to_json([Stroke((0, 0), ((0, 0),))]))
    command = ["colorize", *(str(photos / each) for each in inputs), "-o", str(tmp_path / "out")]
    assert main([*command, "--hints", str(tmp_path / "hints.json")]) == 2
    assert (
        capsys.readouterr().err == "vividpast: --hints is for one photo: name that photo alone.\n"
    )
    assert not (tmp_path / "out" / "p.png").exists()


def test_a_bad_file_of_hints_is_named_and_nothing_written(
    photos: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "hints.json").write_text('{"hints": 1, "strokes": [{"ab": [0, 0], "radius": 9}]}')
    command = ["colorize", str(photos / "grey.jpg"), "-o", str(tmp_path / "a.png")]
    for file, sentence in (
        ("hints.json", "stroke 1: has no points"),
        ("none.json", "can't be read"),
    ):
        assert main([*command, "--hints", str(tmp_path / file)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and file in lines[0] and sentence in lines[0]
    assert not (tmp_path / "a.png").exists()


def test_cuda_is_refused_where_there_is_none(photos: Path, tmp_path: Path, capsys) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    assert main(["colorize", str(photos), "-o", str(tmp_path / "out"), "--device", "cuda"]) == 2
    assert "no CUDA device here" in capsys.readouterr().err


def test_names_that_look_like_options_or_shell_work(
    photos: Path, tmp_path: Path, scene: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    odd = "-o $(x) 'a\" ä.png"
    Image.fromarray(scene).save(photos / odd)
    assert main(["colorize", "-o", str(tmp_path / "out"), "--", odd]) == 0
    assert (tmp_path / "out" / odd).exists()


def test_ctrl_c_says_that_it_stopped_and_leaves_nothing_half_written(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupted)
    assert main(["colorize", str(photos / "color.png"), "-o", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "vividpast: stopped.\n"
    assert not list((tmp_path / "out").iterdir())


def test_contact_sheet_shows_every_photo(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.jpg"
    files = [str(p) for p in sorted(bundled_folder().glob("*.jpg"))[:4]]
    out = str(tmp_path / "out")
    assert main(["colorize", *files, "-o", out, "--contact-sheet", str(sheet)]) == 0
    with Image.open(sheet) as image:
        values = np.asarray(image).astype(int)
    # Three photos across, each as grey | ours | true; the fourth below.
    assert values.shape[1] > 3 * 3 * 150
    first_true = values[20:150, 2 * 164 + 8 : 2 * 164 + 150]
    assert np.ptp(first_true, axis=2).mean() > 10
    first_grey = values[20:150, 8:150]
    assert np.ptp(first_grey, axis=2).mean() < 3


def test_contact_sheet_of_grey_photos_has_no_true_column(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    Image.new("L", (40, 30), 90).save(tmp_path / "old.png")
    sheet, out = str(tmp_path / "sheet.png"), str(tmp_path / "out")
    assert main(["colorize", str(tmp_path / "old.png"), "-o", out, "--contact-sheet", sheet]) == 0
    assert "1 photos, grey | ours -> " in capsys.readouterr().out
    with Image.open(sheet) as image:
        assert image.width < 3 * 150


@pytest.mark.parametrize("name", ["sheet", "sheet.tmp", "in", "in/grey.jpg/sheet.png"])
def test_a_contact_sheet_of_a_bad_name_is_refused_before_any_photo(
    name: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, sheet = tmp_path / "out", tmp_path / name
    assert main(["colorize", str(photos), "-o", str(out), "--contact-sheet", str(sheet)]) == 2
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1 and str(sheet) in shown.err
    assert ".png" in shown.err
    assert not shown.out and not out.exists()


def test_a_photo_that_is_named_twice_is_colored_once(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    photo = photos / "color.png"
    inputs = [str(photo), str(photos / ".." / "in" / "color.png"), str(photos)]
    assert main(["colorize", *inputs, "-o", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["color.png", "grey.png"]
    assert len(capsys.readouterr().out.splitlines()) == 2
    twice = [str(photo), str(photo), "-o", str(tmp_path / "one.webp")]
    assert main(["colorize", *twice]) == 0
    assert (tmp_path / "one.webp").is_file()


def test_photos_of_one_name_get_copies_of_their_own(photos: Path, tmp_path: Path, capsys) -> None:
    inputs = []
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        inputs.append(str(shutil.copy(photos / "grey.jpg", tmp_path / folder)))
    assert main(["colorize", *inputs, "-o", str(tmp_path / "out"), "--force"]) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "grey.png",
        "grey_jpg.png",
    ]
    assert "would be written over the copy of" in capsys.readouterr().err


def test_no_copy_and_no_sheet_is_written_over_a_photo_that_goes_in(
    photos: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "sub").mkdir()
    below, above = tmp_path / "sub" / "p.png", tmp_path / "p.png"
    shutil.copy(photos / "grey.jpg", below)
    Image.open(photos / "grey.jpg").rotate(90, expand=True).save(above)
    before = above.read_bytes()
    both = ["colorize", str(below), str(above), "-o", str(tmp_path), "--force"]
    assert main(both) == 2
    assert f"{below}: would be written over {above}, which goes in too" in capsys.readouterr().err
    sheet = ["colorize", str(above), "-o", str(tmp_path / "out"), "--contact-sheet"]
    assert main([*sheet, str(above)]) == main([*sheet, str(tmp_path / "out" / "p.png")]) == 2
    assert "give the contact sheet another name" in capsys.readouterr().err
    assert above.read_bytes() == before
    assert not (tmp_path / "out" / "p.png").exists()


def test_films_of_one_name_get_copies_of_their_own(tmp_path: Path, capsys) -> None:
    inputs = []
    for folder, film in (("a", "camera_moves"), ("b", "old_stock")):
        (tmp_path / folder).mkdir()
        source = bundled_folder("films") / f"{film}.mp4"
        inputs.append(str(shutil.copy(source, tmp_path / folder / "x.mp4")))
    out = tmp_path / "out"
    fast = ["--model", "autoencoder", "--independent-frames", "--preview", "0.2", "--force"]
    assert main(["colorize", *inputs, "-o", str(out), *fast]) == 0
    lines = capsys.readouterr().out.splitlines()
    written = [Path(re.search(r"-> (\S+)", line)[1]) for line in lines]
    assert sorted(written) == sorted(out.iterdir()) and len(written) == 2


def test_a_name_that_is_too_long_ends_no_batch(photos: Path, tmp_path: Path, capsys) -> None:
    inputs = ["a" * 300 + ".png", str(photos / "grey.jpg")]
    assert main(["colorize", *inputs, "-o", str(tmp_path / "out")]) == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["grey.png"]
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "out"),
    [
        ("a" * 300 + ".png", "new.png"),
        ("a" * 300 + ".mp4", "out"),
        ("grey.jpg", "a" * 300 + ".png"),
        ("grey.jpg", "a" * 300),
    ],
)
def test_a_single_name_that_is_too_long_gets_one_sentence(
    source: str, out: str, photos: Path, tmp_path: Path, capsys
) -> None:
    assert main(["colorize", str(photos / source), "-o", str(tmp_path / out)]) == 2
    *_bar, line = capsys.readouterr().err.splitlines()
    assert re.match("vividpast: .*aaa.*: (there is no such file|can't be (read|written))", line)


@pytest.mark.parametrize(
    "command",
    [
        "segment grey.jpg -o LONG.png",
        "join grey.jpg color.png -o LONG.png",
        "colorize grey.jpg -o new.png --model LONG",
        "archive LONG -o out",
        "train autoencoder --photos . LONG --run run",
        "train autoencoder --photos . --run LONG --size 16",
        "data shards --photos . -o LONG",
    ],
)
def test_a_name_that_is_too_long_gets_one_sentence_from_each_command(
    command: str, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(photos)
    (photos / "manifest.csv").write_text("file,split\ncolor.png,train\ngrey.jpg,val\n")
    assert main(command.replace("LONG", "a" * 300).split()) == 2
    assert re.match(r"vividpast: \S*aaa", capsys.readouterr().err.splitlines()[-1])


def test_data_list_goes_on_after_a_name_that_is_too_long(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("VIVIDPAST_PHOTOS", os.pathsep.join(["a" * 300, str(photos)]))
    assert main(["data", "list"]) == 0
    states = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:3]]
    assert states == [["a" * 300, "unusable"], [str(photos), "unusable"]]  # it has no val photos


def test_a_name_that_stdout_cant_show_ends_no_batch(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "color.png").rename(photos / "a\N{GREEK SMALL LETTER OMEGA}.png")
    stdout = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["colorize", str(photos), "-o", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 2
    stdout.seek(0)
    assert "a\\u03c9.png: 64 x 48" in stdout.read()


@pytest.mark.parametrize("seconds", ["inf", "nan", "0", "-1", "soon"])
def test_a_preview_is_a_finite_number_of_seconds(seconds: str, tmp_path: Path, capsys) -> None:
    film = str(bundled_folder("films") / "camera_moves.mp4")
    with pytest.raises(SystemExit) as stopped:
        main(["colorize", film, "-o", str(tmp_path / "a.mp4"), "--preview", seconds])
    assert stopped.value.code == 2
    assert "--preview" in capsys.readouterr().err.splitlines()[-1]


# What the old names of options and commands do, for one release.


def test_old_names_of_options_work_and_say_the_new_one(
    tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    pack = ["data", "shards", "--photos", str(photo_folder), "-o"]
    assert main([*pack, str(tmp_path / "new"), "--photos-per-shard", "20"]) == 0
    shown = capsys.readouterr()
    assert "3 shards" in shown.out and not shown.err
    assert main([*pack, str(tmp_path / "old"), "--photos-a-shard", "20"]) == 0
    shown = capsys.readouterr()
    assert "3 shards" in shown.out
    assert shown.err == "vividpast: --photos-a-shard is now called --photos-per-shard.\n"
    for command in (["colorize", "film.mp4"], ["archive", "films"]):
        options = _parser().parse_args([*command, "-o", "out", "--each-frame-alone"])
        assert options.independent_frames
        err = capsys.readouterr().err
        assert err == "vividpast: --each-frame-alone is now called --independent-frames.\n"


def test_data_clips_is_called_data_synthetic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from vividpast_lib.film import synthetic

    monkeypatch.setattr(synthetic, "make_synthetic_films", lambda out: [tmp_path])
    assert main(["data", "synthetic", "-o", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert str(tmp_path) in shown.out and not shown.err
    assert main(["data", "clips", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().err == "vividpast: data clips is now called data synthetic.\n"


# How the command line ends.


COMMANDS = (
    "colorize", "segment", "join", "archive", "train", "study", "export", "evaluate", "data",
    "course",
)  # fmt: skip


def test_help_names_every_command(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert re.findall(r"^    (\w+)  ", text, re.M) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: vividpast {command}" in text
    for old in ("--each-frame-alone", "--photos-a-shard", " clips "):
        assert old not in text


def test_the_command_line_works_without_the_instructor_s_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from vividpast_lib.cli import main as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "colorize" in text and "course" not in text


READER_LEAVES = (
    "import sys\n"
    "from vividpast_lib.cli import data, main\n"
    "def command(options):\n"
    "    {}\n"
    "    return 0\n"
    "data._data_list = command\n"
    "sys.exit(main.main(['data', 'list']))\n"
)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a pipe in another way")
@pytest.mark.parametrize(
    ("work", "fault"),
    [
        ("print('a' * 100)", False),  # still in the buffer when the command ends
        ("print('a' * 100_000)", False),
        ("[print(i, flush=True) for i in range(9)]", False),
        ("raise BrokenPipeError('of a worker')", True),
    ],
)
def test_only_a_reader_that_left_stdout_ends_in_peace(work: str, fault: bool) -> None:
    code = [sys.executable, "-c", READER_LEAVES.format(work)]
    read, write = os.pipe()
    if not fault:
        os.close(read)
    ended = subprocess.run(code, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    if fault:
        os.close(read)
        assert ended.returncode == 1 and "of a worker" in ended.stderr
    else:
        assert (ended.returncode, ended.stderr) == (0, "")


def test_data_list_and_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("VIVIDPAST_DATA", str(tmp_path))
    assert main(["data", "list"]) == 0
    text = capsys.readouterr().out
    for name in ("bundled", "Imagenette", "OxfordIIITPet", "Flowers102", "STL10", "Places365"):
        assert name in text
    assert re.search(r"deeplabv3 +not fetched", text)
    assert main(["data", "fetch", "nonsuch"]) == 2
    assert "Imagenette" in capsys.readouterr().err


def test_fetch_says_size_terms_and_target_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from vividpast_lib.runtime import downloads

    said = []
    monkeypatch.setenv("VIVIDPAST_DATA", str(tmp_path))
    monkeypatch.setattr(downloads, "fetch", lambda name: said.append(capsys.readouterr().out))
    assert main(["data", "fetch", "flowers102"]) == 0
    for words in ("345 MB", "no licence stated", str(tmp_path / "Flowers102")):
        assert words in said[0]
    assert main(["data", "fetch", "DeepLabV3"]) == 0
    for words in ("42 MB", "BSD", str(tmp_path / "weights")):
        assert words in said[1]


@pytest.mark.parametrize(
    "command",
    [
        "evaluate --model autoencoder --each-photo", "evaluate --trade-off", "data class-colors -o",
    ],
)  # fmt: skip
@pytest.mark.parametrize("out", [".", "", "/", "file/new.csv"])
def test_a_table_that_cant_be_written_is_found_out_before_the_work(
    command: str, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    monkeypatch.setattr("vividpast_lib.photos.open.open_photos", work)
    assert main([*command.split(), out]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "can't be written" in error


def test_segment_writes_a_map_with_a_legend(tmp_path: Path, capsys) -> None:
    photo, out = str(bundled_folder() / "tabby_cat.jpg"), tmp_path / "map.png"
    assert main(["segment", photo, "-o", str(out)]) == 0
    line = capsys.readouterr().out
    assert "cat" in line and "background" in line
    with Image.open(bundled_folder() / "tabby_cat.jpg") as true, Image.open(out) as image:
        values = np.asarray(image.convert("RGB")).astype(int)
        width, height = true.size
    assert values.shape[1] == width and height < values.shape[0] < height + 100  # the legend
    tinted = np.ptp(values[:height], axis=2) > 20
    assert 0.05 < tinted.mean() < 0.95  # the cat; background stays grey
    assert (values[height:] == (64, 0, 0)).all(axis=2).any()  # PASCAL VOC's colour for cats

    before = out.read_bytes()
    assert main(["segment", photo, "-o", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main(["segment", photo, "-o", str(tmp_path / "map.doc")]) == 2
    assert main(["segment", str(tmp_path / "no.jpg"), "-o", str(tmp_path / "b.png")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_segmenter_that_is_not_fetched_is_said_how_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("VIVIDPAST_DATA", str(tmp_path))
    photo, out = str(bundled_folder() / "tabby_cat.jpg"), tmp_path / "map.png"
    assert main(["segment", photo, "-o", str(out), "--segmenter", "deeplabv3"]) == 2
    assert "vividpast data fetch deeplabv3" in capsys.readouterr().err
    assert not out.exists()


def test_train_on_an_empty_folder_says_what_to_do(tmp_path: Path, capsys) -> None:
    run = str(tmp_path / "run")
    assert main(["train", "autoencoder", "--photos", str(tmp_path), "--run", run]) == 2
    assert "holds no photos" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_importing_loads_no_weights_and_help_is_light() -> None:
    code = (
        "import sys, vividpast_lib, vividpast_lib.cli.main\n"
        "assert 'torch' not in sys.modules, 'torch imported for --help'\n"
        "import safetensors\n"
        "def refuse(*a, **k): raise AssertionError('weights read at import')\n"
        "safetensors.safe_open = refuse\n"
        "import vividpast_lib.colorize.colorizer, vividpast_lib.colorize.photo_jobs\n"
        "import vividpast_lib.training.loop\n"
        "assert 'matplotlib' not in sys.modules\n"
        "assert 'scipy.sparse' not in sys.modules, 'belongs to hints alone'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process's peak memory")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_100_megapixels_fit_in_4_gb(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 10_000, dtype=np.uint8)
    tile = np.stack([np.tile(ramp, (16, 1))] * 3, axis=-1)
    tile[..., 0] //= 2
    Image.fromarray(np.tile(tile, (625, 1, 1))).save(tmp_path / "big.jpg")
    code = (
        "import resource, sys\n"
        "from vividpast_lib.cli.main import main\n"
        "status = main(sys.argv[1:])\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(peak / (1e9 if sys.platform == 'darwin' else 1e6))\n"
        "raise SystemExit(status)\n"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "colorize",
        tmp_path / "big.jpg",
        "-o",
        tmp_path / "o.png",
    ]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert float(result.stdout.splitlines()[-1]) < 4
    with Image.open(tmp_path / "o.png") as image:
        assert image.size == (10_000, 10_000)
