"""What several commands share: their options, and the line on stderr that says what is wrong."""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..runtime.errors import VividPastError


def print_error(error: object) -> None:
    """Print a sentence to stderr, as `vividpast: ...`."""
    print(f"vividpast: {error}", file=sys.stderr)


def given(options: argparse.Namespace, *names: str) -> str:
    """Those of the options called ``names`` that the user gave, as `--one, --other`."""

    def is_given(name: str) -> bool:
        value = getattr(options, name.removeprefix("--").removeprefix("no-").replace("-", "_"))
        return value is False if name.startswith("--no-") else value not in (None, False, [])

    return ", ".join(filter(is_given, names))


def check_unused(options: argparse.Namespace, mode: str, *names: str) -> None:
    """Refuse options that `mode` would ignore."""
    if used := given(options, *names):
        raise VividPastError(f"{mode} doesn't go with {used}: leave one or the other out.")


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Make the type of an option whose value is a finite number (int or float) above 0."""

    def parse(text: str) -> float:
        value = kind(text)
        if not 0 < value < math.inf:  # nan is neither
            raise argparse.ArgumentTypeError("must be a finite number above 0")
        return value

    parse.__name__ = kind.__name__  # what argparse calls a value that is no number
    return parse


class CommandParser(argparse.ArgumentParser):
    """The parser of a command, which can wait with its options until the command is used.

    ``add_options`` adds them then, so that they may come from modules that are slow to import.
    """

    add_options: "Callable[[CommandParser], None] | None" = None

    def parse_known_args(self, args=None, namespace=None):
        """Parse, with the options added before."""
        if self.add_options:
            add, self.add_options = self.add_options, None
            add(self)
        return super().parse_known_args(args, namespace)


def renamed_option(
    parser: argparse._ActionsContainer, old: str, new: str, **arguments: Any
) -> None:
    """Add an option that had another name: for one release the old one does the same.

    The old one is not in the help; on use, one line on stderr says the new one.
    """
    option = parser.add_argument(new, **arguments)

    class Renamed(argparse.Action):
        def __call__(self, parser, namespace, values, option_string=None):
            print_error(f"{old} is now called {new}.")
            option(parser, namespace, values, new)

    same = {"dest": option.dest, "nargs": option.nargs, "default": option.default}
    parser.add_argument(old, **{**arguments, **same, "action": Renamed, "help": argparse.SUPPRESS})


def add_photos(parser: argparse.ArgumentParser) -> None:
    """Add --photos: the sets to train or measure on."""
    parser.add_argument(
        "--photos", nargs="+", metavar="SET",
        help="sets of photos, each a folder or a name that `vividpast data list` shows; several "
        "are joined (default: $VIVIDPAST_PHOTOS, which may name several folders as PATH does, else "
        "the bundled photos)",
    )  # fmt: skip


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model and --vivid: the colorizer."""
    parser.add_argument(
        "--model", metavar="NAME|FILE", help="a shipped model or a model.safetensors"
    )
    parser.add_argument(
        "--vivid", action="store_true",
        help="colours nearly as strong as real photos', at the price of a larger error",
    )  # fmt: skip


def add_segmenter(parser: argparse.ArgumentParser) -> None:
    """Add --segmenter and --device."""
    parser.add_argument(
        "--segmenter", metavar="NAME", default="lite",
        help="lite comes with the project, deeplabv3 is fetched (default: lite)",
    )  # fmt: skip
    add_device(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="where to compute (default: auto, a GPU if there is one)",
    )  # fmt: skip


def add_independent_frames(parser: argparse._ActionsContainer) -> None:
    """Add --independent-frames: films without the vote over time."""
    renamed_option(
        parser, "--each-frame-alone", "--independent-frames", action="store_true",
        help="colour each frame as if it were a photo: the colours flicker",
    )  # fmt: skip


@contextmanager
def film_progress(film: Path, stopped: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for a film; give what is called with the frames done and all frames.

    ``stopped`` is what Ctrl-C says.
    """
    from tqdm import tqdm

    with tqdm(desc=film.name, unit=" frames", mininterval=0.5) as bar:

        def on_progress(done: int, total: int) -> None:
            if bar.total is None:  # the first call: what an earlier run has done isn't counted
                bar.reset(total)
                bar.initial = done
            bar.n = done
            bar.update(0)

        try:
            yield on_progress
        except KeyboardInterrupt:
            raise KeyboardInterrupt(stopped) from None
