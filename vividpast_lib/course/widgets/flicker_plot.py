"""The plot of how one point of a film changes over time, and the same in words."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from ...colorize.compose import lightness_of
from .parts import at_point
from .played_film import PlayedFilm
from .plots import plot


def flicker(ab: np.ndarray) -> float:
    """Compute how far the colour of one point jumps from frame to frame.

    Parameters
    ----------
    ab : ndarray, shape (T, 2)
        In Lab units.

    Returns
    -------
    float
        Mean distance in the plane of a and b; 0 of a single frame.
    """
    steps = np.diff(np.asarray(ab, np.float64), axis=0)
    return float(np.hypot(*steps.T).mean()) if len(steps) else 0.0


def follow_point(film: PlayedFilm, x: float, y: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Follow one point of the frame through a film.

    Returns
    -------
    lightness : ndarray, shape (T,)
        L in [0, 100].
    colors : dict of ndarray, shape (T, 2)
        ab in Lab units of ``independent frames`` and of the ``film``, as far as they are known.
    """
    values = np.ascontiguousarray(at_point(film.greys, x, y))
    lightness = lightness_of(values[:, None, None])[:, 0].numpy()
    maps = {"independent frames": film.ab_independent, "film": film.ab}
    return lightness, {name: at_point(ab, x, y) for name, ab in maps.items() if ab is not None}


def flicker_plot(film: PlayedFilm, x: float, y: float) -> Image.Image:
    """Draw how one point changes over time: its lightness, or a and b once there are colours.

    Parameters
    ----------
    film : PlayedFilm
        The film.
    x, y : float
        The point, shares of width and height in [0, 1).
    """
    lightness, colors = follow_point(film, x, y)
    seconds = np.arange(len(lightness)) / float(film.info.rate)
    return plot(lambda axes: draw_flicker(axes, seconds, lightness, colors), 2 if colors else 1)


def draw_flicker(
    axes: list[Axes], seconds: np.ndarray, lightness: np.ndarray, colors: dict[str, np.ndarray]
) -> None:
    """Draw the result of `follow_point` on two axes, a and b, or without colours on one."""
    styles: dict[str, dict[str, Any]] = {
        "independent frames": {"ls": "--", "lw": 1.0, "color": "tab:orange"},
        "film": {"ls": "-", "lw": 1.8, "color": "tab:blue"},
    }
    marker = "" if len(seconds) > 1 else "o"
    if not colors:
        axes[0].plot(seconds, lightness, marker=marker, color="black")
        axes[0].set_ylabel("lightness L")
    for channel, axis in enumerate(axes if colors else []):
        for name, ab in colors.items():
            axis.plot(seconds, ab[:, channel], marker=marker, label=name, **styles[name])
        axis.set_ylabel("a (red)" if channel == 0 else "b (yellow)")
    if colors:
        axes[0].legend(fontsize=9)
    for axis in axes:
        axis.grid(alpha=0.3)
        low, high = axis.get_ylim()
        middle = (low + high) / 2
        axis.set_ylim(min(low, middle - 5), max(high, middle + 5))  # noise must not look large
    axes[-1].set_xlabel("seconds")


def describe_flicker(film: PlayedFilm, x: float, y: float) -> str:
    """Describe in words what `flicker_plot` draws."""
    lightness, colors = follow_point(film, x, y)
    where = f"{100 * x:.0f} % from the left, {100 * y:.0f} % from the top"
    if not colors:
        return (
            f"Plot of the lightness at {where}, over {len(lightness)} frames: between "
            f"{lightness.min():.0f} and {lightness.max():.0f}."
        )
    jumps = "; ".join(f"{name} {flicker(ab):.2f}" for name, ab in reversed(colors.items()))
    return (
        f"Plot of a and b at {where}, over {len(lightness)} frames. Mean change from frame to "
        f"frame in Lab units: {jumps}."
    )
