"""Photos and folders in, coloured copies out: which goes where, and one line on each."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from ..networks.class_map_pictures import class_map_picture
from ..networks.segmenters import Segmenter, segment_photo
from ..photos.open import photo_files
from ..photos.picture import Picture, to_image
from ..photos.picture_reading import read_picture
from ..photos.picture_writing import WRITABLE, write_picture
from ..photos.sheets import THUMBNAIL, write_sheet
from ..runtime.errors import VividPastError
from ..runtime.files import exists, is_file_name, is_folder, is_same_file, path_identity
from .colorizer import Colorizer
from .compose import lightness_of, to_gray
from .strokes import Stroke, count_hints

SHEET_TITLES = ("grey", "ours", "true")


def choose_photo_targets(
    inputs: Sequence[Path], out: str, suffix: str = "png", force: bool = False
) -> tuple[list[tuple[Path, Path]], list[VividPastError]]:
    """Decide which photos are colorized, and where to.

    Parameters
    ----------
    inputs : sequence of Path
        Photos, and folders that are searched with their subfolders. A photo that is named twice
        is colorized once.
    out : str
        A folder; or a file, if one photo goes in and this ends in a file suffix.
    suffix : str
        Of files written to a folder, without the dot.
    force : bool
        Replace files that exist.

    Returns
    -------
    jobs : list of tuple
        Each photo and its copy. In a folder, the copy is OUT/<stem>, or OUT/<stem>_<its suffix>
        if another photo has that name already; photos from subfolders keep those.
    problems : list of VividPastError
        One for each input that can't be done; the others still can.

    Raises
    ------
    VividPastError
        If ``out`` can't be written to, whatever the inputs.
    """
    path = Path(out)
    inputs = list({path_identity(source): source for source in inputs}.values())
    single = is_file_name(out) and len(inputs) == 1 and not is_folder(inputs[0])
    if single and path.suffix.lower() not in WRITABLE:
        raise VividPastError(
            f"{out}: can't write {path.suffix} files; end the name in {', '.join(WRITABLE)}, or in "
            "a slash if it is a folder."
        )
    if not single and path.is_file():
        raise VividPastError(f"{out}: is a file; name a folder to write several photos to.")

    problems: list[VividPastError] = []
    found: dict[Path, tuple[Path, Path]] = {}
    for source in inputs:
        pairs = [(source, path if single else path / f"{source.stem}.{suffix}")]
        with _collected(problems, source):
            if is_folder(source):
                pairs = _photos_below(source, path, suffix)
            for photo, target in pairs:
                found.setdefault(path_identity(photo), (photo, target))
    photos = {photo.resolve() for photo, _target in found.values()}
    jobs: dict[Path, Path] = {}
    for photo, target in found.values():
        if target in jobs:  # photo.jpg and photo.tif
            target = target.with_stem(f"{photo.stem}_{photo.suffix[1:]}")
        with _collected(problems, photo):
            if is_same_file(photo, target):
                reason = "would be replaced by its own coloured copy; name another folder"
            elif target.resolve() in photos:
                reason = f"would be written over {target}, which goes in too; name another folder"
            elif target in jobs:
                reason = f"would be written over the copy of {jobs[target]}; do it separately"
            elif target.exists() and not force:
                reason = f"{target} exists already; add --force to replace it"
            else:
                jobs[target] = photo
                continue
            raise VividPastError(f"{photo}: {reason}.")
    return [(photo, target) for target, photo in jobs.items()], problems


@contextmanager
def _collected(problems: list[VividPastError], path: Path) -> Iterator[None]:
    """Add what is wrong with a path to the problems, and go on after the block."""
    try:
        yield
    except VividPastError as error:
        problems.append(error)
    except OSError as error:  # such as a name that is too long
        problems.append(VividPastError(f"{path}: can't be read ({error.strerror or error})."))


def _photos_below(source: Path, out: Path, suffix: str) -> list[tuple[Path, Path]]:
    """List (photo, target) of a folder, without what earlier calls wrote to OUT inside it."""
    found = []
    for name in photo_files(source):
        photo = source / name
        if out.resolve() != source.resolve() and photo.resolve().is_relative_to(out.resolve()):
            continue
        found.append((photo, (out / name).with_suffix(f".{suffix}")))
    if not found:
        raise VividPastError(
            f"{source}: holds no photos; name a folder with photos in it. Folders of films are "
            "coloured by `vividpast archive`."
        )
    return found


def colorize_files(
    colorizer: Colorizer,
    jobs: Sequence[tuple[Path, Path]],
    sheet: Path | None = None,
    hints: Sequence[Stroke] = (),
) -> Iterator[str | VividPastError]:
    """Colorize photos one after the other.

    Parameters
    ----------
    colorizer : Colorizer
    jobs : sequence of tuple
        As `choose_photo_targets` returns them.
    sheet : Path, optional
        Where to write a contact sheet: grey | ours | true. `check_sheet` finds a bad name.
    hints : sequence of Stroke
        Colours that every photo is to have in some places.

    Yields
    ------
    str or VividPastError
        One line on a photo that is done, or on the contact sheet; or why a photo can't be done.
        The next ones are done all the same.
    """
    rows: list[tuple[str, list[Image.Image]]] = []
    for source, target in jobs:
        started = time.perf_counter()
        try:
            picture = read_picture(source)
            colored = colorizer.colorize(picture, hints)
            write_picture(colored, target)
        except VividPastError as error:
            yield error
            continue
        seconds = time.perf_counter() - started
        if sheet:
            rows.append((source.stem, _sheet_row(picture, colored)))
        details = ", ".join(photo_details(picture, target, hints))
        yield f"{source}: {details} -> {target} ({seconds:.1f} s)"
    if sheet and rows:
        # Of black-and-white photos alone there is no true column.
        titles = SHEET_TITLES[: max(len(images) for _stem, images in rows)]
        write_sheet(rows, titles, sheet)
        yield f"{len(rows)} photos, {' | '.join(titles)} -> {sheet}"


def segment_file(segmenter: Segmenter, source: Path, target: Path, force: bool = False) -> str:
    """Write the class map of a photo, made grey, as a picture with a legend.

    A `VividPastError` says if the photo can't be read, or the picture can't be written or exists
    already and ``force`` isn't given.

    Returns
    -------
    str
        One line: the classes, and which share of the photo each takes.
    """
    if target.suffix.lower() not in WRITABLE:
        raise VividPastError(f"{target}: end the name in {', '.join(WRITABLE)}.")
    if is_same_file(source, target):
        raise VividPastError(f"{source}: would be replaced by its class map; name another file.")
    if exists(target) and not force:
        raise VividPastError(f"{target}: exists already; add --force to replace it.")
    lightness = lightness_of(read_picture(source).values)
    image, shares = class_map_picture(lightness, segment_photo(segmenter, lightness))
    write_picture(Picture(np.asarray(image)), target)
    classes = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return f"{source}: {classes} -> {target}"


def photo_details(picture: Picture, target: Path, hints: Sequence[Stroke] = ()) -> list[str]:
    """List what a user should know of a photo and its copy."""
    height, width = picture.values.shape[:2]
    details = [f"{width} x {height}"]
    if picture.is_color:
        details.append("a colour photo, made grey first")
    if picture.values.dtype == "uint16":
        kept = target.suffix.lower() in (".png", ".tif", ".tiff")
        details.append("16 bits" if kept else f"16 bits made 8, as {target.suffix} holds no more")
    return details + picture.notes + ([count_hints(hints)] if hints else [])


def _sheet_row(picture: Picture, colored: Picture) -> list[Image.Image]:
    """Make thumbnails: grey, coloured, and the original if it has colour."""
    true, ours = to_image(picture.values).convert("RGB"), to_image(colored.values)
    for image in (true, ours):
        image.thumbnail((THUMBNAIL, THUMBNAIL))
    grey = Image.fromarray(to_gray(np.asarray(true)))
    return [grey, ours, true] if picture.is_color else [grey, ours]
