"""What students hand in, read with care: nothing in it is trusted, and nothing of it is run."""

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...runtime.errors import VividPastError
from .exercises import LESSONS

#: Largest size of a notebook, in bytes; the course's own, with all figures, have under 4 MB.
MAX_NOTEBOOK_SIZE = 32 * 2**20


@dataclass(frozen=True)
class Submission:
    """A notebook that a student has handed in.

    Parameters
    ----------
    problem : str, optional
        Why it can't be graded.
    cells : list of str
        Sources of its code cells.
    answers : dict
        Texts of its cells for questions, by name.
    fingerprint : str
        Of the file.
    """

    problem: str | None = None
    cells: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    fingerprint: str = ""


def students_of(folder: Path) -> list[str]:
    """List the students who have a folder in the folder of submissions.

    Raises
    ------
    VividPastError
        If it isn't a folder, or has none.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda each: each.name)
    except OSError as error:
        raise VividPastError(
            f"{folder} can't be read as a folder of submissions: {error.strerror}."
        ) from None
    names = [each.name for each in entries if each.is_dir() and not each.name.startswith(".")]
    if not names:
        raise VividPastError(
            f"{folder} has no folders of students: it should hold <student>/<notebook>.ipynb."
        )
    return names


def read_submission(folder: Path, student: str, notebook: str) -> Submission:
    """Read a student's notebook.

    Parameters
    ----------
    folder : Path
        Of all submissions: ``<student>/<notebook>.ipynb`` or, as nbgrader collects them,
        ``<student>/<assignment>/<notebook>.ipynb``.
    student, notebook : str
        Names, the notebook's without its ending.
    """
    own = folder / student
    name = f"{notebook}.ipynb"
    try:
        if own.is_symlink():
            return Submission("the student's folder is a link, which is not followed")
        places = [own, *sorted(each for each in own.iterdir() if each.is_dir())]
        found = [place / name for place in places if os.path.lexists(place / name)]
        if not found:
            return Submission("not handed in")
        if len(found) > 1:
            return Submission(f"handed in {len(found)} times: leave one {name}")
        if found[0].parent.is_symlink():
            return Submission("its folder is a link, which is not followed")
        data = _read_file(found[0])
    except OSError as error:
        return Submission(f"the file can't be read: {error.strerror}")
    if isinstance(data, str):
        return Submission(data)
    return _parsed(data)


def _read_file(path: Path) -> bytes | str:
    """Read a plain file that is not too large; a text says why it can't be read."""
    # Opening a pipe would wait for ever, and a link may lead to what is not the student's.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_symlink():
        return "the file is a link, which is not followed"
    with os.fdopen(os.open(path, flags), "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            return "it is no plain file"
        if state.st_size > MAX_NOTEBOOK_SIZE:
            return f"the file has more than {MAX_NOTEBOOK_SIZE // 2**20} MB: clear its outputs"
        return file.read(MAX_NOTEBOOK_SIZE)


def _parsed(data: bytes) -> Submission:
    fingerprint = hashlib.sha256(data).hexdigest()
    try:
        notebook = json.loads(data)
        version = notebook["nbformat"]
        if version < 4:
            cells = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
        else:
            cells = notebook["cells"]
        sources = [(cell, _source(cell)) for cell in cells]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError):
        return Submission("the file is not a Jupyter notebook", fingerprint=fingerprint)
    questions = {each.name for lesson in LESSONS.values() for each in lesson}
    code, answers = [], {}
    for cell, source in sources:
        if cell.get("cell_type") == "code":
            code.append(source)
        else:
            name = _grade_id(cell)
            if name in questions:
                answers[name] = source
    return Submission(None, code, answers, fingerprint)


def _source(cell: dict[str, Any]) -> str:
    # Format 3, of 2013, calls a code cell's source its input.
    source = cell.get("source", cell.get("input", ""))
    text = "".join(source) if isinstance(source, list) else source
    if not isinstance(text, str):
        raise TypeError("a source is no text")
    return text


def _grade_id(cell: dict[str, Any]) -> str:
    metadata = cell.get("metadata")
    graded = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return str(graded.get("grade_id")) if isinstance(graded, dict) else ""
