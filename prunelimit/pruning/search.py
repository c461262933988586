"""Where to try next: the rule by which `find_limit` closes in on a threshold (chapter 9).

Pure arithmetic on points (weights kept, excess). The excess says how far a try is from
passing: at most 0 passes, and its size is a logarithm (of the loss over the loss allowed, say).

Masks are nested, so a network found under a mask is also one under every denser mask.
Hence the rule reads a try as "some network with so many weights, or with more, is this
good" (exact): a denser try that comes out worse than a sparser one is a fine-tuning that went
badly, and counts as the sparser one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prunelimit.errors import require
from prunelimit.estimates import crossing_between

Points = Mapping[int, float]
"""Excess by weights kept, in the order of the tries."""

ELASTICITY = 5.6
"""Log of the loss rise by log of the weights removed further, at real existence: the median over
56 rows of a first study, in this repository's history (a tenth lie below 2.7, a tenth above
10.5). Heuristic; it sets the length of the second step, and what one passing try alone promises."""

LEAST_SLOPE = 2.5
"""Least slope of the excess, where ε is a small part of the loss and the elasticity would make it
smaller: a second step too short costs one try more, one too long two. Heuristic, chosen among 1,
1.5, 2, 2.5 and 3 on 51 networks (`benchmarks.find`): fewer tries at 3, and less near the grids."""

_NARROW = 4.0
"""Width of a bracket, in tolerances, within which two readings of the tries that agree to half a
tolerance are the answer. Heuristic, chosen among 2, 2.5, 3, 3.5 and 4, and beside a monotone
interpolant of all tries, on noisy curves of sixteen networks (`benchmarks.find`): 2.9 to 3.3 tries
in the mean, within a tolerance on 94 to 97 %."""

_LEAST_SHARE = 0.2
"""A try cuts off this share of the bracket at least."""

_NOISE = 0.1
"""An excess that counts as noise, a tenth of the loss. Heuristic."""

_SLOPE_RANGE = 3.0
"""By how much a slope measured from two tries on one side may differ from the prior one."""


@dataclass(frozen=True)
class Bracket:
    """The two tries between which the threshold lies.

    Attributes
    ----------
    passing
        Fewest weights kept by a try that passes; `dim` if none does (the dense network passes).
    failing
        Most weights kept by a try that fails below that; 0 if none does.
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
    at the threshold (see `ELASTICITY`), `tolerance` the error allowed in the answer, in sparsity.

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

    def __post_init__(self) -> None:
        inside = 0 < self.tolerance < 0.5
        require(inside, "tolerance", self.tolerance, "a sparsity in (0, 0.5); 0.01 is one point")

    def finished(self, points: Points) -> bool:
        """Whether the answer is known to the tolerance.

        It is when the bracket is no wider than twice the tolerance (or one weight); when it is no
        wider than four times and two readings of its ends agree; or when a passing try lies
        within the tolerance of where two slopes, the measured and the expected one, put the
        threshold, and a failing try beyond it.
        """
        found = bracket(points, self.dim)
        if found.passing == 1 or found.width <= 1:
            return True
        if found.failing not in points:
            return False
        if found.width <= self._wide:
            return True
        if found.passing not in points:
            return False
        within = self.tolerance * self.dim
        if found.width <= _NARROW * within and self._disagreement(points) <= 0.5 * within:
            return True
        measured = found.passing - self.crossing(points)
        share = math.exp(points[found.passing] / self.slope)
        return measured <= within and found.passing * (1 - share) <= 2 * within

    def crossing(self, points: Points) -> float:
        """Weights kept where the excess is 0, as the tries so far have it.

        Between a passing and a failing try: on the straight line of excess against log(kept), as
        tries farther off would bend it by their noise. While all fall on one side: from the
        outermost try along the slope, measured where there are two, at least as far as the last
        step, so that the steps grow geometrically in the weights kept.
        """
        if not points:
            return self.guess
        if (found := measured_bracket(points, self.dim)) is not None:
            return min(max(self._interpolated(points), found.failing), found.passing)
        return self._extrapolated(points, bracket(points, self.dim).failing in points)

    def following(self, points: Points) -> int | None:
        """Weights to keep at the next try, one not tried yet; None when finished.

        The threshold's own estimate would be left on either side by chance. Instead the try
        goes half a tolerance to the dense side, where it passes, most likely, and gives
        the network asked for; or just so far beyond a near passing try that a failure closes the
        bracket.

        A curve that bends would hold one end of the bracket try after try: its excess counts half
        for every further try on the other side (the Illinois rule; Dowell and Jarratt, BIT 11,
        1971).
        """
        if self.finished(points):
            return None
        found, estimate = bracket(points, self.dim), self.crossing(self._aged(points))
        passed, failed = found.passing in points, found.failing in points
        gap = found.passing - estimate
        if not points:
            aim = estimate
        elif passed and gap < 0.9 * self._wide:
            aim = math.ceil(found.passing - self._wide)  # a weight fewer would not close it
        elif failed:
            aim = estimate + 0.5 * self.tolerance * self.dim
            if passed:  # nor may a cliff's first steps be tiny
                aim = max(aim, found.failing + _LEAST_SHARE * found.width)
                aim = min(aim, found.passing - _LEAST_SHARE * found.width)
        else:
            aim = estimate - min(0.35 * self._wide, 0.3 * gap)
        if not passed and failed:  # never all the way to the dense network at once
            aim = min(aim, found.failing + 0.6 * found.width)
        return min(max(round(aim), found.failing + 1, 1), found.passing - 1)

    def _aged(self, points: Points) -> dict[int, float]:
        """The points, the bracket's older end at half its excess for every try since but one."""
        order, aged = list(points), dict(points)
        if (found := measured_bracket(points, self.dim)) is not None:
            older, newer = sorted((found.passing, found.failing), key=order.index)
            aged[older] *= 0.5 ** (order.index(newer) - order.index(older) - 1)
        return aged

    @property
    def _wide(self) -> float:
        return 2 * self.tolerance * self.dim * (1 + 1e-9)

    def _depth(self, kept: float) -> float:
        """−log of the share kept: equal steps remove equal shares of what is left."""
        return -math.log(kept / self.dim)

    def _disagreement(self, points: Points) -> float:
        """Weights between two readings: a passing try's excess as it is, and bounded.

        The loss may fall to nothing a little denser than the threshold; its logarithm then tells
        nothing of how far off the threshold is.
        """
        bounded = {kept: e if e > 0 else math.expm1(e) for kept, e in points.items()}
        return abs(self._interpolated(points) - self._interpolated(bounded))

    def _interpolated(self, points: Points) -> float:
        found = bracket(points, self.dim)
        failing = min(e for kept, e in points.items() if kept <= found.failing)
        ends = [
            (self._depth(found.passing), points[found.passing]),
            (self._depth(found.failing), failing),
        ]
        return self.dim * math.exp(-crossing_between(ends[0], ends[1], 0.0))

    def _extrapolated(self, points: Points, failing: bool) -> float:
        outermost = sorted(points, reverse=failing)
        last = self._depth(outermost[0])
        slope, least = self.slope, 0.0
        if len(outermost) > 1:
            before = self._depth(outermost[1])
            measured = (points[outermost[0]] - points[outermost[1]]) / (last - before)
            slope = min(max(measured, slope / _SLOPE_RANGE), slope * _SLOPE_RANGE)
            least = abs(last - before)
        step = max(abs(points[outermost[0]]) / slope, least)
        step = min(step, 2.0 ** (len(outermost) - 1))
        return self.dim * math.exp(-(last - step if failing else last + step))
