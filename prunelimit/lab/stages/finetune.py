"""Stage: curve 4, real existence: the sparsity at which fine-tuning still meets L + ε."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from torch import nn

from prunelimit.estimates import Interval
from prunelimit.lab.stages.run import Run
from prunelimit.lab.store.measurements import Measurements
from prunelimit.lomp import TrainingConfig
from prunelimit.network.evaluate import evaluate
from prunelimit.pruning import magnitude_mask
from prunelimit.pruning.finetune import FineTuning, finetune
from prunelimit.pruning.threshold import find_crossing
from prunelimit.report import PruningLimit
from prunelimit.results.parts import FinetunePoint

KNOBS = ("resolution", "sparsest", "finetune_measurements", "finetuning")
"""Entries of the configuration that it reads."""


@dataclass(frozen=True)
class Finetunings:
    """The threshold, every mask behind it by increasing sparsity, and the budget of each."""

    threshold: Interval
    points: tuple[FinetunePoint, ...]
    budget: FineTuning


def default_budget(training: TrainingConfig, batches: int) -> FineTuning:
    """At least 12 epochs and at least 3,000 steps, at the training's own learning rate.

    Examples
    --------
    >>> from prunelimit.lab import tasks
    >>> default_budget(tasks.get("digits-mlp").training, batches=11).epochs
    273
    """
    return FineTuning(
        epochs=max(12, math.ceil(3000 / batches)),
        learning_rate=training.learning_rate,
        momentum=training.momentum,
    )


def measure(run: Run, report: PruningLimit, start: float, so_far: Measurements) -> Finetunings:
    """Tune the dense network and both limits' masks, then bisect from `start` on."""
    masks = _Masks(run, report, so_far)
    for sparsity in (0.0, float(report.paper.sparsity), float(report.sharp.sparsity)):
        masks.rise(min(max(sparsity, 0.0), run.config.sparsest))
    crossing = find_crossing(
        masks.rise,
        report.epsilon,
        min(start, 0.98),
        run.config.sparsest,
        guess=float(report.paper.sparsity),
        resolution=run.config.resolution,
        max_measurements=run.config.finetune_measurements,
    )
    points = sorted((FinetunePoint(**row) for row in so_far.rows), key=lambda row: row.sparsity)
    threshold = Interval(crossing.lower, crossing.value, crossing.upper)
    return Finetunings(threshold, tuple(points), masks.budget)


class _Masks:
    """Fine-tunes one magnitude mask after another, each from the trained weights."""

    def __init__(self, run: Run, report: PruningLimit, so_far: Measurements) -> None:
        self.run, self.report, self.so_far = run, report, so_far
        # Un-augmented: the loss that is trained has to be the one that defines S(ε).
        examples = run.splits.train_eval
        self.loader = examples.with_batch_size(run.training.batch_size).shuffled()
        self.reference = examples.with_batch_size(1000)
        self.budget = run.config.finetuning or default_budget(run.training, len(self.loader))

    def rise(self, sparsity: float) -> float:
        """The lowest loss found, above that of the dense network."""
        known = self.so_far.at(sparsity)
        point = self._tuned(sparsity) if known is None else FinetunePoint(**known)
        if known is None:
            self.so_far.add(asdict(point))
        return point.rise

    def _tuned(self, sparsity: float) -> FinetunePoint:
        run, loss_fn = self.run, nn.functional.cross_entropy
        tuned = finetune(
            run.model,
            magnitude_mask(run.model, sparsity),
            loss_fn,
            self.loader,
            self.reference,
            self.budget,
            device=run.device,
            progress=run.progress,
            world=run.world,
        )
        (validation_loss, validation_accuracy), (test_loss, test_accuracy) = (
            evaluate(tuned.model, loss_fn, part.with_batch_size(1000), run.device, run.world)
            for part in (run.splits.validation, run.splits.test)
        )
        return FinetunePoint(
            sparsity=sparsity,
            rise=tuned.lowest_loss - self.report.loss.mean,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
        )
