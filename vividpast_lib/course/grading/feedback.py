"""Feedback for students: a page of HTML each, with every exercise and what is wrong with it."""

from html import escape
from itertools import groupby
from pathlib import Path

from ...runtime.files import atomic_write, write_errors
from .grading import Grade, StudentReport

# No page may run or load anything: what students wrote is shown as text alone.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>VividPast: {student}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 55rem; margin: 2rem auto }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .6rem }}
tr {{ border-bottom: 1px solid #ccc }}
td.points {{ white-space: nowrap }}
td {{ overflow-wrap: anywhere }}
pre {{ white-space: pre-wrap; border-left: 3px solid #999; padding-left: 1rem }}
</style>
</head>
<body>
<h1>{student}</h1>
<p><strong>{score:g} of {max_score} points</strong>{waiting}</p>
{lessons}
</body>
</html>
"""
_LESSON = """<h2>{notebook}</h2>
<table>
<tr><th scope="col">exercise</th><th scope="col">points</th><th scope="col">note</th></tr>
{rows}
</table>
{answers}"""


def page(report: StudentReport) -> str:
    """Make a student's page.

    Parameters
    ----------
    report : StudentReport
        Grades and answers of the student.

    Returns
    -------
    str
        HTML that needs no other file.
    """
    waiting = sum(each.max_score for each in report.grades if each.score is None)
    lessons = [
        _lesson(notebook, list(grades), report.answers)
        for notebook, grades in groupby(report.grades, key=lambda each: each.notebook)
    ]
    return _PAGE.format(
        student=escape(report.student),
        score=report.score,
        max_score=sum(each.max_score for each in report.grades),
        waiting=f"; {waiting} more are graded by hand" if waiting else "",
        lessons="\n".join(lessons),
    )


def _lesson(notebook: str, grades: list[Grade], answers: dict[str, str]) -> str:
    rows = []
    for grade in grades:
        score = "?" if grade.score is None else f"{grade.score:g}"
        note = escape(grade.note) or "right"
        rows.append(
            f'<tr><th scope="row">{escape(grade.exercise)}</th>'
            f'<td class="points">{score} of {grade.max_score}</td><td>{note}</td></tr>'
        )
    texts = [
        f"<h3>Your answer to {escape(grade.exercise)}</h3>\n"
        f"<pre>{escape(answers[grade.exercise])}</pre>"
        for grade in grades
        if grade.exercise in answers
    ]
    return _LESSON.format(notebook=escape(notebook), rows="\n".join(rows), answers="\n".join(texts))


def write_feedback(reports: list[StudentReport], folder: Path) -> None:
    """Write a page for each student.

    Parameters
    ----------
    reports : list of StudentReport
        Reports of the class.
    folder : Path
        Gets ``<student>.html``; pages of an earlier grading are replaced.

    Raises
    ------
    VividPastError
        If it can't be written.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for report in reports:
            with atomic_write(folder / f"{report.student}.html") as temporary:
                temporary.write_text(page(report), "utf-8", errors="replace")
