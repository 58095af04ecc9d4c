"""The command line: its parser, and how errors end.

Each command is a thin layer over a function of the library; `cli/__init__` says which module has
which. Bad input is one sentence on stderr, with exit status 2.
"""

import argparse
import io
import logging
import os
import sys
import warnings
from importlib.util import find_spec
from typing import Any

from .. import __version__
from ..runtime.errors import VividPastError
from . import archive, colorize, course, data, evaluate, export, join, train
from .options import CommandParser, print_error

# The heavy imports are inside the commands, so that --help answers at once.


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that it can't show ends no work
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    # What is wrong with a picture file is said once, by the error that names it.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for decoder in ("imagecodecs", "tifffile"):
        logging.getLogger(decoder).setLevel(logging.CRITICAL)
    try:
        status: int = options.command(options)
        sys.stdout.flush()
        return status
    except VividPastError as error:
        print_error(error)
        return 2
    except KeyboardInterrupt as stopped:
        print_error(str(stopped) or options.stopped)
        return 130
    except BrokenPipeError:
        if _stdout_is_closed():  # the reader, such as head, has seen enough
            return 0
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vividpast",
        description="Colorize black-and-white photos and film, and learn how it is done.",
    )
    parser.add_argument("--version", action="version", version=f"vividpast {__version__}")
    parser.set_defaults(stopped="stopped.")  # what Ctrl-C says
    commands: argparse._SubParsersAction[Any] = parser.add_subparsers(
        required=True, metavar="COMMAND", parser_class=CommandParser
    )
    for module in (colorize, join, archive, train, export, evaluate, data):
        module.add_commands(commands)
    if find_spec("vividpast_lib.course.grading"):  # the student edition has none
        course.add_commands(commands)
    return parser


def _stdout_is_closed() -> bool:
    """Whether nobody reads stdout any more; if so, what is still buffered is thrown away."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    if issubclass(category, UserWarning):
        print_error(message)
