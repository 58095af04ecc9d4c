"""Several sets opened as one: photos, splits, columns and class maps stay each set's own."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vividpast_lib.cli.main import main
from vividpast_lib.photos.loader import MemoryPhotos, load_lab
from vividpast_lib.photos.open import (
    bundled_folder,
    default_source,
    open_class_maps,
    open_photos,
)
from vividpast_lib.runtime.errors import VividPastError

SIDE = 24


def make_set(folder: Path, rows: dict[str, tuple[str, str, str]], color: int) -> Path:
    """Make a set with a manifest: {file: (split, source, label)}, each photo of one colour."""
    folder.mkdir()
    lines = ["file,split,source,label"]
    for number, (name, row) in enumerate(rows.items()):
        plain = np.full((SIDE, SIDE, 3), (color, 10 * number, 90), np.uint8)
        Image.fromarray(plain).save(folder / name)
        lines.append(",".join([name, *row]))
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    one = {
        "a.png": ("train", "faces", "old"),
        "b.png": ("val", "faces", "young"),
        "c.png": ("train", "rooms", "hall"),
    }
    other = {"a.png": ("val", "cars", "red"), "d.png": ("train", "cars", "blue")}
    return [make_set(tmp_path / "one", one, 200), make_set(tmp_path / "two", other, 20)]


def test_each_set_keeps_its_split_and_its_photos(two: list[Path]) -> None:
    train, val = open_photos(two, "train"), open_photos(two, "val")
    assert train.names == ["a.png", "c.png", "d.png"]
    assert val.names == ["b.png", "a.png"]
    assert train.set_numbers == [0, 0, 1]
    assert train.columns["source"] == ["faces", "rooms", "cars"]
    assert val.columns["label"] == ["young", "red"]
    apart = torch.cat([load_lab(open_photos(each, "val"), 16) for each in two])
    assert torch.equal(load_lab(val, 16), apart)
    assert [train.shorter_side(index) for index in range(3)] == [SIDE] * 3


def test_columns_follow_photos_into_parts_and_into_memory(two: list[Path]) -> None:
    photos = open_photos(two).subset([4, 0])
    assert photos.columns["label"] == ["blue", "old"] and photos.set_numbers == [1, 0]
    (two[1] / "d.png").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="d.png"):
        kept = MemoryPhotos(photos, 16)
    assert kept.columns["label"] == ["old"] and kept.set_numbers == [0]


def test_a_column_that_one_set_lacks_is_no_column_of_both(two: list[Path]) -> None:
    (two[1] / "manifest.csv").write_text("file,split\na.png,val\nd.png,train\n")
    photos = open_photos(two)
    assert list(photos.columns) == ["source"]
    assert photos.columns["source"] == ["faces", "faces", "rooms", "two", "two"]


def test_the_variable_may_name_several_folders(
    two: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_source() == ["bundled"]
    monkeypatch.setenv("VIVIDPAST_PHOTOS", str(two[0]))
    assert len(open_photos(default_source())) == 3
    monkeypatch.setenv("VIVIDPAST_PHOTOS", os.pathsep.join(map(str, [*two, ""])))
    assert len(open_photos(default_source())) == 5


def test_what_can_not_be_joined_is_said(two: list[Path], tmp_path: Path) -> None:
    with pytest.raises(VividPastError, match="named twice"):
        open_photos([two[0], two[0] / "." / ".." / "one"])
    with pytest.raises(VividPastError, match="named twice"):
        open_photos(["bundled", "bundled"])
    arrays = tmp_path / "arrays"
    arrays.mkdir()
    np.save(arrays / "gray_scale.npy", np.zeros((20, 8, 8), np.uint8))
    np.save(arrays / "ab1.npy", np.zeros((20, 8, 8, 2), np.uint8))
    with pytest.raises(VividPastError, match="can't be joined"):
        open_photos([two[0], arrays])
    with pytest.raises(VividPastError, match="two: holds no class maps"):
        save_class_maps(two[0], 65)
        open_class_maps(two)
    save_class_maps(two[1], 33)
    with pytest.raises(VividPastError, match="differ in size"):
        open_class_maps(two)


def test_no_photo_gets_in_twice(two: list[Path]) -> None:
    """Neither by a folder within another, nor by two names of one."""
    (two[0] / "manifest.csv").unlink()
    inner = make_set(two[0] / "sub", {"e.png": ("train", "", ""), "f.png": ("val", "", "")}, 90)
    for sets in ([two[0], inner], [inner, two[1], two[0]]):
        with pytest.raises(VividPastError, match=r"sub: its photos belong to .*one, too; name one"):
            open_photos(sets)
    with pytest.raises(VividPastError, match=r"bundled: its photos belong to .*, too"):
        open_photos(["bundled", bundled_folder()], "val")
    listed = "file,split\na.png,train\nb.png,val\n"  # and not those in the folder within
    (two[0] / "manifest.csv").write_text(listed)
    assert open_photos([two[0], inner]).names == ["a.png", "b.png", "e.png", "f.png"]
    with pytest.raises(VividPastError, match="is empty"):
        open_photos([two[0], ""])


def save_class_maps(folder: Path, side: int) -> None:
    names = sorted(path.name for path in folder.glob("*.png"))
    labels = np.arange(len(names), dtype=np.uint8)[:, None, None].repeat(side, 1).repeat(side, 2)
    np.savez(folder / "voc21_teacher.npz", files=np.array(names), labels=labels)


def test_class_maps_stay_with_their_photos(two: list[Path]) -> None:
    for folder in two:
        save_class_maps(folder, 65)
    photos = open_class_maps(two)
    assert photos.class_maps is not None
    assert photos.class_maps[:, 0, 0].tolist() == [0, 1, 2, 0, 1]


def test_evaluate_prints_a_row_a_group(two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "--model", "autoencoder", "--split", "all", "--photos", *map(str, two)]
    assert main([*command, "--by", "source"]) == 0
    table = capsys.readouterr().out.split("autoencoder: means")[1]
    rows = [line.split()[:2] for line in table.splitlines()[2:]]
    assert rows == [["cars", "2"], ["faces", "2"], ["rooms", "1"]]
    assert main([*command, "--where", "source=faces", "--by", "label"]) == 0
    table = capsys.readouterr().out.split("autoencoder: means")[1]
    assert [line.split()[0] for line in table.splitlines()[2:]] == ["old", "young"]


def test_groups_are_of_colorizers_alone(two: list[Path], capsys: pytest.CaptureFixture) -> None:
    command = ["evaluate", "--model", "lite", "--photos", str(two[0]), "--by", "source"]
    assert main(command) == 2
    assert "a segmenter, doesn't go with --by" in capsys.readouterr().err


def test_photos_without_even_windows_have_no_blotches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    command = ["evaluate", "--model", "autoencoder", "--split", "all", "--photos", str(tmp_path)]
    assert main([*command, "--by", "source"]) == 0
    assert "nan" not in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report["metrics"]["true"]["blotches"] == {"mean": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--where source", "COLUMN=VALUE"),
        ("--where source=boats", "no photo whose source is boats"),
        ("--where place=here", "no column place; there are label, source"),
    ],
)
def test_evaluate_says_what_no_manifest_has(
    two: list[Path], options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "--model", "autoencoder", "--split", "all", "--photos", str(two[0])]
    assert main([*command, *options.split()]) == 2
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1
