"""Photos and settings in, the task that they make out, with its network ready to be trained."""

import torch

from ..networks.registry import NETWORKS
from ..photos.loader import MemoryPhotos, keep_whole
from ..photos.photo_set import PhotoSet
from ..runtime.devices import best_device
from ..runtime.errors import VividPastError
from ..runtime.randomness import own_random_numbers
from .colorizing import Colorizing, ColorizingBins
from .segmenting import Segmenting
from .settings import Settings
from .task import Task

#: Tasks by the name that a network's entry in the registry gives.
TASKS: dict[str, type[Task]] = {
    "colorizing": Colorizing,
    "colorizing_bins": ColorizingBins,
    "segmenting": Segmenting,
}


def task_class(network: str) -> type[Task]:
    """Find the task that a network of the registry learns."""
    return TASKS[NETWORKS[network].task]


def open_task(
    train: PhotoSet,
    val: PhotoSet,
    settings: Settings,
    device: str | torch.device = "auto",
    in_memory: bool = False,
    progress: bool = False,
) -> Task:
    """Make the task that ``settings.network`` learns, with initial weights fixed by the seed.

    Parameters
    ----------
    train, val : PhotoSet
        Photos to learn from, and photos to judge by after each epoch.
    settings : Settings
        The recipe.
    device : str or torch.device
        Where to train; "auto" takes CUDA where there is one, else the CPU.
    in_memory : bool
        Read the photos once. With ``augment=False`` their crops, and what frozen networks compute
        of them, are kept in memory; otherwise the training photos are kept whole on the device,
        which draws their crops as `photos.loader.crop_batches` does, but for rounding.
    progress : bool
        Show a bar on stderr while training photos are read whole.

    Raises
    ------
    VividPastError
        If a segmenter is to learn from photos without class maps, there is no such device, or the
        photos don't fit it.
    """
    device, make = best_device(device), task_class(settings.network)
    if make.needs_class_maps and (train.class_maps is None or val.class_maps is None):
        raise VividPastError(f"{train.title}: has no class maps, which a segmenter learns from.")
    if in_memory:
        val = MemoryPhotos(val, settings.size)
        if settings.augment:
            largest = max(settings.size, settings.last_size)
            train = keep_whole(train, largest, device, progress)
        else:
            train = MemoryPhotos(train, settings.size)
    with own_random_numbers(settings.seed):
        return make(train, val, settings, device)
