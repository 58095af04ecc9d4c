"""TODO."""

import threading

import torch

from ..photos.loader import MemoryPhotos
from ..photos.photo_set import PhotoSet
from ..runtime.errors import VividPastError
from .colorizing import Colorizing, PyramidColorizing
from .segmenting import Segmenting
from .settings import Settings
from .task import Task

# PyTorch's random numbers are one sequence for all threads.
_drawing = threading.Lock()


def open_task(
    train: PhotoSet, val: PhotoSet, settings: Settings, device: torch.device, in_memory: bool
) -> Task:
    """Make the task that ``settings.network`` names, with initial weights fixed by the seed.

    Raises
    ------
    VividPastError
        If photos are to be kept in memory but drawn anew each epoch, or if a segmenter is to
        learn from photos without class maps.
    """
    if in_memory and settings.augment:
        raise VividPastError(
            "Squares that are drawn anew each epoch can't be kept in memory; "
            "add --no-augment, or leave --in-memory out."
        )
    if settings.network == "segmenter" and (train.class_maps is None or val.class_maps is None):
        raise VividPastError(f"{train.title}: has no class maps, which a segmenter learns from.")
    if in_memory:
        train, val = (MemoryPhotos(photos, settings.size) for photos in (train, val))
    tasks: dict[str, type[Task]] = {"segmenter": Segmenting, "pyramid": PyramidColorizing}
    make = tasks.get(settings.network, Colorizing)
    with _drawing:  # initial weights
        torch.manual_seed(settings.seed)
        return make(train, val, settings, device)
