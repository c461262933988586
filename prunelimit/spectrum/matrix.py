"""What is asked of a symmetric matrix: its products, and for some purposes the matrix itself."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


class SymmetricMatrix(Protocol):
    """A symmetric matrix known by its products."""

    dim: int
    device: torch.device
    dtype: torch.dtype

    def matmul(self, vectors: Tensor) -> Tensor:
        """The matrix times ``(dim,)`` or ``(dim, block)``."""


class BuildableMatrix(SymmetricMatrix, Protocol):
    """A symmetric matrix that can also be written out."""

    def dense(self, progress: bool | None = False) -> Tensor:
        """The matrix ``(dim, dim)``."""


class DenseMatrix:
    """A symmetric matrix ``(dim, dim)`` in memory, taken as it is and not copied.

    Examples
    --------
    >>> DenseMatrix(torch.tensor([[2.0, 1.0], [1.0, 1.0]])).matmul(torch.ones(2))
    tensor([3., 2.])
    """

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix
        self.dim, self.device, self.dtype = len(matrix), matrix.device, matrix.dtype

    def matmul(self, vectors: Tensor) -> Tensor:
        """The matrix times ``(dim,)`` or ``(dim, block)``."""
        return self.matrix @ vectors

    def dense(self, progress: bool | None = False) -> Tensor:
        """The matrix ``(dim, dim)`` itself."""
        return self.matrix
