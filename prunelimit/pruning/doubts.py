"""What a finished search is not sure of, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prunelimit.pruning.search import SearchRule, bracket, contradictions, measured_bracket
from prunelimit.pruning.tries import Try

_ONE_PERCENT = 0.01

_FAR = 3.0
"""Tolerances beyond a failing try where a passing one must lead for the curve to leap: as in seven
of the 66 searches stored in `benchmarks`, one of them far from its grids. Heuristic."""


def excess_slope(rule: SearchRule, tries: Sequence[Try]) -> float | None:
    """Excess by unit of sparsity between the two ends of the bracket; None without two ends."""
    points = {one.kept: one.excess for one in tries}
    if (found := measured_bracket(points, rule.dim)) is None:
        return None
    return (points[found.failing] - points[found.passing]) * rule.dim / found.width


def doubts(rule: SearchRule, tries: Sequence[Try], noise: float) -> list[str]:
    """Every reason to doubt the answer that the tries themselves give.

    `noise` is the standard error of the answer that comes from the validation examples, in
    sparsity.

    Examples
    --------
    >>> rule = SearchRule(dim=10, guess=1.0, slope=1.0, tolerance=0.01)
    >>> doubts(rule, [Try(0.9, 1, 0.0, -1.0, None, 0.0, 0.0)], 0.0)[0]
    'even one weight passes: this criterion asks nothing of the weights'
    """
    points = {one.kept: one.excess for one in tries}
    found, dim, tolerance = bracket(points, rule.dim), rule.dim, rule.tolerance
    notes = []
    if found.passing == 1 and dim > 1:
        notes.append("even one weight passes: this criterion asks nothing of the weights")
    elif not rule.finished(points):
        notes.append(
            f"stopped after {len(tries)} tries, before the answer was known to {tolerance:.2%}; "
            "allow more max_tries"
        )
    if found.passing == dim:
        notes.append("no try passes: the model is the dense network, not fine-tuned")
    notes += _wide_bracket(rule, points) + _leap(rule, points)
    for kept, sparser in contradictions(points).items():
        notes.append(
            f"the try at {1 - kept / dim:.2%} fails although the sparser one at "
            f"{1 - sparser / dim:.2%} {'passes' if points[sparser] <= 0 else 'comes nearer'}: fine-"
            "tuning ended in a worse place there, and may have elsewhere; a longer one would tell"
        )
    slope = excess_slope(rule, tries)
    if slope is not None and _ONE_PERCENT / slope > tolerance:
        notes.append(
            f"the curve is flat here: one percent of the loss moves the answer by "
            f"{_ONE_PERCENT / slope:.1%} in sparsity"
        )
    if noise > tolerance:
        notes.append(
            f"the validation examples alone leave the answer uncertain by {noise:.1%} (one "
            f"standard error), more than the tolerance of {tolerance:.1%}; take more of them"
        )
    return notes + _undecided(tries)


def _wide_bracket(rule: SearchRule, points: dict[int, float]) -> list[str]:
    found = bracket(points, rule.dim)
    width = found.width / rule.dim
    if not rule.finished(points) or width <= 2.01 * rule.tolerance or found.failing not in points:
        return []
    beyond = (rule.crossing(points) - found.failing) / rule.dim
    return [
        f"that it is not sparser was not tried, it follows from how near the tries came: the next "
        f"one that fails is {beyond:.1%} beyond"
    ]


def _leap(rule: SearchRule, points: dict[int, float]) -> list[str]:
    """A passing try so good that the slope expected leads far beyond the one that fails."""
    found, dim = measured_bracket(points, rule.dim), rule.dim
    if found is None:
        return []
    led_to = found.passing * math.exp(points[found.passing] / rule.slope)
    if found.failing - led_to <= _FAR * rule.tolerance * dim:
        return []
    return [
        f"from {1 - found.passing / dim:.2%}, where there is room to spare, to "
        f"{1 - found.failing / dim:.2%}, which fails, the curve leaps: either the network breaks "
        "there, or that fine-tuning ended in a worse place than it need; a longer one would tell"
    ]


def _undecided(tries: Sequence[Try]) -> list[str]:
    close = [one for one in tries if one.stderr > 0 and abs(one.excess) < one.stderr]
    return [
        f"the try at {one.sparsity:.2%} is within one standard error of the level: on other "
        f"validation examples it may {'fail' if one.passes else 'pass'}"
        for one in close
    ]
