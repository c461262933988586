"""Where a rising curve crosses a level, with as few measurements as the answer needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from prunelimit.errors import PruneLimitError

Measurement = tuple[float, float]


@dataclass(frozen=True)
class Crossing:
    """A bracketed threshold.

    Attributes
    ----------
    lower
        Largest sparsity measured at or below the level, below every failure.
    value
        Linear interpolation between the two ends.
    upper
        Smallest sparsity measured above the level.
    points
        Every ``(sparsity, measured value)``, sorted by sparsity.
    """

    lower: float
    value: float
    upper: float
    points: tuple[Measurement, ...]


def find_crossing(
    measure: Callable[[float], float],
    level: float,
    lower: float,
    upper: float,
    *,
    resolution: float = 0.005,
    max_measurements: int = 12,
) -> Crossing:
    """Bisect for the sparsity at which `measure` first exceeds `level`.

    The bisection runs in log(1 - sparsity), since near 1 it is the share kept
    that matters. With a curve that is not monotone the answer is one crossing
    between the ends, and `points` shows the rest.

    Parameters
    ----------
    measure
        Sparsity to value; expensive.
    level
        The largest value that passes.
    lower, upper
        Ends of the search, 0 <= lower < upper < 1.
    resolution
        Stop when the bracket is this narrow.
    max_measurements
        Stop after this many calls.

    Returns
    -------
    Crossing
        If even `lower` fails, all three numbers are `lower` with `points`
        telling so; if even `upper` passes, all three are `upper`.

    Raises
    ------
    PruneLimitError
        If the ends are out of order or range.

    Examples
    --------
    >>> crossing = find_crossing(lambda s: s, 0.7, 0.0, 0.99, resolution=0.01)
    >>> crossing.lower <= 0.7 <= crossing.upper, round(crossing.value, 6)
    (True, 0.7)
    """
    if not 0 <= lower < upper < 1:
        raise PruneLimitError(f"need 0 <= lower < upper < 1, got lower={lower!r}, upper={upper!r}")
    points = {lower: measure(lower)}
    if points[lower] > level:
        return Crossing(lower, lower, lower, tuple(points.items()))
    points[upper] = measure(upper)
    if points[upper] <= level:
        return Crossing(upper, upper, upper, tuple(points.items()))
    while upper - lower > resolution and len(points) < max_measurements:
        middle = 1.0 - math.sqrt((1.0 - lower) * (1.0 - upper))
        points[middle] = measure(middle)
        if points[middle] <= level:
            lower = middle
        else:
            upper = middle
    share = (level - points[lower]) / (points[upper] - points[lower])
    value = lower + share * (upper - lower) if math.isfinite(share) else lower
    return Crossing(lower, value, upper, tuple(sorted(points.items())))
