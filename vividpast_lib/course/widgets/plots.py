"""Plots for the demos, drawn beside the page: by matplotlib, but never by pyplot."""

import io
import threading
from collections.abc import Callable
from html import escape

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from .parts import picture_html

#: Pixels of a plot for each of the page, so that it stays sharp when enlarged.
DENSITY = 2
# matplotlib keeps fonts and other things that two threads must not use at once.
_drawing = threading.Lock()


def plot(
    draw: Callable[[list[Axes]], None], rows: int = 1, width: int = 440, height: int = 320
) -> Image.Image:
    """Draw a plot, or several above each other with one axis of x.

    Parameters
    ----------
    draw : callable
        Draws on the axes, ``rows`` of them.
    rows : int
        How many plots.
    width, height : int
        On the page, in its pixels; the picture has `DENSITY` times as many.

    Returns
    -------
    PIL.Image.Image, mode RGB
    """
    with _drawing:
        figure = Figure(figsize=(width / 100, height / 100), dpi=100 * DENSITY, layout="tight")
        draw(list(figure.subplots(rows, sharex=True, squeeze=False)[:, 0]))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def titled(title: str, image: Image.Image, alt: str, density: float = 1) -> str:
    """Make HTML of a picture and what it is called."""
    return f"<strong>{escape(title)}</strong>{picture_html(image, alt, density=density)}"


def time_left(seconds: float) -> str:
    """Say how long something still takes, such as "about 40 s left"."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s left"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.1f} h left"
