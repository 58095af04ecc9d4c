"""Training in several processes, one a device, which `torchrun` starts.

Each process (rank) learns from its share of every batch, and ``DistributedDataParallel`` averages
the gradients, so that all take the step that one process would take with the whole batch. In a
single process all of this does nothing.
"""

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn import all_reduce
from torch.nn.parallel import DistributedDataParallel

from .errors import VividPastError

T = TypeVar("T")


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the process group that torchrun has started, if it has; give this rank's device.

    Parameters
    ----------
    device : torch.device
        Where to compute; of several CUDA devices each rank of a machine takes its own.

    Raises
    ------
    VividPastError
        If a machine has more ranks than CUDA devices, or another rank has ended.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield device
        return
    backend = "gloo"
    if device.type == "cuda":
        index, devices = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if index >= devices:
            raise VividPastError(
                f"There are more processes on this machine than its {devices} CUDA devices; give "
                f"torchrun --nproc-per-node {devices}, or add --device cpu."
            )
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    try:
        store, rank, size = next(dist.rendezvous("env://"))
        store = dist.PrefixStore(_unused_prefix(store, rank, size), store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
        yield device
    except RuntimeError as error:
        # The ranks communicate at every step, so this is how each learns of another's end.
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
    """Agree on a prefix of keys under which no ended process has stored its address.

    torchrun keeps the store when it restarts the ranks, which would then look for those that have
    ended. So each rank writes a new random word; the hash of all words is the prefix, once every
    rank has seen the same words.
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
    """Count the ranks."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_world_size() -> int:
    """Count the ranks on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if dist.is_initialized() else 1


def rank() -> int:
    """Get the rank of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_rank_zero() -> bool:
    """Tell whether this process is the one that saves and reports."""
    return rank() == 0


def run_on_all_ranks(work: Callable[[], T]) -> T:
    """Run ``work`` on every rank; if it fails on any, all exit and the lowest such rank reports.

    Parameters
    ----------
    work : callable
        What to run; it must not communicate with the other ranks.

    Returns
    -------
    What ``work`` returns, once all ranks are done.

    Raises
    ------
    VividPastError
        On the lowest rank whose ``work`` raised it.
    SystemExit
        On all other ranks then, with status 2.
    """
    error = None
    try:
        result = work()
    except VividPastError as raised:
        error = raised
    failed = _gather(error is not None)
    if not any(failed):
        return result
    if error and failed.index(True) == rank():
        raise error
    raise SystemExit(2)


def run_on_rank_zero(work: Callable[[], T]) -> T:
    """Run ``work`` on rank 0 while the others wait; all return what it returns.

    Raises
    ------
    VividPastError, SystemExit
        As `run_on_all_ranks`.
    """
    result = [run_on_all_ranks(lambda: work() if is_rank_zero() else None)]
    if world_size() > 1:
        dist.broadcast_object_list(result)
    return result[0]  # type: ignore[return-value] # that of rank 0


def union(names: set[str]) -> set[str]:
    """Join the sets of all ranks."""
    return set().union(*_gather(names))


def _gather(value: T) -> list[T]:
    values = [value] * world_size()
    if len(values) > 1:
        dist.all_gather_object(values, value)
    return values


def all_reduce_sum(values: float | Sequence[float] | Tensor) -> Tensor:
    """Sum numbers, or a tensor of the CPU, over all ranks; float64 of the same shape."""
    sums = torch.as_tensor(values, dtype=torch.float64).clone()
    if world_size() > 1:
        dist.all_reduce(sums)
    return sums


def mean_losses(losses: dict[str, Tensor], photos: int) -> dict[str, Tensor]:
    """Average means over this rank's photos of a batch to means over the whole batch.

    Parameters
    ----------
    losses : dict of Tensor, shape ()
        Means over this rank's photos.
    photos : int
        How many these are; a rank may have none, and its means are NaN.

    Returns
    -------
    dict of Tensor, float64, shape ()
        One process does not wait until its device has computed them.
    """
    means = {name: value.detach().double() for name, value in losses.items()}
    if world_size() == 1:
        return means
    sums = [value.item() * photos if photos else 0.0 for value in means.values()]
    *sums, whole_batch = all_reduce_sum([*sums, photos])
    return {name: value / whole_batch for name, value in zip(means, sums, strict=True)}


def averaging_gradients(
    network: nn.Module, compute_losses: Callable[[T], dict[str, Tensor]]
) -> Callable[[T], dict[str, Tensor]]:
    """Wrap ``compute_losses`` so that its gradients are averaged over all ranks.

    Parameters
    ----------
    network : nn.Module
        What learns; all ranks begin with the weights of rank 0.
    compute_losses : callable
        Computes the losses of a batch with the network.
    """
    if world_size() == 1:
        return compute_losses

    class Losses(nn.Module):  # DistributedDataParallel wants a module that computes the loss
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, batch: T) -> dict[str, Tensor]:
            return compute_losses(batch)

    return DistributedDataParallel(Losses())


class SyncBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose statistics in training are those of the whole batch, of all ranks.

    For the CPU, whose tensors PyTorch's `nn.SyncBatchNorm` refuses.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (N, C, H, W); N may be 0 on some of the ranks."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        count = values.new_tensor([len(x) * x.shape[2] * x.shape[3]])
        *_, count = sums = all_reduce(torch.cat([values.sum(dim=(0, 2, 3)), count]))
        mean = sums[:-1] / count  # (C,)
        centered = values - mean[:, None, None]
        variance = all_reduce(centered.square().sum(dim=(0, 2, 3))) / count
        assert self.momentum
        with torch.no_grad():
            self.get_buffer("num_batches_tracked").add_(1)
            self.get_buffer("running_mean").lerp_(mean, self.momentum)
            self.get_buffer("running_var").lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centered * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def synchronize_batch_norm(network: nn.Module) -> None:
    """Make each batch norm of the network use the statistics of the batches of all ranks."""
    if world_size() == 1:
        return
    if next(network.parameters()).is_cuda:
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                synced = SyncBatchNorm2d(child.num_features, child.eps, child.momentum)
                synced.load_state_dict(child.state_dict())
                synced.weight, synced.bias = child.weight, child.bias
                setattr(module, name, synced.train(child.training))
