"""What finished runs say: a row each, corrected limits, and the two bounds of the theorem."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prunelimit.estimates import Interval
from prunelimit.limit.distance import Distance
from prunelimit.limit.kinematic import paper_interval
from prunelimit.limit.solve import Formula, solve_limit
from prunelimit.results.choices import LimitsOverDistance
from prunelimit.results.overview import Overview
from prunelimit.results.result import Result
from prunelimit.spectrum.result import Spectrum


def overview(results: Mapping[str, Result]) -> list[Overview]:
    """One row a run, in order; quadratic existence is NaN where no re-fit came down to ε."""
    return [Overview.of(result, name, only_known=True) for name, result in results.items()]


@dataclass(frozen=True)
class CorrectedByGain:
    """The correction that the study chose (chapter 10), on a run that it never saw.

    Attributes
    ----------
    name, epsilon
        Of the run.
    gain
        What fine-tuning took off the dense network's loss.
    paper, corrected
        The paper's limit at ε, and at ε + gain (heuristic).
    real
        Measured real existence.
    """

    name: str
    epsilon: float
    gain: float
    paper: float
    corrected: float
    real: Interval

    @property
    def delta(self) -> float:
        """Paper's limit minus real existence."""
        return self.paper - self.real.value

    @property
    def delta_corrected(self) -> float:
        """Corrected limit minus real existence."""
        return self.corrected - self.real.value


def corrected_by_gain(results: Mapping[str, Result]) -> list[CorrectedByGain]:
    """One row a run."""
    rows = []
    for name, result in results.items():
        report = result.prediction
        dense = next(point for point in result.finetune if point.sparsity == 0.0)
        gain = max(0.0, -dense.rise)
        corrected = limit_of(
            report.spectrum, report.distance, report.epsilon + gain, report.dim, "paper"
        )
        paper, real = float(report.paper.sparsity), result.thresholds.real_existence
        rows.append(CorrectedByGain(name, report.epsilon, gain, paper, corrected, real))
    return rows


def limits_over_distance(result: Result, points: int = 60) -> LimitsOverDistance:
    """Both limits as functions of a free distance R, and the network's own R(k), at `points`."""
    report = result.prediction
    kept = np.geomspace(report.dim, 1, points)
    distances = np.array([report.distance(k) for k in kept])
    keep = distances > 1e-6 * distances.max()
    places = distances[keep].tolist()
    limits = {
        formula: tuple(
            1 - limit_of(report.spectrum, r, report.epsilon, report.dim, formula) for r in places
        )
        for formula in ("paper", "sharp")
    }
    measured = Overview.of(result, only_known=True).measured
    return LimitsOverDistance(
        distance=tuple(places),
        own=tuple((kept[keep] / report.dim).tolist()),
        limits=limits,
        measured={
            name: (report.distance((1 - found.value) * report.dim), 1 - found.value)
            for name, found in measured.items()
            if not math.isnan(found.value)
        },
        floor=1 / report.dim,
    )


def limit_of(
    spectrum: Spectrum, distance: Distance, epsilon: float, dim: int, formula: Formula
) -> float:
    """The predicted sparsity at the spectrum's best value."""
    return solve_limit(
        lambda ridge: spectrum.effective_dimension(ridge).value, distance, epsilon, dim, formula
    ).sparsity


def kinematic_ends(result: Result, eta: float = 0.1) -> dict[str, float]:
    """The lower and the upper bound on the pruning ratio k/D that the kinematics formula gives.

    Each fails with probability at most `eta`, given the width (see `prunelimit.limit.
    paper_interval`). "computation" is the width of the bracket of the spectrum alone.
    """
    report = result.prediction
    nodes, weights = report.spectrum.density()
    found = paper_interval(nodes, report.distance, report.epsilon, eta, weights)
    ends = {"lower": found.lower, "limit": found.value, "upper": found.upper}
    shares = {name: value / report.dim for name, value in ends.items()}
    shares["difference"] = shares["upper"] - shares["lower"]
    return shares | {"computation": report.paper.upper - report.paper.lower}
