"""The bundled films: camera moves over bundled photos, one clean and in colour, one like old stock.

`vividpast data synthetic -o data/films` makes them. Each step can also be used on its own, to try
what a colorizer makes of grain, flicker or a fade.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..photos.open import bundled_folder
from ..runtime.files import atomic_write
from .pyav import film_write_errors, import_av
from .ycbcr import BT_601

WIDTH, HEIGHT, RATE = 320, 192, 24
SOUND_RATE = 48_000
# Frequencies in Hz of a slow broken chord.
NOTES = (220.0, 277.2, 329.6, 440.0, 329.6, 277.2)


class Look(NamedTuple):
    """Where a camera looks: the centre as fractions of the photo, and the width in pixels."""

    x: float
    y: float
    width: float


def films_folder() -> Path:
    """Folder of the films that come with the project."""
    return bundled_folder("films")


def camera_move(
    photo: np.ndarray, start: Look, end: Look, frames: int, shake: float = 0.0
) -> list[np.ndarray]:
    """Film a photo with a camera that moves slowly off and to a stop.

    Parameters
    ----------
    photo : ndarray, uint8, shape (H, W, 3)
    start, end : Look
        Where the camera looks first and last.
    frames : int
    shake : float
        Standard deviation, in pixels of the photo, of the camera's distance from its path.

    Returns
    -------
    list of ndarray, uint8, shape (192, 320, 3)
    """
    image = Image.fromarray(photo)
    random = np.random.default_rng(0)
    result = []
    for time in np.linspace(0, 1, frames):
        eased = time * time * (3 - 2 * time)
        x, y, width = np.array(start) * (1 - eased) + np.array(end) * eased
        height = width * HEIGHT / WIDTH
        right, down = shake * random.standard_normal(2)
        left = np.clip(x * image.width - width / 2 + right, 0, image.width - width)
        top = np.clip(y * image.height - height / 2 + down, 0, image.height - height)
        box = (left, top, left + width, top + height)
        result.append(np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box)))
    return result


def cross_fade(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], frames: int
) -> list[np.ndarray]:
    """Join two shots; the last ``frames`` of the first fade into the first ones of the second."""
    weights = (np.arange(frames) + 1) / (frames + 1)
    faded = [
        ((1 - weight) * one + weight * other).round().astype(np.uint8)
        for weight, one, other in zip(weights, first[-frames:], second[:frames], strict=True)
    ]
    return [*first[:-frames], *faded, *second[frames:]]


def grainy(frames: Sequence[np.ndarray], grain: float = 4.0) -> list[np.ndarray]:
    """Add colourless grain to frames (H, W, 3); ``grain`` is its standard deviation, of 255."""
    random = np.random.default_rng(0)
    return [
        (frame + grain * random.standard_normal((*frame.shape[:2], 1)))
        .clip(0, 255)
        .astype(np.uint8)
        for frame in frames
    ]


def old_stock(
    frames: Sequence[np.ndarray], grain: float = 5.0, flicker: float = 0.05
) -> list[np.ndarray]:
    """Make colour frames look like old black-and-white film.

    Parameters
    ----------
    frames : sequence of ndarray, uint8, shape (H, W, 3)
    grain : float
        Standard deviation, of 255.
    flicker : float
        Standard deviation of the factor by which each frame is brighter or darker.

    Returns
    -------
    list of ndarray, uint8, shape (H, W)
        With a scratch here and there.
    """
    random = np.random.default_rng(0)
    result = []
    for frame in frames:
        grey = np.asarray(Image.fromarray(frame).convert("L")).astype(float)
        grey *= 1 + flicker * random.standard_normal()
        grey += grain * random.standard_normal(grey.shape)
        if random.random() < 0.3:
            grey[:, random.integers(grey.shape[1])] += 60
        result.append(grey.clip(0, 255).round().astype(np.uint8))
    return result


def melody(seconds: float) -> np.ndarray:
    """Play a slow broken chord: float32 in [-1, 1], shape (samples,), `SOUND_RATE` per second."""
    time = np.arange(int(seconds * SOUND_RATE)) / SOUND_RATE
    sound = np.zeros_like(time)
    for index in range(int(np.ceil(seconds / 0.4))):
        since = time - 0.4 * index
        tone = np.sin(2 * np.pi * NOTES[index % len(NOTES)] * since)
        sound += 0.25 * tone * np.exp(-3 * since) * (since >= 0)
    return sound.astype(np.float32)


def write_mp4(
    path: Path, frames: Iterable[np.ndarray], sound: np.ndarray | None = None, quality: int = 20,
    rate: Fraction | int = RATE, preset: str = "slow",
) -> None:  # fmt: skip
    """Write a film, H.264 and AAC in mp4, which browsers play.

    Parameters
    ----------
    path : Path
    frames : iterable of ndarray, uint8, shape (H, W, 3) or (H, W)
        At least one; H and W even.
    sound : ndarray, float32, shape (samples,), optional
        `SOUND_RATE` per second.
    quality : int
        From 0, the best, to 51.
    rate : Fraction or int
        Frames per second.
    preset : str
        Of libx264: the slower, the smaller the file.

    Raises
    ------
    VividPastError
        If it can't be written.
    """
    av = import_av()
    # B-frames, or several threads, would make each file another.
    options = {"crf": str(quality), "preset": preset, "bf": "0", "threads": "1"}
    with (
        film_write_errors(path),
        atomic_write(path) as temporary,
        av.open(f"file:{temporary}", "w", format="mp4", options={"movflags": "faststart"}) as out,
    ):
        video = out.add_stream("libx264", rate=rate, options=options)
        rest = iter(frames)
        first = next(rest)
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        context = video.codec_context
        context.color_range, context.colorspace = 1, BT_601
        context.color_primaries = context.color_trc = BT_601
        audio = out.add_stream("aac", rate=SOUND_RATE, layout="mono") if sound is not None else None
        for index, pixels in enumerate(chain([first], rest)):
            rgb = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame = frame.reformat(
                format="yuv420p", dst_colorspace=BT_601, src_color_range=2, dst_color_range=1
            )
            frame.pts, frame.time_base = index, 1 / Fraction(rate)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if sound is not None and audio is not None:
            for start in range(0, len(sound), 1024):
                part = av.AudioFrame.from_ndarray(
                    sound[None, start : start + 1024], format="fltp", layout="mono"
                )
                part.sample_rate, part.pts = SOUND_RATE, start
                out.mux(audio.encode(part))
            out.mux(audio.encode())


def make_synthetic_films(folder: Path) -> Iterator[Path]:
    """Write the bundled films to a folder, and name each."""
    stream = camera_move(
        _photo("forest_stream"), Look(0.42, 0.5, 340), Look(0.58, 0.5, 340), 40, shake=0.5
    )
    astronaut = camera_move(
        _photo("astronaut"), Look(0.45, 0.4, 340), Look(0.5, 0.3, 260), 32, shake=0.5
    )
    moose = camera_move(_photo("moose"), Look(0.4, 0.5, 380), Look(0.6, 0.5, 320), 36)
    aqueduct = camera_move(_photo("roman_aqueduct"), Look(0.3, 0.4, 330), Look(0.7, 0.5, 330), 42)
    band = camera_move(_photo("mariachi_musicians"), Look(0.6, 0.5, 460), Look(0.4, 0.5, 340), 36)
    films = {
        "camera_moves": grainy(stream + astronaut),
        "old_stock": old_stock(moose + cross_fade(aqueduct, band, 12)),
    }
    for name, frames in films.items():
        path = folder / f"{name}.mp4"
        with film_write_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
        write_mp4(path, frames, melody(len(frames) / RATE))
        yield path


def _photo(name: str) -> np.ndarray:
    with Image.open(bundled_folder() / f"{name}.jpg") as image:
        return np.asarray(image.convert("RGB"))
