"""Who colours the films of an archive: processes on this machine, or the workers of Ray.

A process takes a film, a worker of Ray a segment of one; one that is lost is replaced.
"""

import os
import subprocess
import sys
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
from ..runtime.errors import VividPastError
from ..runtime.threads import core_count
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

#: A process, or a task of Ray, that is killed is started again so many times.
RETRIES = 3
#: What stands for an address of Ray: begin one here, for this call alone.
LOCAL = "local"
# Begins a command of ours in a process of its own, wherever the script `vividpast` is.
COMMAND = (
    sys.executable,
    "-c",
    "import sys; from vividpast_lib.cli.main import main; sys.exit(main())",
)
# Bytes for what Ray's tasks hand over, which is little; its default is a third of the memory.
RAY_STORE = 100 * 2**20


@dataclass(frozen=True)
class Settings:
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

    def options(self) -> list[str]:
        """Say it to ``vividpast colorize``."""
        options = ["--model", self.model, "--device", self.device]
        options += ["--vivid"] if self.vivid else []
        return options + (["--each-frame-alone"] if self.independent_frames else [])


#: Colours one film (source, target) and gives the number of its frames.
ColorFilm = Callable[[Path, Path], int]


@contextmanager
def in_processes(
    workers: int, settings: Settings, stop: threading.Event
) -> Iterator[tuple[ColorFilm, int]]:
    """Colour each film with a command of its own, which goes on where a killed one was.

    Parameters
    ----------
    workers : int
        Films that are coloured at once.
    settings : Settings
        How.
    stop : threading.Event
        Set to end all commands.

    Yields
    ------
    color : ColorFilm
        Raises a VividPastError if the film can't be coloured.
    at_once : int
        In how many threads it is to be called.
    """
    threads = str(max(1, core_count() // workers))

    def color(source: Path, target: Path) -> int:
        command = [*COMMAND, "colorize", str(source), "-o", str(target), "--force"]
        for _ in range(1 + RETRIES):
            if stop.is_set():
                raise CancelledError
            status, said = _run([*command, *settings.options()], threads, stop)
            if status == 0:
                return probe_film(target).frames
            if status > 0:
                raise VividPastError(_sentence(said) or f"{source}: failed with status {status}.")
        raise VividPastError(
            f"{source}: its process was killed {1 + RETRIES} times, last by signal {-status}; "
            "is there enough memory for as many --workers?"
        )

    yield color, workers


def _run(command: Sequence[str], threads: str, stop: threading.Event) -> tuple[int, str]:
    """Run a command until it ends, or is to stop; give its status and what it said."""
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": threads}, encoding="utf-8", errors="replace",
        process_group=0,  # a Ctrl-C is for us, who stop it then
    )  # fmt: skip
    while True:
        try:
            said = child.communicate(timeout=0.5)[1]
            return child.returncode, said
        except subprocess.TimeoutExpired:
            if stop.is_set():
                child.terminate()


def _sentence(said: str) -> str:
    """Find the error in what a command said beside its progress."""
    lines = said.strip().splitlines() or [""]
    ours = [line for line in lines if line.startswith("vividpast: ")]
    return (ours or lines)[-1].removeprefix("vividpast: ")


@contextmanager
def on_ray(
    address: str, workers: int, settings: Settings, colorizer: Colorizer, stop: threading.Event
) -> Iterator[tuple[ColorFilm, int]]:
    """Colour the segments of films with tasks of Ray, which begins those of lost workers again.

    Parameters
    ----------
    address : str
        Of a cluster, or `LOCAL`.
    workers : int
        Of a Ray begun here.
    settings, stop
        As in `in_processes`.
    colorizer : Colorizer
        The model that all workers must load.

    Yields
    ------
    color, at_once
        As in `in_processes`.

    Raises
    ------
    VividPastError
        If Ray isn't installed, or can't be reached.
    """
    on_gpu = colorizer.device.type == "cuda"
    settings = replace(settings, device=colorizer.device.type)
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
                written = [pts for _path, each in finished_segments(job) for pts, _light in each]
                if written != [pts for pts, _light in records]:
                    raise VividPastError(
                        f"{source}: {len(written):,} of {len(records):,} frames are in "
                        f"{job.parts}; do all nodes share this folder?"
                    )
                finish(job)
            return len(records)

        yield color, max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def _ray_begun(address: str, workers: int) -> Iterator[Any]:
    """Begin a Ray here, or connect to one; one that this process has already is used as it is."""
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
    """Connect to a cluster, or begin a Ray of one's own, which gets a second chance."""
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


def _scan(settings: Settings, model: str, job: FilmJob) -> object:
    """Run `scan_film` as a task; an error of the user's to mend is a result like others."""
    try:
        return scan_film(job, _load(settings, model))
    except VividPastError as error:
        return error


def _color_unit(
    settings: Settings, model: str, job: FilmJob, start: int, stop: int, records: FrameRecords
) -> VividPastError | None:
    """Run `color_segments` as a task."""
    try:
        color_segments(job, _load(settings, model), start, stop, records)
        return None
    except VividPastError as error:
        return error


@cache
def _load(settings: Settings, model: str) -> Colorizer:
    """Load the model once a process, and make sure that it is the one that was asked for."""
    colorizer = Colorizer.load(settings.model, settings.device, settings.vivid)
    if colorizer.fingerprint() != model:
        raise VividPastError(
            f"The model {settings.model} differs on a node of the cluster; install the same "
            "version on all."
        )
    return colorizer
