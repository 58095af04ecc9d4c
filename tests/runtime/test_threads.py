import platform
import subprocess
import sys
import threading

import pytest
import torch

from vividpast_lib.runtime.devices import best_precision
from vividpast_lib.runtime.threads import run_in_threads, single_threaded_ops


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_last_one_out_gives_torch_its_threads_back(three_threads) -> None:
    first, second = single_threaded_ops(), single_threaded_ops()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert torch.get_num_threads() == 1
    second.__exit__(None, None, None)
    assert torch.get_num_threads() == 3


def test_an_error_gives_torch_its_threads_back_too(three_threads) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_in_threads(fail, at_most=9)
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("at_most", "threads"), [(9, 3), (2, 2), (1, 1)])
def test_work_is_called_in_each_thread_at_the_same_time(
    three_threads, at_most: int, threads: int
) -> None:
    together = threading.Barrier(threads, timeout=60)
    run_in_threads(lambda: together.wait() and None, at_most)
    assert not together.broken


def test_alone_in_one_thread_an_operation_may_use_all(three_threads) -> None:
    seen = []
    run_in_threads(lambda: seen.append(torch.get_num_threads()), at_most=1)
    assert seen == [3]


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "precision"),
    [(False, False, "float32"), (True, False, "bfloat16"), (False, True, "bfloat16")],
)
def test_a_processor_computes_in_bfloat16_where_it_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx512_bf16: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)
    assert best_precision(torch.device("cpu")) == precision


# In a process of its own: what earlier tests have left free would be used first.
USE_MEMORY = """
from pathlib import Path
from vividpast_lib.devices import memory_kept

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

print(resident())
with memory_kept():
    with memory_kept():
        b"x" * 100_000_000
    print(resident())
print(resident())
b"x" * 100_000_000
print(resident())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory"
)
def test_memory_is_kept_until_the_last_is_out() -> None:
    told = subprocess.run([sys.executable, "-c", USE_MEMORY], capture_output=True, check=True)
    before, *file_lock = map(int, told.stdout.split())
    inside, after, later = (each - before for each in file_lock)
    assert inside > 90e6
    assert after < 10e6 and later < 10e6
