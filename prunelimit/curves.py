"""Measured curves: loss and accuracy against sparsity (chapter 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunelimit.errors import PruneLimitError


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
        ...               np.array([1.0, 1.1, 3.0]), np.full(3, np.nan), 10, 1.0, math.nan)
        >>> curve.largest_sparsity(0.2)
        0.5
        """
        if not epsilon > 0:
            raise PruneLimitError(f"epsilon must be positive, got {epsilon!r}")
        order = np.argsort(self.sparsities, kind="stable")
        within = self.loss[order] <= self.dense_loss + epsilon
        crossings = np.flatnonzero(~within)
        last = (int(crossings[0]) if crossings.size else len(order)) - 1
        return float(self.sparsities[order][last]) if last >= 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, ready for JSON; NaN becomes None."""
        return {
            "sparsities": self.sparsities.tolist(),
            "kept": self.kept.tolist(),
            "loss": [_none_if_nan(x) for x in self.loss],
            "accuracy": [_none_if_nan(x) for x in self.accuracy],
            "dim": self.dim,
            "dense_loss": self.dense_loss,
            "dense_accuracy": _none_if_nan(self.dense_accuracy),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Sweep:
        """The inverse of `to_dict`."""
        return cls(
            sparsities=np.array(data["sparsities"], dtype=float),
            kept=np.array(data["kept"], dtype=np.int64),
            loss=np.array(data["loss"], dtype=float),
            accuracy=np.array(data["accuracy"], dtype=float),
            dim=data["dim"],
            dense_loss=data["dense_loss"],
            dense_accuracy=math.nan if data["dense_accuracy"] is None else data["dense_accuracy"],
        )


def _none_if_nan(number: float) -> float | None:
    return None if math.isnan(number) else float(number)
