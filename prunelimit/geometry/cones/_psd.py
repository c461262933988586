"""The cone of positive semi-definite matrices."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from prunelimit.errors import PruneLimitError
from prunelimit.geometry.cones._base import Cone
from prunelimit.geometry.cones._checks import FloatArray, check_integer, check_points
from prunelimit.geometry.cones._circular import SecondOrderCone
from prunelimit.geometry.cones._flat import Orthant


@dataclass(frozen=True)
class PSDCone(Cone):
    """Symmetric positive semi-definite ``n × n`` matrices, as vectors of length n(n+1)/2.

    A matrix is flattened along the rows of its upper triangle with the entries
    off the diagonal times √2, so that the Euclidean norm of the vector is the
    Frobenius norm of the matrix and ``δ(C) + δ(C°) = dim``; see `to_vector`.
    δ = n(n+1)/4 (Amelunxen et al. 2014, Prop. 3.2, by self-duality; exact).

    Examples
    --------
    >>> cone = PSDCone(2)
    >>> cone.dim, cone.statistical_dimension()
    (3, 1.5)
    >>> cone.to_matrix(cone.project(cone.to_vector([[1.0, 0.0], [0.0, -1.0]])))
    array([[1., 0.],
           [0., 0.]])
    """

    n: int
    dim: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", check_integer(self.n, "n", 1))
        object.__setattr__(self, "dim", self.n * (self.n + 1) // 2)

    def to_vector(self, matrix: ArrayLike) -> FloatArray:
        """Symmetric matrices ``(n, n)`` or ``(batch, n, n)`` as points of the cone's space.

        Raises
        ------
        PruneLimitError
            If the shape is wrong or a matrix is not symmetric.
        """
        array = np.asarray(matrix, dtype=np.float64)
        if array.ndim not in (2, 3) or array.shape[-2:] != (self.n, self.n):
            raise PruneLimitError(f"expected matrices {self.n} × {self.n}, got shape {array.shape}")
        if not np.allclose(array, np.swapaxes(array, -1, -2), rtol=1e-10, atol=1e-12):
            raise PruneLimitError("the matrix is not symmetric; pass (A + A.T) / 2")
        rows, columns = np.triu_indices(self.n)
        return array[..., rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2))

    def to_matrix(self, x: ArrayLike) -> FloatArray:
        """Points ``(dim,)`` or ``(batch, dim)`` as symmetric matrices; undoes `to_vector`.

        Raises
        ------
        PruneLimitError
            For a wrong shape, NaN or infinity.
        """
        points, single = check_points(x, self.dim)
        matrices = self._matrices(points)
        return matrices[0] if single else matrices

    def statistical_dimension(self) -> float:
        return self.dim / 2

    def log_intrinsic_volumes(self) -> FloatArray:
        # 1 × 1 matrices are a half-line; 2 × 2 ones are the ice-cream cone turned on its side.
        if self.n == 1:
            return Orthant(1).log_intrinsic_volumes()
        if self.n == 2:
            return SecondOrderCone(3).log_intrinsic_volumes()
        return super().log_intrinsic_volumes()

    def _matrices(self, points: FloatArray) -> FloatArray:
        rows, columns = np.triu_indices(self.n)
        matrices = np.empty((len(points), self.n, self.n))
        entries = points / np.where(rows == columns, 1.0, np.sqrt(2))
        matrices[:, rows, columns] = entries
        matrices[:, columns, rows] = entries
        return matrices

    def _eigenvalues(self, points: FloatArray) -> FloatArray:
        return np.asarray(np.linalg.eigvalsh(self._matrices(points)), dtype=np.float64)

    def _project(self, points: FloatArray) -> FloatArray:
        values, vectors = np.linalg.eigh(self._matrices(points))
        kept = vectors * np.maximum(values, 0.0)[:, None, :]
        projected = kept @ np.swapaxes(vectors, 1, 2)
        return self.to_vector((projected + np.swapaxes(projected, 1, 2)) / 2)

    def _slack(self, points: FloatArray) -> FloatArray:
        return self._eigenvalues(points)[:, 0]

    def _negative_support(self, points: FloatArray) -> FloatArray:
        return self._eigenvalues(points)[:, -1]

    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        return -self._eigenvalues(points)[:, 0]
