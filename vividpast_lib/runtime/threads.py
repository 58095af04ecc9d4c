"""Threads that compute side by side: how many, and each of them alone."""

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

# Held while a pool's threads are started: torch.set_num_threads also sets what threads begin with.
_starting = threading.Lock()
# Linux: microseconds that a container may compute in each period, "200000 100000" for two cores.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """Count the cores that this process may use, by its affinity and quota."""
    affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max": no quota
        quota, period = map(int, _QUOTA.read_text().split())
        cores = min(cores, math.ceil(quota / period))
    return cores


def core_count() -> int:
    """Count the cores to compute on: those available, or fewer, if OMP_NUM_THREADS says so."""
    cores, asked = available_cores(), os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) else cores


@contextmanager
def single_threaded_ops(threads: int) -> Iterator[Executor]:
    """Give a pool of threads in each of which every operation of torch runs in that thread alone.

    Threads that split up each operation among them would wait for each other. All other threads,
    the caller's too, compute as before.

    Parameters
    ----------
    threads : int
        How many the pool has.
    """
    all_started = threading.Barrier(threads)

    def start() -> None:
        torch.set_num_threads(1)  # for this thread, and for those that begin from now on
        all_started.wait()

    with ThreadPoolExecutor(threads, initializer=start) as pool:
        with _starting:
            before = torch.get_num_threads()
            for started in [pool.submit(int) for _ in range(threads)]:
                started.result()
            torch.set_num_threads(before)
        yield pool


def run_in_threads(work: Callable[[], None], at_most: int) -> None:
    """Call ``work`` once in each of as many threads as torch may use.

    Parameters
    ----------
    work : callable
        Without arguments; all calls share what is to be done.
    at_most : int
        Largest number of threads: there is no more to share.
    """
    threads = min(torch.get_num_threads(), at_most)
    if threads <= 1:
        work()
        return
    with single_threaded_ops(threads) as pool:
        for call in [pool.submit(work) for _ in range(threads)]:
            call.result()


def in_order(
    pool: Executor, step: Callable[[Item], Result], items: Iterable[Item], ahead: int = 2
) -> Iterator[Result]:
    """Run a step on items in the threads of a pool; the results keep the order of the items.

    Parameters
    ----------
    pool : Executor
    step : callable
        Of one item.
    items : iterable
        Taken as they are needed.
    ahead : int
        Number of items under way besides the one whose result is given next.
    """
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(step, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
