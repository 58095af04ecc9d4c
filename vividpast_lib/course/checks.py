"""The visible checks of the exercises, whose errors name the mistake."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

#: Largest error of a right value, relative to the largest expected one, at least 1.
TOLERANCE = 1e-3


@contextlib.contextmanager
def exercise(name: str) -> Iterator[None]:
    """Print the state of an exercise: not solved yet, or no visible check found a fault.

    An unsolved exercise is no error, so that a notebook runs to its end without it; only for
    nbgrader, which counts what raises, it is one.

    Parameters
    ----------
    name : str
        Name of the function that the student writes.

    Raises
    ------
    AssertionError
        From the checks inside: what is wrong, in a sentence.
    """
    try:
        yield
    except NotImplementedError:
        if os.environ.get("NBGRADER_EXECUTION") or os.environ.get("NBGRADER_VALIDATING"):
            raise
        print(f"{name}: not solved yet. You can go on without it.")
    else:
        print(f"{name}: no fault found by the visible checks.")


def check(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    expected: Any,
    mistakes: Mapping[str, Any] | None = None,
    tolerance: float = TOLERANCE,
) -> None:
    """Call a student's function and compare its result.

    Parameters
    ----------
    function : callable
        The student's function.
    arguments : sequence
        Its arguments; it gets copies.
    expected : array_like, Tensor, str, or a tuple of these
        The right result.
    mistakes : dict, optional
        Results of common mistakes, by a sentence that names the mistake.
    tolerance : float
        As in `difference`.

    Raises
    ------
    AssertionError
        What is wrong, in a sentence.
    """
    given = deepcopy(list(arguments))
    result = function(*given)
    name = getattr(function, "__name__", "your function")
    for before, after in zip(arguments, given, strict=True):
        if isinstance(before, np.ndarray) or hasattr(before, "detach"):
            same = np.array_equal(as_array(before), as_array(after))
            assert same, f"{name} changes its input: work on a copy."
    fault = difference(result, expected, tolerance)
    if fault is None:
        return
    for sentence, wrong in (mistakes or {}).items():
        if difference(result, wrong, tolerance) is None:
            raise AssertionError(f"{name}: {sentence}")
    raise AssertionError(f"{name}: {fault}")


def difference(result: Any, expected: Any, tolerance: float = TOLERANCE) -> str | None:
    """Describe how a result differs from the expected one; None if it doesn't.

    Parameters
    ----------
    result, expected : array_like, Tensor, str, or a tuple of these
        Compared value by value; the type of the numbers doesn't matter.
    tolerance : float
        Largest error of a value, relative to the largest expected one, at least 1.
    """
    if isinstance(expected, tuple):
        if not isinstance(result, tuple | list) or len(result) != len(expected):
            return f"it should give back {len(expected)} things, in a tuple."
        for number, (one, other) in enumerate(zip(result, expected, strict=True), start=1):
            fault = difference(one, other, tolerance)
            if fault:
                return f"number {number} of what it gives back: {fault}"
        return None
    if isinstance(expected, str):
        return None if result == expected else f"the answer {result!r} is not right."
    if result is None:
        return "it gives back nothing: is there a `return`?"
    try:
        one, other = as_array(result), as_array(expected)
    except (TypeError, ValueError):
        return f"it gives back a {type(result).__name__}, not an array, a tensor or a number."
    return array_difference(one, other, tolerance)


def array_difference(result: np.ndarray, expected: np.ndarray, tolerance: float) -> str | None:
    """Describe how an array differs from the expected one; None if it doesn't."""
    if result.shape != expected.shape:
        return f"the shape is {result.shape}, but should be {expected.shape}."
    if result.size == 0:
        return None
    if not np.isfinite(result).all():
        return "some values are no finite numbers (nan or inf)."
    result, expected = result.astype(np.float64), expected.astype(np.float64)
    error = np.abs(result - expected)
    allowed = tolerance * max(1.0, float(np.abs(expected).max()))
    if not (error > allowed).any():
        return None
    index = np.unravel_index(int(error.argmax()), error.shape)
    where = f" at {tuple(map(int, index))}" if result.ndim else ""
    return f"the value{where} is {result[index]:.6g}, but should be {expected[index]:.6g}."


def as_array(value: Any) -> np.ndarray:
    """Convert an array, a tensor, a number or a list of these to an array of numbers.

    Raises
    ------
    TypeError
        If there are none.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    elif isinstance(value, list | tuple):
        value = [as_array(each) for each in value]
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"no numbers: {array.dtype}")
    return array
