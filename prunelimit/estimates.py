"""Numbers that carry their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A Monte-Carlo estimate.

    Attributes
    ----------
    value
        The sample mean.
    stderr
        Its standard error, in the units of `value`.

    Examples
    --------
    >>> Estimate(value=2.0, stderr=0.5).z_score(1.0)
    2.0
    """

    value: float
    stderr: float

    def z_score(self, reference: float) -> float:
        """Distance to `reference` in standard errors; infinite if stderr is 0 and they differ."""
        difference = self.value - reference
        if self.stderr == 0:
            return 0.0 if difference == 0 else float("inf")
        return difference / self.stderr


@dataclass(frozen=True)
class Interval:
    """A value between a lower and an upper end.

    Examples
    --------
    >>> 1.5 in Interval(lower=1.0, value=1.2, upper=2.0)
    True
    """

    lower: float
    value: float
    upper: float

    def __contains__(self, number: float) -> bool:
        return self.lower <= number <= self.upper

    @property
    def width(self) -> float:
        """`upper` - `lower`."""
        return self.upper - self.lower


def crossing_between(
    passing: tuple[float, float], failing: tuple[float, float], level: float
) -> float:
    """Where a curve crosses `level` between two measured ``(place, height)``: on the straight line.

    Thresholds between measurements come from here, but for `find_limit`'s, which weighs a guess
    with them. What is certain is the bracket; the value in it is a convention: the passing place
    where a height is not finite.

    Examples
    --------
    >>> crossing_between((0.75, 0.0), (0.9, 2.0), 1.0)
    0.825
    """
    (place, low), (beyond, high) = passing, failing
    share = (level - low) / (high - low)
    if not math.isfinite(share):
        return place
    return place + min(max(share, 0.0), 1.0) * (beyond - place)


class BracketedFloat(float):
    """A float that knows the interval it was found in.

    Attributes
    ----------
    lower, upper
        The ends; the float itself (also `value`) lies between them.

    Examples
    --------
    >>> sparsity = BracketedFloat(0.9, lower=0.89, upper=0.92)
    >>> sparsity > 0.5, sparsity.lower, sparsity.value, sparsity.upper
    (True, 0.89, 0.9, 0.92)
    """

    lower: float
    upper: float

    def __new__(cls, value: float, lower: float, upper: float) -> BracketedFloat:
        """The float `value` between `lower` and `upper`."""
        self = super().__new__(cls, value)
        self.lower, self.upper = float(lower), float(upper)
        return self

    def __reduce__(self) -> tuple[type, tuple[float, float, float]]:
        return (type(self), (float(self), self.lower, self.upper))

    @property
    def value(self) -> float:
        """The float as a plain one."""
        return float(self)


@dataclass(frozen=True)
class BracketedSparsity:
    """What is found as a sparsity between two ends.

    Examples
    --------
    >>> BracketedSparsity(BracketedFloat(0.9, lower=0.89, upper=0.92)).upper
    0.92
    """

    sparsity: BracketedFloat

    @property
    def lower(self) -> float:
        """Lower end of the sparsity."""
        return self.sparsity.lower

    @property
    def upper(self) -> float:
        """Upper end of the sparsity."""
        return self.sparsity.upper
