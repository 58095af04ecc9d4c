"""A worker thread with a queue of one: a new job replaces the one that waits.

A kernel that computes handles no events. So a demo computes in a thread, and clicks that come
faster than the model answers replace each other instead of queuing up.
"""

import contextvars
import threading
from collections.abc import Callable


class LatestJobRunner:
    """Runs jobs in a thread, one at a time; a waiting job is dropped when another one comes.

    Parameters
    ----------
    on_error : callable
        Called in the thread with the exception that a job raised.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._on_error = on_error
        self._changed = threading.Condition()
        self._waiting: Callable[[], None] | None = None
        self._running = False

    def __call__(self, job: Callable[[], None]) -> None:
        """Run a job soon, unless a later one comes first."""
        with self._changed:
            self._waiting = job
            if not self._running:
                self._running = True
                # Jupyter knows by the context which cell a thread works for.
                run = contextvars.copy_context().run
                threading.Thread(target=run, args=(self._work,), daemon=True).start()

    @property
    def superseded(self) -> bool:
        """Whether another job waits, so that the result of the one under way is not wanted."""
        return self._waiting is not None

    def wait(self, seconds: float = 120) -> None:
        """Wait until all jobs are done.

        Raises
        ------
        TimeoutError
            If one is not done after so many seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._running, seconds):
                raise TimeoutError(f"A demo still works after {seconds} seconds.")

    def _work(self) -> None:
        while True:
            with self._changed:
                job, self._waiting = self._waiting, None
                if job is None:
                    self._running = False
                    self._changed.notify_all()
                    return
            try:
                job()
            except Exception as error:
                self._on_error(error)
