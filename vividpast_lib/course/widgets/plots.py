"""Plots for the demos, drawn in threads: by matplotlib without pyplot, which is not thread-safe."""

import io
import threading
from collections.abc import Callable
from html import escape

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from .parts import picture_html

#: Number of pixels of a plot for each pixel of the page, so that it stays sharp when enlarged.
DENSITY = 2
# matplotlib's caches, of fonts for one, are not thread-safe.
_matplotlib_lock = threading.Lock()


def plot(
    draw: Callable[[list[Axes]], None], rows: int = 1, width: int = 440, height: int = 320
) -> Image.Image:
    """Draw a plot, or several above each other with a common x axis.

    Parameters
    ----------
    draw : callable
        Draws on the axes, ``rows`` of them.
    rows : int
        Number of plots.
    width, height : int
        Size in pixels of the page; the picture has `DENSITY` times as many.

    Returns
    -------
    PIL.Image.Image, mode RGB
    """
    with _matplotlib_lock:
        figure = Figure(figsize=(width / 100, height / 100), dpi=100 * DENSITY, layout="tight")
        draw(list(figure.subplots(rows, sharex=True, squeeze=False)[:, 0]))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def titled(title: str, image: Image.Image, alt: str, density: float = 1) -> str:
    """Make HTML of a picture below its title."""
    return f"<strong>{escape(title)}</strong>{picture_html(image, alt, density=density)}"


def time_left(seconds: float) -> str:
    """Write a remaining time in words, such as "about 40 s left"."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s left"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.1f} h left"
