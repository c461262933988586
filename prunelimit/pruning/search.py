"""Where to try next: the rule by which `find_limit` closes in on a threshold (chapter 9).

Pure arithmetic on points (weights kept, excess). An excess of at most 0 passes; its size is a
logarithm (of the loss over the loss allowed, say).

Masks are nested: a network found under one is also one under every denser mask (exact). So a denser
try that comes out worse than a sparser one is a fine-tuning that went badly, and counts as that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunelimit.errors import require

Points = Mapping[int, float]
"""Excess by weights kept, in the order of the tries."""

ELASTICITY = 5.6
"""Log of the loss rise by log of the weights removed further, at real existence: the median over
56 rows of a first study, in this repository's history (a tenth lie below 2.7, a tenth above 10.5).
Heuristic."""

LEAST_SLOPE = 2.5
"""Least slope of the excess, which ε as a small part of the loss would make smaller. Heuristic,
chosen for an earlier rule on 51 networks (`benchmarks.find`)."""

SURE = 0.9
"""A search ends when the threshold lies within the tolerance with this probability, as `SearchRule`
believes. Heuristic, the surest of `benchmarks.rule` that took less than half of bisection's tries,
on networks that judge nothing."""

USUAL_SPREAD = 0.1
"""Scale of a first guess's error that nobody named, about `prunelimit.expected`'s."""

_FREEDOM = 4
"""Student's t has tails that let a first guess be wrong. Heuristic, as is what follows."""

_FAILING, _PASSING = 0.8, 1.2
"""Spread of the logarithm of an excess around slope times distance, larger where the loss may have
fallen to nothing, or to what noise leaves."""

_NOISE, _LEAST = 0.1, 1e-3
"""An excess that counts as noise, a tenth of the loss, and one that counts as none."""

_LEAST_SHARE, _SLOPE_RANGE = 0.2, 3.0
"""What a try cuts off the bracket at least; how much a slope may differ from the one expected."""

_POINTS = 4000


@dataclass(frozen=True)
class Bracket:
    """The two tries between which the threshold lies, as weights kept.

    `passing` is the fewest of a try that passes, `dim` if none does (the dense network passes);
    `failing` the most of a try that fails below that, 0 if none does.
    """

    passing: int
    failing: int

    @property
    def width(self) -> int:
        """Weights between the two ends."""
        return self.passing - self.failing


def bracket(points: Points, dim: int) -> Bracket:
    """The bracket that the tries give; failing tries denser than a passing one do not count.

    Examples
    --------
    >>> bracket({50: -1.0, 20: 0.5, 60: 0.1}, dim=100)
    Bracket(passing=50, failing=20)
    """
    passing = min((kept for kept, excess in points.items() if excess <= 0), default=dim)
    failing = max((k for k, excess in points.items() if excess > 0 and k < passing), default=0)
    return Bracket(passing, failing)


def measured_bracket(points: Points, dim: int) -> Bracket | None:
    """The bracket, if both of its ends are tries."""
    found = bracket(points, dim)
    return found if found.passing in points and found.failing in points else None


def contradictions(points: Points) -> dict[int, int]:
    """Tries that fail, by the sparser one that passes, or fails by so much less that it is noise.

    Examples
    --------
    >>> contradictions({50: -1.0, 20: 0.5, 60: 0.1, 30: 0.8})
    {30: 20, 60: 50}
    """
    found = {}
    for kept in sorted(points)[1:]:
        best = min((k for k in points if k < kept), key=points.__getitem__)
        if points[kept] > 0 and points[best] <= max(points[kept] - _NOISE, 0.0):
            found[kept] = best
    return found


@dataclass(frozen=True)
class SearchRule:
    """Which number of weights to try next, and where the tries so far put the threshold.

    `guess` is the weights kept at the first try, `slope` the excess by unit of −log(kept) expected
    at the threshold (see `ELASTICITY`), `tolerance` the error allowed in the answer, in sparsity;
    `spread` is the scale of the guess's error in √(kept / dim), as `prunelimit.expected` counts;
    `sure` is how sure of the answer it has to be in the end.

    It believes (heuristic) what Bayes' rule makes of three things: the guess, of whose error
    Student's t tells; that the threshold lies in the bracket; and that the excess of either end is
    the slope times its distance in log(kept), up to a factor that is log-normal.

    Examples
    --------
    >>> rule = SearchRule(dim=1000, guess=200.0, slope=2.0, tolerance=0.01)
    >>> points = {}
    >>> while (kept := rule.following(points)) is not None:
    ...     points[kept] = 2.5 * math.log(150 / kept)  # the threshold is at 150
    >>> len(points), abs(rule.crossing(points) - 150) < 10
    (3, True)
    """

    dim: int
    guess: float
    slope: float
    tolerance: float
    spread: float = USUAL_SPREAD
    sure: float = SURE

    def __post_init__(self) -> None:
        inside = 0 < self.tolerance < 0.5
        require(inside, "tolerance", self.tolerance, "a sparsity in (0, 0.5); 0.01 is one point")

    def finished(self, points: Points) -> bool:
        """Whether the answer is known to the tolerance.

        It is when the bracket is no wider than twice the tolerance (or one weight), or both of its
        ends are tries and the threshold is believed to lie that near the answer.
        """
        found = bracket(points, self.dim)
        closed = found.failing in points and found.width <= self._wide
        if found.passing == 1 or found.width <= 1 or closed:
            return True
        if measured_bracket(points, self.dim) is None:
            return False
        kept, belief = self._belief(points)
        near = abs(kept - _median(kept, belief)) <= self.tolerance * self.dim
        return float(belief[near].sum()) >= self.sure

    def crossing(self, points: Points) -> float:
        """Weights kept where the excess is 0: as likely too many as too few."""
        return _median(*self._belief(points)) if points else self.guess

    def following(self, points: Points) -> int | None:
        """Weights to keep at the next try, one not tried yet; None when finished.

        The threshold's own estimate would be left on either side by chance. Instead the try goes
        half a tolerance to the dense side, where it most likely passes and gives the network asked
        for; or just so far beyond a near passing try that a failure closes the bracket.
        """
        if self.finished(points):
            return None
        found, aim = bracket(points, self.dim), self.crossing(points)
        if found.passing in points and found.passing - aim < 0.9 * self._wide:
            aim = math.ceil(found.passing - self._wide)  # a weight fewer would not close it
        elif found.failing in points:
            aim += 0.5 * self.tolerance * self.dim
        if measured_bracket(points, self.dim):  # nor may a cliff's steps be tiny
            least = _LEAST_SHARE * found.width
            aim = min(max(aim, found.failing + least), found.passing - least)
        return min(max(round(aim), found.failing + 1, 1), found.passing - 1)

    @property
    def _wide(self) -> float:
        return 2 * self.tolerance * self.dim * (1 + 1e-9)

    def _depth(self, kept: Any) -> Any:
        """−log of the share kept: equal steps remove equal shares of what is left."""
        return -np.log(kept / self.dim)

    def _belief(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of weights kept between the ends of the bracket, and how likely each is."""
        found = bracket(points, self.dim)
        low, high = (math.sqrt(end / self.dim) for end in (found.failing, found.passing))
        root = low + (high - low) * (np.arange(_POINTS) + 0.5) / _POINTS
        error = (root - math.sqrt(self.guess / self.dim)) / self.spread
        log = -0.5 * (_FREEDOM + 1) * np.log1p(error**2 / _FREEDOM)
        kept = self.dim * root**2
        slope = self._slope(points) if len(points) > 1 else self.slope
        for end, spread in ((found.failing, _FAILING), (found.passing, _PASSING)):
            if end in points:
                excess = max(abs(_excess(points, end)), _LEAST)
                distance = abs(self._depth(kept) - self._depth(end))
                log -= 0.5 * (np.log(slope * distance / excess) / spread) ** 2
        belief = np.exp(log - log.max())
        return kept, belief / belief.sum()

    def _slope(self, points: Points) -> float:
        """How fast the excess grows; on one side no faster than leads as far as the last step."""
        found = measured_bracket(points, self.dim)
        outermost = sorted(points, reverse=bracket(points, self.dim).failing in points)[:2]
        one, other = outermost if found is None else (found.failing, found.passing)
        step = self._depth(one) - self._depth(other)
        rise = _excess(points, one) - _excess(points, other)
        slope = min(max(rise / step, self.slope / _SLOPE_RANGE), self.slope * _SLOPE_RANGE)
        return slope if found else min(slope, max(abs(_excess(points, one)), _LEAST) / abs(step))


def _median(values: np.ndarray, weights: np.ndarray) -> float:
    return float(np.interp(0.5, np.cumsum(weights), values))


def _excess(points: Points, kept: int) -> float:
    """The try's own, but of one that fails no more than that of a sparser one that fails."""
    if points[kept] <= 0:
        return points[kept]
    return min(excess for other, excess in points.items() if other <= kept and excess > 0)
