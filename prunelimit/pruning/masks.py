"""Masks with exact counts: which weights stay, and a model that obeys.

Every function ranks the prunable parameters as one vector (see
:func:`prunelimit.network.parameters.prunable_parameters`). Ties in magnitude are
broken by position: of two equal weights the one that comes first in that
vector is removed first. So a mask is a function of the weights alone, on every
device, and removes exactly the number of weights asked for.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from prunelimit.errors import PruneLimitError
from prunelimit.network.parameters import flatten, prunable_parameters, unflatten

Masks = Mapping[str, Tensor]


def removed_count(sparsity: float, dim: int) -> int:
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
    if not (isinstance(sparsity, (int, float)) and 0.0 <= sparsity < 1.0):
        hint = (
            f"; did you mean {sparsity / 100:g}?"
            if isinstance(sparsity, (int, float)) and 1 < sparsity < 100
            else ""
        )
        raise PruneLimitError(
            f"sparsity must be the fraction removed, a number in [0, 1), got {sparsity!r}{hint}"
        )
    return round(sparsity * dim)


def kept_count(sparsity: float, dim: int) -> int:
    """Number of weights that `sparsity` leaves of `dim` (see `removed_count`).

    Examples
    --------
    >>> kept_count(0.9, 10)
    1
    """
    return dim - removed_count(sparsity, dim)


def magnitude_order(model: nn.Module) -> Tensor:
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
    magnitudes = flatten(p.detach().abs() for p in prunable_parameters(model).values())
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


def magnitude_mask(model: nn.Module, sparsity: float) -> dict[str, Tensor]:
    """Keep the largest weights of the whole network (global, one-shot: LOMP's mask).

    Parameters
    ----------
    model
        Any module with linear or convolutional layers.
    sparsity
        Fraction removed, in [0, 1).

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
    parameters = prunable_parameters(model)
    order = magnitude_order(model)
    return _mask_without(order[: removed_count(sparsity, order.numel())], parameters)


def random_mask(model: nn.Module, sparsity: float, seed: int = 0) -> dict[str, Tensor]:
    """Keep weights drawn uniformly at random over the whole network: the control.

    Examples
    --------
    >>> int(random_mask(nn.Linear(10, 10), 0.25, seed=1)["weight"].sum())
    75
    """
    parameters = prunable_parameters(model)
    dim = sum(p.numel() for p in parameters.values())
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(dim, generator=generator)
    device = next(iter(parameters.values())).device
    return _mask_without(order[: removed_count(sparsity, dim)].to(device), parameters)


def layerwise_mask(model: nn.Module, sparsity: float) -> dict[str, Tensor]:
    """Keep the largest weights of each layer apart, the same share of each: a control.

    The layers' counts are rounded so that their sum is the global count: the
    layers with the largest remainders take one more, earlier layers first.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 1))
    >>> [int(mask.sum()) for mask in layerwise_mask(model, 0.5).values()]
    [12, 3]
    """
    parameters = prunable_parameters(model)
    sizes = [p.numel() for p in parameters.values()]
    exact = [removed_count(sparsity, sum(sizes)) * size / sum(sizes) for size in sizes]
    counts = [math.floor(share) for share in exact]
    missing = removed_count(sparsity, sum(sizes)) - sum(counts)
    by_remainder = sorted(range(len(sizes)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[:missing]:
        counts[i] += 1
    masks = {}
    for (name, parameter), count in zip(parameters.items(), counts, strict=True):
        order = torch.sort(parameter.detach().abs().reshape(-1), stable=True).indices
        keep = torch.ones(parameter.numel(), dtype=torch.bool, device=parameter.device)
        keep[order[:count]] = False
        masks[name] = keep.view(parameter.shape)
    return masks


def sparsity_of(masks: Masks) -> float:
    """Fraction of weights that the masks remove.

    Examples
    --------
    >>> sparsity_of({"weight": torch.tensor([True, False, False, False])})
    0.75
    """
    total = sum(mask.numel() for mask in masks.values())
    return 1.0 - sum(int(mask.sum()) for mask in masks.values()) / total


def apply_masks(model: nn.Module, masks: Masks) -> nn.Module:
    """Attach masks in place with `torch.nn.utils.prune`; removed weights stay 0 in training.

    Parameters
    ----------
    model
        Changed in place: each masked layer gets ``weight_orig`` and ``weight_mask``; layers
        that share a weight share both.
    masks
        From a mask function of this module, for this model.

    Returns
    -------
    nn.Module
        The same `model`.

    Raises
    ------
    PruneLimitError
        If a mask names no prunable parameter of the model, or has another shape.

    Examples
    --------
    >>> layer = nn.Linear(4, 4)
    >>> _ = apply_masks(layer, magnitude_mask(layer, 0.5))
    >>> int((layer.weight == 0).sum())
    8
    """
    parameters = prunable_parameters(model)
    for name, mask in masks.items():
        if name not in parameters:
            raise PruneLimitError(
                f"mask {name!r} names no prunable parameter; the model has {', '.join(parameters)}"
            )
        if mask.shape != parameters[name].shape:
            raise PruneLimitError(
                f"mask {name!r} has shape {tuple(mask.shape)}, "
                f"the parameter {tuple(parameters[name].shape)}"
            )
    for name, mask in masks.items():
        parameter = parameters[name]
        placed = mask.to(parameter)
        for module, attribute in _holders(model, parameter):
            torch_prune.custom_from_mask(module, attribute, placed)
            module.register_buffer(f"{attribute}_mask", placed)
    return model


def _holders(model: nn.Module, parameter: nn.Parameter) -> list[tuple[nn.Module, str]]:
    """The modules that compute with `parameter`, and under which name."""
    return [
        (module, attribute)
        for module in model.modules()
        for attribute, held in module.named_parameters(recurse=False)
        if held is parameter
    ]


def make_permanent(model: nn.Module) -> nn.Module:
    """Write attached masks into the weights, in place; the layers become plain again.

    Examples
    --------
    >>> layer = nn.Linear(4, 4)
    >>> _ = make_permanent(apply_masks(layer, magnitude_mask(layer, 0.5)))
    >>> sorted(name for name, _ in layer.named_parameters())
    ['bias', 'weight']
    """
    for module in model.modules():
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, torch_prune.BasePruningMethod):
                torch_prune.remove(module, hook._tensor_name)
    return model


def prune(model: nn.Module, sparsity: float, permanent: bool = True) -> nn.Module:
    """A pruned copy: the smallest weights of the whole network set to 0, nothing else changed.

    Parameters
    ----------
    model
        Left untouched.
    sparsity
        Fraction removed, in [0, 1); the count is ``round(sparsity * dim)``, exactly.
    permanent
        True gives plain weights with zeros in them, ready to save. False keeps
        the masks attached (`torch.nn.utils.prune`), so that further training
        leaves removed weights at 0; see `make_permanent`.

    Returns
    -------
    nn.Module
        The copy.

    Raises
    ------
    PruneLimitError
        If `sparsity` is not in [0, 1), nothing is prunable, or a weight is not finite.

    Examples
    --------
    >>> pruned = prune(nn.Linear(10, 10), 0.9)
    >>> int((pruned.weight == 0).sum())
    90
    """
    masks = magnitude_mask(model, sparsity)
    copied = apply_masks(copy.deepcopy(model), masks)
    return make_permanent(copied) if permanent else copied
