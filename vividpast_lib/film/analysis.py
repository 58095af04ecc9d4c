"""Frames in; out come the same frames with their motion, exposure and cuts, in batches."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from ..colorize.colorizer import Colorizer, network_size
from ..runtime.threads import in_order
from .exposure import accumulate_exposure, exposure_change
from .motion import Motion, motion_between, same_shot

Item = TypeVar("Item")

#: Number of frames that are analyzed, and given to the network, at once.
BATCH = 12
#: Motion is estimated in pictures whose shorter side has this many pixels.
FLOW_SIDE = 128


@dataclass(frozen=True)
class Transition:
    """What changes from one frame to the next.

    Parameters
    ----------
    from_earlier, from_later : Motion
        Of the later and of the earlier frame, as `motion_between` gives them.
    exposure_change : float
        As `exposure_change` gives it; 1 across a cut.
    is_cut : bool
    """

    from_earlier: Motion
    from_later: Motion
    exposure_change: float
    is_cut: bool


@dataclass(frozen=True)
class AnalyzedBatch(Generic[Item]):
    """N consecutive frames and what is known of them so far.

    Parameters
    ----------
    frames : tuple of Item
    lightness : Tensor, shape (N, 1, H, W)
        Of the frames, at the size that the network takes; of no frames once they are coloured.
    transitions : sequence of Transition
        To each frame from the one before; the very first frame of a film has none.
    exposures : sequence of float
        Brightness of each frame relative to the first one of its shot, as in `exposure`.
    """

    frames: tuple[Item, ...]
    lightness: Tensor
    transitions: Sequence[Transition] = ()
    exposures: Sequence[float] = ()

    @property
    def first_transition(self) -> int:
        """Index of the frame that the first transition leads to."""
        return len(self.frames) - len(self.transitions)

    @property
    def cuts(self) -> list[bool]:
        """Whether a new shot begins with each frame."""
        return [False] * self.first_transition + [each.is_cut for each in self.transitions]


def analyze_batches(
    colorizer: Colorizer,
    frames: Iterable[Item],
    lightness: Callable[[Item], Tensor],
    pool: Executor,
    independent_frames: bool,
    exposure: float = 1.0,
) -> Iterator[AnalyzedBatch[Item]]:
    """Find the cuts of a film and the exposure of its frames; parameters as in `predict_colors`.

    With ``independent_frames`` there are no cuts, and each exposure is the same.
    """

    def shrink(frames: tuple[Item, ...]) -> AnalyzedBatch[Item]:
        return AnalyzedBatch(
            frames, torch.cat([colorizer.small_copy(lightness(frame)) for frame in frames])
        )

    batches = in_order(pool, shrink, _in_batches(frames))
    if not independent_frames:
        before: AnalyzedBatch[Item] = AnalyzedBatch((), torch.empty(0))
        batches = in_order(pool, _compare, itertools.pairwise(itertools.chain([before], batches)))
    return _accumulate_exposures(batches, exposure)


@torch.inference_mode()
def _compare(pair: tuple[AnalyzedBatch[Item], AnalyzedBatch[Item]]) -> AnalyzedBatch[Item]:
    """Find the transition to each frame of the second batch."""
    previous, batch = pair
    seen = torch.cat([previous.lightness[-1:], batch.lightness])
    height, width = seen.shape[-2:]
    size = network_size(height, width, FLOW_SIDE)
    small = F.interpolate(seen, size=size, mode="bilinear", antialias=True)
    pairs = itertools.pairwise(small.split(1))
    return replace(batch, transitions=[_transition(*pair) for pair in pairs])


def _transition(earlier: Tensor, later: Tensor) -> Transition:
    """Compare the lightness (1, 1, h, w) of two frames."""
    from_earlier, from_later = motion_between(earlier, later)
    if not same_shot(from_earlier, from_later):
        nothing = Motion.none(earlier.shape[-2:])
        return Transition(nothing, nothing, 1.0, True)
    in_both = earlier[from_later.confidence > 0], later[from_earlier.confidence > 0]
    return Transition(from_earlier, from_later, exposure_change(*in_both), False)


def _accumulate_exposures(
    batches: Iterable[AnalyzedBatch[Item]], exposure: float
) -> Iterator[AnalyzedBatch[Item]]:
    """Add the exposure of each frame; ``exposure`` is that of the first one."""
    for batch in batches:
        exposures = [exposure] * batch.first_transition  # without transitions, it stays
        for each in batch.transitions:
            exposure = 1.0 if each.is_cut else accumulate_exposure(exposure, each.exposure_change)
            exposures.append(exposure)
        yield replace(batch, exposures=exposures)


def _in_batches(frames: Iterable[Item]) -> Iterator[tuple[Item, ...]]:
    rest = iter(frames)
    while batch := tuple(itertools.islice(rest, BATCH)):
        yield batch
