"""Colorize a film, and one ten times as long: the peak memory of both."""

import argparse
import inspect
import subprocess
import sys
import tempfile
from pathlib import Path

from film_vs_transcode import make_film
from measure import Result, run

FRAMES = 240  # ten seconds: enough to fill everything that is computed ahead
WIDTH, HEIGHT = 1280, 720

COLORIZE = """
import sys
from vividpast_lib.cli.main import main
status = main(["colorize", sys.argv[1], "-o", sys.argv[2], "--device", sys.argv[3], "--force"])
print(peak())
sys.exit(status)
"""


def peak() -> float:
    """Give the peak memory of this process so far, in MB."""
    import resource
    import sys
    from pathlib import Path

    status = Path("/proc/self/status")
    if status.exists():  # on Linux, where ru_maxrss begins with that of whoever started this
        (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return taken / (1e6 if sys.platform == "darwin" else 1e3)


def peak_memory(film: Path, device: str) -> float:
    """Colorize a film in a process of its own, and give its peak memory, in MB."""
    program = inspect.getsource(peak) + COLORIZE
    command = [sys.executable, "-c", program, str(film), str(film.with_name("out.mp4")), device]
    stdout = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(stdout.split()[-1])


def measure(options: argparse.Namespace) -> list[Result]:
    """Run each once: memory does not depend on what else the machine does."""
    with tempfile.TemporaryDirectory() as folder:
        short, long = (
            peak_memory(make_film(Path(folder, "film.mp4"), WIDTH, HEIGHT, count), options.device)
            for count in (FRAMES, 10 * FRAMES)
        )
    summary = f"{FRAMES} frames of {WIDTH} x {HEIGHT}: {short:.0f} MB, {10 * FRAMES}: {long:.0f} MB"
    return [Result("film_memory_long_vs_short", long / short, summary, at_most=1.2)]


if __name__ == "__main__":
    run(__doc__, measure)
