"""Colorize a 1080p film beside decoding and encoding it, with the same settings, without colour."""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from measure import Result, medians, run

from vividpast_lib.colorize.colorizer import Colorizer
from vividpast_lib.film.film_files import colorize_film
from vividpast_lib.film.film_jobs import plan_film
from vividpast_lib.film.pyav import import_av
from vividpast_lib.film.reading import probe_film, read_frames
from vividpast_lib.film.synthetic import films_folder
from vividpast_lib.film.writing import segment_writer

FRAMES = 240  # ten seconds


def make_film(path: Path, width: int, height: int, frames: int) -> Path:
    """Enlarge the bundled film, over and over, to a black-and-white one of any size and length."""
    av = import_av()
    info = probe_film(films_folder() / "camera_moves.mp4")
    lumas = [frame.luma for frame in read_frames(info)]
    with av.open(str(path), "w") as film:
        options = {"preset": "veryfast", "crf": "18"}
        stream = film.add_stream("libx264", rate=info.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            small = av.VideoFrame.from_ndarray(lumas[index % len(lumas)], format="gray")
            frame = small.reformat(width, height, "yuv420p")
            frame.pts = index
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path


def transcode(source: Path, target: Path) -> None:
    """Decode and encode what `colorize_film` does, with the chroma of grey."""
    job = plan_film(source, target, force=True)
    height, width = job.encoding.chroma_size(job.info.height, job.info.width)
    grey = np.full((2, height, width), 128, np.uint8)
    with segment_writer(target.with_suffix(".nut"), job.info, job.encoding) as encode:
        for frame in read_frames(job.info):
            encode(frame.pts, frame.luma, grey)


def measure(options: argparse.Namespace) -> list[Result]:
    """Time both in turns."""
    colorizer = Colorizer.load(device=options.device)
    with tempfile.TemporaryDirectory() as folder:
        film = make_film(Path(folder, "film.mp4"), 1920, 1080, FRAMES)
        target = Path(folder, "out.mp4")
        times = medians(
            {
                "colorize": partial(
                    colorize_film, colorizer, film, target, resume=False, force=True
                ),
                "transcode": partial(transcode, film, target),
            },
            max(3, options.rounds // 2),
        )
    summary = ", ".join(f"{name} {FRAMES / each:.1f} frames/s" for name, each in times.items())
    ratio = times["transcode"] / times["colorize"]
    return [Result("film_1080p_vs_transcode", ratio, summary, at_least=0.4)]


if __name__ == "__main__":
    run(__doc__, measure)
