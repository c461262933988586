"""Masks to compare with global magnitude; counts are exact."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from prunelimit.network.parameters import Choice, prunable_parameters
from prunelimit.pruning.masks import mask_without, removed_count


def random_mask(
    model: nn.Module, sparsity: float, seed: int = 0, parameters: Choice | None = None
) -> dict[str, Tensor]:
    """Keep weights drawn uniformly at random over the whole network: the control.

    Examples
    --------
    >>> int(random_mask(nn.Linear(10, 10), 0.25, seed=1)["weight"].sum())
    75
    """
    weights = prunable_parameters(model, parameters)
    dim = sum(weight.numel() for weight in weights.values())
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(dim, generator=generator)
    device = next(iter(weights.values())).device
    return mask_without(order[: removed_count(sparsity, dim)].to(device), weights)


def layerwise_mask(
    model: nn.Module, sparsity: float, parameters: Choice | None = None
) -> dict[str, Tensor]:
    """Keep the largest weights of each layer apart, the same share of each: a control.

    The layers' counts are rounded so that their sum is the global count: the
    layers with the largest remainders take one more, earlier layers first.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 1))
    >>> [int(mask.sum()) for mask in layerwise_mask(model, 0.5).values()]
    [12, 3]
    """
    weights = prunable_parameters(model, parameters)
    sizes = [weight.numel() for weight in weights.values()]
    exact = [removed_count(sparsity, sum(sizes)) * size / sum(sizes) for size in sizes]
    counts = [math.floor(share) for share in exact]
    missing = removed_count(sparsity, sum(sizes)) - sum(counts)
    by_remainder = sorted(range(len(sizes)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[:missing]:
        counts[i] += 1
    masks = {}
    for (name, weight), count in zip(weights.items(), counts, strict=True):
        order = torch.sort(weight.detach().abs().reshape(-1), stable=True).indices
        keep = torch.ones(weight.numel(), dtype=torch.bool, device=weight.device)
        keep[order[:count]] = False
        masks[name] = keep.view(weight.shape)
    return masks
