"""The colours of a picture that any tool has coloured, on the lightness of the original.

Tools that colour a photo by drawing it anew change more than its colour: size, sharpness, light.
Of such a copy only the colours are taken, brought to where the photo's own edges are.
"""

import io
import math
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from PIL import Image, ImageCms
from torch import Tensor

from ..color.lab import rgb_to_lab
from ..color.local_colors import estimate_blur, fit_local_colors
from ..photos.picture import Picture, to_image
from ..photos.picture_reading import read_picture
from ..photos.picture_writing import WRITABLE, write_picture
from ..runtime.errors import VividPastError
from ..runtime.files import check_output_file, exists, is_same_file
from .compose import compose_rows, lightness_of
from .photo_jobs import photo_details
from .registration import SAME_PICTURE, Alignment, align

#: Number of pixels of a coloured copy that are used: more colour than that, nobody sees.
MOST_PIXELS = 4_000_000
# Share of a picture that a copy shows at least, if nothing is to be said.
LEAST_COVERED = 0.8
# Types of values.
DEPTHS = (np.uint8, np.uint16)


def join_colors(
    photo: np.ndarray, colored: np.ndarray, names: tuple[object, object] = ("photo", "colored")
) -> np.ndarray:
    """Put the colours of one picture on the lightness of another that shows the same.

    Parameters
    ----------
    photo : ndarray, uint8 or uint16, shape (H, W, 1) or (H, W, 3)
        Grey values or sRGB, of which the lightness is taken.
    colored : ndarray, uint8 or uint16, shape (h, w, 3)
        sRGB. It may have another size and aspect ratio, lie some pixels beside the photo, lack a
        border, and be less sharp and of other lightness.
    names : tuple
        What an error calls the two.

    Returns
    -------
    ndarray, shape (H, W, 3)
        sRGB, of the photo's type, with its lightness.

    Raises
    ------
    VividPastError
        If ``colored`` has no colour, or shows something else.
    ValueError
        If an array is of another type or shape.

    Warns
    -----
    UserWarning
        If the copy shows much less than the photo.
    """
    for name, values in zip(names, (photo, colored), strict=True):
        if values.ndim != 3 or values.shape[2] not in (1, 3) or values.dtype not in DEPTHS:
            raise ValueError(
                f"{name} must be uint8 or uint16 of shape (H, W, 1) or (H, W, 3), but is "
                f"{values.dtype} of shape {values.shape}."
            )
    if not Picture(colored).is_color:
        raise no_color(names[1])
    lightness = lightness_of(photo)
    lab = lab_of_copy(colored, lightness.shape)
    alignment = align(lightness, lab[0, 0])
    if alignment.likeness < SAME_PICTURE:
        raise shows_something_else(*names, alignment.likeness)
    warn_if_cut_off(*names, alignment)
    guide, lab = lay_on(lightness, lab, alignment)
    colors = fit_local_colors(lab[:, 1:], guide, estimate_blur(guide, lab[:, :1]))
    return compose_rows(
        lightness, lambda top, bottom: colors.rows(lightness, top, bottom), photo.dtype
    )


def no_color(name: object) -> VividPastError:
    """Make the error that says that a copy is grey."""
    return VividPastError(
        f"{name}: is grey and has no colours to give; name the coloured copy second."
    )


def shows_something_else(photo: object, colored: object, likeness: float) -> VividPastError:
    """Make the error that says that a copy is none."""
    return VividPastError(
        f"{colored}: shows something else than {photo} (their edges agree by "
        f"{max(likeness, 0):.2f} of 1, and a copy's by {SAME_PICTURE} or more); name a copy that "
        "is neither turned nor cut."
    )


def warn_if_cut_off(photo: object, colored: object, alignment: Alignment) -> None:
    """Warn if a copy shows much less than the original."""
    if alignment.covered < LEAST_COVERED:
        warnings.warn(
            f"{colored}: shows only {alignment.covered:.0%} of {photo}; the rest gets the colours "
            "of its border.",
            stacklevel=3,
        )


def lab_of_copy(colored: np.ndarray, size: tuple[int, ...]) -> Tensor:
    """Convert a coloured copy (h, w, 3) to Lab, made as small as it is needed.

    Returns
    -------
    Tensor, shape (1, 3, h, w)
        Its sides are no longer than those of ``size``, (H, W), that of the picture to be coloured,
        and it has no more than `MOST_PIXELS`.
    """
    sides = [min(*lengths) for lengths in zip(colored.shape, size, strict=False)]
    scale = min(1.0, math.sqrt(MOST_PIXELS / math.prod(sides)))
    height, width = (max(1, round(side * scale)) for side in sides)
    image = to_image(colored).resize((width, height), Image.Resampling.BILINEAR)
    return rgb_to_lab(torch.from_numpy(np.array(image)).permute(2, 0, 1))[None]


def lay_on(lightness: Tensor, lab: Tensor, alignment: Alignment) -> tuple[Tensor, Tensor]:
    """Bring a copy (1, 3, h, w) to where a lightness (H, W) has the same.

    Returns
    -------
    guide, lab : Tensor, shapes (1, 1, h, w) and (1, 3, h, w)
        The lightness made small, and the copy.
    """
    height, width = lab.shape[-2:]
    guide = F.interpolate(
        lightness[None, None], size=(height, width), mode="bilinear", antialias=True
    )
    return guide, alignment.resample(lab, (height, width))


def join_photos(
    photo: str | Path, colored: str | Path, target: str | Path, force: bool = False
) -> str:
    """Join a photo with the colours of its coloured copy: `join_colors` of files.

    The result has all that `vividpast colorize` keeps of a photo: depth, transparency,
    orientation, metadata and colour profile.

    Returns
    -------
    str
        One line on what was done.

    Raises
    ------
    VividPastError
        If a picture can't be read or the result can't be written, or as `join_colors`.
    """
    photo, colored, target = Path(photo), Path(colored), Path(target)
    if target.suffix.lower() not in WRITABLE:
        raise VividPastError(f"{target}: end the name in {', '.join(WRITABLE)}.")
    check_not_an_input(target, photo, colored)
    if exists(target) and not force:
        raise VividPastError(f"{target}: exists already; add --force to replace it.")
    check_output_file(target)
    started = time.perf_counter()
    picture, copy = read_picture(photo), read_picture(colored)
    values = join_colors(picture.values, _in_profile_of(picture, copy), (photo, colored))
    write_picture(replace(picture, values=values), target)
    height, width = copy.values.shape[:2]
    details = [
        *photo_details(picture, target),
        f"with the colours of {colored}, {width} x {height}",
        *copy.notes,
    ]
    seconds = time.perf_counter() - started
    return f"{photo}: {', '.join(details)} -> {target} ({seconds:.1f} s)"


def check_not_an_input(target: Path, *inputs: Path) -> None:
    """Refuse, with a VividPastError, to write over what goes in."""
    for path in inputs:
        if is_same_file(path, target):
            raise VividPastError(f"{path}: would be replaced by the result; name another file.")


def _in_profile_of(picture: Picture, copy: Picture) -> np.ndarray:
    """Convert a copy's values to the colour profile of the picture, which the result will have."""
    if copy.icc_profile == picture.icc_profile:
        return copy.values
    image = to_image(copy.values).convert("RGB")
    # A broken profile is no reason to refuse the copy: the plain values are close.
    with suppress(ImageCms.PyCMSError, OSError):
        source, into = map(_open_profile, (copy.icc_profile, picture.icc_profile))
        image = ImageCms.profileToProfile(image, source, into) or image
    return np.asarray(image)


def _open_profile(profile: bytes) -> ImageCms.ImageCmsProfile:
    """Open a colour profile; a picture that has none is in sRGB."""
    if not profile:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))
