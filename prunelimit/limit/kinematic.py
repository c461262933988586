"""How sharp the paper's limit is: the two ends that the kinematics formula gives it."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from prunelimit.errors import require
from prunelimit.estimates import Interval
from prunelimit.geometry.deviation import deviation
from prunelimit.limit.distance import Distance
from prunelimit.limit.measure import spectral_measure
from prunelimit.limit.solve import solve_measure


def paper_interval(
    eigenvalues: ArrayLike,
    distance: Distance,
    epsilon: float,
    confidence_eta: float,
    weights: ArrayLike | None = None,
) -> Interval:
    """The paper's limit with the ends that the kinematics formula gives it.

    Parameters
    ----------
    eigenvalues, distance, epsilon, weights
        As in `paper_limit`.
    confidence_eta
        η in (0, 1): each end fails with probability at most η.

    Returns
    -------
    Interval
        `lower`: below it a random k-dimensional subspace misses the sublevel set with
        probability at least 1 - η. `upper`: above it, it meets the set with probability
        at least 1 - η. `value` is `paper_limit`. All clipped to [0, D].

    Raises
    ------
    PruneLimitError
        For bad input.

    Notes
    -----
    Exact as a bound (Amelunxen et al. 2014, Theorem I and Proposition 10.2) given that
    the squared width is D - N(2ε/R²), which is heuristic:
    ``k = N - 1 - a√D`` and ``k = N + a√D`` with ``a = √(8 log(4/η))``. The
    constants are derived here, not the paper's (its Theorem 3.6).

    Examples
    --------
    >>> paper_interval([1.0] * 10_000, 1.0, 0.5, confidence_eta=0.1).value
    5000.0
    """
    require(0 < confidence_eta < 1, "confidence_eta", confidence_eta, "between 0 and 1")
    measure = spectral_measure(eigenvalues, weights)
    spread = deviation(confidence_eta, 1) * math.sqrt(measure.dim)
    lower, value, upper = (
        solve_measure(measure, distance, epsilon, "paper", shift).kept
        for shift in (-1 - spread, 0.0, spread)
    )
    return Interval(lower=lower, value=value, upper=upper)
