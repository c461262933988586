"""Stage: curve 4, real existence: the sparsity at which fine-tuning still meets L + ε."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.functional import cross_entropy

from prunelimit.budgets import FineTuning
from prunelimit.estimates import Interval
from prunelimit.lab.data import Splits
from prunelimit.lab.stages.crossing import existence_threshold
from prunelimit.lab.stages.run import Run
from prunelimit.lab.store.measurements import Measurements
from prunelimit.network.evaluate import evaluate
from prunelimit.network.world import USUAL, Execution
from prunelimit.pruning import magnitude_mask
from prunelimit.pruning.finetune import FineTuned, finetune
from prunelimit.recipe import TrainingConfig
from prunelimit.report import PruningLimit
from prunelimit.results.parts import FinetunePoint

if TYPE_CHECKING:
    from prunelimit.pruning.sweep import Sweep

KNOBS = ("resolution", "sparsest", "finetune_measurements", "finetuning", "optimiser")
"""Entries of the configuration that it reads."""


def default_budget(training: TrainingConfig, batches: int, optimiser: str = "sgd") -> FineTuning:
    """At least 12 epochs and at least 3,000 steps: of SGD at the training's own rate, or of Adam.

    Examples
    --------
    >>> from prunelimit.lab import tasks
    >>> default_budget(tasks.get("digits-mlp").training, batches=11).epochs
    273
    """
    return budget_of(training, max(12, math.ceil(3000 / batches)), optimiser)


def budget_of(training: TrainingConfig, epochs: int, optimiser: str = "sgd") -> FineTuning:
    """So many epochs, of SGD at the training's own learning rate or of Adam as in `find_limit`."""
    if optimiser == "adam":
        return FineTuning.by_adam(epochs)
    return FineTuning(epochs, training.learning_rate, training.momentum)


class Tuning:
    """Fine-tunes one mask after another, each from the trained weights.

    It trains on un-augmented examples: the loss that is trained has to be the one that
    defines S(ε).

    Parameters
    ----------
    model
        Trained; left untouched.
    splits
        Its data.
    training
        How the network was trained, in batches of what size.
    budget
        Of each mask; by default `default_budget`, by `optimiser`.
    execution
        See `prunelimit.pruning.finetune.finetune`.
    """

    def __init__(
        self,
        model: nn.Module,
        splits: Splits,
        training: TrainingConfig,
        budget: FineTuning | None = None,
        execution: Execution = USUAL,
        optimiser: str = "sgd",
    ) -> None:
        self.model, self.execution = model, execution
        self.loader = splits.train_eval.with_batch_size(training.batch_size).shuffled()
        self.reference = splits.train_eval.with_batch_size(1000)
        self.budget = budget or default_budget(training, len(self.loader), optimiser)

    def at(self, sparsity: float) -> FineTuned:
        """The magnitude mask of `sparsity`."""
        return finetune(
            self.model,
            magnitude_mask(self.model, sparsity),
            cross_entropy,
            self.loader,
            self.reference,
            self.budget,
            self.execution,
        )


@dataclass(frozen=True)
class Finetunings:
    """The threshold, every mask behind it by increasing sparsity, and the budget of each."""

    threshold: Interval
    points: tuple[FinetunePoint, ...]
    budget: FineTuning


def measure(run: Run, report: PruningLimit, curve: Sweep, so_far: Measurements) -> Finetunings:
    """Tune the dense network and both limits' masks, then bisect beyond the one-shot threshold."""
    config, execution = run.config, Execution(run.device, run.progress, run.world)
    bench = Tuning(
        run.model, run.splits, run.training, config.finetuning, execution, config.optimiser
    )

    def rise(sparsity: float) -> float:
        known = so_far.at(sparsity)
        if known is not None:
            return FinetunePoint(**known).rise
        tuned = bench.at(sparsity)
        (validation_loss, validation_accuracy), (test_loss, test_accuracy) = (
            evaluate(tuned.model, cross_entropy, part.with_batch_size(1000), run.device, run.world)
            for part in (run.splits.validation, run.splits.test)
        )
        point = FinetunePoint(
            sparsity=sparsity,
            rise=tuned.lowest_loss - report.loss.mean,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
        )
        so_far.add(asdict(point))
        return point.rise

    for sparsity in (0.0, float(report.paper.sparsity), float(report.sharp.sparsity)):
        rise(min(max(sparsity, 0.0), config.sparsest))
    threshold = existence_threshold(
        rise,
        report.epsilon,
        curve.largest_sparsity(report.epsilon),
        float(report.paper.sparsity),
        resolution=config.resolution,
        sparsest=config.sparsest,
        measurements=config.finetune_measurements,
    )
    points = sorted((FinetunePoint(**row) for row in so_far.rows), key=lambda row: row.sparsity)
    return Finetunings(threshold, tuple(points), bench.budget)
