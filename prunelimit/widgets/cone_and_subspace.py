"""Chapter 1: Moreau's split in the plane, and a random subspace in space."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Wedge

from prunelimit.geometry import cones, kinematics
from prunelimit.widgets import base


class ConeAndSubspace(base.BookWidget):
    """Drag a cone's edge and a vector; random lines or planes hit the cone or miss it.

    Controls: `angle` (the cone's half-angle in degrees), `x1` and `x2` (the vector in the
    plane; the cone opens upwards), `subspace` ("line" or "plane"), `turn` (degrees) and
    `simulate` (two hundred random subspaces, on by default).

    Examples
    --------
    >>> [part.round(12) for part in ConeAndSubspace(angle=45.0, x1=2.0, x2=0.0).split()]
    [array([1., 1.]), array([ 1., -1.])]
    """

    _module = "cone_and_subspace"
    _heading = "Cone and subspace: split, hit or miss"
    _ready_made = {
        "Inside the cone": {"x1": 0.3, "x2": 2.0, "angle": 40.0},
        "Inside the polar": {"x1": 0.4, "x2": -2.0, "angle": 40.0},
        "In between": {"x1": 2.0, "x2": 0.6, "angle": 35.0},
        "A thin cone and a plane": {"angle": 12.0, "subspace": "plane"},
    }

    _folded = frozenset({"x1", "x2", "turn", "simulate"})
    _guided = (
        ("A cone C and, below it, its polar C°: all that makes no acute angle with C.", {}),
        (
            "The vector x splits into its part in C and its part in C°, at right angles.",
            {"x1": 2.0, "x2": 0.6},
        ),
        ("Inside the polar nothing is left for the cone.", {"x1": 0.4, "x2": -2.0, "angle": 40.0}),
        ("In space: two hundred random lines through 0. Few hit a thin cone.", {"angle": 15.0}),
        ("A wide cone is hit by most of them.", {"angle": 65.0}),
        (
            "A plane hits more easily than a line: it has one dimension more.",
            {"angle": 35.0, "subspace": "plane"},
        ),
    )

    angle = base.slider("cone's half-angle α", 35.0, 5.0, 85.0, 0.5, unit="°")
    subspace = base.choice(
        "random subspace", "line", {"line": "a line (m = 1)", "plane": "a plane (m = 2)"}
    )
    x1 = base.slider("x, to the right", 2.0, -3.0, 3.0, 0.05)
    x2 = base.slider("x, upwards", 0.6, -3.0, 3.0, 0.05)
    turn = base.slider("turn the picture", 20.0, -180.0, 180.0, 1.0, unit="°")
    simulate = base.toggle("throw random subspaces", True)

    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """Parts of x in the cone and in its polar, each ``(2,)``."""
        up, right = cones.CircularCone(2, math.radians(self.angle)).project([self.x2, self.x1])
        part = np.array([right, up])
        return part, np.array([self.x1, self.x2]) - part

    def probability(self) -> float:
        """Probability that the random line or plane of R^3 hits the cone."""
        cone = cones.CircularCone(3, math.radians(self.angle))
        return kinematics.intersection_probability(cone, 1 if self.subspace == "line" else 2)

    def numbers(self) -> dict[str, float]:
        """Lengths of the two parts, and the probability of a hit."""
        inside, outside = (float(np.linalg.norm(part)) for part in self.split())
        return {"coneLength": inside, "polarLength": outside, "probability": self.probability()}

    def describe(self) -> str:
        """One sentence on the split and the probability."""
        inside, outside = (float(np.linalg.norm(part)) for part in self.split())
        return (
            f"The vector ({self.x1:g}, {self.x2:g}) has a part of length {inside:.3g} in the cone "
            f"of {self.angle:g} degrees and one of length {outside:.3g} in its polar; a random "
            f"{self.subspace} in space hits the cone with probability {self.probability():.3g}."
        )

    def _draw(self, figure: Figure) -> None:
        axes = figure.subplots()
        axes.add_patch(Wedge((0, 0), 9, 90 - self.angle, 90 + self.angle, alpha=0.3))
        axes.add_patch(Wedge((0, 0), 9, 180 + self.angle, 360 - self.angle, color="0.85"))
        inside, outside = self.split()
        for part, colour, name in ((inside, "#0072B2", "cone"), (outside, "#B86E00", "polar cone")):
            axes.plot([0, part[0]], [0, part[1]], "o-", color=colour, label=f"part in the {name}")
        axes.plot(self.x1, self.x2, "k*", markersize=12, label="x")
        axes.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
        figure.legend(loc="outside lower center", ncols=3)
