"""One job in several processes, by torch.distributed; a single process is the ordinary case.

A `World` says which of the processes this one is, and does for it what all do
together. The default, `ALONE`, is a process alone: every method is then the
identity, and nothing of torch.distributed is touched. Under ``torchrun`` the
command line takes part in the group by `joined`:

    torchrun --nproc-per-node 2 -m prunelimit reproduce digits-mlp
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.device import resolve_device

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = datetime.timedelta(days=7)
"""How long a process waits for the others. A stage that only the first one does may take hours;
a process that dies ends the others at once, by its closed connection and by torchrun."""

BATCH_NORM = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class World:
    """The processes of one job, as one of them sees them.

    All methods but `share`, `shard`, `every` and `device` are collective: every
    process has to call them in the same order.

    Attributes
    ----------
    rank, size
        Number of this process, from 0, and how many there are.
    local_rank, local_size
        The same on this machine.

    Examples
    --------
    >>> alone = World()
    >>> alone.is_main, alone.gather("a"), alone.share(5)
    (True, ['a'], slice(0, 5, 1))
    >>> torch.arange(5)[World(rank=1, size=2).share(5)]
    tensor([1, 3])
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def current(cls) -> World:
        """The default process group of torch.distributed; a process alone where there is none."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        rank, size = dist.get_rank(), dist.get_world_size()
        local_rank = int(os.environ.get("LOCAL_RANK", rank))
        return cls(rank, size, local_rank, int(os.environ.get("LOCAL_WORLD_SIZE", size)))

    @property
    def is_main(self) -> bool:
        """Whether this is the process that decides, writes files and reports."""
        return self.rank == 0

    def device(self, name: str | torch.device = "auto") -> torch.device:
        """What `resolve_device` says, pinned to a GPU of this process's own.

        Raises
        ------
        PruneLimitError
            If the machine has fewer GPUs than processes, or the device cannot take part.
        """
        found = resolve_device(name)
        if self.size == 1 or found.type == "cpu":
            return found
        if found.type != "cuda":
            raise PruneLimitError(f"several processes cannot share {found.type}; use device='cpu'")
        if found.index is None:
            gpus = torch.cuda.device_count()
            if self.local_rank >= gpus:
                raise PruneLimitError(
                    f"{self.local_size} processes on this machine and {gpus} GPUs: each process "
                    f"needs its own. Start at most {gpus} (--nproc-per-node), or use device='cpu'"
                )
            found = torch.device("cuda", self.local_rank)
        torch.cuda.set_device(found)
        return found

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, in place and the same bits everywhere."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def broadcast(self, tensor: Tensor) -> Tensor:
        """The main process's tensor, in place."""
        if self.size > 1:
            dist.broadcast(tensor, src=0)
        return tensor

    def gather(self, value: Item) -> list[Item]:
        """Every process's value, in the order of the ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def from_main(self, compute: Callable[[], Result]) -> Result:
        """What `compute` returns in the main process; the others wait for it.

        Raises
        ------
        PruneLimitError
            In the others, if `compute` raises in the main one.
        """
        if self.size == 1:
            return compute()
        message: list[Any] = [None, None]
        if self.is_main:
            try:
                message = [compute(), None]
            except Exception as error:
                with contextlib.suppress(RuntimeError):  # the others may have failed before
                    dist.broadcast_object_list([None, f"{type(error).__name__}: {error}"], src=0)
                raise
        dist.broadcast_object_list(message, src=0)
        result, failure = message
        if failure is not None:
            raise PruneLimitError(f"the first of {self.size} processes failed: {failure}")
        return result

    def share(self, count: int, start: int = 0) -> slice:
        """This process's part of `count` examples, of which the first is number `start` of all.

        Example number g goes to process g mod size, so that shares differ by
        one example at most; with fewer examples than processes some are empty.
        """
        return slice((self.rank - start) % self.size, count, self.size)

    def shard(self, loader: Iterable[tuple[Tensor, Tensor]]) -> Iterable[tuple[Tensor, Tensor]]:
        """This process's part of every batch of `loader`, which all processes read alike."""
        return loader if self.size == 1 else _Shard(loader, self)

    def every(self, items: Iterable[Item]) -> Iterator[Item]:
        """This process's items: number rank, rank + size, …"""
        return islice(items, self.rank, None, self.size)

    def in_order(self, own: Sequence[Item]) -> list[Item]:
        """What all processes made of their items of `every`, in the order of the items."""
        parts = self.gather(list(own))
        total = sum(len(part) for part in parts)
        return [parts[index % self.size][index // self.size] for index in range(total)]


ALONE = World()
"""A process alone: every function's default."""


@dataclass(frozen=True)
class _Shard:
    """See `World.shard`."""

    loader: Iterable[tuple[Tensor, Tensor]]
    world: World

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        start = 0
        for inputs, targets in self.loader:
            own = self.world.share(len(targets), start)
            start += len(targets)
            if len(targets[own]):
                yield inputs[own], targets[own]


def launched() -> bool:
    """Whether torchrun started this process as one of several.

    Examples
    --------
    >>> launched()
    False
    """
    by_torchrun = dist.is_available() and dist.is_torchelastic_launched()
    return by_torchrun and int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """Take part in the group that ``torchrun`` started; a process alone where it did not.

    CUDA tensors travel by nccl, all others by gloo.

    Examples
    --------
    >>> with joined() as world:
    ...     world.size
    1
    """
    if not launched():
        yield ALONE
        return
    nccl = torch.cuda.is_available() and dist.is_nccl_available()
    dist.init_process_group("cpu:gloo,cuda:nccl" if nccl else "gloo", timeout=PATIENCE)
    world = World.current()
    yield world
    # Only after success: a process that failed must not wait for the others, it ends them.
    world.gather(None)
    dist.destroy_process_group()


def replicate(model: nn.Module, world: World) -> nn.Module:
    """The model to train: itself, or its torch DistributedDataParallel over the same tensors.

    Batch normalisation becomes SyncBatchNorm in the copy of the modules that is
    wrapped, while `model` keeps its own layers; both see the same statistics.

    Raises
    ------
    PruneLimitError
        If the model has batch normalisation and is not on CUDA: torch synchronises its
        statistics there only.

    Examples
    --------
    >>> model = nn.Linear(2, 1)
    >>> replicate(model, World()) is model
    True
    """
    if world.size == 1:
        return model
    first = next(model.parameters())
    module = _twin(model)
    if any(isinstance(layer, BATCH_NORM) for layer in model.modules()):
        if first.device.type != "cuda":
            raise PruneLimitError(
                f"{type(model).__name__} has batch normalisation, whose statistics over several "
                "processes need CUDA (SyncBatchNorm); train it in one process, or on GPUs"
            )
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    devices = [first.device] if first.device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(module, device_ids=devices)


def backward(
    replica: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    world: World,
) -> Tensor:
    """Gradient of the mean loss over a batch that all processes have; exact for unequal shares.

    DistributedDataParallel averages over the processes, whatever the sizes of
    their shares; the loss is weighted so that every example counts the same.

    Parameters
    ----------
    replica
        From `replicate`.
    loss_fn
        A mean over examples.
    inputs, targets
        The whole batch ``(n, …)``.
    world
        Each process works on its `World.share` of it.

    Returns
    -------
    Tensor
        This process's part of the mean loss, detached; the parts add up to it.

    Examples
    --------
    >>> model = nn.Linear(1, 1, bias=False)
    >>> _ = model.weight.data.fill_(3.0)
    >>> data = torch.ones(2, 1), torch.zeros(2, 1)
    >>> backward(model, nn.functional.mse_loss, *data, World()), model.weight.grad
    (tensor(9.), tensor([[6.]]))
    """
    if world.size == 1:
        loss = loss_fn(replica(inputs), targets)
        loss.backward()
        return loss.detach()
    own = world.share(len(targets))
    count = len(targets[own])
    outputs = replica(inputs[own])
    # A mean over nothing is NaN; the sum is 0, and its zero gradients join the others'.
    mean = loss_fn(outputs, targets[own]) if count else outputs.sum()
    part = mean * (count / len(targets))
    (part * world.size).backward()
    return part.detach()


def _twin(model: nn.Module) -> nn.Module:
    """Modules of its own around the same tensors."""
    tensors = [value for module in model.modules() for value in vars(module).values()]
    held = [*model.parameters(), *model.buffers(), *(t for t in tensors if isinstance(t, Tensor))]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in held})
