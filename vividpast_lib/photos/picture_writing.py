"""A picture -> a picture file, with nothing lost that its format can hold."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from ..runtime.errors import VividPastError
from ..runtime.files import output_file
from .picture import EXIF_ORIENTATION, UNTURN, Picture, to_image, turn_stored

#: File suffixes that a picture can be written to, with Pillow's name of the format.
WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
XMP_TAG = 700  # of TIFF
SUB_IFDS = {34665, 34853}  # tags of EXIF that point to more: the camera's, and GPS
PNG_HEADER = 33  # bytes of the signature and of the chunk IHDR
# Bytes of EXIF, or of XMP, that fit in the one segment that a JPEG has for each.
JPEG_SEGMENT = 65504


def write_picture(picture: Picture, path: Path | str) -> None:
    """Write a picture whole or not at all, turned and tagged as the file that it came from.

    PNG and TIFF keep 16 bits; JPEG and WebP are written with 8 bits at quality 95. Metadata that
    a format has no room for is left out: the resolution in WebP, more than 64 kB of EXIF or XMP in
    JPEG, and EXIF but for the orientation in TIFF of 16 bits.

    Parameters
    ----------
    picture : Picture
    path : Path or str
        Its suffix chooses among `WRITABLE`. The folder is made if needed.

    Raises
    ------
    VividPastError
        If the suffix is unknown, the format can't hold the picture's transparency or its size,
        or the disk refuses.
    """
    path = Path(path)
    kind = WRITABLE.get(path.suffix.lower())
    if kind is None:
        raise VividPastError(
            f"{path}: can't write this kind of file; end the name in {', '.join(WRITABLE)}."
        )
    if picture.alpha is not None and kind == "JPEG":
        raise VividPastError(f"{path}: JPEG can't hold transparency; end the name in .png.")
    longest = {"JPEG": 65535, "WEBP": 16383}.get(kind, 2**31)
    if max(picture.values.shape[:2]) > longest:
        raise VividPastError(f"{path}: {kind} can't hold a side over {longest}; use .png.")
    with output_file(path) as temporary:
        _write_as(kind, picture, temporary)


def _write_as(kind: str, picture: Picture, path: Path) -> None:
    stored = turn_stored(picture, UNTURN.get(picture.orientation, picture.orientation))
    values, alpha = stored.values, stored.alpha
    if values.dtype == np.uint8 or kind in ("JPEG", "WEBP"):
        to_image(values, alpha).save(path, kind, **_save_options(kind, picture))
        return
    if alpha is not None:
        values = np.dstack([values, alpha])
    writer = _write_png_16 if kind == "PNG" else _write_tiff_16
    writer(values, picture, path)


def _save_options(kind: str, picture: Picture) -> dict[str, object]:
    """Collect what Pillow's ``save`` is to be given: quality and metadata."""
    options: dict[str, object] = {
        "JPEG": {"quality": 95, "subsampling": "4:4:4"},
        "WEBP": {"quality": 95},
        "PNG": {"compress_level": 4},
        "TIFF": {"compression": "tiff_adobe_deflate"},
    }[kind]  # type: ignore[assignment]
    room = JPEG_SEGMENT if kind == "JPEG" else 2**31
    exif_bytes = picture.exif if len(picture.exif) <= room else b""
    xmp = picture.xmp if len(picture.xmp) <= room else b""
    exif = Image.Exif()
    if exif_bytes:
        exif.load(exif_bytes)
    # The tag is written if it lacks the orientation, or if XMP states one that a reader would take.
    if exif.get(EXIF_ORIENTATION, 0 if b"Orientation" in xmp else 1) != picture.orientation:
        exif[EXIF_ORIENTATION] = picture.orientation
        exif_bytes = exif.tobytes()
    if kind == "TIFF" and xmp:
        exif[XMP_TAG] = xmp
    elif kind == "PNG" and xmp:
        options["pnginfo"] = chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", xmp)
    elif xmp:
        options["xmp"] = xmp
    if len(exif):
        options["exif"] = exif if kind == "TIFF" else exif_bytes
    if kind == "TIFF" and exif.keys() & SUB_IFDS:
        del options["compression"]  # with which Pillow can't write them
    if picture.icc_profile:
        options["icc_profile"] = picture.icc_profile
    if picture.dpi:
        options["dpi"] = picture.dpi
    return options


def _write_png_16(values: np.ndarray, picture: Picture, path: Path) -> None:
    """Write uint16 (H, W, 1 to 4), with the metadata of a small PNG that Pillow writes."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG", **_save_options("PNG", picture))
    small = buffer.getvalue()
    # All metadata lies between the header and the pixels, whose chunk begins with its length.
    metadata = small[PNG_HEADER : small.rindex(b"IDAT") - 4]
    values = values[..., 0] if values.shape[2] == 1 else values
    deep = bytes(imagecodecs.png_encode(np.ascontiguousarray(values), 4))
    with path.open("wb") as file:
        file.writelines([deep[:PNG_HEADER], metadata, deep[PNG_HEADER:]])


def _write_tiff_16(values: np.ndarray, picture: Picture, path: Path) -> None:
    channels = values.shape[2]
    tags: list[tuple] = [(EXIF_ORIENTATION, "H", 1, picture.orientation, True)]
    if picture.xmp:
        tags.append((XMP_TAG, "B", len(picture.xmp), picture.xmp, True))
    tifffile.imwrite(
        path,
        values if channels > 1 else values[..., 0],
        photometric="rgb" if channels >= 3 else "minisblack",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        iccprofile=picture.icc_profile or None,
        resolution=picture.dpi,
        resolutionunit="INCH" if picture.dpi else None,
        extratags=tags,
    )
