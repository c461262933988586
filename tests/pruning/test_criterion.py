"""Criteria against counts by hand and a bootstrap of their own."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from prunelimit.errors import PruneLimitError
from prunelimit.pruning.criterion import LossRise, metric_drop
from prunelimit.pruning.search import ELASTICITY, SearchRule

loss_fn = nn.functional.cross_entropy


@pytest.fixture
def network() -> tuple[nn.Module, nn.Module, list[tuple[torch.Tensor, torch.Tensor]]]:
    torch.manual_seed(0)
    dense = nn.Linear(6, 3)
    inputs = torch.randn(300, 6)
    targets = (dense(inputs) + 0.7 * torch.randn(300, 3)).argmax(1)
    other = copy.deepcopy(dense)
    other.weight.data += 0.3 * torch.randn(3, 6)
    return dense, other, list(zip(inputs.split(64), targets.split(64), strict=True))


def test_a_loss_rise_is_the_logarithm_of_the_loss_over_the_level(network) -> None:
    dense, other, data = network
    inputs, targets = (torch.cat(part) for part in zip(*data, strict=True))
    before, after = (float(loss_fn(model(inputs), targets)) for model in (dense, other))
    rise = LossRise(loss_fn, data, before, epsilon=0.05)
    measured = rise.measure(other)
    assert measured.loss == pytest.approx(after, rel=1e-5)
    assert measured.excess == pytest.approx(math.log(after / (before + 0.05)), rel=1e-4)
    assert rise.dense.excess < 0 and measured.stderr == 0


def test_the_second_step_is_short_where_epsilon_is_a_small_part_of_the_loss() -> None:
    data = [(torch.ones(2, 1), torch.ones(2, 1))]
    small, large = (LossRise(nn.functional.mse_loss, data, 1.0, epsilon=e) for e in (0.01, 1.0))
    rule = SearchRule(dim=1000, guess=100.0, slope=small.slope, tolerance=0.01)
    # A loss 1.3 times too large: by the elasticity of the rise alone the next try would keep all.
    assert 100 < (rule.following({100: math.log(1.3)}) or 0) <= 135
    assert large.slope == pytest.approx(0.5 * ELASTICITY)


def test_a_loss_below_zero_has_a_linear_excess() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(2.0)
    data = [(torch.ones(2, 1), torch.ones(2, 1))]
    rise = LossRise(lambda outputs, targets: outputs.mean() - 5, data, -4.0, epsilon=0.5)
    assert rise.measure(layer).excess == pytest.approx(((2 - 5) - (-3.5)) / 0.5)


def test_accuracy_counts_and_its_stderr_is_that_of_paired_answers(network) -> None:
    dense, other, data = network
    drop = metric_drop(dense, loss_fn, data, "accuracy", data, 0.01, dense_loss=0.0)
    inputs, targets = (torch.cat(part) for part in zip(*data, strict=True))
    right = [(model(inputs).argmax(1) == targets).numpy() for model in (dense, other)]
    measured = drop.measure(other)
    assert drop.answers.value == pytest.approx(right[0].mean())
    assert measured.metric == pytest.approx(right[1].mean())
    rng = np.random.default_rng(1)
    drops = []
    for _ in range(4000):
        chosen = rng.integers(300, size=300)
        drops.append(right[0][chosen].mean() - right[1][chosen].mean())
    scale = 1 - (right[0].mean() - 0.01)
    assert measured.stderr * scale == pytest.approx(np.std(drops), rel=0.06)


def test_a_callable_metric_agrees_with_the_named_one(network) -> None:
    dense, other, data = network

    def share_right(outputs, targets):
        return (outputs.argmax(1) == targets).double().mean()

    named = metric_drop(dense, loss_fn, data, "accuracy", data, 0.01, 0.0).measure(other)
    called = metric_drop(dense, loss_fn, data, share_right, data, 0.01, 0.0).measure(other)
    assert called.metric == pytest.approx(named.metric)
    assert called.excess == pytest.approx(named.excess)
    assert called.stderr == pytest.approx(named.stderr, rel=0.3)


def test_metrics_beyond_one_are_linear_in_the_drop(network) -> None:
    dense, other, data = network
    inputs, targets = (torch.cat(part) for part in zip(*data, strict=True))

    def points(outputs, targets):
        return 100 * float((outputs.argmax(1) == targets).double().mean())

    drop = metric_drop(dense, loss_fn, data, points, data, 2.0, 0.0)
    fall = points(dense(inputs), targets) - points(other(inputs), targets)
    assert drop.measure(other).excess == pytest.approx((fall - 2.0) / 2.0)


def test_the_model_keeps_its_mode(network) -> None:
    dense, other, data = network
    other.train()
    metric_drop(dense, loss_fn, data, "accuracy", data, 0.01, 0.0).measure(other)
    assert other.training


@pytest.mark.parametrize(
    ("metric", "tolerance", "message"),
    [
        ("f1", 0.01, "metric='f1' is unknown"),
        ("accuracy", 0.0, "metric_tolerance"),
        ("accuracy", math.nan, "metric_tolerance"),
        (lambda outputs, targets: math.nan, 0.01, "gave nan"),
    ],
)
def test_what_makes_no_sense_is_refused(network, metric, tolerance, message) -> None:
    dense, _, data = network
    with pytest.raises(PruneLimitError, match=message):
        metric_drop(dense, loss_fn, data, metric, data, tolerance, 0.0)


def test_accuracy_of_a_regression_is_refused() -> None:
    data = [(torch.ones(4, 2), torch.ones(4, 1))]
    with pytest.raises(PruneLimitError, match="class indices"):
        metric_drop(nn.Linear(2, 1), nn.functional.mse_loss, data, "accuracy", data, 0.1, 0.0)
