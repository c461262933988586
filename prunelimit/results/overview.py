"""The numbers of one result that tables and figures set side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prunelimit.estimates import Interval
from prunelimit.results.result import Result

PAIRS = {
    "one_shot": ("one_shot", "one_shot"),
    "paper": ("paper", "real_existence"),
    "sharp": ("sharp", "quadratic_existence"),
}
"""Name of a difference Δ to the prediction and the measurement that it compares."""

_UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Overview:
    """Predictions and measurements of one run. Sparsities are fractions removed.

    Attributes
    ----------
    name
        Of the run, for people.
    seed, l1, epochs
        Of the training.
    weights, examples
        Prunable weights, and training examples.
    epsilon
        The loss rise allowed.
    train_accuracy, dense_test_accuracy
        Of the trained network.
    predicted
        "one_shot", "paper" and "sharp" with their brackets.
    measured
        "one_shot", "quadratic_existence" and "real_existence" with theirs.
    accuracy_threshold
        Largest sparsity that keeps the one-shot accuracy: the paper's own comparison.
    compute_seconds
        Of all stages.
    """

    name: str
    seed: int
    l1: float
    epochs: int
    weights: int
    examples: int
    epsilon: float
    train_accuracy: float
    dense_test_accuracy: float
    predicted: Mapping[str, Interval]
    measured: Mapping[str, Interval]
    accuracy_threshold: float
    compute_seconds: float

    @classmethod
    def of(cls, result: Result, name: str = "", *, only_known: bool = False) -> Overview:
        """What a result says.

        Parameters
        ----------
        result
            Of one task.
        name
            The task's by default.
        only_known
            Whether quadratic existence is NaN where no re-fit came down to ε: its few products
            then say nothing.
        """
        report, thresholds = result.prediction, result.thresholds
        known = result.quadratic_existence_is_known or not only_known
        limits = {"one_shot": report.one_shot, "paper": report.paper, "sharp": report.sharp}
        return cls(
            name=name or result.task,
            seed=result.seed,
            l1=result.training.l1,
            epochs=result.training.epochs,
            weights=report.dim,
            examples=report.loss.examples if result.examples is None else result.examples.train,
            epsilon=result.epsilon,
            train_accuracy=result.dense.train_accuracy,
            dense_test_accuracy=result.dense.test_accuracy,
            predicted={
                name: Interval(limit.lower, float(limit.sparsity), limit.upper)
                for name, limit in limits.items()
            },
            measured={
                "one_shot": thresholds.one_shot,
                "quadratic_existence": thresholds.quadratic_existence if known else _UNKNOWN,
                "real_existence": thresholds.real_existence,
            },
            accuracy_threshold=thresholds.accuracy.sparsity,
            compute_seconds=sum(making.cost.seconds for making in result.stages.values()),
        )

    def delta(self, name: str) -> float:
        """Predicted minus measured sparsity; `name` is one of `PAIRS`."""
        predicted, measured = PAIRS[name]
        return self.predicted[predicted].value - self.measured[measured].value

    @property
    def delta_accuracy(self) -> float:
        """The paper's limit minus the accuracy's threshold: the paper's Δ."""
        return self.predicted["paper"].value - self.accuracy_threshold

    def columns(self) -> dict[str, Any]:
        """One flat row of a table: ``predicted_paper``, ``predicted_paper_lower``, and so on."""
        brackets = {f"predicted_{name}": found for name, found in self.predicted.items()}
        brackets |= {f"measured_{name}": found for name, found in self.measured.items()}
        row = {n: v for n, v in vars(self).items() if n not in ("predicted", "measured")}
        for name, found in brackets.items():
            row |= {name: found.value, f"{name}_lower": found.lower, f"{name}_upper": found.upper}
        row |= {f"delta_{name}": self.delta(name) for name in PAIRS}
        return row | {"delta_accuracy": self.delta_accuracy}
