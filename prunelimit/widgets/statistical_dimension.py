"""Chapter 2: the statistical dimension of a cone."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from prunelimit.geometry import cones
from prunelimit.widgets import base
from prunelimit.widgets.kinematics import rounded


class StatisticalDimension(base.BookWidget):
    """A cone's shape against its size, and projected normal vectors.

    Controls: `cone` ("circular", "orthant", "subspace" or "descent"), `dim`, `angle`
    (degrees), `share` (the subspace's dimension, or the non-zeros, over `dim`) and `simulate`
    (four hundred vectors, on by default).

    Examples
    --------
    >>> StatisticalDimension(cone="orthant", dim=30).describe()
    'The orthant in R^30 has statistical dimension 15.'
    """

    _module = "statistical_dimension"
    _heading = "Statistical dimension: how large is a cone?"
    _ready_made = {
        "Circular, 30°": {"cone": "circular", "angle": 30.0, "dim": 100},
        "Second-order cone": {"cone": "circular", "angle": 45.0, "dim": 100},
        "Orthant": {"cone": "orthant", "dim": 100},
        "Three tenths of the dimensions": {"cone": "subspace", "share": 0.3, "dim": 100},
        "ℓ1 descent cone": {"cone": "descent", "share": 0.1, "dim": 1000},
    }

    _folded = frozenset({"simulate"})
    _guided = (
        ("Project normal vectors on a cone and square the lengths: their mean is δ.", {}),
        ("A wider cone has more dimensions.", {"angle": 60.0}),
        ("A second-order cone, 45°: half of all dimensions.", {"angle": 45.0}),
        (
            "The orthant has the same δ, and yet it spreads its lengths otherwise.",
            {"cone": "orthant"},
        ),
        (
            "A thousand dimensions: the lengths crowd together around δ.",
            {"angle": 45.0, "dim": 1000},
        ),
    )

    angle = base.slider("half-angle α", 30.0, 2.0, 88.0, 0.5, unit="°")
    share = base.slider("share of dimensions or non-zeros", 0.3, 0.0, 1.0, 0.001)
    cone = base.choice(
        "cone",
        "circular",
        {
            "circular": "circular cone",
            "orthant": "non-negative orthant",
            "subspace": "subspace",
            "descent": "ℓ1 descent cone",
        },
    )
    dim = base.choice(
        "dimension D", 100, [3, 10, 30, 100, 300, 1000, 10_000, 100_000], stepper=True
    )
    simulate = base.toggle("project normal vectors", True)

    def geometry(self, dim: int | None = None) -> cones.Cone:
        """The cone that is shown, in `dim` dimensions if given."""
        size = dim or self.dim
        number = rounded(size, self.share)
        if self.cone == "circular":
            return cones.CircularCone(size, math.radians(self.angle))
        if self.cone == "orthant":
            return cones.Orthant(size)
        if self.cone == "subspace":
            return cones.Subspace(size, number)
        return cones.L1DescentCone(size, number)

    def size(self, dim: int | None = None) -> float:
        """Statistical dimension as the widget shows it (asymptotic for the descent cone)."""
        geometry = self.geometry(dim)
        if isinstance(geometry, cones.L1DescentCone):
            return geometry.asymptotic_statistical_dimension()
        return geometry.statistical_dimension()

    def numbers(self) -> dict[str, float]:
        """Statistical dimension of the cone and of its polar."""
        return {"delta": self.size(), "polar": self.dim - self.size()}

    def describe(self) -> str:
        """One sentence on the statistical dimension."""
        name = dict(
            circular=f"circular cone of {self.angle:g} degrees",
            orthant="orthant",
            subspace="subspace",
            descent="l1 descent cone",
        )[self.cone]
        return f"The {name} in R^{self.dim} has statistical dimension {self.size():.4g}."

    def _draw(self, figure: Figure) -> None:
        shape, histogram = figure.subplots(2, 1)
        angles = np.linspace(1, 89, 89)
        circular = [
            cones.CircularCone(self.dim, angle).statistical_dimension() / self.dim
            for angle in np.radians(angles)
        ]
        shape.plot(angles, circular, label="circular cone, exact")
        shape.axhline(self.size() / self.dim, ls="--", color="#A8487C", label="δ/D")
        shape.set(xlabel="half-angle α in degrees", ylabel="δ / D")
        shape.legend()
        dim = min(self.dim, 1000)
        draws = np.random.default_rng(0).standard_normal((400, dim))
        squares = (self.geometry(dim).project(draws) ** 2).sum(axis=1) / dim
        histogram.hist(squares, bins=30, color="#009E73", alpha=0.5)
        histogram.axvline(self.size(dim) / dim, ls="--", color="#A8487C")
        histogram.set(xlabel="‖Π g‖² / D", ylabel="of 400 normal vectors")
