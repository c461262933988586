"""Measured curves: loss and accuracy against sparsity (chapter 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prunelimit.errors import PruneLimitError, require


@dataclass(frozen=True)
class Sweep:
    """Loss and accuracy against sparsity, of one network on one data set.

    Attributes
    ----------
    sparsities, loss, accuracy
        ``(points,)`` float64 arrays in the order asked for; accuracy is NaN
        where the task has none.
    kept
        ``(points,)`` int64: weights left.
    dim
        Number of prunable weights.
    dense_loss, dense_accuracy
        Of the network untouched.
    """

    sparsities: np.ndarray
    kept: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray
    dim: int
    dense_loss: float
    dense_accuracy: float

    def __post_init__(self) -> None:
        """Counts are whole numbers, also where they were read from a file."""
        arrays = (self.sparsities, self.kept, self.loss, self.accuracy)
        if {np.shape(array) for array in arrays} != {(np.size(self.kept),)}:
            raise PruneLimitError("the arrays of a sweep have to be of one length")
        if not np.isfinite(self.kept).all():
            raise PruneLimitError("a sweep's kept weights have to be whole numbers")
        object.__setattr__(self, "kept", np.asarray(self.kept).astype(np.int64))

    def largest_sparsity(self, epsilon: float) -> float:
        """Largest measured sparsity up to which the loss never exceeds dense loss + `epsilon`.

        The first crossing counts: a loss that comes back down later does not.

        Raises
        ------
        PruneLimitError
            If `epsilon` is not positive.

        Examples
        --------
        >>> curve = Sweep(np.array([0.1, 0.5, 0.9]), np.array([9, 5, 1]),
        ...               np.array([1.0, 1.1, 3.0]), np.full(3, np.nan), 10, 1.0, np.nan)
        >>> curve.largest_sparsity(0.2)
        0.5
        """
        require(epsilon > 0, "epsilon", epsilon, "positive")
        order = np.argsort(self.sparsities, kind="stable")
        within = self.loss[order] <= self.dense_loss + epsilon
        crossings = np.flatnonzero(~within)
        last = (int(crossings[0]) if crossings.size else len(order)) - 1
        return float(self.sparsities[order][last]) if last >= 0 else 0.0
