"""Grades: what is taken out of a notebook, what the sandbox lets it do, what the table says."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vividpast_lib.cli.main import main
from vividpast_lib.course.grading import feedback, grading, judging, sandbox, submissions
from vividpast_lib.course.grading.exercises import LESSONS, Exercise, Question
from vividpast_lib.course.grading.release import TEXT_STUB
from vividpast_lib.course.grading.sandbox_worker import excerpt, worker
from vividpast_lib.runtime.errors import VividPastError

NOTEBOOK = "01_lab_color"
needs_sandbox = pytest.mark.skipif(
    sandbox.bubblewrap_problem() is not None,
    reason=f"no sandbox: {sandbox.bubblewrap_problem()}; install the extra `grading` on Linux",
)


def doubled(x: np.ndarray) -> np.ndarray:
    return 2 * x


def draw(random: np.random.Generator) -> list[tuple[np.ndarray]]:
    return [(random.random(3),), (random.random((2, 4)),)]


@pytest.fixture
def lesson(lessons) -> None:
    """Make a course of one small lesson, which needs no PyTorch."""
    lessons.clear()
    small = [
        Exercise("double", 3, draw, doubled, seconds=3),
        Exercise("letters", 2, lambda _random: [()], lambda: "AC"),
        Question("why", 4),
    ]
    lessons[NOTEBOOK] = small


RIGHT = [
    "import numpy as np",
    "def double(x):\n    return np.add(x, x)",
    "def letters(): return 'AC'",
]


def notebook(cells: list[str], answer: str = TEXT_STUB) -> dict:
    metadata = {"nbgrader": {"grade_id": "why", "grade": True, "solution": True}}
    code = [{"cell_type": "code", "metadata": {}, "source": each} for each in cells]
    text = {"cell_type": "markdown", "metadata": metadata, "source": [answer]}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [*code, text]}


def hand_in(folder: Path, student: str, cells: list[str], answer: str = TEXT_STUB) -> Path:
    (folder / student).mkdir(parents=True, exist_ok=True)
    path = folder / student / f"{NOTEBOOK}.ipynb"
    path.write_text(json.dumps(notebook(cells, answer)), "utf-8")
    return path


def table(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["student"], row["exercise"]): row for row in csv.DictReader(file)}


# What is taken out of a notebook.


def value_of(name: str, *cells: str):
    return excerpt.define(name, excerpt.statements(list(cells)))


def test_a_function_is_taken_out_with_what_it_uses_and_nothing_else():
    cells = [
        "import math\nraise SystemExit('a training run')",
        "%matplotlib inline\n!pip install x\nscale = 2\nunused = print('unused')",
        "def helper(x): return scale * x + math.floor(later)",
        "scale += 1",
        "def f(x):\n    inner = [helper(each) for each in x]\n    return inner",
        "this is no Python",
        "later = 1.5\nscale = 100",
    ]
    function, problem = value_of("f", *cells)
    assert problem is None
    assert function([1, 2]) == [4, 7]


def test_the_last_definition_counts_and_earlier_ones_that_it_changes():
    function, _ = value_of("f", "def f(): return 1", "def f(): return 2", "g = f")
    assert function() == 2
    total, _ = value_of(
        "total", "total = 1", "if True:\n    total += 2", "for i in range(3): total += i"
    )
    assert total == 6
    kind, _ = value_of("C", "class Base: x = 3", "class C(Base):\n    def m(self): return self.x")
    assert kind().m() == 3


def test_tables_that_are_filled_in_steps_are_whole():
    table, _ = value_of(
        "f",
        "import numpy as np\ntable = [0] * 3\nother = []\nprint(table)",
        "for i in range(3):\n    table[i] = i * i",
        "table.append(7)\nother.append(1 / 0)",
        "def f(i): return table[i] + f.shift\nf.shift = 1",
    )
    assert [table(i) for i in range(4)] == [1, 2, 5, 8]


def test_calls_of_an_imported_module_are_left_out():
    function, problem = value_of("f", "import math\nmath.nothing(1)\ndef f(): return math.pi")
    assert problem is None
    assert function() > 3


def test_lines_for_jupyter_are_left_out_and_remainders_are_not():
    function, _ = value_of(
        "f", "%%time\n!ls\nfrom math import *\nfloor?\ndef f(x):\n    return floor(x)"
    )
    assert function(2.5) == 2
    function, _ = value_of("f", "def f(x):\n    return (\n        x\n        % 3\n    )")
    assert function(5) == 2


def test_names_of_parameters_don_t_pull_in_the_notebook_s_variables():
    function, problem = value_of("f", "x = 1 / 0", "def f(x): return x")
    assert problem is None
    assert function(7) == 7


def test_annotations_may_name_what_is_not_here_and_errors_above_are_told():
    function, problem = value_of("f", "from vividpast import T", "def f(x: T) -> T: return x")
    assert isinstance(problem, ImportError) or problem is None
    assert function(3) == 3
    with pytest.raises(LookupError, match="defines no g"):
        value_of("g", "def f(): return 1")
    with pytest.raises(ZeroDivisionError):
        value_of("g", "g = 1 / 0")


# What is read of what was handed in.


def test_both_layouts_are_read_and_no_third(tmp_path, lesson):
    hand_in(tmp_path, "ada", RIGHT)
    hand_in(tmp_path / "grace", "vividpast", RIGHT)
    assert submissions.students_of(tmp_path) == ["ada", "grace"]
    for student in ("ada", "grace"):
        read = submissions.read_submission(tmp_path, student, NOTEBOOK)
        assert read.problem is None
        assert read.cells == RIGHT
        assert read.answers == {"why": TEXT_STUB}
    hand_in(tmp_path / "grace", ".", RIGHT)
    assert "handed in 2 times" in (
        submissions.read_submission(tmp_path, "grace", NOTEBOOK).problem or ""
    )
    (tmp_path / "bob").mkdir()
    assert submissions.read_submission(tmp_path, "bob", NOTEBOOK).problem == "not handed in"


def test_a_folder_without_students_is_told(tmp_path):
    with pytest.raises(VividPastError, match="no folders of students"):
        submissions.students_of(tmp_path)
    with pytest.raises(VividPastError, match="can't be read"):
        submissions.students_of(tmp_path / "missing")


# The sandbox.


def run_one(source: str, seconds: float = 3) -> str | None:
    """Give what is wrong with a source as `double`, or None."""
    task = judging.Trial(Exercise("double", 1, draw, doubled, seconds=seconds), 1)
    inputs: dict[str, np.ndarray] = {}
    call = task.for_worker(0, inputs)
    (came_back,) = sandbox.run("bubblewrap", [[source]], [call], inputs, uses_torch=False)
    return task.judge(*came_back)


@needs_sandbox
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def double(x): return x + x", None),
        ("def double(x): return (2 * x).tolist()", None),
        ("def double(x): raise NotImplementedError", "not solved"),
        ("def double(x): return x", "test 1 of 2: the value at"),
        ("def double(x): return 2 * x[:1]", "test 1 of 2: the shape is"),
        ("def double(x):\n    x *= 2\n    return x", "changes its input"),
        ("def double(x): return None", "gives back a NoneType"),
        ("double = 3", "not callable"),
        ("other = 3", "defines no double"),
        ("def double(x): return y", "NameError: name 'y'"),
        (
            "from vividpast_lib import lab\ndef double(x): return lab.x",
            "No module named 'vividpast",
        ),
        ("def double(x):\n    while True: pass", "longer than 3 s"),
        ("import os\ndef double(x): os._exit(0)", "ended its process"),
        ("import time\ndef double(x): time.sleep(100)", "longer than 3 s"),
        ("def double(x): return [0] * 101", "the shape is"),
    ],
)
def test_a_fault_is_told(source, said):
    fault = run_one(source)
    assert fault == said if said is None else said in (fault or "")


@needs_sandbox
def test_nothing_of_the_machine_is_in_reach():
    source = """
import os, sys
def double(x):
    seen = {each for each in os.listdir("/")}
    allowed = {"dev", "etc", "lib", "lib64", "packages", "proc", "tmp", "usr", "worker.py"}
    python = set(sys.executable.split("/"))
    assert seen - allowed <= python, seen
    assert os.getuid() != 0 and os.getcwd().startswith("/tmp/") and os.listdir() == []
    for folder, folders, files in os.walk("/"):
        folders[:] = [each for each in folders if os.path.join(folder, each) != "/proc"]
        for each in folders + files:
            assert not each.startswith(("skimage", "vividpast", "gradebook")), (folder, each)
    assert not [each for each in os.environ if "VIVID" in each or "PATH" in each and each != "PATH"]
    for place in ("/", "/usr/lib", "/packages", "/dev", sys.base_prefix):
        try:
            open(os.path.join(place, "file"), "w")
        except OSError:
            continue
        raise RuntimeError(place)
    return x + x
"""
    assert run_one(source, seconds=30) is None


@needs_sandbox
def test_one_exercise_does_not_disturb_the_next():
    good = "def double(x): return x + x"
    bad = [
        "import os\ndef double(x): os._exit(0)",
        "import os\ndef double(x): os.kill(os.getppid(), 9)",
    ]
    bad += ["import numpy\ndef double(x):\n    numpy.ndarray = numpy.add = None\n    raise OSError"]
    sources = [good, bad[0], good, bad[1], good, bad[2], good]
    task = judging.Trial(Exercise("double", 1, draw, doubled), 1)
    inputs: dict[str, np.ndarray] = {}
    calls = [task.for_worker(number, inputs) for number in range(len(sources))]
    came_back = sandbox.run("bubblewrap", [[each] for each in sources], calls, inputs, False)
    assert [task.judge(*each) is None for each in came_back] == [each == good for each in sources]


# Run with level "landlock" by a user who is not root.
BY_LANDLOCK = """
import os, sys
import numpy as np
from vividpast_lib.course.grading import judging, sandbox
from vividpast_lib.course.grading.exercises import Exercise

assert sandbox.choose_level("landlock") == "landlock"
lab = os.path.join(os.path.dirname(sandbox.__file__), "..", "..", "color", "lab.py")
assert os.path.exists(lab)
victim = os.getpid()
sources = {
    "import numpy as np\\ndef double(x): return np.add(x, x)": None,
    "def double(x):\\n    open('own', 'w').write('x')\\n    return x + x": None,
    f"def double(x): return open({lab!r}).read()": "PermissionError",
    f"import os\\ndef double(x): return os.listdir({os.path.dirname(lab)!r})": "PermissionError",
    "def double(x): return open('/etc/passwd').read()": "PermissionError",
    "def double(x): return open('/tmp/own', 'w')": "PermissionError",
    f"import os\\ndef double(x): os.kill({victim}, 9)": "PermissionError",
    "import socket\\ndef double(x): socket.create_connection(('127.0.0.1', 9))": "PermissionError",
}
draw = lambda random: [(random.random(3),)]
task = judging.Trial(Exercise("double", 1, draw, lambda x: 2 * x), 1)
inputs = {}
calls = [task.for_worker(number, inputs) for number in range(len(sources))]
notebooks = [[source] for source in sources]
for source, answer in zip(sources, sandbox.run("landlock", notebooks, calls, inputs, False)):
    said = task.judge(*answer)
    assert said is sources[source] or sources[source] in said, (source, said)
print("all held back")
"""


def test_landlock_holds_back_what_bubblewrap_does(tmp_path):
    command = [sys.executable, "-c", BY_LANDLOCK]
    if os.geteuid() == 0:  # become another user, without losing the way to Python
        if sandbox.bubblewrap_problem() is not None:
            pytest.skip("root can't become another user without bubblewrap")
        bubblewrap = [sandbox.find_bubblewrap(), "--dev-bind", "/", "/", "--unshare-user"]
        command = [*bubblewrap, "--uid", "1000", "--gid", "1000", *command]
    elif sandbox.landlock_problem() is not None:
        pytest.skip(f"no Landlock: {sandbox.landlock_problem()}")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if "or has no Landlock" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.stdout == "all held back\n", done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is left"


def test_what_comes_back_is_not_trusted():
    task = judging.Trial(Exercise("double", 1, draw, doubled), 1)
    import io

    from safetensors.numpy import save

    right = {f"{n}.out.0": value for n, value in enumerate(task.right)}
    right |= {f"{n}.in.0": value for n, (value,) in enumerate(task.calls)}
    assert task.judge({"status": "answered", "counts": [-1, -1]}, save(right)) is None
    for header, body in [
        ({}, b""),
        ({"status": "answered"}, save(right)),
        ({"status": "answered", "counts": [-1]}, b"\x80\x04cos\nsystem\n."),
        ({"status": "answered", "counts": "x"}, save(right)),
        ({"status": "answered", "counts": [10**9, 1]}, save(right)),
        ({"status": "answered", "counts": [-1, -1]}, save({"0.out.0": task.right[0]})),
        ({"status": ["answered"], "text": {}}, b""),
        ({"status": "raised", "text": ["\x1b[31m"] * 1000}, b""),
        ({"status": "answered", "counts": [-1, -1]}, b"\xff" * 8 + b"{}"),
    ]:
        fault = task.judge(header, body)
        assert fault and len(fault) < 400 and fault.isprintable()
    for data in (b"[1]\n", b'{"size": -1}\n', b'{"size": 1e9}\n', b"{}\n", b"[" * 99999 + b"\n"):
        with pytest.raises((ValueError, EOFError)):
            worker.receive(io.BytesIO(data), 100, 200_000)


def test_without_a_sandbox_nothing_is_graded(monkeypatch):
    monkeypatch.setattr(sandbox, "bubblewrap_problem", lambda: "no user namespaces")
    monkeypatch.setattr(sandbox, "landlock_problem", lambda: None)
    assert sandbox.choose_level() == "landlock"
    monkeypatch.setattr(sandbox, "landlock_problem", lambda: "an old kernel")
    with pytest.raises(VividPastError, match=r"no user name.*an old kernel.*--sandbox process"):
        sandbox.choose_level()


@needs_sandbox
def test_a_sandbox_that_breaks_off_takes_nobody_s_points(monkeypatch):
    monkeypatch.setattr(sandbox, "_python", lambda *_: ["/nowhere/python"])
    with pytest.raises(VividPastError, match="broke off before it began"):
        run_one("def double(x): return x + x")


# A class.


@needs_sandbox
def test_a_class_gets_a_table_with_a_row_an_exercise(tmp_path, lesson, capsys):
    folder = tmp_path / "in"
    hand_in(folder, "ada", RIGHT, "Because of the median.")
    hand_in(folder, "bob", [RIGHT[0], RIGHT[1].replace("add", "multiply"), RIGHT[2]])
    (folder / "eve").mkdir()
    out = tmp_path / "grades.csv"
    assert main(["course", "grade", str(folder), "-o", str(out)]) == 0
    lines = out.read_text("utf-8").splitlines()
    assert lines[0] == "student,notebook,exercise,score,max_score,note"
    assert lines[1:4] == [
        f"ada,{NOTEBOOK},double,3,3,",
        f"ada,{NOTEBOOK},letters,2,2,",
        f"ada,{NOTEBOOK},why,,4,to be graded by hand",
    ]
    rows = table(out)
    assert rows["bob", "double"]["score"] == "0"
    assert "the value at" in rows["bob", "double"]["note"]
    assert rows["bob", "letters"]["score"] == "2"
    assert (rows["bob", "why"]["score"], rows["bob", "why"]["note"]) == ("0", "not answered")
    assert {rows["eve", each]["note"] for each in ("double", "letters", "why")} == {"not handed in"}
    assert "1 answers are still to be graded by hand" in capsys.readouterr().out
    page = (tmp_path / "grades.feedback" / "ada.html").read_text("utf-8")
    assert "5 of 9 points" in page and "Because of the median." in page

    marks = tmp_path / "marks.csv"
    marks.write_text("student,exercise,score,note\nada,why,3.5,well said\nbob,why,,\n", "utf-8")
    assert main(["course", "grade", str(folder), "-o", str(out), "--marks", str(marks)]) == 0
    assert table(out)["ada", "why"]["score"] == "3.5"
    assert table(out)["ada", "why"]["note"] == "well said"
    assert "3 students, 0 graded now" in capsys.readouterr().out


@needs_sandbox
def test_only_who_has_handed_in_something_else_is_graded_again(tmp_path, lesson):
    folder, out = tmp_path / "in", tmp_path / "grades.csv"
    for student in ("ada", "bob", "eve"):
        hand_in(folder, student, RIGHT)
    anew: list[str] = []

    def on_progress(report, made, _students):
        if made:
            anew.append(report.student)

    grading.grade_class(folder, out, "bubblewrap", on_progress=on_progress)
    assert sorted(anew) == ["ada", "bob", "eve"]
    anew.clear()
    hand_in(folder, "bob", [RIGHT[0], "def double(x): return x", RIGHT[2]])
    hand_in(folder, "new", RIGHT)
    grading.grade_class(folder, out, "bubblewrap", on_progress=on_progress)
    assert sorted(anew) == ["bob", "new"]
    assert table(out)["bob", "double"]["score"] == "0"
    assert table(out)["ada", "double"]["score"] == "3"


@needs_sandbox
def test_a_kill_in_the_middle_continues(tmp_path):
    """Kill the command after some students; the others are graded by the next call."""
    folder, out = tmp_path / "in", tmp_path / "grades.csv"
    slow = (
        "import time\ndef srgb_from_light(x):\n    time.sleep(0.7)\n    raise NotImplementedError"
    )
    for number in range(8):
        hand_in(folder, f"student{number}", [slow])
    command = [sys.executable, "-m", "vividpast_lib.cli", "course", "grade", str(folder)]
    command += ["-o", str(out), "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    kept = Path(f"{out}.graded")
    deadline = time.monotonic() + 600
    while len(list(kept.glob("*.json"))) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    before = {path: path.stat().st_mtime_ns for path in kept.glob("*.json")}
    assert 2 <= len(before) < 8
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    assert len(table(out)) == 8 * sum(len(each) for each in LESSONS.values())
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_file_that_is_no_table_is_not_replaced(tmp_path, lesson):
    hand_in(tmp_path / "in", "ada", RIGHT)
    precious = tmp_path / "grades.csv"
    precious.write_text("my only copy\n", "utf-8")
    with pytest.raises(VividPastError, match="no table of grades"):
        grading.grade_class(tmp_path / "in", precious, "bubblewrap")
    assert precious.read_text("utf-8") == "my only copy\n"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("nobody,why,1", "no student 'nobody'"),
        ("ada,nothing,1", "no exercise 'nothing'"),
        ("ada,why,5", "a number from 0 to 4, not '5'"),
        ("ada,why,nan", "a number from 0 to 4"),
        ("ada,why,much", "a number from 0 to 4"),
    ],
)
def test_wrong_marks_are_told(tmp_path, lesson, row, said):
    marks = tmp_path / "marks.csv"
    marks.write_text(f"student,exercise,score\n{row}\n", "utf-8")
    with pytest.raises(VividPastError, match=r"line 2") as error:
        grading.read_marks(marks, ["ada"])
    assert said in str(error.value)
    with pytest.raises(VividPastError, match="can't be read"):
        grading.read_marks(tmp_path / "missing.csv", ["ada"])


def test_a_name_is_no_formula_to_a_spreadsheet(tmp_path):
    names = ("=1+1", "@ada", "ada=1")
    reports = [
        grading.StudentReport(each, [grading.Grade(each, NOTEBOOK, "why", 1, 4, "")], {})
        for each in names
    ]
    grading.write_table(reports, tmp_path / "grades.csv")
    assert [student for student, _ in table(tmp_path / "grades.csv")] == ["'=1+1", "'@ada", "ada=1"]


def test_pages_show_what_students_wrote_as_text():
    evil = "<script>alert(1)</script>"
    grade = grading.Grade(evil, NOTEBOOK, "why", 1, 4, evil)
    text = feedback.page(grading.StudentReport(evil, [grade], {"why": evil}))
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 4
