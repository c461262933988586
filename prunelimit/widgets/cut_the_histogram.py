"""Chapter 7: a threshold over the weights' histogram, and the accuracy that it leaves."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from prunelimit.widgets import base
from prunelimit.widgets.network import MEASURED, NetworkWidget


class CutTheHistogram(NetworkWidget):
    """Drag the cut over the magnitudes; sparsity, distance and measured accuracy follow.

    Control: `sparsity`.

    Parameters
    ----------
    network
        A result of `prunelimit.lab.experiment`, or None for the example.
    **settings
        See `BookWidget`.

    Examples
    --------
    >>> half, most = CutTheHistogram(sparsity=0.5), CutTheHistogram(sparsity=0.9)
    >>> half.numbers()["threshold"] < most.numbers()["threshold"]
    True
    """

    _module = "cut_the_histogram"
    _heading = "Cut the histogram"
    _entries = (*MEASURED, "dim", "kept", "squares", "weights")
    _ready_made = {
        "Half": {"sparsity": 0.5},
        "Four in five": {"sparsity": 0.8},
        "Nine in ten": {"sparsity": 0.9},
        "All but one in a hundred": {"sparsity": 0.99},
    }

    _guided = (
        (
            "Each bar counts weights of one magnitude. Three in five, left of the line, become 0.",
            {},
        ),
        ("Four in five: the cut has reached the weights that work.", {"sparsity": 0.8}),
        ("Nine in ten. Look at the accuracy on the right.", {"sparsity": 0.9}),
    )

    sparsity = base.slider("sparsity", 0.6, 0.0, 0.999, 0.001, unit="%")

    def knots(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges as log10 |w|, and the share of all weights below each, ``(knots,)`` both."""
        weights = self.data["weights"]
        sums = np.sum(list(weights["counts"].values()), axis=0)
        below = weights["zeros"] + np.concatenate([[0], np.cumsum(sums)])
        filled = np.concatenate([[True], sums > 0])
        return np.log10(weights["edges"])[filled], (below / below[-1])[filled]

    def numbers(self) -> dict[str, float]:
        """Threshold, weights kept, distance and measured test accuracy."""
        logs, shares = self.knots()
        kept = float(np.floor(self.data["dim"] * (1 - self.sparsity) + 0.5))
        square = np.interp(kept, self.data["kept"], self.data["squares"])
        curve = (self.data["measured"], self.data["accuracy"])
        return {
            "threshold": float(10 ** np.interp(self.sparsity, shares, logs)),
            "kept": kept,
            "distance": float(np.sqrt(square)),
            "accuracy": float(np.interp(self.sparsity, *curve)),
        }

    def describe(self) -> str:
        """One sentence on the cut."""
        found = self.numbers()
        return (
            f"{self.data['name']}: setting the {self.sparsity:.1%} of weights below "
            f"{found['threshold']:.3g} to 0 leaves a test accuracy of {found['accuracy']:.1%} "
            f"(dense {self.data['dense_accuracy']:.1%})."
        )

    def _draw(self, figure: Figure) -> None:
        weights, found = self.data["weights"], self.numbers()
        histogram, curve = figure.subplots(2, 1)
        sums = np.sum(list(weights["counts"].values()), axis=0)
        histogram.stairs(sums, weights["edges"], fill=True, alpha=0.5)
        histogram.axvline(found["threshold"], color="#C24A00")
        histogram.set(xscale="log", xlabel="magnitude |w|", ylabel="weights in a bin")
        curve.plot(self.data["measured"], self.data["accuracy"])
        curve.plot(self.sparsity, found["accuracy"], "o", color="#C24A00")
        curve.set(xlabel="sparsity", ylabel="test accuracy", ylim=(0, 1.02))
