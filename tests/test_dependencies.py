"""pyproject.toml, environment.yml, requirements.lock and docs/dependencies.md say the same."""

import re
import subprocess
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
SETS = {"base": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
REQUIREMENTS = [Requirement(line) for lines in SETS.values() for line in lines]


def by_name(requirements: list[Requirement]) -> dict[str, str]:
    return {canonicalize_name(each.name): str(each.specifier) for each in requirements}


def pinned_versions(lock: str) -> dict[str, list[Version]]:
    """Every version that the lock has for a package: there may be one a platform."""
    pins: dict[str, list[Version]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE):
        pins.setdefault(canonicalize_name(name), []).append(Version(version))
    return pins


def test_environment_lists_the_same_requirements():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    (pip,) = [each["pip"] for each in environment["dependencies"] if isinstance(each, dict)]
    assert pip.count("-e .") == 1
    listed = [Requirement(line) for line in pip if line != "-e ."]
    assert len(listed) == len(by_name(listed)), "a package is listed twice"
    assert by_name(listed) == by_name(REQUIREMENTS)


def test_environment_has_a_python_that_the_project_allows():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    conda = [each for each in environment["dependencies"] if isinstance(each, str)]
    (python,) = [each for each in conda if each.split()[0] == "python"]
    assert PROJECT["requires-python"] in python.split()[1].split(",")
    assert "pip" in conda


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_lock_pins_every_requirement_within_its_specifier(requirement):
    pins = pinned_versions(LOCK).get(canonicalize_name(requirement.name), [])
    assert pins, f"requirements.lock has no {requirement.name}: run `make lock`"
    assert all(version in requirement.specifier for version in pins)


def test_lock_holds_pinned_packages_and_nothing_else():
    lines = [line for line in LOCK.splitlines() if line and not line.lstrip().startswith("#")]
    assert [line for line in lines if not re.match(r"[\w.-]+==[^\s;]+( ; .+)?$", line)] == []


def test_lock_names_no_address_and_no_path():
    assert re.findall(r".*(?:https?:|file:|--\w*index|--find-links|@ ).*", LOCK) == []
    header = [line for line in LOCK.splitlines() if re.match(r"#|    #    ", line)]
    assert [line for line in header if "/" in line] == []


def test_git_holds_no_uv_lock():
    """uv.lock has an index address on every line; requirements.lock takes its place."""
    git = subprocess.run(
        ["git", "ls-files", "--error-unmatch", "uv.lock"], cwd=ROOT, capture_output=True, text=True
    )
    if "not a git repository" in git.stderr:
        pytest.skip("not a git checkout")
    assert git.returncode == 1, "uv.lock is tracked"


def test_lock_has_a_matched_pair_of_torch_and_torchvision():
    """An unmatched pair fails at `import torchvision`, or when one of its operators runs."""
    pins = pinned_versions(LOCK)
    (torch,), (torchvision,) = pins["torch"], pins["torchvision"]
    installed = {
        name: Version(metadata.version(name).split("+")[0]) for name in ("torch", "torchvision")
    }
    if installed["torchvision"] != torchvision:
        pytest.skip(f"torchvision {installed['torchvision']} is not the lock's {torchvision}")
    needed = [Requirement(line) for line in metadata.requires("torchvision") or []]
    (specifier,) = [each.specifier for each in needed if each.name == "torch"]
    assert torch in specifier

    if installed["torch"] != torch:
        pytest.skip(f"torch {installed['torch']} is not the lock's {torch}")
    from torch import tensor
    from torchvision.ops import nms

    box = tensor([[0.0, 0.0, 1.0, 1.0]])
    assert nms(box.repeat(2, 1), tensor([0.1, 0.2]), 0.5).tolist() == [1]


def test_docs_explain_each_dependency_and_each_extra():
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    for name, lines in SETS.items():
        title = "Base" if name == "base" else f"Extra `{name}`"
        (body,) = [body for heading, body in sections.items() if heading.startswith(title)]
        explained = re.findall(r"^\| `([\w.-]+)` \| \S.*\|$", body, re.MULTILINE)
        assert sorted(explained) == sorted(Requirement(line).name for line in lines)
