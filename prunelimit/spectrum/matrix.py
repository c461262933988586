"""What is asked of a symmetric matrix: its products, and for some purposes the matrix itself."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


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
