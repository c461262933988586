"""Masks that act whenever a weight is read, on `torch.nn.utils.parametrize` (chapter 7).

A masked parameter keeps its values and its identity (an optimiser goes on with it) as
``parametrizations.NAME.original`` of its module, and the module's attribute becomes the product
with the mask, computed at each reading: by `forward`, by a fused kernel of attention, by another
module that looks into this one. So nothing is stale after a step or a load.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from prunelimit.errors import PruneLimitError
from prunelimit.network.parameters import computed_attributes, prunable_parameters
from prunelimit.network.view import original

Masks = Mapping[str, Tensor]


class Mask(nn.Module):
    """The parametrisation: kept entries as they are, 0 elsewhere, and no gradient there.

    `keep` is boolean, of the parameter's shape. As it is no floating point tensor, it passes
    ``.half()``, ``.double()`` and the averaging of weights unchanged.

    Examples
    --------
    >>> Mask(torch.tensor([True, False]))(torch.tensor([3.0, float("inf")]))
    tensor([3., 0.])
    """

    keep: Tensor

    def __init__(self, keep: Tensor) -> None:
        super().__init__()
        self.register_buffer("keep", keep)

    def forward(self, values: Tensor) -> Tensor:
        """The masked values."""
        # Not a product: 0 times an infinite or undefined weight would be undefined.
        return torch.where(self.keep, values, torch.zeros_like(values))

    def right_inverse(self, values: Tensor) -> Tensor:
        """What to store so that `values` are read, as far as the mask lets them."""
        return values


def apply_masks(model: nn.Module, masks: Masks) -> nn.Module:
    """Attach masks in place; removed weights stay 0 in training.

    A parametrised model can be copied, trained, averaged, exported, and saved by its state dict,
    in which a masked ``weight`` goes by ``parametrizations.weight.original`` beside its mask
    ``parametrizations.weight.0.keep``; `make_permanent` gives the old keys back.

    Modules that share a parameter share its mask.

    Raises
    ------
    PruneLimitError
        If a mask names no parameter of the model, or has another shape.

    Examples
    --------
    >>> from prunelimit.pruning.masks import magnitude_mask
    >>> layer = nn.Linear(4, 4)
    >>> _ = apply_masks(layer, magnitude_mask(layer, 0.5))
    >>> int((layer.weight == 0).sum())
    8
    """
    root = original(model)
    parameters = prunable_parameters(model, masks) if masks else {}
    for name, parameter in parameters.items():
        if masks[name].shape != parameter.shape:
            raise PruneLimitError(
                f"mask {name!r} has shape {tuple(masks[name].shape)}, "
                f"the parameter {tuple(parameter.shape)}"
            )
    for name, parameter in parameters.items():
        mask = Mask(masks[name].to(parameter.device, torch.bool).clone())
        for module in list(root.modules()):  # each that computes with it
            for attribute, held in list(module._parameters.items()):
                if held is parameter:
                    _attach(module, attribute, mask)
    return model


def _attach(module: nn.Module, attribute: str, mask: Mask) -> None:
    _own_class(module)
    before = [chain for _, owner, _, chain in _attached(module) if owner is module]
    # Where the parameters stood in their module, for the day they come back.
    places = before[0].places if before else tuple(module._parameters)
    parametrize.register_parametrization(module, attribute, mask, unsafe=True)
    computed_attributes(module)[attribute].places = places
    if isinstance(module, nn.RNNBase):
        # A recurrent layer keeps a list of its weights, of which forward makes use. It is computed;
        # what the layer wants to store there is not needed.
        listed = property(_weights_as_read, lambda module, weights: None)
        type(module)._flat_weights = listed  # type: ignore[assignment]


def _weights_as_read(module: nn.Module) -> list[Tensor | None]:
    return [getattr(module, name, None) for name in module._flat_weights_names]  # type: ignore[union-attr]


def _own_class(module: nn.Module, without: str | None = None) -> None:
    """Give a parametrised module a class of its own: copies share one, with its properties."""
    kind = type(module)
    if computed_attributes(module):
        names = {name: value for name, value in vars(kind).items() if name != without}
        module.__class__ = type(kind.__name__, kind.__bases__, names)


def _attached(model: nn.Module) -> list[tuple[str, nn.Module, str, Any]]:
    """Every masked attribute: its name, its module, the attribute and what computes it."""
    return [
        (f"{prefix}.{attribute}" if prefix else attribute, module, attribute, chain)
        for prefix, module in original(model).named_modules(remove_duplicate=False)
        for attribute, chain in computed_attributes(module).items()
        if len(chain) == 1 and isinstance(chain[0], Mask)
    ]


def attached_masks(model: nn.Module) -> dict[str, Tensor]:
    """The masks that a model carries, by the names of the plain parameters.

    Examples
    --------
    >>> layer = apply_masks(nn.Linear(2, 1), {"weight": torch.tensor([[True, False]])})
    >>> attached_masks(layer)
    {'weight': tensor([[ True, False]])}
    """
    seen: dict[int, str] = {}
    return {
        name: chain[0].keep
        for name, _, _, chain in _attached(model)
        if seen.setdefault(id(chain[0]), name) == name
    }


def stored_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters behind the masks, removed entries included, by their plain names.

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> held = layer.weight
    >>> stored_weights(apply_masks(layer, {"weight": torch.ones(1, 2)}))["weight"] is held
    True
    """
    first = attached_masks(model)
    return {name: chain.original for name, _, _, chain in _attached(model) if name in first}


def change_masks(model: nn.Module, masks: Masks) -> nn.Module:
    """Put other masks in the place of those that a model carries, in place.

    Raises
    ------
    PruneLimitError
        If the model carries no mask of a name.

    Examples
    --------
    >>> layer = apply_masks(nn.Linear(2, 1), {"weight": torch.tensor([[True, True]])})
    >>> _ = change_masks(layer, {"weight": torch.tensor([[True, False]])})
    >>> attached_masks(layer)["weight"].tolist()
    [[True, False]]
    """
    attached = attached_masks(model)
    for name, mask in masks.items():
        if name not in attached:
            raise PruneLimitError(f"the model carries no mask {name!r}; attach it by apply_masks")
        attached[name].copy_(mask)
    return model


def make_permanent(model: nn.Module) -> nn.Module:
    """Write attached masks into the weights, in place; the modules become plain again.

    Parameters keep their identity and the state dict has its old keys, in their old order.

    Examples
    --------
    >>> from prunelimit.pruning.masks import magnitude_mask
    >>> layer = nn.Linear(4, 4)
    >>> _ = make_permanent(apply_masks(layer, magnitude_mask(layer, 0.5)))
    >>> list(layer.state_dict())
    ['weight', 'bias']
    """
    for _, module, attribute, _ in _attached(model):
        if attribute in computed_attributes(module):  # not yet done under another name
            _make_plain(module, attribute)
    return model


def _make_plain(module: nn.Module, attribute: str) -> None:
    # Not torch's `remove_parametrizations`: it takes the property from the class, which copies of
    # the module share and then could no longer read.
    chains = computed_attributes(module)
    chain = chains[attribute]
    with torch.no_grad():
        chain.original.masked_fill_(~chain[0].keep, 0)
    del chains[attribute]
    if len(chains):
        _own_class(module, without=attribute)
    else:
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    module.register_parameter(attribute, chain.original)
    known = [name for name in chain.places if name in module._parameters]
    for name in [*known, *(n for n in module._parameters if n not in known)]:
        module._parameters[name] = module._parameters.pop(name)
    if isinstance(module, nn.RNNBase) and not len(chains):
        module._init_flat_weights()
