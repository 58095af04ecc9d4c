"""Motion between two frames of a film: where each place lay before, and how far to confidence that.

Source: Kroeger et al., Fast optical flow using dense inverse search, 2016, as in OpenCV. The
test of both directions against each other: Sundaram et al., Dense point trajectories, 2010.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from torch import Tensor

# Where the lightness that was carried along differs by this, in L, a place is trusted by 0.6.
SPREAD = 12.0
# A picture that has so many times the contrast of its neighbour, or less, as a black frame has,
# shows nothing of it.
LARGEST_GAIN = 3.0
#: Two frames of which no more than this can be carried over belong to two shots.
SAME_SHOT = 0.25


@dataclass(frozen=True)
class Motion:
    """Where the places of a frame lay in its neighbour.

    Parameters
    ----------
    flow : Tensor, shape (N, 2, h, w)
        To the right and down, in cells: what is at x was at x + flow.
    confidence : Tensor, shape (N, 1, h, w)
        From 0, where a place is not seen in the neighbour, to 1.
    """

    flow: Tensor
    confidence: Tensor

    @classmethod
    def none(cls, cells: Sequence[int]) -> "Motion":
        """Make the motion (1, 2, h, w) from a frame that isn't there: nothing is to be trusted."""
        return cls(torch.zeros(1, 2, *cells), torch.zeros(1, 1, *cells))

    @classmethod
    def join(cls, motions: "Sequence[Motion]") -> "Motion":
        """Put motions of single frames into one."""
        return cls(
            torch.cat([each.flow for each in motions]),
            torch.cat([each.confidence for each in motions]),
        )

    def resize(self, cells: Sequence[int]) -> "Motion":
        """Average over the cells of a smaller grid, or enlarge."""
        height, width = self.flow.shape[-2:]
        scale = self.flow.new_tensor([cells[1] / width, cells[0] / height])[:, None, None]
        flow, confidence = (
            F.interpolate(each, size=tuple(cells), mode="area")
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
        To the right and down, in pixels.
    """
    import cv2  # extra `film`

    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    grey = [(each[0, 0] * 2.55).round().to(torch.uint8).numpy() for each in (frame, neighbour)]
    flow = search.calc(grey[0], grey[1], None)
    return torch.from_numpy(flow).permute(2, 0, 1)[None]


def warp(maps: Tensor, flow: Tensor) -> Tensor:
    """Carry maps of the neighbours along the motion to their frames (backward warping).

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
        maps, _places(flow), mode="bilinear", padding_mode="border", align_corners=False
    )


def _places(flow: Tensor) -> Tensor:
    """Where to read, (N, h, w, 2), the picture from -1 to 1, as `grid_sample` wants it."""
    height, width = flow.shape[-2:]
    x = (torch.arange(width) + 0.5 + flow[:, 0]) * 2 / width - 1
    y = (torch.arange(height)[:, None] + 0.5 + flow[:, 1]) * 2 / height - 1
    return torch.stack([x, y], dim=-1)


def motion_between(earlier: Tensor, later: Tensor) -> tuple[Motion, Motion]:
    """Find the motion between two frames, both ways.

    Parameters
    ----------
    earlier, later : Tensor, shape (1, 1, H, W)
        L in [0, 100]; sides from 32 pixels on.

    Returns
    -------
    from_earlier : Motion
        Of the later frame: carries maps of the earlier frame to it.
    from_later : Motion
        Of the earlier frame: carries maps of the later frame to it.
    """
    backward, forward = optical_flow(later, earlier), optical_flow(earlier, later)
    return (
        Motion(backward, _confidence(later, earlier, backward, forward)),
        Motion(forward, _confidence(earlier, later, forward, backward)),
    )


def same_shot(from_earlier: Motion, from_later: Motion) -> bool:
    """Tell whether two frames belong to one shot: whether much of each is seen in the other."""
    seen = min(float(from_earlier.confidence.mean()), float(from_later.confidence.mean()))
    return seen > SAME_SHOT


def _confidence(frame: Tensor, neighbour: Tensor, flow: Tensor, back: Tensor) -> Tensor:
    """Trust (1, 1, H, W) in what ``flow`` carries to ``frame``."""
    found = consistent(flow, back)
    carried = warp(neighbour, flow)
    if not found.any():
        return found.to(frame)
    # Old stock flickers: one gain and one offset of the lightness are not held against it. In
    # the spreads, 1 L is added, so that two flat pictures are alike.
    x, y = carried[found], frame[found]
    spreads = (x.std(correction=0) + 1) / (y.std(correction=0) + 1)
    if not 1 / LARGEST_GAIN < spreads < LARGEST_GAIN:
        return torch.zeros_like(frame)
    gain = ((x - x.mean()) * (y - y.mean())).mean() / (x.var(correction=0) + 1)
    unlike = frame - (gain * (carried - x.mean()) + y.mean())
    return found * torch.exp((unlike / SPREAD).square() * -0.5)


def consistent(flow: Tensor, back: Tensor) -> Tensor:
    """Mark where going along ``flow`` and ``back`` again ends where it began.

    Parameters
    ----------
    flow, back : Tensor, shape (1, 2, H, W)
        In pixels: from the frame to its neighbour, and from there back.

    Returns
    -------
    Tensor, bool, shape (1, 1, H, W)
        False in places that are hidden in the neighbour, or outside of it.
    """
    returned = warp(back, flow)
    away = (flow + returned).square().sum(dim=1, keepdim=True)
    lengths = (flow.square() + returned.square()).sum(dim=1, keepdim=True)
    inside = (_places(flow).abs() <= 1).all(dim=-1)[:, None]
    return (away < 0.01 * lengths + 0.5) & inside
