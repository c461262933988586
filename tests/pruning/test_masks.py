"""Masks remove exactly what they say, by a stated rule, and leave the model alone."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunelimit import PruneLimitError
from prunelimit.network.parameters import flatten, prunable_parameters, prunable_weights, unflatten
from prunelimit.pruning import (
    apply_masks,
    layer_counts,
    layerwise_mask,
    magnitude_mask,
    magnitude_order,
    make_permanent,
    prune,
    random_mask,
    removed_count,
    sparsity_of,
)


def small_model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 5)
    )


def zeros_in(model: nn.Module) -> int:
    return sum(int((p == 0).sum()) for p in prunable_parameters(model).values())


@given(sparsity=st.floats(0, 1, exclude_max=True), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_every_mask_removes_the_exact_count(sparsity: float, seed: int) -> None:
    model = small_model(seed)
    expected = removed_count(sparsity, 27 + 60)
    assert expected == round(sparsity * 87)
    masks = {
        "magnitude": magnitude_mask(model, sparsity),
        "random": random_mask(model, sparsity, seed),
        "layerwise": layerwise_mask(model, sparsity),
    }
    for kind, mask in masks.items():
        assert sum(int((~m).sum()) for m in mask.values()) == expected, kind
        assert sparsity_of(mask) == pytest.approx(expected / 87)
    assert zeros_in(prune(model, sparsity)) == expected


@given(seed=st.integers(0, 20), sparsity=st.floats(0.05, 0.95))
@settings(max_examples=30, deadline=None)
def test_no_kept_weight_is_smaller_than_a_removed_one(seed: int, sparsity: float) -> None:
    model = small_model(seed)
    keep = flatten(magnitude_mask(model, sparsity).values())
    weights = prunable_weights(model).abs()
    assert weights[keep].min() >= weights[~keep].max()


def test_ties_are_removed_in_order_of_position() -> None:
    layer = nn.Linear(6, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, -1.0, 1.0, -1.0, 1.0, 0.5]])
    assert magnitude_order(layer).tolist() == [5, 0, 1, 2, 3, 4]
    assert magnitude_mask(layer, 0.5)["weight"].tolist() == [
        [False, False, True, True, True, False]
    ]


def test_weights_that_are_already_zero_go_first() -> None:
    model = prune(small_model(), 0.5)
    again = prune(model, 0.7)
    before = prunable_weights(model)
    after = prunable_weights(again)
    assert torch.all(after[before == 0] == 0)
    assert int((after == 0).sum()) == round(0.7 * 87)


def test_pruning_leaves_the_model_biases_and_batchnorm_alone() -> None:
    model = small_model()
    before = copy.deepcopy(model.state_dict())
    pruned = prune(model, 0.8)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    for name in ("0.bias", "1.weight", "1.bias", "1.running_var", "4.bias"):
        assert torch.equal(pruned.state_dict()[name], before[name])
    assert set(pruned.state_dict()) == set(before)


def test_attached_masks_hold_during_training_and_become_permanent() -> None:
    model = prune(small_model(), 0.8, permanent=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        loss = model(torch.randn(4, 1, 4, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    make_permanent(model)
    assert zeros_in(model) == round(0.8 * 87)


def tied_model() -> nn.Module:
    torch.manual_seed(3)
    a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    b.weight = a.weight
    return nn.Sequential(a, nn.Tanh(), b, nn.Linear(4, 2))


def test_shared_weights_are_counted_and_pruned_once() -> None:
    model = tied_model()
    assert list(prunable_parameters(model)) == ["0.weight", "3.weight"]
    pruned = prune(model, 0.5)
    assert zeros_in(pruned) == 12
    assert pruned[0].weight is pruned[2].weight


def test_every_layer_that_shares_a_weight_computes_with_its_mask() -> None:
    model = tied_model()
    masked, pruned = prune(model, 0.5, permanent=False), prune(model, 0.5)
    inputs = torch.randn(5, 4)
    assert torch.equal(masked(inputs), pruned(inputs))
    optimizer = torch.optim.SGD(masked.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        masked(inputs).square().mean().backward()
        optimizer.step()
    before = masked(inputs)
    made = make_permanent(masked)
    assert torch.equal(made(inputs), before)
    assert made[0].weight is made[2].weight
    assert torch.equal(made[0].weight == 0, pruned[0].weight == 0)


NUMBERS = [np.float32(0.5), np.float64(0.5), np.array(0.5), torch.tensor(0.5), 0.5]


@pytest.mark.parametrize("sparsity", NUMBERS, ids=lambda value: type(value).__name__)
def test_every_kind_of_number_is_a_sparsity(sparsity: Any) -> None:
    assert zeros_in(prune(small_model(), sparsity)) == round(0.5 * 87)


@pytest.mark.parametrize("sparsity", [1.0, -0.1, 90, float("nan"), "0.5", None, True])
def test_sparsity_outside_the_range_is_refused(sparsity: object) -> None:
    with pytest.raises(PruneLimitError, match=r"\[0, 1\)"):
        prune(small_model(), sparsity)  # type: ignore[arg-type]


def test_percent_is_recognised() -> None:
    with pytest.raises(PruneLimitError, match=r"did you mean 0\.9"):
        prune(small_model(), 90)


def test_nan_weights_are_refused() -> None:
    model = small_model()
    model[4].weight.data[0, 0] = float("nan")
    with pytest.raises(PruneLimitError, match="1 of 87 prunable weights are NaN"):
        prune(model, 0.5)


def test_a_model_without_prunable_parameters_is_refused() -> None:
    with pytest.raises(PruneLimitError, match="no prunable parameter"):
        prune(nn.Sequential(nn.BatchNorm1d(3)), 0.5)


def test_a_model_that_still_carries_masks_is_refused_with_the_remedy() -> None:
    with pytest.raises(PruneLimitError, match="make it permanent"):
        prune(prune(small_model(), 0.5, permanent=False), 0.6)


def test_masks_of_another_model_are_refused() -> None:
    with pytest.raises(PruneLimitError, match="fits no parameter"):
        apply_masks(small_model(), {"nowhere.weight": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(PruneLimitError, match="shape"):
        apply_masks(small_model(), {"4.weight": torch.ones(2, dtype=torch.bool)})


def test_unflatten_inverts_flatten_and_refuses_other_lengths() -> None:
    parameters = prunable_parameters(small_model())
    vector = flatten(parameters.values())
    for name, tensor in unflatten(vector, parameters).items():
        assert torch.equal(tensor, parameters[name])
    with pytest.raises(PruneLimitError, match="87 entries"):
        unflatten(vector[:-1], parameters)


def test_layer_counts_divide_the_squared_distance() -> None:
    model = small_model()
    masks = magnitude_mask(model, 0.7)
    rows = layer_counts(model, masks)
    pruned = prune(model, 0.7)
    squares = [
        float((pruned.get_parameter(row.name) - model.get_parameter(row.name)).square().sum())
        for row in rows
    ]
    assert [row.share for row in rows] == pytest.approx([s / sum(squares) for s in squares])
    assert sum(row.kept for row in rows) == 87 - removed_count(0.7, 87)
    assert [row.of for row in rows] == [27, 60]
    assert [row.share for row in layer_counts(model, magnitude_mask(model, 0))] == [0, 0]
