"""Colours in words, for those who can't see a picture, or not its colours."""

import numpy as np
import torch

from ...color.lab import rgb_to_lab

#: Hues of Lab in degrees, from red towards yellow.
HUES = {
    "red": 30,
    "orange": 62,
    "yellow": 98,
    "green": 140,
    "cyan": 205,
    "blue": 275,
    "violet": 315,
    "pink": 350,
}
#: Below this chroma, in Lab units, a colour is called grey.
GREY = 6.0


def tone(a: float, b: float) -> str:
    """Name a colour's hue, and how strong it is.

    Parameters
    ----------
    a, b : float
        In Lab units.
    """
    chroma = float(np.hypot(a, b))
    if chroma < GREY:
        return "grey"
    strength = "pale " if chroma < 25 else "strong " if chroma > 60 else ""
    return strength + list(HUES)[int(_nearest_hues(np.array(a), np.array(b)))]


def tones(values: np.ndarray, most: int = 4) -> str:
    """Say which colours a picture has, and how much of it.

    Parameters
    ----------
    values : ndarray, uint8, shape (H, W, 3)
        sRGB.
    most : int
        Colours that are named, at most; none that covers less than 3 %.

    Returns
    -------
    str
        Such as "grey 62 %, orange 30 %, blue 8 %", largest first.
    """
    every = max(1, min(values.shape[:2]) // 64)  # some thousand pixels are enough
    rgb = torch.from_numpy(values[::every, ::every].copy()).permute(2, 0, 1) / 255
    a, b = rgb_to_lab(rgb)[1:].numpy()
    names = np.where(np.hypot(a, b) < GREY, len(HUES), _nearest_hues(a, b))
    shares = np.bincount(names.ravel(), minlength=len(HUES) + 1) / names.size
    called = [*HUES, "grey"]
    largest = [index for index in np.argsort(-shares)[:most] if shares[index] >= 0.03]
    return ", ".join(f"{called[index]} {100 * shares[index]:.0f} %" for index in largest)


def _nearest_hues(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Find the index in `HUES` of the nearest hue."""
    hue = np.degrees(np.arctan2(b, a))[..., None]
    apart = np.abs((hue - np.array(list(HUES.values())) + 180) % 360 - 180)
    return apart.argmin(axis=-1)
