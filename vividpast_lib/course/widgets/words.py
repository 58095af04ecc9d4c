"""Colours in words, for those who can't see a picture or its colours."""

import numpy as np
import torch

from ...color.lab import rgb_to_lab

#: Hue angles in Lab, in degrees from the a axis.
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
#: Chroma below which a colour is called grey, in Lab units.
GREY = 6.0


def tone(a: float, b: float) -> str:
    """Name the hue of a colour, and how strong it is.

    Parameters
    ----------
    a, b : float
        The colour, in Lab units.

    Returns
    -------
    str
        Such as "pale orange".
    """
    chroma = float(np.hypot(a, b))
    if chroma < GREY:
        return "grey"
    strength = "pale " if chroma < 25 else "strong " if chroma > 60 else ""
    return strength + list(HUES)[int(_nearest_hues(np.array(a), np.array(b)))]


def tones(values: np.ndarray, most: int = 4) -> str:
    """Name the colours of a picture with their shares.

    Parameters
    ----------
    values : ndarray, uint8, shape (H, W, 3)
        sRGB values.
    most : int
        Number of colours, at most; one that covers less than 3 % is left out.

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
    distance = np.abs((hue - np.array(list(HUES.values())) + 180) % 360 - 180)
    return distance.argmin(axis=-1)
