"""One picture file <-> one array, with nothing lost: size, depth, alpha, orientation.

What each format needs stays in here; the rest of the library sees a `Picture`.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ..runtime.errors import VividPastError
from .picture import EXIF_ORIENTATION, TURNS, Picture, to_image, turn_stored

LARGEST_PICTURE = 400_000_000  # pixels; more would not fit a laptop's memory


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
        deep = _read_png_16(path, file) or _read_tiff_16(path, file)
        if deep:
            return turn_stored(deep, deep.orientation)
        with Image.open(file) as image:
            _check_size(path, image.width, image.height)
            return from_image(image)


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > LARGEST_PICTURE:
        raise VividPastError(
            f"{path}: {width} x {height} pixels are more than the {LARGEST_PICTURE // 10**6} "
            "megapixels that fit in memory; make it smaller."
        )


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
    with _opened(path, content) as file, Image.open(file) as image:
        if at_least:
            image.draft("RGB", (at_least, at_least))
        if image.mode in ("RGB", "L"):
            return ImageOps.exif_transpose(image).convert("RGB")
    picture = read_picture(path, content)
    return to_image(picture.values).convert("RGB")


@contextlib.contextmanager
def _opened(path: Path, content: bytes | None) -> Iterator[BinaryIO]:
    """Turn what decoders raise into one sentence, and lift Pillow's own size limit meanwhile."""
    if content is None and not path.exists():
        raise VividPastError(f"{path}: there is no such file; check the name.")
    if content is None and path.is_dir():
        raise VividPastError(f"{path}: is a folder, not a photo.")
    if (path.stat().st_size if content is None else len(content)) == 0:
        raise VividPastError(f"{path}: is empty; copy it again from where it came.")
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") if content is None else io.BytesIO(content) as file:
                yield file
    except UnidentifiedImageError:
        raise VividPastError(
            f"{path}: is not a photo that can be read; give a JPEG, PNG, TIFF or WebP."
        ) from None
    except PermissionError:
        raise VividPastError(f"{path}: may not be read; check its permissions.") from None
    except VividPastError:
        raise
    except MemoryError:
        raise VividPastError(f"{path}: does not fit in memory; make it smaller.") from None
    except Exception as error:  # decoders raise whatever comes of damaged bytes
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise VividPastError(
            f"{path}: is damaged and can't be read ({reason}); copy it again from where it came."
        ) from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def from_image(image: Image.Image) -> Picture:
    """Make a `Picture` of a Pillow image of any mode.

    Colour comes out with 8 bits a channel, which is all that Pillow has; grey with up to 16.
    """
    picture = Picture(np.empty((0, 0, 1), np.uint8))
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # MPO: a phone's JPEG with a hidden second view
        picture.notes.append(f"the first of {frames} pictures in the file")
    picture.orientation = _known(image.getexif().get(EXIF_ORIENTATION, 1))
    # A TIFF's tags describe its own layout; of those only the orientation is worth keeping.
    picture.exif = b"" if image.format == "TIFF" else image.info.get("exif", b"")
    image.load()
    turned = image.format == "TIFF"  # by Pillow, on loading
    _fill(picture, image)
    return picture if turned else turn_stored(picture, picture.orientation)


def _known(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and orientation in TURNS else 1


def _fill(picture: Picture, image: Image.Image) -> None:
    """Set values, alpha and profile of ``picture`` from an image of any mode."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        picture.values = _spread_to_16_bit(np.asarray(image))
        return
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        was_grey = image.mode in ("1", "L", "LA", "La")
        image = image.convert("RGBA")
        picture.alpha = np.asarray(image.getchannel("A"))
        image = image.convert("L" if was_grey else "RGB")
    if image.mode == "1":
        image = image.convert("L")
    icc_profile = image.info.get("icc_profile") or b""
    if image.mode != "L" or icc_profile:
        image, picture.icc_profile = _to_rgb(image, icc_profile)
    values = np.asarray(image)
    picture.values = values[..., None] if values.ndim == 2 else values


def _to_rgb(image: Image.Image, icc_profile: bytes) -> tuple[Image.Image, bytes]:
    """Convert to RGB; a profile that is not for RGB is used up in doing so."""
    if image.mode == "RGB":
        return image, icc_profile
    if icc_profile and image.mode in ("CMYK", "L", "LAB"):
        # A broken profile is no reason to refuse the photo: the plain conversion is close.
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
            converted = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            assert converted is not None  # only None when done in place
            return converted, b""
    return image.convert("RGB"), b""


def _read_png_16(path: Path, file: BinaryIO) -> Picture | None:
    """Read a 16-bit PNG, whose colours Pillow would cut to 8 bits; None if it is something else."""
    file.seek(0)
    head = file.read(26)
    if len(head) < 26 or not head.startswith(b"\x89PNG") or head[24] != 16:  # IHDR: bit depth
        return None
    with Image.open(file) as image:  # for the metadata
        _check_size(path, image.width, image.height)
        orientation = _known(image.getexif().get(EXIF_ORIENTATION))
        exif, icc_profile = image.info.get("exif", b""), image.info.get("icc_profile") or b""
    from torchvision.io import decode_png  # here, because it is slow to import

    file.seek(0)
    data = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
    values, alpha = _split_alpha(decode_png(data).permute(1, 2, 0).numpy())
    return Picture(values, alpha, orientation, exif, icc_profile)


def _read_tiff_16(path: Path, file: BinaryIO) -> Picture | None:
    """Read a 16-bit grey or RGB TIFF, as `_read_png_16`."""
    file.seek(0)
    if file.read(2) not in (b"II", b"MM"):
        return None
    file.seek(0)
    tifffile.logger().setLevel(logging.CRITICAL)  # what is wrong is said once, by the caller
    try:
        with tifffile.TiffFile(file) as tiff:
            page = tiff.pages.first
            _check_size(path, page.imagewidth, page.imagelength)
            known = page.photometric in (
                tifffile.PHOTOMETRIC.MINISBLACK,
                tifffile.PHOTOMETRIC.MINISWHITE,
                tifffile.PHOTOMETRIC.RGB,
            )
            if page.dtype != np.uint16 or not known or page.samplesperpixel > 4:
                return None
            orientation = _known(page.tags.valueof(EXIF_ORIENTATION))
            icc_profile = page.tags.valueof("InterColorProfile", b"")
            values = page.asarray().reshape(page.shape)
            if page.axes.startswith("S"):  # channels stored one after the other
                values = np.moveaxis(values, 0, -1)
            if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
                values = 65535 - values
            notes = [f"the first of {len(tiff.pages)} pictures in the file"]
            notes = notes if len(tiff.pages) > 1 else []
    except tifffile.TiffFileError:
        return None
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        if page.samplesperpixel == 1:
            return None  # Pillow keeps 16-bit grey
        raise VividPastError(
            f"{path}: is a 16-bit TIFF of a rarer compression; save it again with ZIP compression "
            "or none, or run `pip install imagecodecs`."
        ) from None
    values, alpha = _split_alpha(values.reshape(*values.shape[:2], -1))
    return Picture(values, alpha, orientation, b"", icc_profile, notes)


def _split_alpha(channels_last: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Split (H, W, 1 to 4) into grey or RGB values and alpha."""
    channels = channels_last.shape[2]
    values = np.ascontiguousarray(channels_last[..., : 1 if channels < 3 else 3])
    return values, channels_last[..., -1].copy() if channels in (2, 4) else None


def _spread_to_16_bit(grey: np.ndarray) -> np.ndarray:
    """Bring grey values of 16 or 32 bits or floats to uint16, (H, W, 1)."""
    if grey.dtype == np.uint16:
        return grey[..., None]
    grey = np.nan_to_num(grey.astype(np.float64))
    low, high = min(grey.min(), 0.0), grey.max()
    if low == 0 and high <= 1 and grey.dtype.kind == "f":
        high = 1.0
    elif low == 0 and high <= 65535:
        high = 65535.0
    return np.round((grey - low) / max(high - low, 1e-12) * 65535).astype(np.uint16)[..., None]
