"""A class map and its grey photo in, a picture for people out."""

import math

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from .voc import VOC_CLASSES, voc_palette


def class_map_picture(
    lightness: Tensor, class_map: Tensor, longest: int = 1024
) -> tuple[Image.Image, dict[str, float]]:
    """Draw a class map over its grey photo, with a legend of names and shares below.

    Parameters
    ----------
    lightness : Tensor, shape (H, W)
        L in [0, 100].
    class_map : Tensor, int64, shape (h, w)
        Classes of PASCAL VOC, from 0 to 20.
    longest : int
        Largest longer side of the photo in the picture, in pixels.

    Returns
    -------
    picture, shares
        As `tint_classes` makes them.
    """
    grey = grey_picture(lightness)
    grey.thumbnail((longest, longest))
    if max(grey.size) < 320:  # small photos would leave no room for names
        scale = 320 / max(grey.size)
        grey = grey.resize((round(grey.width * scale), round(grey.height * scale)))
    photo, shares = tint_classes(grey, class_map)
    return _with_legend(photo, shares), shares


def grey_picture(lightness: Tensor) -> Image.Image:
    """Draw lightness (H, W) in [0, 100] as evenly rising grey values, mode RGB."""
    return Image.fromarray((lightness.clamp(0, 100) * 2.55).byte().numpy()).convert("RGB")


def tint_classes(grey: Image.Image, class_map: Tensor) -> tuple[Image.Image, dict[str, float]]:
    """Tint the classes in a grey photo.

    Parameters
    ----------
    grey : PIL.Image.Image, mode RGB
        The photo.
    class_map : Tensor, int64, shape (h, w)
        Classes of PASCAL VOC, from 0 to 20.

    Returns
    -------
    picture : PIL.Image.Image, mode RGB, of the photo's size
        Background is left grey; each other class is tinted, and named where most of it lies.
    shares : dict of float
        {class: share of the photo} of the classes found, largest first.
    """
    numbers = Image.fromarray(class_map.byte().numpy()).resize(grey.size, Image.Resampling.NEAREST)
    classes = np.asarray(numbers)
    tint = Image.blend(grey, Image.fromarray(voc_palette()[classes]), 0.55)
    photo = Image.composite(grey, tint, Image.fromarray((classes == 0).astype(np.uint8) * 255))

    counts = np.bincount(classes.ravel(), minlength=len(VOC_CLASSES))
    order = [index for index in np.argsort(-counts, kind="stable") if counts[index]]
    shares = {VOC_CLASSES[index]: float(counts[index] / classes.size) for index in order}
    draw = ImageDraw.Draw(photo)
    for index in order:
        if index and counts[index] > 0.01 * classes.size:
            rows, columns = np.nonzero(classes == index)
            half = draw.textlength(VOC_CLASSES[index], font_size=14) / 2 + 2  # inside the photo
            x = min(max(float(np.median(columns)), half), photo.width - half)
            y = min(max(float(np.median(rows)), 9), photo.height - 9)
            draw.text(
                (x, y), VOC_CLASSES[index], "white", anchor="mm", font_size=14,
                stroke_width=2, stroke_fill="black",
            )  # fmt: skip
    return photo, shares


def _with_legend(photo: Image.Image, shares: dict[str, float]) -> Image.Image:
    """Put (swatch, name, share) of each class below the photo, in as many columns as fit."""
    column, line, margin = 170, 22, 6
    across = max(1, photo.width // column)
    down = math.ceil(len(shares) / across)
    size = max(photo.width, column), photo.height + down * line + 2 * margin
    sheet = Image.new("RGB", size, "white")
    sheet.paste(photo)
    draw = ImageDraw.Draw(sheet)
    colors = voc_palette().tolist()
    colors[0] = [128, 128, 128]
    for index, (name, share) in enumerate(shares.items()):
        x = margin + index % across * column
        y = photo.height + margin + index // across * line
        fill = tuple(colors[VOC_CLASSES.index(name)])
        draw.rectangle((x, y + 3, x + 16, y + 17), fill=fill, outline="black")
        draw.text((x + 22, y + 2), f"{name} {share:.1%}", "black", font_size=14)
    return sheet
