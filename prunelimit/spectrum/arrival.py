"""Weights that no gradient reaches: named, since they are not flat directions of the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import LossFunction


def check_arrival(
    model: nn.Module,
    loss_fn: LossFunction,
    parameters: Mapping[str, nn.Parameter],
    batches: Iterable[tuple[Tensor, Tensor]],
) -> None:
    """Refuse parameters to which no batch sends a gradient.

    Batches are read until each has had one; the first suffices for most models.

    Raises
    ------
    PruneLimitError
        Naming layers that forward never calls, and weights whose gradient is lost on its way.
    """
    missing = dict(parameters)
    called: set[int] = set()
    hooks = [
        module.register_forward_pre_hook(lambda module, _: called.add(id(module)))
        for module in model.modules()
    ]
    try:
        for inputs, targets in batches:
            with torch.enable_grad():
                loss = loss_fn(model(inputs), targets)
            if not loss.requires_grad:
                raise PruneLimitError(
                    "the loss does not depend on the parameters through autograd; look for "
                    "detach(), no_grad() or integer outputs in the model and loss_fn"
                )
            found = torch.autograd.grad(loss, list(missing.values()), allow_unused=True)
            missing = {
                name: parameter
                for (name, parameter), gradient in zip(missing.items(), found, strict=True)
                if gradient is None
            }
            if not missing:
                return
    finally:
        for hook in hooks:
            hook.remove()
    _refuse(model, parameters, missing, called)


def _refuse(
    model: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    missing: Mapping[str, nn.Parameter],
    called: set[int],
) -> None:
    holders = {
        id(parameter): module
        for module in model.modules()
        for parameter in module._parameters.values()
        if parameter is not None
    }
    idle = [n for n, p in missing.items() if id(holders.get(id(p), model)) not in called]
    lost = [name for name in missing if name not in idle]
    total = sum(p.numel() for p in parameters.values())
    sentences = []
    if idle:
        sentences.append(
            f"{_named(idle, missing, total)} never enter the loss: their layers are not used by "
            "the model's forward. They would count as flat; delete the layers, freeze them "
            "(requires_grad_(False)), or choose what counts by parameters="
        )
    if lost:
        sentences.append(
            f"no gradient reaches {_named(lost, missing, total)}, though their layers are called: "
            "look for torch.utils.checkpoint with use_reentrant=True (use_reentrant=False works), "
            "detach(), no_grad(), or a torch.autograd.Function that loses it; or choose what "
            "counts by parameters="
        )
    raise PruneLimitError("; ".join(sentences))


def _named(names: list[str], missing: Mapping[str, nn.Parameter], total: int) -> str:
    count = sum(missing[name].numel() for name in names)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more} ({count:,} of {total:,} weights)"
