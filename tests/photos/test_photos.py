import csv
import hashlib
import io
import pickle
import tarfile
import threading
import time
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets

from vividpast_lib.color.lab import rgb_to_lab
from vividpast_lib.photos import loader
from vividpast_lib.photos.crops import crop_square, sample_crop
from vividpast_lib.photos.loader import lab_batches, load_lab
from vividpast_lib.photos.open import bundled_folder, open_class_maps, open_photos
from vividpast_lib.photos.pack_shards import write_shards
from vividpast_lib.photos.photo_set import CLASS_MAPS_FILE, ArrayPhotos
from vividpast_lib.runtime import downloads
from vividpast_lib.runtime.errors import VividPastError


def rows(name: str) -> list[dict[str, str]]:
    with (bundled_folder() / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_bundled_photos_are_many_real_and_credited() -> None:
    files = sorted(path.name for path in bundled_folder().glob("*.jpg"))
    assert len(files) >= 30
    credits = rows("CREDITS.csv")
    assert [row["file"] for row in credits] == files
    assert list(credits[0]) == ["file", "title", "author", "licence", "source"]
    assert all(value.strip() for row in credits for value in row.values())
    free = ("Public domain", "CC0", "CC-BY", "Pexels")
    assert all(row["licence"].startswith(free) for row in credits)
    assert not any("-NC" in row["licence"] or "-ND" in row["licence"] for row in credits)
    for file in files:
        with Image.open(bundled_folder() / file) as image:
            assert max(image.size) == 512 and image.mode == "RGB"
            chroma = rgb_to_lab(torch.tensor(np.asarray(image)).permute(2, 0, 1) / 255)[1:]
        assert chroma.square().sum(0).sqrt().mean() > 5, f"{file} is nearly grey"


def test_bundled_split_is_fixed_and_complete() -> None:
    train, val = open_photos("bundled", "train"), open_photos("bundled", "val")
    assert len(val) >= 8
    assert not set(train.names) & set(val.names)
    assert sorted(train.names + val.names) == [row["file"] for row in rows("CREDITS.csv")]
    assert "astronaut.jpg" in val.names


def test_batches_are_lab_of_the_middle_crop(photo_folder: Path) -> None:
    photo_set = open_photos(photo_folder)
    batches = list(lab_batches(photo_set, 48, batch_size=8))
    assert [tuple(b.shape) for b in batches] == [(8, 3, 48, 48)] * 3 + [(6, 3, 48, 48)]
    with Image.open(photo_folder / "photo_00.jpg") as image:
        square = np.asarray(image)[:, 8:56]  # 64 x 48 pixels: the middle 48 columns
    expected = rgb_to_lab(torch.from_numpy(square.copy()).permute(2, 0, 1) / 255)
    assert torch.allclose(batches[0][0], expected, atol=1e-3)


def test_workers_change_nothing(photo_folder: Path) -> None:
    photo_set = open_photos(photo_folder)
    options = {"shuffle": True, "augment": True, "seed": 5, "epoch": 2}
    alone = torch.cat(list(lab_batches(photo_set, 32, 7, workers=0, **options)))
    helped = torch.cat(list(lab_batches(photo_set, 32, 7, workers=2, **options)))
    assert torch.equal(alone, helped)


def test_no_worker_is_forked_while_a_thread_of_the_last_loader_ends(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Python before 3.11.10, a worker that is forked at that moment hangs."""
    ending = threading.Thread(target=time.sleep, args=[0.05], name="QueueFeederThread")
    alive = []

    def counted(*arguments: object, **options: object) -> loader.DataLoader:
        alive.append(ending.is_alive())
        return DataLoader(*arguments, **options)

    monkeypatch.setattr(loader, "DataLoader", counted)
    ending.start()
    assert len(torch.cat(list(lab_batches(open_photos(photo_folder), 16, workers=1)))) > 0
    assert alive == [False]


@pytest.mark.parametrize("workers", [0, 2])
def test_reading_leaves_the_random_numbers_of_other_threads_alone(
    photo_folder: Path, workers: int
) -> None:
    before = torch.get_rng_state()
    list(lab_batches(open_photos(photo_folder), 16, shuffle=True, augment=True, workers=workers))
    assert torch.equal(torch.get_rng_state(), before)


def test_shuffling_and_crops_change_with_epoch_and_seed_alone(photo_folder: Path) -> None:
    photo_set = open_photos(photo_folder)

    def epoch(**options: int) -> torch.Tensor:
        return torch.cat(list(lab_batches(photo_set, 16, shuffle=True, augment=True, **options)))

    assert torch.equal(epoch(seed=1, epoch=1), epoch(seed=1, epoch=1))
    assert not torch.equal(epoch(seed=1, epoch=1), epoch(seed=1, epoch=2))
    assert not torch.equal(epoch(seed=1, epoch=1), epoch(seed=2, epoch=1))


def test_an_epoch_goes_on_where_it_stopped(photo_folder: Path) -> None:
    options = {"shuffle": True, "augment": True, "seed": 3}
    whole = list(lab_batches(open_photos(photo_folder), 16, 4, **options))
    rest = list(lab_batches(open_photos(photo_folder), 16, 4, start=5, **options))
    assert len(whole) == len(rest) + 5
    assert all(torch.equal(a, b) for a, b in zip(whole[5:], rest, strict=True))


def test_random_crops_are_mirrored_half_the_time_and_stay_inside() -> None:
    ramp = np.tile(np.arange(90, dtype=np.uint8)[None, :, None], (60, 1, 3))
    image = Image.fromarray(ramp)
    generator = np.random.default_rng(0)
    squares = [crop_square(image, 30, generator) for _ in range(200)]
    rising = [square[0, 0, -1] > square[0, 0, 0] for square in squares]
    assert 60 < sum(rising) < 140
    lefts = {int(min(square[0, 0, 0], square[0, 0, -1])) for square in squares}
    assert max(lefts) - min(lefts) > 30  # anywhere along the width


@pytest.mark.parametrize("smallest", [0.2, 0.9])
def test_random_crops_are_as_wide_as_asked_for(smallest: float) -> None:
    generator = np.random.default_rng(0)
    boxes = [sample_crop(90, 60, generator, smallest)[0] for _ in range(300)]
    shares = [(right - left) / 60 for left, _top, right, _bottom in boxes]
    assert smallest <= min(shares) < smallest + 0.02 and 0.98 < max(shares) <= 1


def test_smaller_crops_show_less_of_a_photo(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 90).astype(np.uint8)[None, :, None], (90, 1, 3))
    for index in range(20):
        Image.fromarray(ramp).save(tmp_path / f"{index}.png")
    photos = open_photos(tmp_path)
    for smallest, least, most in ((0.1, 30, 80), (1.0, 95, 100)):
        batches = lab_batches(photos, 32, 8, augment=True, smallest_crop=smallest)
        lightness = torch.cat(list(batches))[:, 0].flatten(1)
        assert least < (lightness.amax(dim=1) - lightness.amin(dim=1)).mean() < most


def test_split_without_manifest_stays_when_photos_are_added(
    photo_folder: Path, scene: np.ndarray
) -> None:
    before = open_photos(photo_folder, "val").names
    assert 0 < len(before) < 15
    for index in range(20):
        Image.fromarray(scene).save(photo_folder / f"added_{index}.jpg")
    after = open_photos(photo_folder, "val").names
    assert set(before) <= set(after)
    assert set(after) | set(open_photos(photo_folder, "train").names) == {
        path.name for path in photo_folder.glob("*.jpg")
    }


def test_manifest_decides(photo_folder: Path) -> None:
    (photo_folder / "manifest.csv").write_text(
        "file,source,split\nphoto_03.jpg,x,val\nphoto_01.jpg,x,train\nphoto_02.jpg,x,train\n"
    )
    assert open_photos(photo_folder, "val").names == ["photo_03.jpg"]
    assert open_photos(photo_folder, "train").names == ["photo_01.jpg", "photo_02.jpg"]
    assert len(open_photos(photo_folder)) == 3


@pytest.mark.parametrize("again", ["a.jpg", "./a.jpg"])
def test_a_photo_in_two_splits_is_named(again: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f"file,split\na.jpg,train\n{again},val\n")
    with pytest.raises(VividPastError, match=r"lists a\.jpg as train and as val"):
        open_photos(tmp_path)
    (tmp_path / "manifest.csv").write_text(f"file,split\na.jpg,train\n{again},train\n")
    assert open_photos(tmp_path).names == ["a.jpg"]


def test_folders_are_searched_below_but_not_hidden_ones(photo_folder: Path) -> None:
    below = photo_folder / "below"
    below.mkdir()
    (photo_folder / "photo_00.jpg").rename(below / "deep.JPG")
    (photo_folder / ".trash").mkdir()
    (photo_folder / "photo_01.jpg").rename(photo_folder / ".trash" / "old.jpg")
    (photo_folder / "notes.txt").write_text("no photo")
    names = open_photos(photo_folder).names
    assert "below/deep.JPG" in names
    assert len(names) == 29


def test_a_damaged_photo_is_named_once_and_skipped(photo_folder: Path) -> None:
    (photo_folder / "photo_04.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much")
    whole = (photo_folder / "photo_07.jpg").read_bytes()
    (photo_folder / "photo_07.jpg").write_bytes(whole[: len(whole) // 2])
    photo_set = open_photos(photo_folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            counts = [len(batch) for batch in lab_batches(photo_set, 16, 4, workers=2)]
            assert sum(counts) == 28
    # Python 3.12 also warns of fork() itself, which is how PyTorch starts workers on Linux.
    messages = [str(each.message) for each in caught if each.category is UserWarning]
    assert len(messages) == 2
    assert "photo_04.jpg" in messages[0] and "photo_07.jpg" in messages[1]


def test_empty_and_missing_sets_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(VividPastError, match="holds no photos; name a folder"):
        open_photos(tmp_path)
    with pytest.raises(VividPastError, match="vividpast data list"):
        open_photos(tmp_path / "nowhere")
    (tmp_path / "a.jpg").write_bytes(b"broken")
    with (
        pytest.warns(UserWarning, match=r"a\.jpg"),
        pytest.raises(VividPastError, match="not one of its photos can be read"),
    ):
        load_lab(open_photos(tmp_path), 16)
    for text in ("name,part\na.jpg,train\n", "split,file\ntrain\n"):
        (tmp_path / "manifest.csv").write_text(text)
        with pytest.raises(VividPastError, match="columns file and split"):
            open_photos(tmp_path)


@pytest.mark.parametrize("ab_file", ["ab1.npy", "ab/ab1.npy"])
def test_2018_arrays_are_memory_mapped_opencv_lab(tmp_path: Path, ab_file: str) -> None:
    generator = np.random.default_rng(0)
    lightness = generator.integers(0, 256, (25, 16, 16), dtype=np.uint8)
    ab = generator.integers(0, 256, (20, 16, 16, 2), dtype=np.uint8)
    (tmp_path / ab_file).parent.mkdir(exist_ok=True)
    np.save(tmp_path / "gray_scale.npy", lightness)
    np.save(tmp_path / ab_file, ab)
    photo_set = open_photos(tmp_path)
    assert len(photo_set) == 20
    assert isinstance(photo_set, ArrayPhotos)
    assert isinstance(photo_set.lightness, np.memmap)
    assert len(pickle.dumps(photo_set)) < 1000  # workers get the name, not the arrays
    lab = load_lab(photo_set, 16)
    assert np.allclose(lab[3, 0], lightness[3] / 2.55, atol=1e-4)
    assert np.allclose(lab[3, 1:], ab[3].transpose(2, 0, 1).astype(float) - 128, atol=1e-4)


def test_2018_arrays_of_wrong_shapes_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "gray_scale.npy", np.zeros((2, 8, 8), np.uint8))
    np.save(tmp_path / "ab1.npy", np.zeros((2, 2, 8, 8), np.uint8))
    with pytest.raises(VividPastError, match=r"\(M, H, W, 2\)"):
        open_photos(tmp_path)


def imagenette_archive(folder: Path, scene: np.ndarray) -> str:
    """Make a tiny imagenette2-320.tgz and give its MD5."""
    data = io.BytesIO()
    Image.fromarray(scene).save(data, "JPEG")
    archive = folder / "imagenette2-320.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for split in ("train", "val"):
            for wnid in datasets.Imagenette._WNID_TO_CLASS:
                info = tarfile.TarInfo(f"imagenette2-320/{split}/{wnid}/{wnid}_1.JPEG")
                info.size = len(data.getvalue())
                tar.addfile(info, io.BytesIO(data.getvalue()))
    return hashlib.md5(archive.read_bytes()).hexdigest()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve the test's folder on the loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_fetching_checks_unpacks_and_opens(
    tmp_path: Path, scene: np.ndarray, monkeypatch: pytest.MonkeyPatch, served: str
) -> None:
    archive = (f"{served}/imagenette2-320.tgz", imagenette_archive(tmp_path, scene))
    monkeypatch.setitem(datasets.Imagenette._ARCHIVES, "320px", archive)
    monkeypatch.setenv("VIVIDPAST_DATA", str(tmp_path / "data"))
    with pytest.raises(VividPastError, match="vividpast data fetch Imagenette"):
        open_photos("imagenette", "train")
    assert downloads.fetch("Imagenette") == tmp_path / "data" / "Imagenette"
    assert len(open_photos("Imagenette", "train")) == 10
    assert len(open_photos("imagenette")) == 20
    assert load_lab(open_photos("imagenette", "val"), 24).shape == (10, 3, 24, 24)
    assert not list((tmp_path / "data").rglob("*.tgz"))


def test_a_wrong_checksum_leaves_nothing(
    tmp_path: Path, scene: np.ndarray, monkeypatch: pytest.MonkeyPatch, served: str
) -> None:
    imagenette_archive(tmp_path, scene)
    archive = (f"{served}/imagenette2-320.tgz", "0" * 32)
    monkeypatch.setitem(datasets.Imagenette._ARCHIVES, "320px", archive)
    monkeypatch.setenv("VIVIDPAST_DATA", str(tmp_path / "data"))
    with pytest.raises(VividPastError, match="checksum"):
        downloads.fetch("Imagenette")
    assert not list((tmp_path / "data").iterdir())


def test_every_public_set_is_torchvisions_and_checksummed() -> None:
    assert {"Imagenette", "OxfordIIITPet", "Flowers102", "STL10", "Places365"} <= set(
        downloads.PUBLIC_SETS
    )
    for name, known in downloads.PUBLIC_SETS.items():
        assert hasattr(datasets, name)
        assert known.size and known.terms and known.home.startswith("http")


def test_without_a_network_fetching_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = ("http://127.0.0.1:9/imagenette2-320.tgz", "0" * 32)
    monkeypatch.setitem(datasets.Imagenette._ARCHIVES, "320px", nobody)
    monkeypatch.setenv("VIVIDPAST_DATA", str(tmp_path / "data"))
    with pytest.raises(VividPastError, match="check the network"):
        downloads.fetch("Imagenette")
    assert not list((tmp_path / "data").iterdir())


def test_a_manifest_of_excel_is_read(photo_folder: Path) -> None:
    (photo_folder / "manifest.csv").write_text("file,split\nphoto_03.jpg,val\n", "utf-8-sig")
    assert open_photos(photo_folder, "val").names == ["photo_03.jpg"]


def test_photos_that_a_manifest_keeps_from_both_splits_are_said(photo_folder: Path) -> None:
    rows = ["photo_01.jpg,train", "photo_02.jpg,Train", "photo_03.jpg,val", "photo_04.jpg,test"]
    (photo_folder / "manifest.csv").write_text("\n".join(["file,split", *rows]))
    said = r"manifest.csv: 2 photos are neither for train nor for val, but for 'Train', 'test'; "
    with pytest.warns(UserWarning, match=said):
        assert open_photos(photo_folder, "train").names == ["photo_01.jpg"]


def test_a_manifest_that_cant_be_read_is_said(photo_folder: Path) -> None:
    (photo_folder / "manifest.csv").mkdir()
    with pytest.raises(VividPastError, match=r"manifest.csv: can't be read"):
        open_photos(photo_folder)


def test_the_folder_one_is_in_has_its_name_as_the_source(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo_folder)
    assert set(open_photos(".").columns["source"]) == {"photos"}


@pytest.mark.parametrize(
    ("affinity", "limit", "workers"),
    [(range(3), "max 100000", 3), (range(8), "150000 100000", 2), (range(64), "", 16)],
)
def test_workers_are_as_many_as_the_cores_of_this_process(
    affinity: range, limit: str, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its affinity and its container's limit, whatever OMP_NUM_THREADS says of computing."""
    for index in range(200):
        (tmp_path / f"{index}.jpg").write_bytes(b"not read")
    started = []
    monkeypatch.setattr(loader, "DataLoader", lambda *_, **options: started.append(options) or [])
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(affinity))
    monkeypatch.setattr("os.cpu_count", lambda: 96)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("vividpast_lib.runtime.threads._QUOTA", tmp_path / "cpu.max")
    if limit:
        (tmp_path / "cpu.max").write_text(f"{limit}\n")
    with pytest.raises(ValueError, match="zip"):  # the loader that is no loader gives nothing
        list(loader.crop_batches(open_photos(tmp_path), 16))
    assert started[0]["num_workers"] == workers


def test_damaged_class_maps_are_named(photo_folder: Path, tmp_path: Path) -> None:
    path = photo_folder / CLASS_MAPS_FILE
    np.savez(path, files=["photo_00.jpg"], labels=np.zeros((1, 4, 4), np.uint8))
    content = bytearray(path.read_bytes())
    content[-30:] = b"?" * 30
    path.write_bytes(content)
    for use in (open_class_maps, lambda folder: write_shards(folder, tmp_path / "shards")):
        with pytest.raises(VividPastError, match=f"{CLASS_MAPS_FILE}: can't be read"):
            use(photo_folder)
    assert not (tmp_path / "shards").exists()
