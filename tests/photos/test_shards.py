"""Photos packed as WebDataset shards: what is trained on them, and what is said of bad ones."""

import io
import os
import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vividpast_lib.cli.main import main
from vividpast_lib.photos.loader import load_lab
from vividpast_lib.photos.open import open_class_maps, open_photos
from vividpast_lib.photos.pack_shards import write_shards
from vividpast_lib.photos.photo_set import CLASS_MAPS_FILE, FolderPhotos
from vividpast_lib.photos.shards import ShardPhotos
from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.runtime.files import write_csv
from vividpast_lib.training.loop import fit
from vividpast_lib.training.settings import Settings
from vividpast_lib.training.task_registry import open_task

SMALL = Settings(size=16, epochs=2, batch_size=4, upscaled_every=2)


def pack(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))


def jpeg(value: int = 0, side: int = 8) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (side, side), (value, 90, 30)).save(content, "JPEG")
    return content.getvalue()


@pytest.fixture
def shards(photo_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "shards"
    command = ["data", "shards", "--photos", str(photo_folder), "-o", str(folder)]
    assert main([*command, "--photos-per-shard", "10"]) == 0
    return folder


def test_training_on_shards_is_training_on_the_folder(
    photo_folder: Path, tmp_path: Path, scene: np.ndarray
) -> None:
    """A set of many kinds: subfolders, awkward names, large, small, 16 bits, and an empty file."""
    deep = (np.dstack([scene, scene[..., :1]]).astype(np.uint16) * 257)[..., 0]
    (photo_folder / "sub.folder").mkdir()
    Image.fromarray(deep).save(photo_folder / "sub.folder" / "a.b.png")
    Image.fromarray(scene).resize((400, 300)).save(photo_folder / "sub.folder" / "a.b.jpg")
    for name in ("a_b.tif", "small.png"):
        Image.fromarray(scene).resize((8, 12)).save(photo_folder / "sub.folder" / name)
    (photo_folder / "zero.jpg").write_bytes(b"")
    folder = tmp_path / "shards"
    paths = write_shards(photo_folder, folder, 10)
    assert [path.name for path in paths] == [
        *(f"train-00000{number}.tar" for number in range(len(paths) - 1)),
        "val-000000.tar",
    ]
    assert sorted(folder.glob("*.tar")) == paths
    assert not list(tmp_path.glob(".*"))
    weights = []
    with pytest.warns(UserWarning, match=r"zero.jpg: is empty"):
        for source in (photo_folder, folder):
            sets = [open_photos(source, split) for split in ("train", "val")]
            assert sum(len(photos) for photos in sets) == 35
            weights.append(fit(open_task(*sets, SMALL, "cpu"), progress=False)[0].state_dict())
    assert isinstance(sets[0], ShardPhotos)
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key


def test_class_maps_stay_with_their_photos(photo_folder: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in photo_folder.iterdir())
    (photo_folder / names[3]).rename(photo_folder / "photo.with.dots.jpg")
    names[3] = "photo.with.dots.jpg"
    labels = np.arange(30, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    np.savez(photo_folder / CLASS_MAPS_FILE, files=names, labels=labels)
    write_shards(photo_folder, tmp_path / "shards", 10)
    for split in ("train", "val"):
        folder, packed = (
            open_class_maps(source, split) for source in (photo_folder, tmp_path / "shards")
        )
        assert folder.class_maps is not None and packed.class_maps is not None
        assert np.array_equal(folder.class_maps, packed.class_maps)
        assert torch.equal(load_lab(folder, 16), load_lab(packed, 16))


def test_files_are_packed_as_they_are_with_keys_of_their_own(tmp_path: Path) -> None:
    names = ["b.jpg", "b.png", "sub/x.1.jpg", "sub/x_1.jpg", *(f"{i}.jpg" for i in range(60))]
    for index, name in enumerate(names):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(jpeg(index))
    contents = {}
    for shard in write_shards(tmp_path / "in", tmp_path / "out", 7):
        with tarfile.open(shard) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                contents[member.name] = file.read()
    keys = [name[: name.index(".", name.rindex("/") + 1)] for name in map("/{}".format, contents)]
    assert len(set(keys)) == len(names)
    assert sorted(contents.values()) == sorted(jpeg(index) for index in range(len(names)))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all names are Unicode")
def test_a_name_that_is_no_utf_8_is_trained_on_and_packed(
    photo_folder: Path, tmp_path: Path
) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (photo_folder / "photo_00.jpg").rename(photo_folder / name)
    np.savez(photo_folder / CLASS_MAPS_FILE, files=[name], labels=np.ones((1, 4, 4), np.uint8))
    write_shards(photo_folder, tmp_path / "shards")
    folder, packed = open_photos(photo_folder), open_photos(tmp_path / "shards")
    assert name in folder.names and len(packed) == len(folder) == 30
    assert open_class_maps(tmp_path / "shards").names == [r"caf\udce9.jpg"]
    write_csv(tmp_path / "new.csv", [[name]])
    assert (tmp_path / "new.csv").read_text() == "caf\\udce9.jpg\n"


def test_photos_of_any_suffix_that_a_manifest_lists_are_packed(tmp_path: Path) -> None:
    names = ["a.jfif", "b", "c.PNG", "val.jpg"]
    (tmp_path / "in").mkdir()
    for value, name in enumerate(names):
        (tmp_path / "in" / name).write_bytes(jpeg(40 * value))
    rows = [f"{name},{'val' if name == 'val.jpg' else 'train'}" for name in names]
    (tmp_path / "in" / "manifest.csv").write_text("\n".join(["file,split", *rows]))
    write_shards(tmp_path / "in", tmp_path / "out")
    packed = open_photos(tmp_path / "out")
    assert packed.names == ["a.jpg", "b.jpg", "c.PNG", "val.jpg"]
    assert torch.equal(load_lab(packed, 8), load_lab(open_photos(tmp_path / "in"), 8))


@pytest.mark.parametrize(("files", "shape"), [(3, (2, 4, 4)), (2, (2, 4)), (0, (2, 4, 4))])
def test_class_maps_that_dont_fit_their_names_are_refused(
    files: int, shape: tuple[int, ...], photo_folder: Path, tmp_path: Path
) -> None:
    names = [f"photo_{index:02}.jpg" for index in range(files)]
    np.savez(photo_folder / CLASS_MAPS_FILE, files=names, labels=np.zeros(shape, np.uint8))
    with pytest.raises(VividPastError, match=r"voc21_teacher.npz: must have files \(N,\)"):
        open_class_maps(photo_folder)
    with pytest.raises(VividPastError, match=r"voc21_teacher.npz: must have"):
        write_shards(photo_folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def two_sets(tmp_path: Path, scene: np.ndarray) -> list[Path]:
    """Two folders of which some photos have the same names; the second has larger ones."""
    folders = [tmp_path / name for name in ("first", "second")]
    for number, folder in enumerate(folders):
        folder.mkdir()
        rows = ["file,split,source,width,own" if number else "file,split,source,width"]
        for index in range(24):
            image = Image.fromarray(np.roll(scene, index + 9 * number, axis=1))
            image = image.resize((96 + 160 * number, 72 + 90 * number))
            image.save(folder / f"{index}.jpg", quality=95)
            rows.append(f"{index}.jpg,{'val' if index % 6 == 0 else 'train'},{'ab'[index % 2]},9")
        (folder / "manifest.csv").write_text("\n".join(rows))
        maps = np.full((24, 4, 4), 1 + number, np.uint8)
        np.savez(folder / CLASS_MAPS_FILE, files=[f"{i}.jpg" for i in range(24)], labels=maps)
    return folders


def test_several_sets_are_packed_as_one_and_still_told_apart(
    two_sets: list[Path], tmp_path: Path
) -> None:
    write_shards(two_sets, tmp_path / "pack")
    for split, count in (("train", 20), ("val", 4)):
        joined, packed = (open_photos(each, split) for each in (two_sets, tmp_path / "pack"))
        assert len(set(packed.names)) == len(packed) == 2 * count
        assert packed.set_numbers == joined.set_numbers == [0] * count + [1] * count
        assert packed.columns["source"] == joined.columns["source"]
        assert packed.columns["width"] == ["9"] * 2 * count
        assert torch.equal(load_lab(packed, 16), load_lab(joined, 16))
        maps = open_class_maps(tmp_path / "pack", split)
        assert maps.class_maps is not None and maps.names == packed.names
        assert (maps.class_maps[:, 0, 0] == 1 + np.array(packed.set_numbers)).all()
    settings = Settings(size=16, batch_size=4, shares=(3.0, 1.0))
    weights = [
        fit(open_task(*sets, settings, "cpu"), progress=False)[0].state_dict()
        for sets in (
            [open_photos(source, split) for split in ("train", "val")]
            for source in (two_sets, tmp_path / "pack")
        )
    ]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_shards_are_as_large_as_allowed_and_photos_as_small_as_asked(
    two_sets: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (two_sets[1] / "3.jpg").write_bytes(b"damaged")
    with Image.open(two_sets[0] / "2.jpg") as image:  # what counts is the content, not the suffix
        image.save(two_sets[0] / "1.jpg", "WEBP", quality=5)
    command = ["data", "shards", "--photos", *map(str, two_sets), "-o", str(tmp_path / "pack")]
    assert main([*command, "--megabytes-per-shard", "0.04", "--side", "80"]) == 0
    sizes = [path.stat().st_size for path in sorted((tmp_path / "pack").glob("train*.tar"))]
    assert len(sizes) > 1 and max(sizes) <= 40_000
    assert min(sizes[:-1]) > 40_000 - 2 * 10_240 - 4000  # no larger photo is in them
    photos = open_photos(tmp_path / "pack", "train")
    assert isinstance(photos, ShardPhotos)
    assert "width" not in photos.columns
    assert photos.content(0) == (two_sets[0] / "1.jpg").read_bytes()
    with pytest.raises(VividPastError, match=r"3_2.jpg: is not a photo"):
        photos.read(photos.names.index("3_2.jpg"))
    whole = open_photos(two_sets, "train")
    for index in (1, 25):
        assert photos.names[index].endswith(".webp")
        before, after = whole.read(index), photos.read(index)
        assert min(after.size) == min(80, *before.size)
        difference = np.subtract(before.resize(after.size), after, dtype=int)
        assert np.abs(difference).mean() < 6
    for wrong, sentence in (
        ("--megabytes-per-shard 0.01", "makes a shard of 0.01 MB"),
        ("--quality 90", "add --side"),
        ("--side 64 --quality 101", "from 1 to 100, not 101"),
    ):
        again = tmp_path / "again"
        assert main([*command[:-1], str(again), *wrong.split()]) == 2
        assert sentence in capsys.readouterr().err
        assert not again.exists()


def test_a_shard_that_was_lost_on_the_way_is_noticed(shards: Path) -> None:
    (shards / "train-000001.tar").unlink()
    assert len(open_photos(shards, "val"))
    with pytest.raises(VividPastError, match=r"manifest.csv: 10 photos .* copy all shards"):
        open_photos(shards, "train")


def test_what_belongs_to_a_photo_is_left_aside(tmp_path: Path) -> None:
    files = {"./a/0.jpg": jpeg(1), "./a/0.json": b"{}", "./a/0.seg.png": b"map", "a/._0.jpg": b"?"}
    pack(tmp_path / "train-0.tar", files)
    pack(tmp_path / "val-0.tar", {"1.JPG": jpeg(2)})
    pack(tmp_path / "test-0.tar", {"2.jpg": jpeg(3)})
    assert open_photos(tmp_path, "train").names == ["./a/0.jpg"]
    assert open_photos(tmp_path).names == ["./a/0.jpg", "1.JPG"]


def test_shards_of_other_names_are_split_as_a_folder_is(tmp_path: Path) -> None:
    files = {f"{index:03}.jpg": jpeg(index) for index in range(60)}
    (tmp_path / "folder").mkdir()
    (tmp_path / "shards").mkdir()
    for name, content in files.items():
        (tmp_path / "folder" / name).write_bytes(content)
    pack(tmp_path / "shards" / "0.tar", dict(list(files.items())[:30]))
    pack(tmp_path / "shards" / "1.tar", dict(list(files.items())[30:]))
    pack(tmp_path / "train.tar", files)
    for split in ("train", "val"):
        expected = open_photos(tmp_path / "folder", split).names
        assert open_photos(tmp_path / "shards", split).names == expected
        assert open_photos(tmp_path / "train.tar", split).names == expected


def test_a_folder_of_photos_beside_a_tar_stays_a_folder(photo_folder: Path) -> None:
    pack(photo_folder / "backup.tar", {"old.jpg": jpeg()})
    assert isinstance(open_photos(photo_folder), FolderPhotos)


def test_worker_processes_read_the_same(shards: Path) -> None:
    photos = open_photos(shards, "train")
    again = pickle.loads(pickle.dumps(photos))
    assert np.array_equal(photos.read(3), again.read(3))
    assert photos.shorter_sides().tolist() == [48] * len(photos)


@pytest.mark.parametrize("damage", ["cut within a photo", "cut between photos", "header"])
def test_a_damaged_shard_is_named(shards: Path, damage: str, capsys) -> None:
    shard = shards / "train-000001.tar"
    content = bytearray(shard.read_bytes())
    with tarfile.open(shard) as tar:
        middle = tar.getmembers()[5]
    if damage == "header":
        content[middle.offset : middle.offset + 100] = b"?" * 100
    else:
        del content[middle.offset_data + 100 if "within" in damage else middle.offset :]
    shard.write_bytes(content)
    run = shards.parent / "run"
    assert main(["train", "autoencoder", "--photos", str(shards), "--run", str(run)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "train-000001.tar: breaks off or is damaged" in line
    assert not run.exists()


def test_a_photo_that_is_damaged_or_gone_is_named(shards: Path) -> None:
    photos = open_photos(shards, "val")
    assert isinstance(photos, ShardPhotos)
    member = photos.members[1]
    content = bytearray(member.shard.read_bytes())
    content[member.start : member.start + member.size] = b"?" * member.size
    member.shard.write_bytes(content)
    with pytest.raises(VividPastError, match=rf"val-000000.tar/{member.name}: is not a photo"):
        photos.read(1)
    member.shard.write_bytes(content[: member.start + 10])
    with pytest.raises(VividPastError, match=rf"val-000000.tar: breaks off within {member.name}"):
        photos.read(1)
    member.shard.unlink()
    with pytest.raises(VividPastError, match="can't be read"):
        photos.read(1)


def test_no_shards_are_left_of_a_set_that_cannot_be_packed(
    photo_folder: Path, tmp_path: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shards.stat().st_mtime_ns
    with pytest.raises(VividPastError, match="exists already"):
        write_shards(photo_folder, shards)
    assert shards.stat().st_mtime_ns == before
    with pytest.raises(VividPastError, match="no folder of photo files"):
        write_shards(shards, tmp_path / "again")
    real = Path.read_bytes

    def no_space(path: Path) -> bytes:
        if path.name == "photo_20.jpg":
            raise OSError(28, "No space left on device", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", no_space)
    with pytest.raises(VividPastError, match=r"photo_20.jpg: .*No space left"):
        write_shards(photo_folder, tmp_path / "again")
    assert not [path for path in tmp_path.iterdir() if "again" in path.name]


def test_a_split_without_shards_is_said(tmp_path: Path) -> None:
    pack(tmp_path / "train-0.tar", {"1.jpg": jpeg()})
    with pytest.raises(VividPastError, match="no photos for val"):
        open_photos(tmp_path, "val")
