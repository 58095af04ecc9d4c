"""Photos of every kind in, coloured photos out: what survives and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from tests.support.pictures import png_16
from vividpast_lib.color.gamut import fit_to_srgb
from vividpast_lib.color.lab import lab_to_rgb, rgb_to_lab
from vividpast_lib.color.scaling import SCALING_2018, UNIT_SCALING
from vividpast_lib.colorize.colorizer import Colorizer, load_colorizers, network_size
from vividpast_lib.colorize.compose import compose_rgb, lightness_of, to_gray
from vividpast_lib.networks.checkpoints import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    shipped_models,
)
from vividpast_lib.networks.colornet_2018 import ColorAutoencoder
from vividpast_lib.networks.registry import NETWORKS
from vividpast_lib.photos.picture import Picture
from vividpast_lib.photos.picture_reading import read_picture, read_rgb
from vividpast_lib.photos.picture_writing import write_picture
from vividpast_lib.runtime.errors import VividPastError


def colorized(colorizer: Colorizer, source: Path, suffix: str = ".png") -> Path:
    target = source.with_name(f"{source.stem}_out{suffix}")
    write_picture(colorizer.colorize(read_picture(source)), target)
    return target


def test_lightness_survives_even_where_the_network_answers_impossible_colors(
    vivid_colorizer: Colorizer, scene: np.ndarray
) -> None:
    ab = vivid_colorizer.predict_small(lightness_of(scene))
    assert ab.abs().max() > 60  # strong enough to leave sRGB
    colored = vivid_colorizer(scene)
    assert np.ptp(colored.astype(int), axis=2).mean() > 30
    assert (lightness_of(colored) - lightness_of(scene)).abs().max() < 0.6  # 8-bit rounding


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_lightness_of_is_that_of_the_color(dtype: type, channels: int) -> None:
    peak = np.iinfo(dtype).max
    generator = np.random.default_rng(0)
    values = generator.integers(0, peak, (200, 300, channels), dtype, endpoint=True)
    values[0, 0], values[0, 1] = 0, peak
    rgb = torch.from_numpy(values / peak).permute(2, 0, 1).expand(3, -1, -1)
    assert (lightness_of(values) - rgb_to_lab(rgb)[0]).abs().max() < 1e-3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_joined_values_are_those_of_the_color_rounded(dtype: type) -> None:
    generator = torch.Generator().manual_seed(0)
    lightness = torch.rand(60, 80, generator=generator) * 100
    lightness[0, :2] = torch.tensor([0.0, 100.0])
    ab = torch.randn(1, 2, 60, 80, generator=generator) * 20
    rgb = lab_to_rgb(fit_to_srgb(torch.cat([lightness[None], ab[0]])))  # (3, 60, 80)
    expected = rgb.permute(1, 2, 0).double().numpy() * np.iinfo(dtype).max
    error = np.abs(compose_rgb(lightness, ab, dtype) - expected)
    # Half a step, and what 32-bit arithmetic loses of 16 bits.
    assert error.max() < (0.55 if dtype == np.uint8 else 3)
    assert error.mean() < 0.27


def test_color_is_greyed_first(vivid_colorizer: Colorizer, scene: np.ndarray) -> None:
    from_color = vivid_colorizer(scene).astype(int)
    from_grey = vivid_colorizer(to_gray(scene)).astype(int)
    assert np.abs(from_color - from_grey).mean() < 2  # rounding of the grey to 8 bits
    swapped = vivid_colorizer(to_gray(scene[..., ::-1].copy())).astype(int)
    assert np.abs(from_color - swapped).mean() > 5


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_is_read(
    mode: str, tmp_path: Path, scene: np.ndarray, vivid_colorizer: Colorizer
) -> None:
    image = Image.fromarray(scene)
    if mode == "I;16":
        image = Image.fromarray(scene[..., 0].astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(scene[..., 0].astype(np.float32) / 255)
    else:
        image = image.convert(mode)
    path = tmp_path / ("photo.tif" if mode in ("CMYK", "F") else "photo.png")
    image.save(path)
    with Image.open(colorized(vivid_colorizer, path)) as result:
        assert result.size == (64, 48)
        assert ("A" in result.getbands()) == ("A" in mode)
        grey = scene[..., :1] if mode in ("I;16", "F") else np.asarray(image.convert("RGB"))
        difference = lightness_of(np.asarray(result.convert("RGB"))) - lightness_of(grey)
        assert difference.abs().max() < 0.7


def test_transparent_palette_keeps_its_transparency(
    tmp_path: Path, scene: np.ndarray, vivid_colorizer: Colorizer
) -> None:
    image = Image.fromarray(scene).quantize(16)
    image.save(tmp_path / "p.png", transparency=3)
    with Image.open(colorized(vivid_colorizer, tmp_path / "p.png")) as result:
        alpha = np.asarray(result.getchannel("A"))
    assert np.array_equal(alpha == 0, np.asarray(image) == 3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_survive(
    channels: int, suffix: str, tmp_path: Path, vivid_colorizer: Colorizer
) -> None:
    generator = np.random.default_rng(0)
    values = np.empty((40, 30, channels), np.uint16)
    values[...] = (np.arange(1200, dtype=np.uint16) * 53).reshape(40, 30, 1)
    if channels in (2, 4):
        values[..., -1] = generator.integers(0, 65536, (40, 30))
    source = tmp_path / f"deep{suffix}"
    if suffix == ".png":
        source.write_bytes(png_16(values))
    else:
        tifffile.imwrite(
            source,
            values if channels > 1 else values[..., 0],
            photometric="rgb" if channels > 2 else "minisblack",
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
        )
    picture = read_picture(source)
    assert picture.values.dtype == np.uint16
    result = read_picture(colorized(vivid_colorizer, source, suffix))
    assert result.values.dtype == np.uint16 and result.values.shape == (40, 30, 3)
    error = lightness_of(result.values) - lightness_of(picture.values)
    assert error.abs().max() < 0.01  # 8 bits would leave 0.2
    if channels in (2, 4):
        assert np.array_equal(result.alpha, values[..., -1])
    else:
        assert result.alpha is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_orientation_survives(
    orientation: int, suffix: str, tmp_path: Path, scene: np.ndarray, vivid_colorizer: Colorizer
) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    source = tmp_path / f"turned{suffix}"
    Image.fromarray(scene).save(source, exif=exif)
    target = colorized(vivid_colorizer, source, suffix)
    with Image.open(source) as before, Image.open(target) as after:
        assert after.size == before.size
        assert after.getexif().get(0x0112, 1) == orientation
        upright = [np.asarray(ImageOps.exif_transpose(i).convert("RGB")) for i in (before, after)]
    assert (lightness_of(upright[0]) - lightness_of(upright[1])).abs().mean() < 2
    # The network saw it upright: the same as colorizing the upright photo.
    expected = vivid_colorizer.colorize(Picture(np.asarray(read_rgb(source)))).values
    assert np.abs(read_picture(target).values.astype(int) - expected).mean() < 6


def test_exif_and_profile_are_kept(
    tmp_path: Path, scene: np.ndarray, vivid_colorizer: Colorizer
) -> None:
    from PIL import ImageCms

    exif = Image.Exif()
    exif[0x010F] = "A camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(scene).save(tmp_path / "a.jpg", exif=exif, icc_profile=profile)
    for suffix in (".png", ".jpg", ".webp"):
        with Image.open(colorized(vivid_colorizer, tmp_path / "a.jpg", suffix)) as result:
            assert result.getexif()[0x010F] == "A camera"
            assert result.info["icc_profile"] == profile


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 2), (5000, 3), (7, 9)])
def test_extreme_shapes(size: tuple[int, int], vivid_colorizer: Colorizer) -> None:
    grey = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    colored = vivid_colorizer(grey)
    assert colored.shape == (*size, 3)
    assert (lightness_of(colored) - lightness_of(grey[..., None])).abs().max() < 0.6


def test_network_sees_a_bounded_number_of_pixels() -> None:
    assert network_size(300, 600, 96) == (96, 192)
    for shape in ((1, 100_000), (100_000, 1), (10_000, 10_000), (1, 1), (3, 70_000)):
        height, width = network_size(*shape, 96)
        assert height >= 8 and width >= 8
        # The shorter side may not fall below 8 pixels, so a thread of a photo stays long.
        assert height * width <= max(4 * 96 * 96 * 1.05, 8 * max(shape))


def test_color_lands_where_it_belongs() -> None:
    # Left half red, right half blue, at three times the size, over more than one strip.
    ab = torch.zeros(1, 2, 4, 8)
    ab[0, 0, :, :4], ab[0, 1, :, 4:] = 40, -40
    ab[0, :, 2:] = 0
    values = compose_rgb(torch.full((2000, 1600), 50.0), ab)
    assert values[300, 200, 0] > values[300, 200, 2] + 40
    assert values[300, 1400, 2] > values[300, 1400, 0] + 40
    assert np.ptp(values[1900].astype(int), axis=-1).max() <= 2


def test_strips_leave_no_seams() -> None:
    ab = torch.randn(1, 2, 12, 12, generator=torch.Generator().manual_seed(0)) * 10
    lightness = torch.full((1500, 1000), 60.0)
    values = compose_rgb(lightness, ab).astype(int)
    assert np.abs(np.diff(values, axis=0)).max() <= 3


def test_answers_come_in_the_kind_that_was_asked(
    vivid_colorizer: Colorizer, scene: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(scene).save(tmp_path / "a.png")
    from_array = vivid_colorizer(scene)
    assert isinstance(from_array, np.ndarray) and from_array.dtype == np.uint8
    for photo in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(scene)):
        result = vivid_colorizer(photo)
        assert isinstance(result, Image.Image)
        assert np.array_equal(np.asarray(result), from_array)
    floats = vivid_colorizer(scene.astype(np.float32) / 255)
    assert floats.dtype == np.float32
    assert np.abs(floats * 255 - from_array).max() < 1
    halves = vivid_colorizer((scene / 255).astype(np.float16))
    assert halves.dtype == np.float16
    assert np.abs(halves.astype(np.float32) * 255 - from_array).max() < 2
    for wrong in (scene.astype(np.float32), np.full((8, 8), np.nan)):
        with pytest.raises(ValueError, match=r"photo must lie in \[0, 1\]"):
            vivid_colorizer(wrong)
    with pytest.raises(ValueError, match="photo must be"):
        vivid_colorizer(np.zeros((4, 4, 2), np.uint8))


def test_image_with_exif_comes_out_upright(vivid_colorizer: Colorizer, scene: np.ndarray) -> None:
    image = Image.fromarray(scene)
    image.getexif()[0x0112] = 6
    assert vivid_colorizer(image).size == (48, 64)


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    network = ColorAutoencoder()
    stored = Checkpoint(network, "autoencoder", SCALING_2018, 128, (1.5, -2.0))
    save_checkpoint(stored, tmp_path / "model.safetensors")
    checkpoint = load_checkpoint(tmp_path / "model.safetensors")
    assert (checkpoint.name, checkpoint.size) == ("autoencoder", 128)
    assert checkpoint.scaling.ab_scale == (27.6, 39.8)
    assert checkpoint.mean_color == (1.5, -2.0)
    assert not checkpoint.network.training
    lightness = torch.rand(1, 1, 16, 16)
    assert torch.equal(checkpoint.network(lightness), network.eval()(lightness))


def test_a_fingerprint_covers_the_class_maps() -> None:
    colorizers = [Colorizer.load("fusion2018", "cpu") for _ in range(4)]
    assert len({each.fingerprint() for each in colorizers}) == 1
    encoded, scaled, segmented, _ = (each.class_maps for each in colorizers)
    assert encoded and scaled and segmented
    encoded.encoding = "probabilities"
    scaled.logit_max.mul_(2)
    next(segmented.segmenter.parameters()).mul_(0.99)
    assert len({each.fingerprint() for each in colorizers}) == 4


def test_a_fingerprint_covers_how_large_a_photo_is_seen() -> None:
    colorizer = Colorizer.load("pyramid", "cpu")
    before = colorizer.fingerprint()
    colorizer.network.enlargement = 1.5
    assert colorizer.fingerprint() != before


def test_films_of_before_the_scaling_was_renamed_count_as_done() -> None:
    known = "46c9c0e621a467abd520a50cc036cb105bc0108ac54cc8b4800c65a529c1bbca"
    assert Colorizer.load("autoencoder", "cpu").fingerprint() == known


def test_a_model_without_a_vivid_answer_is_named_as_the_user_did(tmp_path: Path) -> None:
    with pytest.raises(VividPastError, match="model autoencoder2018 has no vivid"):
        Colorizer.load("autoencoder2018", "cpu", vivid=True)
    path = tmp_path / "model.safetensors"
    save_checkpoint(Checkpoint(ColorAutoencoder(), "autoencoder", SCALING_2018, 32, (0, 0)), path)
    with pytest.raises(VividPastError, match=f"{path} has no vivid"):
        Colorizer.load(path, "cpu", vivid=True)
    assert Colorizer.load("autoencoder2018", "cpu").name == "autoencoder2018"


def test_models_of_one_network_have_names_that_tell_them_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    for path in (one, two):
        save_checkpoint(load_checkpoint("pyramid"), path)
    names = [each.name for each in load_colorizers([one, "autoencoder", two], "cpu")]
    assert names == [str(one), f"{one} --vivid", "autoencoder", str(two), f"{two} --vivid"]
    names = [each.name for each in load_colorizers([one, "autoencoder"], "cpu")]
    assert names == ["pyramid", "pyramid --vivid", "autoencoder"]


def test_our_own_fault_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    save_checkpoint(Checkpoint(ColorAutoencoder(), "autoencoder", SCALING_2018, 32, (0, 0)), path)

    def faulty(_network: ColorAutoencoder) -> None:
        raise TypeError("a fault of our own")

    monkeypatch.setattr(ColorAutoencoder, "__init__", faulty)
    with pytest.raises(TypeError, match="a fault of our own"):
        load_checkpoint(path)


def test_a_checkpoint_with_the_old_name_of_decoders_loads(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    stored = load_checkpoint("pyramid")
    save_checkpoint(stored, path)
    content = path.read_bytes()
    assert b'\\"decoders\\"' in content
    header = int.from_bytes(content[:8], "little")
    old = content[8 : 8 + header].replace(b"decoders", b"readings") + content[8 + header :]
    path.write_bytes(content[:8] + old)
    assert load_checkpoint(path).decoders == stored.decoders
    assert stored.decoders.keys() == NETWORKS["pyramid"].decoders.keys()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"autoencoder", b"automobiles"),
        (b'\\"unit\\"', b'\\"uni2\\"'),
        (b"[0.0, 0.0]", b"[0.0, [] ]"),
        (b"decoder.1.weight", b"decoder.9.weight"),
    ],
)
def test_damaged_models_are_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint = Checkpoint(ColorAutoencoder(), "autoencoder", UNIT_SCALING, 32, (0.0, 0.0))
    save_checkpoint(checkpoint, path)
    content = path.read_bytes()
    damaged = content.replace(old, new)
    assert damaged != content
    path.write_bytes(damaged)
    with pytest.raises(VividPastError, match="of this project"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x02\0\0\0\0\0\0\0{}"])
def test_files_that_are_no_models_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(VividPastError, match="not a model of this project"):
        load_checkpoint(tmp_path / "m.safetensors")
    with pytest.raises(VividPastError, match="autoencoder"):
        load_checkpoint("nonsuch")


def test_every_shipped_model_colors_and_has_a_card() -> None:
    assert "autoencoder" in shipped_models()
    from vividpast_lib.networks.checkpoints import WEIGHTS_FOLDER

    for name in shipped_models():
        card = (WEIGHTS_FOLDER / f"{name}.md").read_text()
        assert "photos" in card and "epochs" in card and "validation" in card


def test_the_autoencoder_beats_grey_on_photos_it_never_saw() -> None:
    from vividpast_lib.color.metrics import ab_l1
    from vividpast_lib.photos.loader import load_lab
    from vividpast_lib.photos.open import open_photos

    lab = load_lab(open_photos("bundled"), 96)
    predicted = Colorizer.load("autoencoder", "cpu").predict(lab[:, :1])
    grey = lab[:, 1:].abs().mean()
    assert ab_l1(predicted, lab[:, 1:]) < 0.97 * grey
