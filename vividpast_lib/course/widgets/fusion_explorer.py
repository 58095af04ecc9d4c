"""What does the fusion network do with its class map? Paint another one, and see."""

import io
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from ipywidgets import HTML, Button, Dropdown
from PIL import Image
from torch import Tensor

from ...colorize.colorizer import Colorizer
from ...colorize.compose import compose_rgb, lightness_of
from ...colorize.strokes import Stroke, draw_strokes
from ...networks.class_map_pictures import grey_picture, tint_classes
from ...networks.class_maps import encode, paint_class
from ...networks.voc import VOC_CLASSES
from .demo import Demo, on_change
from .parts import Divider, Slider, Stage, beside, heading, png, row
from .photo_chooser import PhotoChooser
from .photo_colorizer import legend_html, open_colorizer
from .words import tones

MODEL = "fusion2018"


@dataclass(frozen=True)
class ClassStroke:
    """A stroke of one class on the class map.

    Parameters
    ----------
    number : int
        Index in `voc.VOC_CLASSES`.
    points : list of (x, y)
        Shares of width and height in [0, 1]; none for the whole photo.
    radius : float
        Half the thickness, as a share of the shorter side.
    """

    number: int
    points: list[tuple[float, float]]
    radius: float


class FusionExplorer(Demo):
    """Paint the class map, and watch whether the fusion network's colours follow.

    Examples
    --------
    >>> from vividpast_lib.course.widgets import FusionExplorer
    >>> FusionExplorer()  # doctest: +SKIP
    """

    def __init__(self) -> None:
        super().__init__()
        self.chooser = PhotoChooser(self._new_photo, self.message, "two_brown_dogs.jpg")
        self.classes = Dropdown(options=VOC_CLASSES, value="person", description="This is")
        self.radius = Slider(label="Brush", min=2, max=30, value=12)
        self.confidence = Slider(label="How sure", step=5, value=100, text="as sure as it ever was")
        self.fill = Button(description="Fill the whole photo")
        self.undo = Button(description="Undo")
        self.clear = Button(description="Back to the segmenter's map")
        self.stage = Stage(
            mode="draw",
            label="Class map: paint what is where.",
            help="Drag to paint; or arrow keys move, Enter paints a spot, Shift and arrow keys a "
            "line. One cell is an eighth of what the network sees.",
        )
        self.divider = Divider(
            before_name="colours by the segmenter's map",
            after_name="by yours",
            label="Divider between the colours by the segmenter's map and by yours",
        )
        self.legend = HTML()
        self.strokes: list[ClassStroke] = []
        self.set_layout(
            self.chooser,
            row(self.classes, self.radius, self.confidence, self.fill, self.undo, self.clear),
            row(self.stage, self.divider),
            heading("In your class map:"),
            self.legend,
        )
        self.stage.on_stroke(self._paint)
        self.fill.on_click(lambda _button: self._paint([]))
        self.undo.on_click(lambda _button: self._set_strokes(self.strokes[:-1]))
        self.clear.on_click(lambda _button: self._set_strokes([]))
        on_change(self._brush, self.radius)
        on_change(self._show, self.confidence)
        self._brush()
        self._show()
        self.wait()

    def static_preview(self) -> tuple[Image.Image, str]:
        """Draw the class map, and the colours by it and by the segmenter's."""
        contents = self.stage.picture, self.divider.before, self.divider.after
        pictures = [Image.open(io.BytesIO(each)) for each in contents]
        for each in pictures:
            each.thumbnail((280, 280))
        return beside(*pictures), (
            f"FusionExplorer: the photo {self.chooser.menu.label} three times: its class map to "
            "paint on, the colours by the segmenter's map, and those by the painted one."
        )

    def _new_photo(self) -> None:
        self._set_strokes([])

    def _paint(self, points: list[tuple[float, float]]) -> None:
        number = VOC_CLASSES.index(self.classes.value)
        self._set_strokes([*self.strokes, ClassStroke(number, points, self.radius.value / 100)])

    def _set_strokes(self, strokes: list[ClassStroke]) -> None:
        self.strokes = strokes
        self._show()

    def _brush(self) -> None:
        self.stage.radius = self.radius.value / 100
        self.radius.text = f"{self.radius.value:.0f} % of the shorter side"

    def _show(self) -> None:
        name, strokes, confidence = self.chooser.name, self.strokes, self.confidence.value / 100
        self.confidence.text = (
            "as sure as it ever was" if confidence == 1 else f"{confidence:.0%} of that"
        )
        self.undo.disabled = self.clear.disabled = not strokes

        def job() -> None:
            result = render(self.chooser.small(name), open_colorizer(MODEL), strokes, confidence)
            classes = ", ".join(f"{each} {share:.0%}" for each, share in result.shares.items())
            with self.stage.hold_sync():
                self.stage.picture = png(result.class_map)
                self.stage.alt = f"Class map of {name}: {classes}."
            with self.divider.hold_sync():
                self.divider.before, self.divider.after = png(result.before), png(result.after)
                before, after = (tones(np.asarray(each)) for each in (result.before, result.after))
                self.divider.before_alt = f"{name}, coloured by the segmenter's map: {before}."
                self.divider.after_alt = f"{name}, coloured by your map: {after}."
            self.legend.value = legend_html(result.shares)
            self.message.show(result.summary())

        self.run_in_background(job)


@dataclass(frozen=True)
class Comparison:
    """The fusion network's colours by the segmenter's class map and by a painted one.

    Parameters
    ----------
    class_map, before, after : PIL.Image.Image, mode RGB, of the photo's size
        The painted map; the colours by the segmenter's map, and by the painted one.
    shares : dict of float
        {class: share of the photo} of the painted map, largest first.
    inside, outside : float or None
        Mean distance between the two colours in Lab units, where the map was painted and where
        it was not; None if there is no such pixel.
    """

    class_map: Image.Image
    before: Image.Image
    after: Image.Image
    shares: dict[str, float]
    inside: float | None
    outside: float | None

    def summary(self) -> str:
        """Write in a sentence whether the colours followed."""
        if self.inside is None:
            return "This is what the segmenter sees. Paint something else, and see what follows."
        text = f"Where you painted, the colours moved by {self.inside:.1f} Lab units"
        return f"{text}." if self.outside is None else f"{text}; elsewhere by {self.outside:.1f}."


@torch.inference_mode()
def render(
    values: np.ndarray, colorizer: Colorizer, strokes: list[ClassStroke], confidence: float = 1.0
) -> Comparison:
    """Colour a photo by the segmenter's class map, and by a painted one.

    Parameters
    ----------
    values : ndarray, uint8, shape (H, W, 3)
        The photo; its colours are not used.
    colorizer : vividpast_lib.colorize.colorizer.Colorizer
        A network that takes class maps.
    strokes : list of ClassStroke
        Later ones cover earlier ones.
    confidence : float
        As in `class_maps.paint_class`.

    Returns
    -------
    Comparison
    """
    assert colorizer.class_maps is not None, "a network that takes class maps"
    maps = colorizer.class_maps
    lightness = lightness_of(values)
    small = colorizer.small_copy(lightness)
    predicted = maps.segmenter(small).logits  # (1, 21, h, w)
    edited, anywhere = predicted, torch.zeros(predicted.shape[-2:], dtype=torch.bool)
    for each in strokes:
        mask = cells_of(each, *predicted.shape[-2:])
        edited = paint_class(edited, mask, each.number, maps.logit_max, confidence)
        anywhere |= mask

    def color(logits: Tensor) -> Tensor:
        encoded = encode(logits, maps.encoding, maps.logit_max)
        scaled = colorizer.network(colorizer.scaling.scale_lightness(small), encoded)
        return colorizer.scaling.unscale_ab(scaled)  # (1, 2, H, W) of the small copy

    before, after = color(predicted), color(edited)
    moved = (after - before).norm(dim=1)[0]
    where = F.interpolate(anywhere[None, None].float(), size=moved.shape)[0, 0] > 0
    tinted, shares = tint_classes(grey_picture(lightness), edited.argmax(dim=1)[0])
    return Comparison(
        class_map=tinted,
        before=Image.fromarray(compose_rgb(lightness, before)),
        after=Image.fromarray(compose_rgb(lightness, after)),
        shares=shares,
        inside=moved[where].mean().item() if where.any() else None,
        outside=moved[~where].mean().item() if not where.all() else None,
    )


def cells_of(stroke: ClassStroke, height: int, width: int) -> Tensor:
    """Mark the cells of a class map, bool (height, width), that a stroke covers by a quarter."""
    if not stroke.points:
        return torch.ones(height, width, dtype=torch.bool)
    fine = 8
    line = Stroke((0, 0), tuple(stroke.points), stroke.radius)
    mask, _ab = draw_strokes([line], fine * height, fine * width)
    covered = F.avg_pool2d(torch.from_numpy(mask)[None, None].float(), fine)[0, 0]
    return covered >= 0.25
