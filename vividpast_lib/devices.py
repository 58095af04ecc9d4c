"""Which device to compute on, in which precision, and by how many threads."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

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
    matrix_units = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return "bfloat16" if matrix_units() else "float32"


_inside = 0
_threads_outside = 1
_changing = threading.Lock()


@contextmanager
def one_thread_an_operation() -> Iterator[None]:
    """Let each of torch's operations run in one thread, where several threads compute at once.

    Threads that split up each operation among them would wait for each other. Whoever is inside
    shares this, and the last one out gives torch its threads back.
    """
    global _inside, _threads_outside
    with _changing:
        if _inside == 0:
            _threads_outside = torch.get_num_threads()
            torch.set_num_threads(1)
        _inside += 1
    try:
        yield
    finally:
        with _changing:
            _inside -= 1
            if _inside == 0:
                torch.set_num_threads(_threads_outside)


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
