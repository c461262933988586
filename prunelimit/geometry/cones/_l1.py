"""The descent cone of the ℓ1 norm, the cone behind sparse recovery."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from prunelimit.geometry.cones._base import Cone
from prunelimit.geometry.cones._binomial import log_binomial_probability
from prunelimit.geometry.cones._checks import FloatArray, check_integer

_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(256)


@dataclass(frozen=True)
class L1DescentCone(Cone):
    """Directions in which ``‖·‖₁`` does not grow at a point with `sparsity` non-zeros.

    With the non-zeros first and positive, the cone is
    ``{h : h_1 + … + h_sparsity + Σ_{i > sparsity} |h_i| ≤ 0}``; other supports and
    signs give rotated copies. Its size says how many random measurements basis
    pursuit needs (Amelunxen et al. 2014, §4). `sparsity` counts non-zeros here, as is usual
    in sparse recovery; everywhere else in this package it is the share of zeros.

    The intrinsic volumes are exact: one-dimensional integrals with a relative
    error near 1e-12 (see `log_intrinsic_volumes`), and δ is their mean.
    `asymptotic_statistical_dimension` is the well-known curve ``dim · ψ(sparsity/dim)``.

    Examples
    --------
    >>> cone = L1DescentCone(dim=2, sparsity=1)
    >>> cone.project([0.0, 2.0])
    array([-1.,  1.])
    >>> round(cone.statistical_dimension(), 10)
    1.0
    """

    dim: int
    sparsity: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", check_integer(self.dim, "dim", 1))
        checked = check_integer(self.sparsity, "sparsity", 1, self.dim)
        object.__setattr__(self, "sparsity", checked)

    def log_intrinsic_volumes(self) -> FloatArray:
        """Exact logarithms of the intrinsic volumes, ``(dim + 1,)``.

        Ours, after the face angles of Böröczky & Henk (1999) and Donoho & Tanner (2009):
        Π_C° g has the form (τ, …, τ; entries clipped to ±τ), so v_j(C°) is the
        probability that j - 1 entries off the support stay unclipped. The clipped
        entries' excess over τ is independent of τ, which splits that probability
        into an internal and an external angle, each a one-dimensional integral.
        """
        return _log_volumes(self.dim, self.sparsity).copy()

    def asymptotic_statistical_dimension(self) -> float:
        """``dim · ψ(sparsity/dim)``, ψ(ρ) = inf_τ ρ(1+τ²) + (1-ρ)√(2/π)∫_τ^∞ (u-τ)² e^(-u²/2) du.

        An upper bound that is at most ``2 √(dim/sparsity)`` too large
        (Amelunxen et al. 2014, Prop. 4.5; asymptotic).

        Examples
        --------
        >>> cone = L1DescentCone(1000, 100)
        >>> excess = cone.asymptotic_statistical_dimension() - cone.statistical_dimension()
        >>> bool(0 < excess < 2 * np.sqrt(1000 / 100))
        True
        """
        share = self.sparsity / self.dim
        if share == 1:
            return float(self.dim)
        # ψ's derivative vanishes at the only root of an increasing function of τ.
        threshold = optimize.brentq(
            lambda tau: share * tau - (1 - share) * _mean_excess(tau), 0.0, 40.0, xtol=1e-14
        )
        spread = (1 + threshold**2) * special.erfc(threshold / np.sqrt(2))
        spread -= threshold * np.sqrt(2 / np.pi) * np.exp(-(threshold**2) / 2)
        return float(self.dim * (share * (1 + threshold**2) + (1 - share) * spread))

    def _project(self, points: FloatArray) -> FloatArray:
        return points - self._project_polar(points)

    def _project_polar(self, points: FloatArray) -> FloatArray:
        """Projection onto the polar cone, ``{(τ, …, τ, u) : |u_i| ≤ τ}``.

        τ is the root of a maximum of decreasing linear functions, one for each number
        of clipped entries, hence the largest of their roots (or 0).
        """
        head, tail = points[:, : self.sparsity], points[:, self.sparsity :]
        sizes = -np.sort(-np.abs(tail), axis=1)
        clipped_sums = np.cumsum(np.hstack([head.sum(axis=1)[:, None], sizes]), axis=1)
        roots = clipped_sums / np.arange(self.sparsity, self.dim + 1)
        threshold = np.maximum(roots.max(axis=1), 0.0)[:, None]
        return np.hstack(
            [np.broadcast_to(threshold, head.shape), np.clip(tail, -threshold, threshold)]
        )

    def _slack(self, points: FloatArray) -> FloatArray:
        head, tail = points[:, : self.sparsity], points[:, self.sparsity :]
        return -(head.sum(axis=1) + np.abs(tail).sum(axis=1)) / np.sqrt(self.dim)

    def _negative_support(self, points: FloatArray) -> FloatArray:
        if self.sparsity > 1:  # a line lies in the cone
            return np.zeros(len(points))
        if self.dim == 1:
            return -points[:, 0]
        return (np.abs(points[:, 1:]).max(axis=1) - points[:, 0]) / np.sqrt(2)

    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        return -self._slack(points)

    def _lineality(self) -> FloatArray:
        basis = np.zeros((self.dim, self.sparsity - 1))
        # Orthonormal vectors on the support that sum to zero.
        centred = np.eye(self.sparsity) - 1 / self.sparsity
        basis[: self.sparsity] = np.linalg.svd(centred)[0][:, : self.sparsity - 1]
        return basis


def _mean_excess(tau: float) -> float:
    """``E(|g| - τ)_+`` for a standard normal g."""
    density = np.sqrt(2 / np.pi) * np.exp(-(tau**2) / 2)
    return float(density - tau * special.erfc(tau / np.sqrt(2)))


@lru_cache(maxsize=32)
def _log_volumes(dim: int, sparsity: int) -> FloatArray:
    """Logarithms of v_j of the descent cone; n unclipped entries of Π_C° g make j = dim-1-n."""
    free = dim - sparsity
    clipped = np.arange(free + 1.0)
    # C(free, c) counts the clipped sets; the binomial probability with p = ½ times 2^free.
    choices = log_binomial_probability(clipped, free, -np.log(2), -np.log(2)) + free * np.log(2)
    logs = np.full(dim + 1, -np.inf)
    logs[sparsity - 1 + clipped.astype(int)] = (
        choices
        + _log_internal(clipped, sparsity)
        + _log_external(free - clipped, sparsity + clipped)
    )
    logs[dim] = _log_solid_angle(free, sparsity)
    return logs


def _hazard(theta: FloatArray) -> FloatArray:
    """Standard normal density over upper tail."""
    return np.sqrt(2 / np.pi) / special.erfcx(theta / np.sqrt(2))


def _saddle(count: FloatArray, sparsity: int) -> FloatArray:
    """Minimum over θ > 0 of ``sparsity θ²/2 + count log M(θ)``, M(θ) = E e^(-θ|g|).

    The derivative is concave and increasing, so Newton's method from 0 climbs to its root.
    """
    theta = np.zeros_like(count)
    for _ in range(100):
        hazard = _hazard(theta)
        value = (sparsity + count) * theta - count * hazard
        slope = sparsity + count * (1 - hazard * (hazard - theta))
        step = value / slope
        theta = np.maximum(theta - step, 0.0)
        if np.all(np.abs(step) <= 1e-13 * (1 + theta)):
            break
    return theta


def _log_tilted_integral(
    count: FloatArray, sparsity: int, theta: FloatArray, divide: bool
) -> FloatArray:
    """Logarithm of ``∫ Re[e^(s z²/2) M(z)^count (1/z)] dy`` along z = θ + iy, y real.

    The integrand is analytic and decays like a Gaussian, so equidistant steps converge
    exponentially; `divide` includes the factor 1/z, whose pole at 0 asks for steps below θ.
    """
    hazard = _hazard(theta)
    width = 1 / np.sqrt(sparsity + count * (1 - hazard * (hazard - theta)))
    step = np.minimum(width / 4, theta / 7) if divide else width / 4
    reach = 9 / np.sqrt(sparsity)
    nodes = np.arange(int(np.ceil(np.max(reach / step))) + 1)
    z = theta[:, None] + 1j * nodes * step[:, None]
    peak = sparsity * theta**2 / 2 + count * np.log(special.erfcx(theta / np.sqrt(2)))
    exponent = sparsity * z**2 / 2 + count[:, None] * np.log(special.wofz(1j * z / np.sqrt(2)))
    values = np.exp(exponent - peak[:, None])
    values = (values / z if divide else values).real
    return peak + np.log(step * (values[:, 0] + 2 * values[:, 1:].sum(axis=1)))


def _log_internal(clipped: FloatArray, sparsity: int) -> FloatArray:
    """Logarithm of 2^c P{c given ones of s + c standard normals exceed the mean of all}."""
    theta = _saddle(clipped, sparsity)
    parts = zip(_chunks(clipped), _chunks(theta), strict=True)
    pieces = [_log_tilted_integral(part, sparsity, tilt, divide=False) for part, tilt in parts]
    integral = np.concatenate(pieces)
    return integral + 0.5 * np.log((sparsity + clipped) / (2 * np.pi))


def _chunks(values: FloatArray) -> list[FloatArray]:
    return np.array_split(values, len(values) // 1000 + 1)


def _log_external(unclipped: FloatArray, scale: FloatArray) -> FloatArray:
    """Logarithm of ``∫_0^∞ φ(t) erf(t/√(2 scale))^unclipped dt``, by Gauss-Legendre nodes."""
    rate = 1 / np.sqrt(2 * scale)
    low, high = np.zeros_like(rate), np.full_like(rate, 10.0) + np.sqrt(2 * unclipped)
    for _ in range(60):  # the integrand is log-concave: bisect its logarithmic derivative
        middle = (low + high) / 2
        slope = 2 / np.sqrt(np.pi) * np.exp(-((rate * middle) ** 2)) / special.erf(rate * middle)
        rising = unclipped * rate * slope > middle
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    start, stop = np.maximum(low - 9.0, 0.0), low + 9.0
    t = (start + stop)[:, None] / 2 + (stop - start)[:, None] / 2 * _GAUSS_NODES
    exponent = -(t**2) / 2 + unclipped[:, None] * np.log(special.erf(rate[:, None] * t))
    area = special.logsumexp(exponent, b=_GAUSS_WEIGHTS, axis=1) + np.log((stop - start) / 2)
    return area - 0.5 * np.log(2 * np.pi)


def _log_solid_angle(free: int, sparsity: int) -> float:
    """Logarithm of P{g_1 + … + g_s + Σ |g_i| ≤ 0}, the share of space that the cone fills."""
    count = np.array([float(free)])
    theta = np.maximum(_saddle(count, sparsity), 1 / np.sqrt(sparsity))
    integral = _log_tilted_integral(count, sparsity, theta, divide=True)
    return float(integral[0] - np.log(2 * np.pi))
