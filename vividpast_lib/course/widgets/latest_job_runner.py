"""Work beside the page: in a thread, one job at a time, and of those that wait only the latest.

A kernel that computes does not listen. So a demo hands its work to a thread, and clicks that come
faster than the model answers replace each other instead of queuing up.
"""

import contextvars
import threading
from collections.abc import Callable

Job = Callable[[], None]


class LatestJobRunner:
    """Runs jobs in a thread; a job that waits is dropped when another one comes.

    Parameters
    ----------
    failed : callable
        Called, in the thread, with what a job raised.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._changed = threading.Condition()
        self._waiting: Job | None = None
        self._running = False

    def __call__(self, job: Job) -> None:
        """Run a job soon, unless another one comes first."""
        with self._changed:
            self._waiting = job
            if not self._running:
                self._running = True
                # With its context, or Jupyter would not know which cell a thread works for.
                run = contextvars.copy_context().run
                threading.Thread(target=run, args=(self._work,), daemon=True).start()

    @property
    def superseded(self) -> bool:
        """Another job waits: what the one under way computes is no longer wanted."""
        return self._waiting is not None

    def wait(self, seconds: float = 120) -> None:
        """Wait until there is nothing left to do.

        Raises
        ------
        TimeoutError
            If there is something left to do after so many seconds.
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
                self._failed(error)
