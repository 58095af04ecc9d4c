"""Contact sheets: many photos side by side, small, in one picture."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..runtime.errors import VividPastError
from ..runtime.files import check_output_file, output_file
from .picture_writing import WRITABLE

#: Longer side of a photo on a contact sheet, in pixels.
THUMBNAIL = 160


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[Image.Image]]],
    titles: Sequence[str],
    side: int = THUMBNAIL,
    across: int = 3,
) -> Image.Image:
    """Lay out photos side by side, each row with its name, for a quick look at many.

    Parameters
    ----------
    rows : sequence of (name, images)
        The images of a row are shown in the order of ``titles``.
    titles : sequence of str
        What each column shows.
    side : int
        Longer side of a thumbnail, in pixels.
    across : int
        Rows that stand beside each other.

    Returns
    -------
    PIL.Image.Image, mode RGB
    """
    gap, line = 8, 18
    across = min(across, len(rows))
    width = len(titles) * (side + 4) + gap
    height = side + line + gap
    down = math.ceil(len(rows) / across)
    sheet = Image.new("RGB", (across * width + gap, down * height + line + gap), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for index, (name, images) in enumerate(rows):
        left, top = gap + index % across * width, line + gap + index // across * height
        if index < across:
            for column, title in enumerate(titles):
                draw.text((left + column * (side + 4), gap // 2), title, "black", font)
        for column, image in enumerate(images):
            thumbnail = image.convert("RGB")
            thumbnail.thumbnail((side, side))
            sheet.paste(thumbnail, (left + column * (side + 4), top))
        lowest = max(min(image.height * side // max(image.size), side) for image in images)
        draw.text((left, top + lowest + 1), name, "dimgrey", font)
    return sheet


def check_sheet(path: Path) -> None:
    """Refuse a name or place that no contact sheet can have, before the work of many photos."""
    try:
        kind = Image.registered_extensions()[path.suffix.lower()]
        Image.new("RGB", (1, 1)).save(io.BytesIO(), kind)
    except (KeyError, OSError, ValueError):  # of some kinds Pillow has but a name
        raise VividPastError(
            f"{path}: a contact sheet can't be written under this name; end it in "
            f"{', '.join(WRITABLE)}."
        ) from None
    check_output_file(path)


def write_sheet(
    rows: Sequence[tuple[str, Sequence[Image.Image]]], titles: Sequence[str], path: Path
) -> None:
    """Write a contact sheet, whole or not at all; parameters as in `contact_sheet`."""
    with output_file(path, ValueError) as temporary:
        contact_sheet(rows, titles).save(temporary)
