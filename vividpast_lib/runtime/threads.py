"""Threads that compute side by side: how many, each of them alone, results in order."""

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

# Linux: microseconds that a container may compute in each period, "200000 100000" for two cores.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """Count the cores that this process may use, by its affinity and its container's quota."""
    affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max": no quota
        quota, period = map(int, _QUOTA.read_text().split())
        cores = min(cores, math.ceil(quota / period))
    return cores


def core_count() -> int:
    """Count the cores to compute on: those available, or fewer, if OMP_NUM_THREADS says so."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = available_cores()
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) else cores


def single_threaded_ops(threads: int) -> ThreadPoolExecutor:
    """Make a pool of threads in each of which every operation of torch runs in that thread alone.

    Threads that split up each operation among them would wait for each other. All other threads,
    the caller's too, compute as before.
    """
    return ThreadPoolExecutor(threads, initializer=_compute_alone)


_starting = threading.Lock()
if hasattr(os, "register_at_fork"):  # else a child would inherit the lock as another thread held it
    os.register_at_fork(
        before=_starting.acquire,
        after_in_parent=_starting.release,
        after_in_child=_starting.release,
    )


def _compute_alone() -> None:
    """Let torch compute in this thread alone, a new one.

    `torch.set_num_threads` sets the number of the calling thread, and the number that threads
    started later begin with. A short-lived thread sets the latter back.
    """
    with _starting:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        restore = threading.Thread(target=torch.set_num_threads, args=(before,))
        restore.start()
        restore.join()


def in_order(
    pool: Executor, step: Callable[[Item], Result], items: Iterable[Item], ahead: int = 2
) -> Iterator[Result]:
    """Run a step on items in the threads of a pool; the results keep the order of the items.

    Items are taken as they are needed: ``ahead`` are under way besides the next to be given.
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
