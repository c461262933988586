"""The cone over an ellipsoid seen from outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from prunelimit.errors import PruneLimitError
from prunelimit.geometry.cones._base import Cone
from prunelimit.geometry.cones._checks import FloatArray

_NEWTON_STEPS = 100


class EllipsoidCone(Cone):
    """All rays from the origin that meet the ellipsoid ``Σ (x_i - centre_i)²/radii_i² ≤ 1``.

    In suitable orthonormal coordinates it is an elliptic cone
    ``{z : z_1 ≥ √(Σ_i slopes_i² z_i²)}``, where everything below happens.

    Parameters
    ----------
    radii
        Semi-axes ``(dim,)``, positive; ``inf`` for a flat direction.
    centre
        The ellipsoid's centre ``(dim,)``; the origin, where the viewer stands, must be outside.

    Raises
    ------
    PruneLimitError
        For radii that are not positive, different shapes, or a viewer inside.

    Notes
    -----
    A point v lies in the cone when ``⟨v, Qc⟩ ≥ √(⟨c, Qc⟩ - 1) √⟨v, Qv⟩``, Q = diag(radii⁻²):
    the best multiple of v is inside the ellipsoid (ours; exact). No formula for δ or the
    intrinsic volumes is used; `asymptotic_statistical_dimension` is close for large dim.

    Examples
    --------
    >>> ball = EllipsoidCone(radii=[1.0, 1.0], centre=[np.sqrt(2), 0.0])  # seen under 45°
    >>> ball.project([0.0, 2.0]).round(12)
    array([1., 1.])
    """

    def __init__(self, radii: ArrayLike, centre: ArrayLike) -> None:
        self.radii, self.centre = _checked_ellipsoid(radii, centre)
        self.dim = len(self.centre)
        self._curvature = self.radii**-2.0
        self._pull = self._curvature * self.centre
        self._excess = float(self.centre @ self._pull) - 1
        if not self._excess > 0:
            raise PruneLimitError(
                "the viewpoint (the origin) is inside the ellipsoid, so the cone would be the "
                f"whole space; move the centre away (now Σ centre²/radii² = {self._excess + 1:.6g})"
            )
        self._basis, self.slopes = self._diagonalise()

    def __repr__(self) -> str:
        return f"EllipsoidCone(dim={self.dim})"

    def statistical_dimension(self) -> float:
        """Not known: always refused.

        Raises
        ------
        PruneLimitError
            With the estimates to use in its place.
        """
        raise PruneLimitError(
            "no closed form for the statistical dimension of a cone over an ellipsoid is known "
            "here; use estimate_statistical_dimension or asymptotic_statistical_dimension()"
        )

    def asymptotic_statistical_dimension(self) -> float:
        """``½ + Σ 1/(1 + slopes²)``, right up to O(1) as dim grows (ours; asymptotic).

        A random m-dimensional subspace meets the cone when
        ``g_1ᵀ (Σ slopes_i² g_i g_iᵀ)⁻¹ g_1 ≥ 1`` for independent normal rows g_i; the left side
        concentrates, and reaches 1 at ``m = Σ slopes²/(1 + slopes²) = dim - δ``.
        For a ball this is ``dim sin²α + O(1)``.

        Examples
        --------
        >>> ball = EllipsoidCone(np.ones(100), 2.0 * np.eye(100)[0])  # α = 30°
        >>> round(ball.asymptotic_statistical_dimension(), 6)
        25.25
        """
        return float(0.5 + np.sum(1 / (1 + self.slopes**2)))

    def _diagonalise(self) -> tuple[FloatArray, FloatArray]:
        """Orthonormal columns with the cone's axis first, and the slopes ``(dim-1,)``.

        The cone is half of ``vᵀMv ≤ 0``, M = excess · Q - (Qc)(Qc)ᵀ, a matrix with one negative
        eigenvalue. Flat directions span its null space and are split off to keep slopes exact.
        """
        curved = np.flatnonzero(self._curvature)
        flat = np.flatnonzero(self._curvature == 0)
        scale = 1 / self._curvature.max()
        pull = self._pull[curved] * np.sqrt(scale)
        matrix = np.diag(self._excess * self._curvature[curved] * scale) - np.outer(pull, pull)
        values, vectors = np.linalg.eigh(matrix)
        basis = np.zeros((self.dim, self.dim))
        basis[curved, : len(curved)] = vectors
        basis[flat, np.arange(len(curved), self.dim)] = 1.0
        if basis[:, 0] @ self._pull < 0:
            basis[:, 0] *= -1
        slopes = np.zeros(self.dim - 1)
        slopes[: len(curved) - 1] = np.sqrt(np.maximum(values[1:], 0.0) / -values[0])
        return basis, slopes

    def _project(self, points: FloatArray) -> FloatArray:
        # Unit length first, so that squares of tiny or huge points stay representable.
        size = np.abs(points).max(axis=1, keepdims=True)
        turned = (points / np.where(size > 0, size, 1.0)) @ self._basis
        return size * (_project_elliptic(turned, self.slopes) @ self._basis.T)

    def _slack(self, points: FloatArray) -> FloatArray:
        size = np.linalg.norm(points * np.sqrt(self._excess * self._curvature), axis=1)
        return (points @ self._pull - size) / np.linalg.norm(self._pull)

    def _negative_support(self, points: FloatArray) -> FloatArray:
        return _elliptic_negative_support(points @ self._basis, self.slopes)

    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        # The polar is the elliptic cone around the opposite axis with inverse slopes; it is flat
        # where a slope is 0.
        turned = points @ self._basis
        curved = np.concatenate([[True], self.slopes > 0])
        turned = turned[:, curved] * np.where(np.arange(curved.sum()) == 0, -1.0, 1.0)
        return _elliptic_negative_support(turned, 1 / self.slopes[self.slopes > 0])

    def _lineality(self) -> FloatArray:
        return self._basis[:, 1:][:, self.slopes == 0]


def _checked_ellipsoid(radii: ArrayLike, centre: ArrayLike) -> tuple[FloatArray, FloatArray]:
    axes = np.asarray(radii, dtype=np.float64)
    middle = np.asarray(centre, dtype=np.float64)
    if middle.ndim != 1 or middle.shape != axes.shape or not len(middle):
        raise PruneLimitError(
            f"radii and centre must both have shape (dim,), got {axes.shape} and {middle.shape}"
        )
    if not np.all(axes > 0) or not np.all(np.isfinite(middle)):
        raise PruneLimitError("radii must be positive (inf allowed) and the centre finite")
    return axes, middle


def _project_elliptic(z: FloatArray, slopes: FloatArray) -> FloatArray:
    """Project ``(batch, dim)`` onto ``{z_1 ≥ √(Σ slopes² z_i²)}``.

    Outside the cone and its polar, the projection has height s solving the secular equation
    ``Σ (slopes x)² / (s + slopes² (s - x_1))² = 1``. One over the square root of the left side
    is concave and increasing, so Newton's method from the left climbs to the root.
    """
    height, rest = z[:, 0], z[:, 1:]
    weighted = slopes * rest
    inside = np.linalg.norm(weighted, axis=1) <= height
    projected = np.where(inside[:, None], z, 0.0)
    flat = slopes == 0  # lines inside the cone: these coordinates always stay
    projected[:, 1:][:, flat] = rest[:, flat]
    against = np.linalg.norm(rest[:, ~flat] / slopes[~flat], axis=1)
    active = ~(inside | (against <= -height))
    if active.any():
        top = _solve_secular(height[active], weighted[active], slopes)[:, None]
        shrink = top + slopes**2 * (top - height[active, None])
        share = np.divide(top, shrink, out=np.ones_like(shrink), where=shrink > 0)
        projected[active] = np.hstack([top, rest[active] * share])
    return projected


def _solve_secular(height: FloatArray, weighted: FloatArray, slopes: FloatArray) -> FloatArray:
    """Root s > max(0, height) of the secular equation, ``(batch,)``."""
    size = np.linalg.norm(weighted, axis=1)
    # For height ≥ 0 every denominator is at most (1 + slopes²) s, which bounds the root below.
    steepest = 1 + slopes.max(initial=0.0) ** 2
    root = np.where(height >= 0, np.maximum(height, size / steepest), 0.0)
    squares, growth = weighted**2, 1 + slopes**2
    for _ in range(_NEWTON_STEPS):
        bottom = growth * root[:, None] - slopes**2 * height[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(squares > 0, squares / bottom**2, 0.0)
            value = terms.sum(axis=1)
            slope = np.where(terms > 0, terms * growth / bottom, 0.0).sum(axis=1)
        step = value * (np.sqrt(value) - 1) / slope
        root = np.maximum(root + step, 0.0)
        if np.all(np.abs(step) <= 1e-14 * root):
            break
    return root


def _elliptic_negative_support(z: FloatArray, slopes: FloatArray) -> FloatArray:
    """``sup ⟨z, u⟩`` over unit vectors of the elliptic cone, for z inside its polar.

    Substituting the boundary's height leaves a function on a sphere whose stationary points
    are ``u(κ) ∝ ξ/(κ + β²)``, β² = slopes²/(1 + slopes²), ξ = z/√(1 + slopes²): a search over
    one number, on a logarithmic grid that is refined twice around its best point.
    """
    if len(slopes) == 0:
        return z[:, 0]
    if np.any(slopes == 0):
        return np.zeros(len(z))
    beta2 = slopes**2 / (1 + slopes**2)
    xi = z[:, 1:] / np.sqrt(1 + slopes**2)
    low, high = np.full(len(z), -35.0), np.full(len(z), 35.0)
    # The one stationary point that the family misses, where ξ vanishes along the smallest β.
    flattest = beta2.argmin()
    best = z[:, 0] * np.sqrt(beta2[flattest]) + np.abs(xi[:, flattest])
    for points in (281, 41, 41, 41, 41):
        grid = np.linspace(low, high, points)
        values = np.array([_boundary_value(z[:, 0], xi, beta2, np.exp(row)) for row in grid])
        choice = values.argmax(axis=0)
        best = np.maximum(best, values.max(axis=0))
        step = (high - low) / (points - 1)
        centre = grid[choice, np.arange(len(z))]
        low, high = centre - step, centre + step
    return best


def _boundary_value(
    height: FloatArray, xi: FloatArray, beta2: FloatArray, shift: FloatArray
) -> FloatArray:
    """``⟨z, u⟩`` at the boundary vector with κ = shift - min β²."""
    u = xi / (shift[:, None] + (beta2 - beta2.min()))
    length = np.linalg.norm(u, axis=1)
    value = height * np.sqrt((u**2) @ beta2) + np.einsum("ij,ij->i", xi, u)
    return np.divide(value, length, out=np.full_like(value, -np.inf), where=length > 0)
