"""Chapter 3: the probability that a random subspace meets a cone."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from prunelimit.geometry import cones, kinematics
from prunelimit.geometry.deviation import deviation
from prunelimit.widgets import base


class Kinematics(base.BookWidget):
    """Exact probability, bounds and simulation against the subspace's dimension.

    Controls: `cone` ("circular" or "orthant"), `angle` (degrees), `dim`, `share` (m / dim),
    `eta` (the confidence of the paper's margin) and `simulate` (four hundred subspaces at each
    of eleven dimensions, on by default).

    Examples
    --------
    >>> Kinematics(cone="orthant", dim=3, share=2 / 3).describe()
    'A random subspace of dimension m = 2 in R^3 meets the orthant with probability 0.75.'
    """

    _module = "kinematics"
    _heading = "Kinematics: hit or miss?"
    _ready_made = {
        "Ten dimensions": {"dim": 10, "angle": 45.0, "share": 0.5},
        "A thousand": {"dim": 1000, "angle": 45.0, "share": 0.5},
        "100,000": {"dim": 100_000, "angle": 45.0, "share": 0.5},
        "Narrow cone": {"dim": 100, "angle": 15.0, "share": 0.9},
        "Orthant": {"cone": "orthant", "dim": 100, "share": 0.5},
    }

    _folded = frozenset({"cone", "eta", "simulate"})
    _guided = (
        ("A hundred dimensions. It turns at D − δ, where the two dimensions add up to D.", {}),
        ("Ten: the probability of a hit grows gently with m.", {"dim": 10}),
        (
            "A thousand: a cliff. The paper's bounds (blue) stay five times wider.",
            {"dim": 1000, "share": 0.5},
        ),
        ("Just below the cliff nearly all miss.", {"dim": 1000, "share": 0.45}),
        (
            "Narrow the cone, and the cliff moves right and gets steeper.",
            {"dim": 1000, "angle": 20.0, "share": 0.88},
        ),
        (
            "On the right, why: hits are, nearly, the tail of the intrinsic volumes.",
            {"share": 0.55},
        ),
    )

    share = base.slider("subspace dimension m / D", 0.45, 0.0, 1.0, 0.001)
    dim = base.choice(
        "dimension D", 100, [3, 10, 30, 100, 300, 1000, 10_000, 100_000], stepper=True
    )
    angle = base.slider("cone's half-angle α", 45.0, 2.0, 88.0, 0.5, unit="°")
    cone = base.choice(
        "cone", "circular", {"circular": "circular cone", "orthant": "non-negative orthant"}
    )
    eta = base.slider("failure probability η", 0.05, 0.001, 0.5, 0.01, log=True)
    simulate = base.toggle("throw subspaces at a circular cone", True)

    def geometry(self) -> cones.Cone:
        """The cone that is shown."""
        if self.cone == "orthant":
            return cones.Orthant(self.dim)
        return cones.CircularCone(self.dim, math.radians(self.angle))

    @property
    def subspace_dim(self) -> int:
        """The subspace's dimension m, at least 1."""
        return rounded(self.dim, self.share)

    def numbers(self) -> dict[str, float]:
        """Probability, its bounds, and the transition's location and margin."""
        delta = self.geometry().statistical_dimension()
        number = self.subspace_dim
        lower, upper = kinematics.approximate_bounds(delta, number, self.dim)
        return {
            "m": number,
            "probability": kinematics.intersection_probability(self.geometry(), number),
            "lower": float(lower),
            "upper": float(upper),
            "delta": delta,
            "margin": deviation(self.eta, self.dim),
        }

    def describe(self) -> str:
        """One sentence on the probability."""
        probability = kinematics.intersection_probability(self.geometry(), self.subspace_dim)
        name = "orthant" if self.cone == "orthant" else f"circular cone of {self.angle:g} degrees"
        return (
            f"A random subspace of dimension m = {self.subspace_dim} in R^{self.dim} meets the "
            f"{name} with probability {probability:.4g}."
        )

    def _draw(self, figure: Figure) -> None:
        cone = self.geometry()
        exact = kinematics.intersection_probabilities(cone)
        chosen = np.unique(np.linspace(0, self.dim, 400).astype(int))
        delta = cone.statistical_dimension()
        lower, upper = kinematics.approximate_bounds(delta, chosen, self.dim)
        axes = figure.subplots()
        axes.fill_between(chosen / self.dim, lower, upper, alpha=0.3, label="the paper's bounds")
        axes.plot(chosen / self.dim, exact[chosen], color="black", label="exact")
        axes.axvline(1 - delta / self.dim, color="#A8487C", ls="--", label="D − δ")
        axes.plot(self.subspace_dim / self.dim, exact[self.subspace_dim], "o", color="#C24A00")
        axes.set(xlabel="subspace dimension m / D", ylabel="P{hit}")
        axes.legend()


def rounded(dim: int, share: float) -> int:
    """The whole number nearest to ``share * dim`` (halves up), between 1 and `dim`.

    Examples
    --------
    >>> rounded(10, 0.25), rounded(10, 0.0)
    (3, 1)
    """
    return min(dim, max(1, math.floor(share * dim + 0.5)))
