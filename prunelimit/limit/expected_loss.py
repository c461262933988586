"""The loss that the formulas expect at k kept weights, and of a step in a random direction."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from prunelimit.errors import PruneLimitError, require
from prunelimit.limit.distance import Distance, as_distance_function
from prunelimit.limit.measure import SpectralMeasure, spectral_measure
from prunelimit.limit.solve import Formula, Orientation, formula_of


def sharp_loss(
    eigenvalues: ArrayLike,
    distance: Distance,
    kept: ArrayLike,
    weights: ArrayLike | None = None,
    orientation: Orientation = "orthogonal",
) -> float | NDArray[np.float64]:
    """Expected least loss rise on a random k-dimensional subspace at distance R.

    ``(R²/2) σ k/(D - k)`` with N(σ) = k (or ``(R²/2) σ k/D`` if isotropic).

    Parameters
    ----------
    eigenvalues, distance, weights, orientation
        As in `sharp_limit`.
    kept
        k, a number or an array, between 0 and D.

    Returns
    -------
    float or ndarray
        In the units of epsilon. At k = 0 it is R² Tr H/(2D); it is 0 from k = rank on
        if the Hessian is singular, and at k = D.

    Raises
    ------
    PruneLimitError
        For bad input.

    Notes
    -----
    Ours, asymptotic: right in the limit in which k and D - k grow together while the
    spectrum keeps its shape. At a fixed small k the relative error stays: eigenvalues
    1/i² at k = 2 are several percent off, however large D is.

    Examples
    --------
    >>> sharp_loss([2.0, 2.0, 2.0, 2.0], 1.0, 2)
    1.0
    """
    measure = spectral_measure(eigenvalues, weights)
    radius = as_distance_function(distance, measure.dim)
    formula = formula_of(orientation)
    many = np.asarray(kept, dtype=np.float64)
    values = np.array(
        [
            0.5 * radius(number) ** 2 * _curvature_at(measure, number, formula)
            for number in map(float, many.ravel())
        ]
    )
    return float(values[0]) if many.ndim == 0 else values.reshape(many.shape)


def ridge_at(eigenvalues: ArrayLike, kept: float, weights: ArrayLike | None = None) -> float:
    """The ridge σ at which the effective dimension is `kept`: the inverse of N.

    Parameters
    ----------
    eigenvalues, weights
        As in `effective_dimension`.
    kept
        k between 0 and D.

    Returns
    -------
    float
        Infinity at k = 0, and 0 from k = rank on.

    Raises
    ------
    PruneLimitError
        If `kept` is outside [0, D], or the spectrum is bad.

    Examples
    --------
    >>> round(ridge_at([1.0, 1.0, 0.0], 1.0), 12)
    1.0
    """
    return _ridge_at(spectral_measure(eigenvalues, weights), float(kept))


def one_shot_random_orientation(trace: float, distance: float, dim: float) -> float:
    """Expected loss rise R² Tr H/(2D) of a step of length R in a random direction.

    Parameters
    ----------
    trace
        Tr H (of any sign).
    distance
        R >= 0.
    dim
        Number of weights D.

    Returns
    -------
    float
        In the units of the loss. Exact for a quadratic loss: E uuᵀ = I/D for a random
        unit vector u.

    Raises
    ------
    PruneLimitError
        If `dim` is not positive and finite.

    Examples
    --------
    >>> one_shot_random_orientation(trace=10.0, distance=2.0, dim=100)
    0.2
    """
    require(0 < dim < math.inf, "dim", dim, "a positive number of weights")
    return as_distance_function(distance, dim)(0.0) ** 2 * trace / (2 * dim)


def _curvature_at(measure: SpectralMeasure, kept: float, formula: Formula) -> float:
    """The `formula`'s curvature at k = `kept`, so that the loss is R²/2 times it."""
    ridge = _ridge_at(measure, kept)
    if math.isinf(ridge):
        return measure.trace() / measure.dim
    if ridge == 0:
        return 0.0
    return ridge * kept / (measure.dim - kept if formula == "sharp" else measure.dim)


def _ridge_at(measure: SpectralMeasure, kept: float) -> float:
    if not 0 <= kept <= measure.dim:
        raise PruneLimitError(f"kept = {kept} is outside 0 ... {measure.dim:g}, the dimension")
    if kept == 0:
        return math.inf
    if kept >= measure.rank:
        return 0.0
    # N lies between rank · λ/(λ + σ) for the smallest and the largest positive λ.
    odds = math.log(measure.rank - kept) - math.log(kept)
    low = math.log(measure.nodes.min()) + odds - 1e-9
    high = math.log(measure.nodes.max()) + odds + 1e-9
    log_ridge = brentq(
        lambda t: measure.dimension(math.exp(t)) - kept, low, high, xtol=1e-14, maxiter=500
    )
    return math.exp(log_ridge)
