"""What the study of chapter 10 found: predictions and the four curves on many networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunelimit.budgets import FineTuning
from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Interval
from prunelimit.limit.solve import Formula
from prunelimit.records import absent
from prunelimit.results.parts import FinalMeasurements, Making, Provenance
from prunelimit.results.saved import Saved

FORMULAS: tuple[Formula, ...] = ("paper", "sharp")
"""Of the limit."""

CURVES = ("one_shot", "one_shot_quadratic", "quadratic_existence", "real_existence")
"""What a prediction is held against."""

CORRECTIONS = ("path", "rounds", "bound", "layers", "gain", "path and gain")
"""Other readings of the curvature; see `prunelimit.lab.studies.corrections`."""


@dataclass(frozen=True)
class NetworkSettings:
    """One network of the study.

    Attributes
    ----------
    source
        Of its examples.
    widths
        Hidden layers; empty for the small convolutional network.
    l1, epochs
        Of training.
    epsilon
        A fixed loss rise, beside the standard deviation of the minibatch losses.
    held_out
        Whether it judges the correction that was chosen on the others.
    doubled
        Whether real existence is measured with twice the budget as well.
    """

    source: str
    widths: tuple[int, ...]
    l1: float
    epochs: int
    epsilon: float
    held_out: bool
    doubled: bool = False


@dataclass(frozen=True)
class Limit:
    """A predicted limit as a sparsity in its bracket; ridge is NaN where there is none."""

    lower: float
    value: float
    upper: float
    distance: float
    ridge: float
    status: str


@dataclass(frozen=True)
class StudyRefit:
    """A mask re-fitted in the quadratic model: what that promises, and what the loss does there.

    Attributes
    ----------
    sparsity
        Of the mask.
    rise, real_rise, one_shot_rise
        Quadratic and real rise at the re-fitted weights, and the quadratic one before.
    linear_rise
        −gᵀx, which the quadratic picture leaves out.
    distance, relative_distance, step
        Lengths of what was removed (also over ‖w*‖) and of the re-fit's step.
    residual
        Of the re-fit's equations.
    finetuned_rise
        After fine-tuning under the same mask, where that was measured.
    """

    sparsity: float
    rise: float
    real_rise: float
    one_shot_rise: float
    linear_rise: float
    distance: float
    relative_distance: float
    step: float
    residual: float
    finetuned_rise: float | None = absent()


@dataclass(frozen=True)
class FinetunedRise:
    """The lowest rise that fine-tuning found under a mask."""

    sparsity: float
    rise: float


@dataclass(frozen=True)
class AtEpsilon:
    """Predictions, measurements and corrections of one network at one ε.

    Attributes
    ----------
    one_shot_quadratic, one_shot, quadratic_existence, real_existence
        The four curves' thresholds.
    paper, sharp
        Predicted.
    at_limit
        The re-fit at each formula's limit.
    corrections
        Correction and formula to a sparsity; only those that were computed.
    real_existence_doubled
        With twice the budget, where it was measured.
    """

    epsilon: float
    epsilon_source: str
    one_shot_quadratic: float
    one_shot: float
    quadratic_existence: Interval
    real_existence: Interval
    paper: Limit
    sharp: Limit
    at_limit: Mapping[str, StudyRefit]
    corrections: Mapping[str, Mapping[str, float]]
    warnings: tuple[str, ...]
    real_existence_doubled: Interval | None = absent()


@dataclass(frozen=True)
class StudiedNetwork:
    """One network with everything that was measured on it.

    Attributes
    ----------
    gain
        What fine-tuning takes off the dense network's loss.
    rows
        One an ε.
    refits, finetuned
        Every mask that was measured.
    seconds, code
        What it cost, and the commit that measured it.
    making
        Who measured it; None in files from before this was kept.
    """

    name: str
    network: NetworkSettings
    dim: int
    examples: int
    dense: FinalMeasurements
    norm: float
    gain: float
    finetuning: FineTuning
    rows: tuple[AtEpsilon, ...]
    refits: tuple[StudyRefit, ...]
    finetuned: tuple[FinetunedRise, ...]
    seconds: float
    code: str | None = absent()
    making: Making | None = absent()


@dataclass(frozen=True)
class Study(Saved):
    """All networks of a study."""

    networks: tuple[StudiedNetwork, ...]
    seconds: float
    provenance: Provenance

    FORMAT = "prunelimit.study/1"

    def points(self) -> list[StudyPoint]:
        """One for each network and ε."""
        return [_point(network, row) for network in self.networks for row in network.rows]


@dataclass(frozen=True)
class EndOfTheModel:
    """How far the quadratic model holds at a formula's limit.

    Attributes
    ----------
    relative_distance
        R/‖w*‖ there.
    misfit
        Real over quadratic rise at the re-fit.
    linear_rise
        −gᵀx.
    step
        Length of the re-fit's step over ‖w*‖.
    """

    relative_distance: float
    misfit: float
    linear_rise: float
    step: float


@dataclass(frozen=True)
class StudyPoint:
    """What was measured on a network at one ε, and every prediction.

    Attributes
    ----------
    name, held_out, source, l1, epochs, dim, loss, gain, epsilon
        Of the network and its ε.
    measured
        Each of `CURVES` to its threshold.
    predicted
        Each of `predictions()` to a sparsity; None where it was not computed.
    at_limit
        Each of `FORMULAS` to what holds at its limit.
    """

    name: str
    held_out: bool
    source: str
    l1: float
    epochs: int
    dim: int
    loss: float
    gain: float
    epsilon: float
    measured: Mapping[str, float]
    predicted: Mapping[str, float | None]
    at_limit: Mapping[str, EndOfTheModel]

    def error(self, prediction: str, curve: str) -> float | None:
        """Prediction minus measurement, in sparsity; None without the prediction."""
        predicted = self.predicted[prediction]
        return None if predicted is None else predicted - self.measured[curve]

    def columns(self) -> dict[str, Any]:
        """One flat row of a table: ``"paper"``, ``"path, paper"``, ``"misfit, sharp"``, …"""
        nested = ("measured", "predicted", "at_limit")
        flat = {name: value for name, value in vars(self).items() if name not in nested}
        flat |= {**self.measured, **self.predicted}
        for formula, at in self.at_limit.items():
            flat[f"relative distance, {formula}"] = at.relative_distance
            flat[f"misfit, {formula}"] = at.misfit
            flat[f"linear rise, {formula}"] = at.linear_rise
            flat[f"step, {formula}"] = at.step
        return flat


def _point(network: StudiedNetwork, row: AtEpsilon) -> StudyPoint:
    settings = network.network
    predicted: dict[str, float | None] = {"paper": row.paper.value, "sharp": row.sharp.value}
    for name in CORRECTIONS:
        known = row.corrections.get(name)
        for formula in FORMULAS:
            predicted[f"{name}, {formula}"] = None if known is None else known[formula]
    return StudyPoint(
        name=network.name,
        held_out=settings.held_out,
        source=settings.source,
        l1=settings.l1,
        epochs=settings.epochs,
        dim=network.dim,
        loss=network.dense.train_loss,
        gain=network.gain,
        epsilon=row.epsilon,
        measured={
            "one_shot": row.one_shot,
            "one_shot_quadratic": row.one_shot_quadratic,
            "quadratic_existence": row.quadratic_existence.value,
            "real_existence": row.real_existence.value,
        },
        predicted=predicted,
        at_limit={formula: _end(row.at_limit[formula], network.norm) for formula in FORMULAS},
    )


def _end(at: StudyRefit, norm: float) -> EndOfTheModel:
    misfit = at.real_rise / at.rise if at.rise > 0 else math.inf
    return EndOfTheModel(at.relative_distance, misfit, at.linear_rise, at.step / norm)


def predictions() -> tuple[str, ...]:
    """The two formulas, and each correction with each formula.

    Examples
    --------
    >>> predictions()[:3]
    ('paper', 'sharp', 'path, paper')
    """
    return (*FORMULAS, *(f"{name}, {formula}" for name in CORRECTIONS for formula in FORMULAS))


def errors(points: Sequence[StudyPoint], prediction: str, curve: str) -> np.ndarray:
    """Prediction minus measurement, in sparsity, over the points that have both."""
    found = (point.error(prediction, curve) for point in points)
    return np.array([error for error in found if error is not None], dtype=float)


def summary(points: Sequence[StudyPoint], prediction: str, curve: str) -> dict[str, float]:
    """Median, mean and largest |error|, and the share of points within 0.01.

    Raises
    ------
    PruneLimitError
        If no point has that prediction.
    """
    found = np.abs(errors(points, prediction, curve))
    if not found.size:
        raise PruneLimitError(f"no row has the prediction {prediction!r}")
    return {
        "rows": int(found.size),
        "median": float(np.median(found)),
        "mean": float(found.mean()),
        "largest": float(found.max()),
        "within": float((found <= 0.01).mean()),
    }


def choose(points: Sequence[StudyPoint]) -> str:
    """The prediction with the smallest mean |error| against real existence, held-out ones unseen.

    Only points with all corrections count, so that all are judged on the same networks.
    """
    seen = [p for p in points if not p.held_out and None not in p.predicted.values()]
    return min(predictions(), key=lambda name: summary(seen, name, "real_existence")["mean"])
