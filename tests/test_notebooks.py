"""The notebooks are committed executed, keep the house rules, and nbval really compares them."""

import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.support import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_LINES = 15
MAX_CODE_CELLS_IN_A_ROW = 3
# Cells whose output nbval does not compare, as (notebook, a part of the cell's source).
NOT_COMPARED: list[tuple[str, str]] = []
UNCOMPARED_TAGS = {
    "nbval-ignore-output",
    "nbval-skip",
    "nbval-raises-exception",
    "raises-exception",
}
UNCOMPARED_MARKS = re.compile(r"NBVAL_(IGNORE_OUTPUT|SKIP|RAISES_EXCEPTION)|PYTEST_VALIDATE_IGNORE")
MACHINE_PATH = re.compile(
    r"(?<![\w.:/])/(?:home|Users|root|tmp|work|mnt|opt|srv|var|private|content|workspace|builds?)/"
    r"|\b[A-Za-z]:\\\\?Users\\"
)


def load(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def texts(output: NotebookNode) -> list[str]:
    """Every text of an output, pictures left out."""
    found = [output.get("text", ""), *output.get("traceback", [])]
    data = output.get("data", {})
    found += [value for kind, value in data.items() if not kind.startswith("image/")]
    return [re.sub(r"data:(?:image|video)/\w+;base64,[\w+/=\s]+", "", str(text)) for text in found]


def lines_of_code(cell: NotebookNode) -> int:
    lines = (line.strip() for line in cell.source.splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


def has_alt_text(output: NotebookNode) -> bool:
    """Tell whether a figure has a text for those who cannot see it."""
    pictures = [kind for kind in output.data if kind in ("image/png", "image/jpeg")]
    html = re.findall(r"<(?:img|video)\b[^>]*>", output.data.get("text/html", ""))
    if html:
        return all(
            re.search(r"""\b(?:alt|aria-label)=(["'])\s*[^\s"'].*?\1""", tag, re.DOTALL)
            for tag in html
        )
    metadata = output.get("metadata", {})
    return all(metadata.get(kind, {}).get("alt", "").strip() for kind in pictures)


def prose(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def headings(notebook: NotebookNode) -> list[str]:
    return re.findall(r"^#{1,6} +(.+?) *#*$", prose(notebook), re.MULTILINE)


def test_there_are_notebooks():
    assert NOTEBOOKS
    assert NOTEBOOKS[0].name == "00_start_here.ipynb"


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path) -> NotebookNode:
    return load(path)


def test_format_is_valid(path):
    nbformat.validate(nbformat.read(path, as_version=nbformat.NO_CONVERT))


def test_is_committed_executed_in_order(notebook):
    """Nbval compares nothing in a cell without a count."""
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_shows_no_error(notebook):
    assert [output.ename for output in outputs(notebook) if output.output_type == "error"] == []


def test_figures_have_alt_text(notebook):
    shown = [output for output in outputs(notebook) if "data" in output]
    assert [output.data.get("text/plain") for output in shown if not has_alt_text(output)] == []


def test_pictures_in_prose_have_alt_text(notebook):
    text = prose(notebook)
    assert re.findall(r"!\[\s*\]\([^)]*\)", text) == []
    tags = re.findall(r"<img\b[^>]*>", text)
    assert [tag for tag in tags if not re.search(r"""\balt=["']\s*[^\s"']""", tag)] == []


def test_cells_are_short(notebook):
    long = [cell.source for cell in code_cells(notebook) if lines_of_code(cell) > MAX_LINES]
    assert long == []


def test_prose_leads_the_code(notebook):
    kinds = [cell.cell_type for cell in notebook.cells if cell.source.strip()]
    assert kinds[0] == "markdown"
    runs = re.findall("c+", "".join("c" if kind == "code" else "m" for kind in kinds))
    assert max(map(len, runs), default=0) <= MAX_CODE_CELLS_IN_A_ROW


def test_has_the_sections_of_a_lesson(notebook):
    assert {"Objectives", "Summary", "Exercises"} <= set(headings(notebook))


def test_hides_no_cell_from_nbval(path, notebook):
    hidden = [
        cell.source
        for cell in notebook.cells
        if UNCOMPARED_MARKS.search(cell.source)
        or UNCOMPARED_TAGS & set(cell.metadata.get("tags", []))
    ]
    listed = [part for name, part in NOT_COMPARED if name == path.name]
    assert [source for source in hidden if not any(part in source for part in listed)] == []


def test_shows_more_than_figures(path, notebook):
    """Pictures are not compared: a lesson that shows nothing else could go wrong unseen."""
    if path.name.startswith("00_"):
        return
    data = [output.get("data", {}) for output in outputs(notebook)]
    values = [each for each in data if "<img" not in each.get("text/html", "")]
    printed = [output.text for output in outputs(notebook) if output.output_type == "stream"]
    assert printed or any("text/plain" in each for each in values)


def test_outputs_name_no_path_of_a_machine(notebook):
    found = [text for output in outputs(notebook) for text in texts(output)]
    assert [text for text in found if MACHINE_PATH.search(text)] == []


def run_nbval(notebook: NotebookNode, path: Path) -> subprocess.CompletedProcess[str]:
    """Compare a notebook written to ``path``, away from the project's own pytest settings."""
    nbformat.write(notebook, path)
    settings = path.with_name("pytest.ini")
    settings.write_text("[pytest]\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-c", str(settings), "-p", "no:cacheprovider"]
    command += ["--nbval", "--nbval-current-env", "--nbval-sanitize-with"]
    command += [str(ROOT / "tests" / "nbval_sanitize.cfg"), str(path)]
    return subprocess.run(
        command, cwd=path.parent, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def two_cells() -> NotebookNode:
    """Make a tiny executed notebook with a number, an address and a path for the sanitizer."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    sources = {
        "total = 0.125 + 0.25\ntotal": "0.375",
        'print(object(), "/tmp/a1/photo.jpg", hex(10))': (
            "<object object at 0x7f00deadbeef> /tmp/zz/other.jpg 0xa\n"
        ),
    }
    for count, (source, shown) in enumerate(sources.items(), start=1):
        cell = nbformat.v4.new_code_cell(source, execution_count=count)
        if source.startswith("print"):
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=shown)]
        else:
            data = {"text/plain": shown}
            result = nbformat.v4.new_output("execute_result", data=data, execution_count=count)
            cell.outputs = [result]
        notebook.cells.append(cell)
    return notebook


def test_nbval_passes_what_is_the_same_and_fails_what_is_not(tmp_path):
    same = run_nbval(two_cells(), tmp_path / "same.ipynb")
    assert same.returncode == 0, same.stdout
    assert "2 passed" in same.stdout

    number = two_cells()
    number.cells[0].outputs[0].data["text/plain"] = "0.376"
    changed = run_nbval(number, tmp_path / "number.ipynb")
    assert changed.returncode == 1, changed.stdout
    assert "1 failed, 1 passed" in changed.stdout

    printed = two_cells()
    printed.cells[1].outputs[0].text = printed.cells[1].outputs[0].text.replace("0xa", "0xb")
    assert run_nbval(printed, tmp_path / "printed.ipynb").returncode == 1


def test_the_checks_notice_what_they_are_for():
    """Break a good notebook in one way at a time."""
    good = two_cells()
    assert has_alt_text(nbformat.v4.new_output("display_data", data={"text/plain": "3"}))
    figure = nbformat.v4.new_output("display_data", data={"image/png": "iVBO"})
    assert not has_alt_text(figure)
    described = deepcopy(figure)
    described.metadata = {"image/png": {"alt": "A red barn"}}
    assert has_alt_text(described)
    for html, expected in {
        '<img src="data:image/png;base64,iVBO" alt="A red barn">': True,
        "<img src='a.png' alt='It is \"red\"'>": True,
        '<img src="a.png" alt="">': False,
        '<img src="a.png">': False,
        '<video src="a.mp4" aria-label="A red barn">': True,
        '<video src="a.mp4">': False,
    }.items():
        output = nbformat.v4.new_output("display_data", data={"text/html": html})
        assert has_alt_text(output) is expected, html

    for path, expected in {
        "/home/ada/photo.jpg": True,
        "saved in '/tmp/x'": True,
        r"C:\Users\ada": True,
        "../data/photos/work/a.jpg": False,
        "https://example.org/home/a": False,
    }.items():
        assert bool(MACHINE_PATH.search(path)) is expected, path

    assert lines_of_code(good.cells[0]) == 2
    assert not UNCOMPARED_MARKS.search(good.cells[0].source)
    assert UNCOMPARED_MARKS.search("# NBVAL_IGNORE_OUTPUT\n1")
