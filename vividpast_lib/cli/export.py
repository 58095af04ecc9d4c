"""`vividpast export`: a model as a file for other programs and languages."""

import argparse
from pathlib import Path

from .options import add_model


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `export`."""
    export = commands.add_parser(
        "export", help="write a model as a file for other programs and languages"
    )
    export.add_argument(
        "--onnx", required=True, type=Path, metavar="FILE.onnx",
        help="one file with the network, its weights, and how colours are decoded from its answer",
    )  # fmt: skip
    add_model(export)
    export.add_argument("--force", action="store_true", help="replace FILE.onnx if it exists")
    export.set_defaults(command=_export)


def _export(options: argparse.Namespace) -> int:
    from ..colorize.colorizer import Colorizer
    from ..colorize.onnx_export import export_onnx
    from ..networks.checkpoints import DEFAULT_MODEL

    colorizer = Colorizer.load(options.model or DEFAULT_MODEL, "cpu", options.vivid)
    export_onnx(colorizer, options.onnx, options.force)
    answer = f"{colorizer.name} --vivid" if options.vivid else colorizer.name
    print(f"{answer} -> {options.onnx} ({options.onnx.stat().st_size / 1e6:.0f} MB)")
    return 0
