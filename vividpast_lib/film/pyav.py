"""PyAV, imported when a film is read or written, and its errors said in a sentence."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..runtime.errors import VividPastError
from ..runtime.files import write_errors


def import_av() -> Any:
    """Import PyAV, which keeps FFmpeg from writing to the terminal unless it is told otherwise.

    Raises
    ------
    VividPastError
        If it isn't installed.
    """
    try:
        import av
        import cv2  # noqa: F401 - what reads films also estimates the motion in them
    except ImportError:
        raise VividPastError(
            "Films need the packages of the extra `film`: pip install 'vividpast[film]', or in a "
            "checkout: pip install -e '.[film]'."
        ) from None
    return av


def film_write_errors(path: Path) -> AbstractContextManager[None]:
    """Say in a sentence why a film can't be written: `files.write_errors`, of PyAV's errors too."""
    return write_errors(path, import_av().FFmpegError)
