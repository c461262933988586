"""The plain module behind a compiled one."""

from __future__ import annotations

from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The module that `torch.compile` was given: the same parameters, by their own names.

    Examples
    --------
    >>> import torch
    >>> layer = nn.Linear(2, 1)
    >>> unwrapped(torch.compile(layer)) is layer, unwrapped(layer) is layer
    (True, True)
    """
    while type(model).__name__ == "OptimizedModule" and isinstance(
        original := getattr(model, "_orig_mod", None), nn.Module
    ):
        model = original
    return model
