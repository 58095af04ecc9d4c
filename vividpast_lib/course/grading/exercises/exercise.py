"""What an exercise is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import checks


@dataclass(frozen=True)
class Exercise:
    """A function that students write.

    Parameters
    ----------
    name : str
        Of the function, and of the exercise.
    points : int
        All of them for a function that is right on all inputs, none otherwise.
    inputs : callable
        Draws the arguments of every call from a numpy.random.Generator: arrays, tensors, numbers,
        texts and tuples of numbers. Shapes differ from call to call.
    reference : callable
        What is right, for the same arguments: an array, a tensor, a number or a text, or a tuple
        of these.
    tolerance : float
        How far off a value may be, relative to the largest right one, at least 1.
    seconds : float
        All calls together may take so long.
    """

    name: str
    points: int
    inputs: Callable[[np.random.Generator], list[tuple[Any, ...]]]
    reference: Callable[..., Any]
    tolerance: float = checks.TOLERANCE
    seconds: float = 10


@dataclass(frozen=True)
class Question:
    """A question that is answered in words and graded by hand.

    Parameters
    ----------
    name : str
        Of its cell.
    points : int
        At most.
    """

    name: str
    points: int


#: The exercises and questions of a notebook.
Lesson = list[Exercise | Question]


def no_inputs(_random: np.random.Generator) -> list[tuple[Any, ...]]:
    """One call without arguments: for questions about figures that a function answers."""
    return [()]
