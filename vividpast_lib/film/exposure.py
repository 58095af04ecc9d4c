"""Brightness that changes within a shot, evened out before a network sees the frames.

Old stock flickers, and cameras open and close. A network takes a sky for blue while it is bright,
and for a sunset's when it is darker. From one frame to the next, what is seen in both tells by
how much the light has changed; from the beginning of a shot on, the changes are multiplied.
"""

from torch import Tensor

# L + 16 is the cube root of the luminance, but for a factor: it scales when the light does.
OFFSET = 16.0
# What has added up fades: an error, such as a cross-fade leaves, is forgotten in some seconds.
FADING = 0.995
# Changes up to this factor are left as they are: networks bear them, and where a camera moves on
# they are often none. Of larger ones the excess is evened out, up to the second factor.
SMALLEST, LARGEST = 1.03, 1.5


def exposure_change(earlier: Tensor, later: Tensor) -> float:
    """Tell how much brighter the later of two frames is.

    Parameters
    ----------
    earlier, later : Tensor, any shapes
        L of the places of each frame that are seen in the other too.

    Returns
    -------
    float
        Factor of L + 16; 1 where nothing is seen in both.
    """
    if earlier.numel() == 0 or later.numel() == 0:
        return 1.0
    return float((later.mean() + OFFSET) / (earlier.mean() + OFFSET))


def accumulate_exposure(exposure: float, change: float) -> float:
    """Tell how bright a frame is beside the first one, from the frame before it and the change."""
    return (exposure * change) ** FADING


def normalize_exposure(lightness: Tensor, exposure: float) -> Tensor:
    """Show a frame, L in [0, 100] of any shape, about as bright as the first one of its shot."""
    excess = max(exposure / SMALLEST, 1.0) * min(exposure * SMALLEST, 1.0)  # one of them is 1
    factor = min(max(excess, 1 / LARGEST), LARGEST)
    if factor == 1:
        return lightness
    return ((lightness + OFFSET) / factor - OFFSET).clamp(0, 100)
