"""Chapter 0: random subspaces against a wedge, from a line in the plane to 100,000 dimensions."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from prunelimit import cones
from prunelimit.widgets import base
from prunelimit.widgets.kinematics import rounded

DIMS = (2, 5, 10, 30, 100, 1000, 10_000, 100_000)


class HitOrMiss(base.BookWidget):
    """Throw random subspaces at a circular cone and count the hits while the dimension grows.

    Controls: `share` of the dimensions that the subspace has, `dim`, the cone's half-`angle` in
    degrees, and `simulate` (on by default: two hundred subspaces, drawn as they fall).

    Examples
    --------
    >>> HitOrMiss(dim=2, angle=45.0).numbers()["probability"]
    0.5
    """

    _module = "hit_or_miss"
    _heading = "Hit or miss"
    _folded = frozenset({"simulate"})
    _ready_made = {
        "A line in the plane": {"dim": 2},
        "Ten dimensions": {"dim": 10},
        "A thousand": {"dim": 1000, "share": 0.45},
        "A narrow cone": {"dim": 1000, "angle": 20.0, "share": 0.85},
    }
    _guided = (
        ("A line through the corner of a wedge: half of all lines hit it.", {"dim": 2}),
        (
            "Ten dimensions, a subspace of four: the angles begin to crowd together.",
            {"dim": 10, "share": 0.4},
        ),
        (
            "A thousand, 400 of them: nearly every subspace is 51° away, and misses.",
            {"dim": 1000, "share": 0.4},
        ),
        ("The same thousand, 640 of them: nearly every one hits.", {"dim": 1000, "share": 0.64}),
        (
            "Between the two lies a cliff. At 100,000 dimensions it is a wall.",
            {"dim": 100_000, "share": 0.5},
        ),
    )

    share = base.slider("subspace dimension m / D", 0.5, 0.02, 0.98, 0.005, unit="%")
    dim = base.choice("dimension D", 2, {d: f"{d:,}" for d in DIMS}, stepper=True)
    angle = base.slider("half-angle of the cone", 45.0, 5.0, 85.0, 1.0, unit="°")
    simulate = base.toggle("throw subspaces", True)

    @property
    def subspace_dim(self) -> int:
        """The subspace's dimension m, at least 1."""
        return rounded(self.dim, self.share)

    def numbers(self) -> dict[str, float]:
        """The subspace's dimension, the exact probability, and where it turns."""
        delta = cones.CircularCone(self.dim, math.radians(self.angle)).statistical_dimension()
        return {
            "m": float(self.subspace_dim),
            "probability": probability(self.dim, self.angle, self.subspace_dim),
            "turn": 1 - delta / self.dim,
        }

    def describe(self) -> str:
        """One sentence on the probability."""
        found = self.numbers()
        return (
            f"A random subspace of {found['m']:.0f} of {self.dim} dimensions hits a cone of "
            f"{self.angle:g} degrees with probability {found['probability']:.4g}."
        )

    def _draw(self, figure: Figure) -> None:
        axes = figure.subplots()
        for dim, dash in zip((2, 10, 100, 10_000), (":", "-.", "--", "-"), strict=True):
            number = np.unique(np.linspace(1, dim, min(dim, 400)).round().astype(int))
            hit = [probability(dim, self.angle, int(m)) for m in number]
            axes.plot(number / dim, hit, dash, label=f"D = {dim:,}", marker="o" if dim < 20 else "")
        axes.set(xlabel="subspace dimension m / D", ylabel="probability of a hit")
        axes.legend()


def probability(dim: int, angle: float, subspace_dim: int) -> float:
    """Exact probability that a random subspace hits a cone of `angle` degrees.

    The squared length of the axis' projection on it is a Beta number.

    Examples
    --------
    >>> probability(2, 45.0, 1)
    0.5
    """
    if subspace_dim >= dim:
        return 1.0
    least = math.cos(math.radians(angle)) ** 2
    return round(float(stats.beta.sf(least, subspace_dim / 2, (dim - subspace_dim) / 2)), 15)
