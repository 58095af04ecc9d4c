"""How the cost grows with the work: larger photos, longer films, more photos to train on.

Each curve's slope is that of log time over log amount, over all and over the three largest, where
what is done once no longer hides what grows: 1 is in proportion. Films are sampled: what
is done once for the whole film, before its frames, is timed whole, the frames by the first ones.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from film_vs_transcode import make_film
from measure import Result, folder_of_photos, medians, run
from photo_vs_copy import colorize
from PIL import Image

from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.film.film_jobs import plan_film
from vividpast_lib.film.pyav import import_av
from vividpast_lib.film.segments import color_segments, opened_parts
from vividpast_lib.photos.open import bundled_folder, open_photos
from vividpast_lib.training.loop import fit
from vividpast_lib.training.settings import Settings
from vividpast_lib.training.task_registry import open_task

MEGAPIXELS = (0.25, 1, 4, 16, 36, 100)
MINUTES = (1, 2, 5, 10, 20)
TRAINING_PHOTOS = (1000, 2000, 5000, 15_000)
PHOTO = "city_skyline_night.jpg"
SAMPLE = 96  # frames

Points = list[tuple[float, float]]


def photos(colorizer: Colorizer) -> Points:
    """Seconds to read, colorize and write one photo of so many megapixels."""
    points = []
    with tempfile.TemporaryDirectory() as folder, Image.open(bundled_folder() / PHOTO) as image:
        source, target = Path(folder, "photo.jpg"), Path(folder, "out.jpg")
        for megapixels in MEGAPIXELS:
            size = round((megapixels * 1.5e6) ** 0.5), round((megapixels / 1.5 * 1e6) ** 0.5)
            image.convert("L").resize(size).save(source, quality=90)
            times = medians({"colorize": partial(colorize, colorizer, source, target)}, 5)
            points.append((megapixels, times["colorize"]))
    return points


def films(colorizer: Colorizer) -> Points:
    """Seconds to colorize a film of so many minutes: 640 x 360, 24 frames a second."""
    points = []
    with tempfile.TemporaryDirectory() as folder:
        minute = make_film(Path(folder, "minute.mp4"), 640, 360, 60 * 24)
        for minutes in MINUTES:
            film = repeat_film(minute, Path(folder, "film.mp4"), minutes)
            start = time.perf_counter()
            job = plan_film(film, Path(folder, "out.mp4"), force=True)
            with opened_parts(job, colorizer, resume=False):
                once = time.perf_counter() - start
                start = time.perf_counter()
                color_segments(job, colorizer, 0, SAMPLE)
                frame = (time.perf_counter() - start) / SAMPLE
            points.append((float(minutes), once + frame * job.frames))
    return points


def training(device: str) -> Points:
    """Seconds to train `autoencoder` for an epoch on so many photos, all that comes before too."""
    points = []
    with folder_of_photos(max(TRAINING_PHOTOS), (192, 128)) as folder:
        for count in TRAINING_PHOTOS:
            start = time.perf_counter()
            train, val = open_photos(folder).head(count), open_photos(folder).head(32)
            fit(open_task(train, val, Settings(epochs=1), device), progress=False)
            points.append((float(count), time.perf_counter() - start))
    return points


def repeat_film(source: Path, target: Path, times: int) -> Path:
    """Copy the packets of a film, over and over."""
    av = import_av()
    with av.open(str(target), "w") as out:
        track, length = None, 0
        for _ in range(times):
            with av.open(str(source)) as film:
                stream = film.streams.video[0]
                track = track or out.add_stream_from_template(stream)
                for packet in film.demux(stream):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + length, packet.dts + length
                        packet.stream = track
                        out.mux(packet)
                length += stream.duration
    return target


def slope(points: Points) -> float:
    """Slope of log seconds over log amount."""
    amounts, seconds = np.log(np.array(points)).T
    return float(np.polyfit(amounts, seconds, 1)[0])


def measure(options: argparse.Namespace) -> list[Result]:
    """Tell three slopes; a little above 1 is allowed for what no cache holds."""
    colorizer = Colorizer.load(device=options.device)
    curves = {
        "photos": ("megapixels", photos(colorizer)),
        "films": ("minutes", films(colorizer)),
        "training": ("photos", training(options.device)),
    }
    results = []
    for name, (unit, points) in curves.items():
        curve = ", ".join(f"{amount:g} {unit} {seconds:.3g} s" for amount, seconds in points)
        summary = f"of the three largest; {slope(points):.2f} over all: {curve}"
        named = {f"{name} ({unit})": points}
        results.append(
            Result(f"scaling_{name}", slope(points[-3:]), summary, at_most=1.1, points=named)
        )
    return results


if __name__ == "__main__":
    run(__doc__, measure)
