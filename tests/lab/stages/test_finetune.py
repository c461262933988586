"""Each mask is tuned from the trained weights, on the examples that define the loss."""

import pytest
import torch
from torch import nn

from prunelimit.budgets import FineTuning
from prunelimit.lab.data import load
from prunelimit.lab.stages.finetune import Tuning, default_budget
from prunelimit.network.evaluate import evaluate
from prunelimit.network.world import Execution
from prunelimit.pruning.finetune import default_finetuning
from prunelimit.recipe import TrainingConfig


def test_masks_are_tuned_apart_and_the_model_is_left_alone() -> None:
    splits = load("digits").limited(60)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = model[1].weight.clone()
    config = TrainingConfig(epochs=1, batch_size=20)
    bench = Tuning(model, splits, config, FineTuning(epochs=2), Execution("cpu", False))
    first, again = bench.at(0.5), bench.at(0.5)
    assert first.losses == again.losses and torch.equal(model[1].weight, before)
    assert int((first.model[1].weight == 0).sum()) == 320
    loss, _ = evaluate(first.model, nn.functional.cross_entropy, splits.train_eval, "cpu")
    assert first.lowest_loss == pytest.approx(loss)
    assert len(first.losses) == 1 + 2


def test_few_batches_get_many_epochs() -> None:
    config = TrainingConfig(epochs=1, learning_rate=0.3)
    assert default_budget(config, batches=10).epochs == 300
    assert default_budget(config, batches=10_000) == FineTuning(12, 0.3, config.momentum)
    assert default_budget(config, batches=10, optimiser="adam") == FineTuning.by_adam(300)
    assert default_finetuning([None] * 10) == FineTuning.by_adam(200)
