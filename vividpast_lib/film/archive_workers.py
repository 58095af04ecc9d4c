"""Who colours the films of an archive: this process, or the workers of Ray, segment by segment."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from logging import ERROR
from pathlib import Path
from typing import Any

from ..colorize.colorizer import Colorizer
from ..networks.checkpoints import shipped_models
from ..runtime.errors import VividPastError
from .film_files import colorize_film
from .film_jobs import FilmJob, plan_film
from .reading import probe_film
from .segments import (
    FrameRecords,
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
# Size, in bytes, of the store for what Ray's tasks return, which is little; the default is a third
# of the memory.
RAY_STORE = 100 * 2**20


@dataclass(frozen=True)
class ArchiveSettings:
    """How films are coloured.

    Parameters
    ----------
    model : str
        A shipped model's name, or a file.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    vivid : bool
        As in `Colorizer`.
    independent_frames : bool
        Colour each frame as if it were a photo.
    """

    model: str
    device: str = "auto"
    vivid: bool = False
    independent_frames: bool = False


#: Colours one film (source, target) and gives the number of its frames.
ColorFilm = Callable[[Path, Path], int]


@contextmanager
def in_this_process(
    settings: ArchiveSettings, colorizer: Colorizer, stop: threading.Event
) -> Iterator[tuple[ColorFilm, int]]:
    """Colour films one after another: each of them uses all cores.

    Parameters
    ----------
    settings : ArchiveSettings
        How films are coloured.
    colorizer : Colorizer
        The model, as `settings` has it.
    stop : threading.Event
        Set to give up the film at hand.

    Yields
    ------
    color : ColorFilm
        Raises a VividPastError if the film can't be coloured.
    at_once : int
        Number of threads that call it.
    """

    def check(_done: int, _total: int) -> None:
        if stop.is_set():
            raise CancelledError

    def color(source: Path, target: Path) -> int:
        alone = settings.independent_frames
        colorize_film(
            colorizer, source, target, independent_frames=alone, force=True, on_progress=check
        )
        return probe_film(target).frames

    yield color, 1


@contextmanager
def on_ray(
    address: str,
    workers: int,
    settings: ArchiveSettings,
    colorizer: Colorizer,
    stop: threading.Event,
) -> Iterator[tuple[ColorFilm, int]]:
    """Colour the segments of films with tasks of Ray, which begins those of lost workers again.

    Parameters
    ----------
    address : str
        Of a cluster, or `LOCAL`.
    workers : int
        Of a Ray begun here.
    settings, stop
        As in `in_this_process`.
    colorizer : Colorizer
        The model that all workers must load.

    Yields
    ------
    color, at_once
        As in `in_this_process`.

    Raises
    ------
    VividPastError
        If Ray isn't installed, or can't be reached.
    """
    on_gpu = colorizer.device.type == "cuda"
    settings = replace(settings, device=colorizer.device.type)
    if settings.model not in shipped_models():  # a file: workers have another current folder
        settings = replace(settings, model=str(Path(settings.model).absolute()))
    model = colorizer.fingerprint()
    with _ray_begun(address, workers) as ray:
        remote = ray.remote(max_retries=RETRIES, num_cpus=1, num_gpus=int(on_gpu))
        scan, color_unit = remote(_scan), remote(_color_unit)

        def color(source: Path, target: Path) -> int:
            job = plan_film(source, target, settings.independent_frames, force=True)
            with opened_parts(job, colorizer):
                ((records, starts),) = _results(ray, [scan.remote(settings, model, job)], job, stop)
                units = [
                    color_unit.remote(
                        settings, model, job, start, end, records[lead_in(start) : start]
                    )
                    for start, end in zip(starts, [*starts[1:], len(records)], strict=False)
                ]
                _results(ray, units, job, stop)
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
def _ray_begun(address: str, workers: int) -> Iterator[Any]:
    """Start a Ray here, or connect to one; one that this process has already is used as it is."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
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
    try:
        _init(ray, address, workers)
    except Exception as error:  # Ray raises plain ones, too
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        if address == LOCAL:
            failed = "Ray does not start here"
            advice = "try again when the machine has less to do, or without --ray."
        else:
            failed = f"Ray can't be reached at {address}"
            advice = (
                "give the address that `ray start --head` says, set RAY_AUTH_MODE=token if it "
                "asks for a token, or give --ray alone for one on this machine."
            )
        raise VividPastError(f"{failed} ({reason}); {advice}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _init(ray: Any, address: str, workers: int) -> None:
    """Connect to a cluster, or start a Ray here, which gets a second chance."""
    init = partial(ray.init, address, log_to_driver=False, logging_level=ERROR)
    if address != LOCAL:
        init()
        return
    own = partial(init, num_cpus=workers, include_dashboard=False, object_store_memory=RAY_STORE)
    try:
        own()
    except Exception:
        own()  # the first one had half a minute, too little on a busy machine


def _results(ray: Any, tasks: Sequence[Any], job: FilmJob, stop: threading.Event) -> list[Any]:
    """Wait for all tasks; end them all if one fails, or if all is to stop."""
    try:
        left = list(tasks)
        while left:
            ready, left = ray.wait(left, timeout=0.5)
            for result in ray.get(ready):
                if isinstance(result, VividPastError):
                    raise result
            if stop.is_set():
                raise CancelledError
        return ray.get(list(tasks))
    except ray.exceptions.RayError as error:
        reason = str(getattr(error, "cause", None) or error).strip().splitlines()[0]
        raise VividPastError(f"{job.info.path}: a task of Ray failed ({reason}).") from None
    finally:
        for task in left:
            ray.cancel(task)


def _scan(settings: ArchiveSettings, model: str, job: FilmJob) -> object:
    """Run `scan_film` as a task; a VividPastError is a result like others."""
    try:
        return scan_film(job, _load(settings, model))
    except VividPastError as error:
        return error


def _color_unit(
    settings: ArchiveSettings,
    model: str,
    job: FilmJob,
    start: int,
    stop: int,
    records: FrameRecords,
) -> VividPastError | None:
    """Run `color_segments` as a task."""
    try:
        color_segments(job, _load(settings, model), start, stop, records)
        return None
    except VividPastError as error:
        return error


@cache
def _load(settings: ArchiveSettings, model: str) -> Colorizer:
    """Load the model once per process, and make sure that it is the one that was asked for."""
    colorizer = Colorizer.load(settings.model, settings.device, settings.vivid)
    if colorizer.fingerprint() != model:
        raise VividPastError(
            f"The model {settings.model} differs on a node of the cluster; install the same "
            "version on all."
        )
    return colorizer
