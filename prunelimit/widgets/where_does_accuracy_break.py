"""Introduction: the reader's guess against a measured pruning curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from prunelimit.widgets import base
from prunelimit.widgets.network import MEASURED, NetworkWidget


class WhereDoesAccuracyBreak(NetworkWidget):
    """Guess the sparsity at which magnitude pruning breaks a network; then reveal the curve.

    Controls: `guess`, `loss` (accuracy that may be lost) and `reveal`. The guess is kept in
    the reader's browser, under the network's name, and `TheLimit` shows it again.

    Parameters
    ----------
    network
        A result of `prunelimit.lab.experiment`, or None for the example.
    **settings
        See `BookWidget`.

    Examples
    --------
    >>> 0 < WhereDoesAccuracyBreak(reveal=True).numbers()["breaks"] < 1
    True
    """

    _module = "where_does_accuracy_break"
    _heading = "Where does accuracy break?"
    _entries = MEASURED
    _ready_made = {
        "Half must stay": {"guess": 0.5},
        "One in five": {"guess": 0.8},
        "One in twenty": {"guess": 0.95},
    }

    _guided = (
        ("Drag the orange line to where you expect the network to break.", {}),
        ("What counts as broken is a choice: here a fifth of the accuracy may go.", {"loss": 0.2}),
        ("Two points may go, and the measured curve.", {"reveal": True}),
    )

    guess = base.slider("your guess", 0.3, 0.01, 0.99, 0.005, unit="%", typed=True)
    loss = base.slider("accuracy that may be lost", 0.02, 0.0, 0.2, 0.005, unit="%")
    reveal = base.toggle("reveal the measured curve", False)

    def numbers(self) -> dict[str, float]:
        """The guess, and once revealed where the accuracy breaks and what it is at the guess."""
        found = {"guess": self.guess}
        if self.reveal:
            curve = (self.data["measured"], self.data["accuracy"])
            level = self.data["dense_accuracy"] - self.loss
            found["breaks"] = last_passing(*curve, level)
            found["atGuess"] = float(np.interp(self.guess, *curve))
        return found

    def describe(self) -> str:
        """One sentence on the question or, once revealed, on the answer."""
        start = f"{self.data['name']}, test accuracy {self.data['dense_accuracy']:.1%}"
        if not self.reveal:
            return f"{start}: at which sparsity does magnitude pruning break it?"
        return (
            f"{start}: magnitude pruning breaks it at a sparsity of {self.numbers()['breaks']:.1%}."
        )

    def _draw(self, figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(self.data["dense_accuracy"] - self.loss, color="0.5", ls="--")
        # A page without scripts cannot reveal anything: it shows the curve.
        axes.plot(self.data["measured"], self.data["accuracy"], label="measured")
        axes.set(xlabel="sparsity", ylabel="test accuracy", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend()


def last_passing(places: Sequence[float], values: Sequence[float], level: float) -> float:
    """Largest place at which `values` still reach `level` (the paper's "actual" ratio).

    Examples
    --------
    >>> last_passing([0.0, 0.5, 1.0], [0.9, 0.95, 0.1], 0.9)
    0.5
    """
    return max((x for x, y in zip(places, values, strict=True) if y >= level), default=places[0])
