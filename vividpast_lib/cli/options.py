"""Options that several commands of the command line share."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any


def renamed_option(
    parser: argparse._ActionsContainer, old: str, new: str, **arguments: Any
) -> None:
    """Add an option that had another name: for one release the old one does the same.

    Parameters
    ----------
    parser : ArgumentParser or argument group
        Where to add it.
    old, new : str
        As on the command line, such as "--first" and "--head". The old one is not in the help; on
        use, one line on stderr says the new one.
    **arguments
        As of `ArgumentParser.add_argument`.
    """
    option = parser.add_argument(new, **arguments)

    class Renamed(argparse.Action):
        def __call__(
            self,
            parser: argparse.ArgumentParser,
            namespace: argparse.Namespace,
            values: str | Sequence[Any] | None,
            option_string: str | None = None,
        ) -> None:
            print(f"vividpast: {old} is now called {new}.", file=sys.stderr)
            option(parser, namespace, values, new)

    same = {"dest": option.dest, "nargs": option.nargs, "default": option.default}
    parser.add_argument(old, **{**arguments, **same, "action": Renamed, "help": argparse.SUPPRESS})
