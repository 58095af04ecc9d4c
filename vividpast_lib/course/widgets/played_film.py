"""The film that the film player shows: small upright frames of a film file, grey and in colour."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...film.reading import FilmInfo, Frame, read_frames
from .film_chooser import Film

#: Longer side of each half of the player, at most, in pixels.
FRAME_SIDE = 320


@dataclass(frozen=True)
class PlayedFilm:
    """The film on the page.

    Parameters
    ----------
    film : Film
        The film in the menu.
    info : FilmInfo
        Its file.
    seconds : float
        Length of what is played, from the start.
    greys : ndarray, uint8, shape (T, H, W)
        Grey frames, upright and small.
    first : ndarray, uint8, shape (H, W, 3)
        First frame in colour.
    ab, ab_independent : ndarray, float32, shape (T, 2, h, w), optional
        Colours of the film, and those of independent frames, in Lab units at the network's size.
    """

    film: Film
    info: FilmInfo
    seconds: float
    greys: np.ndarray
    first: np.ndarray
    ab: np.ndarray | None = None
    ab_independent: np.ndarray | None = None


def length(info: FilmInfo) -> float:
    """Compute the length of a film in seconds."""
    return float(info.end - info.start)


def frames_within(info: FilmInfo, seconds: float) -> Iterator[Frame]:
    """Decode the frames of the first seconds: those that `colorize_film` colours as a preview."""
    end = (float(info.start) + seconds) / info.time_base
    return itertools.takewhile(lambda frame: frame.pts < end, read_frames(info))


def turned(info: FilmInfo, planes: np.ndarray) -> np.ndarray:
    """Turn planes (..., H, W) as players turn the frames of a film."""
    if info.display_matrix is None:
        return planes
    right, down = info.display_matrix[:2]
    quarters = round(-np.arctan2(down, right) / (np.pi / 2))
    return np.ascontiguousarray(np.rot90(planes, quarters, axes=(-2, -1)))


def small(info: FilmInfo, values: np.ndarray) -> np.ndarray:
    """Make a frame upright and small, with square pixels and even sides.

    Parameters
    ----------
    info : FilmInfo
        The frame's film.
    values : ndarray, uint8, shape (H, W) or (H, W, 3)
        The frame as it is stored.

    Returns
    -------
    ndarray, uint8, shape (h, w) or (h, w, 3)
        No side is longer than `FRAME_SIDE`.
    """
    width, height = values.shape[1] * float(info.aspect), values.shape[0]
    scale = min(1.0, FRAME_SIDE / max(width, height))
    size = [max(2, 2 * round(side * scale / 2)) for side in (width, height)]
    image = Image.fromarray(values).resize((size[0], size[1]), Image.Resampling.BILINEAR)
    planes = np.asarray(image)
    if planes.ndim == 2:
        return turned(info, planes)
    return np.ascontiguousarray(turned(info, planes.transpose(2, 0, 1)).transpose(1, 2, 0))


def side_by_side(grey: np.ndarray, colored: np.ndarray) -> np.ndarray:
    """Put a grey frame (H, W) left of its coloured one (H, W, 3): (H, 2 W, 3)."""
    return np.concatenate([np.repeat(grey[..., None], 3, axis=2), colored], axis=1)
