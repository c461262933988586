"""A computation that one process leads, while the others multiply along.

A Krylov search takes many decisions, each of which depends on all the numbers
before it. Were every process to take them for itself, a last bit that differs
would part them. Hence one process searches and keeps the vectors; the others
only do their share of each product.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunelimit.network.world import World
from prunelimit.spectrum.matrix import BuildableMatrix

_STOP, _MULTIPLY, _BUILD = 0, 1, 2


class Leader:
    """The matrix as the main process sees it: its products ask the others to join in.

    Parameters
    ----------
    matrix
        Its methods are collective: all processes call them together.
    world
        The processes.
    """

    def __init__(self, matrix: BuildableMatrix, world: World) -> None:
        self.dim, self.device, self.dtype = matrix.dim, matrix.device, matrix.dtype
        self._matrix, self._world = matrix, world

    def matmul(self, vectors: Tensor) -> Tensor:
        """The product with ``(dim,)`` or ``(dim, block)``, to which every process does its part."""
        columns = vectors.detach().reshape(self.dim, -1).to(self.device, self.dtype).contiguous()
        self._announce(_MULTIPLY, columns.shape[1])
        self._world.broadcast(columns)
        return self._matrix.matmul(vectors)

    def dense(self, progress: bool | None = False) -> Tensor:
        """The matrix ``(dim, dim)``, to which every process does its part."""
        self._announce(_BUILD)
        return self._matrix.dense(progress)

    def dismiss(self) -> None:
        """Let the others go on: there will be no more products."""
        self._announce(_STOP)

    def _announce(self, what: int, width: int = 0) -> None:
        self._world.broadcast(torch.tensor([what, width]))


def follow(matrix: BuildableMatrix, world: World) -> None:
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
