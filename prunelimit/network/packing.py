"""Batches of any structure as one tensor of rows, and back.

The mathematics splits, joins and moves batches by their first dimension, the examples. A
dictionary or a tuple of tensors is therefore packed: every entry becomes 64-bit integers (the
numbers themselves, or the bits of a float64), one row an example, with a first column that tells
which form the row has. Nothing is rounded, and no change of precision touches it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError

Path = tuple[Any, ...]
Cast = Callable[[Tensor], Tensor]


def children(tree: Any) -> dict[Any, Any] | None:
    """What a dictionary, tuple, list or plain object holds, by key; None of anything else.

    Examples
    --------
    >>> children({"a": 1}), children((2, 3)), children(4)
    ({'a': 1}, {0: 2, 1: 3}, None)
    """
    if isinstance(tree, Mapping):
        return dict(tree)
    if isinstance(tree, (tuple, list)):
        return dict(enumerate(tree))
    if isinstance(tree, SimpleNamespace):
        return dict(vars(tree))
    if is_dataclass(tree) and not isinstance(tree, type):  # with or without __slots__
        return {field.name: getattr(tree, field.name) for field in fields(tree)}
    return None


def leaves(tree: Any, path: Path = ()) -> dict[Path, Any]:
    """Everything in a tree that holds nothing itself, by its path.

    Examples
    --------
    >>> leaves({"a": (1, 2), "b": None})
    {('a', 0): 1, ('a', 1): 2, ('b',): None}
    """
    held = children(tree)
    if held is None:
        return {path: tree}
    found: dict[Path, Any] = {}
    for key, value in held.items():
        found |= leaves(value, (*path, key))
    return found


def rebuilt(tree: Any, change: Callable[[Path, Any], Any], path: Path = ()) -> Any:
    """A tree of the same form with other leaves.

    Examples
    --------
    >>> rebuilt({"a": (1, 2)}, lambda path, value: value + 1)
    {'a': (2, 3)}
    """
    held = children(tree)
    if held is None:
        return change(path, tree)
    new = {key: rebuilt(value, change, (*path, key)) for key, value in held.items()}
    if isinstance(tree, Mapping):
        kind: Any = type(tree)
        # Dataclasses that are dictionaries (ModelOutput of transformers) take keywords.
        return kind(**new) if hasattr(tree, "__dataclass_fields__") else kind(new)
    if isinstance(tree, (tuple, list)):
        return type(tree)(*new.values()) if hasattr(tree, "_fields") else type(tree)(new.values())
    copied = copy.copy(tree)
    for key, value in new.items():
        object.__setattr__(copied, key, value)  # also where it is frozen
    return copied


@dataclass(frozen=True)
class _Form:
    """How rows of one kind are read: the tree, with a place in the row for every tensor."""

    tree: Any
    places: Mapping[Path, tuple[int, int, torch.Size, torch.dtype]]

    def key(self) -> str:
        """Forms that read rows alike have the same."""
        plain = {path: v for path, v in leaves(self.tree).items() if not isinstance(v, Tensor)}
        return repr((dict(self.places), plain))


class Packer:
    """Packs trees of tensors whose first dimension is the examples, and unpacks them.

    Examples
    --------
    >>> packer = Packer()
    >>> batch = {"x": torch.tensor([[0.5], [1.5]]), "n": torch.tensor([1, 2])}
    >>> rows = packer.pack(batch, "batch 0")
    >>> rows.shape, packer.unpack(rows[1:])
    (torch.Size([2, 3]), {'x': tensor([[1.5000]]), 'n': tensor([2])})
    """

    def __init__(self) -> None:
        self._forms: list[_Form] = []
        self._known: dict[str, int] = {}

    @property
    def used(self) -> bool:
        """Whether anything was packed."""
        return bool(self._forms)

    def pack(self, tree: Any, what: str) -> Tensor:
        """Rows ``(n, 1 + entries)``, int64.

        Raises
        ------
        PruneLimitError
            If an entry is no tensor or constant, or the numbers of examples differ.
        """
        found = leaves(tree)
        tensors = {path: v for path, v in found.items() if isinstance(v, Tensor)}
        _check(found, tensors, what)
        columns, places, start = [], {}, 1
        for path, tensor in tensors.items():
            bits = _to_bits(tensor)
            columns.append(bits)
            stop = start + bits.shape[1]
            places[path] = (start, stop, tensor.shape[1:], tensor.dtype)
            start = stop
        form = _Form(rebuilt(tree, lambda path, v: None if path in tensors else v), places)
        number = self._known.setdefault(form.key(), len(self._forms))
        if number == len(self._forms):
            self._forms.append(form)
        marks = torch.full((len(columns[0]), 1), number, dtype=torch.int64)
        return torch.cat([marks.to(columns[0].device), *columns], 1)

    def unpack(self, rows: Tensor, cast: Cast | None = None) -> Any:
        """The tree of such rows; `cast` is applied to each of its tensors."""
        form = self._forms[int(rows[0, 0])] if len(rows) else self._forms[0]

        def value(path: Path, constant: Any) -> Any:
            if path not in form.places:
                return constant
            start, stop, shape, dtype = form.places[path]
            tensor = _from_bits(rows[:, start:stop], shape, dtype)
            return tensor if cast is None else cast(tensor)

        return rebuilt(form.tree, value)


def _check(found: Mapping[Path, Any], tensors: Mapping[Path, Tensor], what: str) -> None:
    for path, value in found.items():
        if not isinstance(value, (Tensor, bool, int, float, str, type(None))) or (
            isinstance(value, Tensor) and value.ndim == 0
        ):
            raise PruneLimitError(
                f"{what}: entry {path_name(path)} is a {type(value).__name__}"
                f"{' without examples' if isinstance(value, Tensor) else ''}; give tensors whose "
                "first dimension is the examples, or collate it into one"
            )
    sizes = {path_name(path): len(tensor) for path, tensor in tensors.items()}
    if not sizes:
        raise PruneLimitError(
            f"{what} holds no tensor; give a pair (inputs, targets), which must be tensors or hold "
            "some, or a dictionary of tensors"
        )
    if len(set(sizes.values())) > 1:
        raise PruneLimitError(
            f"{what}: the first dimensions (examples) must agree, but are "
            f"{', '.join(f'{name} {size}' for name, size in sizes.items())}"
        )


def path_name(path: Path) -> str:
    """How a message calls the entry at a path."""
    return ".".join(map(str, path)) or "itself"


def _to_bits(tensor: Tensor) -> Tensor:
    flat = tensor.detach().reshape(len(tensor), -1)
    if flat.is_complex():
        flat = torch.view_as_real(flat.to(torch.complex128)).flatten(1)
    if flat.is_floating_point():
        return flat.double().contiguous().view(torch.int64)
    return flat.to(torch.int64)


def _from_bits(bits: Tensor, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    if dtype.is_complex:
        pairs = bits.contiguous().view(torch.float64).unflatten(1, (-1, 2))
        return torch.view_as_complex(pairs).to(dtype).view(len(bits), *shape)
    if dtype.is_floating_point:
        bits = bits.contiguous().view(torch.float64)
    return bits.to(dtype).view(len(bits), *shape)
