"""`make bench`: not how fast it is, but that what is measured comes out."""

import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SHARED = {"__main__", "measure"}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("bench", FOLDER / "__main__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.torch, "set_num_threads", lambda _count: None)
    return module


def test_every_benchmark_is_run(bench: ModuleType) -> None:
    assert {file.stem for file in FOLDER.glob("*.py")} - SHARED == set(bench.BENCHMARKS)


def test_what_was_found_is_written_even_if_a_later_one_fails(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        bench.Result("fast_enough", np.float64(2.0), "two beside one", at_least=1),
        bench.Result("too_large", 3.0, "three beside one", at_most=1.2),
        bench.Result("growing", 1.0, "in proportion", points={"photos": [(1.0, 2.0), (2.0, 4.0)]}),
    ]

    def fail(_options: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setitem(sys.modules, "film_memory", SimpleNamespace(measure=lambda _options: found))
    monkeypatch.setitem(sys.modules, "scaling", SimpleNamespace(measure=fail))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "film_memory", "scaling"])
    with pytest.raises(RuntimeError, match="broken"):
        bench.main()
    written = json.loads(Path("out/bench.json").read_text("utf-8"))
    assert written["ratios"] == {"fast_enough": 2.0, "too_large": 3.0, "growing": 1.0}
    holds = {name: limit["holds"] for name, limit in written["limits"].items()}
    assert holds == {"fast_enough": True, "too_large": False}
    assert written["points"] == {"photos": [[1.0, 2.0], [2.0, 4.0]]}
    assert Path("out/bench.png").stat().st_size > 1000


def test_medians_are_of_the_tasks_named(bench: ModuleType) -> None:
    runs = {"one": 0, "other": 0}

    def count(name: str) -> None:
        runs[name] += 1

    from measure import medians  # on the path only here

    times = medians({name: lambda name=name: count(name) for name in runs}, rounds=3)
    assert list(times) == ["one", "other"]
    assert runs == {"one": 4, "other": 4}  # once to warm up


def test_the_peak_is_not_that_of_who_started_it(bench: ModuleType) -> None:
    from film_memory import peak

    large = bytearray(b"x") * 500_000_000
    command = [sys.executable, "-c", inspect.getsource(peak) + "\nprint(peak())"]
    small = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert small < 100 < len(large) / 1e6 < peak()
