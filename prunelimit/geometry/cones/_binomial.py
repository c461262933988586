"""Binomial probabilities for real arguments, accurate far into their tails."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from prunelimit.geometry.cones._checks import FloatArray

_STIRLING_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)


def _stirling_error(x: FloatArray) -> FloatArray:
    """``log Γ(x+1)`` minus Stirling's approximation, without cancellation for large x > 0."""
    inverse = 1 / np.maximum(x, 15.0)
    series = np.zeros_like(x)
    for coefficient in reversed(_STIRLING_SERIES):
        series = series * inverse**2 + coefficient
    small = np.minimum(x, 15.0)
    direct = special.gammaln(small + 1) - (small + 0.5) * np.log(small) + small
    return np.where(x > 15, series * inverse, direct - 0.5 * np.log(2 * np.pi))


def _deviance(x: FloatArray, mean: FloatArray | float) -> FloatArray:
    """``x log(x/mean) + mean - x``, accurate where x is close to the mean."""
    excess = (x - mean) / mean
    return mean * ((1 + excess) * np.log1p(excess) - excess)


def log_binomial_probability(
    successes: ArrayLike, trials: float, log_hit: float, log_miss: float
) -> FloatArray:
    """``log [C(n, k) p^k (1-p)^(n-k)]`` for real 0 ≤ k ≤ n, `log_hit` = log p.

    The saddle-point form of Loader (2000, "Fast and accurate computation of binomial
    probabilities") keeps full precision where differences of log-gammas lose it.

    Examples
    --------
    >>> log_probability = log_binomial_probability(2, 4, np.log(0.5), np.log(0.5))
    >>> np.exp(log_probability).round(12)
    array([0.375])
    """
    k = np.atleast_1d(np.asarray(successes, dtype=np.float64))
    rest = trials - k
    log_probability = np.where(k == 0, trials * log_miss, trials * log_hit)
    inner = (k > 0) & (rest > 0)
    k, rest = k[inner], rest[inner]
    log_probability[inner] = (
        _stirling_error(np.full_like(k, trials))
        - _stirling_error(k)
        - _stirling_error(rest)
        - _deviance(k, trials * np.exp(log_hit))
        - _deviance(rest, trials * np.exp(log_miss))
        + 0.5 * np.log(trials / (2 * np.pi * k * rest))
    )
    return log_probability


def log_beta_tail(x: float, a: float, b: float) -> float:
    """Logarithm of the regularised incomplete beta function ``I_x(a, b)``, even if it underflows.

    Examples
    --------
    >>> round(log_beta_tail(0.5, 1.0, 1.0), 6)
    -0.693147
    """
    direct = float(special.betainc(a, b, x))
    if direct > 1e-280:
        return float(np.log(direct))
    # x^a (1-x)^b / (a B(a,b)) · 2F1(a+b, 1; a+1; x), a series of positive terms.
    terms = np.arange(1.0, 200_000.0)
    ratios = x * (a + b + terms - 1) / (a + terms)
    series = 1 + np.cumprod(ratios).sum()
    prefactor = a * np.log(x) + b * np.log1p(-x) - np.log(a) - special.betaln(a, b)
    return float(prefactor + np.log(series))
