"""The Krylov vectors, in bounded memory."""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from torch import Tensor

from prunelimit.spectrum.bracket import Array

BLOCK_ENTRIES = 2**22
"""Entries of a block of vectors, unless 8 vectors are more; blocks come as they are needed."""

SLICE_ENTRIES = 2**20
"""Entries of a block handled at once where the storage has another dtype: their copy fits in
the cache, and the allocator gives the same memory again (beyond 32 MB it maps new pages)."""


class Basis:
    """Orthonormal vectors ``(dim,)``, appended one by one.

    They are stored on `device` in float64, float32 or bfloat16; what does not fit into `memory`
    bytes there lies in a temporary file on disk. Rounding in storage costs little: it is removed
    from the span that is orthogonalised against, not added to the products (see the tests).

    Examples
    --------
    >>> basis = Basis(2)
    >>> basis.append(torch.tensor([1.0, 0.0]))
    >>> vector = torch.tensor([3.0, 2.0])
    >>> basis.orthogonalise(vector), vector
    (array([3.]), tensor([0., 2.]))
    """

    def __init__(
        self,
        dim: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        memory: int | None = None,
    ) -> None:
        self.dim = dim
        self.memory = memory
        self.dtype = dtype
        self.device = torch.device(device)
        self.rows = max(8, min(128, BLOCK_ENTRIES // max(1, dim)))
        self._blocks: list[Tensor] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def _new_block(self) -> Tensor:
        size = self.rows * self.dim * self.dtype.itemsize
        if self.memory is None or size * (len(self._blocks) + 1) <= self.memory:
            return torch.empty(self.rows, self.dim, dtype=self.dtype, device=self.device)
        # The file has no name, so it vanishes with the mapping.
        with tempfile.TemporaryFile(prefix="prunelimit-basis-") as file:
            mapped = np.memmap(file, np.uint8, "w+", shape=(size,))
        return torch.from_numpy(mapped).view(self.dtype).view(self.rows, self.dim)

    def append(self, vector: Tensor) -> None:
        """Store one more vector ``(dim,)``."""
        if self._count % self.rows == 0:
            self._blocks.append(self._new_block())
        self._blocks[-1][self._count % self.rows].copy_(vector)
        self._count += 1

    def vector(self, index: int) -> Tensor:
        """The stored vector ``(dim,)`` number `index`."""
        return self._blocks[index // self.rows][index % self.rows].to(self.device)

    def _filled(self) -> list[Tensor]:
        rest = self._count - self.rows * (len(self._blocks) - 1)
        return [*self._blocks[:-1], self._blocks[-1][:rest]] if self._blocks else []

    def orthogonalise(self, vector: Tensor) -> Array:
        """Remove from `vector`, in place, its part in the span; return that part's coordinates.

        Twice over ("twice is enough", Giraud, Langou and Rozložník 2005).
        """
        total = np.zeros(self._count)
        for _ in range(2 if self._count else 0):
            parts = [self._remove(block, vector) for block in self._filled()]
            total += torch.cat([part.to(vector.device) for part in parts]).double().cpu().numpy()
        return total

    def _remove(self, block: Tensor, vector: Tensor) -> Tensor:
        if block.dtype == vector.dtype and block.device == vector.device:
            inner = block @ vector
            vector.addmv_(block.T, inner, alpha=-1)
            return inner
        pieces = [(block[:, cut], vector[cut]) for cut in self._slices()]
        inner = torch.stack([rows.to(part) @ part for rows, part in pieces]).sum(0)
        for rows, part in pieces:
            part.addmv_(rows.to(part).T, inner, alpha=-1)
        return inner

    def _slices(self) -> list[slice]:
        length = SLICE_ENTRIES // self.rows
        return [slice(start, start + length) for start in range(0, self.dim, length)]

    def combine(self, coordinates: Tensor) -> Tensor:
        """Linear combinations ``(dim, k)`` with coordinates ``(count or fewer, k)``."""
        wide = torch.float64 if self.dtype == torch.float64 else torch.float32
        coordinates = coordinates.to(self.device, wide)
        total = torch.zeros(self.dim, coordinates.shape[1], dtype=wide, device=self.device)
        for start, block in zip(
            range(0, len(coordinates), self.rows), self._filled(), strict=False
        ):
            rows = coordinates[start : start + len(block)]
            for cut in self._slices():
                total[cut] += block[: len(rows), cut].to(total).T @ rows
        return total
