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
    rises: dict[float, float] = {}
    passing = failing = math.nan  # the last sparsities of either kind

    def passes(sparsity: float) -> bool:
        nonlocal passing, failing
        if sparsity not in rises:
            rises[sparsity] = rise(sparsity)
        if rises[sparsity] <= epsilon:
            passing = sparsity
            return True
        failing = sparsity
        return False

    sparsity, factor = min(max(guess, lower), sparsest), 1.5
    up = passes(sparsity)
    end = sparsest if up else lower
    while math.isnan(passing + failing):  # no bracket yet: further out
        if sparsity == end:
            return Interval(end, end, end)
        share = (1 - sparsity) / factor if up else (1 - sparsity) * factor
        factor *= factor
        sparsity = min(max(1 - share, lower), sparsest)
        passes(sparsity)
    while failing - passing > resolution and len(rises) < measurements:
        passes(1.0 - math.sqrt((1.0 - passing) * (1.0 - failing)))
    below, above = ((one, rises[one]) for one in (passing, failing))
    return Interval(passing, crossing_between(below, above, epsilon), failing)
