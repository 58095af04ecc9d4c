"""`vividpast join`: the colours of any tool's picture or film on the lightness of the original."""

import argparse
import time
from pathlib import Path

from ..runtime.errors import VividPastError
from .options import film_progress


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `join`."""
    join = commands.add_parser(
        "join",
        help="put the colours of another tool's picture or film on the original",
        description="Put the colours of COLOURED, a copy of GREY that any tool has coloured, on "
        "GREY, which keeps its size, its sharpness and its lightness. The copy may have another "
        "size, be shifted by some pixels, and be blurred. Both are photos, or both are films.",
    )
    join.add_argument("grey", type=Path, metavar="GREY", help="the original")
    join.add_argument("colored", type=Path, metavar="COLOURED", help="its coloured copy")
    join.add_argument(
        "-o", "--out", required=True, type=Path, metavar="OUT",
        help="file to write, ending in .png, .jpg, .tif or .webp; for films in .mp4, .mov, .mkv "
        "or .webm",
    )  # fmt: skip
    join.add_argument("--force", action="store_true", help="replace OUT if it exists")
    join.set_defaults(command=_join)


def _join(options: argparse.Namespace) -> int:
    from ..colorize.joined_photos import join_photos
    from ..film.film_jobs import is_film

    grey, colored, out = options.grey, options.colored, options.out
    if is_film(grey) != is_film(colored):
        film, photo = (grey, colored) if is_film(grey) else (colored, grey)
        raise VividPastError(
            f"{film}: is a film, and {photo} is none; name two films or two photos."
        )
    if not is_film(grey):
        print(join_photos(grey, colored, out, options.force))
        return 0

    from ..film.joined_films import join_films

    started = time.perf_counter()
    with film_progress(grey, "stopped; the same command goes on.") as on_progress:
        job = join_films(grey, colored, out, force=options.force, on_progress=on_progress)
    spent = time.perf_counter() - started
    print(f"{grey}: {job.info.summary()}, with the colours of {colored} -> {out} ({spent:.1f} s)")
    return 0
