"""Time colorizing a 1-megapixel photo beside copying it: it may take 3 times as long.

Copying is reading it, resizing it to what the network sees, the network's own forward pass, and
writing it as it was.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import torch
from measure import Result, medians, run
from PIL import Image

from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.colorize.compose import lightness_of
from vividpast_lib.photos.open import bundled_folder
from vividpast_lib.photos.picture_reading import read_picture
from vividpast_lib.photos.picture_writing import write_picture

LIMIT = 3.0
PHOTO, SIZE = "city_skyline_night.jpg", (1224, 816)


def colorize(colorizer: Colorizer, source: Path, target: Path) -> None:
    """Do what `vividpast colorize` does with a photo."""
    write_picture(colorizer.colorize(read_picture(source)), target)


def copy(colorizer: Colorizer, source: Path, target: Path, seen: torch.Tensor) -> None:
    """Read, resize, run the network on what it sees of this photo, and write without colour."""
    picture = read_picture(source)
    Image.fromarray(picture.values.squeeze()).resize(
        (seen.shape[-1], seen.shape[-2]), Image.Resampling.BILINEAR
    )
    colorizer.predict(seen)
    write_picture(picture, target)


@torch.inference_mode()
def measure(options: argparse.Namespace) -> list[Result]:
    """Compare each kind of photo and of file."""
    colorizer = Colorizer.load(device=options.device)
    width, height = SIZE
    results = []
    with tempfile.TemporaryDirectory() as folder:
        photo = Image.open(bundled_folder() / PHOTO).convert("RGB").resize(SIZE)
        for kind, mode in (("grey", "L"), ("colour", "RGB")):
            source = Path(folder, f"{kind}.jpg")
            photo.convert(mode).save(source, quality=90)
            seen = colorizer.small_copy(lightness_of(read_picture(source).values))
            for suffix in ("png", "jpg"):
                target = Path(folder, f"out.{suffix}")
                times = medians(
                    {
                        "copy": partial(copy, colorizer, source, target, seen),
                        "colorize": partial(colorize, colorizer, source, target),
                    },
                    options.rounds,
                )
                summary = (
                    f"{width} x {height}: {times['colorize']:.3f} s, a copy {times['copy']:.3f}"
                )
                ratio = times["colorize"] / times["copy"]
                results.append(
                    Result(f"photo_vs_copy_{kind}_{suffix}", ratio, summary, at_most=LIMIT)
                )
    return results


if __name__ == "__main__":
    run(__doc__, measure)
