"""How to compute: on which device, in which precision, by how many threads, in which memory."""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import wraps

import torch

from .errors import VividPastError


def best_device(name: str | torch.device = "auto") -> torch.device:
    """Choose a device: ``auto`` takes CUDA where there is one, else the CPU.

    Raises
    ------
    VividPastError
        If CUDA is asked for and not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise VividPastError("There is no CUDA device here; use --device cpu or --device auto.")
    return device


def best_precision(device: torch.device) -> str:
    """Name the fastest precision that trains well: bfloat16 where the hardware multiplies it.

    Elsewhere, as on most laptops' processors, bfloat16 is emulated and slower than float32.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    multiply = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    hardware = any(getattr(torch.cpu, name, lambda: False)() for name in multiply)
    return "bfloat16" if hardware else "float32"


_Setting = Callable[[], AbstractContextManager[None]]


def _shared(setting: _Setting) -> _Setting:
    """Let several threads be inside at once: the first one in sets, the last one out undoes it."""
    changing, inside = threading.Lock(), 0
    current: AbstractContextManager[None]

    @contextmanager
    def entered() -> Iterator[None]:
        nonlocal inside, current
        with changing:
            if inside == 0:
                current = setting()
                current.__enter__()
            inside += 1
        try:
            yield
        finally:
            with changing:
                inside -= 1
                if inside == 0:
                    current.__exit__(None, None, None)

    return wraps(setting)(entered)


@_shared
@contextmanager
def one_thread_an_operation() -> Iterator[None]:
    """Let each of torch's operations run in one thread, where several threads compute at once.

    Threads that split up each operation among them would wait for each other.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4


@_shared
@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep memory that is freed for whoever asks next.

    Otherwise glibc gives large blocks back to Linux, which then clears what it gives: a quarter of
    the time of training a small network. On other systems nothing changes.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):  # musl has none
        yield
        return
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    yield
    libc.mallopt(M_MMAP_MAX, 65536)
    # To these two glibc goes by itself, when large blocks are freed.
    libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
    libc.mallopt(M_TRIM_THRESHOLD, 64 * 2**20)
    libc.malloc_trim(0)


def in_threads(work: Callable[[], None], at_most: int) -> None:
    """Call ``work`` once in each thread that torch may use, and ``at_most`` so often.

    Parameters
    ----------
    work : callable
        Without arguments; all calls share what is to be done.
    at_most : int
        As there is no more to share.
    """
    threads = min(torch.get_num_threads(), at_most)
    if threads <= 1:
        work()
        return
    with one_thread_an_operation(), ThreadPoolExecutor(threads) as pool:
        for call in [pool.submit(work) for _ in range(threads)]:
            call.result()
