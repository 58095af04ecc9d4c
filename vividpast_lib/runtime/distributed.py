"""Training in several processes, one a device: what they ask and tell each other.

`torchrun` starts the processes; each learns from its share of every batch, and
``DistributedDataParallel`` averages their gradients, so that all make the step that one process
would have made with the whole batch. Alone, a process asks and tells nobody, and all that is
here changes nothing.
"""

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .errors import VividPastError

T = TypeVar("T")


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the processes that torchrun has started, if it has; give the device of this one.

    Parameters
    ----------
    device : torch.device
        Where to compute; of several CUDA devices each process of a machine takes its own.

    Raises
    ------
    VividPastError
        If a machine has more processes than CUDA devices, or one of the others has ended.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield device
        return
    backend = "gloo"
    if device.type == "cuda":
        place, devices = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= devices:
            raise VividPastError(
                f"There are more processes on this machine than its {devices} CUDA devices; give "
                f"torchrun --nproc-per-node {devices}, or add --device cpu."
            )
        device = torch.device("cuda", place)
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    try:
        store, rank, size = next(dist.rendezvous("env://"))
        store = dist.PrefixStore(_unused_prefix(store, rank, size), store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
        yield device
    except RuntimeError as error:
        # The processes ask each other at every step, so this is how each learns of another's end.
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            raise VividPastError(
                "Another process of this run has ended or can't be reached, so this one stops too; "
                "begun again, the run goes on from what is saved."
            ) from None
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _unused_prefix(store: dist.Store, rank: int, size: int) -> str:
    """Agree on a prefix under which no process that has ended meanwhile has stored anything.

    Processes learn from the store where the others can be reached. torchrun keeps it when it begins
    them again, and then they would look for those that have ended. So each writes a word of its
    own, and all words together are the prefix, once each process has seen those of all.
    """
    store.set(f"word/{rank}", uuid.uuid4().hex)
    while True:
        words = b"".join(store.get(f"word/{each}") for each in range(size))
        prefix = hashlib.sha256(words).hexdigest()
        store.set(f"{prefix}/{rank}", "seen")
        if store.check([f"{prefix}/{each}" for each in range(size)]):
            return prefix
        time.sleep(0.05)


def world_size() -> int:
    """Count the processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_world_size() -> int:
    """Count those of them that run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if dist.is_initialized() else 1


def rank() -> int:
    """Tell which of them this one is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_rank_zero() -> bool:
    """Tell whether this is the process that saves and speaks for all."""
    return rank() == 0


def run_on_all_ranks(work: Callable[[], T]) -> T:
    """Do in each process what can fail in any; if it does, all end, and one says why.

    Parameters
    ----------
    work : callable
        What to do; it must not ask the other processes.

    Returns
    -------
    What ``work`` returns, once it is done in all processes.

    Raises
    ------
    VividPastError
        In the first process that ``work`` raised it in.
    SystemExit
        In all others then, with status 2.
    """
    if world_size() == 1:
        return work()
    error = None
    try:
        done = work()
    except VividPastError as raised:
        error = raised
    failed = _of_all(error is not None)
    if not any(failed):
        return done
    if error and failed.index(True) == rank():
        raise error
    raise SystemExit(2)


def run_on_rank_zero(work: Callable[[], T]) -> T:
    """Do ``work`` in the first process while the others wait, and give what it returns to all.

    Raises
    ------
    VividPastError, SystemExit
        As `run_on_all_ranks`.
    """
    if world_size() == 1:
        return work()
    done = [run_on_all_ranks(lambda: work() if is_rank_zero() else None)]
    dist.broadcast_object_list(done)
    return done[0]  # type: ignore[return-value] # the first process's


def union(names: set[str]) -> set[str]:
    """Join the sets of all processes."""
    return set().union(*_of_all(names))


def _of_all(value: T) -> list[T]:
    values = [value] * world_size()
    if len(values) > 1:
        dist.all_gather_object(values, value)
    return values


def total(*values: float) -> list[float]:
    """Sum each number over all processes."""
    return summed(torch.tensor(values, dtype=torch.float64)).tolist()


def restarted() -> bool:
    """Tell whether torchrun has begun any of the processes again, because one ended."""
    return any(total(int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))))


def summed(tensor: Tensor) -> Tensor:
    """Sum a tensor of the CPU over all processes."""
    if world_size() > 1:
        tensor = tensor.clone()
        dist.all_reduce(tensor)
    return tensor


def batch_means(figures: dict[str, Tensor], photos: int) -> dict[str, float]:
    """Join the means over each process's photos of a batch to means over the batch.

    Parameters
    ----------
    figures : dict of Tensor, shape ()
        Means over this process's photos.
    photos : int
        How many these are; a process may have none, and the figures are nan.
    """
    means = {name: value.item() for name, value in figures.items()}
    if world_size() == 1:
        return means
    sums = [value * photos if photos else 0.0 for value in means.values()]
    *sums, photos_of_all = total(*sums, photos)
    return {name: value / photos_of_all for name, value in zip(means, sums, strict=True)}


def averaging_gradients(
    network: nn.Module, figures: Callable[[tuple[Tensor, ...]], dict[str, Tensor]]
) -> Callable[[tuple[Tensor, ...]], dict[str, Tensor]]:
    """Make ``figures`` a function whose gradients are averaged over all processes.

    Parameters
    ----------
    network : nn.Module
        What learns; all processes begin with the first one's.
    figures : callable
        Computes figures of a batch with the network, the loss among them.
    """
    if world_size() == 1:
        return figures
    module = DistributedDataParallel(_Figures(network, figures))
    return lambda batch: module(*batch)


class _Figures(nn.Module):
    """DistributedDataParallel wants a module whose ``forward`` is all that uses the network."""

    def __init__(
        self, network: nn.Module, figures: Callable[[tuple[Tensor, ...]], dict[str, Tensor]]
    ) -> None:
        super().__init__()
        self.network, self.figures = network, figures

    def forward(self, *batch: Tensor) -> dict[str, Tensor]:
        return self.figures(batch)


class SyncBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that in training takes mean and variance of the whole batch, of all processes.

    PyTorch's own `nn.SyncBatchNorm` does so on CUDA alone, and wants photos in every process.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (N, C, H, W); N may be 0 in some of the processes."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        values = x.float()
        places = values.new_tensor([len(x) * x.shape[2] * x.shape[3]])
        *_, places = sums = _Summed.apply(torch.cat([values.sum(dim=(0, 2, 3)), places]))
        mean = sums[:-1] / places  # (C,)
        centered = values - mean[:, None, None]
        variance = _Summed.apply(centered.square().sum(dim=(0, 2, 3))) / places
        assert self.momentum
        with torch.no_grad():
            self.get_buffer("num_batches_tracked").add_(1)
            self.get_buffer("running_mean").lerp_(mean, self.momentum)
            unbiased = variance * places / (places - 1)
            self.get_buffer("running_var").lerp_(unbiased, self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centered * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class _Summed(torch.autograd.Function):
    """The sum of a tensor over all processes; so is its gradient."""

    @staticmethod
    def forward(_context: object, tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        dist.all_reduce(tensor)
        return tensor

    @staticmethod
    def backward(_context: object, gradient: Tensor) -> Tensor:
        return _Summed.apply(gradient)


def synchronize_batch_norm(network: nn.Module) -> None:
    """Of several processes, make each batch norm of the network that of the whole batch."""
    for module in network.modules():
        if world_size() > 1 and type(module) is nn.BatchNorm2d:
            module.__class__ = SyncBatchNorm2d  # the same parameters, another `forward`
