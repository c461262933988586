"""Products of cones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import linalg

from prunelimit.errors import PruneLimitError
from prunelimit.geometry.cones._base import Cone
from prunelimit.geometry.cones._checks import FloatArray


@dataclass(frozen=True)
class Product(Cone):
    """``a × b``: points whose first ``a.dim`` coordinates lie in `a`, the others in `b`.

    δ adds and the intrinsic volumes convolve (Amelunxen et al. 2014, Prop. 3.1 and §5; exact).

    Examples
    --------
    >>> from prunelimit.cones import Orthant
    >>> Product(Orthant(1), Orthant(1)).intrinsic_volumes().round(12)
    array([0.25, 0.5 , 0.25])
    """

    a: Cone
    b: Cone
    dim: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for factor in (self.a, self.b):
            if not isinstance(factor, Cone):
                raise PruneLimitError(f"a product needs two cones, got {factor!r}")
        object.__setattr__(self, "dim", self.a.dim + self.b.dim)

    @property
    def is_subspace(self) -> bool:
        return self.a.is_subspace and self.b.is_subspace

    def polar(self) -> Cone:
        return Product(self.a.polar(), self.b.polar())

    def statistical_dimension(self) -> float:
        return self.a.statistical_dimension() + self.b.statistical_dimension()

    def intrinsic_volumes(self) -> FloatArray:
        return np.convolve(self.a.intrinsic_volumes(), self.b.intrinsic_volumes())

    def log_intrinsic_volumes(self) -> FloatArray:
        return _log_convolve(self.a.log_intrinsic_volumes(), self.b.log_intrinsic_volumes())

    def _parts(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        return points[:, : self.a.dim], points[:, self.a.dim :]

    def _project(self, points: FloatArray) -> FloatArray:
        first, second = self._parts(points)
        return np.hstack([self.a._project(first), self.b._project(second)])

    def _slack(self, points: FloatArray) -> FloatArray:
        first, second = self._parts(points)
        return np.minimum(self.a._slack(first), self.b._slack(second))

    def _negative_support(self, points: FloatArray) -> FloatArray:
        first, second = self._parts(points)
        return np.maximum(self.a._negative_support(first), self.b._negative_support(second))

    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        first, second = self._parts(points)
        return np.maximum(
            self.a._polar_negative_support(first), self.b._polar_negative_support(second)
        )

    def _lineality(self) -> FloatArray:
        return linalg.block_diag(self.a._lineality(), self.b._lineality())

    def _normals(self) -> FloatArray:
        return linalg.block_diag(self.a._normals(), self.b._normals())

    def _polar_generators(self) -> FloatArray | None:
        first, second = self.a._polar_generators(), self.b._polar_generators()
        if first is None or second is None:
            return None
        return linalg.block_diag(first, second)


def _log_convolve(log_a: FloatArray, log_b: FloatArray) -> FloatArray:
    """Convolution of two positive vectors given and returned as logarithms."""
    if len(log_a) > len(log_b):
        log_a, log_b = log_b, log_a
    peak = np.full(len(log_a) + len(log_b) - 1, -np.inf)
    for shift, value in enumerate(log_a):
        window = peak[shift : shift + len(log_b)]
        np.maximum(window, value + log_b, out=window)
    total = np.zeros_like(peak)
    reference = np.where(np.isfinite(peak), peak, 0.0)
    for shift, value in enumerate(log_a):
        reached = slice(shift, shift + len(log_b))
        total[reached] += np.exp(value + log_b - reference[reached])
    with np.errstate(divide="ignore"):
        return np.log(total) + reference
