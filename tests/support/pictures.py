"""16-bit PNG files, made without the codecs that the library uses; copies of other tools."""

import io
import struct
import zlib

import numpy as np
import torch
from PIL import Image, ImageFilter

from vividpast_lib.color.lab import lab_to_rgb, rgb_to_lab

# First row and column, and steps down and across, of each pass.
WHOLE = [(0, 0, 1, 1)]
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
ADAM7 = [*ADAM7, (1, 0, 2, 1)]


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png_16(values: np.ndarray, interlaced: bool = False, size: tuple[int, int] = (0, 0)) -> bytes:
    """Encode uint16 (H, W, 1 to 4); ``size`` is a false width and height for the header."""
    height, width, channels = values.shape
    if any(size):
        width, height = size
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = [
        b"\0" + row.astype(">u2").tobytes()
        for top, left, down, across in (ADAM7 if interlaced else WHOLE)
        for row in values[top::down, left::across]
        if row.size
    ]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, interlaced)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def damaged_copy(
    rgb: np.ndarray,
    size: tuple[int, int] | None = None,
    blur: float = 0.0,
    quality: int | None = None,
    gamma: float = 1.0,
    contrast: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """What a tool that draws a picture anew makes of uint8 (H, W, 3), its colours kept.

    Shifted down and to the right by pixels, brought to a size (h, w), blurred, its lightness
    changed, and saved as a JPEG with chroma of half the size.
    """
    height, width = rgb.shape[:2]
    image = Image.fromarray(np.pad(rgb, ((16, 16), (16, 16), (0, 0)), "reflect"))
    matrix = (1, 0, -shift[1], 0, 1, -shift[0])
    image = image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    image = image.crop((16, 16, 16 + width, 16 + height))
    if size:
        image = image.resize(size[::-1], Image.Resampling.LANCZOS)
    image = image.filter(ImageFilter.GaussianBlur(blur))
    lab = rgb_to_lab(torch.from_numpy(np.array(image)).permute(2, 0, 1))
    lab[0] = (50 + contrast * (100 * (lab[0] / 100) ** gamma - 50)).clamp(0, 100)
    values = (lab_to_rgb(lab).permute(1, 2, 0) * 255).round().byte().numpy()
    if quality is None:
        return values
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.array(Image.open(file))
