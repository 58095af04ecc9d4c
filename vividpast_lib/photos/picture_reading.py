"""A picture file -> a picture, with nothing lost: size, depth, alpha, orientation, metadata.

Pillow decodes what has 8 bits a channel, imagecodecs and tifffile what has more.
"""

import contextlib
import io
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ..runtime.errors import VividPastError
from .picture import EXIF_ORIENTATION, TURNS, Picture, to_image, turn_stored

LARGEST_PICTURE = 400_000_000  # pixels; more would not fit a laptop's memory
EXIF_PREFIX = b"Exif\0\0"
EXIF_RESOLUTION = 0x011A
# What decoders raise for damaged bytes; the errors of imagecodecs are RuntimeErrors.
DECODING_ERRORS = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, RuntimeError,
    struct.error, zlib.error,
)  # fmt: skip


class _Metadata(NamedTuple):
    """What a file says of its pixels, as its decoder gives it."""

    orientation: object
    xmp: object
    frames: int
    icc_profile: bytes
    exif: bytes = b""
    dpi: tuple[float, float] | None = None


def read_picture(path: Path | str, content: bytes | None = None) -> Picture:
    """Read a photo of any common kind.

    Grey, palette, CMYK, alpha and 16-bit files are understood; a CMYK or grey colour profile is
    converted to sRGB, an RGB one is kept as it is.

    Parameters
    ----------
    path : Path or str
        A picture file; its content counts, not its suffix.
    content : bytes, optional
        What the file holds, if it lies within another one; ``path`` then only names it.

    Returns
    -------
    Picture

    Raises
    ------
    VividPastError
        If the file is missing, empty, damaged, too large, or no picture.
    """
    path = Path(path)
    with _opened(path, content) as file:
        head = file.read(26)
        decoded: tuple[_Metadata, Image.Image | np.ndarray] | None = None
        if head[:2] in (b"II", b"MM"):
            decoded = _decode_tiff_16(path, file)
        if decoded is None:
            image = _open_image(path, file)
            decoded = _metadata(image), image
            if image.format == "PNG" and head[24] == 16:  # IHDR: bit depth
                file.seek(0)
                decoded = decoded[0], np.atleast_3d(imagecodecs.png_decode(file.read()))
            else:
                image.load()
    return _finish(*decoded)


def read_rgb(path: Path | str, at_least: int = 0, content: bytes | None = None) -> Image.Image:
    """Read a photo quickly as 8-bit RGB, upright, for training or a preview.

    Parameters
    ----------
    path : Path or str
        A picture file.
    at_least : int
        The shorter side needed, in pixels. A large JPEG is then decoded at a fraction of its
        size, no smaller than this; 0 decodes it whole.
    content : bytes, optional
        As in `read_picture`.

    Returns
    -------
    PIL.Image.Image, mode RGB

    Raises
    ------
    VividPastError
        As `read_picture`.
    """
    path = Path(path)
    with _opened(path, content) as file:
        image = _open_image(path, file)
        if at_least:
            image.draft("RGB", (at_least, at_least))
        if image.mode in ("RGB", "L"):
            return ImageOps.exif_transpose(image).convert("RGB")
    picture = read_picture(path, content)
    return to_image(picture.values).convert("RGB")


def read_shorter_side(path: Path, content: bytes | None = None) -> int:
    """Read a photo's shorter side in pixels, from the header alone; see `read_picture`."""
    with _opened(path, content) as file:
        return min(_open_image(path, file).size)


def from_image(image: Image.Image) -> Picture:
    """Make a `Picture` of a Pillow image of any mode.

    Colour comes out with 8 bits a channel, which is all that Pillow has; grey with up to 16.
    """
    metadata = _metadata(image)
    image.load()
    return _finish(metadata, image)


@contextlib.contextmanager
def decoding_errors(name: Path | str) -> Iterator[None]:
    """Raise VividPastError in place of `DECODING_ERRORS`; call only decoders within.

    An error in our own code would be taken for damage to the photo called ``name``.
    """
    try:
        yield
    except UnidentifiedImageError:
        raise VividPastError(
            f"{name}: is not a photo that can be read; give a JPEG, PNG, TIFF or WebP."
        ) from None
    except PermissionError:
        raise VividPastError(f"{name}: may not be read; check its permissions.") from None
    except (MemoryError, Image.DecompressionBombError):
        raise VividPastError(f"{name}: does not fit in memory; make it smaller.") from None
    except DECODING_ERRORS as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise VividPastError(
            f"{name}: is damaged and can't be read ({reason}); copy it again from where it came."
        ) from None


@contextlib.contextmanager
def _opened(path: Path, content: bytes | None) -> Iterator[BinaryIO]:
    """Open a picture file, or what it holds, for decoders; see `decoding_errors`."""
    if content is None and not os.path.exists(path):  # noqa: PTH110 - a long name may not raise
        raise VividPastError(f"{path}: there is no such file; check the name.")
    if content is None and path.is_dir():
        raise VividPastError(f"{path}: is a folder, not a photo.")
    if (path.stat().st_size if content is None else len(content)) == 0:
        raise VividPastError(f"{path}: is empty; copy it again from where it came.")
    with (
        decoding_errors(path),
        path.open("rb") if content is None else io.BytesIO(content) as file,
    ):
        yield file


def _open_image(path: Path, file: BinaryIO) -> Image.Image:
    """Open as `PIL.Image.open` does, but for its size limit, which all of a process shares."""
    file.seek(0)
    start = file.read(16)
    for load_plugins in (Image.preinit, Image.init):  # first the few usual ones
        load_plugins()
        for name in Image.ID:
            factory, accept = Image.OPEN[name]
            accepted = accept(start) if accept else True
            if not accepted or isinstance(accepted, str):  # a str says why not
                continue
            file.seek(0)
            with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
                image = factory(file, "")
                _check_size(path, image.width, image.height)
                return image
    raise UnidentifiedImageError


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > LARGEST_PICTURE:
        raise VividPastError(
            f"{path}: {width} x {height} pixels are more than the {LARGEST_PICTURE // 10**6} "
            "megapixels that fit in memory; make it smaller."
        )


def _decode_tiff_16(path: Path, file: BinaryIO) -> tuple[_Metadata, np.ndarray] | None:
    """Decode a grey or RGB TIFF of 9 to 16 bits; None if it is something else."""
    file.seek(0)
    try:
        tiff = tifffile.TiffFile(file)
    except tifffile.TiffFileError:
        return None
    page = tiff.pages.first
    _check_size(path, page.imagewidth, page.imagelength)
    kinds = tifffile.PHOTOMETRIC
    known = page.photometric in (kinds.MINISBLACK, kinds.MINISWHITE, kinds.RGB)
    if page.dtype != np.uint16 or not known or page.samplesperpixel > 4:
        return None
    tag = page.tags.valueof
    stated = EXIF_RESOLUTION in page.tags and tag("ResolutionUnit", 2) in (2, 3)  # inch, centimetre
    metadata = _Metadata(
        tag(EXIF_ORIENTATION),
        tag("XMP"),
        len(tiff.pages),
        tag("InterColorProfile", b""),
        dpi=page.get_resolution("INCH") if stated else None,
    )
    try:
        values = page.asarray().reshape(page.shape)
    except ZeroDivisionError:  # by tifffile, of strips without rows
        raise tifffile.TiffFileError("strips without rows") from None
    if page.axes.startswith("S"):  # channels stored one after the other
        values = np.moveaxis(values, 0, -1)
    peak = 2**page.bitspersample - 1
    if peak < 65535:
        values = ((values * np.uint32(65535) + peak // 2) // peak).astype(np.uint16)
    if page.photometric == kinds.MINISWHITE:
        values = 65535 - values
    return metadata, np.atleast_3d(values)


def _metadata(image: Image.Image) -> _Metadata:
    """Read all but the pixels, before Pillow loads them: that changes the metadata of a TIFF."""
    exif = image.getexif()  # with the orientation of XMP, if EXIF has none
    # Of JPEGs and TIFFs without a resolution Pillow says that they have 72 or 1 dots per inch.
    stated = image.info.get("jfif_unit") or EXIF_RESOLUTION in exif
    return _Metadata(
        exif.get(EXIF_ORIENTATION),
        image.info.get("xmp"),
        1 if image.format == "MPO" else getattr(image, "n_frames", 1),
        image.info.get("icc_profile") or b"",
        # A TIFF's tags describe its own layout; of those only the orientation is worth keeping.
        b"" if image.format == "TIFF" else image.info.get("exif", b""),
        image.info.get("dpi") if stated or image.format not in ("JPEG", "MPO", "TIFF") else None,
    )


def _picture(metadata: _Metadata) -> Picture:
    """Make a picture that has metadata but no values yet."""
    picture = Picture(np.empty((0, 0, 1), np.uint8), icc_profile=metadata.icc_profile)
    xmp = metadata.xmp.encode() if isinstance(metadata.xmp, str) else metadata.xmp
    picture.xmp = xmp if isinstance(xmp, bytes) else b""
    orientation = metadata.orientation
    in_xmp = re.search(rb"tiff:Orientation(?:=[\"']|>)([1-8])", picture.xmp)
    if orientation is None and in_xmp:
        orientation = int(in_xmp[1])
    if isinstance(orientation, int) and orientation in TURNS:
        picture.orientation = orientation
    if metadata.frames > 1:
        picture.notes.append(f"the first of {metadata.frames} pictures in the file")
    if exif := metadata.exif:
        # Of WebP it has no prefix, which JPEG needs.
        exif = exif if exif.startswith(EXIF_PREFIX) else EXIF_PREFIX + exif
        if _can_be_written(exif):
            picture.exif = exif
        else:
            picture.notes.append("without its EXIF, which is damaged")
    if metadata.dpi:
        picture.dpi = _plausible(metadata.dpi)
    return picture


def _can_be_written(exif: bytes) -> bool:
    """Whether EXIF can be parsed and put together again, as it has to be for a new orientation."""
    try:
        parsed = Image.Exif()
        parsed.load(exif)
        parsed.tobytes()
    except (*DECODING_ERRORS, KeyError):
        return False
    return True


def _plausible(dpi: tuple[float, float]) -> tuple[float, float] | None:
    """Give a resolution that every format can hold, or None."""
    across, down = (float(each) for each in dpi)
    return (across, down) if 1 <= across <= 65535 and 1 <= down <= 65535 else None


def _finish(metadata: _Metadata, pixels: Image.Image | np.ndarray) -> Picture:
    """Make a picture of what was decoded, and turn it upright."""
    picture = _picture(metadata)
    turned = getattr(pixels, "format", None) == "TIFF"  # by Pillow, on loading
    if isinstance(pixels, np.ndarray):
        _fill_16_bit(picture, pixels)
    elif pixels.mode in ("I", "F") or pixels.mode.startswith("I;16"):
        _fill_16_bit(picture, _to_uint16(np.asarray(pixels)))
    else:
        _fill_8_bit(picture, pixels)
    return picture if turned else turn_stored(picture, picture.orientation)


def _fill_8_bit(picture: Picture, image: Image.Image) -> None:
    """Set values, alpha and profile from a Pillow image of any mode of 8 bits."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        was_grey = image.mode in ("1", "L", "LA", "La")
        image = image.convert("RGBA")
        picture.alpha = np.asarray(image.getchannel("A"))
        image = image.convert("L" if was_grey else "RGB")
    if image.mode == "1":
        image = image.convert("L")
    if image.mode != "RGB":  # a profile that is not for RGB is used up
        profile, picture.icc_profile = picture.icc_profile, b""
        if profile and image.mode in ("CMYK", "L", "LAB"):
            # A broken profile is no reason to refuse the photo: the plain conversion is close.
            with contextlib.suppress(ImageCms.PyCMSError, OSError):
                source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
                srgb = ImageCms.createProfile("sRGB")
                image = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB") or image
        if profile or image.mode != "L":
            image = image.convert("RGB")
    picture.values = np.atleast_3d(np.asarray(image))


def _fill_16_bit(picture: Picture, pixels: np.ndarray) -> None:
    """Set values, alpha and profile from uint16 (H, W, 1 to 4)."""
    channels = pixels.shape[2]
    picture.values = np.ascontiguousarray(pixels[..., : 1 if channels < 3 else 3])
    picture.alpha = pixels[..., -1].copy() if channels in (2, 4) else None
    if channels < 3 and picture.icc_profile:
        profile, picture.icc_profile = picture.icc_profile, b""
        with contextlib.suppress(imagecodecs.CmsError):  # as in _fill_8_bit
            picture.values = imagecodecs.cms_transform(
                picture.values[..., 0],
                profile,
                imagecodecs.cms_profile("srgb"),
                colorspace="gray",
                outcolorspace="rgb",
            )


def _to_uint16(grey: np.ndarray) -> np.ndarray:
    """Bring grey values of 16 or 32 bits or floats to uint16, (H, W, 1)."""
    if grey.dtype == np.uint16:
        return grey[..., None]
    # White is 1 (of floats), 255 or 65535: the least that the brightest values are not far above.
    whites = (1, 255, 65535) if grey.dtype.kind == "f" else (255, 65535)
    grey = grey.astype(np.float64)
    finite = grey[np.isfinite(grey)]
    # But for a few, such as dead pixels, which are clipped.
    low, high = np.quantile(finite, [0, 0.999]) if finite.size else (0, 0)
    low = min(low, 0.0)
    if low == 0:
        brightest = finite.max(initial=0)
        high = max(high, next((white for white in whites if high < 2 * white), brightest))
    grey = np.nan_to_num(grey, nan=low, posinf=high, neginf=low).clip(low, high)
    return np.round((grey - low) / max(high - low, 1e-12) * 65535).astype(np.uint16)[..., None]
