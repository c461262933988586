"""Chapter 4: the loss that k weights can reach, and the two thresholds it leads to."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from prunelimit import limit
from prunelimit.widgets import base

MOST_NODES = 256
EXACT_NODES = 64


class SublevelSet(base.BookWidget):
    """Drag the loss budget, the distance and the spectrum; see the two thresholds move.

    Controls: `family` ("power": i^-power, or "exponential"), `power`, `rate`, `dim`,
    `epsilon`, `distance`, and `simulate` (random subspaces up to D = 200, on by default).

    Examples
    --------
    >>> SublevelSet(dim=200, power=1.0, distance=3.0, epsilon=0.1).describe()
    'With epsilon = 0.1 and R = 3, the paper keeps k = 75.9 of 200 weights, the sharp formula 10.5.'
    """

    _module = "sublevel_set"
    _heading = "Sublevel set: how many weights must stay?"
    _ready_made = {
        "Power law 1/i": {"family": "power", "power": 1.0, "dim": 200, "epsilon": 0.1},
        "Steep 1/i²": {"family": "power", "power": 2.0, "dim": 200, "epsilon": 0.01},
        "Exponential": {"family": "exponential", "rate": 12.0, "dim": 200, "epsilon": 0.01},
        "A sphere": {"family": "power", "power": 0.0, "dim": 200, "epsilon": 4.5},
        "100,000 weights": {"family": "power", "power": 1.0, "dim": 100_000, "epsilon": 0.001},
    }

    _folded = frozenset({"family", "power", "rate", "simulate"})
    _guided = (
        ("How small a loss can k of 200 weights reach, R = 3 away from w*? Read it off.", {}),
        ("And what random subspaces reach, their median and quartiles.", {"simulate": True}),
        ("A larger budget ε needs fewer weights, by either formula.", {"epsilon": 0.3}),
        ("Twice the distance costs four times the loss.", {"distance": 6.0}),
        ("A steep spectrum: few directions matter, and few weights must stay.", {"power": 2.0}),
        (
            "A sphere: all cost the same, and only the paper's curve falls.",
            {"power": 0.0, "epsilon": 4.0},
        ),
    )

    epsilon = base.slider("loss budget ε", 0.1, 1e-4, 5.0, 0.01, log=True)
    distance = base.slider("distance R", 3.0, 0.5, 6.0, 0.05)
    dim = base.choice("weights D", 200, [20, 64, 200, 1000, 10_000, 100_000], stepper=True)
    family = base.choice(
        "spectrum", "power", {"power": "power law, i to the −a", "exponential": "exponential"}
    )
    power = base.slider("decay a", 1.0, 0.0, 3.0, 0.05)
    rate = base.slider("decay over the whole spectrum (powers of e)", 12.0, 0.0, 15.0, 0.25)
    simulate = base.toggle("draw random subspaces (D up to 200)", True)

    def eigenvalues(self, index: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Eigenvalues in falling order: all ``(dim,)``, or those at (real) places from 1 on."""
        places = np.arange(1, self.dim + 1) if index is None else index
        if self.family == "power":
            return places ** -float(self.power)
        return np.exp(-self.rate * (places - 1) / (self.dim - 1))

    def spectrum(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """At most 256 nodes and their counts, as the widget uses them; exact up to D = 256."""
        ends = self._bin_ends()
        starts = np.concatenate([[0], ends[:-1]]) + 1
        middles = np.sqrt(starts * ends) if self.family == "power" else (starts + ends) / 2
        return self.eigenvalues(middles), ends - starts + 1

    def _bin_ends(self) -> NDArray[np.float64]:
        if self.dim <= MOST_NODES:
            return np.arange(1, self.dim + 1, dtype=float)
        if self.family == "power":
            bins = MOST_NODES - EXACT_NODES
            growth = (self.dim / EXACT_NODES) ** (np.arange(1, bins + 1) / bins)
            ends = np.concatenate([np.arange(1, EXACT_NODES + 1), EXACT_NODES * growth])
        else:
            ends = self.dim * np.arange(1, MOST_NODES + 1) / MOST_NODES
        return np.unique(np.floor(ends + 0.5))

    def numbers(self) -> dict[str, float]:
        """The two limits, the statistical dimension, and the bound of Lemma 3.5."""
        nodes, counts = self.spectrum()
        paper = limit.paper_limit(nodes, self.distance, self.epsilon, counts)
        trace = float(nodes @ counts)
        return {
            "paper": paper,
            "sharp": limit.sharp_limit(nodes, self.distance, self.epsilon, counts),
            "delta": self.dim - paper,
            "bound": limit.sharpness_bound(trace, self.distance, self.epsilon, self.dim),
        }

    def describe(self) -> str:
        """One sentence on the two thresholds."""
        found = self.numbers()
        return (
            f"With epsilon = {self.epsilon:.4g} and R = {self.distance:.4g}, the paper keeps "
            f"k = {found['paper']:.1f} of {self.dim} weights, the sharp formula "
            f"{found['sharp']:.1f}."
        )

    def _draw(self, figure: Figure) -> None:
        nodes, counts = self.spectrum()
        shares, losses = figure.subplots(2, 1)
        flat = 2 * self.epsilon / (nodes * self.distance**2 + 2 * self.epsilon)
        places = np.cumsum(counts) / self.dim
        shares.fill_between(places, flat, step="pre", color="#56B4E9", alpha=0.5)
        shares.set(xlabel="direction i / D", ylabel="r² / (R² + r²)", ylim=(0, 1))
        kept = np.linspace(0, self.dim, 60)[1:-1]
        sharp = limit.sharp_loss(nodes, self.distance, kept, counts)
        ridges = np.array([limit.ridge_at(nodes, k, counts) for k in kept])
        paper = ridges * self.distance**2 / 2
        losses.semilogy(kept / self.dim, paper, "--", color="#A8487C", label="paper")
        losses.semilogy(kept / self.dim, sharp, "-.", color="black", label="sharp")
        losses.axhline(self.epsilon, color="#0072B2", lw=1)
        losses.set(xlabel="kept k / D", ylabel="loss rise", ylim=(1e-5, 10))
        losses.legend()
