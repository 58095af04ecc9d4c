"""The course's plots, and contact sheets.

matplotlib belongs to the extra ``course``; it is imported only by the functions that need it.
"""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .lab import lab_to_rgb
from .semantics import VOC_CLASSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def show(figure: "Figure | Image.Image", alt: str) -> None:
    """Display a picture in a notebook, with the text that a screen reader reads out.

    Parameters
    ----------
    figure : matplotlib Figure or PIL image
        A matplotlib figure is closed afterwards.
    alt : str
        What is to be seen, in a sentence or two.
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
        What is to be seen, in a sentence or two.
    """
    import tempfile
    from html import escape
    from pathlib import Path

    from IPython.display import display

    from .clips import write_clip

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        write_clip(path, frames, quality=27)
        data = base64.b64encode(path.read_bytes()).decode()
    html = (
        f'<video controls loop muted aria-label="{escape(alt)}" style="max-width: 100%" '
        f'src="data:video/mp4;base64,{data}">{escape(alt)}</video>'
    )
    display({"text/html": html, "text/plain": alt}, raw=True)


def flow_picture(flow: Tensor) -> Image.Image:
    """Draw optical flow: the hue is its direction, and the stronger the longer.

    Parameters
    ----------
    flow : Tensor, shape (1, 2, H, W)
        To the right and down, in pixels.

    Returns
    -------
    PIL.Image.Image
        W x H; white where nothing moves, red to the right, green-yellow down, cyan to the left,
        violet up.
    """
    right, down = flow[0].numpy()
    length = np.hypot(right, down)
    hue = np.arctan2(down, right) / (2 * np.pi) % 1
    strength = length / max(float(length.max()), 1e-6)
    values = np.stack([hue, strength, np.ones_like(hue)], axis=-1)
    hsv = Image.fromarray((values * 255).round().astype(np.uint8), "HSV")
    return hsv.convert("RGB")


def photo_grid(
    rows: Sequence[Sequence[Tensor]],
    titles: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    height: float = 1.8,
) -> "Figure":
    """Draw Lab photos in a grid.

    Parameters
    ----------
    rows : sequence of sequences of Tensor
        Photos (3, H, W) in Lab.
    titles : sequence of str
        One a column, or one a photo, row by row.
    row_labels : sequence of str
        One a row, written at its left.
    height : float
        Height of a row in inches.

    Returns
    -------
    matplotlib Figure
    """
    import matplotlib.pyplot as plt

    columns = max(len(row) for row in rows)
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(height * columns, height * len(rows)), squeeze=False
    )
    for y, row in enumerate(rows):
        for x, axis in enumerate(axes[y]):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_frame_on(False)
            if x < len(row):
                axis.imshow(lab_to_rgb(row[x].float().cpu()).permute(1, 2, 0).numpy())
            title = y * columns + x if len(titles) > columns else x if y == 0 else len(titles)
            if title < len(titles):
                axis.set_title(titles[title], fontsize=9)
        if y < len(row_labels):
            axes[y][0].set_ylabel(row_labels[y], fontsize=9)
    figure.tight_layout(pad=0.4)
    return figure


def loss_curves(
    history: Sequence[dict[str, float]], axis: "Axes", *, trivial: bool = True
) -> "Axes":
    """Draw training and validation error over the epochs, in Lab units.

    Parameters
    ----------
    history : sequence of dict
        What `training.fit` returns or `training.read_history` reads.
    axis : matplotlib Axes
        Where to draw.
    trivial : bool
        Also draw grey and the mean colour, as level lines.
    """
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in history]
    axis.plot(epochs, [row["train_ab_l1"] for row in history], "o-", ms=3, label="training")
    axis.plot(epochs, [row["val_ab_l1"] for row in history], "s--", ms=3, label="validation")
    if trivial:
        axis.axhline(history[-1]["val_grey_ab_l1"], color="grey", ls=":", label="grey")
        axis.axhline(
            history[-1]["val_mean_color_ab_l1"], color="sienna", ls="-.", label="mean colour"
        )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("epoch")
    axis.set_ylabel("L1 of ab (Lab units)")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return axis


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[Image.Image]]],
    titles: Sequence[str],
    side: int = 160,
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
    down = -(-len(rows) // across)
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


def voc_palette() -> np.ndarray:
    """Compute the colours that PASCAL VOC paints its classes in, uint8 (21, 3)."""
    numbers = np.arange(len(VOC_CLASSES))
    colors = np.zeros((len(VOC_CLASSES), 3), np.uint8)
    for bit in range(3):
        for channel in range(3):
            colors[:, channel] |= ((numbers >> (3 * bit + channel) & 1) << (7 - bit)).astype("u1")
    return colors


def class_map_picture(
    lightness: Tensor, class_map: Tensor, longest: int = 1024
) -> tuple[Image.Image, dict[str, float]]:
    """Paint a class map over its grey photo, with a legend of names and shares below.

    Parameters
    ----------
    lightness : Tensor, shape (H, W)
        L in [0, 100].
    class_map : Tensor, int64, shape (h, w)
        A class in each place, of PASCAL VOC's 21.
    longest : int
        Longer side of the photo in the picture, at most, in pixels.

    Returns
    -------
    picture : PIL.Image.Image, mode RGB
        As `tint_classes` makes it.
    shares : dict of float
        {class: share of the photo} of the classes seen, largest first.
    """
    grey = grey_picture(lightness)
    grey.thumbnail((longest, longest))
    if max(grey.size) < 320:  # small photos would leave no room for names
        scale = 320 / max(grey.size)
        grey = grey.resize((round(grey.width * scale), round(grey.height * scale)))
    photo, shares = tint_classes(grey, class_map)
    return _with_legend(photo, shares, ImageFont.load_default(14)), shares


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
        A class in each place, of PASCAL VOC's 21.

    Returns
    -------
    picture : PIL.Image.Image, mode RGB, of the photo's size
        Background is left grey; each other class is tinted, and named where most of it lies.
    shares : dict of float
        {class: share of the photo} of the classes seen, largest first.
    """
    numbers = Image.fromarray(class_map.byte().numpy()).resize(grey.size, Image.Resampling.NEAREST)
    seen = np.asarray(numbers)
    colors = voc_palette()
    tint = Image.blend(grey, Image.fromarray(colors[seen]), 0.55)
    photo = Image.composite(grey, tint, Image.fromarray((seen == 0).astype(np.uint8) * 255))

    counts = np.bincount(seen.ravel(), minlength=len(VOC_CLASSES))
    order = [index for index in np.argsort(-counts, kind="stable") if counts[index]]
    shares = {VOC_CLASSES[index]: float(counts[index] / seen.size) for index in order}
    font = ImageFont.load_default(14)
    draw = ImageDraw.Draw(photo)
    for index in order:
        if index and counts[index] > 0.01 * seen.size:
            rows, columns = np.nonzero(seen == index)
            half = draw.textlength(VOC_CLASSES[index], font) / 2 + 2  # kept inside the photo
            x = min(max(float(np.median(columns)), half), photo.width - half)
            y = min(max(float(np.median(rows)), 9), photo.height - 9)
            draw.text(
                (x, y), VOC_CLASSES[index], "white", font, anchor="mm", stroke_width=2,
                stroke_fill="black",
            )  # fmt: skip
    return photo, shares


def _with_legend(
    photo: Image.Image, shares: dict[str, float], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> Image.Image:
    """Put (swatch, name, share) of each class below the photo, in as many columns as fit."""
    column, line, margin = 170, 22, 6
    across = max(1, photo.width // column)
    down = -(-len(shares) // across)
    sheet = Image.new(
        "RGB", (max(photo.width, column), photo.height + down * line + 2 * margin), "white"
    )
    sheet.paste(photo)
    draw = ImageDraw.Draw(sheet)
    colors = voc_palette()
    for place, (name, share) in enumerate(shares.items()):
        x = margin + place % across * column
        y = photo.height + margin + place // across * line
        number = VOC_CLASSES.index(name)
        fill = tuple(map(int, colors[number])) if number else (128, 128, 128)
        draw.rectangle((x, y + 3, x + 16, y + 17), fill=fill, outline="black")
        draw.text((x + 22, y + 2), f"{name} {share:.1%}", "black", font)
    return sheet


def lab_plane(
    lightness: float, extent: int = 110, steps: int = 221
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the slice of sRGB's gamut at one lightness.

    Parameters
    ----------
    lightness : float
        L in [0, 100].
    extent : int
        a and b run from -extent to extent, a to the right and b upwards.
    steps : int
        Samples along each side.

    Returns
    -------
    rgb : ndarray, shape (steps, steps, 3)
        sRGB; white where sRGB has no such colour.
    inside : ndarray of bool, shape (steps, steps)
        True where sRGB has the colour.
    """
    import torch

    from .lab import outside_srgb

    a = torch.linspace(-extent, extent, steps)
    b, a = torch.meshgrid(a.flip(0), a, indexing="ij")
    lab = torch.stack([torch.full_like(a, lightness), a, b])
    inside = ~outside_srgb(lab)
    rgb = torch.where(inside, lab_to_rgb(lab), torch.ones(()))
    return rgb.permute(1, 2, 0).numpy(), inside.numpy()


def ab_distribution(shares: Tensor, axis: "Axes", lightness: float = 60) -> "Axes":
    """Draw a distribution over the bins of ab.

    Parameters
    ----------
    shares : Tensor, shape (Q,)
        Of each bin of `ab_bins.bin_centers`; they sum to 1.
    axis : matplotlib Axes
        Where to draw: a disc a bin, its area the share, painted in its colour.
    lightness : float
        L in [0, 100] of the colours painted.
    """
    import torch

    from .ab_bins import bin_centers

    centers = bin_centers()  # (Q, 2)
    lab = torch.cat([torch.full((len(centers), 1), lightness), centers], dim=1).T[..., None]
    colors = lab_to_rgb(lab)[..., 0].T.numpy()  # (Q, 3)
    a, b = centers.T.numpy()
    axis.scatter(a, b, s=3, c="lightgrey", marker=".")
    axis.scatter(a, b, s=2500 * shares.cpu().numpy(), c=colors, ec="black", lw=0.4)
    axis.set(xlabel="a", ylabel="b", xlim=(-110, 110), ylim=(-120, 110), aspect="equal")
    return axis
