"""`vividpast colorize`: photos and films; `vividpast segment`: a photo's class map."""

import argparse
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.errors import VividPastError
from ..runtime.files import is_folder, path_identity
from .options import (
    add_device,
    add_independent_frames,
    add_model,
    add_segmenter,
    check_unused,
    film_progress,
    given,
    positive,
    print_error,
)

if TYPE_CHECKING:
    from ..colorize.colorizer import Colorizer
    from ..colorize.strokes import Stroke
    from ..film.film_jobs import FilmJob


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `colorize` and `segment`."""
    colorize = commands.add_parser("colorize", help="colorize photos and films")
    colorize.add_argument(
        "inputs", nargs="+", type=Path, metavar="INPUT", help="photos, folders of photos, films"
    )
    colorize.add_argument(
        "-o", "--out", required=True, metavar="OUT",
        help="folder for the coloured copies; or, for one photo, a file ending in .png, .jpg, "
        ".tif or .webp; for one film, in .mp4, .mov, .mkv or .webm",
    )  # fmt: skip
    add_model(colorize)
    add_device(colorize)
    colorize.add_argument(
        "--format", choices=("png", "jpg", "tif", "webp"),
        help="of photos written to a folder; png and tif lose nothing (default: png)",
    )  # fmt: skip
    colorize.add_argument(
        "--contact-sheet", type=Path, metavar="FILE",
        help="also write grey | ours | true; of films, stills",
    )  # fmt: skip
    colorize.add_argument(
        "--hints", type=Path, metavar="FILE.json",
        help="colours that one photo is to have in some places, as saved by the hint painter; "
        "what is around them follows",
    )  # fmt: skip
    colorize.add_argument("--force", action="store_true", help="replace files that exist")
    films = colorize.add_argument_group("films")
    add_independent_frames(films)
    films.add_argument(
        "--preview", type=positive(float), metavar="SECONDS",
        help="colour only so many seconds from the start",
    )  # fmt: skip
    films.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True,
        help="go on where a call that was stopped has left OUT.parts (the default), or start anew",
    )  # fmt: skip
    colorize.set_defaults(command=_colorize)

    segment = commands.add_parser("segment", help="show which classes a photo holds, and where")
    segment.add_argument("photo", type=Path, metavar="PHOTO")
    segment.add_argument(
        "-o", "--out", required=True, type=Path, metavar="OUT",
        help="picture of the class map with a legend, ending in .png, .jpg, .tif or .webp",
    )  # fmt: skip
    add_segmenter(segment)
    segment.add_argument("--force", action="store_true", help="replace OUT if it exists")
    segment.set_defaults(command=_segment)


def _colorize(options: argparse.Namespace) -> int:
    from ..colorize.colorizer import Colorizer
    from ..colorize.strokes import read_hints
    from ..film.film_jobs import is_film
    from ..networks.checkpoints import DEFAULT_MODEL
    from ..photos.sheets import check_sheet

    films = [path for path in options.inputs if is_film(path)]
    photos = [path for path in options.inputs if path not in films]
    if options.contact_sheet:
        if films and photos:
            raise VividPastError(
                "A contact sheet shows photos or films: colorize them in two calls."
            )
        check_sheet(options.contact_sheet)
    if options.hints and (films or len(photos) != 1 or is_folder(photos[0])):
        raise VividPastError("--hints is for one photo: name that photo alone.")
    if not films and (used := given(options, "--independent-frames", "--preview", "--no-resume")):
        raise VividPastError(f"No film is to be coloured: leave {used} out.")
    if not photos and options.format:
        raise VividPastError("No photo is to be coloured: leave --format out.")
    hints = read_hints(options.hints) if options.hints else []
    colorizer = Colorizer.load(options.model or DEFAULT_MODEL, options.device, options.vivid)
    failed = _colorize_photos(colorizer, photos, hints, options) if photos else 0
    failed += _colorize_films(colorizer, films, options) if films else 0
    return 2 if failed else 0


def _colorize_photos(
    colorizer: "Colorizer", photos: list[Path], hints: "list[Stroke]", options: argparse.Namespace
) -> int:
    """Colorize photos and folders of photos; returns how many failed."""
    from ..colorize.photo_jobs import choose_photo_targets, colorize_files

    suffix = options.format or "png"
    jobs, problems = choose_photo_targets(photos, options.out, suffix, options.force)
    if Path(options.out) in (target for _photo, target in jobs):
        check_unused(options, f"-o {options.out}", "--format")
    if options.contact_sheet:
        sheet = path_identity(options.contact_sheet)
        if any(path_identity(path) == sheet for job in jobs for path in job):
            raise VividPastError(
                f"{options.contact_sheet}: is a photo of this call or its copy; give the contact "
                "sheet another name."
            )
    failed = 0
    for outcome in chain(problems, colorize_files(colorizer, jobs, options.contact_sheet, hints)):
        if isinstance(outcome, VividPastError):
            print_error(outcome)
            failed += 1
        else:
            print(outcome)
    return failed


def _colorize_films(colorizer: "Colorizer", films: list[Path], options: argparse.Namespace) -> int:
    """Colorize films one after the other; returns how many failed."""
    from ..colorize.photo_jobs import SHEET_TITLES
    from ..film.film_files import film_stills
    from ..film.film_jobs import choose_film_targets
    from ..photos.sheets import write_sheet

    targets, problems = choose_film_targets(
        films, options.out, only_input=len(films) == len(options.inputs)
    )
    failed = len(problems)
    for problem in problems:
        print_error(problem)
    stills = []
    for film, target in targets:
        try:
            job = _colorize_film(colorizer, film, target, options)
            if options.contact_sheet:
                stills += film_stills(job)
        except VividPastError as error:
            print_error(error)
            failed += 1
    if stills:
        write_sheet(stills, SHEET_TITLES[:2], options.contact_sheet)
    return failed


def _colorize_film(
    colorizer: "Colorizer", film: Path, target: Path, options: argparse.Namespace
) -> "FilmJob":
    from ..film.film_files import colorize_film

    without = "" if options.resume else " without --no-resume"
    started = time.perf_counter()
    with film_progress(film, f"stopped; the same command{without} goes on.") as on_progress:
        job = colorize_film(
            colorizer, film, target, independent_frames=options.independent_frames,
            preview=options.preview, resume=options.resume, force=options.force,
            on_progress=on_progress,
        )  # fmt: skip
    spent = time.perf_counter() - started
    print(f"{film}: {job.info.summary()} -> {target} ({spent:.1f} s)")
    return job


def _segment(options: argparse.Namespace) -> int:
    from ..colorize.photo_jobs import segment_file
    from ..networks.segmenters import load_segmenter
    from ..runtime.devices import best_device

    segmenter = load_segmenter(options.segmenter).to(best_device(options.device))
    print(segment_file(segmenter, options.photo, options.out, options.force))
    return 0
