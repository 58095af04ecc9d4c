"""Strokes of colour spread over a photo: how they change the ab around them.

Source: Levin, Lischinski, Weiss, Colorization using optimization, 2004; here it is the difference
to the model's answer that spreads, and it fades with the distance.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documentation uses
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import splu
from torch import Tensor

from ..color.upsampling import guided_upsample
from .strokes import Stroke, draw_strokes

#: Longest shorter side, in pixels, of the copy of a photo on which hints spread: twice as fine as
#: the model's own answer. At 256 the solution takes six times as long.
SPREADING_SIDE = 128
# Largest number of pixels of that copy: those of a photo of 1 : 2.
SPREADING_PIXELS = 2 * SPREADING_SIDE**2
# Neighbours weigh exp(-difference^2 / scale), of L. Scale, as a share of the variance of L in the
# 3 x 3 pixels around a pixel ...
SCALE = 0.2
# ... and its least value, in L^2, so that grain and soft shading don't stop a colour.
SMALLEST_SCALE = 2.0
# Lets a pixel that is like none of its neighbours take the mean of theirs.
TINY = 1e-6
# Smallest weight that is kept, of weights that sum to 1: looks the same, in half the time.
SMALLEST_WEIGHT = 0.01
# Pull of the model's answer at SPREADING_SIDE pixels: over 30 of them a dot fades by a third.
PULL = 4e-4


def spreading_size(height: int, width: int) -> tuple[int, int]:
    """Size of the copy of a photo on which hints spread; never larger than the photo."""
    scale = min(
        1, SPREADING_SIDE / min(height, width), (SPREADING_PIXELS / (height * width)) ** 0.5
    )
    return max(1, round(height * scale)), max(1, round(width * scale))


class Spreading:
    """Spreads hints on one photo. What depends on the photo alone is kept for more strokes.

    Parameters
    ----------
    lightness : Tensor, shape (H, W)
        The photo's L in [0, 100], at any size.

    Notes
    -----
    The difference d to the model's answer is the least of ::

        sum over pixels r of ((1 + p) d(r) - sum over neighbours s of w(r, s) d(s))^2

    where d is given under the strokes. So each pixel is to be the mean of those around it that
    are as light as it is, and the pull p to the model lets the difference fade. Levin's own
    program lets each term vanish but under the strokes, which is a square system and solved
    faster. But that is how heat spreads, and around a dot it falls as steeply as around a hot
    needle: a dot on a shirt stays a dot. With all terms in the sum the shirt is filled.

    The normal equations are solved directly; they are too ill-conditioned for plain conjugate
    gradients. Each answer is clamped to what lies between 0 and the hints: a sum of squares
    bends, and would overshoot behind corners.
    """

    def __init__(self, lightness: Tensor) -> None:
        self.size = spreading_size(*lightness.shape)
        self.lightness = F.interpolate(
            lightness[None, None].float(), size=self.size, mode="bilinear", antialias=True
        )  # (1, 1, h, w)
        # The fading is relative to the photo's size, as strokes are.
        pull = PULL * (SPREADING_SIDE / min(self.size)) ** 2
        weights = _weights(self.lightness[0, 0].double().numpy())
        self._residuals = ((1 + pull) * eye_array(weights.shape[0]) - weights).tocsc()

    def spread(self, ab: Tensor, strokes: Sequence[Stroke]) -> Tensor:
        """Compute by how much strokes change a model's answer.

        Parameters
        ----------
        ab : Tensor, shape (1, 2, h, w)
            The model's answer, in Lab units, at any size.
        strokes : sequence of Stroke

        Returns
        -------
        Tensor, shape (1, 2, H, W)
            The difference, in Lab units, at the size of `spreading_size`.
        """
        mask, colors = draw_strokes(strokes, *self.size)
        given = mask.ravel()
        base = guided_upsample(ab.float(), self.lightness)[0].double().numpy()  # (2, H, W)
        hints = (colors - base).reshape(2, -1)[:, given].T  # (K, 2)

        difference = np.zeros((given.size, 2))
        difference[given] = hints
        if given.any() and not given.all():
            free, fixed = self._residuals[:, ~given], self._residuals[:, given]
            solver = splu(
                (free.T @ free).tocsc(), permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0, options={"SymmetricMode": True},
            )  # fmt: skip
            solution = solver.solve(-(free.T @ (fixed @ hints)))
            lowest, highest = np.minimum(hints.min(axis=0), 0), np.maximum(hints.max(axis=0), 0)
            difference[~given] = solution.clip(lowest, highest)
        return torch.from_numpy(difference.T.reshape(1, 2, *self.size)).float()


def _weights(lightness: np.ndarray) -> csr_array:
    """Weights of each pixel's eight neighbours, summing to 1: (pixels, pixels)."""
    windows = _windows(np.pad(lightness, 1, mode="edge"))  # (pixels, 9)
    around = _windows(
        np.pad(np.arange(lightness.size).reshape(lightness.shape), 1, constant_values=-1)
    )
    scale = np.maximum(SCALE * windows.var(axis=1), SMALLEST_SCALE)
    unlike = (windows - lightness.reshape(-1, 1)) ** 2
    weights = np.exp(-unlike / scale[:, None]) + TINY
    weights *= (around >= 0) & (np.arange(9) != 4)  # not beyond the photo, nor the pixel itself
    weights *= weights >= SMALLEST_WEIGHT * weights.sum(axis=1, keepdims=True)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), TINY)
    kept = weights > 0
    rows = np.concatenate([[0], kept.sum(axis=1).cumsum()])
    return csr_array((weights[kept], around[kept], rows), (lightness.size, lightness.size))


def _windows(padded: np.ndarray) -> np.ndarray:
    """Cut the 3 x 3 pixels around each pixel out of (H + 2, W + 2): (H * W, 9)."""
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(-1, 9)
