"""Picture files: what is read of them, what a copy keeps, and which are refused."""

import io
import threading
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageFile, PngImagePlugin

from tests.support.pictures import png_16
from vividpast_lib.photos import picture_reading
from vividpast_lib.photos.open import open_photos
from vividpast_lib.photos.picture import Picture
from vividpast_lib.photos.picture_reading import read_picture, read_rgb
from vividpast_lib.photos.picture_writing import write_picture
from vividpast_lib.runtime.errors import VividPastError

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def deep(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint16) * 257


def save_with_xmp(path: Path, values: np.ndarray) -> None:
    """Save with XMP, EXIF that lacks an orientation, and 300 dpi."""
    image, suffix = Image.fromarray(values), path.suffix
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    if suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP)
        image.save(path, pnginfo=info, exif=exif, dpi=(300, 300))
    elif suffix == ".tif":
        image.save(path, tiffinfo={700: XMP, 0x010F: "A camera"}, dpi=(300, 300))
    else:
        image.save(path, xmp=XMP, exif=exif, dpi=(300, 300))


def test_16_bit_png_keeps_orientation_and_profile(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    values = np.arange(600, dtype=np.uint16).reshape(30, 20, 1) * 100
    picture = Picture(values, orientation=6, exif=exif.tobytes(), icc_profile=b"profile data")
    write_picture(picture, tmp_path / "deep.png")
    again = read_picture(tmp_path / "deep.png")
    assert np.array_equal(again.values, values)
    assert again.orientation == 6
    with Image.open(tmp_path / "deep.png") as image:
        assert image.size == (30, 20)
        assert image.info["icc_profile"] == b"profile data"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"hello", "is not a photo"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not a photo|damaged"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (read_picture, read_rgb):
        with pytest.raises(VividPastError, match=f"{name}.*({message})"):
            read(tmp_path / name)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_a_truncated_photo_is_named(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for read in (read_picture, read_rgb):
        with pytest.raises(VividPastError, match=f"cut{suffix}"):
            read(path)


def test_writing_leaves_the_old_file_if_it_fails(tmp_path: Path, scene: np.ndarray) -> None:
    target = tmp_path / "photo.jpg"
    target.write_bytes(b"precious")
    alpha = np.zeros(scene.shape[:2], np.uint8)
    with pytest.raises(VividPastError, match="transparency"):
        write_picture(Picture(scene, alpha), target)
    with pytest.raises(VividPastError, match="can't write this kind"):
        write_picture(Picture(scene), tmp_path / "photo.xyz")
    huge = Picture(np.zeros((1, 70_000, 1), np.uint8))
    with pytest.raises(VividPastError, match="can't hold a side"):
        write_picture(huge, target)
    assert target.read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("target", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("source", [".jpg", ".png", ".tif", ".webp"])
def test_orientation_that_stands_in_xmp_alone_survives(
    source: str, target: str, tmp_path: Path, scene: np.ndarray
) -> None:
    save_with_xmp(tmp_path / f"in{source}", scene[:20, :40])
    picture = read_picture(tmp_path / f"in{source}")
    assert picture.values.shape == (40, 20, 3)
    write_picture(picture, tmp_path / f"out{target}")
    with Image.open(tmp_path / f"out{target}") as image:
        # Stored as the source was; of TIFF Pillow says the upright size.
        assert image.size == ((20, 40) if target == ".tif" else (40, 20))
        assert image.getexif()[0x0112] == 6
    again = read_picture(tmp_path / f"out{target}")
    assert again.values.shape == (40, 20, 3)
    assert again.orientation == 6
    assert np.abs(again.values.astype(int) - picture.values).mean() < 5


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_keep_orientation_xmp_and_resolution(
    suffix: str, tmp_path: Path, scene: np.ndarray
) -> None:
    values = deep(scene)
    stored = Picture(values, orientation=6, xmp=XMP, dpi=(300.0, 150.0), icc_profile=b"profile")
    write_picture(stored, tmp_path / f"a{suffix}")
    again = read_picture(tmp_path / f"a{suffix}")
    assert np.array_equal(again.values, values)
    assert (again.orientation, again.xmp, again.icc_profile) == (6, XMP, b"profile")
    assert again.dpi == pytest.approx((300, 150), abs=0.02)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.info["xmp"] == XMP
        assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)


def test_orientation_in_xmp_alone_of_a_16_bit_tiff(tmp_path: Path, scene: np.ndarray) -> None:
    tag = (700, "B", len(XMP), XMP, True)
    tifffile.imwrite(tmp_path / "a.tif", deep(scene), photometric="rgb", extratags=[tag])
    picture = read_picture(tmp_path / "a.tif")
    assert picture.values.shape == (64, 48, 3)
    write_picture(picture, tmp_path / "b.tif")
    assert np.array_equal(read_picture(tmp_path / "b.tif").values, picture.values)


@pytest.mark.parametrize("target", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("source", [".jpg", ".png", ".tif", ".webp"])
def test_resolution_and_xmp_are_kept(
    source: str, target: str, tmp_path: Path, scene: np.ndarray
) -> None:
    save_with_xmp(tmp_path / f"in{source}", scene)
    write_picture(read_picture(tmp_path / f"in{source}"), tmp_path / f"out{target}")
    with Image.open(tmp_path / f"out{target}") as image:
        assert image.info["xmp"] == XMP
        if ".webp" not in (source, target):  # it has no field for the resolution
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_no_resolution_is_made_up(tmp_path: Path, scene: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    for name in ("a.jpg", "a.tif", "a.png"):
        Image.fromarray(scene).save(tmp_path / name, exif=exif)
        assert read_picture(tmp_path / name).dpi is None
    tifffile.imwrite(tmp_path / "deep.tif", deep(scene), photometric="rgb")
    assert read_picture(tmp_path / "deep.tif").dpi is None


def test_jpeg_leaves_out_metadata_that_it_has_no_room_for(
    tmp_path: Path, scene: np.ndarray
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera" * 10_000
    large = Picture(scene, orientation=6, exif=exif.tobytes(), xmp=XMP + b" " * 70_000)
    write_picture(large, tmp_path / "a.jpg")
    picture = read_picture(tmp_path / "a.jpg")
    assert (picture.orientation, picture.xmp) == (6, b"")


def grey_profile(gamma: float) -> bytes:
    return bytes(imagecodecs.cms_profile("gray", gamma=gamma))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_grey_profile_of_16_bits_is_converted(suffix: str, alpha: bool, tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16, 1)
    opacity = ramp[..., 0] if alpha else None
    profile = grey_profile(1.0)
    write_picture(Picture(ramp, opacity, icc_profile=profile), tmp_path / f"deep{suffix}")
    picture = read_picture(tmp_path / f"deep{suffix}")
    assert picture.values.shape == (16, 16, 3) and picture.values.dtype == np.uint16
    assert picture.icc_profile == b""
    assert (picture.alpha is not None) == alpha
    write_picture(Picture((ramp // 257).astype(np.uint8), icc_profile=profile), tmp_path / "8.png")
    in_8_bits = read_picture(tmp_path / "8.png").values
    assert np.abs(picture.values / 257 - in_8_bits).max() < 1.1
    middle = picture.values[8, 0, 0] / 65535  # linear 0.5, which sRGB writes as 0.735
    assert middle == pytest.approx(0.736, abs=0.003)


@pytest.mark.parametrize("profile", [b"no profile", "sRGB"])
def test_a_profile_that_is_not_for_grey_is_left_out(profile: bytes | str, tmp_path: Path) -> None:
    if profile == "sRGB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    values = np.arange(256, dtype=np.uint16).reshape(16, 16, 1) * 257
    write_picture(Picture(values, icc_profile=profile), tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert np.array_equal(picture.values, values)
    assert picture.icc_profile == b""


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_16_bit_png_is_read(channels: int, interlaced: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for shape in ((13, 11), (1, 1), (3, 20)):
        values = random.integers(0, 65536, (*shape, channels), dtype=np.uint16)
        picture = read_picture("a.png", png_16(values, interlaced))
        assert np.array_equal(picture.values, values[..., : 1 if channels < 3 else 3])
        if channels in (2, 4):
            assert np.array_equal(picture.alpha, values[..., -1])
        write_picture(picture, tmp_path / "a.png")
        again = read_picture(tmp_path / "a.png")
        assert np.array_equal(again.values, picture.values)
        assert np.array_equal(again.alpha, picture.alpha) or picture.alpha is None


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd", "packbits", "jpeg2000"])
@pytest.mark.parametrize("grey", [False, True])
def test_16_bit_tiffs_of_every_compression_are_read(
    compression: str | None, grey: bool, tmp_path: Path, scene: np.ndarray
) -> None:
    values = deep(scene[..., :1] if grey else scene)
    tifffile.imwrite(
        tmp_path / "a.tif",
        values.squeeze(),
        compression=compression,
        photometric="minisblack" if grey else "rgb",
    )
    assert np.array_equal(read_picture(tmp_path / "a.tif").values, values)


def test_tiffs_of_12_bits_are_as_bright_as_those_of_16(tmp_path: Path) -> None:
    values = np.linspace(0, 4095, 256).astype(np.uint16).reshape(16, 16)
    tifffile.imwrite(tmp_path / "a.tif", values, bitspersample=12, photometric="minisblack")
    picture = read_picture(tmp_path / "a.tif")
    assert np.array_equal(picture.values[..., 0], np.round(values * (65535 / 4095)))


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_floats_are_read_by_the_range_that_they_fill(
    white: int, tmp_path: Path, scene: np.ndarray
) -> None:
    grey = scene[..., 0]
    for share in (1.0, 1.02):  # all within the range, and what sharpening brings above it
        values = grey.astype(np.float32) / grey.max() * white * share
        Image.fromarray(values).save(tmp_path / "a.tif")
        read = read_picture(tmp_path / "a.tif").values[..., 0]
        assert np.abs(read / 65535 - grey / grey.max()).max() < 1e-3
    Image.fromarray(np.full((8, 8), white / 2, np.float32)).save(tmp_path / "a.tif")
    assert np.abs(read_picture(tmp_path / "a.tif").values - 32767.5).max() <= 1


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.float32])
def test_dead_pixels_and_small_numbers_leave_a_photo_its_brightness(
    dtype: type, tmp_path: Path
) -> None:
    ramp = np.arange(256, dtype=dtype).reshape(16, 16).repeat(8, 0).repeat(8, 1)
    expected = ramp.astype(np.float64) * 257
    if dtype == np.float32:
        ramp[0, :3] = np.inf, -np.inf, 3 * 255
    tifffile.imwrite(tmp_path / "photo.tif", ramp)
    values = read_picture(tmp_path / "photo.tif").values[..., 0]
    assert np.abs(values - expected)[1:].max() <= 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_of_a_camera_is_written_and_damaged_exif_left_out(
    suffix: str, tmp_path: Path, scene: np.ndarray
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[36867] = "1950:01:01 00:00:00"
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(scene).save(tmp_path / "photo.jpg", exif=exif)
    write_picture(read_picture(tmp_path / "photo.jpg"), tmp_path / f"copy{suffix}")
    with Image.open(tmp_path / f"copy{suffix}") as copy:
        assert copy.getexif().get_ifd(0x8769)[36867] == "1950:01:01 00:00:00"
    for damaged in (b"Exif\0\0garbagegarbage", b"Exif\0\0II*\0"):
        Image.fromarray(scene).save(tmp_path / "photo.jpg", exif=damaged)
        picture = read_picture(tmp_path / "photo.jpg")
        assert picture.notes == ["without its EXIF, which is damaged"]
        write_picture(picture, tmp_path / f"copy{suffix}")


def test_reading_in_two_threads_changes_nothing_of_the_process(
    tmp_path: Path, scene: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(scene).save(tmp_path / "a.png")
    limit, filters = 1000, list(warnings.filters)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # a third of the photo
    both_read = threading.Barrier(2, timeout=60)
    during = []
    load = ImageFile.ImageFile.load

    def watched(image: ImageFile.ImageFile) -> object:
        if image.tile:
            both_read.wait()
            during.append((Image.MAX_IMAGE_PIXELS, list(warnings.filters)))
            both_read.wait()
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", watched)
    shapes = []

    def read() -> None:
        shapes.append(read_picture(tmp_path / "a.png").values.shape)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shapes == [scene.shape] * 2
    assert during == [(limit, filters)] * 2
    assert (limit, filters) == (Image.MAX_IMAGE_PIXELS, list(warnings.filters))


def test_pictures_too_large_are_refused_before_they_are_decoded(
    tmp_path: Path, scene: np.ndarray
) -> None:
    bomb = io.BytesIO()
    Image.new("1", (8, 8)).save(bomb, "PNG")
    content = bytearray(bomb.getvalue())
    content[16:24] = (30_000).to_bytes(4, "big") * 2  # IHDR: width and height
    content[29:33] = imagecodecs.zlib_crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(content)
    (tmp_path / "deep.png").write_bytes(png_16(deep(scene), size=(30_000, 30_000)))
    for name in ("bomb.png", "deep.png"):
        for read in (read_picture, read_rgb):
            with pytest.raises(VividPastError, match=f"{name}: 30000 x 30000 pixels are more"):
                read(tmp_path / name)
    assert open_photos(tmp_path).shorter_sides().tolist() == [0, 0]


@pytest.mark.parametrize("fault", [ZeroDivisionError, ValueError, IndexError])
@pytest.mark.parametrize("name", ["turn_stored", "to_image", "_picture"])
def test_our_own_faults_are_not_called_damage(
    name: str, fault: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGBA", (8, 8)).save(tmp_path / "a.png")

    def wrong(*_: object) -> None:
        raise fault("a mistake")

    monkeypatch.setattr(picture_reading, name, wrong)
    with pytest.raises(fault, match="a mistake"):
        read_rgb(tmp_path / "a.png")


def many_kinds(scene: np.ndarray) -> dict[str, bytes]:
    """Make small files of many formats and layouts."""
    image, exif, files = Image.fromarray(scene), Image.Exif(), {}
    exif[0x0112], exif[0x010F] = 6, "A camera"

    def add(name: str, image: Image.Image = image, **options: object) -> None:
        content = io.BytesIO()
        image.save(content, name.split()[-1], **options)
        files[name] = content.getvalue()

    add("JPEG", exif=exif, xmp=XMP)
    add("progressive JPEG", progressive=True)
    add("CMYK JPEG", image.convert("CMYK"))
    add("PNG", exif=exif)
    add("palette PNG", image.quantize(16), transparency=3)
    add("animated GIF", image.quantize(16), save_all=True, append_images=[image.quantize(8)])
    for each in ("BMP", "PPM", "WEBP", "TGA"):
        add(each)
    for each in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"):
        add(f"{each} TIFF", compression=each, exif=exif)
    add("float TIFF", Image.fromarray(scene[..., 0].astype(np.float32)))
    for each in (None, "zlib", "lzw", "zstd", "packbits", "jpeg2000"):
        content = io.BytesIO()
        tifffile.imwrite(content, deep(scene), compression=each, photometric="rgb")
        files[f"16-bit {each} TIFF"] = content.getvalue()
    files["16-bit PNG"] = png_16(deep(scene))
    files["interlaced 16-bit PNG"] = png_16(deep(scene), interlaced=True)
    return files


@pytest.mark.filterwarnings("ignore")  # Pillow's own, of damage
def test_damaged_bytes_end_in_one_sentence(scene: np.ndarray) -> None:
    """Whatever is cut off or overwritten: the photo is read, or refused by name."""
    random = np.random.default_rng(0)
    refused = 0
    for name, whole in many_kinds(scene).items():
        read_picture(name, whole)
        for trial in range(60):
            content = np.frombuffer(whole, np.uint8).copy()
            if trial % 3 == 0:
                content = content[: random.integers(1, len(content))]
            else:
                end = len(content) if trial % 3 == 1 else min(300, len(content))
                content[random.integers(0, end, 8)] = random.integers(0, 256, 8)
            for read in (read_picture, read_rgb):
                try:
                    read(name, content=content.tobytes())
                except VividPastError as error:
                    refused += 1
                    assert str(error).startswith(f"{name}: ")
                    assert "\n" not in str(error) and str(error).endswith(".")
    assert refused > 1000


def test_strips_without_rows_are_damage(scene: np.ndarray) -> None:
    content = io.BytesIO()
    tifffile.imwrite(content, deep(scene), photometric="rgb", compression="zlib")
    content.seek(0)
    with tifffile.TiffFile(content, mode="r+b") as tiff:
        tiff.pages.first.tags["RowsPerStrip"].overwrite(0)
    with pytest.raises(VividPastError, match=r"is damaged .*strips without rows"):
        read_picture("a.tif", content.getvalue())


@pytest.mark.parametrize("target", [".jpg", ".png", ".tif", ".webp"])
def test_a_tag_counts_and_not_another_orientation_in_xmp(
    target: str, tmp_path: Path, scene: np.ndarray
) -> None:
    tags = [(0x0112, "H", 1, 1, True), (700, "B", len(XMP), XMP, True)]
    tifffile.imwrite(tmp_path / "a.tif", scene[:20, :40], photometric="rgb", extratags=tags)
    picture = read_picture(tmp_path / "a.tif")
    assert (picture.values.shape, picture.orientation) == ((20, 40, 3), 1)
    write_picture(picture, tmp_path / f"b{target}")
    assert read_picture(tmp_path / f"b{target}").values.shape == (20, 40, 3)


@pytest.mark.parametrize("target", [".jpg", ".png", ".tif", ".webp"])
def test_the_exif_of_a_webp_is_kept(target: str, tmp_path: Path, scene: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Canon"
    Image.fromarray(scene[:20, :40]).save(tmp_path / "a.webp", exif=exif)
    write_picture(read_picture(tmp_path / "a.webp"), tmp_path / f"b{target}")
    assert read_picture(tmp_path / f"b{target}").values.shape == (40, 20, 3)
    if target != ".tif":  # of whose tags only the orientation is kept
        with Image.open(tmp_path / f"b{target}") as image:
            assert image.getexif()[0x010F] == "Canon"


def test_orientation_in_xmp_with_single_quotes(tmp_path: Path, scene: np.ndarray) -> None:
    xmp = XMP.replace(b'"', b"'")
    Image.fromarray(scene[:20, :40]).save(tmp_path / "a.jpg", xmp=xmp)
    assert read_picture(tmp_path / "a.jpg").values.shape == (40, 20, 3)
