"""Hints: paint the colour of a thing, and it spreads as far as the edges."""

import io
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from ipywidgets import Button, Checkbox, VBox
from PIL import Image
from torch import Tensor

from ...color.color_decoder import likeliest
from ...colorize.colorizer import Colorizer
from ...colorize.compose import compose_rgb, lightness_of
from ...colorize.hint_spreading import Spreading
from ...colorize.strokes import Stroke, count_hints, draw_strokes, hints_from_json, hints_to_json
from ...networks.checkpoints import DEFAULT_MODEL
from ...runtime.errors import VividPastError
from . import lab_explorer
from .demo import Demo, on_change
from .latest_job_runner import LatestJobRunner
from .parts import HTML, Download, Slider, Stage, Upload, at_point, beside, heading, png, row
from .photo_chooser import PhotoChooser
from .photo_colorizer import as_png, open_colorizer, vivid_text
from .words import tone, tones

#: Number of colours that are suggested, at most.
SUGGESTIONS = 5
#: (x, y), shares of width and height in [0, 1].
Point = tuple[float, float]


class HintPainter(Demo):
    """Paint hints on a photo; choose their colours among those possible there.

    Examples
    --------
    >>> from vividpast_lib.course.widgets import HintPainter
    >>> HintPainter()  # doctest: +SKIP
    """

    def __init__(self) -> None:
        super().__init__()
        self.chooser = PhotoChooser(self._show_last_hint, self.message, "playground.jpg")
        self.vivid = Slider(label="Faithful to vivid", step=5)
        self.radius = Slider(label="Pen", min=0, max=10, step=0.5, value=1.5)
        self.outlines = Checkbox(value=True, description="Show where hints are", indent=False)
        self.stage = Stage(
            mode="draw",
            label="Photo: paint a hint where you know the colour.",
            help="Click or drag; or arrow keys move, Enter puts a dot, Shift and arrow keys draw. "
            "Then choose its colour.",
        )
        self.palette = Stage(
            label="Colours possible at this lightness: arrow keys change the last hint's a and b.",
            help="The colours that are possible there: click, drag or use the arrow keys.",
        )
        self.color = HTML()
        self.suggestions = [Button() for _ in range(SUGGESTIONS)]
        self.undo = Button(description="Undo")
        self.clear = Button(description="Clear")
        self.save_hints = Download(self._save_hints, label="Save hints")
        self.load_hints = Upload(
            self._load_hints,
            lambda error: self.message.show_error(str(error)),
            label="Load hints: choose a file, or drop it here.",
            accept=".json",
            largest=5_000_000,
        )
        self.save = Download(self._save, label="Save this photo at full size")
        self._saving = LatestJobRunner(self._on_error)
        # The hints of each photo, after each change.
        self._history: dict[tuple[str, int], list[list[Stroke]]] = {}
        self._ready: tuple[object, Prepared | None] = None, None
        self._point: Point = (0.5, 0.5)
        self._ab = (0.0, 0.0)
        self._suggested: list[tuple[float, float]] = []
        # What the palette shows: its lightness, and the point of the colour in it.
        self._lightness, self._shown_point = 50.0, [0.5, 0.5]
        self.set_layout(
            self.chooser,
            row(self.vivid, self.radius, self.outlines),
            row(
                self.stage,
                VBox(
                    [
                        heading("Colour of the last hint"),
                        self.color,
                        self.palette,
                        heading("What the model holds plausible there"),
                        row(*self.suggestions),
                    ]
                ),
            ),
            row(self.undo, self.clear, self.save_hints, self.save),
            self.load_hints,
        )
        self.stage.on_stroke(self._paint)
        self.undo.on_click(lambda _button: self._undo())
        self.clear.on_click(lambda _button: self._do([]))
        for button in self.suggestions:
            button.on_click(self._take_suggestion)
        on_change(self._pick, self.palette, names="point")
        on_change(self._show, self.vivid, self.outlines)
        on_change(self._pen, self.radius)
        self._pen()
        self._show()
        self.wait()

    def static_preview(self) -> tuple[Image.Image, str]:
        """Draw the photo with its hints, and the palette."""
        photo, palette = (
            Image.open(io.BytesIO(each)) for each in (self.stage.picture, self.palette.picture)
        )
        return beside(photo, palette), (
            f"HintPainter: the photo {self.chooser.menu.label}, coloured, to paint hints on, and "
            "the colours that are possible at one place of it."
        )

    @property
    def _photo(self) -> tuple[str, int]:
        """Name and content of the photo that is chosen; of one's own, several may have a name."""
        name = self.chooser.name
        return name, hash(self.chooser.uploaded.get(name))

    @property
    def strokes(self) -> list[Stroke]:
        """The hints on the photo that is chosen."""
        return self._history.get(self._photo, [[]])[-1]

    def _do(self, strokes: list[Stroke]) -> None:
        self._history.setdefault(self._photo, [[]]).append(strokes)
        self._show_last_hint()

    def _undo(self) -> None:
        if len(history := self._history.get(self._photo, [[]])) > 1:
            history.pop()
        self._show_last_hint()

    def _paint(self, points: list[Point]) -> None:
        self._do([*self.strokes, Stroke(self._ab, tuple(points), self.radius.value / 100)])

    def _recolor(self, ab: tuple[float, float]) -> None:
        """Give the last hint another colour; the next one has it too."""
        self._ab = ab
        if self.strokes:
            self._history[self._photo][-1] = [
                *self.strokes[:-1],
                replace(self.strokes[-1], ab=ab),
            ]
        self._show()

    def _take_suggestion(self, button: Button) -> None:
        self._recolor(self._suggested[self.suggestions.index(button)])

    def _pick(self) -> None:
        if self.palette.point != self._shown_point:
            ab = lab_explorer.ab_at(*self.palette.point)
            _lightness, a, b = lab_explorer.nearest_shown(self._lightness, *ab)
            self._recolor((round(a, 1), round(b, 1)))

    def _pen(self) -> None:
        self.stage.radius = self.radius.value / 100
        self.radius.text = f"{self.radius.value:g} % of the shorter side"

    def _show_last_hint(self) -> None:
        """Show the photo with its hints, and in the palette the last one."""
        if self.strokes:
            self._point, self._ab = self.strokes[-1].points[0], self.strokes[-1].ab
        self._show()

    def _load_hints(self, name: str, content: bytes) -> None:
        try:
            strokes = hints_from_json(content.decode(errors="replace"), name)
        except VividPastError as error:
            self.message.show_error(str(error))
            return
        self._do(strokes)

    def _save_hints(self) -> None:
        name = f"{self.chooser.name.rpartition('.')[0]}_hints.json"
        self.save_hints.deliver(name, hints_to_json(self.strokes).encode(), "application/json")
        self.message.show(f"{name}: {count_hints(self.strokes)}.")

    def _save(self) -> None:
        name, strokes, share = self.chooser.name, self.strokes, self.vivid.value / 100

        def job() -> None:
            self.message.show(f"{name}: colouring at full size ...")
            picture = open_colorizer(DEFAULT_MODEL, share).colorize(
                self.chooser.read(name), strokes
            )
            self.save.deliver(f"{name.rpartition('.')[0]}_colored.png", as_png(picture))
            self.message.show(f"{name}, with {count_hints(strokes)}, goes to your downloads.")

        self._saving(job)

    def _prepare(self, name: str, share: float) -> "Prepared":
        """Compute what depends on the photo alone, once."""
        values = self.chooser.small(name)
        if self._ready[0] != (id(values), share):
            self._ready = (id(values), share), prepare(values, open_colorizer(DEFAULT_MODEL, share))
        prepared = self._ready[1]
        assert prepared is not None
        return prepared

    def _show(self) -> None:
        name, strokes, share = self.chooser.name, self.strokes, self.vivid.value / 100
        point, outlines = self._point, self.outlines.value
        self.vivid.text = vivid_text(share)
        self.undo.disabled = len(self._history.get(self._photo, [[]])) < 2
        self.clear.disabled = not strokes

        def job() -> None:
            prepared = self._prepare(name, share)
            picture = render(prepared, strokes, outlines)
            with self.stage.hold_sync():
                self.stage.picture = png(picture)
                self.stage.alt = (
                    f"{name}, coloured: {tones(np.asarray(picture))}; {describe_strokes(strokes)}."
                )
            self._show_palette(prepared, point)
            self.message.show(f"{name}: {count_hints(strokes)}.")

        self.run_in_background(job)

    def _show_palette(self, prepared: "Prepared", point: Point) -> None:
        lightness = prepared.lightness_at(point)
        _lightness, a, b = lab_explorer.nearest_shown(lightness, *self._ab)
        with self.palette.hold_sync():
            self.palette.picture = png(lab_explorer.render(lightness, a, b, side=221))
            self.palette.alt = lab_explorer.describe(lightness, a, b)
            self._lightness, self._shown_point = lightness, lab_explorer.point_of(a, b)
            self.palette.point = self._shown_point
        self.color.value = lab_explorer.describe_html(lightness, a, b)
        red, green, blue = lab_explorer.screen_color(lightness, a, b)
        self.stage.color = f"rgb({red} {green} {blue})"
        found = suggest(prepared, point)
        self._suggested = [ab for ab, _share in found]
        for button, each in zip_longest(self.suggestions, found):
            button.layout.display = None if each else "none"
            if each:
                ab, share = each
                button.description = f"{tone(*ab)}, {share:.0%}"
                rgb = lab_explorer.screen_color(lightness, *ab)
                button.style.button_color = "#{:02x}{:02x}{:02x}".format(*rgb)
                button.style.text_color = "black" if lightness > 50 else "white"

    def wait(self) -> "HintPainter":
        """Wait until all jobs are done."""
        self.chooser.wait()
        super().wait()
        self._saving.wait()
        return self


@dataclass(frozen=True)
class Prepared:
    """What depends on the photo alone, not on its hints.

    Parameters
    ----------
    lightness : Tensor, shape (H, W)
        L in [0, 100].
    ab : Tensor, shape (1, 2, h, w)
        The model's colours, in Lab units.
    logits : Tensor, shape (Q, h, w)
        The model's distribution over the bins of ab.
    spreading : Spreading
        Spreads hints along the edges of this photo.
    """

    lightness: Tensor
    ab: Tensor
    logits: Tensor
    spreading: Spreading

    def lightness_at(self, point: Point) -> float:
        """Read L at a point."""
        return at_point(self.lightness, *point).item()


def prepare(values: np.ndarray, colorizer: Colorizer) -> Prepared:
    """Run the model on a photo, uint8 (H, W, 3), and prepare the spreading of hints."""
    lightness = lightness_of(values)
    small = colorizer.small_copy(lightness)
    logits = colorizer.distribution(small)[0]
    return Prepared(lightness, colorizer.predict(small), logits, Spreading(lightness))


def render(prepared: Prepared, strokes: list[Stroke], outlines: bool = False) -> Image.Image:
    """Colour a photo with hints.

    Parameters
    ----------
    prepared : Prepared
        The photo.
    strokes : list of Stroke
        The hints.
    outlines : bool
        Draw a line around each hint.

    Returns
    -------
    PIL.Image.Image, mode RGB, W x H
    """
    lightness, ab = prepared.lightness, prepared.ab
    values = compose_rgb(lightness, ab, hints=strokes, spreading=prepared.spreading)
    if outlines and strokes:
        mask, _ab = draw_strokes(strokes, *values.shape[:2])
        padded = np.pad(mask, 1)
        near = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
        dark = lightness.numpy() < 50
        values[near & ~mask] = np.where(dark, 255, 0)[near & ~mask][:, None]
    return Image.fromarray(values)


def suggest(prepared: Prepared, point: Point) -> list[tuple[tuple[float, float], float]]:
    """List the colours that the model holds plausible at a point: (ab, share), likeliest first."""
    return likeliest(at_point(prepared.logits, *point), prepared.lightness_at(point), SUGGESTIONS)


def describe_strokes(strokes: list[Stroke]) -> str:
    """List hints in words: number, colour and point of each."""
    each = (
        f"{tone(*stroke.ab)} at {stroke.points[0][0]:.0%} from the left, "
        f"{stroke.points[0][1]:.0%} from the top"
        for stroke in strokes
    )
    return f"{count_hints(strokes)}{': ' if strokes else ''}{'; '.join(each)}"
