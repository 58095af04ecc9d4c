"""The tree is the architecture: the maps in texts are those of the folders, imports go one way."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

import vividpast_lib
from tests.support import ROOT

LIBRARY = ROOT / "vividpast_lib"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
#: But for the folder of students' solutions, which nobody imports.
PACKAGES = sorted(
    path.parent for path in LIBRARY.rglob("__init__.py") if "planted" not in path.parts
)
#: A line of a docstring's map: a file or sub-package, and what it is for.
ENTRY = re.compile(r"^    (\w+(?:\.py|/)) +(\S.*)$", re.MULTILINE)


def docstring(package: Path) -> str:
    return ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))) or ""


def listed(package: Path) -> dict[str, str]:
    """Read the map in a package's docstring: what it is for, by file or sub-package."""
    return dict(ENTRY.findall(docstring(package)))


def entries(folder: Path) -> set[str]:
    """Name what a package holds: its modules, and its sub-packages with a slash."""
    modules = {path.name for path in folder.glob("*.py") if not path.name.startswith("__")}
    return modules | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}


def layers() -> list[set[str]]:
    """Read the contract's layers, the lowest first; several packages can be beside each other."""
    (contract,) = [each for each in CONTRACTS["contracts"] if each["containers"] == [LIBRARY.name]]
    return [set(re.split(r" *\| *", layer)) for layer in reversed(contract["layers"])]


def table(name: str) -> list[tuple[str, str]]:
    """Read the map of packages in README or CONTRIBUTING."""
    return re.findall(r"^\| `(\w+/)` \| (.+) \|$", (ROOT / name).read_text("utf-8"), re.MULTILINE)


def test_the_map_of_packages_is_the_tree_in_the_order_of_the_layers():
    packages = listed(LIBRARY)
    assert set(packages) == entries(LIBRARY)
    names = [name.rstrip("/") for name in packages]
    for layer in layers():
        assert set(names[: len(layer)]) == layer
        names = names[len(layer) :]
    assert names == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_map_of_packages_in_a_text_is_that_of_the_library(name):
    assert table(name) == list(listed(LIBRARY).items())


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_s_docstring_lists_what_it_holds(package):
    assert set(listed(package)) == entries(package)


def test_the_library_shows_at_most_ten_entries():
    shown = [path.name for path in LIBRARY.iterdir() if path.name != "__pycache__"]
    assert len(shown) <= 10, shown


def test_the_door_opens():
    for name in vividpast_lib.__all__:
        assert getattr(vividpast_lib, name) is not None
    code = "from vividpast_lib import *; print(Colorizer, fit, colorize_film, rgb_to_lab)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_of_a_package_is_there(package):
    name = ".".join(package.relative_to(ROOT).parts)
    module = __import__(name, fromlist=["*"])
    for each in getattr(module, "__all__", ()):
        assert getattr(module, each) is not None


def test_importing_the_library_loads_nothing_heavy():
    code = "import sys, vividpast_lib; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
    )
    loaded = set(run.stdout.split())
    assert "vividpast_lib" in loaded
    assert loaded & {"torch", "torchvision", "numpy", "scipy", "PIL", "matplotlib", "av"} == set()


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of a copy of the library."""
    program = Path(sys.executable).with_name("lint-imports")
    environment = {"PATH": str(program.parent), "PYTHONPATH": str(folder)}
    return subprocess.run(
        [str(program), "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture
def copy(tmp_path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    only_code = shutil.ignore_patterns("__pycache__", "weights", "static", "planted")
    shutil.copytree(LIBRARY, tmp_path / LIBRARY.name, ignore=only_code)
    return tmp_path


def test_imports_go_one_way(copy):
    checked = lint_imports(copy)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("color/scaling.py", "from ..film import reading"),
        ("colorize/compose.py", "from ..training import loop"),
        ("film/reading.py", "from vividpast_lib.cli import main"),
        ("course/checks.py", "from .widgets import demo"),
    ],
)
def test_a_forbidden_import_is_found(copy, file, line):
    path = copy / LIBRARY.name / file
    path.write_text(path.read_text("utf-8") + f"\n{line}\n", "utf-8")
    checked = lint_imports(copy)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert "BROKEN" in checked.stdout


def test_no_files_import_each_other_in_a_circle():
    graph = grimp.build_graph(LIBRARY.name, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()  # raises a CycleError that names a circle


def test_a_circle_would_be_found():
    with pytest.raises(CycleError, match="cycle"):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()
