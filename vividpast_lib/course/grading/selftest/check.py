"""Is grading to be trusted? A class of planted submissions is graded, and each must get its due.

The full edition gets all points, the blank one none; a wrong solution loses the points of its
exercise and no others, a right one written in another way keeps them; an attack gains nothing,
and the class is graded all the same.
"""

import json
import os
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..exercises import LESSONS, Exercise
from ..grading import StudentReport, grade_class
from ..release import TEXT_STUB, checkout, student_notebook
from .planting import Planted, planted

#: A notebook as JSON has it.
Notebook = dict[str, Any]
#: The notebook that attacks are made with.
ATTACKED = "01_lab_color"


@dataclass
class Finding:
    """A line of the matrix: what was planted, and whether it got its due.

    Parameters
    ----------
    what : str
        What was planted, and where.
    due : bool
        Whether it got its due.
    result : str
        What it got.
    """

    what: str
    due: bool
    result: str


@dataclass
class SelfTest:
    """The results of a check: all lines of the matrix, in parts."""

    editions: list[Finding] = field(default_factory=list)
    solutions: dict[tuple[str, str], list[Finding]] = field(default_factory=dict)
    attacks: list[Finding] = field(default_factory=list)

    @property
    def faults(self) -> list[Finding]:
        """What did not get its due."""
        solutions = [each for group in self.solutions.values() for each in group]
        return [each for each in [*self.editions, *solutions, *self.attacks] if not each.due]


def check(
    level: str, on_progress: Callable[[int, int], None] = lambda done, students: None
) -> SelfTest:
    """Grade a class of planted submissions.

    Parameters
    ----------
    level : str
        Level of the sandbox.
    on_progress : callable
        Called after each student with the number of those done and of all.

    Raises
    ------
    VividPastError
        If there is no checkout, or no sandbox.
    """
    full, blank = _editions()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        submissions = folder / "submissions"
        _hand_in(submissions / "full", full)
        _hand_in(submissions / "blank", blank)
        rounds = _plant_solutions(submissions, full)
        attacks = _plant_attacks(submissions, blank)
        marks = folder / "marks.csv"
        marks.write_text(_full_marks(["full", *rounds]), "utf-8")
        canary = folder / "canary"
        canary.write_text("alive", "utf-8")
        done: list[str] = []

        def count(report: StudentReport, _anew: bool, students: int) -> None:
            done.append(report.student)
            on_progress(len(done), students)

        reports = grade_class(
            submissions, folder / "grades.csv", level, marks=marks, on_progress=count
        )
        by_name = {each.student: each for each in reports}
        unharmed = canary.read_text("utf-8") == "alive"
    outcome = SelfTest()
    for edition, points in {"full": _points(), "blank": 0}.items():
        score = by_name[edition].score
        outcome.editions.append(
            Finding(f"{edition} edition", score == points, f"{score:g} of {_points()} points")
        )
    for student, cells in rounds.items():
        for notebook, cell in cells.items():
            finding = _judge_solution(by_name[student], notebook, cell)
            outcome.solutions.setdefault((notebook, cell.exercise), []).append(finding)
    for attack in attacks:
        grades = [
            each for each in by_name[attack.student].grades if each.notebook == attack.notebook
        ]
        gained = sum(each.score or 0 for each in grades)
        note = next(each.note for each in grades if attack.exercise in (None, each.exercise))
        result = f"{gained:g} points: {note}"
        outcome.attacks.append(Finding(attack.what, gained == 0 and unharmed, result))
    return outcome


def _judge_solution(report: StudentReport, notebook: str, cell: Planted) -> Finding:
    """Compare the grades of the notebook in which a solution was planted with its due."""
    grades = [each for each in report.grades if each.notebook == notebook]
    lost = {each.exercise: each.note for each in grades if each.score != each.max_score}
    due = {cell.exercise} if cell.kind == "wrong" else set()
    result = "; ".join(f"{name}: {note}" for name, note in lost.items()) or "all points"
    return Finding(f"{cell.exercise}, {cell.kind}: {cell.what}", set(lost) == due, result)


def matrix(outcome: SelfTest) -> str:
    """Write the results as text: a row per exercise and per attack, and what went wrong."""
    lines = [f"{each.what:16} {each.result}" for each in outcome.editions]
    lines += ["", f"{'exercise':45} {'points':>6}  {'wrong: lost':>12}  {'right: kept':>12}"]
    for notebook, lesson in LESSONS.items():
        for each in lesson:
            cells = [f"{notebook[:2]} {each.name:42} {each.points:6}"]
            found = outcome.solutions.get((notebook, each.name), [])
            for kind in ("wrong", "right"):
                of_kind = [one for one in found if f", {kind}: " in one.what]
                count = f"{sum(one.due for one in of_kind)} of {len(of_kind)}"
                cells.append(f"{count:>12}" if isinstance(each, Exercise) else f"{'by hand':>12}")
            lines.append("  ".join(cells))
    lines += ["", "attacks"]
    width = max(len(each.what) for each in outcome.attacks)
    lines += [f"{each.what:{width}}  {each.result[:100]}" for each in outcome.attacks]
    faults = outcome.faults
    planted_cells = sum(len(group) for group in outcome.solutions.values())
    lines += ["", f"{planted_cells} planted solutions, {len(outcome.attacks)} attacks"]
    lines += [f"NOT ITS DUE: {each.what}: {each.result}" for each in faults]
    lines.append("every one got its due" if not faults else f"{len(faults)} did not get their due")
    return "\n".join(lines)


def _editions() -> tuple[dict[str, Notebook], dict[str, Notebook]]:
    import nbformat

    full, blank = {}, {}
    for name in LESSONS:
        notebook = nbformat.read(checkout() / "notebooks" / f"{name}.ipynb", as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        full[name] = json.loads(nbformat.writes(notebook))
        blank[name] = json.loads(nbformat.writes(student_notebook(notebook)))
    return full, blank


def _points() -> int:
    return sum(each.points for lesson in LESSONS.values() for each in lesson)


def _full_marks(students: list[str]) -> str:
    """Mark the questions of the full edition's answers."""
    rows = ["student,exercise,score"]
    for student in students:
        for lesson in LESSONS.values():
            rows += [
                f"{student},{each.name},{each.points}"
                for each in lesson
                if not isinstance(each, Exercise)
            ]
    return "\n".join(rows)


def _hand_in(folder: Path, notebooks: dict[str, Notebook]) -> None:
    folder.mkdir(parents=True)
    for name, notebook in notebooks.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook), "utf-8")


def _with_cell(notebook: Notebook, exercise: str, source: str) -> Notebook:
    """Put a source into the solution cell of an exercise."""
    changed = deepcopy(notebook)
    _cell(changed, exercise)["source"] = source
    return changed


def _cell(notebook: Notebook, grade_id: str) -> dict[str, Any]:
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id:
            found: dict[str, Any] = cell
            return found
    raise KeyError(grade_id)


def _plant_solutions(submissions: Path, full: dict[str, Notebook]) -> dict[str, dict[str, Planted]]:
    """Hand in the full edition, again and again, each time with one cell a notebook exchanged."""
    queues = {name: planted(name.split("_", 1)[1]) for name in LESSONS}
    rounds: dict[str, dict[str, Planted]] = {}
    while any(queues.values()):
        student = f"planted-{len(rounds):02}"
        cells = {name: queue.pop() for name, queue in queues.items() if queue}
        notebooks = {
            name: _with_cell(full[name], cell.exercise, cell.source) for name, cell in cells.items()
        }
        _hand_in(submissions / student, notebooks)
        rounds[student] = cells
    return rounds


@dataclass(frozen=True)
class _Attack:
    student: str
    notebook: str
    exercise: str | None
    what: str


def _plant_attacks(submissions: Path, blank: dict[str, Notebook]) -> list[_Attack]:
    """Hand in the blank edition, each time with another attack."""
    attacks: list[_Attack] = []
    for cell in planted("attacks"):
        student = f"attack-{len(attacks):02}"
        attacked = _with_cell(blank[ATTACKED], cell.exercise, cell.source)
        _hand_in(submissions / student, {ATTACKED: attacked})
        attacks.append(_Attack(student, ATTACKED, cell.exercise, cell.what))
    student = "attack-link"
    (submissions / student).symlink_to("full", target_is_directory=True)
    attacks.append(_Attack(student, ATTACKED, None, "a folder that is a link to another student's"))
    for number, (what, make) in enumerate(_FILES.items()):
        turn, place = divmod(number, len(LESSONS))
        student, notebook = f"attack-files-{turn}", list(LESSONS)[place]
        (submissions / student).mkdir(exist_ok=True)
        make(submissions / student / f"{notebook}.ipynb", deepcopy(blank[notebook]))
        attacks.append(_Attack(student, notebook, None, what))
    return attacks


# Attacks with the notebook's file itself.


def _write(path: Path, notebook: Notebook) -> None:
    path.write_text(json.dumps(notebook), "utf-8")


def _edited_tests(path: Path, notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["source"] = "print('all tests passed')"
    _write(path, notebook)


def _deleted_tests(path: Path, notebook: Notebook) -> None:
    graded = ("nbgrader", "grade")
    notebook["cells"] = [
        cell for cell in notebook["cells"] if not cell["metadata"].get(graded[0], {}).get(graded[1])
    ]
    _write(path, notebook)


def _duplicated_cells(path: Path, notebook: Notebook) -> None:
    notebook["cells"] = [deepcopy(cell) for cell in notebook["cells"] for _ in range(3)]
    _write(path, notebook)


def _reordered_cells(path: Path, notebook: Notebook) -> None:
    notebook["cells"].reverse()
    _write(path, notebook)


def _edited_metadata(path: Path, notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        graded = cell["metadata"].get("nbgrader")
        if graded:
            graded.update(points=1000, grade=True, solution=False, score=1000, checksum="0")
    notebook["metadata"]["scores"] = {"total": 1000}
    _write(path, notebook)


def _strange_metadata(path: Path, notebook: Notebook) -> None:
    for index, cell in enumerate(notebook["cells"]):
        strange = [[], "text", {"nbgrader": 3}, {"nbgrader": {"grade_id": []}}]
        cell["metadata"] = strange[index % 4]
    _write(path, notebook)


def _unanswered_text(path: Path, notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = TEXT_STUB
    _write(path, notebook)


def _old_format(path: Path, notebook: Notebook) -> None:
    cells = [{"cell_type": "code", "input": each["source"]} for each in notebook["cells"]]
    _write(path, {"nbformat": 3, "worksheets": [{"cells": cells}], "metadata": {}})


def _hundred_megabytes(path: Path, _notebook: Notebook) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 2**20)


def _link_to_another(path: Path, _notebook: Notebook) -> None:
    path.symlink_to(f"../full/{path.name}")


def _link_out(path: Path, _notebook: Notebook) -> None:
    path.symlink_to("/etc/passwd")


def _code(source: str) -> Callable[[Path, Notebook], None]:
    def make(path: Path, notebook: Notebook) -> None:
        notebook["cells"].insert(3, {"cell_type": "code", "metadata": {}, "source": source})
        _write(path, notebook)

    return make


def _text(text: str | bytes) -> Callable[[Path, Notebook], None]:
    def make(path: Path, _notebook: Notebook) -> None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    return make


#: What each attack does to the notebook's file.
_FILES: dict[str, Callable[[Path, Notebook], None]] = {
    "edited tests": _edited_tests,
    "deleted tests": _deleted_tests,
    "duplicated cells": _duplicated_cells,
    "reordered cells": _reordered_cells,
    "edited metadata": _edited_metadata,
    "strange metadata": _strange_metadata,
    "questions left as they are": _unanswered_text,
    "code of brackets without end": _code("unsolved = " + "(" * 200_000),
    "code of signs without end": _code("unsolved = " + "-" * 200_000 + "1"),
    "code with a null byte": _code("unsolved = \0"),
    "a notebook of an old format": _old_format,
    "a notebook of 100 MB": _hundred_megabytes,
    "no notebook: text": _text("This is my homework."),
    "no notebook: nothing": _text(""),
    "no notebook: other JSON": _text('{"nbformat": 4, "cells": 7}'),
    "no notebook: a pickle": _text(b"\x80\x04cos\nsystem\n(S'touch harm'\ntR."),
    "no notebook: brackets without end": _text("[" * 1_000_000),
    "a link to another student's notebook": _link_to_another,
    "a link out of the folder": _link_out,
    "a pipe instead of a file": lambda path, _notebook: os.mkfifo(path),
    "a folder instead of a file": lambda path, _notebook: path.mkdir(),
}
