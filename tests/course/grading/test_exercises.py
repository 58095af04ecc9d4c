"""The exercises: the same in notebooks and library, in nbgrader's format, with enough planted."""

import ast
import re

import nbformat
import numpy as np
import pytest
from nbformat import NotebookNode

from tests.support import ROOT
from vividpast_lib.course.grading.exercises import LESSONS, Exercise, Question, hidden_test
from vividpast_lib.course.grading.exercises.exercise import no_inputs
from vividpast_lib.course.grading.sandbox_worker import excerpt
from vividpast_lib.course.grading.selftest.planting import planted

CODING = [
    pytest.param(notebook, each, id=each.name)
    for notebook, lesson in LESSONS.items()
    for each in lesson
    if isinstance(each, Exercise)
]


def load(notebook: str) -> NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4)


def graded(notebook: NotebookNode) -> dict[str, NotebookNode]:
    cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    found = {cell.metadata.nbgrader.grade_id: cell for cell in cells}
    assert len(found) == len(cells), "two cells have the same grade_id"
    return found


def test_the_course_has_100_points():
    assert sum(each.points for lesson in LESSONS.values() for each in lesson) == 100


def test_every_lesson_but_the_first_and_the_demos_has_3_to_6_exercises():
    notebooks = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert ["00_start_here", *LESSONS, "09_demos"] == notebooks
    assert [name for name, lesson in LESSONS.items() if not 3 <= len(lesson) <= 6] == []


def test_names_are_used_once():
    names = [each.name for lesson in LESSONS.values() for each in lesson]
    assert len(set(names)) == len(names)


def test_one_or_two_questions_are_graded_by_hand():
    questions = [e for lesson in LESSONS.values() for e in lesson if isinstance(e, Question)]
    assert 1 <= len(questions) <= 2


@pytest.mark.parametrize("notebook", LESSONS)
def test_notebooks_hold_the_exercises_in_nbgrader_s_format(notebook):
    cells = graded(load(notebook))
    expected = []
    for each in LESSONS[notebook]:
        expected += [each.name, f"test_{each.name}"] if isinstance(each, Exercise) else [each.name]
    assert list(cells) == expected
    for each in LESSONS[notebook]:
        solution = cells[each.name]
        assert re.search(r"BEGIN SOLUTION.*END SOLUTION", solution.source, re.DOTALL)
        marks = solution.metadata.nbgrader
        assert (marks.solution, marks.locked, marks.schema_version) == (True, False, 3)
        if isinstance(each, Question):
            assert solution.cell_type == "markdown"
            assert (marks.grade, marks.points) == (True, each.points)
            continue
        assert solution.cell_type == "code" and not marks.grade
        tests = cells[f"test_{each.name}"]
        marks = tests.metadata.nbgrader
        assert (marks.grade, marks.solution, marks.locked) == (True, False, True)
        assert marks.points == each.points
        assert tests.source.startswith(f'with checks.exercise("{each.name}"):')
        hidden = re.search(r"BEGIN HIDDEN TESTS(.*)### END HIDDEN TESTS", tests.source, re.DOTALL)
        assert hidden and f'hidden_test("{each.name}", {each.name})' in hidden[1]
        assert "no fault found" in tests.outputs[0].text


@pytest.mark.parametrize("notebook", LESSONS)
def test_questions_have_a_rubric(notebook):
    cells = load(notebook).cells
    for each in LESSONS[notebook]:
        if isinstance(each, Question):
            (task,) = [cell for cell in cells if cell.source.startswith(f"#### `{each.name}`")]
            assert len(re.findall(r"^[-*\d|]", task.source, re.MULTILINE)) >= each.points


@pytest.mark.parametrize("notebook", LESSONS)
def test_graded_notebooks_have_no_widgets(notebook):
    text = "\n".join(cell.source for cell in load(notebook).cells if cell.cell_type == "code")
    assert "ipywidgets" not in text and "interact" not in text


@pytest.mark.parametrize("notebook", LESSONS)
def test_no_cell_uses_what_an_exercise_defines(notebook):
    """Whatever is left unsolved, the rest of the notebook runs."""
    names = {each.name for each in LESSONS[notebook]}
    for cell in load(notebook).cells:
        graded_name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if cell.cell_type == "code":
            for statement in excerpt.statements([cell.source]):
                found = excerpt.names_of(statement)
                touched = (found.bound | found.used | found.used_later) & names
                assert touched <= {graded_name.removeprefix("test_")}


@pytest.mark.parametrize(("notebook", "exercise"), CODING)
def test_solutions_need_nothing_but_python_numpy_and_pytorch(notebook, exercise):
    cells = [cell.source for cell in load(notebook).cells if cell.cell_type == "code"]
    needed = excerpt.needed_for(exercise.name, excerpt.statements(cells))
    imported = set()
    for node in (node for each in needed for node in ast.walk(each)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported <= {"numpy", "torch", "math", "itertools", "collections"}


@pytest.mark.parametrize(("notebook", "exercise"), CODING)
def test_inputs_are_drawn_anew_and_differ_in_shape(notebook, exercise):
    if exercise.inputs is no_inputs:
        return
    one, other = (exercise.inputs(np.random.default_rng(seed)) for seed in (1, 2))
    assert len(one) >= 3
    assert repr(one) != repr(other)
    shapes = {
        tuple(getattr(value, "shape", value) for value in call if not isinstance(value, str))
        for call in one
    }
    assert len(shapes) >= min(3, len(one))


@pytest.mark.parametrize(("notebook", "exercise"), CODING)
def test_enough_is_planted(notebook, exercise):
    kinds = [e.kind for e in planted(notebook.split("_", 1)[1]) if e.exercise == exercise.name]
    assert kinds.count("wrong") >= 3
    assert kinds.count("right") >= (1 if exercise.inputs is no_inputs else 2)


@pytest.mark.parametrize(("notebook", "exercise"), CODING)
def test_hidden_tests_pass_the_solution_and_fail_another_function(notebook, exercise):
    cells = [cell.source for cell in load(notebook).cells if cell.cell_type == "code"]
    solution, _problem = excerpt.define(exercise.name, excerpt.statements(cells))
    hidden_test(exercise.name, solution)
    with pytest.raises(AssertionError):
        hidden_test(exercise.name, lambda *_: -7.5)
