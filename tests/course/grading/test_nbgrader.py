"""Plain nbgrader works on the notebooks as they are, and its formgrader shows our grades."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.support import ROOT
from vividpast_lib.course.grading.exercises import LESSONS
from vividpast_lib.course.grading.gradebook import write_gradebook
from vividpast_lib.course.grading.grading import Grade, StudentReport
from vividpast_lib.runtime.errors import VividPastError

LESSON = "01_lab_color"


@pytest.fixture(autouse=True, scope="module")
def _path():
    """nbgrader calls a program of its own environment by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield


def nbgrader(course: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    home = {"HOME": str(course), "JUPYTER_CONFIG_DIR": str(course / "jupyter")}
    return subprocess.run(
        command, cwd=course, env={**os.environ, **home}, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """Make a course with all lessons, released."""
    folder = tmp_path_factory.mktemp("course")
    source = folder / "source" / "vividpast"
    shutil.copytree(ROOT / "notebooks", source, ignore=shutil.ignore_patterns(".*"))
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'vividpast'\n", "utf-8"
    )
    done = nbgrader(folder, "generate_assignment", "vividpast")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def scores(course: Path, student: str) -> dict[str, float | None]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        submission = gradebook.find_submission("vividpast", student)
        return {
            grade.name: grade.manual_score if grade.manual_score is not None else grade.auto_score
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def test_autograde_gives_the_full_edition_its_points_and_the_blank_one_none(course):
    for student, folder in {"full": "source", "blank": "release"}.items():
        target = course / "submitted" / student / "vividpast"
        target.mkdir(parents=True)
        shutil.copy(course / folder / "vividpast" / f"{LESSON}.ipynb", target)
    done = nbgrader(course, "autograde", "vividpast", "--create")
    assert done.returncode == 0, done.stderr[-2000:]
    names = {f"test_{each.name}": each.points for each in LESSONS[LESSON]}
    assert {name: scores(course, "full")[name] for name in names} == names
    assert {scores(course, "blank")[name] for name in names} == {0}


@pytest.mark.parametrize(("folder", "passes"), [("source", True), ("release", False)])
def test_validate_passes_what_is_solved_and_names_what_is_not(course, folder, passes):
    done = nbgrader(course, "validate", str(course / folder / "vividpast" / f"{LESSON}.ipynb"))
    said = done.stdout + done.stderr
    assert ("Success! Your notebook passes all the tests." in said) is passes
    assert ("NotImplementedError" in said) is not passes


def test_our_grades_are_shown_by_formgrader(course, tmp_path):
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>My *answer*."
    submissions = tmp_path / "submissions"
    (submissions / "ada").mkdir(parents=True)
    cells = [
        {"cell_type": "code", "metadata": {}, "source": "def lab_planes(picture):\n    return 7",
         "outputs": [{"output_type": "display_data", "data": {"text/html": evil}}]},
        {"cell_type": "markdown", "metadata": {"nbgrader": {"grade_id": "why_brown"}},
         "source": evil},
    ]  # fmt: skip
    for name in (LESSON, "03_autoencoder"):
        text = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
        (submissions / "ada" / f"{name}.ipynb").write_text(text, "utf-8")
    grades = [
        Grade("ada", notebook, each.name, None if each.name == "why_brown" else 1, each.points, "n")
        for notebook, lesson in LESSONS.items()
        for each in lesson
    ]
    write_gradebook([StudentReport("ada", grades, {})], submissions, course)
    found = scores(course, "ada")
    assert found["test_lab_planes"] == 1 and found["why_brown"] is None

    from nbgrader.api import Gradebook
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade("why_brown", "03_autoencoder", "vividpast", "ada")
        assert grade.needs_manual_grade
        grade.manual_score = 3.0  # as formgrader would
        gradebook.db.commit()
        comment = gradebook.find_comment("lab_planes", LESSON, "vividpast", "ada")
        assert comment.comment == "n"
    write_gradebook([StudentReport("ada", grades, {})], submissions, course)
    assert scores(course, "ada")["why_brown"] == 3

    api = NbGraderAPI(CourseDirectory(root=str(course)))
    (shown,) = [each for each in api.get_submissions("vividpast") if each["student"] == "ada"]
    assert shown["autograded"]
    page = course / "autograded" / "ada" / "vividpast" / f"{LESSON}.ipynb"
    assert "return 7" in page.read_text("utf-8")
    text = (page.parent / "03_autoencoder.ipynb").read_text("utf-8")
    assert "My *answer*." in text
    for path in page.parent.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        assert not any("<script" in cell.source or "<img" in cell.source for cell in notebook.cells)
        assert not any(cell.get("outputs") for cell in notebook.cells)


def test_a_course_without_the_exercises_is_told(tmp_path):
    with pytest.raises(VividPastError, match="has no gradebook"):
        write_gradebook([], tmp_path, tmp_path)
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as gradebook:
        gradebook.add_assignment("other")
    with pytest.raises(VividPastError, match="no assignment with all the exercises"):
        write_gradebook([], tmp_path, tmp_path)
