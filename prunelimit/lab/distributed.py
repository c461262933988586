"""One job in several processes, by torch.distributed.

A `Group` is the `prunelimit.network.world.World` of several processes: it says
which of them this one is, and does for it what all do together. Under
``torchrun`` the command line takes part in the group by `joined`:

    torchrun --nproc-per-node 2 -m prunelimit reproduce digits-mlp
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.contents import digest
from prunelimit.network.copies import copy_model
from prunelimit.network.device import resolve_device
from prunelimit.network.world import ALONE, World
from prunelimit.spectrum.matrix import BuildableMatrix

__all__ = ["Group", "current", "joined", "launched"]

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = datetime.timedelta(days=7)
"""How long a process waits for the others. A stage that only the first one does may take hours;
a process that dies ends the others at once, by its closed connection and by torchrun."""

BATCH_NORM = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class Group(World):
    """Two processes or more that do one job, as one of them sees them (see `World`).

    Attributes
    ----------
    rank, size
        Number of this process, from 0, and how many there are.
    local_rank, local_size
        The same on this machine.

    Examples
    --------
    >>> torch.arange(5)[Group(rank=1, size=2).share(5)]
    tensor([1, 3])
    """

    rank: int
    size: int
    local_rank: int = 0
    local_size: int = 1

    def device(self, name: str | torch.device = "auto") -> torch.device:
        """What `resolve_device` says, pinned to a GPU of this process's own.

        Raises
        ------
        PruneLimitError
            If the machine has fewer GPUs than processes, or the device cannot take part.
        """
        found = resolve_device(name)
        if found.type == "cpu":
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

    def place(self, name: str | torch.device = "auto") -> str | torch.device:
        """The device of this process, of which there is only one."""
        return self.device(name)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, in place and the same bits everywhere."""
        dist.all_reduce(tensor)
        return tensor

    def gather(self, value: Item) -> list[Item]:
        """Every process's value, in the order of the ranks."""
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

    def lead(self, matrix: Any, work: Callable[[Any], Result]) -> Result:
        """What `work` makes of the matrix in the main process (see `_Leader`).

        Raises
        ------
        PruneLimitError
            In the other processes, if `work` raises in the main one.
        """
        if not self.is_main:
            _follow(matrix)

        def led() -> Result:
            leader = _Leader(matrix)
            try:
                return work(leader)
            finally:
                with contextlib.suppress(RuntimeError):  # who has died needs no dismissal
                    leader.announce(_STOP)  # there will be no more products

        return self.from_main(led)

    def require_alike(self, what: str, tensors: Callable[[], Mapping[str, Tensor]]) -> None:
        """Refuse processes that would each share out something else.

        Raises
        ------
        PruneLimitError
            If the tensors differ; the message names `what`.
        """
        if len(set(self.gather(digest(tensors())))) > 1:
            raise PruneLimitError(
                f"the {self.size} processes do not have the same {what}; seed the model's "
                "initial weights or give a checkpoint, and take a loader that does not shuffle"
            )

    def share(self, count: int, start: int = 0) -> slice:
        """This process's part of `count` examples, of which the first is number `start` of all.

        Example number g goes to process g mod size, so that shares differ by
        one example at most; with fewer examples than processes some are empty.
        """
        return slice((self.rank - start) % self.size, count, self.size)

    def shard(self, loader: Iterable[Any]) -> Iterable[Any]:
        """This process's part of every batch of `loader`, which all processes read alike."""
        return _Shard(loader, self)

    def every(self, items: Iterable[Item]) -> Iterator[Item]:
        """This process's items: number rank, rank + size, …"""
        return islice(items, self.rank, None, self.size)

    def in_order(self, own: Sequence[Item]) -> list[Item]:
        """What all processes made of their items of `every`, in the order of the items."""
        parts = self.gather(list(own))
        total = sum(len(part) for part in parts)
        return [parts[index % self.size][index // self.size] for index in range(total)]

    def replicate(self, model: nn.Module) -> nn.Module:
        """The model's torch DistributedDataParallel, over the same tensors.

        Batch normalisation becomes SyncBatchNorm in the copy of the modules that is
        wrapped, while `model` keeps its own layers; both see the same statistics.

        Raises
        ------
        PruneLimitError
            If the model has batch normalisation and is not on CUDA: torch synchronises its
            statistics there only.
        """
        first = next(model.parameters())
        module = _twin(model)
        if any(isinstance(layer, BATCH_NORM) for layer in model.modules()):
            if first.device.type != "cuda":
                raise PruneLimitError(
                    f"{type(model).__name__} has batch normalisation, whose statistics over "
                    "several processes need CUDA (SyncBatchNorm); train it in one process, or on "
                    "GPUs"
                )
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        devices = [first.device] if first.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=devices)

    def backward(
        self,
        replica: nn.Module,
        loss_fn: Callable[[Tensor, Tensor], Tensor],
        inputs: Tensor,
        targets: Tensor,
    ) -> Tensor:
        """Gradient of the mean loss over a batch; exact for unequal shares.

        Each process works on its `share` of the batch. DistributedDataParallel
        averages over the processes, whatever the sizes of their shares; the loss is
        weighted so that every example counts the same.
        """
        own = self.share(len(targets))
        count = len(targets[own])
        outputs = replica(inputs[own])
        # A mean over nothing is NaN; the sum is 0, and its zero gradients join the others'.
        mean = loss_fn(outputs, targets[own]) if count else outputs.sum()
        part = mean * (count / len(targets))
        (part * self.size).backward()
        return part.detach()


@dataclass(frozen=True)
class _Shard:
    """See `Group.shard`."""

    loader: Iterable[Any]
    world: Group

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        start = 0
        for position, (inputs, targets, *weight) in enumerate(self.loader):
            own = self.world.share(len(targets), start)
            start += len(targets)
            if any(torch.as_tensor(given).numel() == 1 < len(targets) for given in weight):
                # What this batch's mean divides by is known for the whole of it only.
                whole = position % self.world.size == self.world.rank
                own = slice(0, len(targets) if whole else 0)
            if len(targets[own]):
                yield inputs[own], targets[own], *(self._part(given, own) for given in weight)

    @staticmethod
    def _part(weight: Any, own: slice) -> Any:
        each = torch.as_tensor(weight)
        return each[own] if each.ndim and each.numel() > 1 else weight


def current() -> World:
    """The default process group of torch.distributed; a process alone where there is none.

    Examples
    --------
    >>> current().size
    1
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return ALONE
    rank, size = dist.get_rank(), dist.get_world_size()
    local_rank = int(os.environ.get("LOCAL_RANK", rank))
    return Group(rank, size, local_rank, int(os.environ.get("LOCAL_WORLD_SIZE", size)))


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
    world = current()
    yield world
    # Only after success: a process that failed must not wait for the others, it ends them.
    world.gather(None)
    dist.destroy_process_group()


def _twin(model: nn.Module) -> nn.Module:
    """Modules of its own around the same tensors."""
    tensors = [value for module in model.modules() for value in vars(module).values()]
    held = [*model.parameters(), *model.buffers(), *(t for t in tensors if isinstance(t, Tensor))]
    return copy_model(model, held)


_STOP, _MULTIPLY, _BUILD = 0, 1, 2


class _Leader:
    """The matrix as the main process sees it: its products ask the others to join in.

    A Krylov search takes many decisions, each of which depends on all the numbers
    before it. Were every process to take them for itself, a last bit that differs
    would part them. Hence one process searches and keeps the vectors; the others
    only do their share of each product.

    Parameters
    ----------
    matrix
        Its methods are collective: all processes call them together.
    """

    def __init__(self, matrix: BuildableMatrix) -> None:
        self.dim, self.device, self.dtype = matrix.dim, matrix.device, matrix.dtype
        self._matrix = matrix

    def matmul(self, vectors: Tensor) -> Tensor:
        """The product with ``(dim,)`` or ``(dim, block)``, to which every process does its part."""
        columns = vectors.detach().reshape(self.dim, -1).to(self.device, self.dtype).contiguous()
        self.announce(_MULTIPLY, columns.shape[1])
        dist.broadcast(columns, src=0)
        return self._matrix.matmul(vectors)

    def dense(self, progress: bool | None = False) -> Tensor:
        """The matrix ``(dim, dim)``, to which every process does its part."""
        self.announce(_BUILD)
        return self._matrix.dense(progress)

    def announce(self, what: int, width: int = 0) -> None:
        """Say to the others what comes next."""
        dist.broadcast(torch.tensor([what, width]), src=0)


def _follow(matrix: BuildableMatrix) -> None:
    """Join in what the main process announces, until it is done."""
    while True:
        announced = torch.zeros(2, dtype=torch.int64)
        dist.broadcast(announced, src=0)
        what, width = announced.tolist()
        if what == _STOP:
            return
        if what == _BUILD:
            matrix.dense()
            continue
        columns = torch.empty(matrix.dim, width, dtype=matrix.dtype, device=matrix.device)
        dist.broadcast(columns, src=0)
        matrix.matmul(columns)
