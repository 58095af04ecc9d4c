"""Grey frames in, coloured frames out: steady within a shot, in any number, in bounded memory.

The way of a frame: ``look`` (small copies of it), ``move`` (the motion since the frame before),
``predict`` (what the network answers for key frames), ``vote`` (the key frames around have their
say). Each is a step that runs on all cores, some batches ahead of the next.
"""

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from ..colorize.colorizer import Colorizer, network_size
from ..colorize.compose import compose_rgb, lightness_of
from ..runtime.threads import core_count, in_order, single_threaded_ops
from .exposure import accumulate_exposure, exposure_change, normalize_exposure
from .motion import Motion, motion_between, same_shot
from .pyav import import_av
from .temporal_vote import VOTE_RADIUS, smooth_colors

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Frames are looked at in batches of this size; the network is asked for the key frames of each.
BATCH = 12
#: The network sees one frame in so many, which divides `BATCH`, and each that shows much new.
KEY_EVERY = 6
#: A frame shows much new if no more than this is found again in the frame before it.
FOUND_AGAIN = 0.5
#: Places that no key frame shows take colours from these all the same, trusted so far a step.
LEAST_CONFIDENCE = 1e-3
#: Motion is looked for in pictures whose shorter side has this many pixels at least.
FLOW_SIDE = 128
# So many batches before and after one hold all frames that vote in it.
BATCHES_AROUND = -(-VOTE_RADIUS // BATCH)


@dataclass(frozen=True)
class AnalyzedFrame(Generic[Item]):
    """A frame and what the frame before it tells of it.

    Parameters
    ----------
    frame : Item
        What came in.
    exposure : float
        How bright it is beside the first frame of its shot, as in `exposure`.
    is_cut : bool
        A new shot begins with it.
    """

    frame: Item
    exposure: float
    is_cut: bool


@dataclass(frozen=True)
class ColoredFrame(AnalyzedFrame[Item]):
    """A frame and its colours.

    Parameters
    ----------
    frame, exposure, is_cut
        As in `AnalyzedFrame`.
    ab : Tensor, shape (1, 2, h, w)
        In Lab units, at the network's resolution.
    """

    ab: Tensor


def colorize_frames(
    colorizer: Colorizer, frames: Iterable[np.ndarray], independent_frames: bool = False
) -> Iterator[np.ndarray]:
    """Colorize the frames of a film, one after the other.

    Parameters
    ----------
    colorizer : Colorizer
        The model.
    frames : iterable of ndarray
        uint8 or uint16, all of one shape: (H, W), (H, W, 1) or (H, W, 3), whose colours are
        ignored. Taken some dozen frames ahead of those that are given out.
    independent_frames : bool
        Colour each frame as if it were a photo: the colours flicker.

    Yields
    ------
    ndarray, shape (H, W, 3)
        sRGB, of the frames' type, with their lightness.
    """

    def lightness(frame: np.ndarray) -> Tensor:
        return lightness_of(frame.reshape(*frame.shape[:2], -1))

    def paint(colored: ColoredFrame[np.ndarray]) -> np.ndarray:
        return compose_rgb(lightness(colored.frame), colored.ab, colored.frame.dtype)

    with workers() as pool:
        colored = predict_colors(colorizer, frames, lightness, pool, independent_frames)
        yield from in_order(pool, paint, colored)


def predict_colors(
    colorizer: Colorizer,
    frames: Iterable[Item],
    lightness: Callable[[Item], Tensor],
    pool: Executor,
    independent_frames: bool = False,
    exposure: float = 1.0,
) -> Iterator[ColoredFrame[Item]]:
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
    independent_frames : bool
        Colour each frame as if it were a photo.
    exposure : float
        How bright the first frame is beside the first one of its shot.

    Yields
    ------
    ColoredFrame
        One a frame. Its colours depend on its exposure, and on the frames up to `VOTE_RADIUS` before and
        after it. Begun anew with a whole batch, that much before a frame and with its exposure, the
        answers are the same to the last bit.
    """

    def predict(batch: _Batch[Item]) -> _Batch[Item]:
        return _predict(colorizer, batch, independent_frames)

    seen = _see(colorizer, frames, lightness, pool, independent_frames, exposure)
    # One batch more than there are cores, so that none waits; the other steps are quick.
    predicted = in_order(pool, predict, seen, ahead=core_count() + 1)
    if independent_frames:
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
    independent_frames: bool = False,
) -> Iterator[AnalyzedFrame[Item]]:
    """Find the cuts of a film, and the light of its frames, without colouring them.

    Parameters
    ----------
    colorizer, frames, lightness, pool, independent_frames
        As in `predict_colors`, which finds the same to the last bit.

    Yields
    ------
    AnalyzedFrame
        One a frame. With ``independent_frames`` there are no cuts, and the light is always 1.
    """
    for batch in _see(colorizer, frames, lightness, pool, independent_frames, exposure=1.0):
        for row in zip(batch.frames, batch.exposures, batch.cuts, strict=True):
            yield AnalyzedFrame(*row)


def _see(
    colorizer: Colorizer,
    frames: Iterable[Item],
    lightness: Callable[[Item], Tensor],
    pool: Executor,
    independent_frames: bool,
    exposure: float,
) -> "Iterator[_Batch[Item]]":
    """Look at frames, in batches, and compare each with the one before."""

    def look(frames: tuple[Item, ...]) -> _Batch[Item]:
        copies = (colorizer.small_copies(lightness(frame)) for frame in frames)
        return _Batch(frames, [torch.cat(sizes) for sizes in zip(*copies, strict=True)])

    looked = in_order(pool, look, _batches(frames))
    moved = looked if independent_frames else in_order(pool, _move, _with_previous(looked))
    return _add_up_light(moved, exposure)


@dataclass(frozen=True)
class _Batch(Generic[Item]):
    """N consecutive frames, and what is known of them so far."""

    frames: tuple[Item, ...]
    copies: list[Tensor]  # each (N, 1, H, W): lightness at the sizes that the network is to see
    # From one frame to the next, beginning with the last one of the batch before, if there is one.
    steps: "Sequence[_Step]" = ()
    exposures: Sequence[float] = ()
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
    exposure_change: float
    is_cut: bool


@torch.inference_mode()
def _move(pair: tuple[_Batch[Item] | None, _Batch[Item]]) -> _Batch[Item]:
    """Find the motion, and the change of exposure, since the frame before each frame."""
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
    seen = earlier[from_later.confidence > 0], later[from_earlier.confidence > 0]
    return _Step(from_earlier, from_later, exposure_change(*seen), False)


def _add_up_light(batches: Iterable[_Batch[Item]], exposure: float) -> Iterator[_Batch[Item]]:
    """Tell the light of each frame, of the first one being told."""
    for batch in batches:
        exposures = [exposure] * (len(batch.frames) - len(batch.steps))  # without steps, it stays
        for step in batch.steps:
            exposure = 1.0 if step.is_cut else accumulate_exposure(exposure, step.exposure_change)
            exposures.append(exposure)
        yield replace(batch, exposures=exposures)


def _predict(colorizer: Colorizer, batch: _Batch[Item], independent_frames: bool) -> _Batch[Item]:
    """Ask the network for the key frames; it sees all frames of a shot in the same light."""
    is_key = torch.arange(len(batch.frames)) % (1 if independent_frames else KEY_EVERY) == 0
    for index, step in enumerate(batch.steps, len(batch.frames) - len(batch.steps)):
        is_key[index] |= float(step.from_earlier.confidence.mean()) < FOUND_AGAIN  # or a cut: 0
    keys = is_key.nonzero()[:, 0].tolist()
    lit = [
        torch.stack([normalize_exposure(copy[key], batch.exposures[key]) for key in keys])
        for copy in batch.copies
    ]
    answers = colorizer.predict(*lit)
    ab = answers.new_zeros(len(batch.frames), *answers.shape[1:])
    ab[is_key] = answers
    steps = [_resize(step, ab.shape[-2:]) for step in batch.steps]
    return replace(batch, copies=[], steps=steps, is_key=is_key, ab=ab)


def _resize(step: _Step, cells: Sequence[int]) -> _Step:
    """Bring motion to the size of the colours."""
    least = 0 if step.is_cut else LEAST_CONFIDENCE
    both = (each.resize(cells) for each in (step.from_earlier, step.from_later))
    from_earlier, from_later = (
        Motion(each.flow, each.confidence.clamp(min=least)) for each in both
    )
    return replace(step, from_earlier=from_earlier, from_later=from_later)


@torch.inference_mode()
def _vote(window: tuple[list[_Batch[Item]], int]) -> list[ColoredFrame[Item]]:
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
        _colored(batches[index], smooth_colors(ab, from_earlier, from_later, asked, is_key=is_key))
    )


def _colored(batch: _Batch[Item], ab: Tensor) -> Iterator[ColoredFrame[Item]]:
    for row in zip(batch.frames, batch.exposures, batch.cuts, ab.split(1), strict=True):
        yield ColoredFrame(*row)


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
    file_lock: deque[Item] = deque(maxlen=2 * BATCHES_AROUND + 1)
    place = 0
    for batch in batches:
        file_lock.append(batch)
        if len(file_lock) > BATCHES_AROUND:
            place = len(file_lock) - 1 - BATCHES_AROUND
            yield list(file_lock), place
    # The last ones have fewer, or none, after them.
    for last in range(place + 1 if len(file_lock) > BATCHES_AROUND else 0, len(file_lock)):
        yield list(file_lock), last


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
        with single_threaded_ops(core_count()) as pool:
            yield pool
    finally:
        cv2.setNumThreads(cv2_threads)
