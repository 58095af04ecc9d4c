"""What `evaluation.colorizer_report` returns in, tables of text out."""

from typing import Any

#: Heads of the columns of `colorizer_table`: metric, head, digits.
COLUMNS = (
    ("ab_l1", "ab L1 (Lab units)", 2),
    ("ciede2000", "CIEDE2000", 2),
    ("psnr", "PSNR (dB)", 2),
    ("ssim", "SSIM", 3),
    ("colorfulness", "colorfulness", 1),
    ("blotches", "blotches (Lab units)", 2),
)
#: Metrics that true photos have too.
OF_TRUE = ("colorfulness", "blotches")


def colorizer_table(report: dict[str, Any]) -> str:
    """Lay out a report: a row a colorizer, the means over all photos and their intervals."""
    width = max(map(len, report["metrics"]))
    lines = [
        f"{report['photos']:,} photos of {report['set']} (split: {report['split']}), made grey and "
        "coloured at their own size",
        "mean over photos [95 % of 2,000 bootstrap means]; the Frechet distance is of all photos "
        "together, on features of EfficientNet-Lite0, so it is no FID",
        " " * width + "".join(f"{head:>22}" for _, head, _ in COLUMNS) + f"{'Frechet':>10}",
    ]
    for key, metrics in report["metrics"].items():
        cells = []
        for metric, _, places in COLUMNS:
            if key == "true" and metric not in OF_TRUE:
                cells.append("")  # 0, infinite and 1 by definition
                continue
            mean, low, high = (
                _number(metrics[metric][each], places) for each in ("mean", "low", "high")
            )
            cells.append(f"{mean} [{low}, {high}]" if mean else "")
        distance = report["frechet"].get(key)
        distance = "" if distance is None or key == "true" else f"{distance:.2f}"
        lines.append(
            f"{key:{width}}" + "".join(f"{cell:>22}" for cell in cells) + f"{distance:>10}"
        )
    return "\n".join(lines)


def group_table(report: dict[str, Any], by: str) -> str:
    """Lay out the groups of a report: for each colorizer a row a group, means over its photos."""
    heads = (
        "photos", "ab L1", "of grey's", "CIEDE2000", "PSNR", "of grey", "colorful", "of true",
        "blotches", "of true", "hue error", "a bias", "chroma bias",
    )  # fmt: skip
    width = max(map(len, [by, *report["groups"]]))
    lines = [
        "",
        "of grey's: ab L1 as a share of grey's; of grey: PSNR above grey's; of true: the true "
        "photos' own; hue error in degrees",
    ]
    for key in report["metrics"]:
        if key in ("grey", "mean colour", "true"):
            continue
        lines += ["", f"{key}: means over the photos of each {by}"]
        lines.append(f"{by:{width}}" + "".join(f"{head:>12}" for head in heads))
        for group, members in report["groups"].items():
            own, grey, true = (members["metrics"][name] for name in (key, "grey", "true"))
            cells = [
                f"{members['photos']:,}",
                f"{own['ab_l1']:.2f}",
                f"{own['ab_l1'] / max(grey['ab_l1'], 1e-9):.3f}",
                f"{own['ciede2000']:.2f}",
                f"{own['psnr']:.2f}",
                f"{own['psnr'] - grey['psnr']:+.2f}",
                f"{own['colorfulness']:.1f}",
                f"{true['colorfulness']:.1f}",
                _number(own["blotches"], 2),
                _number(true["blotches"], 2),
                f"{own['hue_error']:.1f}",
                f"{own['a_bias']:+.2f}",
                f"{own['chroma_bias']:+.2f}",
            ]
            lines.append(f"{group:{width}}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines[1:])


def _number(value: float, places: int) -> str:
    """Write a number; nothing for what no photo has."""
    return "" if value != value else f"{value:.{places}f}"
