"""Where a model is computed, and that it stays where its owner has it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.device import at_device, deterministic_kernels, resolve_device
from prunelimit.network.evaluate import evaluate
from prunelimit.network.losses import batch_losses, loss_statistics
from prunelimit.network.world import Execution, World
from prunelimit.pruning import FineTuning, finetune, magnitude_mask, sweep
from prunelimit.spectrum import CurvatureOperator

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
DATA = [(torch.eye(3), torch.tensor([0, 1, 1]))]
LOSS = nn.functional.cross_entropy
ELSEWHERE = torch.device("meta")
"""A second device that every machine has; it computes shapes, so that only its numbers fail."""


class Elsewhere(World):
    """A process whose device is not the model's."""

    def device(self, name: str | torch.device = "auto") -> torch.device:
        return ELSEWHERE


class Anchored(nn.Linear):
    """A layer that must not be moved; only its copies may be."""

    anchored = True

    def _apply(self, fn, recurse=True):
        assert not self.anchored, "the caller's model was moved"
        return super()._apply(fn, recurse)

    def __deepcopy__(self, memo):
        copied = nn.Linear(self.in_features, self.out_features)
        copied.load_state_dict(self.state_dict())
        return copied


def measurements(device: str) -> dict[str, object]:
    """Everything that computes with a caller's model, by name."""
    masks = magnitude_mask(nn.Linear(3, 2), 0.5)
    budget = FineTuning(epochs=1)
    return {
        "evaluate": lambda m: evaluate(m, LOSS, DATA, device),
        "batch_losses": lambda m: batch_losses(m, LOSS, DATA, device),
        "loss_statistics": lambda m: loss_statistics(m, LOSS, DATA, device),
        "sweep": lambda m: sweep(m, LOSS, DATA, [0.5], device=device),
        "finetune": lambda m: finetune(m, masks, LOSS, DATA, DATA, budget, Execution(device)),
        "operator": lambda m: CurvatureOperator(m, LOSS, DATA, device=device).dense(),
    }


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("what", list(measurements("cpu")))
def test_the_model_stays_where_it_is(what: str, device: str) -> None:
    model = Anchored(3, 2)
    measurements(device)[what](model)
    assert model.weight.device.type == "cpu" and model.training


@pytest.mark.parametrize("what", list(measurements("cpu")))
@pytest.mark.parametrize("device", ["meta", "cuda:99", "abacus"])
def test_a_device_is_obeyed_or_refused(what: str, device: str) -> None:
    with pytest.raises(PruneLimitError, match="device"):
        measurements(device)[what](nn.Linear(3, 2))


@pytest.mark.parametrize("measure", [evaluate, batch_losses])
def test_what_fails_elsewhere_leaves_the_model_here(measure) -> None:
    model = Anchored(3, 2)
    seen = []

    def failing(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(outputs.device)
        raise ZeroDivisionError

    with pytest.raises((ZeroDivisionError, PruneLimitError)):
        measure(model, failing, DATA, world=Elsewhere())
    assert seen == [ELSEWHERE] and model.weight.device.type == "cpu" and model.training


def test_a_loss_with_weights_goes_along() -> None:
    loss = nn.CrossEntropyLoss(weight=torch.ones(2))
    model = nn.Linear(3, 2)
    placed, placed_loss = at_device(model, loss, ELSEWHERE)
    assert placed.weight.device == placed_loss.weight.device == ELSEWHERE
    assert model.weight.device == loss.weight.device == torch.device("cpu")
    assert at_device(model, loss, torch.device("cpu")) == (model, loss)
    assert at_device(model, LOSS, ELSEWHERE)[1] is LOSS


def test_a_buffer_that_lies_elsewhere_is_fetched() -> None:
    model = nn.BatchNorm1d(2)
    model.running_mean = torch.empty(2, device="meta")
    placed, _ = at_device(model, LOSS, ELSEWHERE)
    assert placed is not model and placed.weight.device == ELSEWHERE


def test_auto_is_a_device_of_this_machine() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    if not torch.backends.mps.is_available():
        assert resolve_device("auto").type == expected


def test_deterministic_kernels_are_put_back_after_a_failure() -> None:
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    with pytest.raises(ZeroDivisionError), deterministic_kernels():
        assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (True, False)
        raise ZeroDivisionError
    assert before == (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
