"""What a search for the limit found, what it is not sure of, and how it is kept (chapter 9)."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from prunelimit.files import write_text
from prunelimit.pruning.search import SearchRule, bracket, contradictions, measured_bracket
from prunelimit.pruning.tries import Try

_FORMAT = "prunelimit.found/1"
_ROUND = 0.8

_ONE_PERCENT = 0.01

_FAR = 3.0
"""Tolerances beyond a failing try where a passing one must lead for the curve to leap: as in seven
of the 66 searches stored in `benchmarks`, one of them far from its grids. Heuristic."""


@dataclass(frozen=True)
class SearchCost:
    """What the answer cost, beside what two other ways to the same answer would have.

    Attributes
    ----------
    fine_tunings
        Tries made.
    bisection
        Fine-tunings that halving [0, 1] takes until the bracket is twice the tolerance.
    iterative
        Rounds that remove 20 % of what is left, each fine-tuned alike, until one is past the
        threshold.
    epochs_each
        Epochs of one fine-tuning; None for the user's own loop, which alone knows.
    """

    fine_tunings: int
    bisection: int
    iterative: int
    epochs_each: int | None

    @property
    def epochs(self) -> int | None:
        """Epochs spent; None where the loop is the user's."""
        return None if self.epochs_each is None else self.fine_tunings * self.epochs_each

    def __str__(self) -> str:
        text = (
            f"{self.fine_tunings} fine-tunings; bisection takes {self.bisection}, "
            f"iterative pruning (20 % a round) {self.iterative}"
        )
        return text if self.epochs is None else f"{text}; of {self.epochs_each} epochs each"


def search_cost(
    fine_tunings: int, sparsity: float, tolerance: float, epochs_each: int | None
) -> SearchCost:
    """The cost of a search that ended at `sparsity` (see `SearchCost`).

    Examples
    --------
    >>> cost = search_cost(3, 0.87, 0.01, 20)
    >>> cost.bisection, cost.iterative, cost.epochs
    (6, 10, 60)
    """
    rounds = math.log(max(1 - sparsity, 1e-9)) / math.log(_ROUND)
    return SearchCost(
        fine_tunings=fine_tunings,
        bisection=max(1, math.ceil(math.log2(1 / (2 * tolerance)))),
        iterative=math.floor(rounds) + 1,
        epochs_each=epochs_each,
    )


@dataclass(frozen=True)
class FoundLimit:
    """What `find_limit` found: real existence, by the fine-tuning that was given.

    Attributes
    ----------
    sparsity
        Where the level is crossed, by the tries and the first guess: the threshold is as likely
        denser as sparser (heuristic, `prunelimit.pruning.search`).
    lower, upper
        The measured bracket: sparsity of the sparsest try that passes (0 if none does), and of the
        first beyond it that fails (1 if none does).
    model
        The pruned and fine-tuned network of the try at `lower`, with zeros in plain weights: the
        sparsest one that was *seen* to be good enough.
    measurements
        Every try, in order.
    criterion
        What "good enough" was, in words.
    finetuning
        The budget or the user's loop, in words.
    dim
        Number of prunable weights.
    noise
        Standard error of `sparsity` that comes from the validation examples; 0 for a loss rise.
    cost
        Fine-tunings and epochs, beside bisection and iterative pruning.
    notes
        Where the answer is not sure, and why.
    """

    sparsity: float
    lower: float
    upper: float
    model: nn.Module = field(repr=False)
    measurements: tuple[Try, ...]
    criterion: str
    finetuning: str
    dim: int
    noise: float
    cost: SearchCost
    notes: tuple[str, ...]

    @property
    def tries(self) -> tuple[tuple[float, float], ...]:
        """``(sparsity, loss)`` of every try, in order."""
        return tuple((one.sparsity, one.loss) for one in self.measurements)

    def summary(self) -> str:
        """A few lines for people."""
        noise = f" ± {self.noise:.2%} (validation examples)" if self.noise else ""
        lines = [
            f"sparsity {self.sparsity:.2%}{noise}, measured bracket "
            f"[{self.lower:.2%}, {self.upper:.2%}] of {self.dim:,} weights",
            f"good enough: {self.criterion}",
            f"fine-tuning: {self.finetuning}",
        ]
        for one in self.measurements:
            metric = "" if one.metric is None else f", metric {one.metric:.4f}"
            verdict = "passes" if one.passes else "fails"
            lines.append(f"  {one.sparsity:7.2%}  loss {one.loss:.4g}{metric}  {verdict}")
        return "\n".join([*lines, str(self.cost), *(f"note: {note}" for note in self.notes)])

    __str__ = summary

    def to_dict(self) -> dict[str, Any]:
        """Everything but the network, ready for JSON."""
        cost, each = asdict(self.cost) | {"epochs": self.cost.epochs}, self.cost.epochs_each
        for other in ("bisection", "iterative"):
            cost[f"{other}_epochs"] = None if each is None else cost[other] * each
        as_they_are = ("sparsity", "lower", "upper", "dim", "criterion", "finetuning", "noise")
        return {
            "format": _FORMAT,
            **{name: getattr(self, name) for name in as_they_are},
            "tries": [asdict(one) | {"passes": one.passes} for one in self.measurements],
            "cost": cost,
            "notes": list(self.notes),
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The result without its network as JSON text, also written to `path` if one is given."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        if path is not None:
            write_text(Path(path), text + "\n")
        return text


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
    return notes + [
        f"the try at {one.sparsity:.2%} is within one standard error of the level: on other "
        f"validation examples it may {'fail' if one.passes else 'pass'}"
        for one in tries
        if one.stderr > 0 and abs(one.excess) < one.stderr
    ]


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
