"""Segments of coloured frames in, a film out, with all other tracks of the source copied."""

import heapq
from collections.abc import Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

from ..runtime.errors import VividPastError
from .pyav import import_av
from .reading import FilmInfo
from .writing import CONTAINERS, Encoding, add_encoder

# Tags of a container that describe the file, not the film.
TAGS_OF_THE_FILE = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
# Without being asked to, the mp4 muxer leaves out all tags but these (and the language).
TAGS_OF_MP4 = frozenset({
    "title", "artist", "album_artist", "composer", "album", "date", "comment", "genre",
    "copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id", "network",
    "keywords", "creation_time", "location",
})  # fmt: skip


def join_segments(
    info: FilmInfo, segments: Sequence[Path], target: Path, encoding: Encoding,
    end: Fraction | None = None,
) -> None:  # fmt: skip
    """Write a film: the coloured segments, and all other tracks packet for packet.

    Parameters
    ----------
    info : FilmInfo
        Of the black-and-white film.
    segments : sequence of Path
        What `segment_writer` wrote with this ``encoding``, in order.
    target : Path
        The film to write. It is read again: every packet must be there.
    end : Fraction, optional
        Time, in seconds, after which all is left out.

    Raises
    ------
    OSError, av.FFmpegError
        If it can't be written: `film_write_errors` says it in a sentence.
    VividPastError
        If not all of it can be read again.
    """
    av = import_av()
    with av.open(f"file:{info.path}", metadata_errors="replace") as source:
        others = {key.lower() for key in source.metadata} - TAGS_OF_THE_FILE - TAGS_OF_MP4
        options = {}
        if others and encoding.container in ("mp4", "mov"):
            options["movflags"] = "use_metadata_tags"
        with av.open(f"file:{target}", "w", format=encoding.container, options=options) as out:
            video, copies = _add_tracks(out, source, info, encoding)
            written = dict.fromkeys([video.index, *(each.index for each in copies.values())], 0)
            colored = _segment_packets(segments, video, info.end if end is None else end)
            copied = _other_packets(source, copies, end)
            for _time, packet in heapq.merge(colored, copied, key=lambda each: each[0]):
                written[packet.stream.index] += 1
                out.mux_one(packet)
        _check_written(target, written)


def check_tracks(info: FilmInfo, target: Path, encoding: Encoding) -> None:
    """Raise a VividPastError unless the container can hold all tracks of a film."""
    av = import_av()

    def holds(container: str, codec: str) -> bool:
        return codec in av.open(BytesIO(), "w", format=container).supported_codecs

    with av.open(f"file:{info.path}", metadata_errors="replace") as source:
        for stream in source.streams:
            if stream.index == info.video or stream.type not in ("audio", "subtitle", "video"):
                continue
            codec = _codec_name(stream)
            if not holds(encoding.container, codec):
                others = [suffix for suffix, name in CONTAINERS.items() if holds(name, codec)]
                advice = f"end the name in {' or '.join(others)}" if others else "convert it first"
                kind = "sound" if stream.type == "audio" else stream.type
                raise VividPastError(
                    f"{target}: {target.suffix} files can't hold the {kind} track {stream.index} "
                    f"of {info.path}, which is {codec}; {advice}."
                )


def _codec_name(stream: Any) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"


def _add_tracks(
    out: Any, source: Any, info: FilmInfo, encoding: Encoding
) -> tuple[Any, dict[int, Any]]:
    """Add the tracks in their order; {index in the source: track} of those that are copied."""
    out.metadata.update({
        key: value for key, value in source.metadata.items() if key not in TAGS_OF_THE_FILE
    })  # fmt: skip
    video, copies = None, {}
    for stream in source.streams:
        if stream.index == info.video:
            # It never encodes, it describes the track: the segments were encoded with its settings.
            track = video = add_encoder(out, info, encoding)
            if encoding.encoder == "libx265" and encoding.container != "matroska":
                track.codec_context.codec_tag = "hvc1"  # Apple's players ask for it
            if info.display_matrix:
                track.set_display_matrix(info.display_matrix)
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
    """Whether a packet is to be copied: muxers write the gaps between subtitles themselves."""
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
