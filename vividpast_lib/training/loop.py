"""One training loop: fit, validate, save, resume. `run_folder` says what is saved."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..runtime.distributed import (
    all_reduce_sum,
    averaging_gradients,
    mean_losses,
    run_on_all_ranks,
    run_on_rank_zero,
    synchronize_batch_norm,
    union,
    world_size,
)
from ..runtime.errors import VividPastError
from .run_folder import Progress, holds_run, load_run, save_run
from .settings import Settings
from .task import Batch, Row, Task


@dataclass(frozen=True)
class Step:
    """What is known after each batch.

    Parameters
    ----------
    epoch : int
        The one under way, from 1.
    photos, photos_per_epoch : int
        Photos of it that the network has learned from, and all of them.
    losses : dict of float
        ``loss`` and the other metrics of the task, means over the batch.
    """

    epoch: int
    photos: int
    photos_per_epoch: int
    losses: Row


def fit(
    task: Task,
    *,
    run: Path | None = None,
    resume: bool = False,
    progress: bool = True,
    on_epoch: Callable[[nn.Module, Row], None] | None = None,
    on_batch: Callable[[nn.Module, Step], None] | None = None,
    stop: threading.Event | None = None,
) -> tuple[nn.Module, list[Row]]:
    """Train a network.

    Parameters
    ----------
    task : Task
        What `open_task` gives: network, photos, settings and device.
    run : Path, optional
        Folder to save to after each epoch, and at the end; without it nothing is saved.
    resume : bool
        Go on where the run in that folder stopped.
    progress : bool
        Show a bar with loss and photos per second on stderr.
    on_epoch : callable, optional
        Called with the network and the new row after each epoch.
    on_batch : callable, optional
        Called with the network and a `Step` after each batch. To pause, let it wait; its time does
        not count. It may use the network, if it leaves it as it was.
    stop : threading.Event, optional
        Once it is set, the run stops after the batch under way, as after Ctrl-C; for threads.

    Returns
    -------
    network : nn.Module
        Trained, in evaluation mode.
    history : list of dict
        One row per epoch, the last of which may be cut short by the end of
        ``settings.minutes``: ``epoch``, ``train_loss``, ``val_loss``, ``learning_rate``,
        ``photos_per_second``, and the metrics of the task. Of a colorizer: ``train_ab_l1`` and
        ``val_ab_l1`` (Lab units), the trivial colorizers ``val_grey_ab_l1`` and
        ``val_mean_color_ab_l1`` (Lab units). Of a segmenter: ``train_accuracy``,
        ``val_accuracy`` and ``val_mean_iou``.

    Raises
    ------
    VividPastError
        If the folder holds a run and ``resume`` is not set, or no run that goes on with these
        settings and photos.
    KeyboardInterrupt
        After Ctrl-C, SIGTERM or ``stop``, once the state is saved.
    """
    network, settings = task.network, task.settings
    synchronize_batch_norm(network)
    optimizer = torch.optim.AdamW(
        task.parameter_groups(), settings.learning_rate, weight_decay=settings.weight_decay
    )

    def saved() -> Progress | None:
        if run and resume:
            return load_run(run, task, optimizer)
        if run and holds_run(run):
            raise VividPastError(
                f"{run}: holds a run already; add --resume or name another folder."
            )
        return None

    def save() -> None:
        if run:
            save_run(run, task, optimizer, state)

    state = run_on_all_ranks(saved) or Progress(
        len(task.train), run_on_rank_zero(task.compute_statistics)
    )
    task.apply_statistics(state.statistics)
    run_on_rank_zero(save)
    compute_losses = averaging_gradients(network, task.compute_losses)

    watch = _Stopwatch()
    with _stop_requests(stop) as stop:
        while state.batch or not _is_over(settings, state):
            done = _train_epoch(
                task, compute_losses, optimizer, state, watch, progress, on_batch, stop
            )
            if not done:
                run_on_rank_zero(save)
                raise KeyboardInterrupt
            network.eval()
            with torch.inference_mode():
                row = {**state.row(), **task.validate()}
            state.next_epoch(row)
            state.elapsed += watch.lap()
            run_on_rank_zero(save)
            if on_epoch:
                on_epoch(network, row)
    return network.eval(), state.history


class _Stopwatch:
    """Measures a run piece by piece, alike on all ranks."""

    def __init__(self) -> None:
        self.since = time.perf_counter()

    def lap(self) -> float:
        """Tell the seconds since the last call: the mean of all ranks."""
        since, self.since = self.since, time.perf_counter()
        return all_reduce_sum(self.since - since).item() / world_size()


def _is_over(settings: Settings, state: Progress) -> bool:
    if settings.minutes:
        return state.elapsed >= 60 * settings.minutes
    return len(state.history) >= settings.epochs


def _epochs_passed(settings: Settings, state: Progress, steps_per_epoch: int) -> float:
    """Where in the schedule the run is, in epochs; minutes stand for all of these."""
    if settings.minutes:
        return settings.epochs * min(state.elapsed / (60 * settings.minutes), 1.0)
    return (len(state.history) * steps_per_epoch + state.batch) / steps_per_epoch


def _rest_of_epoch(task: Task, state: Progress, steps_per_epoch: int) -> Iterator[Batch]:
    """Go through what is left of the epoch under way, in crops as large as the schedule says."""

    def crop_size() -> int:
        return task.settings.crop_size(_epochs_passed(task.settings, state, steps_per_epoch))

    while True:
        size = crop_size()
        batches = task.train_batches(len(state.history), state.batch, size)
        with contextlib.closing(batches):  # type: ignore[type-var] # a generator has close()
            for batch in batches:
                if crop_size() != size:
                    break
                yield batch
            else:
                return


def _train_epoch(
    task: Task,
    compute_losses: Callable[[Batch], dict[str, Tensor]],
    optimizer: torch.optim.Optimizer,
    state: Progress,
    watch: _Stopwatch,
    progress: bool,
    on_batch: Callable[[nn.Module, Step], None] | None,
    stop: threading.Event,
) -> bool:
    """Train to the end of the epoch under way, or of the run; False if it is stopped before."""
    settings, epoch = task.settings, len(state.history)
    photos_per_epoch = len(task.epoch_photos(epoch))
    steps = math.ceil(photos_per_epoch / settings.batch_size)
    batches = _rest_of_epoch(task, state, steps)
    bar = tqdm(
        total=photos_per_epoch,
        initial=min(state.batch * settings.batch_size, photos_per_epoch),
        desc=f"epoch {epoch + 1}" + ("" if settings.minutes else f"/{settings.epochs}"),
        unit=" photos",
        disable=not progress,
    )
    task.train.damaged |= union(task.train.damaged)  # so that each is named by one rank
    task.network.train()
    state.elapsed += watch.lap()
    with bar, contextlib.closing(batches):  # type: ignore[type-var] # a generator has close()
        following = next(batches, None)
        while following is not None:
            batch, own = following, len(following)
            photos, stops = map(int, all_reduce_sum([own, stop.is_set()]).tolist())
            state.add_time(watch.lap())
            if stops or (state.photos and _is_over(settings, state)):
                break
            if photos == 0:  # all damaged
                state.batch += 1
                following = next(batches, None)
                continue
            state.learning_rate = _learning_rate(settings, _epochs_passed(settings, state, steps))
            for group in optimizer.param_groups:
                group["lr"] = state.learning_rate * group["lr_scale"]
            losses = compute_losses(batch)
            optimizer.zero_grad()
            # Gradients are averaged over the ranks, but each has its share of the photos.
            (losses["loss"] * (world_size() * own / photos)).backward()
            optimizer.step()

            state.batch += 1
            following = next(batches, None)  # while a GPU still computes
            means = mean_losses(losses, own)
            state.add(means, photos)
            if state.batch % 10 == 1:  # seldom, because it waits for a GPU
                bar.set_postfix_str(f"loss {state.sums['loss'] / state.photos:.4f}", refresh=False)
            bar.update(photos)
            if on_batch:
                called = time.perf_counter()
                row = {name: mean.item() for name, mean in means.items()}
                on_batch(task.network, Step(epoch + 1, state.photos, photos_per_epoch, row))
                watch.since += time.perf_counter() - called
    state.add_time(watch.lap())
    return not int(all_reduce_sum(stop.is_set()))


def _learning_rate(settings: Settings, epoch: float) -> float:
    """Learning rate so many epochs after the start."""
    if settings.schedule == "constant":
        return settings.learning_rate
    if settings.schedule == "warmup-stable-decay":
        cooldown = settings.epochs - settings.stable_epochs
        return settings.learning_rate * min(
            0.04 + 0.96 * epoch / 0.5, 1, (settings.epochs - epoch) / cooldown
        )
    share = epoch / settings.epochs
    rise = 0.1
    if share < rise:
        return settings.learning_rate * (0.04 + 0.96 * share / rise)
    return settings.learning_rate * (1 + math.cos(math.pi * (share - rise) / (1 - rise))) / 2


@contextlib.contextmanager
def _stop_requests(stop: threading.Event | None) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a request, so that no step is cut in half.

    A second Ctrl-C interrupts at once. Outside the main thread nothing is caught.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(_number: int, _frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
