"""Colour hints: strokes of colour on a photo, their files, and the pixels that they cover.

What a model can't know, a person may: that shirt was red. A stroke says so in one place, and the
thing around it follows, up to its edges (`hint_spreading`); elsewhere the model's answer stays.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..color.ab_bins import AB_LIMIT
from ..runtime.errors import VividPastError

#: Version of the format of hint files.
HINTS_VERSION = 1
#: Largest file of hints that is read, in bytes.
LARGEST_FILE = 10_000_000


@dataclass(frozen=True)
class Stroke:
    """A line of one colour on a photo. Its points and radius are relative, so they fit any copy.

    Parameters
    ----------
    ab : tuple of two floats
        The colour, in Lab units; each in [-110, 110].
    points : tuple of (x, y)
        The corners of the line, as shares of the width and the height, from the top left, in
        [0, 1]. A single point is a dot.
    radius : float
        Half the thickness, as a share of the shorter side, in [0, 1]; 0 is one pixel.

    Raises
    ------
    VividPastError
        If a value is missing, is no number, or is out of range.
    """

    ab: tuple[float, float]
    points: tuple[tuple[float, float], ...]
    radius: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.points, list | tuple) or not self.points:
            raise VividPastError("points must be a list of at least one [x, y].")
        checked = {
            "ab": _pair("ab", self.ab, -AB_LIMIT, AB_LIMIT),
            "points": tuple(_pair("each point", point, 0, 1) for point in self.points),
            "radius": _number("radius", self.radius, 0, 1),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # lists and whole numbers are welcome


def _number(what: str, value: object, lowest: int, highest: int) -> float:
    """Check that something is a number in a range."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if is_number and lowest <= value <= highest:  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    raise VividPastError(
        f"{what} must be a number from {lowest} to {highest}, but is {_short(value)}."
    )


def _pair(what: str, values: object, lowest: int, highest: int) -> tuple[float, float]:
    if not isinstance(values, list | tuple) or len(values) != 2:
        raise VividPastError(f"{what} must be two numbers, but is {_short(values)}.")
    first, second = (_number(f"{what}'s numbers", value, lowest, highest) for value in values)
    return first, second


def _short(value: object) -> str:
    try:
        text = json.dumps(value, default=str)
    except RecursionError:
        return "a list in a list in a list"
    return text if len(text) <= 40 else f"{text[:37]}..."


def count_hints(strokes: Sequence[Stroke]) -> str:
    """Count hints in words, such as `2 hints`."""
    return f"{len(strokes)} hint{'' if len(strokes) == 1 else 's'}"


def hints_to_json(strokes: Sequence[Stroke]) -> str:
    """Encode strokes as JSON, which `hints_from_json` reads.

    Returns
    -------
    str
        ``{"hints": 1, "strokes": [{"ab": [a, b], "points": [[x, y], ...], "radius": r}, ...]}``,
        as in `Stroke`; the 1 is the version.
    """
    document = {"hints": HINTS_VERSION, "strokes": [asdict(stroke) for stroke in strokes]}
    return json.dumps(document, indent=1) + "\n"


def hints_from_json(text: str, name: str = "hints") -> list[Stroke]:
    """Decode strokes from JSON, as `hints_to_json` writes it; other keys are ignored.

    Raises
    ------
    VividPastError
        If the text, which it calls ``name``, is something else; a stroke that is wrong is named.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise VividPastError(
            f"{name}: is no JSON ({error.msg} in line {error.lineno}); give a file of hints."
        ) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, a thousand brackets
        raise VividPastError(f"{name}: is no JSON of ours; give a file of hints.") from None
    if not isinstance(document, dict) or "hints" not in document:
        raise VividPastError(
            f'{name}: holds no hints; it must have {{"hints": 1, "strokes": [...]}}.'
        )
    if document["hints"] != HINTS_VERSION or isinstance(document["hints"], bool):
        raise VividPastError(
            f"{name}: is of version {_short(document['hints'])}, and this program reads version "
            f"{HINTS_VERSION}; update it."
        )
    if not isinstance(document.get("strokes"), list):
        raise VividPastError(f'{name}: has no list "strokes"; save the hints again.')
    strokes = []
    for number, each in enumerate(document["strokes"], start=1):
        try:
            if not isinstance(each, dict):
                raise VividPastError(f"must have ab, radius and points, but is {_short(each)}.")
            strokes.append(Stroke(each["ab"], each["points"], each["radius"]))
        except KeyError as missing:
            raise VividPastError(f"{name}: stroke {number}: has no {missing.args[0]}.") from None
        except VividPastError as error:
            raise VividPastError(f"{name}: stroke {number}: {error}") from None
    return strokes


def read_hints(path: Path | str) -> list[Stroke]:
    """Read a file of hints; errors as of `hints_from_json`, or that it can't be read."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        text = data.decode()
    except OSError as error:
        raise VividPastError(f"{path}: can't be read ({error.strerror or error}).") from None
    except UnicodeDecodeError:
        raise VividPastError(f"{path}: is no text; give a file of hints.") from None
    if len(data) > LARGEST_FILE:
        raise VividPastError(
            f"{path}: is larger than {LARGEST_FILE // 10**6} MB; give a file of hints."
        )
    return hints_from_json(text, str(path))


def draw_strokes(
    strokes: Sequence[Stroke], height: int, width: int, top: int = 0, bottom: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw strokes on a photo's grid of pixels, later ones over earlier ones.

    Only the rows from ``top`` up to ``bottom`` are drawn; all by default.

    Returns
    -------
    mask : ndarray, bool, shape (bottom - top, W)
        True under a stroke: pixels whose centre lies under it and, however thin it is, those that
        hold its points and one on each step between them.
    ab : ndarray, float32, shape (2, bottom - top, W)
        In Lab units; 0 where no stroke is.
    """
    bottom = height if bottom is None else bottom
    mask = np.zeros((bottom - top, width), bool)
    ab = np.zeros((2, bottom - top, width), np.float32)
    for stroke in strokes:
        points = np.array(stroke.points) * (width, height)  # in pixels
        radius = max(stroke.radius * min(height, width), 0.5)
        if points[:, 1].min() > bottom + radius or points[:, 1].max() < top - radius:
            continue
        # A line between two columns of pixels is drawn in the right one, as its points are.
        under = _near_line(points + 1e-6, radius, top, bottom, width)
        columns, rows = np.minimum(points, (width - 1, height - 1)).astype(int).T
        here = (rows >= top) & (rows < bottom)
        under[rows[here] - top, columns[here]] = True
        mask |= under
        ab[:, under] = np.array(stroke.ab, np.float32)[:, None]
    return mask, ab


def _near_line(points: np.ndarray, radius: float, top: int, bottom: int, width: int) -> np.ndarray:
    """Mark the pixels (bottom - top, W) whose centres are nearer than ``radius`` to a line.

    In each row, each piece of the line covers one span of pixels. Where spans begin and end is
    counted, so that the time depends little on how thick the line is.
    """
    changes = np.zeros((bottom - top, width + 1), np.int32)
    ends = points[1:] if len(points) > 1 else points  # a single point is its own end
    starts = points[: len(ends)]
    for first in range(0, len(ends), 1000):  # so many at once, to bound memory
        piece = slice(first, first + 1000)
        left, right = _spans(starts[piece], ends[piece], radius, np.arange(top, bottom) + 0.5)
        begin = np.clip(np.floor(left - 0.5) + 1, 0, width).astype(int)
        stop = np.clip(np.ceil(right - 0.5), 0, width).astype(int)
        pieces, rows = np.nonzero(begin < stop)
        np.add.at(changes, (rows, begin[pieces, rows]), 1)
        np.add.at(changes, (rows, stop[pieces, rows]), -1)
    return changes.cumsum(axis=1)[:, :width] > 0


def _spans(
    starts: np.ndarray, ends: np.ndarray, radius: float, rows: np.ndarray
) -> list[np.ndarray]:
    """From which x to which each piece (S, 2) of a thick line reaches at each y (R,): (S, R).

    A piece is what a disc covers that moves from its start to its end. In a row it reaches furthest
    to a side where the disc's edge is parallel to the piece, or as near to that as the disc comes.
    """
    down = rows - starts[:, 1:]
    step_x, step_y = (ends - starts).T[:, :, None]
    step_y = np.where(np.abs(step_y) < 1e-9, 1e-9, step_y)
    # How far below its centre the disc's left edge is parallel to the piece; the right one, above.
    parallel = radius * np.sign(step_y) * step_x / np.maximum(np.hypot(step_x, step_y), 1e-9)
    # From where to where on its way the disc touches the row: shares of the way.
    first, last = (down - radius) / step_y, (down + radius) / step_y
    first, last = np.minimum(first, last).clip(0), np.maximum(first, last).clip(max=1)
    sides = []
    for sign in (-1, 1):
        share = ((down + sign * parallel) / step_y).clip(first, last)
        half = np.sqrt(np.maximum(radius**2 - (down - share * step_y) ** 2, 0))
        x = starts[:, :1] + share * step_x + sign * half
        sides.append(np.where(first <= last, x, -sign * np.inf))
    return sides
