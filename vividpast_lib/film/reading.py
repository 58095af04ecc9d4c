"""A film file in, its info and its luma planes out, frame by frame."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..runtime.errors import VividPastError
from ..runtime.files import is_folder
from .pyav import import_av
from .ycbcr import Planes, matrix_or_usual

#: Files with these suffixes are taken for films.
FILM_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".ts", ".mts",
    ".m2ts", ".vob", ".wmv", ".asf", ".flv", ".ogv", ".3gp", ".dv", ".mxf", ".y4m", ".nut",
})  # fmt: skip
# Formats whose first plane is luma, each sample in the low bits of a little-endian number.
LUMA_FIRST = re.compile(r"(gray|yuv[ja]?4\d\dp|nv\d\d)(9|10|12|14|16)?(le)?")
# Formats without chroma are full range by custom, as are those of JPEG.
FULL_RANGE_BY_CUSTOM = ("yuvj", "gray", "ya", "mono")
# Bits a sample of the planar formats that all others are converted to.
DEPTHS = (8, 9, 10, 12, 14, 16)
# Threads of an FFmpeg pixel conversion. With more than one, one frame in a thousand or so gets
# wrong pixels where the slices meet.
SWSCALE_THREADS = 1
# H.273's numbers of the transfer curves of HDR: PQ and HLG.
HDR_CURVES = {16: "PQ", 18: "HLG"}
# Containers that state the length of the whole film; of others, FFmpeg guesses it.
STATE_LENGTH = ("mp4", "matroska")
# A film that ends this much before its stated end, in seconds, is not whole.
MISSING_SECONDS = 0.5


@dataclass(frozen=True)
class FilmInfo:
    """What is known of a film before its frames are coloured.

    Parameters
    ----------
    path : Path
    packets : dict
        {index of a track: number of packets in it}.
    video : int
        Index of the track that is coloured.
    width, height : int
        Of a frame, in pixels.
    planes : Planes
        What its samples mean.
    time_base : Fraction
        Unit of the frames' times, in seconds.
    rate : Fraction
        Frames per second, on average.
    start, end : Fraction
        Times, in seconds, at which the first frame appears and the last one ends.
    aspect : Fraction
        Width of a pixel over its height.
    primaries, transfer : int
        H.273's numbers, 2 for unknown.
    display_matrix : tuple of int, optional
        How players turn the frames.
    interlaced : bool
        Frames hold two fields.
    """

    path: Path
    packets: dict[int, int]
    video: int
    width: int
    height: int
    planes: Planes
    time_base: Fraction
    rate: Fraction
    start: Fraction
    end: Fraction
    aspect: Fraction
    primaries: int
    transfer: int
    display_matrix: tuple[int, ...] | None
    interlaced: bool

    @property
    def frames(self) -> int:
        """Number of frames, by the count of packets: a good guess."""
        return self.packets[self.video]

    def guide(self, frame: "Frame") -> Tensor:
        """Lightness (h, w) that a frame's colours are predicted from: `Planes.guide`."""
        return self.planes.guide(frame.luma)

    def grey(self, frame: "Frame") -> np.ndarray:
        """Convert a frame to grey values, uint8 (H, W)."""
        return (self.planes.grey(frame.luma) * 255).round().byte().numpy()

    def summary(self) -> str:
        """Describe the film in a few words."""
        rate = float(self.rate)
        info = [f"{self.width} x {self.height}", f"{self.frames:,} frames", f"{rate:.4g} a second"]
        if self.planes.bits > 8:
            info.append(f"{self.planes.bits} bits")
        if self.interlaced:
            info.append("interlaced, stored as whole frames")
        return ", ".join(info)


@dataclass(frozen=True)
class Frame:
    """One frame of a film.

    Parameters
    ----------
    pts : int
        Time at which it appears, in the film's time base.
    luma : ndarray, uint8 or uint16, shape (H, W)
        Its luma plane as it is in the film.
    """

    pts: int
    luma: np.ndarray


def probe_film(path: Path) -> FilmInfo:
    """Read what is known of a film, all of its packets, and decode its first frame alone.

    Raises
    ------
    VividPastError
        If it can't be read or coloured: no film, no video track, no frames, an unknown codec,
        HDR, or a file that breaks off.
    """
    with _opened(path) as container:
        stream = _video_stream(container, path)
        first = _first_frame(container, stream, path)
    with _opened(path) as container:  # from the start again, all of it
        stream = _video_stream(container, path)
        packets, ends = _read_packets(container, path)
        if first.color_trc in HDR_CURVES:
            raise VividPastError(
                f"{path}: is HDR ({HDR_CURVES[first.color_trc]}), and only films in standard "
                "dynamic range can be coloured; convert it to SDR first."
            )
        full = first.color_range == 2 or (
            first.color_range == 0 and first.format.name.startswith(FULL_RANGE_BY_CUSTOM)
        )
        matrix = matrix_or_usual(stream.codec_context.colorspace, first.height)
        side = first.side_data.get("DISPLAYMATRIX")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        time_base = stream.time_base or 1 / rate
        return FilmInfo(
            path=path,
            packets=packets,
            video=stream.index,
            width=first.width,
            height=first.height,
            planes=Planes(_depth(first.format), full, matrix),
            time_base=time_base,
            rate=rate,
            start=(first.pts or 0) * time_base,
            end=ends[stream.index],
            aspect=stream.sample_aspect_ratio or Fraction(1),
            primaries=stream.codec_context.color_primaries,
            transfer=stream.codec_context.color_trc,
            display_matrix=tuple(np.frombuffer(side, np.int32).tolist()) if side else None,
            interlaced=bool(first.interlaced_frame),
        )


def read_frames(info: FilmInfo, first_pts: int | None = None) -> Iterator[Frame]:
    """Decode a film's luma planes.

    Parameters
    ----------
    info : FilmInfo
    first_pts : int, optional
        Time of the frame to begin with; the default is the first frame.

    Yields
    ------
    Frame
        Times always grow: a frame without a time, or not later than the one before, is given the
        next possible one.

    Raises
    ------
    VividPastError
        If a frame can't be decoded, or has another size.
    """
    for pts, frame in decode_frames(info, first_pts):
        yield Frame(pts, _luma(frame, info.planes))


def read_colors(info: FilmInfo) -> Iterator[np.ndarray]:
    """Decode a film as a screen shows it: uint8 (H, W, 3) per frame; errors as in `read_frames`."""
    for _pts, frame in decode_frames(info):
        yield to_rgb(frame, info.planes)


def to_rgb(frame: Any, planes: Planes) -> np.ndarray:
    """Convert PyAV's frame to what a screen shows: uint8 (H, W, 3)."""
    ranges = {}
    if not frame.format.is_rgb:
        ranges = {"src_color_range": 2 if planes.full_range else 1, "dst_color_range": 2}
        ranges["src_colorspace"] = planes.matrix
    rgb = _with_whole_bytes(frame).reformat(format="rgb24", threads=SWSCALE_THREADS, **ranges)
    shown: np.ndarray = rgb.to_ndarray()
    return shown


def decode_frames(info: FilmInfo, first_pts: int | None = None) -> Iterator[tuple[int, Any]]:
    """Decode PyAV's frames, with times that grow; parameters and errors as in `read_frames`."""
    av = import_av()
    last = None
    step = max(1, round(1 / info.rate / info.time_base))
    with _opened(info.path) as container:
        stream = container.streams[info.video]
        stream.thread_type = "AUTO"
        if first_pts is not None:
            container.seek(first_pts, stream=stream)
        try:
            for frame in container.decode(stream):
                pts = frame.pts
                if pts is None:
                    pts = 0 if last is None else last + step
                if last is not None and pts <= last:
                    pts = last + 1
                last = pts
                if first_pts is not None and pts < first_pts:
                    continue
                if (frame.width, frame.height) != (info.width, info.height):
                    raise VividPastError(
                        f"{info.path}: changes its size from {info.width} x {info.height} to "
                        f"{frame.width} x {frame.height} at {_clock(pts, info)}; colour the "
                        "parts separately."
                    )
                yield pts, frame
        except (av.FFmpegError, OSError) as error:
            raise VividPastError(
                f"{info.path}: is damaged after {_clock(last or 0, info)} ({_reason(error)}); "
                "repair it, or cut the good part out, first."
            ) from None


def _clock(pts: int, info: FilmInfo) -> str:
    seconds = float(pts * info.time_base)
    return f"{seconds // 3600:.0f}:{seconds // 60 % 60:02.0f}:{seconds % 60:05.2f}"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).rstrip(".")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    av = import_av()
    if is_folder(path):
        raise VividPastError(f"{path}: is a folder; name a film.")
    try:
        container = av.open(f"file:{path}", metadata_errors="replace")
    except FileNotFoundError:
        raise VividPastError(f"{path}: there is no such file.") from None
    except PermissionError:
        raise VividPastError(f"{path}: may not be read; change its permissions.") from None
    except (av.FFmpegError, OSError) as error:
        raise VividPastError(
            f"{path}: can't be read as a film ({_reason(error)}); it is of another kind, or "
            "not whole."
        ) from None
    with container:
        yield container


def _video_stream(container: Any, path: Path) -> Any:
    av = import_av()
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:  # such as a cover
            return stream
    kinds = sorted({stream.type for stream in container.streams}) or ["nothing"]
    raise VividPastError(
        f"{path}: has no video track to colour, only {' and '.join(kinds)}; name a film."
    )


def _first_frame(container: Any, stream: Any, path: Path) -> Any:
    av = import_av()
    if stream.codec_context is None:
        raise VividPastError(
            f"{path}: its video is in a coding that can't be decoded here; convert it first."
        )
    try:
        for frame in container.decode(stream):
            return frame
    except (av.FFmpegError, OSError) as error:
        raise VividPastError(
            f"{path}: its first frame can't be decoded ({_reason(error)}); the file is damaged."
        ) from None
    raise VividPastError(f"{path}: has a video track without frames; there is nothing to colour.")


def _read_packets(container: Any, path: Path) -> tuple[dict[int, int], dict[int, Fraction]]:
    """Count the packets of each track, find when it ends, and make sure that no end is missing."""
    av = import_av()
    packets = {stream.index: 0 for stream in container.streams}
    ends = dict.fromkeys(packets, Fraction(0))
    try:
        for packet in container.demux():
            if packet.size == 0:
                continue
            index = packet.stream_index
            packets[index] += 1
            if packet.is_corrupt:
                raise av.InvalidDataError(0, "a packet is cut off")
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                ends[index] = max(ends[index], end)
    except (av.FFmpegError, OSError) as error:
        raise VividPastError(
            f"{path}: breaks off after {float(max(ends.values())):.1f} s ({_reason(error)}); get a "
            "whole copy."
        ) from None
    end = float(max(ends.values()))
    start = (container.start_time or 0) / av.time_base
    length = (container.duration or 0) / av.time_base
    if any(name in container.format.name for name in STATE_LENGTH) and (
        end - start < length - MISSING_SECONDS
    ):
        raise VividPastError(
            f"{path}: breaks off after {end - start:.1f} of {length:.1f} s; get a whole copy."
        )
    return packets, ends


def _with_whole_bytes(frame: Any) -> Any:
    """Convert RGB of fewer than 8 bits.

    In one step to luma, FFmpeg takes the white of 5 bits for 248 of 255, and to rgb24 it takes
    big-endian numbers for others.
    """
    if frame.format.is_rgb and min(each.bits for each in frame.format.components) < 8:
        return frame.reformat(format="gbrp", threads=SWSCALE_THREADS)
    return frame


def _luma(frame: Any, planes: Planes) -> np.ndarray:
    """Copy the luma plane (H, W) of a decoded frame."""
    form = frame.format
    if not LUMA_FIRST.fullmatch(form.name) or _depth(form) != planes.bits:
        frame = _with_whole_bytes(frame)
        has_chroma = form.is_rgb or form.has_palette or len(form.components) > 2
        deep = "" if planes.bits == 8 else f"{planes.bits}le"
        range_ = 2 if planes.full_range else 1
        frame = frame.reformat(
            format=f"{'yuv444p' if has_chroma else 'gray'}{deep}", threads=SWSCALE_THREADS,
            src_colorspace=planes.matrix, dst_colorspace=planes.matrix,
            src_color_range=range_, dst_color_range=range_,
        )  # fmt: skip
    plane = frame.planes[0]
    samples = np.frombuffer(plane, planes.dtype).reshape(plane.height, -1)
    return samples[:, : frame.width].copy()


def _depth(form: Any) -> int:
    """Give the bits that a sample of luma has in memory, of PyAV's pixel format."""
    most = max(each.bits for each in form.components)
    return min((depth for depth in DEPTHS if depth >= most), default=16)
