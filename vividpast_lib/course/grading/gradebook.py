"""Grades into nbgrader's gradebook, so that its formgrader shows them.

nbgrader's own autograder has no part in it: the grades are those of `grading`.
"""

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtime.errors import VividPastError
from ...runtime.files import write_errors
from .exercises import LESSONS, Exercise
from .grading import StudentReport
from .submissions import read_submission

if TYPE_CHECKING:
    from nbformat import NotebookNode


#: Prefix of an exercise's name that makes the name of its tests.
TESTS = "test_"


def write_gradebook(reports: list[StudentReport], submissions: Path, course: Path) -> None:
    """Put grades and notes into the gradebook of an nbgrader course.

    Questions graded in formgrader keep their points.

    Parameters
    ----------
    reports : list of StudentReport
        Reports of the class.
    submissions : Path
        Folder of the submissions.
    course : Path
        The course's folder, in which ``nbgrader generate_assignment`` has been run.

    Raises
    ------
    VividPastError
        If the extra `grading` is missing, or the course does not have this course's notebooks.
    """
    try:
        from nbgrader.api import Gradebook
    except ImportError:
        raise VividPastError(
            "The gradebook needs nbgrader: install the extra `grading`, as in "
            '`pip install -e ".[course,film,grading]"`.'
        ) from None

    file = course / "gradebook.db"
    if not file.is_file():
        raise VividPastError(
            f"{course} has no gradebook.db: name the folder of an nbgrader course in which "
            "`nbgrader generate_assignment` has been run."
        )
    with contextlib.closing(sqlite3.connect(file)) as database:
        # nbgrader would add its default course to those that are there.
        ids = [each for (each,) in database.execute("SELECT id FROM course")]
    with Gradebook(f"sqlite:///{file.resolve()}", *ids[:1]) as gradebook:
        assignment = _assignment(gradebook, course)
        released = _released(course, assignment)
        for report in reports:
            gradebook.update_or_create_student(report.student)
            gradebook.update_or_create_submission(assignment, report.student)
            _save(gradebook, assignment, report)
            _write_notebooks(report, submissions, course / "autograded", assignment, released)


def _assignment(gradebook: Any, course: Path) -> str:
    """Find the assignment that holds this course's exercises."""
    wanted = {
        (notebook, _graded_cell(each)) for notebook, lesson in LESSONS.items() for each in lesson
    }
    for assignment in gradebook.assignments:
        cells = {
            (notebook.name, cell.name)
            for notebook in assignment.notebooks
            for cell in notebook.grade_cells
        }
        if wanted <= cells:
            name: str = assignment.name
            return name
    raise VividPastError(
        f"The gradebook of {course} has no assignment with all the exercises of this course: put "
        "the notebooks into source/NAME/ and run `nbgrader generate_assignment NAME` there."
    )


def _graded_cell(exercise: Any) -> str:
    name: str = exercise.name
    return TESTS + name if isinstance(exercise, Exercise) else name


def _save(gradebook: Any, assignment: str, report: StudentReport) -> None:
    exercises = {each.name: each for lesson in LESSONS.values() for each in lesson}
    for grade in report.grades:
        exercise = exercises[grade.exercise]
        where = (grade.notebook, assignment, report.student)
        row = gradebook.find_grade(_graded_cell(exercise), *where)
        if isinstance(exercise, Exercise):
            row.auto_score, row.needs_manual_grade = grade.score, False
        elif grade.score is None:
            row.auto_score, row.needs_manual_grade = None, row.manual_score is None
        else:
            row.auto_score, row.needs_manual_grade = grade.score, False
        gradebook.find_comment(grade.exercise, *where).auto_comment = grade.note or None
    gradebook.db.commit()


def _released(course: Path, assignment: str) -> dict[str, "NotebookNode"]:
    import nbformat

    folder = course / "release" / assignment
    try:
        paths = {name: folder / f"{name}.ipynb" for name in LESSONS}
        return {name: nbformat.read(path, as_version=4) for name, path in paths.items()}
    except (OSError, ValueError) as error:
        raise VividPastError(
            f"{folder} does not hold the notebooks that `nbgrader generate_assignment` makes: "
            f"{error}."
        ) from None


def _write_notebooks(
    report: StudentReport,
    submissions: Path,
    autograded: Path,
    assignment: str,
    released: dict[str, "NotebookNode"],
) -> None:
    """Write what formgrader shows: the released notebooks with the student's answers.

    Only these are taken over, and without what a browser would run: formgrader shows notebooks
    in the instructor's session.
    """
    import nbformat
    from nbconvert.preprocessors.sanitize import SanitizeHTML

    folder = autograded / report.student / assignment
    for name, notebook in released.items():
        handed_in = read_submission(submissions, report.student, name)
        shown = nbformat.from_dict({**notebook, "cells": []})
        for cell in notebook.cells:
            own = nbformat.from_dict(cell)
            graded = cell.metadata.get("nbgrader", {})
            if graded.get("solution"):
                own.source = _answer(handed_in, graded["grade_id"], own)
            if own.cell_type == "code":
                own.outputs, own.execution_count = [], None
            shown.cells.append(own)
        shown, _ = SanitizeHTML().preprocess(shown, {})
        with write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            nbformat.write(shown, folder / f"{name}.ipynb")


def _answer(handed_in: Any, name: str, released: Any) -> str:
    """Find the cell in which the student answers, the last if there are several."""
    if released.cell_type != "code":
        return str(handed_in.answers.get(name, released.source))
    definition = re.compile(
        rf"^(async )?def {re.escape(name)}\b|^{re.escape(name)}\s*=", re.MULTILINE
    )
    found = [cell for cell in handed_in.cells if definition.search(cell)]
    return found[-1] if found else str(released.source)
