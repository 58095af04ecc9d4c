"""Small films that the tests make, and what is read back from those that come out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition


def camera_move(frames: int, height: int = 48, width: int = 64, seed: int = 0) -> list[np.ndarray]:
    """A camera that moves over one smooth random texture: luma of 8 bits, (H, W) each."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(30, 220, (16, 28))
    rows = np.linspace(0, 15, height)[:, None]
    result = []
    for index in range(frames):
        columns = np.linspace(0, 20, width)[None] + 0.2 * (index % 30)
        top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
        down, right = rows - top, columns - left
        below = np.minimum(top + 1, 15)
        upper = coarse[top, left] * (1 - right) + coarse[top, left + 1] * right
        lower = coarse[below, left] * (1 - right) + coarse[below, left + 1] * right
        result.append((upper * (1 - down) + lower * down).round().astype(np.uint8))
    return result


def write_film(
    path: Path,
    lumas: Sequence[np.ndarray],
    *,
    chromas: Sequence[np.ndarray] = (),
    encoder: str = "libx264",
    pixel_format: str = "yuv420p",
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    colors: dict[str, int] | None = None,
    rotation: float = 0,
    sounds: int = 0,
    subtitles: Sequence[tuple[float, float, str]] = (),
    metadata: dict[str, str] | None = None,
    chapters: Sequence[tuple[float, float, str]] = (),
    container: str | None = None,
    container_options: dict[str, str] | None = None,
) -> None:
    """Write a film: luma planes of 8 or more bits as they are, with what else is asked for.

    It is grey, or has ``chromas``, (2, h, w) each.
    """
    height, width = lumas[0].shape if len(lumas) else (48, 64)
    with av.open(f"file:{path}", "w", format=container, options=container_options or {}) as out:
        out.metadata.update(metadata or {})
        rate = 25 if times else 1 / time_base
        video = out.add_stream(encoder, rate=rate, time_base=time_base, options=options or {})
        video.width, video.height, video.pix_fmt = width, height, pixel_format
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        for key, value in (colors or {}).items():
            setattr(video.codec_context, key, value)
        if rotation:
            video.set_display_rotation(rotation)
        voices = [out.add_stream("aac", rate=16000) for _ in range(sounds)]
        for index, voice in enumerate(voices):
            voice.metadata["language"] = ("eng", "fra")[index % 2]
            voice.metadata["title"] = f"voice {index}"
        texts = None
        if subtitles:
            texts = out.add_mux_stream("mov_text" if path.suffix in (".mp4", ".mov") else "subrip")
            texts.time_base = Fraction(1, 1000)
            texts.disposition = Disposition.default
        if chapters:
            out.set_chapters([
                {"id": index + 1, "start": int(start * 1000), "end": int(end * 1000),
                 "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                for index, (start, end, title) in enumerate(chapters)
            ])  # fmt: skip
        for index, luma in enumerate(lumas):
            frame = av.VideoFrame(width, height, pixel_format)
            bits = frame.format.components[0].bits
            for number, plane in enumerate(frame.planes):
                into = np.frombuffer(plane, np.uint8 if bits == 8 else np.uint16)
                into = into.reshape(plane.height, -1)
                into[:] = 2 ** (bits - 1)
                if frame.format.is_rgb:
                    into[:, : 4 * width] = luma.repeat(4, axis=1)
                elif number == 0:
                    into[:, :width] = luma
                elif len(chromas):
                    into[:, : plane.width] = chromas[index][number - 1]
            frame.pts = times[index] if times else index
            frame.time_base = time_base
            out.mux(video.encode(frame))
        out.mux(video.encode())
        _write_sounds(out, voices, seconds=len(lumas) / 25)
        for start, end, text in subtitles:
            data = text.encode()
            if path.suffix in (".mp4", ".mov"):
                data = len(data).to_bytes(2, "big") + data
            packet = av.Packet(data)
            packet.stream, packet.time_base = texts, Fraction(1, 1000)
            packet.pts = packet.dts = int(start * 1000)
            packet.duration = int((end - start) * 1000)
            out.mux(packet)


def _write_sounds(out: Any, voices: list[Any], seconds: float) -> None:
    for index, voice in enumerate(voices):
        samples = np.arange(int(16000 * max(seconds, 0.2)))
        wave = 0.3 * np.sin(2 * np.pi * (300 + 200 * index) * samples / 16000)
        for start in range(0, len(wave), 1024):
            part = np.repeat(wave[None, start : start + 1024], 2, axis=0).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 16000, start
            out.mux(voice.encode(frame))
        out.mux(voice.encode())


def to_planes(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luma (H, W) and chroma (2, H/2, W/2), 8 bits, of uint8 (H, W, 3)."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb)).reformat(format="yuv420p")
    luma, *chroma = (_samples(plane, frame)[:, : plane.width] for plane in frame.planes)
    return luma, np.stack(chroma)


@dataclass
class Track:
    """What a file holds of one track."""

    kind: str
    codec: str
    metadata: dict[str, str]
    packets: list[tuple[Fraction, bytes]] = field(default_factory=list)  # seconds, content


@dataclass
class Read:
    """A film, read to its end."""

    lumas: list[np.ndarray]
    chromas: list[np.ndarray]  # (2, h, w) each
    times: list[Fraction]  # seconds
    rate: Fraction | None  # frames a second, as the file says
    length: int | None  # microseconds, as the file says
    pixel_format: str
    aspect: Fraction | None
    rotation: int
    colors: dict[str, int]
    tracks: list[Track]
    metadata: dict[str, str]
    chapters: list[tuple[Fraction, Fraction, str]]


def read_film(path: Path) -> Read:
    """Read all of a film."""
    lumas, chromas, times, rotation, aspect = [], [], [], 0, None
    with av.open(f"file:{path}") as film:
        stream = film.streams.video[0]
        for frame in film.decode(stream):
            planes = [_samples(plane, frame) for plane in frame.planes]
            lumas.append(planes[0])
            if len(planes) == 3:
                chromas.append(np.stack(planes[1:]))
            times.append(frame.pts * frame.time_base)
            rotation, aspect = frame.rotation, stream.sample_aspect_ratio
        context = stream.codec_context
        keys = ("color_range", "colorspace", "color_primaries", "color_trc")
        colors = {key: int(getattr(context, key)) for key in keys}
        pixel_format = context.pix_fmt
        rate, length = stream.average_rate, film.duration
    with av.open(f"file:{path}") as film:
        tracks = [
            Track(
                stream.type,
                stream.codec_context.codec.canonical_name if stream.codec_context else "",
                {key: stream.metadata[key] for key in ("language", "title") if key in
                 stream.metadata},
            )
            for stream in film.streams
        ]  # fmt: skip
        for packet in film.demux():
            if packet.size:
                track = tracks[packet.stream_index]
                track.packets.append((packet.pts * packet.time_base, bytes(packet)))
        chapters = [
            (each["start"] * each["time_base"], each["end"] * each["time_base"],
             each["metadata"]["title"])
            for each in film.chapters()
        ]  # fmt: skip
        return Read(
            lumas, chromas, times, rate, length, pixel_format, aspect, rotation, colors, tracks,
            dict(film.metadata), chapters,
        )  # fmt: skip


def _samples(plane: Any, frame: Any) -> np.ndarray:
    bits = frame.format.components[0].bits
    samples = np.frombuffer(plane, np.uint8 if bits == 8 else np.uint16)
    return samples.reshape(plane.height, -1)[:, : plane.width].copy()


def luma_psnr(true: Sequence[np.ndarray], film: Sequence[np.ndarray], bits: int = 8) -> float:
    """Of the worst frame, in dB."""
    errors = [
        np.square(a.astype(float) - b.astype(float)).mean() for a, b in zip(true, film, strict=True)
    ]
    return float(10 * np.log10((2**bits - 1) ** 2 / max(max(errors), 1e-9)))
