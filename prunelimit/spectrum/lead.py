"""A computation that one process leads, while the others multiply along.

A Krylov search takes many decisions, each of which depends on all the numbers
before it. Were every process to take them for itself, a last bit that differs
would part them. Hence one process searches and keeps the vectors; the others
only do their share of each product.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from prunelimit.lab.distributed import World
from prunelimit.spectrum.search import Multipliable

Result = TypeVar("Result")

_STOP, _MULTIPLY, _BUILD = 0, 1, 2


class Shared(Multipliable, Protocol):
    """A matrix whose products and dense form need every process."""

    def dense(self, progress: bool | None = False) -> Tensor:
        """The matrix ``(dim, dim)``."""


def lead(matrix: Shared, world: World, work: Callable[[Shared], Result]) -> Result:
    """What `work` makes of the matrix in the main process; all processes get it.

    Parameters
    ----------
    matrix
        Its methods are collective: all processes call them together.
    world
        Alone, `work` is given the matrix itself.
    work
        Called in the main process only, with a matrix of the same methods that
        asks the others to join in. It must call nothing else that is collective.

    Raises
    ------
    PruneLimitError
        In the other processes, if `work` raises in the main one.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> double = SimpleNamespace(dim=1, matmul=lambda vectors: 2 * vectors)
    >>> lead(double, World(), lambda matrix: matrix.matmul(torch.ones(1)))
    tensor([2.])
    """
    if world.size == 1:
        return work(matrix)
    if not world.is_main:
        _follow(matrix, world)

    def led() -> Result:
        leader = _Leader(matrix, world)
        try:
            return work(leader)
        finally:
            with contextlib.suppress(RuntimeError):  # who has died needs no dismissal
                leader.dismiss()

    return world.from_main(led)


class _Leader:
    """The matrix as `work` sees it."""

    def __init__(self, matrix: Shared, world: World) -> None:
        self.dim, self.device, self.dtype = matrix.dim, matrix.device, matrix.dtype
        self._matrix, self._world = matrix, world

    def matmul(self, vectors: Tensor) -> Tensor:
        columns = vectors.detach().reshape(self.dim, -1).to(self.device, self.dtype).contiguous()
        self._announce(_MULTIPLY, columns.shape[1])
        self._world.broadcast(columns)
        return self._matrix.matmul(vectors)

    def dense(self, progress: bool | None = False) -> Tensor:
        self._announce(_BUILD)
        return self._matrix.dense(progress)

    def dismiss(self) -> None:
        self._announce(_STOP)

    def _announce(self, what: int, width: int = 0) -> None:
        self._world.broadcast(torch.tensor([what, width]))


def _follow(matrix: Shared, world: World) -> None:
    """Join in what the main process announces, until it is done."""
    while True:
        what, width = world.broadcast(torch.zeros(2, dtype=torch.int64)).tolist()
        if what == _STOP:
            return
        if what == _BUILD:
            matrix.dense()
            continue
        columns = torch.empty(matrix.dim, width, dtype=matrix.dtype, device=matrix.device)
        matrix.matmul(world.broadcast(columns))
