"""Train on a folder of JPEGs beside the same steps on tensors in memory, and beside a plain loop.

The plain loop is what a tutorial would write: a Dataset that reads, crops, resizes and converts
one photo at a time with scikit-image, and a network as PyTorch makes it. What the network's steps
take by themselves is the least that any loop can take.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from measure import Result, folder_of_photos, run
from skimage.color import rgb2lab
from skimage.io import imread
from skimage.transform import resize
from torch.utils.data import DataLoader, Dataset

from vividpast_lib.networks.registry import NETWORKS
from vividpast_lib.photos.open import open_photos
from vividpast_lib.photos.photo_set import PhotoSet
from vividpast_lib.runtime.devices import best_precision
from vividpast_lib.training.loop import fit
from vividpast_lib.training.settings import Settings
from vividpast_lib.training.task import Batch, Task
from vividpast_lib.training.task_registry import open_task

PHOTOS = {"cpu": 640, "cuda": 12_800}
SIZE = 500, 375  # of JPEGs, as in ImageNet
BATCHES_KEPT = 8
RECIPES = {name: dict(NETWORKS[name].recipe) for name in ("pyramid", "autoencoder")}


class Timed:
    """Runs of one kind, in photos a second."""

    def __init__(self, settings: Settings, train: PhotoSet, val: PhotoSet, device: str) -> None:
        self.settings, self.train, self.val, self.device = settings, train, val, device
        # Once: they are the same each time, and nobody asks how long they take.
        self.statistics = open_task(train, val, settings, device).compute_statistics()

    def folder(self) -> float:
        """Run `vividpast train` on the folder: what its history says."""
        task = open_task(self.train, self.val, self.settings, self.device)
        _network, history = fit(task, progress=False)
        return history[0]["photos_per_second"]

    def in_memory(self) -> float:
        """Take as many steps on batches that are there already."""
        task, optimizer = self._opened()
        kept = list(islice(task.train_batches(0, 0), BATCHES_KEPT))
        return _steps(task, optimizer, islice(cycle(kept), self._count()))

    def plain_loop(self) -> float:
        """Take as many steps on what the plain Dataset gives."""
        task, optimizer = self._opened(precision="float32")
        task.network.to(memory_format=torch.contiguous_format)
        loader = DataLoader(
            PlainPhotos(self.train, self.settings.size), self.settings.batch_size, shuffle=True,
            num_workers=2,
        )  # fmt: skip
        some = islice(loader, self._count() if self.device == "cpu" else 20)
        batches = (lab.to(self.device) for lab in some)
        return _steps(task, optimizer, (Batch(lab, (lab[:, :1],)) for lab in batches))

    def _opened(self, **changed: str) -> tuple[Task, torch.optim.Optimizer]:
        settings = Settings(**{**vars(self.settings), **changed})
        task = open_task(self.train, self.val, settings, self.device)
        task.apply_statistics(self.statistics)
        task.network.train()
        return task, torch.optim.AdamW(task.parameter_groups(), settings.learning_rate)

    def _count(self) -> int:
        return len(self.train) // self.settings.batch_size


class PlainPhotos(Dataset):
    """One photo at a time, by scikit-image."""

    def __init__(self, photos: PhotoSet, size: int) -> None:
        self.files = [Path(photos.title, name) for name in photos.names]
        self.size = size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Read, cut a random square, resize it, convert it to Lab."""
        photo = imread(self.files[index])
        side = int(min(photo.shape[:2]) * np.random.uniform(0.7, 1.0))
        top, left = (np.random.randint(0, length - side + 1) for length in photo.shape[:2])
        square = photo[top : top + side, left : left + side]
        lab = rgb2lab(resize(square, (self.size, self.size), anti_aliasing=True))
        return torch.from_numpy(lab).permute(2, 0, 1).float()


def _steps(task: Task, optimizer: torch.optim.Optimizer, batches: Iterator[Batch]) -> float:
    start, photos = time.perf_counter(), 0
    for batch in batches:
        losses = task.compute_losses(batch)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        photos += len(batch)
        losses["loss"].item()
    return photos / (time.perf_counter() - start)


def measure(options: argparse.Namespace) -> list[Result]:
    """Compare, for both networks."""
    results = []
    precision = best_precision(torch.device(options.device))
    with folder_of_photos(PHOTOS[options.device], SIZE) as folder:
        train, val = open_photos(folder), open_photos(folder).head(32)
        for network, recipe in RECIPES.items():
            settings = Settings(network, **{**recipe, "epochs": 1, "precision": precision})  # type: ignore[arg-type]
            timed = Timed(settings, train, val, options.device)
            kinds = (timed.in_memory, timed.folder, timed.plain_loop)
            rounds = [[kind() for kind in kinds] for _ in range(max(3, options.rounds // 2))]
            memory, ours, plain = np.median(rounds, axis=0).tolist()
            suffix = "" if network == "pyramid" else f"_{network}"
            summary = f"{network}: {ours:.0f} photos/s, {memory:.0f} in memory, {plain:.0f} plain"
            limit = 0.9 if options.device == "cuda" else 0.85
            results += [
                Result(f"training_vs_in_memory{suffix}", ours / memory, summary, at_least=limit),
                Result(
                    f"training_vs_plain_loop{suffix}", ours / plain,
                    f"{summary}; the network alone allows {memory / plain:.2f}", at_least=3,
                ),
            ]  # fmt: skip
    return results


if __name__ == "__main__":
    run(__doc__, measure)
