"""A run in its folder, from which it goes on after a stop.

The folder holds::

    state.safetensors   everything needed to go on: weights, optimizer, progress, history
    model.safetensors   the weights alone, to colorize with
    history.csv         one row per epoch

The state is one file, written under another name and renamed, so that a kill at any moment
leaves the state of the epoch before, whole. The other two follow from it.
"""

import csv
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..runtime.errors import VividPastError
from ..runtime.files import atomic_write, exists
from .settings import Settings
from .task import Row, Task

#: Names in the states of older versions, and those of today.
RENAMED = {"small_every": "upscaled_every", "facts": "statistics", "feature_spread": "feature_std"}


@dataclass
class Progress:
    """Where a run stands.

    Parameters
    ----------
    train_photos : int
        Number of photos that it learns from.
    statistics : dict
        What `Task.compute_statistics` found before the first step.
    history : list of dict
        One row per whole epoch.
    batch, photos, sums, seconds
        Of the epoch under way: batches and photos so far, the metrics summed over the
        photos, and the seconds that took.
    elapsed : float
        Seconds of the whole run so far, with validation and saving.
    learning_rate : float
        Of the last step.
    """

    train_photos: int
    statistics: dict[str, list[float]]
    history: list[Row] = field(default_factory=list)
    batch: int = 0
    photos: int = 0
    sums: dict[str, float | Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    elapsed: float = 0.0
    learning_rate: float = 0.0

    def add(self, losses: dict[str, Tensor], photos: int) -> None:
        """Count a batch in, whose ``losses`` are means over so many photos."""
        self.photos += photos
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * photos

    def add_time(self, seconds: float) -> None:
        """Count time in that training took."""
        self.seconds += seconds
        self.elapsed += seconds

    def row(self) -> Row:
        """Sum the epoch up."""
        means = {f"train_{name}": float(total) / self.photos for name, total in self.sums.items()}
        return {
            "epoch": len(self.history) + 1,
            **means,
            "learning_rate": self.learning_rate,
            "photos_per_second": self.photos / max(self.seconds, 1e-9),
        }

    def next_epoch(self, row: Row) -> None:
        """Close the epoch with its row."""
        self.history.append(row)
        self.batch = self.photos = 0
        self.sums, self.seconds = {}, 0.0


def holds_run(run: Path) -> bool:
    """Tell whether there is a run in the folder, to resume."""
    return exists(_state_file(run))


def _state_file(run: Path) -> Path:
    return run / "state.safetensors"


def save_run(run: Path, task: Task, optimizer: torch.optim.Optimizer, state: Progress) -> None:
    """Write the run as it stands.

    Raises
    ------
    VividPastError
        If the disk refuses.
    """
    tensors = {f"network.{key}": value for key, value in task.network.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
    tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    metadata = {
        "settings": json.dumps(asdict(task.settings)),
        "progress": json.dumps(vars(state), default=float),  # sums are tensors
    }
    try:
        run.mkdir(parents=True, exist_ok=True)
        with atomic_write(_state_file(run)) as temporary:
            temporary.write_bytes(save(tensors, metadata))
        task.save(run / "model.safetensors")
        if state.history:
            with atomic_write(run / "history.csv") as temporary:
                write_history(state.history, temporary)
    except (OSError, SafetensorError) as error:
        raise VividPastError(f"{run}: the run can't be saved there ({error}).") from None


def load_run(run: Path, task: Task, optimizer: torch.optim.Optimizer) -> Progress:
    """Bring network and optimizer to where the run stands.

    Raises
    ------
    VividPastError
        If the folder holds no run, or none that goes on with these settings and photos.
    """
    settings, stored = task.settings, load_settings(run, type(task.settings))
    damaged = VividPastError(
        f"{run}: its state is damaged, or of another version; train anew in another folder."
    )
    try:
        with safe_open(_state_file(run), "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            state = Progress(**_loads(file.metadata()["progress"]))
    except (SafetensorError, KeyError, TypeError, ValueError, OSError):
        raise damaged from None
    free = _free_settings(settings, stored, len(state.history))
    was = asdict(stored)
    fixed = [
        key for key, value in asdict(settings).items() if value != was[key] and key not in free
    ]
    if fixed:
        raise VividPastError(
            f"{run}: was started with other settings: {', '.join(fixed)}; leave them out to "
            "go on with it, or name another folder."
        )
    try:
        task.network.load_state_dict(
            {
                key.removeprefix("network."): value
                for key, value in tensors.items()
                if key.startswith("network.")
            }
        )
    except RuntimeError:
        raise damaged from None
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, moment = key.split(".")
            moments.setdefault(int(index), {})[moment] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    if state.train_photos != len(task.train):
        raise VividPastError(
            f"{run}: was started on {state.train_photos:,} photos, but {task.train.title} has "
            f"{len(task.train):,}; name the photos that it was started on."
        )
    return state


def _free_settings(settings: Settings, stored: Settings, epochs: int) -> set[str]:
    """Name what a run may change after some epochs; its length only before the cooldown."""
    stays = settings.schedule == stored.schedule == "warmup-stable-decay" and not settings.minutes
    if not stays or epochs == stored.epochs:
        return set()
    free = {"last_size", "smallest_crop", "teachers"}
    before_cooldown = epochs <= min(settings.stable_epochs, stored.stable_epochs)
    return free | {"epochs"} if before_cooldown else free


def load_settings(run: Path, kind: type[Settings] = Settings) -> Settings:
    """Read the settings that a run was started with.

    Raises
    ------
    VividPastError
        If the folder holds no run.
    """
    try:
        with safe_open(_state_file(run), "pt") as file:
            return kind(**_loads(file.metadata()["settings"]))
    except FileNotFoundError:
        raise VividPastError(
            f"{run}: holds no run to resume; leave --resume out to start one there."
        ) from None
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise VividPastError(f"{run}: its state can't be read ({error}).") from None


def _loads(text: str) -> dict[str, Any]:
    """Read JSON, with the names of older versions replaced by those of today."""
    return json.loads(
        text, object_hook=lambda each: {RENAMED.get(key, key): each[key] for key in each}
    )


def write_history(history: list[Row], path: Path) -> None:
    """Write a history as CSV, one row per epoch, six significant digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]), lineterminator="\n")
        writer.writeheader()
        for row in history:
            writer.writerow({key: f"{value:.6g}" for key, value in row.items()})


def read_history(path: Path | str) -> list[Row]:
    """Read what `write_history` wrote."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
