"""The classes of PASCAL VOC: their names and colours."""

import numpy as np

#: The classes of PASCAL VOC, in the order of their channels.
VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus"),
    *("car", "cat", "chair", "cow", "diningtable", "dog", "horse"),
    *("motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def voc_palette() -> np.ndarray:
    """Compute the colours of PASCAL VOC's class maps, uint8 (21, 3)."""
    numbers = np.arange(len(VOC_CLASSES))
    colors = np.zeros((len(VOC_CLASSES), 3), np.uint8)
    for bit in range(3):
        for channel in range(3):
            colors[:, channel] |= ((numbers >> (3 * bit + channel) & 1) << (7 - bit)).astype("u1")
    return colors
