"""Films in, coloured segment by segment by the workers of Ray, which replaces those it loses."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from logging import ERROR
from pathlib import Path
from typing import Any

from ..colorize.colorizer import Colorizer
from ..runtime.errors import VividPastError
from .film_jobs import plan_film
from .segments import (
    color_segments,
    finish,
    finished_segments,
    lead_in,
    opened_parts,
    scan_film,
)

#: Number of times that a task of Ray is started again when its worker is lost.
RETRIES = 3
#: Stands for an address of Ray: begin one here, for this call alone.
LOCAL = "local"
# Size, in bytes, of Ray's store for the model and what tasks return, which is little; the default
# is a third of the memory.
RAY_STORE = 100 * 2**20

#: Colours one film (source, target) and gives the number of its frames.
ColorFilm = Callable[[Path, Path], int]


@contextmanager
def on_ray(
    address: str,
    workers: int,
    colorizer: Colorizer,
    independent_frames: bool,
    stop: threading.Event,
) -> Iterator[tuple[ColorFilm, int]]:
    """Colour the segments of films with tasks of Ray, which begins those of lost workers again.

    Parameters
    ----------
    address : str
        Of a cluster, or `LOCAL`.
    workers : int
        Of a Ray begun here.
    colorizer : Colorizer
        Sent to all workers, which have its kind of device.
    independent_frames : bool
        Colour each frame as if it were a photo.
    stop : threading.Event
        Set to give up the films at hand.

    Yields
    ------
    color : ColorFilm
        Raises a VividPastError if the film can't be coloured.
    at_once : int
        Number of threads that call it.

    Raises
    ------
    VividPastError
        If Ray isn't installed, or can't be reached.
    """
    with _environment(), _ray_begun(address, workers) as ray:
        on_gpu = colorizer.device.type == "cuda"
        remote = ray.remote(max_retries=RETRIES, num_cpus=1, num_gpus=int(on_gpu))
        scan, color_unit = remote(scan_film), remote(color_segments)
        model = ray.put(colorizer)

        def color(source: Path, target: Path) -> int:
            job = plan_film(source, target, independent_frames, force=True)
            with opened_parts(job, job.identity(colorizer)):
                ((records, starts),) = _results(ray, [scan.remote(job, model)], source, stop)
                ends = [*starts[1:], len(records)]
                units = [
                    color_unit.remote(job, model, start, end, records[lead_in(start) : start])
                    for start, end in zip(starts, ends, strict=False)
                ]
                _results(ray, units, source, stop)
                written = [pts for _path, each in finished_segments(job) for pts, _exposure in each]
                if written != [pts for pts, _exposure in records]:
                    raise VividPastError(
                        f"{source}: {len(written):,} of {len(records):,} frames are in "
                        f"{job.parts}; do all nodes share this folder?"
                    )
                finish(job)
            return len(records)

        yield color, max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def _environment() -> Iterator[None]:
    """Set what Ray reads, where the user has not; take it out again, and what Ray itself sets."""
    before = dict(os.environ)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # those of tasks we no longer await
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _ray_begun(address: str, workers: int) -> Iterator[Any]:
    """Start a Ray here, or connect to one; one that this process has already is used as it is."""
    try:
        import ray
    except ImportError:
        raise VividPastError(
            "--ray needs the packages of the extra `archive`: pip install "
            "'vividpast[film,archive]', or in a checkout: pip install -e '.[film,archive]'."
        ) from None
    if ray.is_initialized():
        yield ray
        return
    begin = partial(ray.init, address, log_to_driver=False, logging_level=ERROR)
    failed = f"Ray can't be reached at {address}"
    advice = (
        "give the address that `ray start --head` says, set RAY_AUTH_MODE=token if it asks for a "
        "token, or give --ray alone for one on this machine."
    )
    if address == LOCAL:
        own = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": RAY_STORE}
        begin = partial(begin, **own)
        failed = "Ray does not start here"
        advice = "try again when the machine has less to do, or without --ray."
        with suppress(Exception):  # it has half a minute, too little on a busy machine: once more
            begin()
    try:
        if not ray.is_initialized():
            begin()
    except Exception as error:  # Ray raises plain ones, too
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise VividPastError(f"{failed} ({reason}); {advice}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _results(ray: Any, tasks: Sequence[Any], film: Path, stop: threading.Event) -> list[Any]:
    """Wait for all tasks; end them all if one fails, or if all is to stop."""
    left = list(tasks)
    try:
        while left:
            ready, left = ray.wait(left, timeout=0.5)
            ray.get(ready)  # raises what they have raised
            if stop.is_set():
                raise CancelledError
        return ray.get(list(tasks))
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, VividPastError):
            raise cause from None
        reason = str(cause or error).strip().splitlines()[0]
        raise VividPastError(f"{film}: a task of Ray failed ({reason}).") from None
    finally:
        for task in left:
            ray.cancel(task)
