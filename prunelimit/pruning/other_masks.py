"""Masks to compare with global magnitude, and those that hardware asks for; counts are exact."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
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


def whole_counts(exact: Sequence[float], total: int) -> list[int]:
    """Whole numbers near `exact` with the sum `total`: the largest remainders take one more.

    Examples
    --------
    >>> whole_counts([1.5, 2.3, 3.2], 7)
    [2, 2, 3]
    """
    # The tolerance keeps 29.999999999 from counting as 29 and the largest remainder.
    counts = [int(amount + 1e-9) for amount in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


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
    removed = removed_count(sparsity, sum(sizes))
    counts = whole_counts([removed * size / sum(sizes) for size in sizes], removed)
    masks: dict[str, Tensor] = {}
    for (name, weight), count in zip(weights.items(), counts, strict=True):
        order = torch.sort(weight.detach().abs().reshape(-1), stable=True).indices
        masks |= mask_without(order[:count], {name: weight})
    return masks


def semi_structured_mask(
    model: nn.Module, kept: int = 2, group: int = 4, parameters: Choice | None = None
) -> dict[str, Tensor]:
    """Keep the `kept` largest of each `group` weights that follow one another: 2:4 by default.

    The groups lie along the inputs of a layer, as sparse tensor cores want them: along the input
    channels of a convolution, place by place. Of equal weights the first ones go.

    Parameters
    ----------
    model
        Left untouched.
    kept, group
        How many stay, of how many.
    parameters
        What counts; see `prunelimit.network.parameters.prunable_parameters`.

    Raises
    ------
    PruneLimitError
        If a layer's inputs do not come in whole groups, or 0 < `kept` < `group` does not hold.

    Examples
    --------
    >>> layer = nn.Linear(4, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, -3.0, 0.5, 2.0]]))
    >>> semi_structured_mask(layer)["weight"]
    tensor([[False,  True, False,  True]])
    """
    if not 0 < kept < group:
        raise PruneLimitError(f"need 0 < kept < group, got kept={kept} and group={group}")
    masks = {}
    for name, weight in prunable_parameters(model, parameters).items():
        axis = _input_axis(model, name, weight)
        if weight.ndim < 2 or weight.shape[axis] % group:
            raise PruneLimitError(
                f"{name} of shape {tuple(weight.shape)} does not divide into groups of {group} "
                "along its inputs; leave it out by parameters="
            )
        rows = weight.detach().abs().movedim(axis, -1).unflatten(-1, (-1, group))
        order = torch.sort(rows, dim=-1, stable=True).indices
        keep = torch.ones_like(rows, dtype=torch.bool)
        keep.scatter_(-1, order[..., : group - kept], False)
        masks[name] = keep.flatten(-2).movedim(-1, axis).contiguous()
    return masks


def _input_axis(model: nn.Module, name: str, weight: Tensor) -> int:
    """Along which axis a layer's weight has its inputs."""
    layer = model.get_submodule(name.rpartition(".")[0])
    # The Conv1D of Hugging Face is a linear layer whose weight is (inputs, outputs).
    turned = isinstance(layer, nn.modules.conv._ConvTransposeNd) or (
        type(layer).__name__ == "Conv1D" and weight.ndim == 2
    )
    return 0 if turned else min(1, weight.ndim - 1)
