"""How many cores may be used, and pools whose threads compute alone."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from vividpast_lib.runtime import threads
from vividpast_lib.runtime.threads import core_count, in_order, single_threaded_ops


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def in_a_new_thread() -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_pools_that_overlap_leave_each_of_their_callers_its_number(three_threads: None) -> None:
    """OpenMP's number is a thread's own: the last one out can't restore the first one's."""
    both_open, first_closed = threading.Barrier(2, timeout=60), threading.Event()

    def first() -> int:
        torch.set_num_threads(3)
        with single_threaded_ops(2) as pool:
            pool.submit(int).result()
            both_open.wait()
        first_closed.set()
        return torch.get_num_threads()

    def second() -> int:
        torch.set_num_threads(3)
        with single_threaded_ops(2) as pool:
            pool.submit(int).result()
            both_open.wait()
            assert first_closed.wait(60)
        return torch.get_num_threads()

    with ThreadPoolExecutor(2) as callers:
        calls = callers.submit(first), callers.submit(second)
        assert [call.result() for call in calls] == [3, 3]
    assert in_a_new_thread() == torch.get_num_threads() == 3


def test_each_thread_of_a_pool_computes_alone(three_threads: None) -> None:
    together = threading.Barrier(4, timeout=60)

    def work() -> int:
        together.wait()  # in four threads at the same time
        return torch.get_num_threads()

    with single_threaded_ops(4) as pool:
        assert [call.result() for call in [pool.submit(work) for _ in range(4)]] == [1] * 4
        assert in_a_new_thread() == torch.get_num_threads() == 3


def test_a_pool_that_a_thread_of_a_pool_opens_changes_no_other(three_threads: None) -> None:
    def nested() -> int:
        with single_threaded_ops(1) as inner:
            return inner.submit(torch.get_num_threads).result()

    with single_threaded_ops(1) as pool:
        assert pool.submit(nested).result() == 1
        assert pool.submit(torch.get_num_threads).result() == 1
    assert in_a_new_thread() == torch.get_num_threads() == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_process_that_forks_while_a_pool_starts_can_open_pools_itself() -> None:
    ended = threading.Event()

    def open_pools() -> None:
        while not ended.is_set():
            with single_threaded_ops(1) as pool:
                pool.submit(int).result()

    with ThreadPoolExecutor(1) as other:
        other.submit(open_pools)
        try:
            for _ in range(40):
                if (child := os.fork()) == 0:
                    os._exit(0 if threads._starting.acquire(timeout=2) else 1)
                assert os.waitpid(child, 0)[1] == 0
        finally:
            ended.set()


def test_an_error_leaves_torch_its_threads_too(three_threads: None) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), single_threaded_ops(2) as pool:
        pool.submit(fail).result()
    assert in_a_new_thread() == torch.get_num_threads() == 3


def test_results_come_in_order_and_no_item_is_taken_too_early() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(9):
            taken.append(item)
            yield item

    with ThreadPoolExecutor(3) as pool:
        results = in_order(pool, str, items(), ahead=2)
        assert next(results) == "0"
        assert taken == [0, 1, 2]
        assert list(results) == list("12345678")


@pytest.mark.parametrize(
    ("quota", "asked", "expected"),
    [
        (None, None, 8),
        ("max 100000", None, 8),
        ("250000 100000", None, 3),
        ("50000 100000", None, 1),
        ("900000 100000", "2", 2),
        (None, "99", 8),
        (None, "many", 8),
        (None, "0", 8),
    ],
)
def test_cores_are_those_that_affinity_quota_and_openmp_leave(
    quota: str | None,
    asked: str | None,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "_QUOTA", tmp_path / "cpu.max")
    if quota:
        (tmp_path / "cpu.max").write_text(quota + "\n")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert core_count() == expected
