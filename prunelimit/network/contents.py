"""What a model holds, as the content of one file and as one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from safetensors.torch import save
from torch import Tensor, nn


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


def weights_bytes(model: nn.Module, metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of a safetensors file with the weights and buffers of `model`.

    safetensors stores no memory twice, so a tied weight goes by its first name.

    Examples
    --------
    >>> len(weights_bytes(nn.Linear(2, 1, bias=False))) % 8
    0
    """
    first = shared_names(model)
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
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
