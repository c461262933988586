"""Which tensors a computation reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class Reading(TorchDispatchMode):
    """Which of some tensors are read by what is computed under it, frozen and detached ones too.

    Examples
    --------
    >>> import torch
    >>> weight, bias = torch.ones(1), torch.ones(1)
    >>> with Reading([weight, bias]) as reading:
    ...     _ = weight.detach() + 1
    >>> reading.found, reading.has(weight), reading.has(bias)
    (True, True, False)
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()
        self._places = {_storage(t) for t in tensors} - {0}
        self._read: set[int] = set()

    @property
    def found(self) -> bool:
        """Whether any of them is read."""
        return bool(self._read)

    def has(self, tensor: Tensor) -> bool:
        """Whether this one is read."""
        return _storage(tensor) in self._read

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute as usual, after a look at what is read."""
        given = pytree.tree_leaves((args, kwargs))
        self._read |= self._places & {_storage(t) for t in given if isinstance(t, Tensor)}
        return func(*args, **(kwargs or {}))


def _storage(tensor: Tensor) -> int:
    """Where its numbers lie; 0 for what has no single place (sparse, or of a subclass)."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0
