"""The result of one task: prediction, the four measured curves, and how they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from prunelimit.budgets import FineTuning
from prunelimit.estimates import Interval
from prunelimit.recipe import TrainingConfig
from prunelimit.records import absent
from prunelimit.report import PruningLimit
from prunelimit.results import parts
from prunelimit.results.saved import Saved


@dataclass(frozen=True)
class Result(Saved):
    """What `prunelimit reproduce` found for one task. Sparsities are fractions removed.

    Attributes
    ----------
    task, dataset, model, seed
        What was trained, on what.
    training, measurement
        How it was trained, and what was measured.
    dense
        Losses and accuracies of the trained network.
    prediction
        What `predict_limit` said of it.
    thresholds
        Where the measured curves cross ε.
    sweep
        Curve 1, one-shot, on the three parts of the data.
    refit
        Curve 3, quadratic existence, by increasing sparsity.
    finetune, finetuning
        Curve 4, real existence, by increasing sparsity, and its budget.
    weights
        The trained network's magnitudes.
    stages
        How the numbers of each stage were made: training, prediction, sweep, refit, finetune.
    provenance
        The process that put the stages together; it need not have made one of them.
    examples
        Number of examples; None in results that do not say.
    note
        What a reader should know of the scale.
    """

    task: str
    dataset: str
    model: str
    seed: int
    training: TrainingConfig
    measurement: parts.ExperimentConfig
    dense: parts.FinalMeasurements
    prediction: PruningLimit
    thresholds: parts.Thresholds
    sweep: parts.Sweeps
    refit: tuple[parts.RefitPoint, ...]
    finetune: tuple[parts.FinetunePoint, ...]
    finetuning: FineTuning
    weights: parts.WeightHistogram
    stages: Mapping[str, parts.Making]
    provenance: parts.Provenance
    examples: parts.Examples | None = absent()
    note: str = ""

    @property
    def epsilon(self) -> float:
        """The loss rise that S(ε) allows."""
        return self.prediction.epsilon

    @property
    def quadratic_existence_is_known(self) -> bool:
        """Whether some re-fit came down to ε; if none did, its few products say nothing."""
        return any(point.rise <= self.epsilon for point in self.refit)

    FORMAT = "prunelimit.result/2"

    def comparison(self) -> tuple[Comparison, ...]:
        """Prediction against experiment: the four curves and the two limits, a row each."""
        predicted, measured = self.prediction, self.thresholds
        one_shot = "estimated" if predicted.one_shot_is_estimate else "predicted"
        refits = [(point.sparsity, point.rise, point.converged) for point in self.refit]
        tuned = [(point.sparsity, point.rise, True) for point in self.finetune]
        known = partial(_as_known, epsilon=self.epsilon)
        rows = (
            ("one-shot, quadratic model", one_shot, predicted.one_shot.sparsity),
            ("one-shot, loss ≤ L + ε", "measured", measured.one_shot),
            ("paper's limit", "predicted", predicted.paper.sparsity),
            ("sharp limit", "predicted", predicted.sharp.sparsity),
            ("quadratic existence (re-fit)", *known(measured.quadratic_existence, refits)),
            ("real existence (fine-tuned)", *known(measured.real_existence, tuned)),
        )
        return tuple(
            Comparison(
                question,
                kind,
                found.value,
                found.lower,
                found.upper,
                self.one_shot_accuracy(found.value),
                self.finetuned_accuracy(found.value),
            )
            for question, kind, found in rows
        )

    def one_shot_accuracy(self, sparsity: float) -> float:
        """Test accuracy with survivors untouched, between measured points on a straight line."""
        test = self.sweep.test
        return float(np.interp(sparsity, test.sparsities, test.accuracy))

    def finetuned_accuracy(self, sparsity: float) -> float | None:
        """Test accuracy of the nearest fine-tuned mask; None if none is near."""
        nearest = min(self.finetune, key=lambda point: abs(point.sparsity - sparsity))
        near = abs(nearest.sparsity - sparsity) <= 2 * self.measurement.resolution
        return nearest.test_accuracy if near else None


def _as_known(
    found: Interval, points: Sequence[tuple[float, float, bool]], epsilon: float
) -> tuple[str, Interval]:
    """A measured threshold, or the end of it that is known.

    Of each point the sparsity, the rise, and whether that is the least under its mask. Where the
    search came to an end of its range, or what fails was not solved to the end, the threshold is
    there or beyond.
    """
    passing = max((s for s, rise, _ in points if rise <= epsilon), default=0.0)
    failing = min((s for s, rise, sure in points if rise > epsilon and sure), default=1.0)
    lower = found.lower if found.lower <= passing else 0.0
    upper = found.upper if failing <= found.upper else 1.0
    if lower > 0.0 and upper < 1.0:
        return "measured", found
    if upper < 1.0:
        return "at most", Interval(lower, upper, upper)
    return "at least", Interval(lower, lower, upper)


@dataclass(frozen=True)
class Comparison:
    """One line of prediction against experiment: which curve, what it says, how sure.

    Attributes
    ----------
    question
        Which of the curves.
    kind
        "predicted", "estimated" (predicted without a bound for its error), "measured", "at least"
        or "at most" (measured, but the search ended there, or what fails was not solved to the
        end).
    sparsity, lower, upper
        The threshold and its bracket.
    one_shot_accuracy, finetuned_accuracy
        On the test set there, survivors untouched and fine-tuned; None where nothing was measured.
    """

    question: str
    kind: str
    sparsity: float
    lower: float
    upper: float
    one_shot_accuracy: float
    finetuned_accuracy: float | None
