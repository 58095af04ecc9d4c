"""Accessible parts of the demos: sliders, pictures, uploads.

ipywidgets' own sliders have no name for a screen reader, its pictures no alternative text, its
uploads end at 10 MB and can't be dropped. Each part here is a few lines of JavaScript around the
browser's own elements, in ``static/``.
"""

import base64
import io
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from ipywidgets import HTML, Box
from PIL import Image

from ...runtime.errors import VividPastError

STATIC = Path(__file__).parent / "static"
#: Size of the pieces in which files are sent to the browser, in bytes.
PIECE = 1 << 20


def png(image: Image.Image) -> bytes:
    """Encode a picture as PNG, quickly."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def picture_html(image: Image.Image, alt: str, kind: str = "PNG", density: float = 1) -> str:
    """Make an HTML element of a picture, with the text that a screen reader reads out.

    ``density`` is the number of its pixels for each pixel of the page. The element has its size
    before the picture is decoded, so that nothing jumps when another picture follows.
    """
    buffer = io.BytesIO()
    image.save(buffer, kind)
    data = base64.b64encode(buffer.getvalue()).decode()
    source = f"data:image/{kind.lower()};base64,{data}"
    width, height = (round(side / density) for side in image.size)
    return (
        f'<img src="{source}" alt="{escape(alt)}" width="{width}" height="{height}" '
        'decoding="sync" style="max-width: 100%; height: auto">'
    )


def beside(*pictures: Image.Image, gap: int = 8) -> Image.Image:
    """Put pictures beside each other, on white."""
    width = sum(each.width + gap for each in pictures) - gap
    sheet = Image.new("RGB", (width, max(each.height for each in pictures)), "white")
    left = 0
    for each in pictures:
        sheet.paste(each, (left, 0))
        left += each.width + gap
    return sheet


def row(*parts: Any) -> Box:
    """Put parts beside each other, or below each other where the page is narrow."""
    box = Box(parts)
    box.add_class("vp-row")
    return box


def heading(text: str) -> HTML:
    """Make a heading of the parts below it."""
    return HTML(f"<strong>{escape(text)}</strong>")


def at_point(planes: Any, x: float, y: float) -> Any:
    """Read the pixel at a point.

    Parameters
    ----------
    planes : ndarray or Tensor, shape (..., H, W)
        A picture.
    x, y : float
        The point, shares of width and height in [0, 1].

    Returns
    -------
    ndarray or Tensor, shape (...)
    """
    height, width = planes.shape[-2:]
    return planes[..., min(int(y * height), height - 1), min(int(x * width), width - 1)]


class Part(anywidget.AnyWidget):
    """Base of the parts."""

    _css = STATIC / "parts.css"


class Slider(Part):
    """A labelled range.

    Parameters
    ----------
    label : str
        Name of the slider.
    min, max, step, value : float
        As in the browser's own range.
    text : str
        The value in words.
    """

    _esm = STATIC / "slider.js"
    label = traitlets.Unicode().tag(sync=True)
    min = traitlets.Float(0.0).tag(sync=True)
    max = traitlets.Float(100.0).tag(sync=True)
    step = traitlets.Float(1.0).tag(sync=True)
    value = traitlets.Float(0.0).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)


class Stage(Part):
    """A picture to point at (``mode="point"``) or to draw on (``mode="draw"``).

    Parameters
    ----------
    picture : bytes
        PNG.
    alt, label, help : str
        Description of the picture; purpose; use.
    point : tuple of float
        (x, y), shares of width and height in [0, 1), or () while there is none.
    radius : float
        Radius of the pen, as a share of the shorter side.
    color : str
        Colour of the pen while a stroke is drawn, as in CSS.
    """

    _esm = STATIC / "stage.js"
    picture = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    help = traitlets.Unicode().tag(sync=True)
    mode = traitlets.Enum(["point", "draw"], "point").tag(sync=True)
    point = traitlets.List(traitlets.Float()).tag(sync=True)
    radius = traitlets.Float(0.02).tag(sync=True)
    color = traitlets.Unicode("white").tag(sync=True)

    def on_stroke(self, draw: Callable[[list[tuple[float, float]]], None]) -> None:
        """Call ``draw`` with the points of each stroke, once it has ended."""

        def on_message(_part: Any, content: dict, _buffers: list) -> None:
            if content.get("type") == "stroke":
                draw([(float(x), float(y)) for x, y in content["points"]])

        self.on_msg(on_message)


class Divider(Part):
    """Two pictures of one size, the left part of one beside the right part of the other.

    Parameters
    ----------
    before, after : bytes
        PNG.
    before_name, after_name, before_alt, after_alt : str
        Names and descriptions of the pictures.
    position : float
        Position of the divider, in percent of the width.
    """

    _esm = STATIC / "divider.js"
    before = traitlets.Bytes().tag(sync=True)
    after = traitlets.Bytes().tag(sync=True)
    before_name = traitlets.Unicode("before").tag(sync=True)
    after_name = traitlets.Unicode("after").tag(sync=True)
    before_alt = traitlets.Unicode().tag(sync=True)
    after_alt = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode("Divider between before and after").tag(sync=True)
    position = traitlets.Float(50.0).tag(sync=True)


class Upload(Part):
    """Files in, by choosing or by dropping.

    Parameters
    ----------
    label : str
        Kind of files to choose.
    accept : str
        Suffixes or media types that the file dialog offers, as in HTML.
    multiple : bool
        Whether several files can be chosen at once.
    largest : int
        Largest size of a file, in bytes.
    """

    _esm = STATIC / "upload.js"
    label = traitlets.Unicode().tag(sync=True)
    accept = traitlets.Unicode().tag(sync=True)
    multiple = traitlets.Bool(False).tag(sync=True)
    largest = traitlets.Int(100_000_000).tag(sync=True)

    def __init__(
        self,
        on_file: Callable[[str, bytes], None],
        on_refused: Callable[[VividPastError], None],
        **traits: Any,
    ) -> None:
        """Call ``on_file`` with name and content of each file, or ``on_refused`` with the error."""
        super().__init__(**traits)
        self._on_file, self._on_refused = on_file, on_refused
        self._name, self._size = "", 0
        self._content = bytearray()
        self.on_msg(self._on_message)

    def _on_message(self, _part: Any, content: dict, buffers: list) -> None:
        kind = content.get("type")
        if kind == "begin":
            self._name, self._size = str(content["name"]), int(content["size"])
            self._content = bytearray()
            if self._size > self.largest:
                self._on_refused(
                    VividPastError(
                        f"{self._name}: has {self._size / 1e6:,.0f} MB, but no more than "
                        f"{self.largest / 1e6:,.0f} MB can be sent; make it smaller, or use the "
                        "command line."
                    )
                )
        elif kind == "piece" and len(self._content) + len(buffers[0]) <= self.largest:
            self._content += buffers[0]
            self.send({"type": "arrived"})
        elif kind == "end" and len(self._content) == self._size:
            received, self._content = bytes(self._content), bytearray()
            self._on_file(self._name, received)
        elif kind == "failed":
            self._on_refused(
                VividPastError(
                    f"{content['name']}: did not arrive ({content['reason']}); try again."
                )
            )


class Download(Part):
    """A button that saves a file.

    Parameters
    ----------
    label : str
        Kind of file that is saved.
    """

    _esm = STATIC / "download.js"
    label = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, on_wanted: Callable[[], None], **traits: Any) -> None:
        """Call ``on_wanted`` when it is pressed; it is to call `deliver`, at once or later."""
        super().__init__(**traits)

        def on_message(_part: Any, content: dict, _buffers: list) -> None:
            if content.get("type") == "wanted":
                on_wanted()

        self.on_msg(on_message)

    def deliver(self, name: str, content: bytes, mime: str = "application/octet-stream") -> None:
        """Have the browser save a file."""
        for start in range(0, len(content), PIECE):
            self.send({"type": "piece"}, [content[start : start + PIECE]])
        self.send({"type": "end", "name": name, "mime": mime})


class Message(Part):
    """A sentence on the state of a demo; an error is marked as one in words, not by colour alone.

    Parameters
    ----------
    demo : str
        Name of the demo.
    """

    _esm = STATIC / "message.js"
    text = traitlets.Unicode().tag(sync=True)
    is_error = traitlets.Bool(False).tag(sync=True)
    demo = traitlets.Unicode().tag(sync=True)

    def show(self, text: str) -> None:
        """Show a sentence on the state of the demo."""
        with self.hold_sync():
            self.text, self.is_error = text, False

    def show_error(self, text: str) -> None:
        """Show what is wrong and what to do."""
        with self.hold_sync():
            self.text, self.is_error = text, True


class Progress(Part):
    """Progress of a long job; hidden while there is none.

    Parameters
    ----------
    label : str
        Name of the job.
    value : float
        Share that is done, in [0, 1].
    text : str
        The share in words.
    """

    _esm = STATIC / "progress.js"
    label = traitlets.Unicode().tag(sync=True)
    value = traitlets.Float(0.0).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    running = traitlets.Bool(False).tag(sync=True)


class Video(Part):
    """A film in the browser's own player.

    Parameters
    ----------
    film : bytes
        Content of an mp4 file.
    alt : str
        Description of the film.
    """

    _esm = STATIC / "video.js"
    film = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
