"""PyTorch's random numbers, drawn without a change of those that the caller draws."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# They are one sequence for all threads.
_drawing = threading.RLock()


@contextmanager
def own_random_numbers(seed: int | None = None) -> Iterator[None]:
    """Draw weights, on the CPU, alone and from a sequence that ends here; the caller's goes on.

    Parameters
    ----------
    seed : int, optional
        Begins the sequence; without, what is drawn must not matter.
    """
    with _drawing, torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        yield
