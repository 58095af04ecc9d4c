"""What the benchmarks share: several things timed side by side, in turns."""

import argparse
import gc
import statistics
import time
from collections.abc import Callable

import torch


def arguments(description: str | None, **models: str) -> argparse.Namespace:
    """Read ``--threads``, ``--rounds`` and, if a default is given, ``--model``."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="cores to use (default: 2)")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each (default: 15)")
    for name, default in models.items():
        parser.add_argument(f"--{name}", default=default, help=f"default: {default}")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    return chosen


def medians(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run each task once a round, and take the median of its times.

    In turns, so that whatever else the machine does meanwhile slows all of them alike.

    Parameters
    ----------
    tasks : dict of callables
        What is timed, by name; each is run once before, to warm up.
    rounds : int
        How often.

    Returns
    -------
    dict of float
        Milliseconds, by name.
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    with torch.inference_mode():
        for task in tasks.values():
            task()
        gc.disable()
        for _ in range(rounds):
            for name, task in tasks.items():
                start = time.perf_counter()
                task()
                times[name].append((time.perf_counter() - start) * 1000)
        gc.enable()
    return {name: statistics.median(each) for name, each in times.items()}
