"""Grey frames in, coloured frames out: steady within a shot, in any number, in bounded memory.

The way of a frame: ``look`` (small copies of it), ``move`` (the motion since the frame before),
``predict`` (what the network answers for key frames), ``vote`` (the key frames around have their
say). Each is a step that runs on all cores, some batches ahead of the next.
"""

import contextlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from .colorizer import Colorizer, join, lightness_of, network_size
from .devices import one_thread_an_operation
from .exposure import add_up, even_light, light_change
from .film_reading import import_av
from .flow import Motion, motion_between, same_shot
from .steady import REACH, steady

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Frames are looked at in batches of this size; the network is asked for the key frames of each.
BATCH = 12
#: The network sees one frame in so many, which divides `BATCH`, and each that shows much new.
KEY_EVERY = 6
#: A frame shows much new if no more than this is found again in the frame before it.
FOUND_AGAIN = 0.5
#: Places that no key frame shows take colours from these all the same, trusted so far a step.
LEAST_TRUST = 1e-3
#: Motion is looked for in pictures whose shorter side has this many pixels at least.
FLOW_SIDE = 128
# So many batches before and after one hold all frames that vote in it.
BATCHES_AROUND = -(-REACH // BATCH)


@dataclass(frozen=True)
class Seen(Generic[Item]):
    """A frame and what the frame before it tells of it.

    Parameters
    ----------
    frame : Item
        What came in.
    light : float
        How bright it is beside the first frame of its shot, as in `exposure`.
    is_cut : bool
        A new shot begins with it.
    """

    frame: Item
    light: float
    is_cut: bool


@dataclass(frozen=True)
class Colored(Seen[Item]):
    """A frame and its colours.

    Parameters
    ----------
    frame, light, is_cut
        As in `Seen`.
    ab : Tensor, shape (1, 2, h, w)
        In Lab units, at the network's resolution.
    """

    ab: Tensor


def colorize_frames(
    colorizer: Colorizer, frames: Iterable[np.ndarray], each_frame_alone: bool = False
) -> Iterator[np.ndarray]:
    """Colorize the frames of a film, one after the other.

    Parameters
    ----------
    colorizer : Colorizer
        The model.
    frames : iterable of ndarray
        uint8 or uint16, all of one shape: (H, W), (H, W, 1) or (H, W, 3), whose colours are
        ignored. Taken some dozen frames ahead of those that are given out.
    each_frame_alone : bool
        Colour each frame as if it were a photo: the colours flicker.

    Yields
    ------
    ndarray, shape (H, W, 3)
        sRGB, of the frames' type, with their lightness.
    """

    def lightness(frame: np.ndarray) -> Tensor:
        return lightness_of(frame.reshape(*frame.shape[:2], -1))

    def paint(colored: Colored[np.ndarray]) -> np.ndarray:
        return join(lightness(colored.frame), colored.ab, colored.frame.dtype)

    with workers() as pool:
        colored = color_maps(colorizer, frames, lightness, pool, each_frame_alone)
        yield from in_order(pool, paint, colored)


def color_maps(
    colorizer: Colorizer,
    frames: Iterable[Item],
    lightness: Callable[[Item], Tensor],
    pool: Executor,
    each_frame_alone: bool = False,
    light: float = 1.0,
) -> Iterator[Colored[Item]]:
    """Find the colours of the frames of a film.

    Parameters
    ----------
    colorizer : Colorizer
        The model.
    frames : iterable
        Of anything.
    lightness : callable
        Gives the lightness (H, W) of a frame, the same size for all.
    pool : Executor
        What `workers` gives.
    each_frame_alone : bool
        Colour each frame as if it were a photo.
    light : float
        How bright the first frame is beside the first one of its shot.

    Yields
    ------
    Colored
        One a frame. Its colours depend on its light, and on the frames up to `REACH` before and
        after it. Begun anew with a whole batch, that much before a frame and with its light, the
        answers are the same to the last bit.
    """

    def predict(batch: _Batch[Item]) -> _Batch[Item]:
        return _predict(colorizer, batch, each_frame_alone)

    seen = _see(colorizer, frames, lightness, pool, each_frame_alone, light)
    # One batch more than there are cores, so that none waits; the other steps are quick.
    predicted = in_order(pool, predict, seen, ahead=core_count() + 1)
    if each_frame_alone:
        for batch in predicted:
            yield from _colored(batch, batch.ab)
    else:
        for voted in in_order(pool, _vote, _windows(predicted)):
            yield from voted


def shots(
    colorizer: Colorizer,
    frames: Iterable[Item],
    lightness: Callable[[Item], Tensor],
    pool: Executor,
    each_frame_alone: bool = False,
) -> Iterator[Seen[Item]]:
    """Find the cuts of a film, and the light of its frames, without colouring them.

    Parameters
    ----------
    colorizer, frames, lightness, pool, each_frame_alone
        As in `color_maps`, which finds the same to the last bit.

    Yields
    ------
    Seen
        One a frame. With ``each_frame_alone`` there are no cuts, and the light is always 1.
    """
    for batch in _see(colorizer, frames, lightness, pool, each_frame_alone, light=1.0):
        for row in zip(batch.frames, batch.lights, batch.cuts, strict=True):
            yield Seen(*row)


def _see(
    colorizer: Colorizer,
    frames: Iterable[Item],
    lightness: Callable[[Item], Tensor],
    pool: Executor,
    each_frame_alone: bool,
    light: float,
) -> "Iterator[_Batch[Item]]":
    """Look at frames, in batches, and compare each with the one before."""

    def look(frames: tuple[Item, ...]) -> _Batch[Item]:
        copies = (colorizer.small_copies(lightness(frame)) for frame in frames)
        return _Batch(frames, [torch.cat(sizes) for sizes in zip(*copies, strict=True)])

    looked = in_order(pool, look, _batches(frames))
    moved = looked if each_frame_alone else in_order(pool, _move, _with_previous(looked))
    return _add_up_light(moved, light)


@dataclass(frozen=True)
class _Batch(Generic[Item]):
    """N consecutive frames, and what is known of them so far."""

    frames: tuple[Item, ...]
    copies: list[Tensor]  # each (N, 1, H, W): lightness at the sizes that the network is to see
    # From one frame to the next, beginning with the last one of the batch before, if there is one.
    steps: "Sequence[_Step]" = ()
    lights: Sequence[float] = ()
    is_key: Tensor = field(default_factory=Tensor)  # (N,): whether the network has seen a frame
    ab: Tensor = field(default_factory=Tensor)  # (N, 2, h, w), of the key frames

    @property
    def cuts(self) -> list[bool]:
        """Tell of each frame whether a new shot begins with it."""
        without_step = len(self.frames) - len(self.steps)
        return [False] * without_step + [step.is_cut for step in self.steps]


@dataclass(frozen=True)
class _Step:
    """What happens from one frame to the next."""

    from_earlier: Motion
    from_later: Motion
    light_change: float
    is_cut: bool


@torch.inference_mode()
def _move(pair: tuple[_Batch[Item] | None, _Batch[Item]]) -> _Batch[Item]:
    """Find the motion, and the change of light, since the frame before each frame."""
    previous, batch = pair
    guides = [*(previous.copies[0][-1:] if previous else []), *batch.copies[0]]
    steps = [_step(earlier[None], later[None]) for earlier, later in itertools.pairwise(guides)]
    return replace(batch, steps=steps)


def _step(earlier: Tensor, later: Tensor) -> _Step:
    """Compare the lightness (1, 1, H, W) of two frames."""
    if min(earlier.shape[-2:]) < FLOW_SIDE:
        height, width = earlier.shape[-2:]
        size = network_size(height, width, FLOW_SIDE)
        earlier, later = (
            F.interpolate(each, size=size, mode="bilinear") for each in (earlier, later)
        )
    from_earlier, from_later = motion_between(earlier, later)
    if not same_shot(from_earlier, from_later):
        nothing = Motion.none(earlier.shape[-2:])
        return _Step(nothing, nothing, 1.0, True)
    seen = earlier[from_later.trust > 0], later[from_earlier.trust > 0]
    return _Step(from_earlier, from_later, light_change(*seen), False)


def _add_up_light(batches: Iterable[_Batch[Item]], light: float) -> Iterator[_Batch[Item]]:
    """Tell the light of each frame, of the first one being told."""
    for batch in batches:
        lights = [light] * (len(batch.frames) - len(batch.steps))  # without steps, it stays
        for step in batch.steps:
            light = 1.0 if step.is_cut else add_up(light, step.light_change)
            lights.append(light)
        yield replace(batch, lights=lights)


def _predict(colorizer: Colorizer, batch: _Batch[Item], each_frame_alone: bool) -> _Batch[Item]:
    """Ask the network for the key frames; it sees all frames of a shot in the same light."""
    is_key = torch.arange(len(batch.frames)) % (1 if each_frame_alone else KEY_EVERY) == 0
    for index, step in enumerate(batch.steps, len(batch.frames) - len(batch.steps)):
        is_key[index] |= float(step.from_earlier.trust.mean()) < FOUND_AGAIN  # or a cut: 0
    keys = is_key.nonzero()[:, 0].tolist()
    lit = [
        torch.stack([even_light(copy[key], batch.lights[key]) for key in keys])
        for copy in batch.copies
    ]
    answers = colorizer.predict(*lit)
    ab = answers.new_zeros(len(batch.frames), *answers.shape[1:])
    ab[is_key] = answers
    steps = [_resize(step, ab.shape[-2:]) for step in batch.steps]
    return replace(batch, copies=[], steps=steps, is_key=is_key, ab=ab)


def _resize(step: _Step, cells: Sequence[int]) -> _Step:
    """Bring motion to the size of the colours."""
    least = 0 if step.is_cut else LEAST_TRUST
    both = (each.resize(cells) for each in (step.from_earlier, step.from_later))
    from_earlier, from_later = (Motion(each.flow, each.trust.clamp(min=least)) for each in both)
    return replace(step, from_earlier=from_earlier, from_later=from_later)


@torch.inference_mode()
def _vote(window: tuple[list[_Batch[Item]], int]) -> list[Colored[Item]]:
    """Let the frames of a window vote on those of one batch in it."""
    batches, index = window
    ab = torch.cat([each.ab for each in batches])
    is_key = torch.cat([each.is_key for each in batches])
    steps = [step for each in batches for step in each.steps][1 - len(ab) :]
    nothing = Motion.none(ab.shape[-2:])
    from_earlier = Motion.join([nothing, *(step.from_earlier for step in steps)])
    from_later = Motion.join([*(step.from_later for step in steps), nothing])
    start = sum(len(each.frames) for each in batches[:index])
    asked = slice(start, start + len(batches[index].frames))
    return list(
        _colored(batches[index], steady(ab, from_earlier, from_later, asked, is_key=is_key))
    )


def _colored(batch: _Batch[Item], ab: Tensor) -> Iterator[Colored[Item]]:
    for row in zip(batch.frames, batch.lights, batch.cuts, ab.split(1), strict=True):
        yield Colored(*row)


def _batches(frames: Iterable[Item]) -> Iterator[tuple[Item, ...]]:
    rest = iter(frames)
    while batch := tuple(itertools.islice(rest, BATCH)):
        yield batch


def _with_previous(items: Iterable[Item]) -> Iterator[tuple[Item | None, Item]]:
    previous = None
    for item in items:
        yield previous, item
        previous = item


def _windows(batches: Iterable[Item]) -> Iterator[tuple[list[Item], int]]:
    """Give each batch with those around it, and its place among them."""
    held: deque[Item] = deque(maxlen=2 * BATCHES_AROUND + 1)
    place = 0
    for batch in batches:
        held.append(batch)
        if len(held) > BATCHES_AROUND:
            place = len(held) - 1 - BATCHES_AROUND
            yield list(held), place
    # The last ones have fewer, or none, after them.
    for last in range(place + 1 if len(held) > BATCHES_AROUND else 0, len(held)):
        yield list(held), last


def in_order(
    pool: Executor, step: Callable[[Item], Result], items: Iterable[Item], ahead: int = 2
) -> Iterator[Result]:
    """Run a step on items in other threads, some items ahead; the results keep their order."""
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(step, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


@contextlib.contextmanager
def workers() -> Iterator[Executor]:
    """Give one thread a core, each of which computes alone.

    Threads that split up each computation among them would wait for each other, and more so where
    a film is decoded and encoded beside them. The results also don't depend on their number.
    """
    import_av()
    import cv2

    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with one_thread_an_operation(), ThreadPoolExecutor(core_count()) as pool:
            yield pool
    finally:
        cv2.setNumThreads(cv2_threads)


def core_count() -> int:
    """Count the cores that this process may use: OMP_NUM_THREADS of them, if that is set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores or 1, int(asked)) if asked.isdecimal() and int(asked) else cores or 1
