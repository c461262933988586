"""Examples that a model or a loss cannot take one by one, or that a model answers by chance."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from dense_support import dense_ggn
from torch import nn
from torch.nn import functional as F

from prunelimit.errors import PruneLimitError
from prunelimit.network.losses import loss_statistics
from prunelimit.spectrum import CurvatureOperator, hessian_spectrum

X = torch.randn(24, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(24) % 3
DATA = list(zip(X.split(12), Y.split(12), strict=True))


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def hardest(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, targets, reduction="none").topk(9).values.mean()


def paired(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs @ outputs.T, targets.new_tensor(range(12)))


@pytest.mark.parametrize("measure", [hessian_spectrum, loss_statistics])
@pytest.mark.parametrize("loss_fn", [hardest, paired])
def test_losses_that_need_whole_batches_are_refused(loss_fn, measure) -> None:
    with pytest.raises(PruneLimitError, match="is no mean over examples"):
        measure(network(), loss_fn, DATA)


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_column_against_a_vector_is_told_by_its_shapes() -> None:
    column = nn.Sequential(nn.Linear(4, 1))
    data = [(X, Y.float())]
    with pytest.raises(PruneLimitError, match="not broadcast against each other"):
        hessian_spectrum(column, F.mse_loss, data)


@pytest.mark.parametrize("measure", [hessian_spectrum, loss_statistics])
def test_a_label_out_of_range_in_a_later_batch_is_told(measure) -> None:
    with pytest.raises(PruneLimitError, match=r"IndexError: Target 7 is out of bounds\. Look for"):
        measure(network(), F.cross_entropy, [*DATA, (X[:2], torch.tensor([0, 7]))])


class Skips(nn.Module):
    """Leaves a layer out by chance, in eval mode too."""

    def __init__(self, often: float) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)
        self.often = often

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(x if torch.rand(()) < self.often else torch.tanh(self.first(x)))


@pytest.mark.parametrize("seed", range(12))
def test_a_layer_left_out_by_chance_is_found_however_the_dice_fall(seed: int) -> None:
    """Missed with probability 0.75^30, about 1 in 5,600."""
    model = Skips(0.25)
    torch.manual_seed(seed)
    with pytest.raises(PruneLimitError, match="stays on in eval mode"):
        CurvatureOperator(model, F.cross_entropy, DATA)


def test_a_model_may_draw_what_it_does_not_use() -> None:
    assert CurvatureOperator(Skips(-1.0), F.cross_entropy, DATA).dim == 28


def test_gradient_hooks_do_not_reach_the_products() -> None:
    plain, hooked = network(), network()
    for parameter in hooked.parameters():
        parameter.register_hook(lambda gradient: gradient.clamp(-1e-3, 1e-3))
    found = CurvatureOperator(hooked, F.cross_entropy, DATA)
    right = dense_ggn(plain, plain(X), lambda outputs: F.cross_entropy(outputs, Y))
    torch.testing.assert_close(found.dense(), right, rtol=1e-4, atol=1e-6)
    assert all(len(parameter._backward_hooks) == 1 for parameter in hooked.parameters())


class Scaled(nn.Module):
    """A backward hook of a module doubles what flows through it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()
        self.net[2].register_full_backward_hook(lambda module, before, after: (2 * before[0],))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def test_a_backward_hook_that_changes_gradients_is_refused() -> None:
    with pytest.raises(PruneLimitError, match="is not the derivative of the loss"):
        hessian_spectrum(Scaled(), F.cross_entropy, DATA)


class Bag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.words, self.head = nn.EmbeddingBag(9, 4, mode="mean"), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.words(x))


@pytest.mark.parametrize(
    "policy, method",
    [(p, m) for p in ("ggn", "abs") for m in ("dense", "lanczos")] + [("ggn", "gram")],
)
def test_a_layer_without_second_derivative_is_told_and_its_remedy_works(policy, method) -> None:
    model, data = Bag(), [(torch.arange(48).view(24, 2) % 9, Y)]
    with pytest.raises(PruneLimitError, match="EmbeddingBag as Embedding and mean"):
        hessian_spectrum(
            model, F.cross_entropy, data, policy, method=method, parameters=["words.weight"]
        )
    assert hessian_spectrum(model, F.cross_entropy, data, policy, method="dense").dim == 12


def test_the_gram_form_may_be_larger_than_the_matrix() -> None:
    model = network().double()
    data = [(x.double(), y) for x, y in DATA]
    small = hessian_spectrum(model[:1], F.cross_entropy, [(x, y) for x, y in data], method="gram")
    right = hessian_spectrum(model[:1], F.cross_entropy, data, method="dense")
    assert small.dim == right.dim == 20 < 24 * 5
    for ridge in (0.01, 0.1, 1.0):
        found, truth = small.effective_dimension(ridge), right.effective_dimension(ridge).value
        assert found.lower - 1e-6 <= truth <= found.upper + 1e-6


def test_class_weights_in_single_precision_pass_through_double() -> None:
    model, weights = network(), torch.tensor([1.0, 3.0, 0.2])

    def closed(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs, targets, weight=weights, label_smoothing=0.1)

    loss_fn = nn.CrossEntropyLoss(weight=weights, label_smoothing=0.1)
    right = loss_fn(model(X), Y).item()
    for given in (loss_fn, closed):
        assert loss_statistics(model, given, DATA).mean == pytest.approx(right, rel=1e-5)
        assert hessian_spectrum(model, given, DATA).loss == pytest.approx(right, rel=1e-5)


def test_weights_that_the_loss_does_not_divide_by_are_refused() -> None:
    weight = torch.linspace(0.1, 3.0, 24)
    given = list(zip(X.split(12), Y.split(12), weight.split(12), strict=True))
    with pytest.raises(PruneLimitError, match="are not what the loss divides by"):
        hessian_spectrum(network(), F.cross_entropy, given)

    # What it does divide by, and what is said to be done where it should.
    by_class = torch.tensor([1.0, 2.0, 0.5])
    loss = nn.CrossEntropyLoss(weight=by_class)
    divided = list(zip(X.split(12), Y.split(12), by_class[Y].split(12), strict=True))
    assert trace(loss, divided) == pytest.approx(dense_trace(lambda out: loss(out, Y)), rel=1e-4)

    def of_each(outputs: torch.Tensor, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        each = F.cross_entropy(outputs, targets["targets"], reduction="none")
        return (targets["weight"] * each).mean()

    packed = [(x, {"targets": y, "weight": w}) for x, y, w in given]
    expected = dense_trace(lambda out: of_each(out, {"targets": Y, "weight": weight}))
    assert trace(of_each, packed) == pytest.approx(expected, rel=1e-4)


def trace(loss_fn: Callable[..., torch.Tensor], data: list) -> float:
    return hessian_spectrum(network(), loss_fn, data).trace().value


def dense_trace(loss: Callable[[torch.Tensor], torch.Tensor]) -> float:
    model = network()
    return float(dense_ggn(model, model(X), loss).trace())
