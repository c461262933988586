"""What a model holds, as the content of one file and as one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from safetensors.torch import save
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError


def shared_names(model: nn.Module) -> dict[str, str]:
    """Name of each tensor to the first name of the same memory (tied weights).

    Examples
    --------
    >>> shared_names(nn.Linear(2, 1))
    {'weight': 'weight', 'bias': 'bias'}
    """
    first: dict[tuple[int, torch.Size, tuple[int, ...]], str] = {}
    shared = {}
    for name, tensor in model.state_dict().items():
        if tensor.numel():
            key = (tensor.data_ptr(), tensor.shape, tensor.stride())
            shared[name] = first.setdefault(key, name)
    return shared


def storable(model: nn.Module) -> dict[str, Tensor]:
    """The state dict, every entry of which a safetensors file can hold.

    Raises
    ------
    PruneLimitError
        Naming the first one that it cannot.

    Examples
    --------
    >>> list(storable(nn.Linear(1, 1)))
    ['weight', 'bias']
    """
    state = model.state_dict()
    for name, held in state.items():
        if not _fits(held):
            kind = getattr(held, "dtype", type(held).__name__)
            raise PruneLimitError(
                f"{name} of the model's state dict ({kind}) cannot be kept in a safetensors file, "
                "which holds dense tensors of the usual types: keep it out of the state dict "
                "(persistent=False, no get_extra_state), or ask from Python without directory=, "
                "and save the model that is returned by torch.save"
            )
    return state


def _fits(held: object) -> bool:
    if not isinstance(held, Tensor) or held.layout is not torch.strided:
        return False
    try:
        save({"one": torch.empty(1, dtype=held.dtype)})
    except KeyError:  # safetensors does not know the type
        return False
    return True


def weights_bytes(model: nn.Module, metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of a safetensors file with the weights and buffers of `model`.

    safetensors stores no memory twice, so a tied weight goes by its first name.

    Raises
    ------
    PruneLimitError
        If there is something that such a file cannot hold.

    Examples
    --------
    >>> len(weights_bytes(nn.Linear(2, 1, bias=False))) % 8
    0
    """
    held, first = storable(model), shared_names(model)
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in held.items()
        if first.get(name, name) == name
    }
    return save(tensors, None if metadata is None else dict(metadata))


def digest(tensors: Mapping[str, Tensor]) -> str:
    """A SHA-256 of a state dict, to tell whether two models are the same bits."""
    total = hashlib.sha256()
    for name, tensor in tensors.items():
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
