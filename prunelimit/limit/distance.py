"""The projection distance R(k) = ‖w* - w^k‖: how far magnitude pruning moves the weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunelimit.errors import PruneLimitError, require

Distance = float | Callable[[float], float]
"""A number, or a non-increasing function of the (real) number of kept weights."""

_PROBES = 9  # how many points of a user's function are checked before it is used


@dataclass(frozen=True, eq=False)
class DistanceProfile:
    """R(k) of global magnitude pruning, as a function of a real k.

    R(k)² is the sum of the D - k smallest squares: exact at integers and
    linear in between, so that a fixed point in real k is well defined. Ties
    among the weights decide which of them is removed, never R.

    Attributes
    ----------
    squared
        Array ``(dim + 1,)``; entry k is R(k)², so it starts at ‖w*‖² and
        ends at 0.

    Examples
    --------
    >>> profile = distance_profile([3.0, -4.0, 0.0])
    >>> profile(0), profile(1), profile(2)
    (5.0, 3.0, 0.0)
    """

    squared: NDArray[np.float64] = field(repr=False)

    @property
    def dim(self) -> int:
        """Number of weights D."""
        return self.squared.size - 1

    def __call__(self, kept: float) -> float:
        """Distance R at `kept` weights, 0 <= kept <= dim."""
        if not 0 <= kept <= self.dim:
            raise PruneLimitError(f"kept = {kept} is outside 0 ... {self.dim}, the weights' number")
        below = min(int(kept), self.dim - 1)
        share = kept - below
        return math.sqrt((1 - share) * self.squared[below] + share * self.squared[below + 1])


def distance_profile(weights: ArrayLike) -> DistanceProfile:
    """The distance R(k) of global magnitude pruning of the weights w*, as a function of real k.

    One sort: D up to 10^7 and beyond.

    Raises
    ------
    PruneLimitError
        If `weights` is empty or holds a NaN or an infinity.

    Examples
    --------
    >>> distance_profile([1.0, 2.0, 2.0])(1.0)
    2.23606797749979
    """
    values = np.asarray(weights, dtype=np.float64).ravel()
    if values.size == 0:
        raise PruneLimitError("a distance profile needs at least one weight; got none")
    if not np.isfinite(values).all():
        bad = int(values.size - np.isfinite(values).sum())
        raise PruneLimitError(
            f"{bad} of {values.size} weights are NaN or infinite; "
            "was the network's training finite?"
        )
    squares = np.square(values)
    squares.sort()
    squared = np.empty(values.size + 1)
    squared[-1] = 0.0
    # Smallest first: the running sum then loses nothing to cancellation.
    np.cumsum(squares, out=squared[-2::-1])
    return DistanceProfile(squared)


def as_distance_function(distance: Distance, dim: float) -> Callable[[float], float]:
    """Check a number or function R and return it as a function of real k in [0, dim].

    Raises
    ------
    PruneLimitError
        If it is negative, not finite, or (at nine equally spaced k, plus or minus
        rounding) increasing: keeping more weights cannot move w^k further away.

    Examples
    --------
    >>> as_distance_function(2.0, dim=10)(3.5)
    2.0
    """
    if not callable(distance):
        constant = _checked(distance, "distance")
        return lambda kept: constant

    def function(kept: float) -> float:
        return _checked(distance(kept), f"distance({kept:g})")

    probes = np.linspace(0.0, dim, _PROBES)
    values = [function(float(kept)) for kept in probes]
    for kept, before, after in zip(probes[1:], values, values[1:], strict=False):
        if after > before + 1e-9 * values[0]:
            raise PruneLimitError(
                f"distance must not increase with the number of kept weights, but it rises from "
                f"{before:g} to {after:g} on the way to k = {kept:g}; "
                "give R(k) as a function of weights kept, not of sparsity"
            )
    return function


def _checked(value: object, name: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise PruneLimitError(
            f"{name} must be a number or a function of k; got {value!r}"
        ) from None
    require(0 <= number < math.inf, name, number, "finite and at least 0")
    return number
