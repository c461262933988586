"""What a loss does with the outputs: notes and refusals, each with a remedy that works."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from dense_support import dense_ggn, dense_hessian
from torch import nn
from torch.nn import functional as F

from prunelimit.errors import PruneLimitError
from prunelimit.spectrum import CurvatureOperator, hessian_spectrum
from prunelimit.spectrum.outputs import PROBABILITY_NOTE, TWICE_NOTE

X = torch.randn(24, 4, generator=torch.Generator().manual_seed(0)).double()
Y = torch.arange(24) % 3


def network(*last: nn.Module) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3), *last).double()


def log_nll(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.nll_loss(outputs.log(), targets)


def one_hot(loss_fn, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return loss_fn(outputs, F.one_hot(targets, 3).double())


NOTED = {
    "softmax, then cross-entropy": (nn.Softmax(1), F.cross_entropy, TWICE_NOTE),
    "softmax, then its logarithm": (nn.Softmax(1), log_nll, PROBABILITY_NOTE),
    "sigmoid": (nn.Sigmoid(), partial(one_hot, F.binary_cross_entropy), PROBABILITY_NOTE),
    "sigmoid for a distance": (nn.Sigmoid(), partial(one_hot, F.mse_loss), None),
    "logits": (nn.Identity(), F.cross_entropy, None),
}


@pytest.mark.parametrize("name", NOTED)
def test_probabilities_are_said_and_the_matrix_is_that_of_the_loss(name: str) -> None:
    last, loss_fn, note = NOTED[name]
    model = network(last)
    operator = CurvatureOperator(model, loss_fn, [(X, Y)])
    right = dense_ggn(model, model(X), lambda outputs: loss_fn(outputs, Y))
    torch.testing.assert_close(operator.dense(), right, rtol=1e-8, atol=1e-11)
    assert [text for text in operator.notes if "probabilities" in text] == [note] * bool(note)


def multi_margin(outputs: torch.Tensor, targets: torch.Tensor, p: int = 2) -> torch.Tensor:
    return F.multi_margin_loss(outputs, targets, p=p)


def written_out(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """`multi_margin` in operations that torch differentiates twice."""
    margins = (1 - outputs.gather(1, targets[:, None]) + outputs).relu().square()
    return (margins.sum(1) - 1).mean() / outputs.shape[1]


def test_losses_without_a_second_derivative_are_told_from_those_with_kinks() -> None:
    torch.testing.assert_close(multi_margin(network()(X), Y), written_out(network()(X), Y))
    with pytest.raises(PruneLimitError, match="cannot be differentiated twice"):
        CurvatureOperator(network(), multi_margin, [(X, Y)])
    with pytest.raises(PruneLimitError, match="piecewise linear"):
        CurvatureOperator(network(), partial(multi_margin, p=1), [(X, Y)])
    assert float(CurvatureOperator(network(), written_out, [(X, Y)]).dense().trace()) > 0.01


def test_ctc_is_no_piecewise_linear_loss() -> None:
    def ctc(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        lengths = torch.full((len(targets),), 6), torch.full((len(targets),), 2)
        return F.ctc_loss(outputs.log_softmax(-1).transpose(0, 1), targets, *lengths)

    x, t = X.view(4, 6, 4), 1 + torch.arange(8).view(4, 2) % 2
    with pytest.raises(PruneLimitError, match="ctc_loss and multi_margin_loss have none"):
        CurvatureOperator(network(), ctc, [(x, t)])


def decayed(model: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    decay = sum(parameter.square().sum() for parameter in model.parameters())
    return F.cross_entropy(outputs, targets) + 0.5 * decay


def lassoed(model: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, targets) + sum(p.abs().sum() for p in model.parameters())


def test_weight_decay_in_the_loss_is_in_the_hessian_and_refused_for_gauss_newton() -> None:
    model = network()
    with pytest.raises(PruneLimitError, match="use policy='abs' or 'clip'"):
        hessian_spectrum(model, partial(decayed, model), [(X, Y)], "ggn")
    operator = CurvatureOperator(model, partial(decayed, model), [(X, Y)], "hessian")
    right = dense_hessian(model, lambda: F.cross_entropy(model(X), Y))
    torch.testing.assert_close(operator.dense(), right + torch.eye(35).double())


def test_an_l1_penalty_has_no_curvature_to_miss() -> None:
    model = network()
    operator = CurvatureOperator(model, partial(lassoed, model), [(X, Y)])
    right = dense_ggn(model, model(X), lambda outputs: F.cross_entropy(outputs, Y))
    torch.testing.assert_close(operator.dense(), right, rtol=1e-8, atol=1e-11)
