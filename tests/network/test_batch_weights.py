"""Weights of batches against one batch that holds all the data."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prunelimit.errors import PruneLimitError
from prunelimit.network.batch_weights import BatchWeights
from prunelimit.network.losses import loss_statistics
from prunelimit.spectrum import CurvatureOperator

CLASS_WEIGHTS = torch.tensor([0.2, 3.0, 1.0, 7.0], dtype=torch.float64)


def draw(n: int, *shape: int, ignored: int = 0, seed: int = 0):
    generator = torch.Generator().manual_seed(seed + n)
    targets = torch.randint(4, (n, *shape), generator=generator)
    if ignored:
        targets[..., -ignored:] = -100
    return torch.randn(n, 4, *shape, generator=generator), targets


def shifted(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A language model's loss: each position foretells the next."""
    return F.cross_entropy(outputs[..., :-1], targets[:, 1:])


CASES = {
    "plain": (F.cross_entropy, [draw(5), draw(2)], [5, 2]),
    "class weights": (
        nn.CrossEntropyLoss(weight=CLASS_WEIGHTS),
        [draw(5), draw(3)],
        [float(CLASS_WEIGHTS[draw(n)[1]].sum()) for n in (5, 3)],
    ),
    "ignored": (F.cross_entropy, [draw(2, 9, ignored=4), draw(3, 9)], [10, 27]),
    "lengths": (F.cross_entropy, [draw(2, 9), draw(2, 4), draw(3, 6, ignored=1)], [18, 8, 15]),
    "shifted": (shifted, [draw(2, 9, ignored=4), draw(2, 5)], [8, 8]),
    "none left": (F.cross_entropy, [draw(2, 3), draw(2, 3, ignored=3)], [6, 0]),
    "squares": (F.mse_loss, [(torch.ones(2, 3), torch.zeros(2, 3))] * 2, [2, 2]),
}


@pytest.mark.parametrize("name", CASES)
def test_weights_are_what_the_means_divide_by(name: str) -> None:
    loss_fn, batches, right = CASES[name]
    weights = BatchWeights(loss_fn)
    found = [weights.measure(*batch) for batch in batches]
    assert found[0] == pytest.approx(len(batches[0][0]))  # the unit
    for weight, expected in zip(found, right, strict=True):
        assert weight / found[0] == pytest.approx(expected / right[0], rel=1e-9, abs=1e-12)


def test_the_mean_over_batches_is_that_of_all_tokens() -> None:
    torch.manual_seed(0)
    model = nn.Conv1d(4, 4, 1)
    batches = [draw(3, 8, ignored=5), draw(4, 8), draw(2, 8, ignored=8)]
    inputs = [torch.randn(len(targets), 4, 8) for _, targets in batches]
    data = [(x, targets) for x, (_, targets) in zip(inputs, batches, strict=True)]
    together = F.cross_entropy(model(torch.cat(inputs)), torch.cat([t for _, t in batches]))
    assert loss_statistics(model, F.cross_entropy, data).mean == pytest.approx(
        float(together.detach())
    )


def clamped(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A mean over the targets that count, and 0 where there is none."""
    total = F.cross_entropy(outputs, targets, reduction="sum", ignore_index=-100)
    return total / (targets != -100).sum().clamp(min=1)


def satisfied(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A squared hinge: no slope where outputs exceed 1."""
    return F.relu(1 - outputs[:, 0]).square().mean()


@pytest.mark.parametrize("name", ["nothing counts", "a perfect fit"])
def test_a_first_batch_without_a_slope_is_weighed_by_a_later_one(name: str) -> None:
    model = nn.Linear(4, 4)
    inputs = [torch.randn(n, 4, generator=torch.Generator().manual_seed(n)) for n in (3, 5, 2)]
    if name == "nothing counts":
        targets = [
            torch.full((3,), -100),
            torch.tensor([0, 1, -100, 2, 3]),
            torch.tensor([1, -100]),
        ]
        loss_fn, counted = clamped, [0, 4, 1]
    else:
        with torch.no_grad():
            model.weight.zero_()
            model.weight[0, 0] = 1.0
            model.bias.zero_()
        inputs[0][:, 0], inputs[1][:, 0] = 2.0, 0.5
        targets, loss_fn, counted = [torch.zeros(n) for n in (3, 5, 2)], satisfied, [3, 5, 2]
    data = list(zip(inputs, targets, strict=True))
    with torch.no_grad():
        terms = [n * float(loss_fn(model(x), y)) for n, (x, y) in zip(counted, data, strict=True)]
    right = sum(terms) / sum(counted)
    assert loss_statistics(model, loss_fn, data).mean == pytest.approx(right)
    assert CurvatureOperator(model, loss_fn, data).loss == pytest.approx(right)


def test_one_of_another_shape_is_refused_where_it_may_be_a_perfect_fit_or_nothing() -> None:
    def squares(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs - targets).square().mean(1).mean()

    model = nn.Identity()
    model.weight = nn.Parameter(torch.zeros(2, 2))
    data = [(torch.zeros(4, 3), torch.zeros(4, 3)), (torch.ones(4, 5), torch.zeros(4, 5))]
    with pytest.raises(PruneLimitError, match="perfect fit or has no target"):
        loss_statistics(model, squares, data)
    again = [(*batch, 4.0) for batch in data]
    assert loss_statistics(model, squares, again).mean == pytest.approx(0.5)


def test_weights_given_for_some_batches_leave_the_others_to_be_measured() -> None:
    model = nn.Linear(4, 4)
    targets = [torch.tensor([0, 1, 2]), torch.full((3,), -100), torch.tensor([3, 2, 1, 0])]
    inputs = [torch.randn(len(t), 4) for t in targets]
    data = [(inputs[0], targets[0], 3.0), *zip(inputs[1:], targets[1:], strict=True)]
    together = F.cross_entropy(model(torch.cat(inputs)), torch.cat(targets))
    assert loss_statistics(model, clamped, data).mean == pytest.approx(float(together.detach()))


def test_given_weights_count() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    data = [(torch.ones(2, 1), torch.ones(2, 1), 3.0), (torch.ones(2, 1), torch.zeros(2, 1), 1)]
    assert loss_statistics(layer, F.mse_loss, data).mean == pytest.approx(0.75)


def test_refusals() -> None:
    with pytest.raises(PruneLimitError, match="mean"):
        BatchWeights(nn.CrossEntropyLoss(reduction="sum")).measure(*draw(4))
    weights = BatchWeights(nn.CrossEntropyLoss(weight=CLASS_WEIGHTS))
    weights.measure(*draw(4, 9))
    with pytest.raises(PruneLimitError, match="yield .inputs, targets, weight"):
        weights.measure(*draw(4, 5))
    for bad in ("many", -1.0, torch.ones(3)):
        with pytest.raises(PruneLimitError, match="third entry"):
            loss_statistics(
                nn.Linear(1, 1), F.mse_loss, [(torch.ones(2, 1), torch.ones(2, 1), bad)]
            )


def means_of_examples(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean over examples of the means over their own tokens."""
    losses = F.cross_entropy(outputs, targets, reduction="none")
    return (losses.sum(1) / (targets >= 0).sum(1)).mean()


def test_means_of_examples_weigh_examples_or_are_refused() -> None:
    outputs, targets = draw(3, 6)
    targets[0, 2:] = -100
    weights = BatchWeights(means_of_examples)
    assert weights.measure(*draw(4, 6)) == pytest.approx(4)
    assert weights.measure(outputs, targets) == pytest.approx(3)
    outputs, targets = draw(3, 5)  # another shape: tokens are counted, and these do not count alike
    targets[0, 2:] = -100
    with pytest.raises(PruneLimitError, match="yield .inputs, targets, weight"):
        weights.measure(outputs, targets)


def test_a_number_of_all_that_is_read_at_one_example_is_refused() -> None:
    """A mean over examples whose slopes are none: they gave batches of one size other weights."""

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        size = outputs[0, 4]  # the same at every example
        return F.cross_entropy(outputs[:, :4], targets) * (-size).exp() + size

    batches = [
        (torch.cat([0.5 * outputs, torch.full((len(outputs), 1), 0.3)], 1), targets)
        for outputs, targets in (draw(6), draw(6, seed=1))
    ]
    weights = BatchWeights(loss)
    weights.measure(*batches[0])
    with pytest.raises(PruneLimitError, match="at one example.*yield .inputs, targets, weight"):
        weights.measure(*batches[1])
