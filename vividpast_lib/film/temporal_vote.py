"""Colours that stay with the things they are on: many frames vote on the colour of each place.

A network sees one frame, and answers a little differently for the next one: the film flickers.
Here the answers for the frames around are carried along the motion to each frame and averaged
with its own. The average changes slowly where things go on, and not at all across a cut.
"""

import torch
from torch import Tensor

from .motion import Motion, warp

#: A frame is coloured by so many frames before it and after it: half a second.
VOTE_RADIUS = 12


def smooth_colors(
    ab: Tensor,
    from_earlier: Motion,
    from_later: Motion,
    frames: slice,
    reach: int = VOTE_RADIUS,
    is_key: Tensor | None = None,
) -> Tensor:
    """Let each frame's neighbours, before and after it, vote on its colours.

    Parameters
    ----------
    ab : Tensor, shape (N, 2, h, w)
        What the network answers for consecutive frames, in Lab units.
    from_earlier, from_later : Motion
        Of the N frames, at the size of ``ab``: where each place lay in the frame before, and in
        the frame after. Trust is 0 where there is no such frame in the shot.
    frames : slice
        Which frames are asked for, without a step.
    reach : int
        Frames before and after that vote; the farther, the less they count.
    is_key : Tensor, bool, shape (N,), optional
        Which frames the network has seen; if not all, only these vote. There must be one in reach
        of each frame.

    Returns
    -------
    Tensor, shape (len(frames), 2, h, w)
    """
    start, stop, _step = frames.indices(len(ab))
    weight = torch.ones_like(ab[:, :1])
    if is_key is not None:
        weight *= is_key[:, None, None, None]
    total = weight * ab
    ballot = torch.cat([ab, weight], dim=1)  # (N, 3, h, w): a colour, and how far it is trusted
    first, last = max(start - reach, 0), min(stop + reach, len(ab))
    earlier, later = ballot[first:stop], ballot[start:last]
    for distance in range(1, reach + 1):
        share = 1 - distance / (reach + 1)
        # Each step carries what came from a neighbour on to the next frame, and the first frame
        # (the last one, going back) has no more neighbours.
        begin, end = first + distance, last - distance
        if begin < stop:
            earlier = _warp_ballot(earlier[:-1], from_earlier, slice(begin, stop))
            _count(earlier, share, total[begin:stop], weight[begin:stop])
        if end > start:
            later = _warp_ballot(later[1:], from_later, slice(start, end))
            _count(later, share, total[start:end], weight[start:end])
    return total[start:stop] / weight[start:stop]


def _warp_ballot(ballot: Tensor, motion: Motion, frames: slice) -> Tensor:
    carried = warp(ballot, motion.flow[frames])
    carried[:, 2:] *= motion.confidence[frames]
    return carried


def _count(ballot: Tensor, share: float, total: Tensor, weight: Tensor) -> None:
    confidence = share * ballot[:, 2:]
    total += confidence * ballot[:, :2]
    weight += confidence
