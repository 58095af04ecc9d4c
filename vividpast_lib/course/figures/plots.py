"""The course's plots: Lab photos, losses, distributions of ab, optical flow.

matplotlib belongs to the extra ``course``; it is imported only by the functions that need it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from torch import Tensor

from ...color.lab import lab_to_rgb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def flow_picture(flow: Tensor) -> Image.Image:
    """Draw optical flow: the hue is its direction, the saturation its length.

    Parameters
    ----------
    flow : Tensor, shape (1, 2, H, W)
        Motion to the right and down, in pixels.

    Returns
    -------
    PIL.Image.Image, mode RGB, W x H
        White where nothing moves, red to the right, green-yellow down, cyan to the left,
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
        One per column, or one per photo, row by row.
    row_labels : sequence of str
        One per row, at its left.
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
        The rows that `loop.fit` returns and `run_folder.read_history` reads.
    axis : matplotlib Axes
        Where to draw.
    trivial : bool
        Also draw the errors of grey and of the mean colour, as level lines.
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
        sRGB values in [0, 1]; white where sRGB has no such colour.
    inside : ndarray of bool, shape (steps, steps)
        True where sRGB has the colour.
    """
    import torch

    from ...color.gamut import outside_srgb

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
        Share of each bin of `ab_bins.bin_centers`; they sum to 1.
    axis : matplotlib Axes
        Where to draw a disc per bin: its area is the share, its colour that of the bin.
    lightness : float
        L in [0, 100] of the discs' colours.
    """
    import torch

    from ...color.ab_bins import bin_centers

    centers = bin_centers()  # (Q, 2)
    lab = torch.cat([torch.full((len(centers), 1), lightness), centers], dim=1).T[..., None]
    colors = lab_to_rgb(lab)[..., 0].T.numpy()  # (Q, 3)
    a, b = centers.T.numpy()
    axis.scatter(a, b, s=3, c="lightgrey", marker=".")
    axis.scatter(a, b, s=2500 * shares.cpu().numpy(), c=colors, ec="black", lw=0.4)
    axis.set(xlabel="a", ylabel="b", xlim=(-110, 110), ylim=(-120, 110), aspect="equal")
    return axis
