"""Circular cones, the second-order cone among them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import special

from prunelimit.errors import require
from prunelimit.geometry.cones._base import Cone
from prunelimit.geometry.cones._binomial import log_beta_tail, log_binomial_probability
from prunelimit.geometry.cones._checks import FloatArray, check_integer


@dataclass(frozen=True)
class CircularCone(Cone):
    """``{x : x_1 ≥ ‖x‖ cos(angle)}``: all points within `angle` radians of the first axis.

    The polar of a cone of angle α is the cone of angle π/2 - α around the opposite axis.

    Examples
    --------
    >>> cone = CircularCone(2, np.pi / 4)
    >>> cone.project([0.0, 2.0]).round(12)
    array([1., 1.])
    >>> round(cone.statistical_dimension(), 12)
    1.0
    """

    dim: int
    angle: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", check_integer(self.dim, "dim", 2))
        real = isinstance(self.angle, float | int | np.floating)
        acute = real and 0 < self.angle < np.pi / 2
        require(acute, "angle", self.angle, "strictly between 0 and π/2 radians")
        object.__setattr__(self, "angle", float(self.angle))

    def statistical_dimension(self) -> float:
        """``E‖Π_C g‖²`` by incomplete beta functions (exact; about ``dim sin²α + cos 2α``).

        Ours: the angle θ between g and the axis has density ∝ sin^(dim-2) θ and is independent
        of ‖g‖, and ``‖Π_C g‖² = ‖g‖² cos²(θ - α)`` between α and α + π/2.
        """
        d, sin2, cos2 = self.dim, np.sin(self.angle) ** 2, np.cos(self.angle) ** 2
        inside = special.betainc((d - 1) / 2, 0.5, sin2)
        along = 2 - _two_betas((d - 1) / 2, 1.5, sin2, cos2)
        across = 2 - _two_betas((d + 1) / 2, 0.5, sin2, cos2)
        mixed = np.sin(2 * self.angle) * (cos2 ** (d / 2) - sin2 ** (d / 2))
        total = d * inside / 2 + cos2 * along / 2 + (d - 1) * sin2 * across / 2
        return float(total + mixed / special.beta((d - 1) / 2, 0.5))

    def log_intrinsic_volumes(self) -> FloatArray:
        """``v_j = ½ C((d-2)/2, (j-1)/2) sin^(j-1)α cos^(d-j-1)α`` inside, solid angles at the ends.

        Source: Amelunxen et al. 2014, Example 5.7, after Amelunxen 2011 (exact).
        """
        d = self.dim
        log_sin2, log_cos2 = 2 * np.log(np.sin(self.angle)), 2 * np.log(np.cos(self.angle))
        logs = np.empty(d + 1)
        half_steps = np.arange(d - 1) / 2
        logs[1:d] = log_binomial_probability(half_steps, (d - 2) / 2, log_sin2, log_cos2)
        logs[d] = log_beta_tail(np.exp(log_sin2), (d - 1) / 2, 0.5)
        logs[0] = log_beta_tail(np.exp(log_cos2), (d - 1) / 2, 0.5)
        return logs - np.log(2)

    def _project(self, points: FloatArray) -> FloatArray:
        # Squares of entries below 1e-154 or above 1e154 leave the floating-point numbers.
        size = np.abs(points).max(axis=1, keepdims=True)
        size[size == 0] = 1.0
        return size * self._project_scaled(points / size)

    def _project_scaled(self, points: FloatArray) -> FloatArray:
        height, radius = points[:, 0], np.linalg.norm(points[:, 1:], axis=1)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        # Length of the shadow on the nearest edge of the cone, in the plane of point and axis.
        shadow = np.maximum(height * cos + radius * sin, 0.0)
        projected = np.empty_like(points)
        projected[:, 0] = shadow * cos
        stretch = np.divide(shadow * sin, radius, out=np.zeros_like(radius), where=radius > 0)
        projected[:, 1:] = points[:, 1:] * stretch[:, None]
        inside = height * sin >= radius * cos
        projected[inside] = points[inside]
        return projected

    def _slack(self, points: FloatArray) -> FloatArray:
        return points[:, 0] - np.cos(self.angle) * np.linalg.norm(points, axis=1)

    def _negative_support(self, points: FloatArray) -> FloatArray:
        radius = np.linalg.norm(points[:, 1:], axis=1)
        return points[:, 0] * np.cos(self.angle) + radius * np.sin(self.angle)

    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        radius = np.linalg.norm(points[:, 1:], axis=1)
        return radius * np.cos(self.angle) - points[:, 0] * np.sin(self.angle)


def _two_betas(a: float, b: float, x: float, y: float) -> float:
    return float(special.betainc(a, b, x) + special.betainc(a, b, y))


@dataclass(frozen=True)
class SecondOrderCone(CircularCone):
    """``{x : x_1 ≥ ‖(x_2, …, x_dim)‖}``, the circular cone of angle π/4; it is self-dual.

    Examples
    --------
    >>> round(SecondOrderCone(10).statistical_dimension(), 12)
    5.0
    """

    angle: float = field(default=np.pi / 4, init=False, repr=False)
