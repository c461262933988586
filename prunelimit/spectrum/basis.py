"""The Lanczos vectors, in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 16
"""Vectors a block holds; blocks are allocated as they are needed."""


class Basis:
    """Orthonormal vectors ``(dim,)``, appended one by one.

    Parameters
    ----------
    dim
        Length of a vector.
    dtype
        In which they are stored.
    device
        Where they are stored.

    Examples
    --------
    >>> basis = Basis(2)
    >>> basis.append(torch.tensor([1.0, 0.0]))
    >>> basis.orthogonalise(torch.tensor([3.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(
        self,
        dim: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.dim = dim
        self.dtype = dtype
        self.device = torch.device(device)
        self._blocks: list[Tensor] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, vector: Tensor) -> None:
        """Store one more vector ``(dim,)``."""
        row = self._count % ROWS
        if row == 0:
            self._blocks.append(torch.empty(ROWS, self.dim, dtype=self.dtype, device=self.device))
        self._blocks[-1][row].copy_(vector)
        self._count += 1

    def last(self) -> Tensor:
        """The vector stored last, ``(dim,)``."""
        return self._blocks[-1][(self._count - 1) % ROWS]

    def _filled(self) -> list[Tensor]:
        rest = self._count - ROWS * (len(self._blocks) - 1)
        return [*self._blocks[:-1], self._blocks[-1][:rest]] if self._blocks else []

    def orthogonalise(self, vector: Tensor) -> Tensor:
        """Remove from `vector` (changed in place) its part in the span, twice over."""
        for _ in range(2):
            for block in self._filled():
                vector.sub_(block.T @ (block @ vector))
        return vector

    def combine(self, coefficients: Tensor) -> Tensor:
        """Linear combinations ``(dim, k)`` with coefficients ``(count, k)``."""
        coefficients = coefficients.to(self.device, self.dtype)
        total = torch.zeros(self.dim, coefficients.shape[1], dtype=self.dtype, device=self.device)
        start = 0
        for block in self._filled():
            total += block.T @ coefficients[start : start + len(block)]
            start += len(block)
        return total
