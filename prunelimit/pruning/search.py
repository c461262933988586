"""Where to try next: the rule by which `find_limit` closes in on a threshold (chapter 9).

Pure arithmetic on points (weights kept, excess). The excess says how far a try is from
passing: at most 0 passes, and its size is a logarithm (of the loss over the loss allowed, say).

Masks are nested, so a network found under a mask is also one under every denser mask.
Hence the rule reads a try as "some network with so many weights, or with more, is this
good" (exact): a denser try that fails although a sparser one passes is a fine-tuning that
went badly, and its point is lifted to the sparser one's value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from prunelimit.errors import PruneLimitError

Points = Mapping[int, float]

ELASTICITY = 5.6
"""Log of the loss rise by log of the weights removed further, at real existence: the median over
56 rows of a first study, in this repository's history (a tenth lie below 2.7, a tenth above
10.5). Heuristic; it only sets the length of the second step."""

LEAST_SLOPE = 1.0
"""Least slope of the excess, where ε is a small part of the loss and the elasticity would make it
smaller: a second step that is too short costs one try more, one that is too long two. Chosen
between none, 1 and 1.6 on the networks of `benchmarks.find` with other seeds (mean tries 3.3,
3.05, 3.1). Heuristic."""

_NARROW = 3.0
"""Width of a bracket, in tolerances, within which two readings of the tries that agree to half a
tolerance are the answer. Chosen between 2 (which needs no reading), 3, 4 and 6 on the curves of
sixteen networks of `benchmarks.find` with other seeds: mean tries 3.0, 2.9, 2.7 and 2.5, mean
error 0.13, 0.17, 0.20 and 0.27 points. Heuristic."""

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


def contradictions(points: Points, dim: int) -> list[int]:
    """Tries that fail although a sparser one passes, sparsest first.

    Examples
    --------
    >>> contradictions({50: -1.0, 20: 0.5, 60: 0.1}, dim=100)
    [60]
    """
    passing = bracket(points, dim).passing
    return sorted(kept for kept, excess in points.items() if excess > 0 and kept > passing)


def envelope(points: Points) -> list[tuple[int, float]]:
    """Each try with the lowest excess of itself and all sparser tries, sparsest first.

    Examples
    --------
    >>> envelope({50: -1.0, 20: 0.5, 60: 0.1})
    [(20, 0.5), (50, -1.0), (60, -1.0)]
    """
    lowest, found = math.inf, []
    for kept in sorted(points):
        lowest = min(lowest, points[kept])
        found.append((kept, lowest))
    return found


@dataclass(frozen=True)
class SearchRule:
    """Which number of weights to try next, and where the tries so far put the threshold.

    Attributes
    ----------
    dim
        Number of prunable weights D.
    guess
        Weights kept at the first try.
    slope
        Excess by unit of −log(kept), expected at the threshold (see `ELASTICITY`).
    tolerance
        Error allowed in the answer, in sparsity.

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
        if not 0 < self.tolerance < 0.5:
            raise PruneLimitError(
                f"tolerance must be a sparsity in (0, 0.5), got {self.tolerance!r}; "
                "0.01 is one point"
            )

    def finished(self, points: Points) -> bool:
        """Whether the answer is known to the tolerance.

        It is when the bracket is no wider than twice the tolerance (or one weight); when it is
        little wider and two readings of the tries agree; or when a passing try lies within the
        tolerance of where two slopes, the measured and the expected one, put the threshold, and
        a failing try beyond it.
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

        Between a passing and a failing try: the monotone interpolant of the envelope. While all
        fall on one side: from the outermost try along the slope, measured where there are two, at
        least as far as the last step, so that the steps grow geometrically in the weights kept.
        """
        if not points:
            return self.guess
        found = bracket(points, self.dim)
        if found.passing in points and found.failing in points:
            return min(max(self._interpolated(points), found.failing), found.passing)
        return self._extrapolated(points, failing=found.failing in points)

    def following(self, points: Points) -> int | None:
        """Weights to keep at the next try, one not tried yet; None when finished.

        The threshold's own estimate would be left on either side by chance. Instead the try
        goes half a tolerance to the dense side, where it passes, most likely, and gives
        the network asked for; or just so far beyond a near passing try that a failure closes the
        bracket.
        """
        if self.finished(points):
            return None
        found, estimate = bracket(points, self.dim), self.crossing(points)
        passed, failed = found.passing in points, found.failing in points
        gap = found.passing - estimate
        if not points:
            aim = estimate
        elif passed and gap < 0.9 * self._wide:
            aim = math.ceil(found.passing - self._wide)  # a weight fewer would not close it
        elif failed:
            aim = estimate + 0.5 * self.tolerance * self.dim
        else:
            aim = estimate - min(0.35 * self._wide, 0.3 * gap)
        if not passed and failed:  # never all the way to the dense network at once
            aim = min(aim, found.failing + 0.6 * found.width)
        return min(max(round(aim), found.failing + 1, 1), found.passing - 1)

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
        dense_first = envelope(points)[::-1]
        depths = np.array([self._depth(kept) for kept, _ in dense_first])
        excesses = np.array([excess for _, excess in dense_first])
        # Where the envelope is flat the interpolant has no inverse: keep the sparsest of equals,
        # for whose sake the others were lifted.
        distinct = np.append(np.diff(excesses) > 1e-12, True)
        crossing = PchipInterpolator(excesses[distinct], depths[distinct])(0.0)
        return self.dim * math.exp(-float(crossing))

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
