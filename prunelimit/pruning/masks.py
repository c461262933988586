"""Masks with exact counts, and a pruned copy in one call (chapters 7 and 9).

Every function ranks the parameters that count as one vector (see
:func:`prunelimit.network.parameters.prunable_parameters`, also for what `parameters` may
be). Ties in magnitude are broken by position: of two equal weights the one that comes first in
that vector is removed first. So a mask is a function of the weights alone, on every
device, and removes exactly the number of weights asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.names import is_number
from prunelimit.network.copies import copy_model
from prunelimit.network.parameters import Choice, flatten, prunable_parameters, unflatten
from prunelimit.network.statistics import LayerCount
from prunelimit.network.view import original, unwrapped
from prunelimit.pruning.attach import Masks, apply_masks, make_permanent


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


def magnitude_order(model: nn.Module, parameters: Choice | None = None) -> Tensor:
    """Positions of the prunable weights from the smallest magnitude to the largest.

    Those are ``(dim,)``, int64, on the model's device; ties keep their position.

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


def mask_without(removed: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks that remove the weights at the positions `removed` of the flat vector."""
    dim = sum(p.numel() for p in parameters.values())
    keep = torch.ones(dim, dtype=torch.bool, device=removed.device)
    keep[removed] = False
    return unflatten(keep, parameters)


def magnitude_mask(
    model: nn.Module, sparsity: float, parameters: Choice | None = None
) -> dict[str, Tensor]:
    """Keep the largest weights of the whole network (global, one-shot: LOMP's mask).

    Each parameter that counts gets a boolean tensor of its shape; True is kept. `parameters` are as
    in `prunelimit.network.parameters.prunable_parameters`.

    Examples
    --------
    >>> masks = magnitude_mask(nn.Linear(10, 10), 0.25)
    >>> int(masks["weight"].sum())
    75
    """
    order = magnitude_order(model, parameters)
    removed = order[: removed_count(sparsity, order.numel())]
    return mask_without(removed, prunable_parameters(model, parameters))


LAYERS_AT = 0.9
"""Sparsity at which `prunelimit.PruningLimit.layers` says what is left of each parameter."""


def sparsity_of(masks: Masks) -> float:
    """Fraction of weights that the masks remove.

    Examples
    --------
    >>> sparsity_of({"weight": torch.tensor([True, False, False, False])})
    0.75
    """
    total = sum(mask.numel() for mask in masks.values())
    return 1.0 - sum(int(mask.sum()) for mask in masks.values()) / total


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


def prune(
    model: nn.Module, sparsity: float, permanent: bool = True, parameters: Choice | None = None
) -> nn.Module:
    """A pruned copy: the smallest weights of the whole network set to 0, nothing else changed.

    Parameters
    ----------
    model
        Left untouched; of a compiled model, the model that it was made from is copied. It may
        be frozen: no gradient is needed.
    sparsity
        Fraction removed, in [0, 1); the count is ``round(sparsity * dim)``, exactly.
    permanent
        True gives plain weights with zeros in them, ready to save. False keeps
        the masks attached (see `prunelimit.pruning.apply_masks`), so that further training
        leaves removed weights at 0; `prunelimit.pruning.make_permanent` writes them in.
    parameters
        Which weights count: names, patterns such as ``"*.in_proj_weight"``, or a predicate
        ``(name, parameter) -> bool``; by default those of linear and convolutional layers.

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
    plain = unwrapped(original(model))
    masks = magnitude_mask(plain, sparsity, parameters)
    copied = apply_masks(copy_model(plain), masks)
    return make_permanent(copied) if permanent else copied
