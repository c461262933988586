"""Which parameters are prunable, and how they become one vector.

One set serves the mask, the distance and the curvature: the weights of linear
and convolutional layers, never biases or normalisation (Zhang et al. 2024).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError

PRUNABLE_LAYERS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def prunable_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Weights of the linear and convolutional layers, in the order of the modules.

    A weight shared by two layers appears once. Frozen weights
    (``requires_grad=False``) are left out.

    Parameters
    ----------
    model
        Any module; it is not changed.

    Returns
    -------
    dict
        Name to parameter, as in ``model.named_parameters()``.

    Raises
    ------
    PruneLimitError
        If the model is no module, there is nothing to prune, or a layer still carries a pruning
        re-parametrisation (its ``weight`` is then no parameter).

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    >>> {name: tuple(p.shape) for name, p in prunable_parameters(model).items()}
    {'0.weight': (4, 3), '2.weight': (2, 4)}
    """
    if not isinstance(model, nn.Module):
        raise PruneLimitError(
            f"the model is a {type(model).__name__}; it has to be a torch.nn.Module"
        )
    found: dict[str, nn.Parameter] = {}
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        if not isinstance(module, PRUNABLE_LAYERS):
            continue
        name = f"{prefix}.weight" if prefix else "weight"
        weight = module.weight
        if not isinstance(weight, nn.Parameter):
            raise PruneLimitError(
                f"{name} is re-parametrised ({type(module).__name__} holds no plain weight); "
                "make it permanent first, e.g. torch.nn.utils.prune.remove(module, 'weight')"
            )
        if weight.requires_grad and id(weight) not in seen:
            seen.add(id(weight))
            found[name] = weight
    if not found:
        raise PruneLimitError(
            f"{type(model).__name__} has no prunable parameter: none of its layers is a linear or "
            "convolutional one with a weight that requires a gradient"
        )
    return found


def flatten(tensors: Iterable[Tensor]) -> Tensor:
    """Concatenate tensors into one vector ``(dim,)``, in their order.

    Examples
    --------
    >>> flatten([torch.ones(2, 2), torch.zeros(1)])
    tensor([1., 1., 1., 1., 0.])
    """
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def prunable_weights(model: nn.Module) -> Tensor:
    """The prunable weights as one vector ``(dim,)``, detached.

    Examples
    --------
    >>> prunable_weights(nn.Linear(2, 3)).shape
    torch.Size([6])
    """
    return flatten(p.detach() for p in prunable_parameters(model).values())


def unflatten(vector: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Split ``(dim,)`` into views shaped as the tensors of `like`; the inverse of `flatten`.

    Raises
    ------
    PruneLimitError
        If the lengths differ.

    Examples
    --------
    >>> unflatten(torch.arange(3.0), {"a": torch.zeros(2), "b": torch.zeros(1, 1)})
    {'a': tensor([0., 1.]), 'b': tensor([[2.]])}
    """
    sizes = [tensor.numel() for tensor in like.values()]
    if vector.shape != (sum(sizes),):
        raise PruneLimitError(
            f"a vector of shape {tuple(vector.shape)} does not fit parameters with "
            f"{sum(sizes)} entries in all; expected ({sum(sizes)},)"
        )
    pieces = vector.split(sizes)
    return {
        name: piece.view(tensor.shape)
        for (name, tensor), piece in zip(like.items(), pieces, strict=True)
    }


def with_weights(model: nn.Module, vector: Tensor) -> nn.Module:
    """A copy of the model whose prunable weights are the entries of `vector` ``(dim,)``.

    Examples
    --------
    >>> with_weights(nn.Linear(2, 1), torch.tensor([3.0, 4.0])).weight.tolist()
    [[3.0, 4.0]]
    """
    copied = copy.deepcopy(model)
    parameters = prunable_parameters(copied)
    for name, values in unflatten(vector, parameters).items():
        parameters[name].data.copy_(values)
    return copied
