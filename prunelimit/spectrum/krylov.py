"""A growing Krylov space of a symmetric matrix, from one or several start vectors.

Band Lanczos with full orthogonalisation (after Ruhe 1979 and Freund 2003): the
basis vectors are multiplied in the order in which they appeared, and what is
new in a product becomes a further basis vector. Start vectors may join at any
time; each of them then profits from the space that the others built.

After P products the orthonormal vectors U (dim, P + b), of which the last b
are not multiplied yet, satisfy A U[:, :P] = U C with the small matrix C
(P + b, P) of orthogonalisation coefficients. Everything else follows from C
and the coordinates of the start vectors in U (see `prunelimit.spectrum.bracket`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.bracket import Array, ritz_pairs

Product = Callable[[Tensor], Tensor]

BREAKDOWN = {torch.float64: 1e-12, torch.float32: 1e-6}
"""A new direction shorter than this, relative to the largest product, is rounding."""

ASYMMETRY = 1e-2
"""Largest relative asymmetry of U^T A U that rounding explains."""


class KrylovSpace:
    """Orthonormal basis, projected matrix and start vectors; see the module's text.

    `basis` keeps the vectors and is empty at first; `dtype` is that of products and start vectors.

    Examples
    --------
    >>> matrix = torch.diag(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))
    >>> space = KrylovSpace(Basis(3, torch.float64), torch.float64)
    >>> space.add_start(torch.ones(3, dtype=torch.float64))
    >>> while not space.exhausted:
    ...     space.grow(lambda block: matrix @ block)
    >>> space.ritz()[0].round(9).tolist()
    [1.0, 2.0, 4.0]
    """

    def __init__(self, basis: Basis, dtype: torch.dtype = torch.float32) -> None:
        self.basis = basis
        self.dtype = dtype
        self.columns: list[Array] = []
        self.starts: list[Array] = []
        self.scale = 0.0

    @property
    def products(self) -> int:
        """P, the number of basis vectors multiplied."""
        return len(self.columns)

    @property
    def pending(self) -> int:
        """b, the number of basis vectors still to be multiplied."""
        return len(self.basis) - self.products

    @property
    def exhausted(self) -> bool:
        """Whether the space is invariant, so that every quadrature in it is exact."""
        return self.pending == 0

    def add_start(self, vector: Tensor) -> None:
        """Let ``(dim,)`` join the start vectors; its new direction is multiplied in its turn."""
        vector = vector.to(self.basis.device, self.dtype)
        norm = float(torch.linalg.vector_norm(vector))
        self.starts.append(self._absorb(vector.clone(), 1e-5 * norm))

    def grow(self, product: Product, block: int = 1) -> None:
        """Multiply the next `block` pending vectors, and extend the space by what is new."""
        first = self.products
        width = min(block, self.pending)
        vectors = [self.basis.vector(first + i).to(self.dtype) for i in range(width)]
        images = product(torch.stack(vectors, dim=1)) if width > 1 else product(vectors[0])[:, None]
        for image in images.T:
            image = image.to(self.basis.device, self.dtype).clone()
            norm = float(torch.linalg.vector_norm(image))
            self.scale = max(self.scale, norm)
            self.columns.append(self._absorb(image, BREAKDOWN[self.dtype] * self.scale))
        self._check_symmetry()

    def _absorb(self, vector: Tensor, threshold: float) -> Array:
        """Coordinates of `vector` in the basis, extended by its new direction if it has one."""
        coordinates = self.basis.orthogonalise(vector)
        norm = float(torch.linalg.vector_norm(vector))
        if norm <= threshold or len(self.basis) >= self.basis.dim:
            return coordinates
        self.basis.append(vector / norm)
        return np.append(coordinates, norm)

    def _check_symmetry(self) -> None:
        newest = self.products - 1
        row = np.array([column[newest] if newest < len(column) else 0.0 for column in self.columns])
        column = self.columns[newest][: self.products]
        gap = float(np.abs(row - column[: len(row)]).max())
        if gap > ASYMMETRY * self.scale:
            raise PruneLimitError(
                f"the curvature is not one symmetric matrix (entries differ by {gap:.2g} at scale "
                f"{self.scale:.2g}): data or model change between products. Use fixed data "
                "without augmentation, and a model without random layers"
            )

    def arrays(self) -> dict[str, Array]:
        """All but the basis, to be kept; see `restore`."""
        return {
            "columns": np.concatenate([np.zeros(0), *self.columns]),
            "column_lengths": np.array([len(column) for column in self.columns], dtype=int),
            "starts": np.concatenate([np.zeros(0), *self.starts]),
            "start_lengths": np.array([len(start) for start in self.starts], dtype=int),
            "scale": np.array(self.scale),
        }

    def restore(self, arrays: Mapping[str, Array], vectors: Iterable[bytes]) -> None:
        """Fill an empty space from what `arrays` and `vector_bytes` gave."""
        for raw in vectors:
            vector = torch.frombuffer(bytearray(raw), dtype=self.basis.dtype)
            self.basis.append(vector.to(self.basis.device))
        self.columns = _split(arrays["columns"], arrays["column_lengths"])
        self.starts = _split(arrays["starts"], arrays["start_lengths"])
        self.scale = float(arrays["scale"])

    def vector_bytes(self, index: int) -> bytes:
        """The basis vector number `index` as it is stored."""
        row = self.basis.vector(index).cpu().contiguous()
        return row.view(torch.uint8).numpy().tobytes()

    def coefficients(self) -> Array:
        """C ``(products + pending, products)``, with A U[:, :products] = U C."""
        return _side_by_side(self.columns, len(self.basis))

    def start_coordinates(self) -> Array:
        """Coordinates ``(products, ready)`` of the start vectors that lie in U[:, :products]."""
        ready = [start for start in self.starts if len(start) <= self.products]
        return _side_by_side(ready, self.products)

    def ritz(self) -> tuple[Array, Array, Array]:
        """Ritz values, their coordinates ``(products, products)`` and their residuals' norms."""
        return ritz_pairs(self.coefficients())

    def ritz_vectors(self, coordinates: Array) -> Tensor:
        """Vectors ``(dim, k)`` with the given coordinates ``(products, k)``."""
        return self.basis.combine(torch.from_numpy(coordinates))


def _split(values: Array, lengths: Array) -> list[Array]:
    return np.split(values, np.cumsum(lengths))[:-1]


def _side_by_side(columns: list[Array], rows: int) -> Array:
    """A matrix of columns that are as long as they are, and 0 below."""
    matrix = np.zeros((rows, len(columns)))
    for index, column in enumerate(columns):
        matrix[: len(column), index] = column
    return matrix
