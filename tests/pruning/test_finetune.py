"""Fine-tuning keeps the mask and the best epoch, and says when it diverges."""

import copy
import math

import pytest
import torch
from network_support import classifier
from torch import nn

import prunelimit as pl
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import prunable_parameters, prunable_weights
from prunelimit.network.world import Execution
from prunelimit.pruning import (
    FineTuning,
    finetune,
    magnitude_mask,
)

cross_entropy = nn.functional.cross_entropy


def test_fine_tuning_keeps_the_mask_and_the_best_epoch() -> None:
    model, data = classifier()
    tuned = finetune(
        model,
        magnitude_mask(model, 0.7),
        cross_entropy,
        data,
        data,
        FineTuning(epochs=30, learning_rate=0.2),
        Execution("cpu"),
    )
    weights = prunable_weights(tuned.model)
    assert int((weights == 0).sum()) == round(0.7 * 81)
    assert tuned.lowest_loss < tuned.losses[0] and len(tuned.losses) == 31
    assert evaluate(tuned.model, cross_entropy, data, "cpu")[0] == pytest.approx(
        tuned.lowest_loss, rel=1e-5
    )


def test_fine_tuning_that_diverges_says_so() -> None:
    model, data = classifier()
    with pytest.raises(pl.PruneLimitError, match="learning_rate"):
        finetune(
            model,
            magnitude_mask(model, 0.1),
            lambda outputs, targets: (outputs**4).mean() * 1e30,
            data,
            data,
            FineTuning(epochs=3, learning_rate=1e10),
            Execution("cpu"),
        )
    with pytest.raises(pl.PruneLimitError, match="epochs"):
        FineTuning(epochs=0)
    with pytest.raises(pl.PruneLimitError, match="optimiser is 'lion'; it must be sgd or adam"):
        FineTuning(optimiser="lion")


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_adam_begins_with_a_step_that_is_a_share_of_the_survivors(scale: float) -> None:
    layer = nn.Linear(4, 1, bias=False).double()
    layer.weight.data = scale * torch.tensor([[0.1, -3.0, 4.0, 0.2]], dtype=torch.float64)
    data = [(torch.eye(4, dtype=torch.float64), torch.zeros(4, 1, dtype=torch.float64))]
    budget = FineTuning(epochs=1, learning_rate=0.05, optimiser="adam")
    tuned = finetune(layer, magnitude_mask(layer, 0.5), nn.functional.mse_loss, data, data, budget)
    step = 0.05 * math.sqrt((3**2 + 4**2) / 2) * scale  # each survivor, against its gradient's sign
    assert tuned.model.weight.tolist()[0] == pytest.approx(
        [0, step - 3 * scale, 4 * scale - step, 0], rel=1e-6
    )


def test_adam_trains_survivors_that_are_all_zero() -> None:
    model, data = classifier()
    masks = magnitude_mask(model, 0.5)
    for weight in prunable_parameters(model).values():
        weight.data.zero_()
    tuned = finetune(model, masks, cross_entropy, data, data, FineTuning(3, 0.01, optimiser="adam"))
    assert tuned.lowest_loss < tuned.losses[0]


@pytest.mark.parametrize("layout", ["transposed", "channels last"])
def test_adam_trains_alike_however_weights_lie_in_memory(layout: str) -> None:
    torch.manual_seed(0)
    images, targets = torch.randn(40, 3, 6, 6), torch.randint(4, (40,))
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(80, 4)).double()
    data = [(images.double(), targets)]
    other = copy.deepcopy(model)
    if layout == "transposed":
        other[3].weight = nn.Parameter(other[3].weight.detach().t().contiguous().t())
    else:
        other = other.to(memory_format=torch.channels_last)
    assert not all(p.is_contiguous() for p in other.parameters())
    budget = FineTuning(epochs=5, learning_rate=0.05, optimiser="adam")
    one, two = (
        finetune(m, magnitude_mask(m, 0.6), cross_entropy, data, data, budget)
        for m in (model, other)
    )
    assert one.losses == pytest.approx(two.losses) and one.lowest_loss < one.losses[0]


def test_a_loss_that_reads_the_dense_model_is_refused() -> None:
    model, data = classifier()

    def with_decay(outputs, targets):
        return cross_entropy(outputs, targets) + 1e-3 * model[0].weight.square().sum()

    budget = FineTuning(epochs=1, learning_rate=0.1)
    with pytest.raises(pl.PruneLimitError, match="read the weights.*weight decay"):
        finetune(model, magnitude_mask(model, 0.7), with_decay, data, data, budget)
