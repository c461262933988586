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
