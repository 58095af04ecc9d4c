"""Grades: a student's notebooks in, a report out; a class's folder in, a table out.

What is done is kept beside the table, so that no one is graded twice.
"""

import csv
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...runtime.errors import VividPastError
from . import sandbox
from .exercises import LESSONS, Exercise
from .judging import Task
from .release import TEXT_STUB
from .submissions import Submission, read_submission, students_of

BY_HAND = "to be graded by hand"


@dataclass(frozen=True)
class Grade:
    """What a student got for one exercise: a row of the table.

    Parameters
    ----------
    student, notebook, exercise : str
        Names.
    score : float, optional
        None if it is still to be graded by hand.
    max_score : int
        The points that it has.
    note : str
        What is wrong, or what is still to be done.
    """

    student: str
    notebook: str
    exercise: str
    score: float | None
    max_score: int
    note: str


COLUMNS = tuple(Grade.__dataclass_fields__)


@dataclass(frozen=True)
class Report:
    """All that is known of a student.

    Parameters
    ----------
    student : str
        Name.
    grades : list of Grade
        In the order of the course.
    answers : dict
        What was written to the questions, by name.
    """

    student: str
    grades: list[Grade]
    answers: dict[str, str]

    @property
    def score(self) -> float:
        """Sum of the scores that there are."""
        return sum(each.score or 0 for each in self.grades)


def grade_student(submissions: Path, student: str, level: str) -> Report:
    """Grade all notebooks of a student, on inputs that are drawn anew.

    Parameters
    ----------
    submissions : Path
        Folder of all submissions.
    student : str
        Name of the student's folder in it.
    level : str
        Of the sandbox; see `sandbox.choose_level`.

    Raises
    ------
    VividPastError
        If the sandbox does not start.
    """
    handed_in = {name: read_submission(submissions, student, name) for name in LESSONS}
    return _graded(student, handed_in, level)


def _graded(student: str, handed_in: dict[str, Submission], level: str) -> Report:
    # Drawn anew each time: an error message may have told a student the inputs of the last time.
    seed = secrets.randbits(64)
    inputs: dict[str, np.ndarray] = {}
    notebooks: list[list[str]] = []
    tasks: list[Task] = []
    calls: list[dict[str, Any]] = []
    for name, lesson in LESSONS.items():
        if handed_in[name].problem is None:
            for each in lesson:
                if isinstance(each, Exercise):
                    tasks.append(Task(each, seed))
                    calls.append(tasks[-1].for_worker(len(notebooks), inputs))
            notebooks.append(handed_in[name].cells)
    uses_torch = any("torch" in cell for cells in notebooks for cell in cells)
    came_back = sandbox.run(level, notebooks, calls, inputs, uses_torch) if calls else []
    faults = {
        task.exercise.name: task.judge(*answer)
        for task, answer in zip(tasks, came_back, strict=True)
    }
    grades: list[Grade] = []
    answers: dict[str, str] = {}
    for name, lesson in LESSONS.items():
        answers |= handed_in[name].answers
        for each in lesson:
            problem = handed_in[name].problem
            score: float | None = 0
            if problem is None and isinstance(each, Exercise):
                problem = faults[each.name]
                score = 0 if problem else each.points
            elif problem is None:
                text = handed_in[name].answers.get(each.name, "").strip()
                problem = "not answered" if text in ("", TEXT_STUB) else BY_HAND
                score = None if problem == BY_HAND else 0
            grades.append(Grade(student, name, each.name, score, each.points, problem or ""))
    return Report(student, grades, answers)


def grade_class(
    submissions: Path,
    out: Path,
    level: str,
    *,
    marks: Path | None = None,
    workers: int | None = None,
    tell: Callable[[Report, bool, int], None] = lambda report, anew, students: None,
) -> list[Report]:
    """Grade a class and write the table.

    Parameters
    ----------
    submissions : Path
        Folder of ``<student>/<notebook>.ipynb``.
    out : Path
        The table, as CSV. ``<out>.graded/`` beside it keeps what is done: who is in there with the
        same notebooks is not graded again, also after a stop.
    level : str
        Of the sandbox.
    marks : Path, optional
        CSV of student, exercise, score and perhaps note: points given by hand; they count above
        what was found here.
    workers : int, optional
        Students graded at once; by default one a core.
    tell : callable
        Called after each student with the report, whether it was made anew, and how many
        students there are.

    Returns
    -------
    list of Report
        By student.

    Raises
    ------
    VividPastError
        If the submissions or the marks can't be read, the table can't be written, a file is in
        its place that is no table of grades, or the sandbox does not start.
    """
    students = students_of(submissions)
    _check_place(out)
    kept = Path(f"{out}.graded")
    by_hand = read_marks(marks, students) if marks else {}
    reports: dict[str, Report] = {}
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        futures = {
            pool.submit(_graded_once, submissions, each, level, kept): each for each in students
        }
        try:
            for future in as_completed(futures):
                report, anew = future.result()
                reports[report.student] = report
                tell(report, anew, len(students))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    result = [_with_marks(reports[each], by_hand) for each in students]
    write_table(result, out)
    return result


def _graded_once(submissions: Path, student: str, level: str, kept: Path) -> tuple[Report, bool]:
    """Give the report that is kept, if it is of the same notebooks, or make it."""
    handed_in = {name: read_submission(submissions, student, name) for name in LESSONS}
    state = [[each.problem, each.fingerprint] for each in handed_in.values()]
    fingerprint = hashlib.sha256(json.dumps([state, _rules(), level]).encode()).hexdigest()
    # A name may have what a file's name can't bear twice, so its hash is in it, too.
    file = kept / f"{hashlib.sha256(student.encode(errors='surrogateescape')).hexdigest()}.json"
    try:
        said = json.loads(file.read_text("utf-8"))
        if said["fingerprint"] == fingerprint:
            grades = [Grade(**each) for each in said["grades"]]
            return Report(student, grades, said["answers"]), False
    except (OSError, ValueError, KeyError, TypeError):
        pass
    report = _graded(student, handed_in, level)
    said = {"fingerprint": fingerprint, "sandbox": level, **asdict(report)}
    _write(file, json.dumps(said, indent=1))
    return report, True


def _rules() -> str:
    """Give a hash of what decides about a grade."""
    here = Path(__file__).parent
    files = sorted((here / "exercises").glob("*.py"))
    files += [*sorted((here / "sandbox_worker").glob("*.py")), here / "judging.py", Path(__file__)]
    parts = [each.read_bytes() for each in files]
    return hashlib.sha256(b"".join([__version__.encode(), *parts])).hexdigest()


def read_marks(path: Path, students: Iterable[str]) -> dict[tuple[str, str], tuple[float, str]]:
    """Read points given by hand.

    Returns
    -------
    dict
        Score and note, by student and exercise.

    Raises
    ------
    VividPastError
        If a row names nobody and nothing that is known, or its score is out of range.
    """
    most = {each.name: each.points for lesson in LESSONS.values() for each in lesson}
    known = set(students)
    found = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise VividPastError(f"{path} can't be read as a table of marks: {error}.") from None
    for number, row in enumerate(rows, start=2):
        student, exercise = row.get("student") or "", row.get("exercise") or ""
        where = f"{path}, line {number}"
        if student not in known:
            raise VividPastError(f"{where}: there is no student {student!r} in the submissions.")
        if exercise not in most:
            raise VividPastError(f"{where}: the course has no exercise {exercise!r}.")
        if not (row.get("score") or "").strip():
            continue  # not marked yet
        try:
            score = float(row["score"])
        except ValueError:
            score = -1
        if not 0 <= score <= most[exercise]:
            raise VividPastError(
                f"{where}: the score must be a number from 0 to {most[exercise]}, "
                f"not {row['score']!r}."
            )
        found[student, exercise] = score, row.get("note") or ""
    return found


def _with_marks(report: Report, marks: dict[tuple[str, str], tuple[float, str]]) -> Report:
    grades = []
    for grade in report.grades:
        if (report.student, grade.exercise) in marks:
            score, note = marks[report.student, grade.exercise]
            told = note or "graded by hand"
            grade = Grade(**{**asdict(grade), "score": score, "note": told})
        grades.append(grade)
    return Report(report.student, grades, report.answers)


def write_table(reports: list[Report], out: Path) -> None:
    """Write all grades as CSV, one row an exercise of a student.

    Raises
    ------
    VividPastError
        If it can't be written.
    """
    from io import StringIO

    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for report in reports:
        for grade in report.grades:
            row = asdict(grade)
            row["score"] = "" if grade.score is None else f"{grade.score:g}"
            if grade.student[:1] in ("=", "+", "-", "@"):
                row["student"] = f"'{grade.student}"  # else a formula to a spreadsheet
            table.writerow(row[column] for column in COLUMNS)
    _write(out, text.getvalue())


def _check_place(out: Path) -> None:
    """Refuse to replace a file that is no table of grades."""
    try:
        with out.open(encoding="utf-8") as file:
            if file.readline().strip() != ",".join(COLUMNS):
                raise VividPastError(f"{out} exists and is no table of grades: name another file.")
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise VividPastError(f"{out} can't be used for the table: {error}.") from None


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, "utf-8", errors="surrogateescape")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise VividPastError(f"{path} can't be written: {error.strerror}.") from None
