"""`vividpast course`, for instructors: release the course to students, and grade them."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .options import positive

if TYPE_CHECKING:
    from ..course.grading.grading import StudentReport


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `course` and its commands."""
    course = commands.add_parser("course", help="release the course to students, and grade them")
    parts = course.add_subparsers(required=True, metavar="COMMAND")

    release = parts.add_parser("release", help="write the student edition")
    release.add_argument(
        "-o", "--out", required=True, type=Path, metavar="DIR",
        help="a folder that is not there yet",
    )  # fmt: skip
    release.add_argument(
        "--home", metavar="URL",
        help="a git address where you will publish it: notebooks opened on Colab fetch it there",
    )  # fmt: skip
    release.set_defaults(command=_release)

    grade = parts.add_parser(
        "grade",
        help="grade what students handed in",
        description="Grade SUBMISSIONS/<student>/<notebook>.ipynb in a sandbox. The same command "
        "again grades who is new or has handed in something else, and goes on after a stop.",
    )
    grade.add_argument("submissions", type=Path, metavar="SUBMISSIONS")
    grade.add_argument(
        "-o", "--out", required=True, type=Path, metavar="GRADES.csv",
        help="the table; pages for students go into GRADES.feedback/",
    )  # fmt: skip
    grade.add_argument(
        "--marks", type=Path, metavar="MARKS.csv",
        help="points given by hand: student, exercise, score and perhaps note",
    )  # fmt: skip
    grade.add_argument(
        "--nbgrader", type=Path, metavar="COURSE",
        help="also put the grades into the gradebook of this nbgrader course",
    )  # fmt: skip
    _add_sandbox(grade)
    grade.add_argument(
        "--workers", type=positive(int), metavar="N",
        help="students graded at once (default: one a core)",
    )  # fmt: skip
    grade.set_defaults(command=_grade, stopped="stopped; the same command goes on.")

    check = parts.add_parser(
        "check", help="see that grading can be trusted, by planted solutions and attacks"
    )
    _add_sandbox(check)
    check.set_defaults(command=_check)


def _add_sandbox(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sandbox", choices=("bubblewrap", "landlock", "process"),
        help="default: the stronger of bubblewrap and landlock; process has limits alone, for "
        "students who are trusted",
    )  # fmt: skip


def _release(options: argparse.Namespace) -> int:
    from ..course.grading.release import release

    count = release(options.out, options.home)
    print(f"{count} notebooks and what they need -> {options.out}")
    return 0


def _grade(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from ..course.grading.feedback import write_feedback
    from ..course.grading.gradebook import write_gradebook
    from ..course.grading.grading import grade_class
    from ..course.grading.sandbox import choose_level

    level = choose_level(options.sandbox)
    graded_now: list[bool] = []
    with tqdm(unit=" students") as bar:

        def on_progress(report: "StudentReport", anew: bool, students: int) -> None:
            graded_now.append(anew)
            bar.total = students
            bar.set_description(report.student, refresh=False)
            bar.update()

        reports = grade_class(
            options.submissions, options.out, level, marks=options.marks,
            workers=options.workers, on_progress=on_progress,
        )  # fmt: skip
    feedback = options.out.with_suffix(".feedback")
    write_feedback(reports, feedback)
    if options.nbgrader:
        write_gradebook(reports, options.submissions, options.nbgrader)
    waiting = sum(each.score is None for report in reports for each in report.grades)
    print(
        f"{len(reports)} students, {sum(graded_now)} graded now, sandbox {level} -> {options.out}"
    )
    print(f"A page for each student -> {feedback}")
    if waiting:
        print(f"{waiting} answers are still to be graded by hand: see --marks.")
    return 0


def _check(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from ..course.grading.sandbox import choose_level
    from ..course.grading.selftest.check import check, matrix

    level = choose_level(options.sandbox)
    with tqdm(unit=" students", file=sys.stderr) as bar:

        def on_progress(done: int, students: int) -> None:
            bar.total, bar.n = students, done
            bar.update(0)

        outcome = check(level, on_progress)
    print(f"sandbox {level}\n\n{matrix(outcome)}")
    return 1 if outcome.faults else 0
