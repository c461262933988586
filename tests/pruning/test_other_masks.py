"""Masks drawn at random; those of each layer are tested with the magnitude's."""

import torch
from torch import nn

from prunelimit.pruning import random_mask


def test_random_masks_are_seeded_and_uniform() -> None:
    layer = nn.Linear(50, 40, bias=False)
    one, same, other = (random_mask(layer, 0.3, seed)["weight"] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    kept = torch.stack([random_mask(layer, 0.3, s)["weight"].float() for s in range(400)]).mean(0)
    # 2,000 positions, each a mean of 400 Bernoulli(0.7) draws: 5 standard errors for the worst.
    assert (kept - 0.7).abs().max() < 5 * (0.7 * 0.3 / 400) ** 0.5
