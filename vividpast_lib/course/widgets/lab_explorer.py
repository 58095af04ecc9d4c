"""Lab colours to move through: three sliders, the slice of sRGB's gamut, a photo to pick from."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ...color.gamut import fit_to_srgb, outside_srgb
from ...color.lab import lab_to_rgb, rgb_to_lab
from ..figures.plots import lab_plane
from .demo import Demo, on_change
from .parts import HTML, Slider, Stage, at_point, beside, png, row
from .photo_chooser import PhotoChooser
from .words import tone

#: Half the side of the slice, in Lab units: a and b run from -EXTENT to EXTENT.
EXTENT = 110
#: Side of the picture of the slice, in pixels.
SLICE_SIDE = 331


class LabExplorer(Demo):
    """Sliders for L, a and b; the colour in the slice of its lightness; a photo to pick from.

    Examples
    --------
    >>> from vividpast_lib.course.widgets import LabExplorer
    >>> LabExplorer()  # doctest: +SKIP
    """

    def __init__(self) -> None:
        super().__init__()
        self.lightness = Slider(label="L, lightness", min=0, max=100, value=60)
        self.a = Slider(label="a, green to red", min=-EXTENT, max=EXTENT, value=40)
        self.b = Slider(label="b, blue to yellow", min=-EXTENT, max=EXTENT, value=30)
        self.color = HTML()
        self.slice = Stage(
            label="Slice of sRGB's colours at this lightness: arrow keys change a and b.",
            help="Click, drag or use the arrow keys: a to the right, b upwards. What is hatched, "
            "no screen can show.",
        )
        self.photo = Stage(
            label="Photo: arrow keys move the point whose colour the sliders show.",
            help="Click, drag or use the arrow keys: the sliders show the colour there.",
        )
        self.chooser = PhotoChooser(self._show_photo, self.message, "scarlet_macaw.jpg")
        self.set_layout(
            row(self.lightness, self.a, self.b),
            self.color,
            row(self.slice, self.photo),
            self.chooser,
        )
        self._moving = False
        on_change(self._show_color, self.lightness, self.a, self.b)
        on_change(self._take_from_slice, self.slice, names="point")
        on_change(self._take_from_photo, self.photo, names="point")
        self._show_color()
        self._show_photo()
        self.wait()

    def static_preview(self) -> tuple[Image.Image, str]:
        """Draw the slice and the photo."""
        photo = Image.fromarray(self._values)
        photo.thumbnail((SLICE_SIDE, SLICE_SIDE))
        picture = beside(render(self.lightness.value, self.a.value, self.b.value), photo)
        return picture, (
            "LabExplorer: the slice of sRGB's colours at one lightness, with a ring around one "
            f"colour, and the photo {self.chooser.menu.label} to pick a colour from."
        )

    def _show_photo(self) -> None:
        def job() -> None:
            self._values = self.chooser.small()
            self.photo.picture = png(Image.fromarray(self._values))
            self.photo.alt = f"The photo {self.chooser.menu.label}."
            self.message.show("")

        self.run_in_background(job)

    def _show_color(self) -> None:
        if self._moving:
            return
        lab = self.lightness.value, self.a.value, self.b.value
        self.color.value = describe_html(*lab)
        with self.slice.hold_sync():  # what is read out is what is seen
            self.slice.alt = describe(*lab)
            self.slice.picture = png(render(*lab))
            self.slice.point = point_of(*lab[1:])

    def _take_from_slice(self) -> None:
        if self.slice.point != point_of(self.a.value, self.b.value):
            self._move(self.lightness.value, *ab_at(*self.slice.point))

    def _take_from_photo(self) -> None:
        self._move(*(round(each, 1) for each in lab_at(self._values, *self.photo.point)))

    def _move(self, lightness: float, a: float, b: float) -> None:
        """Move the three sliders, and draw once."""
        self._moving = True
        self.lightness.value, self.a.value, self.b.value = lightness, a, b
        self._moving = False
        self._show_color()


def render(lightness: float, a: float, b: float, side: int = SLICE_SIDE) -> Image.Image:
    """Draw the colours of sRGB at one lightness, and mark one colour among them.

    Parameters
    ----------
    lightness, a, b : float
        In Lab units; a and b in [-110, 110].
    side : int
        Side of the picture, in pixels.

    Returns
    -------
    PIL.Image.Image, mode RGB
        a from -110 to 110 to the right, b upwards. What sRGB can't show is hatched; the colour is
        ringed, and the colour that is shown in its place, if it is another one, has a dot.
    """
    rgb, inside = lab_plane(lightness, EXTENT, side)
    values = (rgb * 255).round().astype(np.uint8)
    down, across = np.mgrid[:side, :side]
    values[~inside] = np.where((down + across) % 12 < 2, 170, 235)[~inside][:, None]
    picture = Image.fromarray(values)
    draw = ImageDraw.Draw(picture)
    half = side // 2
    draw.line((0, half, side, half), "dimgrey")
    draw.line((half, 0, half, side), "dimgrey")
    font = ImageFont.load_default(14)
    draw.text((side - 6, half + 2), "a", "black", font, anchor="rt")
    draw.text((half + 6, 3), "b", "black", font)
    if outside(lightness, a, b):
        _lightness, *ab = nearest_shown(lightness, a, b)
        ends = [share * side for share in (*point_of(a, b), *point_of(*ab))]
        draw.line(ends, "black", 2)
        _ring(draw, ends[2:], 3)
    _ring(draw, [share * side for share in point_of(a, b)], 7)
    return picture


def _ring(draw: ImageDraw.ImageDraw, center: list[float], radius: int) -> None:
    x, y = center
    for color, width in (("black", 4), ("white", 2)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=color, width=width)


def describe(lightness: float, a: float, b: float) -> str:
    """Describe a colour in words, and whether a screen can show it."""
    numbers = (f"{round(each, 1) + 0:g}" for each in (lightness, a, b))
    text = "L {}, a {}, b {}".format(*numbers) + f": {tone(a, b)}"
    if not outside(lightness, a, b):
        red, green, blue = screen_color(lightness, a, b)
        return f"{text}; sRGB {red}, {green}, {blue}."
    _lightness, near_a, near_b = nearest_shown(lightness, a, b)
    return (
        f"{text}; outside sRGB, no screen can show it. As strong as can be shown at this lightness "
        f"and hue: a {near_a:.0f}, b {near_b:.0f}."
    )


def describe_html(lightness: float, a: float, b: float) -> str:
    """Make HTML of `describe` beside a patch of the colour."""
    red, green, blue = screen_color(*nearest_shown(lightness, a, b))
    return (
        '<div style="display: flex; gap: 0.7em; align-items: center">'
        f'<span style="background: rgb({red} {green} {blue}); border: 1px solid; flex: none; '
        f'width: 5em; height: 3em"></span><span>{describe(lightness, a, b)}</span></div>'
    )


def screen_color(lightness: float, a: float, b: float) -> tuple[int, int, int]:
    """Compute sRGB from 0 to 255, each clipped."""
    rgb = lab_to_rgb(_one(lightness, a, b))[:, 0, 0]
    red, green, blue = (rgb * 255).round().int().tolist()
    return red, green, blue


def nearest_shown(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """Reduce the chroma of a colour until sRGB has it: `gamut.fit_to_srgb`."""
    return tuple(fit_to_srgb(_one(lightness, a, b))[:, 0, 0].tolist())


def outside(lightness: float, a: float, b: float) -> bool:
    """Whether a colour lies outside sRGB."""
    return bool(outside_srgb(_one(lightness, a, b)))


def lab_at(values: np.ndarray, x: float, y: float) -> tuple[float, float, float]:
    """Convert the pixel of uint8 (H, W, 3) at a point, shares of width and height, to Lab."""
    pixel = torch.from_numpy(at_point(values.transpose(2, 0, 1), x, y) / 255)[:, None, None]
    return tuple(rgb_to_lab(pixel)[:, 0, 0].tolist())


def point_of(a: float, b: float) -> list[float]:
    """Compute the point of a and b in the slice, shares of its width and height."""
    return [(a + EXTENT) / (2 * EXTENT), (EXTENT - b) / (2 * EXTENT)]


def ab_at(x: float, y: float) -> tuple[float, float]:
    """Compute a and b of a point in the slice, in whole Lab units: the inverse of `point_of`."""
    return round(2 * EXTENT * x - EXTENT), round(EXTENT - 2 * EXTENT * y)


def _one(lightness: float, a: float, b: float) -> torch.Tensor:
    return torch.tensor([lightness, a, b], dtype=torch.float32)[:, None, None]
