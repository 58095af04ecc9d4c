"""What `test_many_devices` has done in several processes: torchrun runs this file.

In one process it gives what the several have to agree with.
"""

import json
import sys
import threading
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file

from vividpast_lib.photos.open import open_class_maps, open_photos
from vividpast_lib.photos.photo_set import PhotoSet
from vividpast_lib.runtime.distributed import (
    process_group,
    rank,
    run_on_all_ranks,
    run_on_rank_zero,
    world_size,
)
from vividpast_lib.runtime.errors import VividPastError
from vividpast_lib.training.loop import fit
from vividpast_lib.training.settings import Settings
from vividpast_lib.training.task_registry import open_task

NETWORKS = ("autoencoder", "fusion2018", "pyramid", "segmenter")
#: Of the run that is stopped, or killed, and goes on.
SMALL = Settings(size=16, epochs=4, batch_size=4)


def open_sets(folder: Path, network: str) -> tuple[PhotoSet, PhotoSet]:
    """11 training photos are batches of 5, 5 and 1: of two processes one has none of the last."""
    open_set = open_class_maps if network == "segmenter" else open_photos
    return open_set(folder, "train").head(11), open_set(folder, "val")


def settings_of(network: str) -> Settings:
    return Settings(network=network, size=64, epochs=2, batch_size=5)


def train_all(folder: Path, out: Path) -> None:
    """Train each network a little; write weights, and history with what was warned of."""
    for network in NETWORKS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trained, history = fit(
                open_task(*open_sets(folder, network), settings_of(network), "cpu"), progress=False
            )
        warned = [str(each.message) for each in caught if each.category is UserWarning]
        out.mkdir(exist_ok=True)
        (out / f"{network}.{rank()}.json").write_text(json.dumps([history, warned]))
        weights = {key: value.contiguous() for key, value in trained.state_dict().items()}
        save_file(weights, out / f"{network}.{rank()}.safetensors")


def stop_and_resume(folder: Path, out: Path) -> None:
    """Train without a stop; and with one that only the last process is told of."""
    sets = open_photos(folder, "train"), open_photos(folder, "val")
    fit(open_task(*sets, SMALL, "cpu"), run=out / "whole", progress=False)
    stop = threading.Event()

    def tell(_network: object, step: object) -> None:
        steps.append(step)
        if len(steps) == 9 and rank() == world_size() - 1:
            stop.set()

    steps: list[object] = []
    try:
        fit(
            open_task(*sets, SMALL, "cpu"),
            run=out / "resumed",
            progress=False,
            on_batch=tell,
            stop=stop,
        )
    except KeyboardInterrupt:
        (out / f"stopped.{rank()}.json").write_text(json.dumps(len(steps)))
    fit(open_task(*sets, SMALL, "cpu"), run=out / "resumed", progress=False, resume=True)


def fail_in_one(out: Path) -> None:
    """Write what is raised in each process if the work fails in one of them."""

    def work(failing: int) -> int:
        if rank() == failing:
            raise VividPastError(f"{rank()} fails")
        return rank()

    raised = []
    for call in (
        lambda: run_on_all_ranks(lambda: work(1)),
        lambda: run_on_rank_zero(lambda: work(0)),
        lambda: run_on_rank_zero(lambda: work(1)),
    ):
        try:
            raised.append(str(call()))
        except (VividPastError, SystemExit) as error:
            raised.append(repr(error))
    (out / f"raised.{rank()}.json").write_text(json.dumps(raised))


if __name__ == "__main__":
    folder, out = map(Path, sys.argv[1:])
    with process_group(torch.device("cpu")):
        train_all(folder, out)
        stop_and_resume(folder, out)
        fail_in_one(out)
