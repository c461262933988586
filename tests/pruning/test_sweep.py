"""The sweep against pruning one network at a time."""

import numpy as np
import pytest
import torch
from network_support import classifier
from torch import nn

import prunelimit as pl
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import prunable_weights
from prunelimit.pruning import (
    apply_masks,
    make_permanent,
    random_mask,
    sweep,
)
from prunelimit.records import from_plain, to_plain

cross_entropy = nn.functional.cross_entropy


def test_a_thousand_sparsities_agree_with_pruning_each_alone() -> None:
    model, data = classifier()
    sparsities = np.linspace(0, 1, 1000, endpoint=False)
    np.random.default_rng(0).shuffle(sparsities)
    curve = pl.sweep(model, cross_entropy, data, sparsities)
    assert curve.sparsities.tolist() == sparsities.tolist()
    for i in range(0, 1000, 111):
        loss, accuracy = evaluate(pl.prune(model, sparsities[i]), cross_entropy, data, "cpu")
        assert curve.loss[i] == pytest.approx(loss) and curve.accuracy[i] == accuracy
        assert curve.kept[i] == 81 - round(81 * sparsities[i])


class Mixed(nn.Module):
    """A layer of single and one of double precision."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(5, 9), nn.Linear(9, 4).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.first(x)).double())


def test_each_layer_is_pruned_in_its_own_precision() -> None:
    model, data = Mixed().eval(), classifier()[1]
    sparsities = [0.2, 0.5, 0.8]
    curve = pl.sweep(model, cross_entropy, data, sparsities)
    for loss, sparsity in zip(curve.loss, sparsities, strict=True):
        alone = evaluate(pl.prune(model, sparsity), cross_entropy, data, "cpu")[0]
        assert loss == pytest.approx(alone, rel=1e-9)


def test_the_model_is_left_alone() -> None:
    model, data = classifier()
    before = prunable_weights(model).clone()
    sweep(model, cross_entropy, data, [0.9])
    assert torch.equal(before, prunable_weights(model))


def test_another_order_gives_the_random_control() -> None:
    model, data = classifier()
    order = torch.randperm(81, generator=torch.Generator().manual_seed(3))
    curve = sweep(model, cross_entropy, data, [0.5], order=order)
    control = make_permanent(apply_masks(classifier()[0], random_mask(model, 0.5, seed=3)))
    assert curve.loss[0] == pytest.approx(evaluate(control, cross_entropy, data, "cpu")[0])


def test_the_first_crossing_counts() -> None:
    curve = pl.sweep(*_args_of_constant())
    bumpy = type(curve)(
        sparsities=np.array([0.0, 0.2, 0.4, 0.6]),
        kept=np.array([10, 8, 6, 4]),
        loss=np.array([1.0, 1.05, 1.5, 1.0]),
        accuracy=np.full(4, np.nan),
        dim=10,
        dense_loss=1.0,
        dense_accuracy=float("nan"),
    )
    assert bumpy.largest_sparsity(0.1) == 0.2
    assert bumpy.largest_sparsity(1.0) == 0.6
    again = from_plain(type(curve), to_plain(bumpy))
    assert again.loss.tolist() == bumpy.loss.tolist() and np.isnan(again.accuracy).all()


def _args_of_constant() -> tuple:
    model, data = classifier()
    return model, cross_entropy, data, [0.0]


def test_regression_has_no_accuracy() -> None:
    torch.manual_seed(0)
    data = [(torch.randn(6, 3), torch.randn(6, 1))]
    curve = sweep(nn.Linear(3, 1), nn.functional.mse_loss, data, [0.0, 0.7])
    assert np.isnan(curve.accuracy).all() and np.isfinite(curve.loss).all()


def test_bad_input_is_refused() -> None:
    model, data = classifier()
    for wrong in ([], 0.5, None, ["half"], [[0.1]]):
        with pytest.raises(pl.PruneLimitError, match=r"sparsit(y|ies) (is|must be) .*\[0, 1\)"):
            sweep(model, cross_entropy, data, wrong)
    with pytest.raises(pl.PruneLimitError, match=r"\[0, 1\)"):
        sweep(model, cross_entropy, data, [0.5, 1.0])
    with pytest.raises(pl.PruneLimitError, match="empty"):
        sweep(model, cross_entropy, [], [0.5])
    with pytest.raises(pl.PruneLimitError, match="permutation"):
        sweep(model, cross_entropy, data, [0.5], order=torch.zeros(81, dtype=torch.long))


@pytest.mark.parametrize("kind", [list, np.array])
def test_an_order_may_be_a_list_or_an_array(kind) -> None:
    model, data = classifier()
    order = torch.randperm(81, generator=torch.Generator().manual_seed(3))
    given = sweep(model, cross_entropy, data, [0.5], order=kind(order.tolist()))
    assert given.loss[0] == sweep(model, cross_entropy, data, [0.5], order=order).loss[0]
    with pytest.raises(pl.PruneLimitError, match="permutation of 0 … 80"):
        sweep(model, cross_entropy, data, [0.5], order=order.double())


class Folded(nn.Module):
    """Keeps a transposed weight, and makes it anew where it trains or gradients flow."""

    def __init__(self, always: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.kept, self.always = nn.Linear(5, 4), None, always

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and not self.always:
            self.kept = None
            return self.layer(x)
        if self.kept is None:
            self.kept = self.layer.weight.detach().T.clone()
        return x @ self.kept + self.layer.bias


@pytest.mark.parametrize("always", [False, True])
def test_a_model_that_keeps_what_it_made_of_its_weights_is_refused(always) -> None:
    model, data = Folded(always).eval(), classifier()[1]
    with pytest.raises(pl.PruneLimitError, match="keeps something that it made of its weights"):
        sweep(model, cross_entropy, data, [0.5])
    with pytest.raises(pl.PruneLimitError, match="keeps something that it made of its weights"):
        pl.find_limit(model, cross_entropy, data, start=0.5, epsilon=0.1)
    assert model.kept is None


def test_data_that_change_from_pass_to_pass_are_refused() -> None:
    model, ((inputs, targets), *_) = classifier()

    def noisy(batch):
        x, y = (torch.stack(part) for part in zip(*batch, strict=True))
        return x + 0.3 * torch.randn(x.shape), y

    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(inputs, targets), 8, collate_fn=noisy
    )
    with pytest.raises(pl.PruneLimitError, match="change from pass to pass"):
        sweep(model, cross_entropy, loader, [0.5])
    with pytest.raises(pl.PruneLimitError, match=r"by a loop of your own, finetune="):
        pl.find_limit(model, cross_entropy, loader, start=0.5, epsilon=0.1)


def test_a_graph_whose_rows_belong_together_is_swept() -> None:
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.Linear(5, 4)
            self.register_buffer("links", torch.rand(200, 200).softmax(1))

        def forward(self, nodes: torch.Tensor) -> torch.Tensor:
            return self.links @ self.layer(nodes)

    data = [(torch.randn(200, 5), torch.arange(200) % 4)]
    curve = sweep(Graph().eval(), cross_entropy, data, [0.5])
    assert np.isfinite(curve.loss).all() and curve.kept.tolist() == [10]
