"""Grades: a student's notebooks in, a report out; a class's folder in, a table out.

What is done is kept beside the table, so that no one is graded twice.
"""

import csv
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...runtime.errors import VividPastError
from ...runtime.files import atomic_write, write_errors
from ...runtime.threads import core_count
from . import sandbox
from .exercises import LESSONS, Exercise
from .judging import Trial
from .release import TEXT_STUB
from .submissions import Submission, read_submission, students_of

BY_HAND = "to be graded by hand"


@dataclass(frozen=True)
class Grade:
    """A student's grade for one exercise: a row of the table.

    Parameters
    ----------
    student, notebook, exercise : str
        Names.
    score : float, optional
        None while it waits to be graded by hand.
    max_score : int
        Points of the exercise.
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
class StudentReport:
    """All grades of a student.

    Parameters
    ----------
    student : str
        Name.
    grades : list of Grade
        In the order of the course.
    answers : dict
        Texts that answer the questions, by name.
    """

    student: str
    grades: list[Grade]
    answers: dict[str, str]

    @property
    def score(self) -> float:
        """Sum of the scores so far."""
        return sum(each.score or 0 for each in self.grades)


def _graded(student: str, handed_in: dict[str, Submission], level: str) -> StudentReport:
    # Drawn anew each time: an error message may have shown a student the last inputs.
    seed = secrets.randbits(64)
    inputs: dict[str, np.ndarray] = {}
    notebooks: list[list[str]] = []
    trials: list[Trial] = []
    calls: list[dict[str, Any]] = []
    for name, lesson in LESSONS.items():
        if handed_in[name].problem is None:
            for each in lesson:
                if isinstance(each, Exercise):
                    trials.append(Trial(each, seed))
                    calls.append(trials[-1].for_worker(len(notebooks), inputs))
            notebooks.append(handed_in[name].cells)
    uses_torch = any("torch" in cell for cells in notebooks for cell in cells)
    replies = sandbox.run(level, notebooks, calls, inputs, uses_torch) if calls else []
    faults = {
        trial.exercise.name: trial.judge(*reply)
        for trial, reply in zip(trials, replies, strict=True)
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
    return StudentReport(student, grades, answers)


def grade_class(
    submissions: Path,
    out: Path,
    level: str,
    *,
    marks: Path | None = None,
    workers: int | None = None,
    on_progress: Callable[[StudentReport, bool, int], None] = lambda report, anew, students: None,
) -> list[StudentReport]:
    """Grade a class and write the table.

    Parameters
    ----------
    submissions : Path
        Folder of ``<student>/<notebook>.ipynb``.
    out : Path
        The table, as CSV. ``<out>.graded/`` beside it keeps the reports: a student who is in there
        with the same notebooks is not graded again, also after a stop.
    level : str
        Level of the sandbox; see `sandbox.choose_level`.
    marks : Path, optional
        CSV of student, exercise, score and perhaps note: points given by hand, which replace
        those given here.
    workers : int, optional
        Number of students graded at once; by default one per core.
    on_progress : callable
        Called after each student with the report, whether it was made anew, and the number of
        students.

    Returns
    -------
    list of StudentReport
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
    reports: dict[str, StudentReport] = {}
    with ThreadPoolExecutor(workers or core_count()) as pool:
        futures = {
            pool.submit(_graded_once, submissions, each, level, kept): each for each in students
        }
        try:
            for future in as_completed(futures):
                report, anew = future.result()
                reports[report.student] = report
                on_progress(report, anew, len(students))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    result = [_with_marks(reports[each], by_hand) for each in students]
    write_table(result, out)
    return result


def _graded_once(
    submissions: Path, student: str, level: str, kept: Path
) -> tuple[StudentReport, bool]:
    """Return the stored report of the same notebooks, or make one; and whether it was made."""
    handed_in = {name: read_submission(submissions, student, name) for name in LESSONS}
    state = [[each.problem, each.fingerprint] for each in handed_in.values()]
    fingerprint = hashlib.sha256(json.dumps([state, _rules(), level]).encode()).hexdigest()
    # A student's name may hold what a file's name can't.
    file = kept / f"{hashlib.sha256(student.encode(errors='surrogateescape')).hexdigest()}.json"
    try:
        stored = json.loads(file.read_text("utf-8"))
        if stored["fingerprint"] == fingerprint:
            grades = [Grade(**each) for each in stored["grades"]]
            return StudentReport(student, grades, stored["answers"]), False
    except (OSError, ValueError, KeyError, TypeError):
        pass
    report = _graded(student, handed_in, level)
    stored = {"fingerprint": fingerprint, "sandbox": level, **asdict(report)}
    _write(file, json.dumps(stored, indent=1))
    return report, True


def _rules() -> str:
    """Hash the code that decides about a grade."""
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


def _with_marks(
    report: StudentReport, marks: dict[tuple[str, str], tuple[float, str]]
) -> StudentReport:
    grades = []
    for grade in report.grades:
        if (report.student, grade.exercise) in marks:
            score, note = marks[report.student, grade.exercise]
            grade = replace(grade, score=score, note=note or "graded by hand")
        grades.append(grade)
    return StudentReport(report.student, grades, report.answers)


def write_table(reports: list[StudentReport], out: Path) -> None:
    """Write all grades as CSV, one row per student and exercise.

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
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(text, "utf-8", errors="surrogateescape")
