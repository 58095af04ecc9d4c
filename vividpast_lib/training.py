"""One training loop: fit, validate, checkpoint, resume.

A run is a folder::

    state.safetensors   everything needed to go on: weights, optimizer, progress, history
    model.safetensors   the weights alone, to colorize with
    history.csv         one row an epoch

The state is one file, written under another name and renamed, so that a kill at any moment
leaves the state of the epoch before, whole. The other two follow from it.
"""

import contextlib
import csv
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from tqdm import tqdm

from .checkpoints import save_checkpoint
from .errors import VividPastError
from .lab import SCALINGS
from .metrics import ab_l1
from .models import NETWORKS
from .photos import PhotoSet, lab_batches
from .pictures import replacing

Row = dict[str, float]
# Enough photos for the mean colour of a training set to a tenth of a Lab unit.
MEAN_COLOR_PHOTOS = 5000


@dataclass(frozen=True)
class Settings:
    """What a run is trained with; the same settings and photos give the same weights.

    Parameters
    ----------
    network, scaling : str
        Keys in `models.NETWORKS` and `lab.SCALINGS`.
    size : int
        Side of the square photos, in pixels.
    epochs, batch_size : int
        How often through the set, and photos a step.
    learning_rate, weight_decay : float
        Of AdamW; without decay it is Adam.
    schedule : {"one-cycle", "constant"}
        One-cycle rises over the first tenth and falls to nought along a cosine (Smith 2018).
    augment : bool
        Random squares, mirrored, instead of the middle of each photo.
    precision : {"float32", "bfloat16"}
        Of the network's arithmetic; weights and loss stay float32.
    seed : int
        Fixes initial weights, order and augmentation.
    """

    network: str = "autoencoder"
    scaling: str = "unit"
    size: int = 96
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.002
    weight_decay: float = 1e-4
    schedule: str = "one-cycle"
    augment: bool = True
    precision: str = "float32"
    seed: int = 0


def fit(
    train: PhotoSet,
    val: PhotoSet,
    settings: Settings,
    *,
    run: Path | None = None,
    resume: bool = False,
    device: torch.device | str = "cpu",
    progress: bool = True,
    on_epoch: Callable[[nn.Module, Row], None] | None = None,
) -> tuple[nn.Module, list[Row]]:
    """Train a network.

    Parameters
    ----------
    train, val : PhotoSet
        Photos to learn from, and photos to judge by after each epoch.
    settings : Settings
        The recipe.
    run : Path, optional
        Folder to save to after each epoch; without it nothing is saved.
    resume : bool
        Go on where the run in that folder stopped.
    device : torch.device or str
        Where to train.
    progress : bool
        Show a bar with loss and photos per second on stderr.
    on_epoch : callable, optional
        Called with the network and the new row after each epoch.

    Returns
    -------
    network : nn.Module
        Trained, in evaluation mode.
    history : list of dict
        One row an epoch: ``epoch``, ``train_loss`` and ``val_loss`` (L1, scaled),
        ``train_ab_l1`` and ``val_ab_l1`` (Lab units), the trivial colorizers ``val_grey_ab_l1``
        and ``val_mean_color_ab_l1`` (Lab units), ``learning_rate``, ``photos_per_second``.

    Raises
    ------
    VividPastError
        If the folder holds a run and ``resume`` is not set, or no run that goes on with these
        settings and photos.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, once the state is saved.
    """
    device = torch.device(device)
    torch.manual_seed(settings.seed)
    network = NETWORKS[settings.network]().to(device)
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    if run and resume:
        state = _load_state(run, network, optimizer, settings)
        if state.train_photos != len(train):
            raise VividPastError(
                f"{run}: was started on {state.train_photos:,} photos, but {train.title} has "
                f"{len(train):,}; name the photos that it was started on."
            )
    else:
        if run and holds_run(run):
            raise VividPastError(
                f"{run}: holds a run already; add --resume or name another folder."
            )
        state = _Progress(len(train), mean_color(train, settings.size))
    if run:
        _save(run, network, optimizer, settings, state)

    with _stop_requests() as stop:
        while len(state.history) < settings.epochs:
            finished = _train_epoch(
                network, optimizer, train, settings, state, device, progress, stop
            )
            if not finished:
                if run:
                    _save(run, network, optimizer, settings, state)
                raise KeyboardInterrupt
            row = {**state.row(), **_validate(network, val, settings, state.mean_color, device)}
            state.next_epoch(row)
            if run:
                _save(run, network, optimizer, settings, state)
            if on_epoch:
                on_epoch(network, row)
    return network.eval(), state.history


@dataclass
class _Progress:
    """Where a run stands. ``batch`` and the sums are of the epoch under way."""

    train_photos: int
    mean_color: tuple[float, float]
    history: list[Row] = field(default_factory=list)
    batch: int = 0
    photos: int = 0
    loss_sum: float = 0.0
    ab_l1_sum: float = 0.0
    seconds: float = 0.0
    learning_rate: float = 0.0

    def row(self) -> Row:
        return {
            "epoch": len(self.history) + 1,
            "train_loss": self.loss_sum / self.photos,
            "train_ab_l1": self.ab_l1_sum / self.photos,
            "learning_rate": self.learning_rate,
            "photos_per_second": self.photos / max(self.seconds, 1e-9),
        }

    def next_epoch(self, row: Row) -> None:
        self.history.append(row)
        self.batch = self.photos = 0
        self.loss_sum = self.ab_l1_sum = self.seconds = 0.0


def _train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: PhotoSet,
    settings: Settings,
    state: _Progress,
    device: torch.device,
    progress: bool,
    stop: threading.Event,
) -> bool:
    """Train to the end of the epoch under way; False if told to stop before."""
    epoch = len(state.history)
    batches = lab_batches(
        train,
        settings.size,
        settings.batch_size,
        device=device,
        shuffle=True,
        augment=settings.augment,
        seed=settings.seed,
        epoch=epoch,
        start=state.batch,
    )
    steps = math.ceil(len(train) / settings.batch_size)
    bar = tqdm(
        total=len(train),
        initial=min(state.batch * settings.batch_size, len(train)),
        desc=f"epoch {epoch + 1}/{settings.epochs}",
        unit=" photos",
        disable=not progress,
    )
    network.train()
    started = time.perf_counter()
    with bar, contextlib.closing(batches):  # type: ignore[type-var] # a generator has close()
        for lab in batches:
            if len(lab) == 0:  # all photos damaged
                state.batch += 1
                continue
            state.learning_rate = _learning_rate(settings, epoch * steps + state.batch, steps)
            for group in optimizer.param_groups:
                group["lr"] = state.learning_rate
            loss, error = _losses(network, lab, settings)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

            state.batch += 1
            state.photos += len(lab)
            state.loss_sum += loss.item() * len(lab)
            state.ab_l1_sum += error.item() * len(lab)
            bar.set_postfix_str(f"loss {state.loss_sum / state.photos:.4f}", refresh=False)
            bar.update(len(lab))
            if stop.is_set():
                break
    state.seconds += time.perf_counter() - started
    return not stop.is_set()


def _losses(network: nn.Module, lab: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """L1 of a Lab batch (N, 3, H, W): as trained on, scaled; and in Lab units."""
    scaling = SCALINGS[settings.scaling]
    lightness = scaling.scale_lightness(lab[:, :1]).contiguous(memory_format=torch.channels_last)
    with torch.autocast(lab.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
        predicted = network(lightness)
    predicted = predicted.float()
    loss = ab_l1(predicted, scaling.scale_ab(lab[:, 1:]))
    return loss, ab_l1(scaling.unscale_ab(predicted.detach()), lab[:, 1:])


def _validate(
    network: nn.Module,
    val: PhotoSet,
    settings: Settings,
    mean_color: tuple[float, float],
    device: torch.device,
) -> Row:
    """Measure the network and the two trivial colorizers on all photos of ``val``."""
    network.eval()
    names = ("val_loss", "val_ab_l1", "val_grey_ab_l1", "val_mean_color_ab_l1")
    sums, photos = torch.zeros(len(names), dtype=torch.float64), 0
    with torch.inference_mode():
        for lab in lab_batches(val, settings.size, settings.batch_size, device=device):
            if len(lab) == 0:
                continue
            ab = lab[:, 1:]
            mean = ab.new_tensor(mean_color)[:, None, None]
            errors = (*_losses(network, lab, settings), ab.abs().mean(), ab_l1(mean, ab))
            sums += torch.stack(errors).cpu().double() * len(lab)
            photos += len(lab)
    return dict(zip(names, (sums / photos).tolist(), strict=True))


def mean_color(photos: PhotoSet, size: int = 64) -> tuple[float, float]:
    """Mean ab of a set in Lab units, over at most 5,000 photos spread evenly through it."""
    total, count = torch.zeros(2, dtype=torch.float64), 0
    some = photos.spread(MEAN_COLOR_PHOTOS)
    for lab in lab_batches(some, size, 64):
        total += lab[:, 1:].double().mean(dim=(2, 3)).sum(dim=0)
        count += len(lab)
    a, b = (total / count).tolist()
    return a, b


def _learning_rate(settings: Settings, step: int, steps_per_epoch: int) -> float:
    if settings.schedule == "constant":
        return settings.learning_rate
    share = step / (settings.epochs * steps_per_epoch)
    rise = 0.1
    if share < rise:
        return settings.learning_rate * (0.04 + 0.96 * share / rise)
    return settings.learning_rate * (1 + math.cos(math.pi * (share - rise) / (1 - rise))) / 2


@contextlib.contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a request, so that no step is cut in half.

    A second Ctrl-C interrupts at once. Outside the main thread nothing is caught.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(_number: int, _frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def holds_run(run: Path) -> bool:
    """Tell whether there is a run in the folder, to resume."""
    return _state_file(run).exists()


def _state_file(run: Path) -> Path:
    return run / "state.safetensors"


def _save(
    run: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: Settings,
    state: _Progress,
) -> None:
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
    tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    metadata = {
        "settings": json.dumps(asdict(settings)),
        "progress": json.dumps(vars(state)),
    }
    try:
        run.mkdir(parents=True, exist_ok=True)
        with replacing(_state_file(run)) as temporary:
            temporary.write_bytes(save(tensors, metadata))
        save_checkpoint(
            network, settings.network, settings.scaling, settings.size, run / "model.safetensors"
        )
        if state.history:
            with replacing(run / "history.csv") as temporary:
                write_history(state.history, temporary)
    except (OSError, SafetensorError) as error:
        raise VividPastError(f"{run}: the run can't be saved there ({error}).") from None


def _load_state(
    run: Path, network: nn.Module, optimizer: torch.optim.Optimizer, settings: Settings
) -> _Progress:
    stored = load_settings(run)
    if stored != settings:
        differing = [key for key, value in asdict(stored).items() if value != asdict(settings)[key]]
        raise VividPastError(
            f"{run}: was started with another {' and '.join(differing)}; leave that option out to "
            "go on with it, or name another folder."
        )
    with safe_open(_state_file(run), "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        state = _Progress(**json.loads(file.metadata()["progress"]))
    network.load_state_dict(
        {
            key.removeprefix("network."): v
            for key, v in tensors.items()
            if key.startswith("network.")
        }
    )
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, moment = key.split(".")
            moments.setdefault(int(index), {})[moment] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return state


def load_settings(run: Path) -> Settings:
    """Read the settings that a run was started with.

    Raises
    ------
    VividPastError
        If the folder holds no run.
    """
    try:
        with safe_open(_state_file(run), "pt") as file:
            return Settings(**json.loads(file.metadata()["settings"]))
    except FileNotFoundError:
        raise VividPastError(
            f"{run}: holds no run to resume; leave --resume out to start one there."
        ) from None
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise VividPastError(f"{run}: its state can't be read ({error}).") from None


def write_history(history: list[Row], path: Path) -> None:
    """Write a history as CSV, a row an epoch, six significant digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]), lineterminator="\n")
        writer.writeheader()
        for row in history:
            writer.writerow({key: f"{value:.6g}" for key, value in row.items()})


def read_history(path: Path | str) -> list[Row]:
    """Read what `write_history` wrote."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
