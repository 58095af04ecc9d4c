"""What the benchmarks share: things timed side by side, in turns, and what comes of it."""

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image

from vividpast_lib.photos.open import bundled_folder, open_photos


@dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Parameters
    ----------
    name : str
        Of the ratio, as in ``out/bench.json``.
    ratio : float
    summary : str
        What was timed beside what, in one line.
    at_least, at_most : float, optional
        The limit that the project sets itself.
    points : dict of lists, optional
        For the plot: {a curve's name: [(amount, seconds), ...]}.
    """

    name: str
    ratio: float
    summary: str
    at_least: float | None = None
    at_most: float | None = None
    points: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Tell whether the limit is kept."""
        lowest = -float("inf") if self.at_least is None else self.at_least
        highest = float("inf") if self.at_most is None else self.at_most
        return bool(lowest <= self.ratio <= highest)  # not NumPy's, which JSON does not know

    def row(self) -> str:
        """Say it in a line of a table."""
        limit = f">= {self.at_least:g}" if self.at_least is not None else ""
        limit = f"<= {self.at_most:g}" if self.at_most is not None else limit
        verdict = "" if self.holds else "  MISSED"
        return f"{self.name:32} {self.ratio:8.3f}  {limit:8}{verdict}  {self.summary}"


Measure = Callable[[argparse.Namespace], list[Result]]


def options(description: str | None) -> argparse.ArgumentParser:
    """Offer ``--device``, ``--threads`` and ``--rounds``."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="cores to use (default: 2)")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each (default: 7)")
    return parser


def run(description: str | None, measure: Measure) -> None:
    """Run one benchmark by itself, and print its rows."""
    chosen = options(description).parse_args()
    torch.set_num_threads(chosen.threads)
    for result in measure(chosen):
        print(result.row(), flush=True)


def medians(
    tasks: dict[str, Callable[[], object]], rounds: int, device: str = "cpu"
) -> dict[str, float]:
    """Run each task once a round, and take the median of its times.

    In turns, so that whatever else the machine does meanwhile slows all of them alike.

    Parameters
    ----------
    tasks : dict of callables
        What is timed, by name; each is run once before, to warm up.
    rounds : int
        How often.
    device : str
        With "cuda", a task's time ends when the GPU is done.

    Returns
    -------
    dict of float
        Seconds, by name.
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for task in tasks.values():
        task()
    gc.disable()
    for _ in range(rounds):
        for name, task in tasks.items():
            wait()
            start = time.perf_counter()
            task()
            wait()
            times[name].append(time.perf_counter() - start)
    gc.enable()
    return {name: statistics.median(each) for name, each in times.items()}


@contextmanager
def folder_of_photos(count: int, size: tuple[int, int]) -> Iterator[Path]:
    """Make a folder of JPEGs, width x height, of the bundled photos, over and over."""
    photos = open_photos("bundled")
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for index, name in enumerate(photos.names[:count]):
            with Image.open(bundled_folder() / name) as image:
                photo = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            photo.save(Path(folder, f"{index:05}.jpg"), quality=90)
            files.append(Path(folder, f"{index:05}.jpg").read_bytes())
        for index in range(len(files), count):
            Path(folder, f"{index:05}.jpg").write_bytes(files[index % len(files)])
        yield Path(folder)
