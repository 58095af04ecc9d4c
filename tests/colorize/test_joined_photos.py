"""The colours of another tool's picture on a photo's own lightness."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image, ImageCms
from torch import Tensor

from tests.support.pictures import damaged_copy
from vividpast_lib import VividPastError, bundled_folder, join_colors, read_picture, rgb_to_lab
from vividpast_lib.cli.main import main
from vividpast_lib.colorize import joined_photos as module
from vividpast_lib.colorize.compose import compose_rgb, lightness_of, to_gray
from vividpast_lib.colorize.joined_photos import lab_of_copy

PHOTOS = ("scarlet_macaw", "fig_on_red_plate", "playground", "tabby_cat")
STRONG = {"blur": 1, "quality": 60, "gamma": 0.8, "contrast": 0.85, "shift": (3.4, -2.3)}


def photo(name: str) -> np.ndarray:
    return np.array(Image.open(bundled_folder() / f"{name}.jpg").convert("RGB"))


def ab_of(rgb: np.ndarray) -> Tensor:
    return rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1))[None, 1:]


def resized(grey: np.ndarray, copy: np.ndarray) -> np.ndarray:
    """What one would do instead: resize the copy, and take its ab."""
    ab = F.interpolate(ab_of(copy), size=grey.shape[:2], mode="bilinear")
    return compose_rgb(lightness_of(grey), ab)


def errors(rgb: np.ndarray, results: list[np.ndarray]) -> list[tuple[float, float]]:
    """Mean absolute error of ab: of all pixels, and of the tenth next to the strongest edges."""
    true = ab_of(rgb)
    steps = (true[..., 4:, 2:-2] - true[..., :-4, 2:-2]).square().sum(dim=1)
    steps += (true[..., 2:-2, 4:] - true[..., 2:-2, :-4]).square().sum(dim=1)
    edges = F.max_pool2d(F.pad(steps, (2, 2, 2, 2)), 5, 1, padding=2)
    edges = edges > edges.quantile(0.9)
    found = []
    for result in results:
        error = (ab_of(result) - true).abs().mean(dim=1)
        found.append((float(error.mean()), float(error[edges].mean())))
    return found


@pytest.mark.parametrize("name", PHOTOS)
def test_colors_of_a_damaged_copy_are_better_than_resized_ones(name: str) -> None:
    rgb = photo(name)
    grey = to_gray(rgb)
    copy = damaged_copy(rgb, (rgb.shape[0] // 3, rgb.shape[1] // 3), **STRONG)
    joined = join_colors(grey, copy)
    assert joined.shape == rgb.shape and joined.dtype == np.uint8
    assert (lightness_of(joined) - lightness_of(grey)).abs().max() < 0.6
    ours, plain, none = errors(rgb, [joined, resized(grey, copy), grey])
    assert ours[0] < 0.95 * plain[0] and ours[1] < 0.96 * plain[1]
    assert ours[0] < 0.4 * none[0]


@pytest.mark.parametrize("name", PHOTOS)
def test_a_shifted_and_stretched_copy_is_nearly_as_good_as_one_that_is_not(name: str) -> None:
    rgb = photo(name)
    grey = to_gray(rgb)
    shifted = damaged_copy(rgb, (320, 448), 1, 80, gamma=1.2, contrast=1.1, shift=(-2.2, 4.6))
    in_place = damaged_copy(rgb, (320, 448), 1, 80, gamma=1.2, contrast=1.1)
    ours, plain, best = errors(
        rgb, [join_colors(grey, shifted), resized(grey, shifted), join_colors(grey, in_place)]
    )
    assert ours[0] < 0.75 * plain[0] and ours[1] < 0.65 * plain[1]
    assert ours[0] < best[0] + 0.3


@pytest.mark.parametrize("scale", [1, 2])
def test_an_undamaged_copy_gives_its_own_colors(scale: int) -> None:
    rgb = photo("scarlet_macaw")
    size = rgb.shape[1] * scale, rgb.shape[0] * scale
    copy = np.array(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
    ((error, _at_edges),) = errors(rgb, [join_colors(to_gray(rgb), copy)])
    assert error < (0.1 if scale == 1 else 1.0)


def test_what_a_blur_has_mixed_ends_at_edges_again() -> None:
    rgb = photo("scarlet_macaw")
    grey = to_gray(rgb)
    copy = damaged_copy(rgb, blur=4)
    ours, plain = errors(rgb, [join_colors(grey, copy), resized(grey, copy)])
    assert ours[1] < 0.82 * plain[1]


def test_a_copy_has_no_more_pixels_than_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = np.zeros((600, 900, 3), np.uint8)
    assert lab_of_copy(copy, (300, 1200)).shape == (1, 3, 300, 900)
    monkeypatch.setattr(module, "MOST_PIXELS", 2700)
    assert lab_of_copy(copy, (300, 1200)).shape == (1, 3, 30, 90)
    assert lab_of_copy(copy[:1, :1], (300, 1200)).shape == (1, 3, 1, 1)


def test_other_photos_and_grey_ones_are_refused() -> None:
    grey = to_gray(photo("scarlet_macaw"))
    for other in ("fig_on_red_plate", "playground", "tabby_cat", "forest_stream"):
        with pytest.raises(VividPastError, match="copy: shows something else than the photo"):
            join_colors(grey, photo(other), ("the photo", "copy"))
    with pytest.raises(VividPastError, match="is grey and has no colours"):
        join_colors(photo("scarlet_macaw"), grey)
    mirrored = photo("scarlet_macaw")[:, ::-1]
    with pytest.raises(VividPastError, match="neither turned nor cut"):
        join_colors(grey, mirrored)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8)])
def test_arrays_of_another_kind_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"colored must be uint8 or uint16 of shape"):
        join_colors(np.zeros((4, 4, 1), np.uint8), wrong)


# Files.


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A grey photo and its coloured copy, of another size and shape."""
    rgb = photo("scarlet_macaw")
    Image.fromarray(to_gray(rgb)).save(tmp_path / "grey.png")
    Image.fromarray(damaged_copy(rgb, (320, 448), 1)).save(tmp_path / "copy.jpg", quality=80)
    return tmp_path / "grey.png", tmp_path / "copy.jpg"


def join(*arguments: object) -> int:
    return main(["join", *map(str, arguments)])


def test_the_command_joins_two_photos(files: tuple[Path, Path], capsys) -> None:
    grey, copy = files
    out = grey.with_name("new") / "out.png"
    assert join(grey, copy, "-o", out) == 0
    line = capsys.readouterr().out
    assert f"512 x 396, with the colours of {copy}, 448 x 320 -> {out}" in line
    with Image.open(out) as image:
        values = np.asarray(image)
    lightness = lightness_of(read_picture(grey).values)
    assert (lightness_of(values) - lightness).abs().max() < 0.6
    ((error, _),) = errors(photo("scarlet_macaw"), [values])
    assert error < 2.5


def test_what_a_copy_lacks_and_has_too_much_is_said(files: tuple[Path, Path], capsys) -> None:
    grey, copy = files
    with Image.open(copy) as image:
        half = image.crop((90, 48, 380, 272))
    half.save(grey.with_name("half.gif"), save_all=True, append_images=[half.rotate(180)])
    assert join(grey, grey.with_name("half.gif"), "-o", grey.with_name("out.png")) == 0
    said = capsys.readouterr()
    assert "290 x 224, the first of 2 pictures in the file -> " in said.out
    assert f"half.gif: shows only 45% of {grey}; the rest gets the colours" in said.err


def test_depth_transparency_and_metadata_are_the_photo_s(files: tuple[Path, Path], capsys) -> None:
    grey, copy = files
    deep = to_gray(photo("scarlet_macaw"))[..., 0].astype(np.uint16) * 257 + 60
    alpha = np.tile(np.arange(512, dtype=np.uint16) * 128, (396, 1))
    grey.write_bytes(imagecodecs.png_encode(np.dstack([deep, alpha])))
    out = grey.with_name("out.png")
    assert join(grey, copy, "-o", out) == 0
    assert "16 bits" in capsys.readouterr().out
    picture = read_picture(out)
    assert picture.values.dtype == np.uint16 and picture.is_color
    assert np.array_equal(picture.alpha, alpha)
    error = (lightness_of(picture.values) - lightness_of(deep[..., None])).abs()
    assert error.max() < 0.01

    turned = grey.with_name("turned.tif")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb = np.dstack([np.rot90(deep)] * 3)
    tags = [(274, "H", 1, 6, True)]
    tifffile.imwrite(turned, rgb, photometric="rgb", iccprofile=profile, extratags=tags)
    assert join(turned, copy, "-o", grey.with_name("out.tif")) == 0
    picture = read_picture(grey.with_name("out.tif"))
    assert (picture.orientation, picture.icc_profile) == (6, profile)
    assert picture.values.shape == (396, 512, 3)


def test_a_colour_photo_keeps_its_lightness_and_loses_its_colors(
    files: tuple[Path, Path],
) -> None:
    grey, copy = files
    rgb = photo("scarlet_macaw")
    wrong = np.ascontiguousarray(rgb[..., ::-1])
    Image.fromarray(wrong).save(grey)
    assert join(grey, copy, "-o", grey.with_name("out.png")) == 0
    values = read_picture(grey.with_name("out.png")).values
    assert (lightness_of(values) - lightness_of(wrong)).abs().max() < 0.6
    ours, before = errors(rgb, [values, wrong])
    assert ours[0] < 0.5 * before[0]


def test_a_copy_in_another_color_profile_gives_the_colors_that_it_shows(
    files: tuple[Path, Path],
) -> None:
    grey, copy = files
    rgb = photo("scarlet_macaw")
    adobe = imagecodecs.cms_profile("adobergb")
    profiles = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(adobe))
    image = ImageCms.profileToProfile(Image.fromarray(rgb), *profiles)
    image.save(copy, quality=95, icc_profile=adobe)
    assert join(grey, copy, "-o", grey.with_name("out.png")) == 0
    with_profile = read_picture(grey.with_name("out.png")).values
    image.save(copy, quality=95)
    assert join(grey, copy, "-o", grey.with_name("out.png"), "--force") == 0
    without = read_picture(grey.with_name("out.png")).values
    ours, plain = errors(rgb, [with_profile, without])
    assert ours[0] < 0.5 * plain[0]


def test_what_is_wrong_is_said_in_a_line_before_anything_is_written(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture
) -> None:
    grey, copy = files
    folder, out = grey.parent, grey.with_name("out.png")
    other = bundled_folder() / "playground.jpg"
    link = folder / "link.png"
    link.symlink_to(grey)
    (folder / "broken.png").write_bytes(grey.read_bytes()[:2000])
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for arguments, words in (
        ((grey, other, "-o", out), "playground.jpg: shows something else than"),
        ((copy, grey, "-o", out), "grey.png: is grey and has no colours to give"),
        ((grey, copy, "-o", copy), "copy.jpg: would be replaced by the result"),
        ((grey, copy, "-o", link), "grey.png: would be replaced by the result"),
        ((grey, copy, "-o", folder / "out.doc"), "end the name in .png"),
        ((grey, copy, "-o", folder), "end the name in .png"),
        ((grey, folder / "broken.png", "-o", out), "broken.png: is damaged"),
        ((grey, folder / "none.png", "-o", out), "there is no such file"),
        ((grey, folder, "-o", out), "is a folder, not a photo"),
        ((grey, "film.mp4", "-o", out), "film.mp4: is a film, and"),
        (("film.mp4", copy, "-o", "out.mp4"), "name two films or two photos"),
    ):
        assert join(*arguments) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before

    out.write_text("mine")
    assert join(grey, copy, "-o", out) == 2
    assert "exists already; add --force" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert join(grey, copy, "-o", out, "--force") == 0
    assert read_picture(out).is_color
