"""Grey frames in, coloured frames out: steady within a shot, in any number, in bounded memory.

The way of a frame: `analysis` compares it with the one before, the network predicts the colours
of key frames, and the key frames around it vote (`temporal_vote`). Each step runs on all cores,
some batches ahead of the next.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Generic

import numpy as np
import torch
from torch import Tensor

from ..colorize.colorizer import Colorizer
from ..colorize.compose import compose_rgb, lightness_of
from ..runtime.threads import core_count, in_order, single_threaded_ops
from .analysis import BATCH, AnalyzedBatch, Item, Transition, analyze_batches
from .exposure import normalize_exposure
from .motion import Motion
from .pyav import import_av
from .temporal_vote import VOTE_RADIUS, smooth_colors

#: One frame in this many, which divides `BATCH`, is a key frame; so is each that is mostly new.
KEY_EVERY = 6
#: A frame is mostly new if the mean confidence in the motion to it is below this.
MOSTLY_NEW = 0.5
#: Within a shot, confidence is at least this: a point that no key frame shows has a colour, too.
MIN_CONFIDENCE = 1e-3
# Number of batches before and after one that hold all frames that vote in it.
BATCHES_AROUND = math.ceil(VOTE_RADIUS / BATCH)


@dataclass(frozen=True)
class ColoredFrame(Generic[Item]):
    """A frame and its colours.

    Parameters
    ----------
    frame : Item
        What came in.
    exposure : float
        Its brightness relative to the first frame of its shot, as in `exposure`.
    is_cut : bool
        Whether a new shot begins with it.
    ab : Tensor, shape (1, 2, h, w)
        In Lab units, at the network's resolution.
    """

    frame: Item
    exposure: float
    is_cut: bool
    ab: Tensor


def colorize_frames(
    colorizer: Colorizer, frames: Iterable[np.ndarray], independent_frames: bool = False
) -> Iterator[np.ndarray]:
    """Colorize the frames of a film, one after the other.

    Parameters
    ----------
    colorizer : Colorizer
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

    def to_rgb(colored: ColoredFrame[np.ndarray]) -> np.ndarray:
        return compose_rgb(lightness(colored.frame), colored.ab, colored.frame.dtype)

    with worker_pool() as pool:
        colored = predict_colors(colorizer, frames, lightness, pool, independent_frames)
        yield from in_order(pool, to_rgb, colored)


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
    frames : iterable of Item
    lightness : callable
        Gives the lightness (H, W), in [0, 100], of a frame; the same size for all.
    pool : Executor
        What `worker_pool` gives.
    independent_frames : bool
        Colour each frame as if it were a photo.
    exposure : float
        Exposure of the first frame relative to the first one of its shot.

    Yields
    ------
    ColoredFrame
        One per frame. Its colours depend on its exposure, and on the frames up to `VOTE_RADIUS`
        before and after it. To continue from a frame, start at a batch boundary at least
        `VOTE_RADIUS` frames earlier, with that frame's exposure: the colours are equal to the bit.
    """
    predict = partial(_predict, colorizer, independent_frames)
    analyzed = analyze_batches(colorizer, frames, lightness, pool, independent_frames, exposure)
    # One batch more than there are cores, so that none waits; the other steps are quick.
    predicted = in_order(pool, predict, analyzed, ahead=core_count() + 1)
    if independent_frames:
        for batch in predicted:
            yield from _colored(batch, batch.ab)
    else:
        for voted in in_order(pool, _vote, _windows(predicted)):
            yield from voted


@dataclass(frozen=True)
class _PredictedBatch(Generic[Item]):
    """A batch, its motion at the size of the ab maps; which frames are key; their ab, else 0."""

    analyzed: AnalyzedBatch[Item]
    is_key: Tensor
    ab: Tensor


def _predict(
    colorizer: Colorizer, independent_frames: bool, batch: AnalyzedBatch[Item]
) -> _PredictedBatch[Item]:
    """Colour the key frames, all frames of a shot in the same exposure."""
    is_key = torch.arange(len(batch.frames)) % (1 if independent_frames else KEY_EVERY) == 0
    for index, transition in enumerate(batch.transitions, batch.first_transition):
        # Across a cut, confidence is 0.
        is_key[index] |= float(transition.from_earlier.confidence.mean()) < MOSTLY_NEW
    keys = is_key.nonzero()[:, 0].tolist()
    normalized = [normalize_exposure(batch.lightness[key], batch.exposures[key]) for key in keys]
    answers = colorizer.predict(torch.stack(normalized))
    ab = answers.new_zeros(len(batch.frames), *answers.shape[1:])
    ab[is_key] = answers
    transitions = [_resize(each, ab.shape[-2:]) for each in batch.transitions]
    return _PredictedBatch(
        replace(batch, lightness=torch.empty(0), transitions=transitions), is_key, ab
    )


def _resize(transition: Transition, size: Sequence[int]) -> Transition:
    """Bring motion to the size (h, w) of the colours."""
    least = 0 if transition.is_cut else MIN_CONFIDENCE
    both = (each.resize(size) for each in (transition.from_earlier, transition.from_later))
    from_earlier, from_later = (
        Motion(each.flow, each.confidence.clamp(min=least)) for each in both
    )
    return replace(transition, from_earlier=from_earlier, from_later=from_later)


@torch.inference_mode()
def _vote(window: tuple[list[_PredictedBatch[Item]], int]) -> list[ColoredFrame[Item]]:
    """Let the frames of a window vote on those of one batch in it."""
    batches, index = window
    ab = torch.cat([each.ab for each in batches])
    is_key = torch.cat([each.is_key for each in batches])
    transitions = [one for each in batches for one in each.analyzed.transitions][1 - len(ab) :]
    nothing = Motion.none(ab.shape[-2:])
    from_earlier = Motion.join([nothing, *(each.from_earlier for each in transitions)])
    from_later = Motion.join([*(each.from_later for each in transitions), nothing])
    start = sum(len(each.ab) for each in batches[:index])
    asked = slice(start, start + len(batches[index].ab))
    smooth = smooth_colors(ab, from_earlier, from_later, asked, is_key=is_key)
    return list(_colored(batches[index], smooth))


def _colored(batch: _PredictedBatch[Item], ab: Tensor) -> Iterator[ColoredFrame[Item]]:
    known = batch.analyzed.frames, batch.analyzed.exposures, batch.analyzed.cuts
    return map(ColoredFrame, *known, ab.split(1))


def _windows(batches: Iterable[Item]) -> Iterator[tuple[list[Item], int]]:
    """Give each batch with those around it, and its index among them."""
    window: deque[Item | None] = deque([None] * BATCHES_AROUND, maxlen=2 * BATCHES_AROUND + 1)
    for batch in chain(batches, [None] * BATCHES_AROUND):
        window.append(batch)
        if len(window) == window.maxlen:
            index = sum(each is not None for each in islice(window, BATCHES_AROUND))
            yield [each for each in window if each is not None], index


def worker_pool() -> AbstractContextManager[Executor]:
    """Give a pool with one thread per core, each of which computes alone.

    Threads that split up each computation among them would wait for each other, and more so where
    a film is decoded and encoded beside them. Other threads, the caller's too, compute as before.

    Raises
    ------
    VividPastError
        If the packages of the extra `film` are missing.
    """
    import_av()
    return single_threaded_ops(core_count())
