"""Magnitude masks with their survivors fine-tuned: real existence."""

from __future__ import annotations

import math

from torch import nn
from torch.nn.functional import cross_entropy

from prunelimit.budgets import FineTuning
from prunelimit.lab.data import Splits
from prunelimit.network.world import USUAL, Execution
from prunelimit.pruning import magnitude_mask
from prunelimit.pruning.finetune import FineTuned, finetune
from prunelimit.recipe import TrainingConfig


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
    budget
        Of each mask; by default `default_budget`.
    training
        How the network was trained, in batches of what size.
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
    ) -> None:
        self.model, self.execution = model, execution
        self.loader = splits.train_eval.with_batch_size(training.batch_size).shuffled()
        self.reference = splits.train_eval.with_batch_size(1000)
        self.budget = budget or default_budget(training, len(self.loader))

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
