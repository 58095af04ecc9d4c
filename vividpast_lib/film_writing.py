"""Coloured frames in, segments of a film out, and these joined to a film with all else copied."""

import contextlib
import errno
import heapq
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from .errors import VividPastError
from .film_reading import FilmFacts, import_av
from .yuv import Planes

#: FFmpeg's name of the container, by the suffix of the file.
CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
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
# Tags of a container that describe the file, not the film.
TAGS_OF_THE_FILE = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
# Without being asked to, the mp4 muxer leaves out all tags but these (and the language).
TAGS_OF_MP4 = frozenset({
    "title", "artist", "album_artist", "composer", "album", "date", "comment", "genre",
    "copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id", "network",
    "keywords", "creation_time", "location",
})  # fmt: skip


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
        return (-(-height // 2), -(-width // 2)) if self.halved else (height, width)

    def paint(self, luma: np.ndarray, bits: int, ab: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Make the planes of a frame that are stored.

        Parameters
        ----------
        luma : ndarray, shape (H, W)
            The film's own, with samples of ``bits`` bits.
        bits : int
        ab : Tensor, shape (1, 2, h, w)
            In Lab units.

        Returns
        -------
        luma, chroma : ndarray, shapes (H, W) and (2, *chroma_size)
        """
        shift = self.planes.bits - bits
        luma = luma << shift if shift >= 0 else luma >> -shift
        return luma, self.planes.chroma(luma, ab, self.chroma_size(*luma.shape))


def choose_encoding(facts: FilmFacts, target: Path) -> Encoding:
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
    bits = facts.planes.bits
    if container == "webm":
        bits = 8 if bits == 8 else 10
        encoder = "libvpx-vp9" if bits == 8 else "libsvtav1"
        halved = True
    else:
        bits = 8 if bits == 8 else 10 if bits <= 10 else 12
        encoder = "libx264" if bits == 8 else "libx265"
        halved = facts.width % 2 == 0 and facts.height % 2 == 0
    return Encoding(container, encoder, replace(facts.planes, bits=bits), halved)


@contextlib.contextmanager
def segment_writer(
    path: Path, facts: FilmFacts, encoding: Encoding
) -> Iterator[Callable[[int, np.ndarray, np.ndarray], None]]:
    """Encode consecutive frames into a NUT file: these keep times as they are.

    Yields
    ------
    callable
        Encodes one frame: its time in the film's time base, luma (H, W) and chroma (2, h, w),
        as `Planes` has them.

    Raises
    ------
    OSError, av.FFmpegError
        If it can't be written: `said_of` says it in a sentence.
    """
    av = import_av()

    def write(pts: int, luma: np.ndarray, chroma: np.ndarray) -> None:
        frame = make_frame(encoding, luma, chroma)
        frame.pts, frame.time_base = pts, facts.time_base
        container.mux(stream.encode(frame))

    with av.open(f"file:{path}", "w", format="nut") as container:
        stream = _add_encoder(container, facts, encoding)
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


def _add_encoder(container: Any, facts: FilmFacts, encoding: Encoding) -> Any:
    from av.codec.context import Flags

    options = ENCODERS[encoding.encoder]
    stream = container.add_stream(
        encoding.encoder, rate=facts.rate, options=options, time_base=facts.time_base
    )
    stream.width, stream.height = facts.width, facts.height
    stream.pix_fmt = encoding.pixel_format
    context = stream.codec_context
    context.flags |= Flags.global_header
    context.max_b_frames = 0
    context.sample_aspect_ratio = facts.aspect
    context.color_range = 2 if facts.planes.full_range else 1
    context.colorspace = facts.planes.matrix
    context.color_primaries = facts.primaries
    context.color_trc = facts.transfer
    with _none_real_time():
        context.open()
    return stream


@contextlib.contextmanager
def _none_real_time() -> Iterator[None]:
    """Undo that SVT-AV1, run by root, makes its threads real-time, and the one that opens it.

    On Linux, that is. Threads which look again and again whether others are done, as PyTorch's
    do, would for ever keep these from running.
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


def join_segments(
    facts: FilmFacts, segments: Sequence[Path], target: Path, encoding: Encoding,
    end: Fraction | None = None,
) -> None:  # fmt: skip
    """Write a film: the coloured segments, and all other tracks packet for packet.

    Parameters
    ----------
    facts : FilmFacts
        Of the black-and-white film.
    segments : sequence of Path
        What `segment_writer` wrote, in order.
    target : Path
        The film to write. It is read again: every packet must be there.
    encoding : Encoding
        As of the segments.
    end : Fraction, optional
        Leave out what comes later than this, in seconds.

    Raises
    ------
    OSError, av.FFmpegError
        If it can't be written: `said_of` says it in a sentence.
    VividPastError
        If not all of it can be read again.
    """
    av = import_av()
    with av.open(f"file:{facts.path}", metadata_errors="replace") as source:
        options = _muxer_options(source, encoding)
        with av.open(f"file:{target}", "w", format=encoding.container, options=options) as out:
            video, copies = _add_tracks(out, source, facts, encoding)
            written = dict.fromkeys([video.index, *(each.index for each in copies.values())], 0)
            colored = _segment_packets(segments, video, facts.end if end is None else end)
            copied = _other_packets(source, copies, end)
            for _time, packet in heapq.merge(colored, copied, key=lambda each: each[0]):
                written[packet.stream.index] += 1
                out.mux_one(packet)
        _check_written(target, written)


def check_tracks(facts: FilmFacts, target: Path, encoding: Encoding) -> None:
    """Make sure that all tracks of a film fit into the container, before hours of work.

    Raises
    ------
    VividPastError
        If one does not.
    """
    av = import_av()
    with av.open(f"file:{facts.path}", metadata_errors="replace") as source:
        out = av.open(_Nowhere(), "w", format=encoding.container)
        holds = out.supported_codecs
        for stream in source.streams:
            if stream.index == facts.video or stream.type not in ("audio", "subtitle", "video"):
                continue
            codec = _codec_name(stream)
            if codec not in holds:
                others = [
                    suffix
                    for suffix, name in CONTAINERS.items()
                    if codec in av.open(_Nowhere(), "w", format=name).supported_codecs
                ]
                advice = f"end the name in {' or '.join(others)}" if others else "convert it first"
                kind = {"audio": "sound"}.get(stream.type, stream.type)
                raise VividPastError(
                    f"{target}: {target.suffix} files can't hold the {kind} track {stream.index} "
                    f"of {facts.path}, which is {codec}; {advice}."
                )


class _Nowhere:
    """A file for a container that is only asked what it can hold."""

    def write(self, data: bytes) -> int:
        return len(data)

    def seek(self, *_: int) -> int:
        return 0

    def tell(self) -> int:
        return 0


def _codec_name(stream: Any) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"


def _muxer_options(source: Any, encoding: Encoding) -> dict[str, str]:
    tags = {key.lower() for key in source.metadata} - TAGS_OF_THE_FILE
    if encoding.container not in ("mp4", "mov") or tags <= TAGS_OF_MP4:
        return {}
    return {"movflags": "use_metadata_tags"}


def _add_tracks(
    out: Any, source: Any, facts: FilmFacts, encoding: Encoding
) -> tuple[Any, dict[int, Any]]:
    """Add the tracks in their order; {index in the source: track} of those that are copied."""
    out.metadata.update({
        key: value for key, value in source.metadata.items() if key not in TAGS_OF_THE_FILE
    })  # fmt: skip
    video, copies = None, {}
    for stream in source.streams:
        if stream.index == facts.video:
            # An encoder that encodes nothing: the segments were made by others just like it.
            track = video = _add_encoder(out, facts, encoding)
            if encoding.encoder == "libx265" and encoding.container != "matroska":
                track.codec_context.codec_tag = "hvc1"  # Apple's players ask for it
            if facts.display_matrix:
                track.set_display_matrix(facts.display_matrix)
        elif stream.type in ("audio", "subtitle", "video", "attachment"):
            track = copies[stream.index] = out.add_stream_from_template(stream)
        else:
            continue  # time codes and the like are tied to the coding of the old file
        track.metadata.update(stream.metadata)
        track.disposition = stream.disposition
    out.set_chapters(source.chapters())
    return video, copies


def _segment_packets(
    segments: Sequence[Path], track: Any, end: Fraction
) -> Iterator[tuple[float, Any]]:
    """Packets of the coloured frames, with their times in seconds; the last lasts to ``end``."""
    av = import_av()
    for path in segments:
        with av.open(f"file:{path}", format="nut") as segment:
            packets = [packet for packet in segment.demux(video=0) if packet.size]
        if path == segments[-1]:
            rest = round(end / packets[-1].time_base) - packets[-1].pts
            packets[-1].duration = max(rest, 1)
        for packet in packets:
            packet.stream = track
            yield float(packet.pts * packet.time_base), packet


def _other_packets(
    source: Any, tracks: dict[int, Any], end: Fraction | None
) -> Iterator[tuple[float, Any]]:
    """Packets of the tracks that are copied, with their times in seconds."""
    if not tracks:
        return
    last = 0.0
    for packet in source.demux([source.streams[index] for index in tracks]):
        if not _is_content(packet):
            continue
        time = packet.dts if packet.dts is not None else packet.pts
        if time is not None:
            last = float(time * packet.time_base)
        if end is None or last < end:
            packet.stream = tracks[packet.stream_index]
            yield last, packet


def _is_content(packet: Any) -> bool:
    """Tell whether a packet is to be copied: muxers write the gaps between subtitles themselves."""
    if packet.size == 2 and _codec_name(packet.stream) == "mov_text":
        return bytes(packet) != b"\0\0"
    return packet.size > 0


def _check_written(target: Path, written: dict[int, int]) -> None:
    av = import_av()
    with av.open(f"file:{target}", metadata_errors="replace") as container:
        found = dict.fromkeys(written, 0)
        for packet in container.demux():
            if packet.stream_index in found:  # some muxers add a track of chapters' names
                found[packet.stream_index] += _is_content(packet)
    if found != written:
        raise VividPastError(
            f"{target}: {sum(written.values()):,} packets were written, but "
            f"{sum(found.values()):,} can be read; is the disk full or failing?"
        )


@contextlib.contextmanager
def said_of(path: Path) -> Iterator[None]:
    """Say in a sentence why a file can't be written, and what to do."""
    av = import_av()
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        advice = "choose another place, or change its permissions"
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            advice = "make room there, and the same command goes on"
        raise VividPastError(f"{path}: can't be written ({reason}); {advice}.") from None
