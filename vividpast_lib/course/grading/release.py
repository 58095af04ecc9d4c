"""The student edition: the notebooks without solutions and hidden tests, and what they need."""

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ...runtime.errors import VividPastError

if TYPE_CHECKING:
    from nbformat import NotebookNode


#: What is left of a solution, in a cell of code and in one of text.
CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError"
TEXT_STUB = "YOUR ANSWER HERE"

#: What a release has besides the notebooks, the library and its README.
_FILES = (
    ".gitignore", "CITATION.cff", "LICENSE", "Makefile", "environment.yml", "pyproject.toml",
    "requirements.lock", "voila.json",
)  # fmt: skip
_UNWANTED = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "grading")

_FIRST_TEXT = (
    "The next cell installs the course where it is missing, as on Colab. Elsewhere it does nothing."
)
_FIRST_CELL = """
import importlib.util
from pathlib import Path

HOME = {home!r}  # where this course can be fetched from
if importlib.util.find_spec("vividpast_lib") is None:
    if not Path("../vividpast_lib").is_dir() and HOME:
        !git clone --quiet --depth 1 {{HOME}} course
        %cd -q course/notebooks
    if not Path("../vividpast_lib").is_dir():
        raise FileNotFoundError("Open this notebook inside the course's folder, with all of it.")
    %pip install --quiet "..[course,film]"
print("The course is installed:", importlib.util.find_spec("vividpast_lib") is not None)
"""


def checkout() -> Path:
    """Find the checkout that this library runs from.

    Raises
    ------
    VividPastError
        If it was installed without one: then the notebooks are not here.
    """
    root = Path(__file__).parents[3]
    if not (root / "notebooks").is_dir():
        raise VividPastError(
            "The course's notebooks are not here: run this from a checkout of the project, where "
            "it was installed with `make` or `pip install -e`."
        )
    return root


def student_notebook(notebook: "NotebookNode", home: str | None = None) -> "NotebookNode":
    """Make the student edition of a notebook.

    nbgrader's own preprocessors cut the solutions and the hidden tests, lock the cells of the
    tests, and sign them, so that nbgrader takes the notebook for one of its own.

    Parameters
    ----------
    notebook : NotebookNode
        The full edition; stays as it is.
    home : str, optional
        A git address that the course can be fetched from.

    Returns
    -------
    NotebookNode
        Outputs stay, but for those of graded cells.

    Raises
    ------
    VividPastError
        If the extra `grading` is not installed.
    """
    from copy import deepcopy

    from nbformat.v4 import new_code_cell, new_markdown_cell

    try:
        from nbgrader.preprocessors import (
            ClearHiddenTests,
            ClearSolutions,
            ComputeChecksums,
            LockCells,
        )
    except ImportError:
        raise VividPastError(
            "A release needs nbgrader: install the extra `grading`, as in "
            '`pip install -e ".[course,film,grading]"`.'
        ) from None

    student = deepcopy(notebook)
    stubs = ClearSolutions(code_stub={"python": CODE_STUB}, text_stub=TEXT_STUB)
    for step in (stubs, ClearHiddenTests(), LockCells(), ComputeChecksums()):
        student, _ = step.preprocess(student, {})
    for cell in student.cells:
        if cell.cell_type == "code" and "nbgrader" in cell.metadata:
            cell.outputs, cell.execution_count = [], None
    first = [
        new_markdown_cell(_FIRST_TEXT, id="install-text"),
        new_code_cell(_FIRST_CELL.strip().format(home=home), id="install"),
    ]
    student.cells[1:1] = first
    return student


def release(out: Path, home: str | None = None) -> int:
    """Write the student edition.

    Parameters
    ----------
    out : Path
        A folder that is not there yet.
    home : str, optional
        A git address where it will be published, for Colab.

    Returns
    -------
    int
        How many notebooks it has.

    Raises
    ------
    VividPastError
        If the folder is there, can't be written, or there is no checkout to release from.
    """
    import nbformat

    root = checkout()
    if out.exists():
        raise VividPastError(f"{out} exists already: name a new folder, or remove it first.")
    if out.resolve().is_relative_to(root.resolve() / "vividpast_lib"):
        raise VividPastError(f"{out} lies inside the library: name a folder outside.")
    unfinished = out.with_name(out.name + ".unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        (unfinished / "notebooks").mkdir(parents=True)
        for folder in ("vividpast_lib", "data"):
            shutil.copytree(root / folder, unfinished / folder, ignore=_UNWANTED)
        for name in _FILES:
            shutil.copy(root / name, unfinished)
        shutil.copy(Path(__file__).with_name("student_readme.md"), unfinished / "README.md")
        notebooks = sorted((root / "notebooks").glob("*.ipynb"))
        for path in notebooks:
            student = student_notebook(nbformat.read(path, as_version=4), home)
            nbformat.write(student, unfinished / "notebooks" / path.name)
        unfinished.rename(out)
    except OSError as error:
        raise VividPastError(f"{out} can't be written: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(unfinished, ignore_errors=True)
    return len(notebooks)
