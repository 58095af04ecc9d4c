"""`vividpast archive`: all films below a folder."""

import argparse
from pathlib import Path

from .options import add_device, add_independent_frames, add_model, positive, print_error


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `archive`."""
    archive = commands.add_parser(
        "archive",
        help="colorize all films below a folder",
        description="Colorize all films below FOLDER. The same command again goes on, skips what "
        "is done, and colours what is new, has changed or has failed.",
    )
    archive.add_argument("folder", type=Path, metavar="FOLDER")
    archive.add_argument(
        "-o", "--out", required=True, type=Path, metavar="OUT",
        help="folder for the coloured copies, in the same sub-folders, and for manifest.json",
    )  # fmt: skip
    add_model(archive)
    add_device(archive)
    add_independent_frames(archive)
    archive.add_argument(
        "--workers", type=positive(int), metavar="N",
        help="with --ray: segments coloured at once on this machine (default: half as many as "
        "there are cores)",
    )  # fmt: skip
    archive.add_argument(
        "--ray", nargs="?", const="local", metavar="ADDRESS",
        help="hand out segments with Ray (extra `archive`): on this machine or, with an ADDRESS, "
        "on that cluster, whose nodes must share FOLDER and OUT under the same paths and have this "
        "version installed",
    )  # fmt: skip
    archive.set_defaults(command=_archive, stopped="stopped; the same command goes on.")


def _archive(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from ..colorize.colorizer import Colorizer
    from ..film.archive import Outcome, archive_summary, colorize_archive
    from ..networks.checkpoints import DEFAULT_MODEL

    colorizer = Colorizer.load(options.model or DEFAULT_MODEL, options.device, options.vivid)
    if options.workers and not options.ray:
        print_error("without --ray films are coloured one after another; --workers has no effect.")
    with tqdm(unit=" films") as bar:

        def on_progress(outcome: Outcome, films: int) -> None:
            bar.total = films
            bar.set_description(outcome.name, refresh=False)
            bar.update()

        outcomes = colorize_archive(
            options.folder, options.out, colorizer,
            independent_frames=options.independent_frames, workers=options.workers,
            ray=options.ray, on_progress=on_progress,
        )  # fmt: skip
    print(archive_summary(outcomes))
    failed = [each.reason for each in outcomes if each.state == "failed"]
    for reason in failed:
        print_error(reason)
    return 2 if failed else 0
