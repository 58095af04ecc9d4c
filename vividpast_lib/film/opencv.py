"""OpenCV, kept to one thread while we call it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_threads_before = 0


@contextmanager
def single_threaded_cv2() -> Iterator[None]:
    """Let OpenCV compute in one thread until the last of the calls inside has left.

    Its number of threads holds for the whole process, and DIS optical flow divides its pictures
    by it. The first one in sets it, and the last one out restores it.
    """
    import cv2  # extra `film`

    global _inside, _threads_before
    with _lock:
        if _inside == 0:
            _threads_before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                cv2.setNumThreads(_threads_before)
