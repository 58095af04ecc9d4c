"""The vote: from colours and motion of consecutive frames, colours that stay with their things.

A network colours one frame, and the next one a little differently: the film flickers. Here the
colours of the frames around are warped along the motion to each frame and averaged with its own.
The average changes slowly within a shot, and nothing crosses a cut.
"""

import torch
from torch import Tensor

from .motion import Motion, warp

#: Number of frames before and after that vote on a frame's colours: half a second.
VOTE_RADIUS = 12


def smooth_colors(
    ab: Tensor,
    from_earlier: Motion,
    from_later: Motion,
    frames: slice,
    radius: int = VOTE_RADIUS,
    is_key: Tensor | None = None,
) -> Tensor:
    """Let each frame's neighbours, before and after it, vote on its colours.

    Parameters
    ----------
    ab : Tensor, shape (N, 2, h, w)
        Colours of consecutive frames, in Lab units.
    from_earlier, from_later : Motion
        Of the N frames, at the size of ``ab``: where each pixel lies in the frame before, and in
        the frame after. Confidence is 0 where there is no such frame in the shot.
    frames : slice
        The frames whose colours are wanted, without a step.
    radius : int
        Number of frames before and after that vote; weights fall linearly with the distance.
    is_key : Tensor, bool, shape (N,), optional
        The frames that have colours; the default is all. Only these vote, and there must be one
        within ``radius`` of each frame.

    Returns
    -------
    Tensor, shape (len(frames), 2, h, w)
        In Lab units.
    """
    start, stop, _step = frames.indices(len(ab))
    weight = torch.ones_like(ab[:, :1])
    if is_key is not None:
        weight *= is_key[:, None, None, None]
    total = weight * ab
    ballot = torch.cat([ab, weight], dim=1)  # (N, 3, h, w): a colour and its weight
    first, last = max(start - radius, 0), min(stop + radius, len(ab))
    earlier, later = ballot[first:stop], ballot[start:last]
    for distance in range(1, radius + 1):
        falloff = 1 - distance / (radius + 1)
        # Each step warps what came from a neighbour on to the next frame; the first frame (the
        # last one, going back) has no more neighbours.
        begin, end = first + distance, last - distance
        if begin < stop:
            earlier = _warp_ballot(earlier[:-1], from_earlier, slice(begin, stop))
            _count(earlier, falloff, total[begin:stop], weight[begin:stop])
        if end > start:
            later = _warp_ballot(later[1:], from_later, slice(start, end))
            _count(later, falloff, total[start:end], weight[start:end])
    return total[start:stop] / weight[start:stop]


def _warp_ballot(ballot: Tensor, motion: Motion, frames: slice) -> Tensor:
    warped = warp(ballot, motion.flow[frames])
    warped[:, 2:] *= motion.confidence[frames]
    return warped


def _count(ballot: Tensor, falloff: float, total: Tensor, weight: Tensor) -> None:
    votes = falloff * ballot[:, 2:]
    total += votes * ballot[:, :2]
    weight += votes
