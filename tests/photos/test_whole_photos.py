"""Whole photos on a device: the crops that it cuts are those that worker processes cut."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vividpast_lib.photos.loader import crop_batches, keep_whole
from vividpast_lib.photos.open import open_class_maps, open_photos
from vividpast_lib.photos.photo_set import CLASS_MAPS_FILE
from vividpast_lib.runtime.errors import VividPastError

SHAPES = [(64, 48), (33, 70), (200, 90), (20, 20), (48, 300)]  # width, height


@pytest.fixture
def folder(tmp_path: Path, scene: np.ndarray) -> Path:
    """Photos of many shapes, with noise and with class maps; one is damaged."""
    random = np.random.default_rng(0)
    for index in range(40):
        image = Image.fromarray(np.roll(scene, index, axis=1)).resize(SHAPES[index % len(SHAPES)])
        noise = random.integers(-30, 30, np.shape(image))
        image = Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
        image.save(tmp_path / f"{index:02}.png")
    names = [f"{index:02}.png" for index in range(40)]
    labels = random.integers(0, 21, (40, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / CLASS_MAPS_FILE, files=names, labels=labels)
    return tmp_path


@pytest.mark.parametrize("size", [24, 50, 130])
@pytest.mark.parametrize("augment", [True, False])
def test_crops_are_those_of_the_files(folder: Path, size: int, augment: bool) -> None:
    """As Pillow resizes them, but for rounding; so boxes and mirroring are the same."""
    photos = open_class_maps(folder, "train")
    some = [index for index in range(len(photos)) if index % 5 != 3]
    whole = keep_whole(photos, 130).subset(some)
    photos = photos.subset(some)
    options = {"shuffle": True, "augment": augment, "seed": 3, "epoch": 2, "start": 1}
    pairs = zip(
        crop_batches(photos, size, 7, **options), crop_batches(whole, size, 7, **options),
        strict=True,
    )  # fmt: skip
    for read, kept in pairs:
        for name in ("indices", "class_maps", "batch_index"):
            assert torch.equal(getattr(read, name), getattr(kept, name)), name
        assert kept.full_batch_size == read.full_batch_size
        assert kept.values.dtype == torch.uint8 and kept.values.shape == read.values.shape
        difference = (kept.values.int() - read.values.int()).abs()
        assert difference.flatten(1).float().mean(dim=1).max() < 0.5


def test_large_photos_are_kept_smaller_and_crops_stay_alike(folder: Path) -> None:
    photos = open_photos(folder, "train")
    whole = keep_whole(photos, 16)
    for index in range(len(photos)):
        assert whole.shorter_side(index) == min(photos.shorter_side(index), 32)
        assert min(whole.read(index).size) == whole.shorter_side(index)
    options = {"augment": True, "seed": 1}
    for read, kept in zip(
        crop_batches(photos, 16, **options), crop_batches(whole, 16, **options), strict=True
    ):
        assert (kept.values.int() - read.values.int()).abs().float().mean() < 3


def test_what_is_known_of_the_photos_is_kept(folder: Path, tmp_path: Path) -> None:
    photos = open_photos(folder, "train")
    photos.columns["source"] = list(map(str, range(len(photos))))
    photos.set_numbers = list(range(len(photos)))
    (folder / photos.names[2]).write_bytes(b"damaged")
    with pytest.warns(UserWarning, match=f"{photos.names[2]}: is not a photo"):
        whole = keep_whole(photos, 64)
    rest = [index for index in range(len(photos)) if index != 2]
    assert whole.names == [photos.names[index] for index in rest]
    assert whole.set_numbers == rest
    assert whole.columns["source"] == list(map(str, rest))
    assert np.array_equal(whole.read(2), photos.read(3))
    assert np.array_equal(whole.subset([4, 2]).read(1), photos.read(3))


def test_a_process_without_a_photo_gets_an_empty_batch(folder: Path) -> None:
    whole = keep_whole(open_photos(folder, "train"), 64)
    assert whole.cut([], 64, []).shape == (0, 3, 64, 64)


def test_a_set_that_cannot_be_read_or_kept_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = open_photos(folder, "train")

    def full(_parts: object) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch, "cat", full)
    with pytest.raises(VividPastError, match="don't fit the memory of cpu"):
        keep_whole(photos, 64)
    monkeypatch.undo()
    for name in photos.names:
        (folder / name).write_bytes(b"damaged")
    with pytest.warns(UserWarning), pytest.raises(VividPastError, match="not one of its photos"):
        keep_whole(photos, 64)
