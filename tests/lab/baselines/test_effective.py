"""Paths from inputs to outputs, counted by other means; layers that are empty."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prunelimit import PruneLimitError
from prunelimit.lab.baselines import effective_sparsity, layer_collapse
from prunelimit.lab.baselines._effective import used_weights
from prunelimit.network.parameters import prunable_parameters
from prunelimit.pruning import apply_masks, attached_masks, random_mask


def used_by_enumeration(masks: list[Tensor]) -> list[Tensor]:
    """Walk every path of a chain of linear layers, one by one."""
    widths = [masks[0].shape[1], *(mask.shape[0] for mask in masks)]
    used = [torch.zeros_like(mask) for mask in masks]
    for path in itertools.product(*(range(width) for width in widths)):
        edges = list(itertools.pairwise(path))
        if all(mask[b, a] for mask, (a, b) in zip(masks, edges, strict=True)):
            for layer, (a, b) in zip(used, edges, strict=True):
                layer[b, a] = True
    return used


@given(sparsity=st.floats(0.0, 0.95), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_chain_of_linear_layers_against_all_its_paths(sparsity: float, seed: int) -> None:
    model = nn.Sequential(
        nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.Linear(3, 2)
    )
    masks = random_mask(model, sparsity, seed)
    expected = used_by_enumeration(list(masks.values()))
    for found, wanted in zip(used_weights(model, masks).values(), expected, strict=True):
        assert torch.equal(found, wanted)
    count = sum(int(layer.sum()) for layer in expected)
    assert effective_sparsity(model, masks) == pytest.approx(1 - count / 30)


class Residual(nn.Module):
    """A block that can be jumped over, as in a ResNet."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(torch.relu(self.a(x)))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, stride=2),
        nn.MaxPool2d(2),
        Residual(),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2, 3),
    )


@given(sparsity=st.floats(0.0, 0.95), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_convolutions_against_leaving_out_one_weight_at_a_time(sparsity: float, seed: int) -> None:
    # With positive weights and inputs nothing cancels, so a weight is on a path exactly if
    # the outputs fall without it. 4 × 4 images make some kernel entries see only padding.
    model = convolutional().double()
    masks = random_mask(model, sparsity, seed)
    inputs = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    found = used_weights(model, masks, inputs)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(masks[name] if name in masks else torch.zeros_like(parameter))
        total = model(inputs).sum()
        for name, parameter in prunable_parameters(model).items():
            flat = parameter.view(-1)
            for i in torch.nonzero(masks[name].reshape(-1))[:, 0].tolist():
                flat[i] = 0.0
                assert bool(found[name].view(-1)[i]) == bool(model(inputs).sum() < total)
                flat[i] = 1.0
            assert not bool((found[name] & ~masks[name]).any())


def test_a_collapsed_block_with_a_way_around_it_leaves_the_rest_in_use() -> None:
    model = convolutional()
    masks = {n: torch.ones_like(p, dtype=torch.bool) for n, p in prunable_parameters(model).items()}
    masks["2.a.weight"].zero_()
    assert layer_collapse(masks) == ("2.a.weight",)
    used = used_weights(model, masks, torch.ones(1, 1, 4, 4))
    assert not bool(used["2.b.weight"].any())
    assert bool(used["5.weight"].all())
    # The same in a chain leaves nothing.
    chain = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    empty = {"0.weight": torch.zeros(3, 2).bool(), "1.weight": torch.ones(1, 3).bool()}
    assert effective_sparsity(chain, empty) == 1.0


def test_zeros_and_attached_masks_count_alike() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    masks = random_mask(model, 0.6, seed=3)
    expected = effective_sparsity(model, masks)
    apply_masks(model, masks)
    assert effective_sparsity(model) == expected
    assert attached_masks(model).keys() == masks.keys()


def test_what_is_not_supported_is_said() -> None:
    with pytest.raises(PruneLimitError, match="LayerNorm"):
        effective_sparsity(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)))
    with pytest.raises(PruneLimitError, match="give inputs"):
        effective_sparsity(nn.Conv2d(1, 1, 3))
    with pytest.raises(PruneLimitError, match="no prunable parameter"):
        effective_sparsity(nn.Linear(2, 2), {"bias": torch.ones(2).bool()})
