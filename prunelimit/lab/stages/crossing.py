"""The sparsity at which the survivors can no longer keep the loss within ε, by bisection.

What is bisected is a *measured* rise, in log(1 − sparsity), since near 1 it is the share kept that
matters. It is another problem than that of `find_limit` (`prunelimit.pruning.search`), whose tries
start from one another and each cost a fine-tuning: there the slope of the loss says where to go
next. And another than that of nested masks (`prunelimit.lab.existence.threshold`), where what one
mask reached is where the next one's descent starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from prunelimit.errors import require
from prunelimit.estimates import Interval, crossing_between

_DENSEST_END = 0.98


def existence_threshold(
    rise: Callable[[float], float],
    epsilon: float,
    one_shot: float,
    guess: float,
    *,
    resolution: float,
    sparsest: float,
    measurements: int = 12,
) -> Interval:
    """Bracket the sparsity at which `rise` first exceeds `epsilon`.

    With a rise that is not monotone this is one crossing between the ends.

    Parameters
    ----------
    rise
        Sparsity to loss rise; expensive.
    epsilon
        The largest rise that passes.
    one_shot
        Threshold of the untouched survivors: those that are moved reach at least that.
    guess
        Where to begin: from here the share kept is multiplied or divided by 1.5, then by its
        square, and so on until the crossing is enclosed.
    resolution
        Width of the bracket wanted, in sparsity.
    sparsest
        Upper end of the search.
    measurements
        Masks tried at most.

    Returns
    -------
    Interval
        The largest sparsity that passes and the smallest that fails, with the value between
        them (see `prunelimit.estimates.crossing_between`). If even the densest fails, or even
        the sparsest passes, all three are that end.

    Raises
    ------
    PruneLimitError
        If the one-shot threshold is not below the upper end.

    Examples
    --------
    >>> found = existence_threshold(lambda s: s, 0.7, 0.5, 0.6, resolution=0.01, sparsest=0.99)
    >>> round(found.value, 6), found.upper - found.lower <= 0.01
    (0.7, True)
    """
    lower = min(one_shot, _DENSEST_END)
    require(0 <= lower < sparsest < 1, "the search's lower end", lower, f"in [0, {sparsest:g})")
    search = _Search(rise, epsilon)
    search.enclose(lower, sparsest, guess)
    if search.passing is None or search.failing is None:
        end = lower if search.passing is None else sparsest
        return Interval(end, end, end)
    return search.bisected(resolution, measurements)


@dataclass
class _Search:
    """The measurements so far, the last sparsity that passes and the first that fails."""

    measure: Callable[[float], float]
    level: float
    points: dict[float, float] = field(default_factory=dict)
    passing: float | None = None
    failing: float | None = None

    def passes(self, sparsity: float) -> bool:
        if sparsity not in self.points:
            self.points[sparsity] = self.measure(sparsity)
        if self.points[sparsity] <= self.level:
            self.passing = sparsity
            return True
        self.failing = sparsity
        return False

    def enclose(self, lower: float, upper: float, guess: float) -> None:
        sparsity = min(max(guess, lower), upper)
        up = self.passes(sparsity)
        factor = 1.5
        while sparsity != (upper if up else lower) and None in (self.passing, self.failing):
            share = (1 - sparsity) / factor if up else (1 - sparsity) * factor
            factor *= factor
            sparsity = min(max(1 - share, lower), upper)
            self.passes(sparsity)

    def bisected(self, resolution: float, most: int) -> Interval:
        assert self.passing is not None and self.failing is not None
        while self.failing - self.passing > resolution and len(self.points) < most:
            self.passes(1.0 - math.sqrt((1.0 - self.passing) * (1.0 - self.failing)))
        below, above = ((end, self.points[end]) for end in (self.passing, self.failing))
        return Interval(below[0], crossing_between(below, above, self.level), above[0])
