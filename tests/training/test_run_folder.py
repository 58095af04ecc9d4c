"""The committed histories and measurements: the lessons show these, and their commands exist."""

import csv
import re
import shlex
from pathlib import Path

import nbformat
import pytest

from tests.support import ROOT
from vividpast_lib.cli.main import _parser
from vividpast_lib.course.ablation.study import study_summary
from vividpast_lib.course.ablation.variants import PLANS, SEEDS, VARIANTS, Plan
from vividpast_lib.training.run_folder import read_history

RUNS_2018 = sorted(file.parent for file in (ROOT / "data" / "runs" / "2018").glob("*/history.csv"))


def shown(notebook: str) -> str:
    """Everything that a notebook prints."""
    cells = nbformat.read(ROOT / "notebooks" / notebook, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_both_networks_were_trained_alike() -> None:
    names = {run.name for run in RUNS_2018}
    for kind, epochs in (("1000", 100), ("full", 8)):
        ours, theirs = (
            sorted(
                name.removeprefix(network) for name in names if name.startswith(f"{network}-{kind}")
            )
            for network in ("autoencoder", "fusion2018")
        )
        assert ours == theirs != []
        for run in RUNS_2018:
            if kind in run.name:
                assert len(read_history(run / "history.csv")) == epochs
    histories = [(run / "history.csv").read_bytes() for run in RUNS_2018]
    assert len(set(histories)) == len(histories)


@pytest.mark.parametrize("run", RUNS_2018, ids=lambda run: run.name)
def test_lesson_05_shows_the_histories(run: Path) -> None:
    history = read_history(run / "history.csv")
    lowest = min(history, key=lambda row: row["val_ab_l1"])
    last = history[-1]
    expected = [lowest["val_ab_l1"], lowest["epoch"], last["val_ab_l1"], last["train_ab_l1"]]
    row = re.search(rf"^{run.name} (.*)$", shown("05_fusion.ipynb"), re.MULTILINE)
    assert row, "has no row"
    numbers = [float(number) for number in re.findall(r"[\d.]+", row[1])]
    assert numbers == pytest.approx(expected, abs=0.006)


def test_lesson_05_shows_what_was_measured() -> None:
    for model, label in (("autoencoder2018", "not fused"), ("fusion2018", "fused")):
        with (ROOT / "data" / "measured" / f"{model}_val.csv").open(encoding="utf-8") as file:
            values = [float(row["ab_l1"]) for row in csv.DictReader(file)]
        row = re.search(rf"^{label} +([\d.]+)", shown("05_fusion.ipynb"), re.MULTILINE)
        assert row and float(row[1]) == pytest.approx(sum(values) / len(values), abs=0.006)


def study_runs(plan: Plan) -> dict[str, list[dict[str, float]]]:
    folder = ROOT / "data" / "runs" / "study" / str(plan.photos)
    return {file.parent.name: read_history(file) for file in folder.glob("*/history.csv")}


@pytest.mark.parametrize("plan", PLANS.values(), ids=lambda plan: str(plan.photos))
def test_every_variant_of_the_study_was_trained_with_every_seed(plan: Plan) -> None:
    runs = study_runs(plan)
    assert set(runs) == {f"{variant}-{seed}" for variant in VARIANTS for seed in SEEDS}
    assert {len(history) for history in runs.values()} == {plan.epochs}
    assert len({str(history) for history in runs.values()}) == len(runs)
    # All judged by the same photos.
    for key in ("val_grey_ab_l1", "seen_grey_ab_l1"):
        assert len({row[key] for history in runs.values() for row in history}) == 1


@pytest.mark.parametrize("plan", PLANS.values(), ids=lambda plan: str(plan.photos))
def test_lesson_06_shows_the_runs_of_the_study(plan: Plan) -> None:
    table = study_summary(study_runs(plan)).splitlines()
    assert len(table) == 1 + len(VARIANTS)
    assert set(table) <= set(shown("06_why_fusion_overfits.ipynb").splitlines())


@pytest.mark.parametrize(
    "page",
    ["README.md", *(f"data/{name}/README.md" for name in ("runs/2018", "runs/study", "measured"))],
)
def test_commands_on_the_page_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"(?:^|\s|`)(?:\.venv/bin/)?vividpast (\w[^`#\n]*)", text)
    commands = [command for command in commands if " " in command.replace(" --help", "")]
    assert commands
    for command in commands:
        _parser().parse_args(shlex.split(command.replace("...", "x")))
