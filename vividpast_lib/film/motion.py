"""Two frames of a film in, the motion between them and the confidence in it out.

Source: Kroeger et al., Fast optical flow using dense inverse search, 2016, as in OpenCV. The
test of both directions against each other: Sundaram et al., Dense point trajectories, 2010.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

from .opencv import single_threaded_cv2

# Standard deviation, in L, of the lightness of one thing in two frames: at this difference,
# confidence is 0.6.
LIGHTNESS_STD = 12.0
# Ratio of two frames' contrasts from which on, as beside a black frame, neither shows the other.
MAX_CONTRAST_RATIO = 3.0
#: Two frames belong to one shot if the mean confidence in the motion, both ways, is above this.
SAME_SHOT_CONFIDENCE = 0.25


@dataclass(frozen=True)
class Motion:
    """Where the pixels of a frame lie in its neighbour.

    Parameters
    ----------
    flow : Tensor, shape (N, 2, h, w)
        To the right and down, in pixels: what is at x lies at x + flow in the neighbour.
    confidence : Tensor, shape (N, 1, h, w)
        From 0, where a pixel is hidden in the neighbour, to 1.
    """

    flow: Tensor
    confidence: Tensor

    @classmethod
    def none(cls, size: Sequence[int]) -> "Motion":
        """Make the motion of one frame, of a size (h, w), without a neighbour: confidence 0."""
        return cls(torch.zeros(1, 2, *size), torch.zeros(1, 1, *size))

    @classmethod
    def join(cls, motions: "Sequence[Motion]") -> "Motion":
        """Concatenate motions along N."""
        return cls(
            torch.cat([each.flow for each in motions]),
            torch.cat([each.confidence for each in motions]),
        )

    def resize(self, size: Sequence[int]) -> "Motion":
        """Average over the pixels of a smaller size (h, w), or enlarge."""
        height, width = self.flow.shape[-2:]
        scale = self.flow.new_tensor([size[1] / width, size[0] / height])[:, None, None]
        flow, confidence = (
            F.interpolate(each, size=tuple(size), mode="area")
            for each in (self.flow, self.confidence)
        )
        return Motion(flow * scale, confidence)


def optical_flow(frame: Tensor, neighbour: Tensor) -> Tensor:
    """Find where each pixel of a frame lies in its neighbour.

    Parameters
    ----------
    frame, neighbour : Tensor, shape (1, 1, H, W)
        L in [0, 100]; sides from 32 pixels on.

    Returns
    -------
    Tensor, shape (1, 2, H, W)
        To the right and down, in pixels. It does not depend on OpenCV's number of threads.
    """
    import cv2  # extra `film`

    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    grey = [(each[0, 0] * 2.55).round().to(torch.uint8).numpy() for each in (frame, neighbour)]
    with single_threaded_cv2():
        flow = search.calc(grey[0], grey[1], None)
    return torch.from_numpy(flow).permute(2, 0, 1)[None]


def warp(maps: Tensor, flow: Tensor) -> Tensor:
    """Warp maps of the neighbours to their frames (backward warping).

    Parameters
    ----------
    maps : Tensor, shape (N, C, h, w)
    flow : Tensor, shape (N, 2, h, w)
        As in `Motion`.

    Returns
    -------
    Tensor, shape (N, C, h, w)
        Read bilinearly; what comes from outside is the nearest border.
    """
    return F.grid_sample(
        maps, _sampling_grid(flow), mode="bilinear", padding_mode="border", align_corners=False
    )


def _sampling_grid(flow: Tensor) -> Tensor:
    """Make the points to read at, (N, h, w, 2), as `grid_sample` takes them: inside is [-1, 1]."""
    height, width = flow.shape[-2:]
    x = (torch.arange(width) + 0.5 + flow[:, 0]) * 2 / width - 1
    y = (torch.arange(height)[:, None] + 0.5 + flow[:, 1]) * 2 / height - 1
    return torch.stack([x, y], dim=-1)


def motion_between(earlier: Tensor, later: Tensor) -> tuple[Motion, Motion]:
    """Estimate the motion between two frames, both ways.

    Parameters
    ----------
    earlier, later : Tensor, shape (1, 1, H, W)
        L in [0, 100]; sides from 32 pixels on.

    Returns
    -------
    from_earlier : Motion
        Of the later frame: warps maps of the earlier frame to it.
    from_later : Motion
        Of the earlier frame: warps maps of the later frame to it.
    """
    backward, forward = optical_flow(later, earlier), optical_flow(earlier, later)
    return (
        Motion(backward, _confidence(later, earlier, backward, forward)),
        Motion(forward, _confidence(earlier, later, forward, backward)),
    )


def same_shot(from_earlier: Motion, from_later: Motion) -> bool:
    """Decide whether two frames belong to one shot: whether much of each is seen in the other."""
    confidence = min(float(from_earlier.confidence.mean()), float(from_later.confidence.mean()))
    return confidence > SAME_SHOT_CONFIDENCE


def _confidence(frame: Tensor, neighbour: Tensor, flow: Tensor, back: Tensor) -> Tensor:
    """Confidence (1, 1, H, W) in ``flow``, from ``frame`` to ``neighbour``."""
    found = consistent(flow, back)
    warped = warp(neighbour, flow)
    if not found.any():
        return found.to(frame)
    # Old stock flickers: one gain and one offset of the lightness are fitted first. To standard
    # deviations 1 L is added, so that two flat pictures are alike.
    x, y = warped[found], frame[found]
    contrast_ratio = (x.std(correction=0) + 1) / (y.std(correction=0) + 1)
    if not 1 / MAX_CONTRAST_RATIO < contrast_ratio < MAX_CONTRAST_RATIO:
        return torch.zeros_like(frame)
    gain = ((x - x.mean()) * (y - y.mean())).mean() / (x.var(correction=0) + 1)
    difference = frame - (gain * (warped - x.mean()) + y.mean())
    return found * torch.exp((difference / LIGHTNESS_STD).square() * -0.5)


def consistent(flow: Tensor, back: Tensor) -> Tensor:
    """Mark the pixels from which ``flow``, and then ``back``, lead to where they began.

    Parameters
    ----------
    flow, back : Tensor, shape (1, 2, H, W)
        In pixels: from the frame to its neighbour, and from there back.

    Returns
    -------
    Tensor, bool, shape (1, 1, H, W)
        False where a pixel is hidden in the neighbour, or outside of it.
    """
    returned = warp(back, flow)
    error = (flow + returned).square().sum(dim=1, keepdim=True)
    lengths = (flow.square() + returned.square()).sum(dim=1, keepdim=True)
    inside = (_sampling_grid(flow).abs() <= 1).all(dim=-1)[:, None]
    return (error < 0.01 * lengths + 0.5) & inside
