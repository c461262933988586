"""Where a rising curve crosses a level, with as few measurements as the answer needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import crossing_between

Measurement = tuple[float, float]


@dataclass(frozen=True)
class Crossing:
    """A bracketed threshold.

    Attributes
    ----------
    lower
        Largest sparsity measured at or below the level, below every failure.
    value
        Between the two ends (see `prunelimit.estimates.crossing_between`).
    upper
        Smallest sparsity measured above the level.
    points
        Every ``(sparsity, measured value)``, sorted by sparsity.
    """

    lower: float
    value: float
    upper: float
    points: tuple[Measurement, ...]

    def to_dict(self) -> dict[str, float]:
        """The bracket as plain JSON values, without the points."""
        return {"lower": self.lower, "value": self.value, "upper": self.upper}


def find_crossing(
    measure: Callable[[float], float],
    level: float,
    lower: float,
    upper: float,
    *,
    guess: float | None = None,
    resolution: float = 0.005,
    max_measurements: int = 12,
) -> Crossing:
    """Bracket and bisect the sparsity at which `measure` first exceeds `level`.

    Steps and bisection are in log(1 - sparsity), since near 1 it is the share
    kept that matters. With a curve that is not monotone the answer is one
    crossing between the ends, and `points` shows the rest.

    Parameters
    ----------
    measure
        Sparsity to value; expensive.
    level
        The largest value that passes.
    lower, upper
        Ends of the search, 0 <= lower < upper < 1.
    guess
        Where to begin: from here the share kept is multiplied or divided by
        1.5, then by its square, and so on until the crossing is enclosed.
        Without it the ends are measured.
    resolution
        Stop when the bracket is this narrow.
    max_measurements
        Stop after this many calls.

    Returns
    -------
    Crossing
        If even `lower` fails, all three numbers are `lower`, with `points`
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
    search = _Search(measure, level, max_measurements)
    search.enclose(lower, upper, guess)
    if search.passing is None:
        return search.at(lower)
    if search.failing is None:
        return search.at(upper)
    return search.bisect(resolution)


class _Search:
    """The measurements so far, the last sparsity that passes and the first that fails."""

    def __init__(self, measure: Callable[[float], float], level: float, most: int) -> None:
        self.measure, self.level, self.most = measure, level, most
        self.points: dict[float, float] = {}
        self.passing: float | None = None
        self.failing: float | None = None

    def passes(self, sparsity: float) -> bool:
        if sparsity not in self.points:
            self.points[sparsity] = self.measure(sparsity)
        if self.points[sparsity] <= self.level:
            self.passing = sparsity
            return True
        self.failing = sparsity
        return False

    def enclose(self, lower: float, upper: float, guess: float | None) -> None:
        if guess is None:
            if self.passes(lower):
                self.passes(upper)
            return
        sparsity = min(max(guess, lower), upper)
        up = self.passes(sparsity)
        factor = 1.5
        while sparsity != (upper if up else lower) and None in (self.passing, self.failing):
            share = (1 - sparsity) / factor if up else (1 - sparsity) * factor
            factor *= factor
            sparsity = min(max(1 - share, lower), upper)
            self.passes(sparsity)

    def at(self, end: float) -> Crossing:
        return Crossing(end, end, end, tuple(sorted(self.points.items())))

    def bisect(self, resolution: float) -> Crossing:
        assert self.passing is not None and self.failing is not None
        while self.failing - self.passing > resolution and len(self.points) < self.most:
            self.passes(1.0 - math.sqrt((1.0 - self.passing) * (1.0 - self.failing)))
        ends = [(sparsity, self.points[sparsity]) for sparsity in (self.passing, self.failing)]
        return Crossing(
            lower=self.passing,
            value=crossing_between(ends[0], ends[1], self.level),
            upper=self.failing,
            points=tuple(sorted(self.points.items())),
        )
