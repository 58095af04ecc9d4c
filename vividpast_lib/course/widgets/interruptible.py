"""A colorizer that can be stopped in the midst of a network's pass."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from ...colorize.colorizer import Colorizer


class Cancelled(Exception):  # noqa: N818 - no error
    """The work under way is no longer wanted."""


class InterruptibleColorizer(Colorizer):
    """A colorizer that can be interrupted.

    Parameters
    ----------
    colorizer : Colorizer
        The colorizer to interrupt; the answers are the same.
    check : callable
        Called before each of PyTorch's operations, many times a second, in any thread; what it
        raises ends the work.
    """

    def __init__(self, colorizer: Colorizer, check: Callable[[], None]) -> None:
        vars(self).update(vars(colorizer))
        self.check = check

    def predict(self, lightness: Tensor) -> Tensor:
        """Predict as the colorizer does."""
        with _CheckedOperations(self.check):
            return super().predict(lightness)


class _CheckedOperations(TorchFunctionMode):
    """Calls a function before each of PyTorch's operations in this thread."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self.check = check

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        self.check()
        return func(*args, **(kwargs or {}))
