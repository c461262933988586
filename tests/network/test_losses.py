"""The loss batch by batch against torch's own, and what is said of data that have none."""

import math

import numpy as np
import pytest
import torch
from network_support import trained
from torch import nn
from torch.nn.functional import cross_entropy

import prunelimit as pl
from prunelimit import PruneLimitError
from prunelimit.network.copies import copy_model
from prunelimit.network.losses import (
    batch_losses,
    check_first_batch,
    loss_statistics,
    refuse_foreign_reading,
    weighed_batches,
)


@pytest.fixture(scope="module")
def case():
    return trained(nn.Tanh, 1e-3, 0)


def test_the_mean_is_that_of_all_examples_and_the_deviation_that_of_full_batches(case) -> None:
    model, batches = case
    found = loss_statistics(model, cross_entropy, batches)
    with torch.no_grad():
        losses = [float(cross_entropy(model(x), y)) for x, y in batches]
        inputs, targets = (torch.cat(part) for part in zip(*batches, strict=True))
        whole = float(cross_entropy(model(inputs), targets))
    assert [len(y) for _, y in batches] == [50, 50, 50, 50, 30]
    assert found.mean == pytest.approx(whole, rel=1e-6)
    assert found.batch_std == pytest.approx(np.std(losses[:4], ddof=1), rel=1e-6)
    assert (found.batch_size, found.batches, found.examples) == (50, 5, 230)
    rows = batch_losses(model, cross_entropy, batches)
    assert [row[:2] for row in rows] == [(50, 50.0)] * 4 + [(30, 30.0)]
    assert [row[2] for row in rows] == pytest.approx(losses, rel=1e-6)


def test_one_batch_has_no_deviation(case) -> None:
    model, batches = case
    assert math.isnan(loss_statistics(model, cross_entropy, batches[:1]).batch_std)


def test_the_mode_and_the_gradients_stay(case) -> None:
    model, batches = case
    model.train()
    try:
        loss_statistics(model, cross_entropy, batches)
        assert model.training
        assert all(parameter.requires_grad for parameter in model.parameters())
    finally:
        model.eval()


def test_batches_count_by_what_their_means_divide_by(case) -> None:
    model, batches = case
    assert weighed_batches(model, cross_entropy, batches)[0] is None
    ignored = [(x, torch.where(torch.arange(len(y)) < 10, -100, y)) for x, y in batches]
    weights, mean = weighed_batches(model, cross_entropy, ignored)
    assert weights is not None
    assert weights[4] / weights[0] == pytest.approx(20 / 40)
    assert mean == pytest.approx(loss_statistics(model, cross_entropy, ignored).mean)


def test_data_without_a_loss_are_refused(case) -> None:
    model, batches = case
    with pytest.raises(PruneLimitError, match="loader is empty"):
        batch_losses(model, cross_entropy, [])
    with pytest.raises(PruneLimitError, match="one number"):
        batch_losses(model, nn.CrossEntropyLoss(reduction="none"), batches)
    with pytest.raises(PruneLimitError, match="fail on the first batch"):
        check_first_batch(model, cross_entropy, [(torch.ones(2, 5), torch.zeros(2).long())])


@pytest.mark.parametrize(
    ("call", "given"),
    [(pl.sweep, {"sparsities": [0.5]}), (pl.find_limit, {"start": 0.5, "epsilon": 0.1})],
)
def test_what_loss_fn_raises_is_explained_by_every_call(case, call, given) -> None:
    model, batches = case
    with pytest.raises(PruneLimitError, match="IndexError"):
        call(model, lambda z, t: cross_entropy(z, t) + z[:, 0].sum(1), batches, **given)


@pytest.mark.parametrize("trained_on", [True, False])
def test_a_loss_that_goes_on_reading_the_original_is_refused(case, trained_on: bool) -> None:
    copied, batches = case
    model = copy_model(copied)
    refuse_foreign_reading(model, cross_entropy, batches, copied)

    def with_decay(outputs, targets):
        return cross_entropy(outputs, targets) + 1e-3 * model[0].weight.square().sum()

    def without_graph(outputs, targets):
        return cross_entropy(outputs, targets) + 1e-3 * model[0].weight.data[0].norm()

    model.requires_grad_(trained_on)
    for loss in (with_decay, without_graph):
        with pytest.raises(PruneLimitError, match="read the weights of the model that was given"):
            refuse_foreign_reading(model, loss, batches, copied)


def test_a_batch_without_a_target_that_counts_is_none_of_the_deviation(case) -> None:
    model, batches = case
    full = batches[:4]
    ignored = [full[0], (full[1][0], torch.full_like(full[1][1], -100)), *full[2:]]
    found = loss_statistics(model, cross_entropy, ignored)
    with torch.no_grad():
        losses = [float(cross_entropy(model(x), y)) for x, y in (full[0], *full[2:])]
    assert found.batch_std == pytest.approx(np.std(losses, ddof=1), rel=1e-6)
    assert (found.mean, found.batches) == (pytest.approx(np.mean(losses)), 3)


def test_a_loss_of_no_target_at_all_is_refused(case) -> None:
    model, batches = case
    nothing = [(x, torch.full_like(y, -100)) for x, y in batches]
    for ask in (
        lambda: pl.sweep(model, cross_entropy, nothing, [0.0]),
        lambda: pl.find_limit(model, cross_entropy, nothing, epsilon=0.1, start=0.5),
    ):
        with pytest.raises(PruneLimitError, match="every target is ignored"):
            ask()


def test_half_precision_outputs_have_their_loss_in_double(case) -> None:
    model, batches = case
    half = copy_model(model).bfloat16()
    rows = [(x.bfloat16(), y) for x, y in batches]
    with torch.no_grad():
        pairs = [(half(x).double(), y) for x, y in rows]
    right = sum(len(y) * float(cross_entropy(z, y)) for z, y in pairs) / sum(
        len(y) for _, y in pairs
    )
    assert loss_statistics(half, cross_entropy, rows).mean == pytest.approx(right, rel=1e-9)
    assert pl.sweep(half, cross_entropy, rows, [0.0]).dense_loss == pytest.approx(right, rel=1e-9)


def test_a_loader_that_fills_the_same_tensors_anew_is_read_as_its_batches(case) -> None:
    model, batches = case
    batches = [(x, torch.where(torch.arange(len(y)) < 5, -100, y)) for x, y in batches[:4]]

    class Same:
        def __iter__(self):
            inputs, targets = (torch.empty_like(part) for part in batches[0])
            for x, y in batches:
                yield inputs.copy_(x), targets.copy_(y)

    ours, theirs = (
        pl.predict_limit(model, cross_entropy, data, epsilon=0.05) for data in (Same(), batches)
    )
    assert ours.loss == theirs.loss and ours.paper.sparsity == theirs.paper.sparsity


def test_a_network_that_fits_to_rounding_is_answered_or_told_so() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(40, 6)
    targets = (inputs[:, :3]).argmax(1)
    layer = nn.Linear(6, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3, 6))
        layer.bias.zero_()
    kept = [i for i in range(40) if inputs[i, :3].sort().values.diff()[1] > 0.3]
    data = [(inputs[kept], targets[kept])]
    for scale, refused in ((35.0, False), (3000.0, True)):
        model = nn.Sequential(layer, nn.Linear(3, 3))
        nn.init.zeros_(model[1].bias)
        with torch.no_grad():
            model[1].weight.copy_(scale * torch.eye(3))
        if refused:
            with pytest.raises(PruneLimitError, match="model.double|flat|saturat|linear"):
                pl.predict_limit(model, cross_entropy, data, epsilon=0.01)
        else:
            assert pl.predict_limit(model, cross_entropy, data, epsilon=0.01).loss.mean > 0
