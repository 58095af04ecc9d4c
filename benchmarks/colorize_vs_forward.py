"""Colorize a folder of 1-megapixel photos by the command line beside what can't be left out.

That is decoding them, the network's bare forward passes on what it sees of them, and encoding
pictures of their size.
"""

import argparse
import contextlib
import io
import tempfile
from functools import partial
from pathlib import Path

from measure import Result, folder_of_photos, medians, run

from vividpast_lib.cli.main import main
from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.compose import lightness_of
from vividpast_lib.photos.picture_reading import read_picture
from vividpast_lib.photos.picture_writing import write_picture

PHOTOS, SIZE = 12, (1224, 816)


def command_line(folder: Path, out: Path, device: str) -> None:
    """Do what a user does."""
    with contextlib.redirect_stdout(io.StringIO()):
        status = main(["colorize", str(folder), "-o", str(out), "--force", "--device", device])
    assert status == 0


def measure(options: argparse.Namespace) -> list[Result]:
    """Time both in turns."""
    colorizer = Colorizer.load(device=options.device)
    with folder_of_photos(PHOTOS, SIZE) as folder, tempfile.TemporaryDirectory() as out:
        pictures = [read_picture(file) for file in sorted(folder.iterdir())]
        seen = [colorizer.small_copy(lightness_of(each.values)) for each in pictures]

        def bare() -> None:
            for file, small in zip(sorted(folder.iterdir()), seen, strict=True):
                picture = read_picture(file)
                colorizer.distribution(small)
                write_picture(picture, Path(out, "bare.png"))

        times = medians(
            {
                "command line": partial(command_line, folder, Path(out), options.device),
                "bare": bare,
            },
            max(3, options.rounds // 2),
        )
    summary = ", ".join(f"{name} {PHOTOS / each:.1f} photos/s" for name, each in times.items())
    return [Result("colorize_vs_forward", times["command line"] / times["bare"], summary)]


if __name__ == "__main__":
    run(__doc__, measure)
