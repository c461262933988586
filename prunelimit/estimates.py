"""Numbers that carry their uncertainty."""

from __future__ import annotations

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
        """Distance to `reference` in standard errors (infinite when they differ and stderr is 0)."""
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
