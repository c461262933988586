"""Chapter 0: a small network that loses its connections while its digits change their label."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from prunelimit.widgets import base


def hour_network() -> dict[str, Any]:
    """The network of chapter 0, as `book.tools.hour_network` wrote it."""
    return json.loads(base.source("hour_network.json"))


class CutANetwork(base.BookWidget):
    """Cut the smallest weights of a network and watch eight digits; then let the survivors train.

    Controls: `sparsity`, `retrained` (show the networks whose survivors were trained again: those
    that were measured), `guess` (where it will break; 0 for none; kept in the reader's browser,
    so that `TheLimit` and `FourAnswers` show it again) and `digit` (whose pixels are drawn).

    Examples
    --------
    >>> CutANetwork(sparsity=0.0).numbers()["kept"]
    888.0
    """

    _module = "cut_a_network"
    _heading = "Cut a network"
    _folded = frozenset({"digit"})
    _ready_made = {
        "Half": {"sparsity": 0.5},
        "Four in five": {"sparsity": 0.8},
        "Four in five, trained again": {"sparsity": 0.8, "retrained": True},
        "Nineteen in twenty": {"sparsity": 0.95, "retrained": True},
    }
    _guided = (
        ("888 weights join 64 pixels to ten classes. Nothing is cut yet.", {"sparsity": 0.0}),
        ("The smaller half is gone. Not one of the eight digits has noticed.", {"sparsity": 0.5}),
        ("At four in five, some have. Which label does each one have now?", {"sparsity": 0.8}),
        (
            "The same cut, but the survivors were trained again: another network altogether.",
            {"sparsity": 0.8, "retrained": True},
        ),
        (
            "Training has a limit of its own, further out: these few weights were not enough.",
            {"sparsity": 0.97, "retrained": True},
        ),
    )

    sparsity = base.slider("sparsity", 0.0, 0.0, 0.99, 0.01, unit="%")
    retrained = base.toggle("let the survivors train", False)
    guess = base.slider("your guess: it breaks at", 0.0, 0.0, 0.99, 0.01, unit="%", typed=True)
    digit = base.choice("digit drawn large", 3, {j: str(j) for j in range(8)})

    def __init__(self, **settings: Any) -> None:
        network = settings.pop("data", None) or hour_network()
        names = ("name", "layers", "digits", "oneShot", "retrained")
        super().__init__(data={name: network[name] for name in names}, **settings)

    def numbers(self) -> dict[str, float]:
        """Weights left, test accuracy, and how many of the eight digits are right."""
        sparsity, layers = self.sparsity, self.data["layers"]
        dim = sum(int(np.prod(layer["shape"])) for layer in layers)
        removed = round(self.sparsity * dim)
        if self.retrained:
            entry = min(self.data["retrained"], key=lambda e: abs(e["sparsity"] - self.sparsity))
            sparsity, layers, accuracy = entry["sparsity"], entry["layers"], entry["accuracy"]
            removed = 0
        else:
            rows = np.array(self.data["oneShot"])
            accuracy = float(np.interp(sparsity, rows[:, 0], rows[:, 2]))
        first, second = _matrices(layers, removed)
        images = np.array([digit["pixels"] for digit in self.data["digits"]])
        hidden = np.maximum(0, images @ first.T + layers[0]["bias"])
        labels = (hidden @ second.T + layers[1]["bias"]).argmax(1)
        right = float((labels == [digit["label"] for digit in self.data["digits"]]).sum())
        return {"kept": float(dim - round(sparsity * dim)), "accuracy": accuracy, "right": right}

    def describe(self) -> str:
        """One sentence: what is left, and how well it does."""
        found = self.numbers()
        how = "the survivors trained again" if self.retrained else "nothing trained again"
        return (
            f"{found['kept']:.0f} weights left, {how}: test accuracy {found['accuracy']:.1%}, "
            f"{found['right']:.0f} of 8 digits right."
        )

    def _draw(self, figure: Figure) -> None:
        axes = figure.subplots()
        rows = np.array(self.data["oneShot"])
        axes.plot(rows[:, 0], rows[:, 2], label="cut, untouched")
        again = [(e["sparsity"], e["accuracy"]) for e in self.data["retrained"]]
        axes.plot(*zip(*again, strict=True), "s--", label="cut, trained again")
        axes.set(xlabel="sparsity", ylabel="test accuracy", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend()


def _matrices(layers: list[dict[str, Any]], removed: int) -> list[NDArray[np.float64]]:
    """Matrices of the layers with the `removed` smallest weights (stored zeros first) at 0."""
    found = [np.zeros(int(np.prod(layer["shape"]))) for layer in layers]
    entries = [
        (abs(w), number, at)
        for number, layer in enumerate(layers)
        for at, w in zip(layer["at"], layer["weight"], strict=True)
    ]
    zeros = sum(flat.size for flat in found) - len(entries)
    for flat, layer in zip(found, layers, strict=True):
        flat[layer["at"]] = layer["weight"]
    for _, number, at in sorted(entries)[: max(0, removed - zeros)]:
        found[number][at] = 0.0
    return [flat.reshape(layer["shape"]) for flat, layer in zip(found, layers, strict=True)]
