"""Planes of coloured frames in, an encoded segment of a film out."""

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..runtime.errors import VividPastError
from .pyav import import_av
from .reading import FilmInfo
from .ycbcr import Planes

#: FFmpeg's name of the container, by the suffix of the file.
CONTAINERS = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm",
}  # fmt: skip
# One fixed quantizer for all frames bounds the error of the luma, whatever the content: grain
# too. No frame waits for a later one, so frames are stored in the order of their times. The
# counts of threads are fixed, since what the encoders write depends on them.
ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "qp": "18", "threads": "4"},
    "libx265": {
        "preset": "veryfast",
        "x265-params": "qp=18:bframes=0:log-level=none:frame-threads=2:ipratio=1",
    },
    "libvpx-vp9": {
        "deadline": "realtime", "cpu-used": "6", "row-mt": "1", "threads": "4", "qmin": "16",
        "qmax": "16", "crf": "16", "b": "0", "lag-in-frames": "0", "auto-alt-ref": "0",
    },
    "libsvtav1": {"preset": "10", "svtav1-params": "rc=0:aq-mode=0:qp=12:pred-struct=1"},
}  # fmt: skip


@dataclass(frozen=True)
class Encoding:
    """How the coloured frames are stored.

    Parameters
    ----------
    container : str
        FFmpeg's name, of `CONTAINERS`.
    encoder : str
        FFmpeg's name, of `ENCODERS`.
    planes : Planes
        Of the samples that go in.
    halved : bool
        Chroma planes have half the height and width (4:2:0).
    """

    container: str
    encoder: str
    planes: Planes
    halved: bool

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the planes."""
        deep = "" if self.planes.bits == 8 else f"{self.planes.bits}le"
        return f"yuv{420 if self.halved else 444}p{deep}"

    def chroma_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a chroma plane."""
        return (math.ceil(height / 2), math.ceil(width / 2)) if self.halved else (height, width)

    def to_planes(self, luma: np.ndarray, bits: int, ab: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Make the planes of a frame, as they are stored.

        Parameters
        ----------
        luma : ndarray, shape (H, W)
            The film's own, with samples of ``bits`` bits.
        ab : Tensor, shape (1, 2, h, w)
            In Lab units.

        Returns
        -------
        luma, chroma : ndarray, shapes (H, W) and (2, *chroma_size)
        """
        shift = self.planes.bits - bits
        luma = luma << shift if shift >= 0 else luma >> -shift
        return luma, self.planes.chroma(luma, ab, self.chroma_size(*luma.shape))


def choose_encoding(info: FilmInfo, target: Path) -> Encoding:
    """Choose how a film is stored, by the suffix of its file.

    Returns
    -------
    Encoding
        H.264 for 8 bits, H.265 for 10 and 12; in webm VP9 and AV1, for 10. 4:2:0, but 4:4:4 for
        odd sizes in H.264 and H.265, which can't halve them.

    Raises
    ------
    VividPastError
        If films of that suffix can't be written.
    """
    container = CONTAINERS.get(target.suffix.lower())
    if container is None:
        raise VividPastError(
            f"{target}: can't write {target.suffix or 'such'} files of films; end the name in "
            f"{', '.join(CONTAINERS)}."
        )
    bits = info.planes.bits
    if container == "webm":
        bits = 8 if bits == 8 else 10
        encoder = "libvpx-vp9" if bits == 8 else "libsvtav1"
        halved = True
    else:
        bits = 8 if bits == 8 else 10 if bits <= 10 else 12
        encoder = "libx264" if bits == 8 else "libx265"
        halved = info.width % 2 == 0 and info.height % 2 == 0
    return Encoding(container, encoder, replace(info.planes, bits=bits), halved)


@contextlib.contextmanager
def segment_writer(
    path: Path, info: FilmInfo, encoding: Encoding
) -> Iterator[Callable[[int, np.ndarray, np.ndarray], None]]:
    """Encode consecutive frames into a NUT file: these keep times as they are.

    Yields
    ------
    callable
        Encodes one frame: its time in the film's time base, luma (H, W) and chroma (2, h, w),
        as `Planes` has them. Errors of writing are PyAV's: use it in `film_write_errors`.
    """
    av = import_av()

    def write(pts: int, luma: np.ndarray, chroma: np.ndarray) -> None:
        frame = make_frame(encoding, luma, chroma)
        frame.pts, frame.time_base = pts, info.time_base
        container.mux(stream.encode(frame))

    with av.open(f"file:{path}", "w", format="nut") as container:
        stream = add_encoder(container, info, encoding)
        yield write
        container.mux(stream.encode())


def make_frame(encoding: Encoding, luma: np.ndarray, chroma: np.ndarray) -> Any:
    """Make PyAV's frame of luma (H, W) and chroma (2, h, w)."""
    av = import_av()
    height, width = luma.shape
    frame = av.VideoFrame(width, height, encoding.pixel_format)
    for plane, samples in zip(frame.planes, (luma, *chroma), strict=True):
        into = np.frombuffer(plane, samples.dtype).reshape(plane.height, -1)
        into[:, : plane.width] = samples
    return frame


def add_encoder(container: Any, info: FilmInfo, encoding: Encoding) -> Any:
    """Add a video track to PyAV's container, and open its encoder."""
    from av.codec.context import Flags

    options = ENCODERS[encoding.encoder]
    stream = container.add_stream(
        encoding.encoder, rate=info.rate, options=options, time_base=info.time_base
    )
    stream.width, stream.height = info.width, info.height
    stream.pix_fmt = encoding.pixel_format
    context = stream.codec_context
    context.flags |= Flags.global_header
    context.max_b_frames = 0
    context.sample_aspect_ratio = info.aspect
    context.color_range = 2 if info.planes.full_range else 1
    context.colorspace = info.planes.matrix
    context.color_primaries = info.primaries
    context.color_trc = info.transfer
    with _normal_scheduling():
        context.open()
    return stream


@contextlib.contextmanager
def _normal_scheduling() -> Iterator[None]:
    """Restore normal scheduling: SVT-AV1, run by root on Linux, makes threads real-time.

    Its own, and the calling one.

    Real-time threads that wait actively, as PyTorch's do, would keep all others from running.
    """
    tasks = Path("/proc/self/task")
    if not hasattr(os, "sched_setscheduler") or not tasks.exists():
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    before = {task.name for task in tasks.iterdir()} - {str(threading.get_native_id())}
    try:
        yield
    finally:
        for task in {task.name for task in tasks.iterdir()} - before:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.sched_setscheduler(int(task), policy, priority)
