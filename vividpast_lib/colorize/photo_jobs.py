"""Photos and folders in, coloured copies out: which goes where, and one line on each."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..networks.class_map_pictures import class_map_picture
from ..networks.segmenters import Segmenter, segment_photo
from ..photos.open import photo_files
from ..photos.picture import Picture, to_image
from ..photos.picture_reading import read_picture
from ..photos.picture_writing import WRITABLE, write_picture
from ..photos.sheets import contact_sheet
from ..runtime.errors import VividPastError
from ..runtime.files import atomic_write, write_errors
from .colorizer import Colorizer
from .compose import lightness_of, to_gray
from .strokes import Stroke, count_hints

SHEET_TITLES = ("grey", "ours", "true")
#: Longer side of a photo on a contact sheet, in pixels.
THUMBNAIL = 160


@dataclass(frozen=True)
class PhotoJob:
    """A photo to colorize, and the file that its coloured copy is written to."""

    source: Path
    target: Path


def plan_photos(
    inputs: Sequence[Path], out: str, suffix: str = "png", force: bool = False
) -> tuple[list[PhotoJob], list[VividPastError]]:
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
        Allow existing files to be replaced.

    Returns
    -------
    jobs : list of PhotoJob
        One a photo. In a folder, OUT/<stem>, or OUT/<stem>_<its suffix> if another photo has
        that name already; photos from subfolders keep those.
    problems : list of VividPastError
        One for each input that can't be done; the others still can.

    Raises
    ------
    VividPastError
        If ``out`` can't be written to, whatever the inputs.
    """
    folder = Path(out)
    inputs = list({_identity(source): source for source in inputs}.values())
    single = _single_file(inputs, out)
    if single is None and folder.is_file():
        raise VividPastError(f"{out}: is a file; name a folder to write several photos to.")

    jobs: dict[Path, PhotoJob] = {}
    problems: list[VividPastError] = []
    planned: set[Path] = set()
    for source in inputs:
        found: list[tuple[Path, Path]] = []
        with _collected(problems, source):
            if single is not None:
                found = [(source, single)]
            elif source.is_dir():
                found = _photos_below(source, folder, suffix)
            else:
                found = [(source, folder / f"{source.stem}.{suffix}")]
        for photo, target in found:
            if _identity(photo) in planned:
                continue
            planned.add(_identity(photo))
            if target in jobs:  # photo.jpg and photo.tif
                target = target.with_stem(f"{photo.stem}_{photo.suffix[1:]}")
            with _collected(problems, photo):
                if photo.exists() and target.exists() and photo.samefile(target):
                    reason = "would be replaced by its own coloured copy; name another folder"
                elif target in jobs:
                    other = jobs[target].source
                    reason = f"would be written over the copy of {other}; do it separately"
                elif target.exists() and not force:
                    reason = f"{target} exists already; add --force to replace it"
                else:
                    jobs[target] = PhotoJob(photo, target)
                    continue
                raise VividPastError(f"{photo}: {reason}.")
    return list(jobs.values()), problems


def _identity(path: Path) -> Path:
    """Return the same for each way to name a path; a link to a photo is a photo of its own."""
    return path.parent.resolve() / path.name


@contextmanager
def _collected(problems: list[VividPastError], path: Path) -> Iterator[None]:
    """Add what is wrong with a path to the problems, and go on after the block."""
    try:
        yield
    except VividPastError as error:
        problems.append(error)
    except OSError as error:  # such as a name that is too long
        problems.append(VividPastError(f"{path}: can't be read ({error.strerror or error})."))


def _single_file(inputs: Sequence[Path], out: str) -> Path | None:
    """Return the file that OUT names, or None if it names a folder."""
    path = Path(out)
    if len(inputs) != 1 or not names_file(out) or inputs[0].is_dir():
        return None
    if path.suffix.lower() not in WRITABLE:
        raise VividPastError(
            f"{out}: can't write {path.suffix} files; end the name in {', '.join(WRITABLE)}, or in "
            "a slash if it is a folder."
        )
    return path


def names_file(out: str) -> bool:
    """Whether OUT names a file, by its suffix; a folder that exists is none."""
    path = Path(out)
    return bool(path.suffix) and not path.is_dir() and not out.endswith(("/", "\\"))


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
    jobs: Sequence[PhotoJob],
    sheet: Path | None = None,
    hints: Sequence[Stroke] = (),
) -> Iterator[tuple[str, VividPastError | None]]:
    """Colorize photos one after the other.

    Parameters
    ----------
    colorizer : Colorizer
        The model.
    jobs : sequence of PhotoJob
        As `plan_photos` returns them.
    sheet : Path, optional
        Where to write a contact sheet: grey | ours | true. `check_sheet` finds a bad name.
    hints : sequence of Stroke
        Colours that every photo is to have in some places.

    Yields
    ------
    summary : str
        One line on a photo that is done, or on the contact sheet.
    error : VividPastError or None
        Why a photo can't be done; the next ones are done all the same.
    """
    rows: list[tuple[str, list[Image.Image]]] = []
    for job in jobs:
        started = time.perf_counter()
        try:
            picture = read_picture(job.source)
            colored = colorizer.colorize(picture, hints)
            write_picture(colored, job.target)
        except VividPastError as error:
            yield "", error
            continue
        seconds = time.perf_counter() - started
        if sheet:
            rows.append((job.source.stem, _sheet_row(picture, colored)))
        yield f"{_summary(job, picture, hints)} ({seconds:.1f} s)", None
    if sheet and rows:
        # Of black-and-white photos alone there is no true column.
        titles = SHEET_TITLES[: max(len(images) for _stem, images in rows)]
        write_sheet(rows, titles, sheet)
        yield f"{len(rows)} photos, {' | '.join(titles)} -> {sheet}", None


def segment_file(segmenter: Segmenter, source: Path, target: Path, force: bool = False) -> str:
    """Write the class map of a photo as a picture with a legend.

    Parameters
    ----------
    segmenter : Segmenter
        Segments the photo, made grey.
    source, target : Path
        The photo, and the picture to write; its suffix says in which format.
    force : bool
        Allow an existing file to be replaced.

    Returns
    -------
    str
        One line: the classes, and which share of the photo each takes.

    Raises
    ------
    VividPastError
        If the photo can't be read, or the picture can't be written or exists already.
    """
    if target.suffix.lower() not in WRITABLE:
        raise VividPastError(f"{target}: end the name in {', '.join(WRITABLE)}.")
    if target.exists() and source.exists() and target.samefile(source):
        raise VividPastError(f"{source}: would be replaced by its class map; name another file.")
    if target.exists() and not force:
        raise VividPastError(f"{target}: exists already; add --force to replace it.")
    lightness = lightness_of(read_picture(source).values)
    image, shares = class_map_picture(lightness, segment_photo(segmenter, lightness))
    write_picture(Picture(np.asarray(image)), target)
    classes = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return f"{source}: {classes} -> {target}"


def _summary(job: PhotoJob, picture: Picture, hints: Sequence[Stroke]) -> str:
    height, width = picture.values.shape[:2]
    details = [f"{width} x {height}"]
    if picture.is_color:
        details.append("a colour photo, greyed first")
    if picture.values.dtype == "uint16":
        kept = job.target.suffix.lower() in (".png", ".tif", ".tiff")
        details.append(
            "16 bits" if kept else f"16 bits made 8, as {job.target.suffix} holds no more"
        )
    details += picture.notes
    if hints:
        details.append(count_hints(hints))
    return f"{job.source}: {', '.join(details)} -> {job.target}"


def _sheet_row(picture: Picture, colored: Picture) -> list[Image.Image]:
    """Make thumbnails: grey, coloured, and the original if it has colour."""
    true, ours = to_image(picture.values).convert("RGB"), to_image(colored.values)
    for image in (true, ours):
        image.thumbnail((THUMBNAIL, THUMBNAIL))
    grey = Image.fromarray(to_gray(np.asarray(true)))
    return [grey, ours, true] if picture.is_color else [grey, ours]


def check_sheet(path: Path) -> None:
    """Check that a contact sheet can have this name, before the work of many photos.

    Raises
    ------
    VividPastError
        If it ends in no suffix of a picture, or is a folder.
    """
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise VividPastError(
            f"{path}: a contact sheet can't be written under this name; end it in "
            f"{', '.join(WRITABLE)}."
        )
    if path.is_dir():
        raise VividPastError(f"{path}: is a folder; name a file for the contact sheet.")


def write_sheet(
    rows: Sequence[tuple[str, Sequence[Image.Image]]], titles: Sequence[str], path: Path
) -> None:
    """Write a contact sheet, as `contact_sheet` lays it out.

    Raises
    ------
    VividPastError
        If it can't be written.
    """
    with write_errors(path, ValueError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            contact_sheet(rows, titles, THUMBNAIL).save(temporary)
