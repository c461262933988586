"""Masks with exact counts: which weights stay (`prunelimit.pruning.attach` makes a model obey).

Every function ranks the parameters that count as one vector (see
:func:`prunelimit.network.parameters.prunable_parameters`, also for what `parameters` may
be). Ties in magnitude are broken by position: of two equal weights the one that comes first in
that vector is removed first. So a mask is a function of the weights alone, on every
device, and removes exactly the number of weights asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.numbers import is_number
from prunelimit.network.parameters import Choice, flatten, prunable_parameters, unflatten
from prunelimit.pruning.attach import Masks


def removed_count(sparsity: Any, dim: int) -> int:
    """Number of weights that `sparsity` removes of `dim`: the nearest integer.

    Raises
    ------
    PruneLimitError
        If `sparsity` is not in [0, 1).

    Examples
    --------
    >>> removed_count(0.0, 10), removed_count(0.9, 10), removed_count(0.999, 10)
    (0, 9, 10)
    """
    if not (is_number(sparsity) and 0.0 <= float(sparsity) < 1.0):
        percent = is_number(sparsity) and 1 < float(sparsity) < 100
        hint = f"; did you mean {float(sparsity) / 100:g}?" if percent else ""
        raise PruneLimitError(
            f"sparsity must be the fraction removed, a number in [0, 1), got {sparsity!r}{hint}"
        )
    return round(float(sparsity) * dim)


def kept_count(sparsity: Any, dim: int) -> int:
    """Number of weights that `sparsity` leaves of `dim` (see `removed_count`).

    Examples
    --------
    >>> kept_count(0.9, 10)
    1
    """
    return dim - removed_count(sparsity, dim)


def magnitude_order(model: nn.Module, parameters: Choice | None = None) -> Tensor:
    """Positions of the prunable weights from the smallest magnitude to the largest.

    Returns
    -------
    Tensor
        ``(dim,)``, int64, on the model's device; ties keep their position.

    Raises
    ------
    PruneLimitError
        If a weight is not finite: its magnitude has no rank.

    Examples
    --------
    >>> layer = nn.Linear(3, 1, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[2.0, -1.0, 1.0]]))
    >>> magnitude_order(layer).tolist()
    [1, 2, 0]
    """
    weights = prunable_parameters(model, parameters).values()
    magnitudes = flatten(weight.detach().abs() for weight in weights)
    if not torch.isfinite(magnitudes).all():
        bad = int((~torch.isfinite(magnitudes)).sum())
        raise PruneLimitError(
            f"{bad} of {magnitudes.numel()} prunable weights are NaN or infinite; "
            "load a checkpoint from before training diverged"
        )
    return torch.sort(magnitudes, stable=True).indices


def _mask_without(removed: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    dim = sum(p.numel() for p in parameters.values())
    keep = torch.ones(dim, dtype=torch.bool, device=removed.device)
    keep[removed] = False
    return unflatten(keep, parameters)


def magnitude_mask(
    model: nn.Module, sparsity: float, parameters: Choice | None = None
) -> dict[str, Tensor]:
    """Keep the largest weights of the whole network (global, one-shot: LOMP's mask).

    Parameters
    ----------
    model
        Any module with linear or convolutional layers, or `parameters` that say what counts.
    sparsity
        Fraction removed, in [0, 1).
    parameters
        What counts; see `prunelimit.network.parameters.prunable_parameters`.

    Returns
    -------
    dict
        Parameter name to a boolean tensor of the parameter's shape; True is kept.

    Examples
    --------
    >>> masks = magnitude_mask(nn.Linear(10, 10), 0.25)
    >>> int(masks["weight"].sum())
    75
    """
    order = magnitude_order(model, parameters)
    removed = order[: removed_count(sparsity, order.numel())]
    return _mask_without(removed, prunable_parameters(model, parameters))


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
    return _mask_without(order[: removed_count(sparsity, dim)].to(device), weights)


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


def semi_structured_mask(
    model: nn.Module,
    kept: int = 2,
    group: int = 4,
    parameters: Choice | None = None,
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


def sparsity_of(masks: Masks) -> float:
    """Fraction of weights that the masks remove.

    Examples
    --------
    >>> sparsity_of({"weight": torch.tensor([True, False, False, False])})
    0.75
    """
    total = sum(mask.numel() for mask in masks.values())
    return 1.0 - sum(int(mask.sum()) for mask in masks.values()) / total


@dataclass(frozen=True)
class LayerCount:
    """What a mask does to one parameter.

    Attributes
    ----------
    name
        Of the parameter.
    kept, of
        Entries that stay, and all of them.
    share
        This parameter's share of R², the squared distance to the masked network; 0 where
        nothing is removed.
    """

    name: str
    kept: int
    of: int
    share: float


def layer_counts(model: nn.Module, masks: Masks) -> tuple[LayerCount, ...]:
    """What masks keep of each parameter, and how R² = ‖w* - masked w*‖² divides among them.

    ``pandas.DataFrame(layer_counts(model, masks))`` is a table of it.

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, 2.0]]))
    >>> layer_counts(layer, magnitude_mask(layer, 0.5))
    (LayerCount(name='weight', kept=1, of=2, share=1.0),)
    """
    weights = prunable_parameters(model, masks)
    moved = {
        name: float(weight.detach()[~masks[name].bool()].double().square().sum())
        for name, weight in weights.items()
    }
    total = sum(moved.values())
    return tuple(
        LayerCount(name, int(masks[name].sum()), weight.numel(), total and moved[name] / total)
        for name, weight in weights.items()
    )
