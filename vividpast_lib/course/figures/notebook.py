"""Figures and films in, HTML in a notebook out, with a text for those who can't see it."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show(figure: "Figure | Image.Image", alt: str) -> None:
    """Display a picture in a notebook, with the text that a screen reader reads out.

    Parameters
    ----------
    figure : matplotlib Figure or PIL image
        A matplotlib figure is closed afterwards.
    alt : str
        Description of the picture, in a sentence or two.
    """
    from html import escape

    from IPython.display import display

    buffer = io.BytesIO()
    if isinstance(figure, Image.Image):
        figure.save(buffer, "PNG")
    else:
        import matplotlib.pyplot as plt

        figure.savefig(buffer, format="png", dpi=80, bbox_inches="tight")
        plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode()
    # JupyterLab drops the alt text of a plain image/png, so the picture is an HTML element.
    html = f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" style="max-width: 100%">'
    display({"text/html": html, "text/plain": alt}, raw=True)


def show_film(frames: Sequence[np.ndarray], alt: str) -> None:
    """Play a film in a notebook, with the text that a screen reader reads out.

    Parameters
    ----------
    frames : sequence of ndarray, uint8, shape (H, W, 3) or (H, W)
        24 a second; H and W even. To compare films, put their frames side by side: two players
        would get out of step.
    alt : str
        Description of the film, in a sentence or two.
    """
    import tempfile
    from html import escape
    from pathlib import Path

    from IPython.display import display

    from ...film.synthetic import write_mp4

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        write_mp4(path, frames, quality=27)
        data = base64.b64encode(path.read_bytes()).decode()
    html = (
        f'<video controls loop muted aria-label="{escape(alt)}" style="max-width: 100%" '
        f'src="data:video/mp4;base64,{data}">{escape(alt)}</video>'
    )
    display({"text/html": html, "text/plain": alt}, raw=True)
