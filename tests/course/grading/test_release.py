"""The student edition: nothing given away, all that is needed inside, and it runs unsolved."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.support import ROOT
from vividpast_lib.cli.main import main
from vividpast_lib.course.grading.exercises import LESSONS, Exercise
from vividpast_lib.course.grading.release import CODE_STUB, TEXT_STUB, student_notebook


@pytest.fixture(scope="module")
def edition(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("release") / "student edition"
    assert main(["course", "release", "-o", str(out), "--home", "https://example.org/c.git"]) == 0
    return out


def load(edition: Path, name: str) -> NotebookNode:
    return nbformat.read(edition / "notebooks" / f"{name}.ipynb", as_version=4)


def solution_lines(cell: NotebookNode) -> list[str]:
    """Lines of a solution that are long enough to tell where they come from."""
    found = re.search(r"BEGIN SOLUTION.*?\n(.*)\n[^\n]*END SOLUTION", cell.source, re.DOTALL)
    assert found
    return [line.strip() for line in found[1].splitlines() if len(line.strip()) > 12]


@pytest.mark.parametrize("name", LESSONS)
def test_solutions_hidden_tests_and_their_outputs_are_cut(edition, name):
    student = load(edition, name)
    text = nbformat.writes(student)
    for mark in (
        "BEGIN SOLUTION",
        "END SOLUTION",
        "HIDDEN",
        "hidden_test",
        "vividpast_lib.course.grading",
    ):
        assert mark not in text
    sources = "\n".join(cell.source for cell in student.cells)
    full = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    for cell in full.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            assert [line for line in solution_lines(cell) if line in sources] == []
    for cell in student.cells:
        if "nbgrader" in cell.metadata:
            assert not cell.get("outputs")
            if cell.metadata.nbgrader.solution:
                stub = CODE_STUB.splitlines()[0] if cell.cell_type == "code" else TEXT_STUB
                assert stub in cell.source
    shown = [cell for cell in student.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) >= 3, "the lesson's own figures stay"


def test_the_release_has_what_students_need_and_nothing_of_the_instructor(edition):
    names = {path.name for path in edition.iterdir()}
    assert {"notebooks", "vividpast_lib", "data", "README.md", "pyproject.toml"} <= names
    assert not (edition / "vividpast_lib" / "course" / "grading").exists()
    assert (edition / "data" / "photos" / "astronaut.jpg").exists()
    assert (edition / "data" / "films").is_dir() and (edition / "data" / "runs").is_dir()
    every = [path for path in edition.rglob("*") if path.is_file()]
    assert [path for path in every if path.is_symlink() or path.suffix == ".pyc"] == []
    text = (edition / "vividpast_lib" / "cli" / "main.py").read_text("utf-8")
    assert "course" in text  # which goes without it:
    code = "import sys; from vividpast_lib.cli.main import main; main(['--help'])"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=edition, capture_output=True, text=True, check=True
    ).stdout
    assert "colorize" in shown and "course" not in shown


@pytest.mark.parametrize("name", ["00_start_here", *LESSONS])
def test_the_first_cell_installs_and_has_the_address(edition, name):
    cell = next(cell for cell in load(edition, name).cells if cell.cell_type == "code")
    assert "https://example.org/c.git" in cell.source
    assert '%pip install --quiet "..[course,film]"' in cell.source


def test_an_address_is_left_out_where_there_is_none():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title")])
    student = student_notebook(notebook)
    assert "HOME = None" in student.cells[2].source
    assert len(notebook.cells) == 1


def run(notebook: NotebookNode, folder: Path, edition: Path) -> NotebookNode:
    """Run a notebook in the released folder, with the released library."""
    source, target = folder / "run.ipynb", folder / "done.ipynb"
    nbformat.write(notebook, source)
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(source)]
    command += ["--output", str(target), "--ExecutePreprocessor.kernel_name=python3"]
    environment = {**os.environ, "PYTHONPATH": str(edition)}
    done = subprocess.run(
        command, env=environment, cwd=edition / "notebooks", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return nbformat.read(target, as_version=4)


@pytest.mark.parametrize("name", LESSONS)
def test_unsolved_it_runs_to_its_end_and_says_what_is_not_solved(edition, name):
    source = edition / "notebooks" / f"{name}.ipynb"
    done = run(nbformat.read(source, as_version=4), source.parent, edition)
    said = "".join(o.get("text", "") for c in done.cells for o in c.get("outputs", []))
    for each in LESSONS[name]:
        if isinstance(each, Exercise):
            assert f"{each.name}: not solved yet" in said
    assert "no fault found" not in said


def test_a_folder_that_is_there_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("precious", "utf-8")
    assert main(["course", "release", "-o", str(tmp_path / "mine")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "mine" / "work.txt").read_text("utf-8") == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert main(["course", "release", "-o", "/proc/release"]) == 2
    assert "can't be written" in capsys.readouterr().err
