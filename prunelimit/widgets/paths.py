"""Chapter 8: four ways to prune, as paths over the plane of sparsity and distance."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from prunelimit.widgets import base
from prunelimit.widgets.network import NetworkWidget

METHODS = {
    "none": "no guess yet",
    "oneshot": "one-shot",
    "iterative": "iterative",
    "l2": "ℓ2 in training",
    "raregems": "Rare Gems",
}


class Paths(NetworkWidget):
    """Watch four methods move towards a sparsity; guess which one wins, then reveal it.

    Controls: `sparsity`, `guess` ("none", "oneshot", "iterative", "l2" or "raregems") and
    `reveal`.

    Parameters
    ----------
    network
        A grid with an entry ``paths`` (method to ``label``, ``path`` of (sparsity, distance)
        and ``scores`` of (sparsity, test accuracy)), or None for the example.
    **settings
        See `BookWidget`.

    Examples
    --------
    >>> sorted(Paths(reveal=True).numbers())
    ['iterative', 'l2', 'oneshot', 'raregems']
    """

    _module = "paths"
    _heading = "Paths: which way to a sparse network?"
    _entries = ("name", "dim", "epsilon", "nodes", "counts", "dense_accuracy", "paths")
    _ready_made = {
        "Four in five": {"sparsity": 0.8, "reveal": False},
        "Nineteen in twenty": {"sparsity": 0.95, "reveal": False},
        "Ninety-nine in a hundred": {"sparsity": 0.99, "reveal": False},
        "I bet on iterative": {"sparsity": 0.98, "guess": "iterative", "reveal": True},
    }

    _guided = (
        ("Four ways to a sparse network, and how far each has moved at nine in ten.", {}),
        ("One cut pays its distance at once; rounds begin again from 0.", {"sparsity": 0.95}),
        ("Which one has the best network here? Choose it below.", {"sparsity": 0.98}),
        (
            "And the answer, after the same number of epochs for each.",
            {"sparsity": 0.98, "reveal": True},
        ),
    )

    sparsity = base.slider("sparsity", 0.9, 0.6, 0.99, 0.005, unit="%")
    guess = base.choice("my guess", "none", METHODS)
    reveal = base.toggle("reveal the accuracies", False)

    def _offered(self, name: str, control: base.Values) -> base.Values:
        if name != "guess":
            return control
        here = {"none", *self.data["paths"]}
        return {**control, "options": [one for one in control["options"] if one["value"] in here]}

    def numbers(self) -> dict[str, float]:
        """Test accuracy of each method at the sparsity, once revealed."""
        if not self.reveal:
            return {}
        return {
            name: float(np.interp(self.sparsity, *np.transpose(path["scores"])))
            for name, path in self.data["paths"].items()
        }

    def describe(self) -> str:
        """One sentence on the question or, once revealed, on the winner."""
        if not self.reveal:
            return f"At a sparsity of {self.sparsity:.1%}: which way leaves the best network?"
        found = self.numbers()
        winner = max(found, key=lambda name: found[name])
        label = self.data["paths"][winner]["label"]
        return f"At a sparsity of {self.sparsity:.1%} the winner is {label} ({found[winner]:.1%})."

    def _draw(self, figure: Figure) -> None:
        plane, accuracy = figure.subplots(2, 1)
        styles = ("o-", "s--", "^-.", "D:")
        for style, path in zip(styles, self.data["paths"].values(), strict=False):
            line, mark = style[1:], style[0]
            plane.plot(*np.transpose(path["path"]), line, label=path["label"])
            accuracy.plot(*np.transpose(path["scores"]), line, marker=mark)
        plane.set(xlabel="sparsity", ylabel="distance R")
        figure.legend(loc="outside lower center")
        accuracy.set(xlabel="sparsity", ylabel="test accuracy, fine-tuned")
