"""16-bit PNG files, made without the codecs that the library uses."""

import struct
import zlib

import numpy as np

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
