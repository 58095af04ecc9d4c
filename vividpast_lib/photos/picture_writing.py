"""TODO."""

import io
from pathlib import Path

import numpy as np
import png
import tifffile
from PIL import Image

from ..runtime.errors import VividPastError
from ..runtime.files import atomic_write
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


def write_picture(picture: Picture, path: Path | str) -> None:
    """Write a picture whole or not at all, turned and tagged as the file that it came from.

    PNG and TIFF keep 16 bits; JPEG and WebP are written with 8 bits at quality 95.

    Parameters
    ----------
    picture : Picture
        What to write.
    path : Path or str
        Where to; the suffix chooses among `WRITABLE`. The folder is made if needed.

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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            _write_as(kind, picture, temporary)
    except OSError as error:
        reason = error.strerror or error
        raise VividPastError(f"{path}: can't be written ({reason}).") from None


def _write_as(kind: str, picture: Picture, path: Path) -> None:
    stored = turn_stored(picture, UNTURN.get(picture.orientation, 1))
    values, alpha = stored.values, stored.alpha
    if values.dtype == np.uint16 and kind in ("PNG", "TIFF"):
        if alpha is not None:
            values = np.concatenate([values, alpha[..., None]], axis=2)
        writer = _write_png_16 if kind == "PNG" else _write_tiff_16
        writer(values, picture, path)
        return
    exif = Image.Exif()
    if picture.exif:
        exif.load(picture.exif)
    if picture.orientation != 1:
        exif[EXIF_ORIENTATION] = picture.orientation
    options: dict[str, object] = {
        "JPEG": {"quality": 95, "subsampling": "4:4:4"},
        "WEBP": {"quality": 95},
        "PNG": {"compress_level": 4},
        "TIFF": {"compression": "tiff_adobe_deflate"},
    }[kind]  # type: ignore[assignment]
    if picture.icc_profile:
        options["icc_profile"] = picture.icc_profile
    if len(exif):
        options["exif"] = picture.exif or exif.tobytes()
    to_image(values, alpha).save(path, kind, **options)


def _write_png_16(values: np.ndarray, picture: Picture, path: Path) -> None:
    height, width, channels = values.shape
    writer = png.Writer(
        width,
        height,
        bitdepth=16,
        greyscale=channels < 3,
        alpha=channels in (2, 4),
        compression=4,
    )
    body = io.BytesIO()
    writer.write_packed(body, (row.astype(">u2").tobytes() for row in values))
    body.seek(0)
    chunks = list(png.Reader(file=body).chunks())
    if picture.icc_profile:
        import zlib

        chunks.insert(1, (b"iCCP", b"profile\0\0" + zlib.compress(picture.icc_profile)))
    exif = picture.exif.removeprefix(b"Exif\0\0")
    if not exif and picture.orientation != 1:
        fresh = Image.Exif()
        fresh[EXIF_ORIENTATION] = picture.orientation
        exif = fresh.tobytes().removeprefix(b"Exif\0\0")
    if exif:
        chunks.insert(1, (b"eXIf", exif))
    with path.open("wb") as file:
        png.write_chunks(file, chunks)


def _write_tiff_16(values: np.ndarray, picture: Picture, path: Path) -> None:
    channels = values.shape[2]
    tifffile.imwrite(
        path,
        values if channels > 1 else values[..., 0],
        photometric="rgb" if channels >= 3 else "minisblack",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        iccprofile=picture.icc_profile or None,
        extratags=[(EXIF_ORIENTATION, "H", 1, picture.orientation, True)],
    )
