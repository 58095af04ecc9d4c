"""Each frame's exposure relative to the first frame of its shot, found and normalized.

Old stock flickers, and apertures open and close. A network takes a sky for blue while it is
bright, and for a sunset's when it is darker. The exposure changes, from one frame to the next, by
the ratio of the mean brightness of what is seen in both; over a shot, the changes are multiplied.
"""

from torch import Tensor

# L + 16 is the cube root of the luminance, but for a factor: it scales with the exposure.
L_OFFSET = 16.0
# Exponent, per frame, by which exposure returns to 1: an error, such as a cross-fade leaves, decays
# within seconds.
DECAY = 0.995
# Factor of L + 16 up to which exposure is left as it is: networks bear it, and a moving camera
# causes some. Of a larger one the excess is corrected, by a factor of at most MAX_CORRECTION.
TOLERANCE, MAX_CORRECTION = 1.03, 1.5


def exposure_change(earlier: Tensor, later: Tensor) -> float:
    """Estimate how much brighter the later of two frames is.

    Parameters
    ----------
    earlier, later : Tensor, any shapes
        L of the pixels of each frame that are seen in the other too.

    Returns
    -------
    float
        Factor of L + 16; 1 if nothing is seen in both.
    """
    if earlier.numel() == 0 or later.numel() == 0:
        return 1.0
    return float((later.mean() + L_OFFSET) / (earlier.mean() + L_OFFSET))


def accumulate_exposure(exposure: float, change: float) -> float:
    """Give the exposure of a frame from that of the frame before and the change between them."""
    return (exposure * change) ** DECAY


def normalize_exposure(lightness: Tensor, exposure: float) -> Tensor:
    """Scale a frame, L in [0, 100] of any shape, to about the first one's exposure."""
    excess = max(exposure / TOLERANCE, 1.0) * min(exposure * TOLERANCE, 1.0)  # one of them is 1
    factor = min(max(excess, 1 / MAX_CORRECTION), MAX_CORRECTION)
    if factor == 1:
        return lightness
    return ((lightness + L_OFFSET) / factor - L_OFFSET).clamp(0, 100)
