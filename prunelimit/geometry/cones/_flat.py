"""Cones with flat sides and simple formulas: subspaces, orthants, monotone cones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize

from prunelimit.geometry.cones._base import Cone
from prunelimit.geometry.cones._binomial import log_binomial_probability
from prunelimit.geometry.cones._checks import FloatArray, check_integer

_LOG_HALF = -np.log(2.0)


@dataclass(frozen=True)
class Subspace(Cone):
    """The span of the first `subspace_dim` coordinate axes.

    Examples
    --------
    >>> Subspace(3, 1).project([1.0, 2.0, 3.0])
    array([1., 0., 0.])
    >>> Subspace(3, 1).statistical_dimension()
    1.0
    """

    dim: int
    subspace_dim: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", check_integer(self.dim, "dim", 1))
        checked = check_integer(self.subspace_dim, "subspace_dim", 0, self.dim)
        object.__setattr__(self, "subspace_dim", checked)

    @property
    def is_subspace(self) -> bool:
        return True

    def statistical_dimension(self) -> float:
        return float(self.subspace_dim)

    def log_intrinsic_volumes(self) -> FloatArray:
        logs = np.full(self.dim + 1, -np.inf)
        logs[self.subspace_dim] = 0.0
        return logs

    def _project(self, points: FloatArray) -> FloatArray:
        projected = points.copy()
        projected[:, self.subspace_dim :] = 0.0
        return projected

    def _slack(self, points: FloatArray) -> FloatArray:
        return -np.linalg.norm(points[:, self.subspace_dim :], axis=1)

    def _negative_support(self, points: FloatArray) -> FloatArray:
        return np.full(len(points), 0.0 if self.subspace_dim else -np.inf)

    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        return np.full(len(points), 0.0 if self.subspace_dim < self.dim else -np.inf)

    def _lineality(self) -> FloatArray:
        return np.eye(self.dim)[:, : self.subspace_dim]

    def _normals(self) -> FloatArray:
        return np.eye(self.dim)[:, self.subspace_dim :]


@dataclass(frozen=True)
class Orthant(Cone):
    """The non-negative orthant; v_j is the binomial probability of j heads among dim fair coins.

    Source: Amelunxen et al. 2014, Example 5.6 and §4 (exact).

    Examples
    --------
    >>> Orthant(2).project([3.0, -4.0])
    array([3., 0.])
    >>> Orthant(2).intrinsic_volumes().round(12)
    array([0.25, 0.5 , 0.25])
    """

    dim: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", check_integer(self.dim, "dim", 1))

    def statistical_dimension(self) -> float:
        return self.dim / 2

    def log_intrinsic_volumes(self) -> FloatArray:
        heads = np.arange(self.dim + 1)
        return log_binomial_probability(heads, self.dim, _LOG_HALF, _LOG_HALF)

    def _project(self, points: FloatArray) -> FloatArray:
        return np.maximum(points, 0.0)

    def _slack(self, points: FloatArray) -> FloatArray:
        return points.min(axis=1)

    def _negative_support(self, points: FloatArray) -> FloatArray:
        return points.max(axis=1)

    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        return -points.min(axis=1)

    def _polar_generators(self) -> FloatArray:
        return -np.eye(self.dim)


@dataclass(frozen=True)
class MonotoneCone(Cone):
    """``{x : x_1 ≤ x_2 ≤ … ≤ x_dim}``; projecting onto it is isotonic regression.

    v_j is the number of permutations of dim things with j cycles over dim!
    (Amelunxen et al. 2014, §4 and Prop. C.3; exact), and δ the harmonic number.

    Examples
    --------
    >>> MonotoneCone(3).project([1.0, 3.0, 1.0])
    array([1., 2., 2.])
    >>> round(MonotoneCone(3).statistical_dimension(), 6)
    1.833333
    """

    dim: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", check_integer(self.dim, "dim", 1))

    @property
    def is_subspace(self) -> bool:
        return self.dim == 1

    def statistical_dimension(self) -> float:
        return float(np.sum(1 / np.arange(self.dim, 0, -1)))

    def log_intrinsic_volumes(self) -> FloatArray:
        return _log_cycle_probabilities(self.dim).copy()

    def _project(self, points: FloatArray) -> FloatArray:
        return np.array([optimize.isotonic_regression(row).x for row in points]).reshape(
            points.shape
        )

    def _slack(self, points: FloatArray) -> FloatArray:
        return np.diff(points, axis=1).min(axis=1, initial=np.inf)

    def _negative_support(self, points: FloatArray) -> FloatArray:
        # The cone contains the line through (1, …, 1), so the supremum is never negative.
        return np.zeros(len(points))

    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        if self.dim == 1:
            return np.full(len(points), -np.inf)
        return -np.diff(points, axis=1).min(axis=1) / np.sqrt(2)

    def _lineality(self) -> FloatArray:
        return np.full((self.dim, 1), self.dim**-0.5)

    def _polar_generators(self) -> FloatArray:
        return -np.diff(np.eye(self.dim), axis=0)


@lru_cache(maxsize=4)
def _log_cycle_probabilities(dim: int) -> FloatArray:
    """Logarithm of P{a random permutation of `dim` things has j cycles}, j = 0 … dim.

    The count is a sum of independent coins with bias 1/i, built up coin by coin.
    Each entry keeps its own power of two, for they span thousands of decades; the
    powers are refreshed every few coins, before a float can over- or underflow.
    """
    mantissa = np.zeros(dim + 1)
    exponent = np.zeros(dim + 1)
    mantissa[0] = 1.0
    for start in range(1, dim + 1, 16):
        stop = min(start + 16, dim + 1)
        _renormalise(mantissa, exponent, start)
        # Entry j receives from entry j-1, whose power of two may differ.
        carry = np.exp2(exponent[: stop - 1] - exponent[1:stop])
        for i in range(start, stop):
            heads = mantissa[:i] * carry[:i] / i
            mantissa[: i + 1] *= (i - 1) / i
            mantissa[1 : i + 1] += heads
    with np.errstate(divide="ignore"):
        return np.log(mantissa) + exponent * np.log(2)


def _renormalise(mantissa: FloatArray, exponent: FloatArray, filled: int) -> None:
    """Move powers of two into `exponent`; entries still empty take their left neighbour's."""
    scaled, power = np.frexp(mantissa[:filled])
    mantissa[:filled] = scaled
    exponent[:filled] += power
    exponent[filled:] = exponent[filled - 1]
    if mantissa[0] == 0:
        exponent[0] = exponent[min(1, filled - 1)]
