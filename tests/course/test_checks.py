"""The visible checks say what is wrong, let unsolved exercises pass, and fail wrong ones."""

import numpy as np
import pytest
import torch

from vividpast_lib.course import checks


def twice(x):
    return 2 * x


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (np.float32(0.5), 0.5),
        (torch.tensor([1, 2]), [1.0, 2.0]),
        ([torch.tensor([1.0]), np.array([2.0])], [[1], [2]]),
        ((1, [2, 3]), (1, [2, 3])),
        ("AB", "AB"),
        (np.zeros((0, 3)), np.ones((0, 3))),
        (1000.4, 1000),
    ],
)
def test_the_same_numbers_are_right_whatever_their_type(result, expected):
    assert checks.difference(result, expected) is None


@pytest.mark.parametrize(
    ("result", "expected", "said"),
    [
        (None, [1], "return"),
        ([[1, 2]], [1, 2], r"shape is \(1, 2\), but should be \(2,\)"),
        ([1, np.nan], [1, 2], "nan"),
        ([1, np.inf], [1, 2], "inf"),
        ([1, 2, 3], [1, 2.01, 9], r"at \(2,\) is 3, but should be 9"),
        (0.5, 0.7, "the value is 0.5, but should be 0.7"),
        ([True, False], [1, 7], r"at \(1,\) is 0, but should be 7"),
        (object(), [1], "gives back a object"),
        (np.array(["1"]), [1], "gives back a ndarray"),
        (1, (1, 2), "2 things"),
        ((1, 5), (1, 2), "number 2 of what it gives back"),
        ("B", "A", "'B' is not right"),
        (3, "A", "3 is not right"),
        (1 + 1j, 1, "not an array"),
    ],
)
def test_a_difference_is_told(result, expected, said):
    fault = checks.difference(result, expected)
    assert fault is not None
    import re

    assert re.search(said, fault), fault


def test_a_known_mistake_is_named():
    with pytest.raises(AssertionError, match="twice: you doubled it"):
        checks.check(twice, [np.ones(2)], [3, 3], {"you doubled it": [2, 2], "other": [3, 2]})
    with pytest.raises(AssertionError, match="the value"):
        checks.check(twice, [np.ones(2)], [3, 3], {"other": [3, 2]})
    checks.check(twice, [np.ones(2)], [2, 2], {"other": [3, 2]})


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_a_changed_input_is_told_and_the_input_stays_for_the_next_check(make):
    def doubled(x):
        x *= 2
        return x

    given = make([1.0, 2.0])
    with pytest.raises(AssertionError, match="doubled changes its input"):
        checks.check(doubled, [given], [2, 4])
    assert given.tolist() == [1, 2]


def test_an_unsolved_exercise_says_so_and_lets_the_notebook_go_on(monkeypatch, capsys):
    for variable in ("NBGRADER_EXECUTION", "NBGRADER_VALIDATING"):
        monkeypatch.delenv(variable, raising=False)
    with checks.exercise("twice"):
        raise NotImplementedError
    assert capsys.readouterr().out == "twice: not solved yet. You can go on without it.\n"
    with checks.exercise("twice"):
        pass
    assert "no fault found" in capsys.readouterr().out
    with pytest.raises(AssertionError), checks.exercise("twice"):
        raise AssertionError


@pytest.mark.parametrize("variable", ["NBGRADER_EXECUTION", "NBGRADER_VALIDATING"])
def test_nbgrader_counts_an_unsolved_exercise_as_failed(monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(NotImplementedError), checks.exercise("twice"):
        raise NotImplementedError
