"""Copies of models that `copy.deepcopy` refuses, and copies that must be the same function."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from prunelimit.errors import PruneLimitError
from prunelimit.network.copies import copy_model, copy_together, place

CPU = torch.device("cpu")


class Turning(nn.Module):
    """Rotary embedding with a complex buffer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mix = nn.Linear(4, 4)
        self.register_buffer("turn", torch.polar(torch.ones(2), torch.tensor([0.7, 1.9])))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pairs = torch.view_as_complex(self.mix(x).view(-1, 2, 2))
        return torch.view_as_real(pairs * self.turn).flatten(1)


def tried(model: nn.Module, loss_fn, inputs: torch.Tensor, targets: torch.Tensor):
    def attempt(candidate: nn.Module, loss) -> torch.Tensor:
        kind = next(candidate.parameters()).dtype
        cast = [t.to(kind) if t.is_floating_point() else t for t in (inputs, targets)]
        return loss(candidate(cast[0]), cast[1])

    return place(model, loss_fn, attempt, CPU, torch.float64)


def test_complex_buffers_stay_complex() -> None:
    model, inputs = Turning(), torch.randn(5, 4)
    placed = tried(model, F.mse_loss, inputs, torch.zeros(5, 4))
    assert placed.note == "" and placed.model.turn.dtype == torch.complex128
    torch.testing.assert_close(placed.model(inputs.double()).float(), model(inputs))
    assert model.turn.dtype == torch.complex64 and model.mix.weight.dtype == torch.float32


def test_a_loss_that_reads_the_weights_keeps_the_model_in_its_own_precision() -> None:
    model = nn.Linear(3, 2)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(outputs, targets) + model.weight.square().sum()

    placed = tried(model, loss, torch.randn(4, 3), torch.zeros(4, 2))
    assert placed.model is model and placed.loss_fn is loss
    assert "float32" in placed.note and "partial" in placed.note


def test_a_loss_that_holds_the_model_is_copied_with_it() -> None:
    model = nn.Linear(3, 2)

    def loss(network: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(outputs, targets) + network.weight.square().sum()

    placed = tried(model, partial(loss, model), torch.randn(4, 3), torch.zeros(4, 2))
    assert placed.note == "" and placed.loss_fn.args[0] is placed.model
    copied, copied_loss = copy_together(model, partial(loss, model))
    assert copied_loss.args[0] is copied and copied is not model


class Bytes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.float() / 255)


class OwnState(nn.Module):
    """A recurrent layer that makes its first state itself, in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.RNNCell(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cell(x, torch.zeros(len(x), 2))


@pytest.mark.parametrize("model", [Bytes(), OwnState()])
def test_what_cannot_be_widened_stays_as_it_is_and_says_so(model: nn.Module) -> None:
    placed = tried(model, F.mse_loss, torch.randn(4, 3), torch.zeros(4, 2))
    assert placed.model is model and "own float32" in placed.note


def test_half_precision_is_computed_in_single() -> None:
    model = nn.Linear(3, 2).bfloat16()
    inputs = torch.randn(4, 3).bfloat16()
    placed = place(
        model,
        F.mse_loss,
        lambda m, loss: loss(m(inputs.to(m.weight)), torch.zeros(4, 2).to(m.weight)),
        CPU,
    )
    assert placed.half and placed.model.weight.dtype == torch.float32
    assert "bfloat16" in placed.note and model.weight.dtype == torch.bfloat16


def weight_normed() -> nn.Module:
    return torch.nn.utils.weight_norm(nn.Linear(3, 2))


def masked() -> nn.Module:
    return prune.l1_unstructured(nn.Linear(3, 2), "weight", 0.5)


class Keeps(nn.Module):
    """Holds what it computed last."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.history = nn.Linear(3, 2), []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.history.append({"last": self.layer(x)})
        return self.history[-1]["last"]


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
@pytest.mark.parametrize("build", [weight_normed, masked, Keeps])
def test_models_that_hold_graph_tensors_are_copied_after_a_step(build) -> None:
    model, inputs = build(), torch.randn(4, 3)
    model(inputs).square().sum().backward()
    copied = copy_model(model)
    torch.testing.assert_close(copied(inputs), model(inputs))
    before = [p.detach().clone() for p in model.parameters()]
    for parameter in copied.parameters():
        parameter.data.zero_()
    for parameter, value in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, value)


def test_what_cannot_be_copied_is_named() -> None:
    model = nn.Linear(1, 1)
    model.lock = threading.Lock()
    with pytest.raises(PruneLimitError, match=r"cannot be copied.*lock"):
        copy_model(model)


def test_a_forward_that_holds_the_original_is_refused_and_a_partial_copied() -> None:
    """The copy computed with the original's weights, so that pruning it changed nothing."""
    model, inputs = nn.Linear(3, 2), torch.ones(1, 3)
    before = model.forward
    model.forward = lambda x: before(x) * 2
    with pytest.raises(PruneLimitError, match="original's weights.*functools.partial"):
        copy_model(model)

    def doubled(module: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        return 2 * F.linear(x, module.weight, module.bias)

    model.forward = partial(doubled, model)
    copied = copy_model(model)
    copied.weight.data.zero_()
    torch.testing.assert_close(copied(inputs), 2 * model.bias[None])
    assert not torch.equal(copied(inputs), model(inputs))
