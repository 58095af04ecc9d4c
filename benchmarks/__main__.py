"""Run all benchmarks, or some: a table, out/bench.json and out/bench.png.

``make bench``, or ``python benchmarks lab_vs_skimage film_vs_transcode``.
"""

import importlib
import json
import platform
import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from measure import Result, options

BENCHMARKS = (
    "lab_vs_skimage",
    "frame_vs_zhang",
    "photo_vs_copy",
    "colorize_vs_forward",
    "training",
    "film_vs_transcode",
    "film_memory",
    "scaling",
)
OUT = Path("out")


def main() -> int:
    """Run them one after the other; what was found so far is kept if one fails."""
    parser = options(__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    OUT.mkdir(exist_ok=True)
    results: list[Result] = []
    print(f"on {device_name(chosen.device)}", flush=True)
    for name in chosen.names or BENCHMARKS:
        for result in importlib.import_module(name).measure(chosen):
            print(result.row(), flush=True)
            results.append(result)
        write(results, chosen.device, chosen.threads)
    return 0


def device_name(device: str) -> str:
    """Name the processor or the card."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return (
        f"{platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    )


def write(results: list[Result], device: str, threads: int) -> None:
    """Write the figures and the plot."""
    found = {
        "device": device_name(device),
        "threads": threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "ratios": {each.name: round(each.ratio, 4) for each in results},
        "limits": {
            each.name: {"at least": each.at_least, "at most": each.at_most, "holds": each.holds}
            for each in results
            if each.at_least is not None or each.at_most is not None
        },
        "summaries": {each.name: each.summary for each in results},
        "points": {name: points for each in results for name, points in each.points.items()},
    }
    (OUT / "bench.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    plot(results).savefig(OUT / "bench.png", dpi=120)


def plot(results: list[Result]) -> Figure:
    """Draw the ratios beside their limits, and the curves of growing work."""
    figure = Figure((12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    ratios = [each for each in results if not each.points]
    rows = range(len(ratios), 0, -1)
    colors = ["tab:blue" if each.holds else "tab:red" for each in ratios]
    left.barh(rows, [each.ratio for each in ratios], color=colors)
    for row, each in zip(rows, ratios, strict=True):
        limit = each.at_least if each.at_least is not None else each.at_most
        if limit is not None:
            left.plot([limit, limit], [row - 0.45, row + 0.45], color="black")
    left.set_yticks(list(rows), [each.name for each in ratios])
    left.set(xscale="log", xlabel="ratio (black: limit; red: missed)")
    for result in results:
        for name, points in result.points.items():
            right.plot(*zip(*points, strict=True), "o-", label=f"{name}: slope {result.ratio:.2f}")
    right.set(xscale="log", yscale="log", xlabel="amount of work", ylabel="seconds")
    if right.lines:
        right.legend()
    return figure


if __name__ == "__main__":
    sys.exit(main())
