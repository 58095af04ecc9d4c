"""What the tests of the demos share: what is shown, and what a browser sends."""

import io
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from vividpast_lib.color.lab import rgb_to_lab


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def lab_of(values: np.ndarray) -> np.ndarray:
    """Lab (H, W, 3) of uint8 (H, W, 3)."""
    return rgb_to_lab(torch.from_numpy(values / 255).permute(2, 0, 1)).permute(1, 2, 0).numpy()


def send(part, content: dict, *buffers: bytes) -> None:
    """Do what the browser does."""
    part._handle_custom_msg(content, list(buffers))


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 600
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
