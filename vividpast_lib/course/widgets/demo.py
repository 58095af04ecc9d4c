"""Base of the demos: parts in a column, a message, work that never blocks the page."""

import functools
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

from ipywidgets import VBox, Widget
from PIL import Image

from ...networks.checkpoints import load_checkpoint
from ...networks.segmenters import load_segmenter
from ...runtime.errors import VividPastError
from .latest_job_runner import LatestJobRunner
from .parts import Message, picture_html

#: All demos share one copy of each network.
checkpoint = functools.cache(load_checkpoint)
segmenter = functools.cache(load_segmenter)


class Demo(VBox):
    """Base of the demos.

    A subclass makes its parts, calls `set_layout`, and then draws its first picture by
    `run_in_background`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.message = Message(demo=self.title())
        self._latest = LatestJobRunner(self._on_error)
        self.add_class("vividpast")

    def set_layout(self, *parts: Widget) -> None:
        """Put the parts below each other, and the message last."""
        self.children = [*parts, self.message]

    @classmethod
    def title(cls) -> str:
        """Write the name of the class in words: "Lab explorer"."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).capitalize()

    def static_preview(self) -> tuple[Image.Image, str]:
        """Draw a static picture of the demo, for pages without a kernel.

        Returns
        -------
        picture : PIL.Image.Image
        alt : str
            The picture in words, without numbers.
        """
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """Show the demo, and where there is no kernel its static preview."""
        picture, alt = self.static_preview()
        preview = {"text/plain": alt, "text/html": picture_html(picture, alt, "JPEG")}
        return {**super()._repr_mimebundle_(**options), **preview}

    def run_in_background(self, job: Callable[[], None]) -> None:
        """Run a job beside the page, unless a later one comes first; errors go to the message."""
        self._latest(job)

    def wait(self) -> "Demo":
        """Wait until the picture shows the state of the controls; for scripts and tests."""
        self._latest.wait()
        return self

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, VividPastError):
            self.message.show_error(str(error))
        else:  # a mistake of ours belongs in the log
            traceback.print_exception(error, file=sys.__stderr__)
            self.message.show_error(f"something went wrong ({error}); try another one.")


def on_change(change: Callable[[], None], *parts: Widget, names: str = "value") -> None:
    """Call ``change`` when the value of a part changes."""
    for part in parts:
        part.observe(lambda _event: change(), names)
