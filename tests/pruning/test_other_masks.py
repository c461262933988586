"""Masks drawn, layer by layer, and in groups that hardware asks for."""

import copy

import pytest
import torch
from network_support import Mixed
from torch import nn

from prunelimit import PruneLimitError
from prunelimit.pruning import (
    random_mask,
    semi_structured_mask,
    sparsity_of,
)


def test_random_masks_are_seeded_and_uniform() -> None:
    layer = nn.Linear(50, 40, bias=False)
    one, same, other = (random_mask(layer, 0.3, seed)["weight"] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    kept = torch.stack([random_mask(layer, 0.3, s)["weight"].float() for s in range(400)]).mean(0)
    # 2,000 positions, each a mean of 400 Bernoulli(0.7) draws: 5 standard errors for the worst.
    assert (kept - 0.7).abs().max() < 5 * (0.7 * 0.3 / 400) ** 0.5


def test_two_of_four_is_what_torch_and_every_choice_by_hand_give() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(24, 5))
    masks = semi_structured_mask(model)
    assert sparsity_of(masks) == 0.5
    peer = copy.deepcopy(model[2])
    sparsifier = torch.ao.pruning.WeightNormSparsifier(1.0, (1, 4), 2)
    sparsifier.prepare(peer, [{"tensor_fqn": "weight"}])
    sparsifier.step()
    assert torch.equal(masks["2.weight"], peer.parametrizations.weight[0].mask.bool())
    weight, mask = model[0].weight.detach().abs(), masks["0.weight"]
    for out in range(6):  # four input channels make one group at each place of the kernel
        for row in range(3):
            for column in range(3):
                group, kept = weight[out, :, row, column], mask[out, :, row, column]
                assert int(kept.sum()) == 2 and group[kept].min() >= group[~kept].max()


def test_groups_lie_along_the_inputs_of_a_turned_layer() -> None:
    model = Mixed()
    mask = semi_structured_mask(model, parameters="turned.weight")["turned.weight"]
    assert torch.equal(mask.unflatten(0, (2, 4)).sum(1), torch.full((2, 12), 2))
    with pytest.raises(PruneLimitError, match=r"0\.weight .* groups of 4"):
        semi_structured_mask(nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2)))
    with pytest.raises(PruneLimitError, match="0 < kept < group"):
        semi_structured_mask(model, 4, 4)
