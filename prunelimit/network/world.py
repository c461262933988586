"""The processes that compute together; here one process alone, which is the ordinary case.

The mathematics says at each place what would be shared out, added up or decided
by one for all, and asks its `World` to do it. For a process alone that is
nothing. `prunelimit.lab.distributed` has the world of several processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from prunelimit.network.device import resolve_device

Item = TypeVar("Item")
Result = TypeVar("Result")
Matrix = TypeVar("Matrix")


class World:
    """One process alone, and the interface of several.

    All methods but `shard`, `every`, `device` and `place` are collective:
    every process has to call them in the same order.

    Attributes
    ----------
    rank, size
        Number of this process, from 0, and how many there are.
    local_size
        How many there are on this machine.

    Examples
    --------
    >>> World().is_main, World().gather("a")
    (True, ['a'])
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that decides, writes files and reports."""
        return self.rank == 0

    def device(self, name: str | torch.device = "auto") -> torch.device:
        """The device of this process (see `resolve_device`).

        Raises
        ------
        PruneLimitError
            If the machine does not have it.
        """
        return resolve_device(name)

    def place(self, name: str | torch.device = "auto") -> str | torch.device:
        """What stands for this process's device: `name` as it is, for a process alone."""
        return name

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, in place and the same bits everywhere."""
        return tensor

    def gather(self, value: Item) -> list[Item]:
        """Every process's value, in the order of the ranks."""
        return [value]

    def from_main(self, compute: Callable[[], Result]) -> Result:
        """What `compute` returns in the main process; the others wait for it."""
        return compute()

    def lead(self, matrix: Matrix, work: Callable[[Matrix], Result]) -> Result:
        """What `work` makes of the matrix in the main process; all processes get it.

        The matrix's products are collective. `work` gets one with the same products that asks the
        other processes to join in, and must call nothing else that is collective.

        Examples
        --------
        >>> World().lead(torch.eye(2), lambda matrix: matrix @ torch.ones(2))
        tensor([1., 1.])
        """
        return work(matrix)

    def require_alike(self, what: str, tensors: Callable[[], Mapping[str, Tensor]]) -> None:
        """Refuse processes that have different `tensors`; a process alone has nothing to compare.

        Raises
        ------
        PruneLimitError
            If they differ; the message names `what`.
        """

    def shard(self, loader: Iterable[Any]) -> Iterable[Any]:
        """This process's part of every batch of `loader`, which all processes read alike."""
        return loader

    def every(self, items: Iterable[Item]) -> Iterator[Item]:
        """This process's items: number rank, rank + size, …"""
        return iter(items)

    def in_order(self, own: Sequence[Item]) -> list[Item]:
        """What all processes made of their items of `every`, in the order of the items."""
        return list(own)

    def replicate(self, model: nn.Module) -> nn.Module:
        """The model to train: itself, or a wrapper that adds up gradients over the processes."""
        return model

    def backward(
        self,
        replica: nn.Module,
        loss_fn: Callable[[Tensor, Tensor], Tensor],
        inputs: Tensor,
        targets: Tensor,
    ) -> Tensor:
        """Gradient of the mean loss over a batch that all processes have.

        The parameters of `replica` (from `replicate`) get the gradient. Returned is this process's
        part of the mean loss, detached; the parts add up to it.

        Examples
        --------
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.fill_(3.0)
        >>> data = torch.ones(2, 1), torch.zeros(2, 1)
        >>> World().backward(model, nn.functional.mse_loss, *data), model.weight.grad
        (tensor(9.), tensor([[6.]]))
        """
        loss = loss_fn(replica(inputs), targets)
        loss.backward()
        return loss.detach()


ALONE = World()
"""A process alone: every function's default."""


@dataclass(frozen=True)
class Execution:
    """How a long piece of work is carried out; what comes out does not depend on it.

    The processes of its world share the work, each called with the same arguments.
    """

    device: str = "auto"
    progress: bool | None = None
    world: World = ALONE


USUAL = Execution()
"""On the device that there is, with a bar on a terminal, in a process alone."""
