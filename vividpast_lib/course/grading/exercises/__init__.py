"""The graded exercises, one file a lesson: what is called with what, and what is right.

Their texts, solutions and visible checks are in the notebooks. Here is what a student must not
know: how the inputs are drawn, and the answers, which come from the library wherever it has them.

::

    exercise.py             what an exercise is
    lab_color.py            lesson 01
    photos_to_tensors.py    lesson 02
    autoencoder.py          lesson 03
    class_maps.py           lesson 04
    fusion.py               lesson 05
    why_fusion_overfits.py  lesson 06
    many_colours.py         lesson 07
    film.py                 lesson 08
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ....course import checks
from ..exercises import (
    autoencoder,
    class_maps,
    film,
    fusion,
    lab_color,
    many_colours,
    photos_to_tensors,
    why_fusion_overfits,
)
from .exercise import Exercise, Lesson, Question

__all__ = ["LESSONS", "Exercise", "Lesson", "Question", "find", "hidden_test"]

#: All exercises and questions, by notebook, in their order.
LESSONS: dict[str, Lesson] = {
    "01_lab_color": lab_color.EXERCISES,
    "02_photos_to_tensors": photos_to_tensors.EXERCISES,
    "03_autoencoder": autoencoder.EXERCISES,
    "04_class_maps": class_maps.EXERCISES,
    "05_fusion": fusion.EXERCISES,
    "06_why_fusion_overfits": why_fusion_overfits.EXERCISES,
    "07_many_colours": many_colours.EXERCISES,
    "08_film": film.EXERCISES,
}


def find(name: str) -> Exercise:
    """Find a coding exercise by its name.

    Raises
    ------
    KeyError
        If there is none.
    """
    for lesson in LESSONS.values():
        for each in lesson:
            if isinstance(each, Exercise) and each.name == name:
                return each
    raise KeyError(name)


def hidden_test(name: str, function: Callable[..., Any]) -> None:
    """Test a function on inputs drawn anew: the hidden test of plain nbgrader.

    It runs in the student's process, which can replace all that is used here: the grades to
    trust come from ``vividpast course grade``.

    Parameters
    ----------
    name : str
        Of the exercise.
    function : callable
        The student's.

    Raises
    ------
    AssertionError
        What is wrong.
    """
    exercise = find(name)
    for arguments in exercise.inputs(np.random.default_rng()):
        right = exercise.reference(*arguments)
        checks.check(function, arguments, right, tolerance=exercise.tolerance)
