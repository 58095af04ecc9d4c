"""What all demos have in common: parts in a column, a message, work that never blocks the page."""

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

#: Networks are loaded once, whatever number of demos uses them.
checkpoint = functools.cache(load_checkpoint)
segmenter = functools.cache(load_segmenter)


class Demo(VBox):
    """Base of the demos.

    A subclass makes its parts, calls `set_layout`, and then asks for its first picture with `run_in_background`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.message = Message(demo=self.title())
        self._latest = LatestJobRunner(self._failed)
        self.add_class("vividpast")

    def set_layout(self, *parts: Widget) -> None:
        """Put the parts below each other, and the message last."""
        self.children = [*parts, self.message]

    @classmethod
    def title(cls) -> str:
        """Name the demo in words: "Lab explorer"."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).capitalize()

    def static_preview(self) -> tuple[Image.Image, str]:
        """Draw what the demo shows, for pages without a kernel, and say it without figures."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """Show the demo, and where there is no kernel its still."""
        picture, alt = self.static_preview()
        still = {"text/plain": alt, "text/html": picture_html(picture, alt, "JPEG")}
        return {**super()._repr_mimebundle_(**options), **still}

    def run_in_background(self, job: Callable[[], None]) -> None:
        """Run a job beside the page, unless another one comes first.

        What it raises is said in the message.
        """
        self._latest(job)

    def wait(self) -> "Demo":
        """Wait until the picture is what the controls ask for; for scripts and tests."""
        self._latest.wait()
        return self

    def _failed(self, error: Exception) -> None:
        if isinstance(error, VividPastError):
            self.message.complain(str(error))
        else:  # a mistake of ours: the log has to have it
            traceback.print_exception(error, file=sys.__stderr__)
            self.message.complain(f"something went wrong ({error}); try another one.")


def on_change(change: Callable[[], None], *parts: Widget, names: str = "value") -> None:
    """Call ``change`` when the value of one of the parts changes."""
    for part in parts:
        part.observe(lambda _event: change(), names)
