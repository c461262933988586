"""A non-negative spectrum as the formulas read it: checked once, its zeros set apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunelimit.errors import PruneLimitError

_CHUNK = 1 << 15  # nodes summed at a time: they stay in the processor's cache
_ROUND_OFF = 1e-10  # negative eigenvalues below this share of the largest are rounding


@dataclass(frozen=True)
class SpectralMeasure:
    """A spectrum: positive nodes, how many eigenvalues each stands for, and the zeros."""

    nodes: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    rank: float
    dim: float

    def _sum(self, function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> float:
        """Sum of `function` over the positive eigenvalues."""
        total = []
        for start in range(0, self.nodes.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            values = function(self.nodes[part])
            total.append(values.sum() if self.weights is None else self.weights[part] @ values)
        return math.fsum(total)

    def dimension(self, ridge: float) -> float:
        """N(σ) = Σ λ/(λ + σ)."""
        if math.isinf(ridge):
            return 0.0
        return self._sum(lambda nodes: nodes / (nodes + ridge))

    def codimension(self, ridge: float) -> float:
        """D - N(σ) = Σ σ/(λ + σ), without the cancellation."""
        if math.isinf(ridge):
            return self.dim
        return (self.dim - self.rank) + self._sum(lambda nodes: ridge / (nodes + ridge))

    def trace(self) -> float:
        """Tr H."""
        return float(self.nodes.sum() if self.weights is None else self.weights @ self.nodes)


def spectral_measure(eigenvalues: ArrayLike, weights: ArrayLike | None = None) -> SpectralMeasure:
    """Check a spectrum and set its zeros apart.

    Raises
    ------
    PruneLimitError
        If there is no eigenvalue, or one is negative or not finite.
    """
    nodes = np.asarray(eigenvalues, dtype=np.float64)
    if nodes.ndim != 1 or nodes.size == 0:
        raise PruneLimitError(
            f"eigenvalues must be a non-empty list of numbers; got shape {nodes.shape}"
        )
    largest, smallest = float(nodes.max()), float(nodes.min())
    if not (math.isfinite(largest) and math.isfinite(smallest)):
        raise PruneLimitError("eigenvalues hold a NaN or an infinity; check the Hessian")
    if smallest < -_ROUND_OFF * max(largest, -smallest):
        raise PruneLimitError(
            f"negative eigenvalues (smallest {smallest:g}) have no ellipsoid; choose a policy: "
            "abs (np.abs(eigenvalues)), clip (np.maximum(eigenvalues, 0)), or the Gauss-Newton "
            "matrix, policy 'ggn', in place of the Hessian"
        )
    counts = None if weights is None else _checked_weights(weights, nodes)
    positive = nodes > 0
    if positive.all():
        kept_counts = counts
    else:
        nodes = nodes[positive]
        kept_counts = None if counts is None else counts[positive]
    rank = float(nodes.size if kept_counts is None else kept_counts.sum())
    dim = float(positive.size if counts is None else counts.sum())
    return SpectralMeasure(nodes, kept_counts, rank, dim)


def _checked_weights(weights: ArrayLike, nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.asarray(weights, dtype=np.float64)
    if counts.shape != nodes.shape:
        raise PruneLimitError(
            f"weights of shape {counts.shape} do not fit {nodes.size} eigenvalues"
        )
    if not (np.isfinite(counts).all() and (counts >= 0).all() and counts.sum() > 0):
        raise PruneLimitError("weights must be finite, at least 0, and not all 0")
    return counts
