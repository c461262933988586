"""Chapters 0, 1 and 4: w*, the sublevel set, the cut, the kept subspace and the cone, together."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

from prunelimit.widgets import base

Array = NDArray[np.float64]


class OnePicture(base.BookWidget):
    """Drag w*, turn the kept line L, grow S(ε): does L meet the set, and how wide is its cone?

    Two weights, a quadratic loss, and the cut that sets the smaller weight to 0. Controls:
    `turn` of the line from the kept axis in degrees, `epsilon`, and, folded away, the weights
    `w1` and `w2`, the bowl's `ratio` of curvatures and `tilt` of its flat axis in degrees, and
    `simulate` (random lines, on by default).

    Examples
    --------
    >>> found = OnePicture(w1=2.0, w2=1.0, ratio=1.0, epsilon=0.125).numbers()
    >>> round(found["oneShot"], 6), round(found["share"], 6)
    (0.5, 0.333333)
    """

    _module = "one_picture"
    _heading = "The one picture"
    _folded = frozenset({"w1", "w2", "ratio", "tilt", "simulate"})
    _ready_made = {
        "Misses": {},
        "Turned into the cone": {"turn": 60.0},
        "More loss allowed": {"epsilon": 0.5},
        "A round bowl": {"ratio": 1.0, "epsilon": 0.4},
    }
    _guided = (
        ("w* is a trained network of two weights. S(ε) is all that is good enough.", {}),
        (
            "The cut sets the smaller weight to 0. It leads to wᵏ, which is outside S(ε).",
            {"w2": 1.6},
        ),
        ("Training the survivor moves along L. Here L misses S(ε).", {}),
        (
            "Seen from wᵏ, S(ε) fills a cone. Turned into the cone, L meets the set.",
            {"turn": 60.0},
        ),
        ("A larger ε opens the cone, until the kept axis itself lies in it.", {"epsilon": 0.5}),
        (
            "A random line meets S(ε) as often as the cone is wide: count them on the right.",
            {"turn": -50.0},
        ),
    )

    turn = base.slider("turn of L from the kept axis", 0.0, -90.0, 90.0, 1.0, unit="°")
    epsilon = base.slider("loss rise allowed, ε", 0.2, 0.02, 2.0, 0.01, log=True)
    w1 = base.slider("first weight", 2.6, -1.0, 4.0, 0.05)
    w2 = base.slider("second weight", 1.4, -1.0, 3.0, 0.05)
    ratio = base.slider("steep over flat curvature", 6.0, 1.0, 30.0, 0.02, log=True)
    tilt = base.slider("tilt of the flat axis", 35.0, -90.0, 90.0, 1.0, unit="°")
    simulate = base.toggle("throw random lines", True)

    def hessian(self) -> Array:
        """Curvature ``(2, 2)``: 1 across the flat axis, 1/ratio along it."""
        c, s = math.cos(math.radians(self.tilt)), math.sin(math.radians(self.tilt))
        flat, steep = np.array([c, s]), np.array([-s, c])
        return np.outer(flat, flat) / self.ratio + np.outer(steep, steep)

    def numbers(self) -> dict[str, float]:
        """R, the loss rise at w^k and the least one on L, and the share of lines that meet S(ε)."""
        matrix, (step, kept, other) = self.hessian(), self._cut()
        angle = math.radians(self.turn)
        line = math.cos(angle) * kept + math.sin(angle) * other
        one_shot = float(step @ matrix @ step) / 2
        pull = float(line @ matrix @ step)
        return {
            "distance": float(np.linalg.norm(step)),
            "oneShot": one_shot,
            "least": max(0.0, one_shot - pull**2 / (2 * float(line @ matrix @ line))),
            "share": _share(matrix, step, self.epsilon),
        }

    def _cut(self) -> tuple[Array, Array, Array]:
        """The step from w* to w^k, the kept axis, and the axis a quarter turn from it."""
        first, second = np.eye(2)
        if abs(self.w2) <= abs(self.w1):
            return -self.w2 * second, first, second
        return -self.w1 * first, second, -first

    def describe(self) -> str:
        """One sentence: does L meet the set?"""
        found = self.numbers()
        verdict = "meets" if found["least"] <= self.epsilon else "misses"
        return (
            f"The kept line {verdict} S(epsilon): the least loss rise on it is "
            f"{found['least']:.3g}, and epsilon is {self.epsilon:.3g}; the cone from the cut "
            f"takes up {found['share']:.1%} of all lines."
        )

    def _draw(self, figure: Figure) -> None:
        axes = figure.subplots()
        star = np.array([self.w1, self.w2])
        step, kept, other = self._cut()
        radii = np.sqrt(2 * self.epsilon * np.array([self.ratio, 1.0]))
        axes.add_patch(Ellipse(tuple(star), *(2 * radii), angle=self.tilt, alpha=0.4))
        angle = math.radians(self.turn)
        line = math.cos(angle) * kept + math.sin(angle) * other
        ends = np.array([star + step - 20 * line, star + step + 20 * line])
        axes.plot(*ends.T, label="L")
        axes.plot(*star, "o", label="w*")
        axes.plot(*(star + step), "s", label="wᵏ")
        axes.set(xlim=(-3, 7), ylim=(-1.5, 3.3), aspect="equal")
        axes.set(xlabel="first weight", ylabel="second weight")
        axes.legend()


def _share(matrix: Array, step: Array, epsilon: float) -> float:
    """Share of the lines through w^k that meet S(ε).

    A line along u does if ``(uᵀHx)² ≥ (xᵀHx − 2ε) uᵀHu``: u is between the two roots of
    a quadratic form.
    """
    image = matrix @ step
    form = np.outer(image, image) - (step @ image - 2 * epsilon) * matrix
    if form[0, 0] * form[1, 1] - form[0, 1] ** 2 >= 0:
        return 1.0
    # In the form's eigenbasis it is a cos² + b sin² with a > 0 > b.
    negative, positive = np.linalg.eigvalsh(form)
    return 2 * math.atan(math.sqrt(positive / -negative)) / math.pi
