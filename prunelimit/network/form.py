"""Which of a model's outputs a loss reads, and how these become one tensor and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError
from prunelimit.network.packing import Path, leaves, path_name, rebuilt
from prunelimit.network.reading import Reading

# A ModelOutput of transformers forgets fields that are None.
_HELD = torch.empty(0)


class UnreadError(PruneLimitError):
    """A loss reads an output that it did not read of the first batch."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the loss reads output {path_name(path)}, which it did not read of the first batch: "
            "what it reads may not depend on the data. Let the term be 0 where it does not apply, "
            "or begin with a batch where it does"
        )
        self.path = path


class Unread:
    """Stands in the outputs for what the loss did not read of the first batch; refuses to be used.

    Examples
    --------
    >>> Unread(("attention",)) + 1
    Traceback (most recent call last):
    ...
    prunelimit.network.form.UnreadError: the loss reads output attention, which it did not read ...
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def _refuse(self, *_: Any) -> Any:
        raise UnreadError(self.path)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Refuse a function of torch that is given one."""
        found = leaves((args, kwargs or {})).values()
        next(one for one in found if isinstance(one, cls))._refuse()

    def __getattr__(self, name: str) -> Any:
        """Refuse an attribute, but for what Python itself asks for."""
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    __add__ = __sub__ = __mul__ = __truediv__ = __matmul__ = __pow__ = __and__ = __or__ = _refuse
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rmatmul__ = __rand__ = __ror__ = _refuse
    __neg__ = __abs__ = __invert__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __getitem__ = __len__ = __iter__ = __bool__ = __float__ = __int__ = __call__ = _refuse
    __str__ = __format__ = __array__ = __eq__ = __ne__ = __contains__ = __round__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __rpow__ = __index__ = _refuse
    __hash__ = object.__hash__


@dataclass(frozen=True)
class OutputForm:
    """Which outputs the loss reads, and what they are held in.

    Attributes
    ----------
    tree
        The outputs: numbers and text that the loss reads as they are, a place for each tensor that
        it reads, and `Unread` for all else.
    shapes
        Path to the shape of one example's tensor, of those that the loss reads.
    kinds
        Path to the dtype of those that have no digits (labels, a mask).
    moving
        Paths of those through which the loss has a gradient on the first batch.
    fixed
        Paths of those that do not depend on the weights.
    constants
        Path to the number or text, of those that the loss reads.
    absent
        Path to whether there is nothing at it, of all outputs.
    """

    tree: Any
    shapes: dict[Path, torch.Size]
    kinds: dict[Path, torch.dtype]
    moving: frozenset[Path]
    fixed: frozenset[Path]
    constants: dict[Path, Any]
    absent: dict[Path, bool]

    def columns(self) -> Tensor:
        """Which numbers of an example, in the one tensor, are answers and not only read."""
        parts = [
            torch.full((shape.numel(),), path in self.moving) for path, shape in self.shapes.items()
        ]
        return torch.cat(parts)

    def parts(self, rows: Tensor) -> dict[Path, Tensor]:
        """The tensors that lie side by side in the one of several."""
        pieces = rows.split([shape.numel() for shape in self.shapes.values()], 1)
        return {
            path: piece.reshape(len(piece), *self.shapes[path])
            for path, piece in zip(self.shapes, pieces, strict=True)
        }

    def entries(self, outputs: Tensor) -> int:
        """How many of the numbers in the one tensor the loss has a gradient in."""
        if len(self.shapes) == 1:
            return outputs.numel()
        return len(outputs) * sum(self.shapes[path].numel() for path in self.moving)

    def gather(self, outputs: Any, training: bool = False) -> Tensor:
        """One tensor of examples: the one that is read, or all of them side by side.

        A model in `training` may return more or less than is read, such as no cache.

        Raises
        ------
        PruneLimitError
            If there are other outputs or constants than on the first batch, several tensors have
            other shapes, or a whole number is too large to be held beside the others.
        """
        found = leaves(outputs)
        missing = [path for path in self.shapes if not isinstance(found.get(path), Tensor)]
        if missing and training:
            raise PruneLimitError(f"in training the outputs have no {path_name(missing[0])}")
        if not training:
            self._require_alike(found)
        if len(self.shapes) == 1:
            return found[next(iter(self.shapes))]
        for path, shape in self.shapes.items():
            if found[path].shape[1:] != shape:
                raise PruneLimitError(
                    f"output {path_name(path)} changes its shape from batch to batch, "
                    f"{tuple(shape)} to {tuple(found[path].shape[1:])}; pad them to one length"
                )
        rows = torch.cat([found[path].reshape(len(found[path]), -1) for path in self.shapes], 1)
        for path in self.kinds:
            if not torch.equal(found[path].to(rows.dtype).to(found[path].dtype), found[path]):
                raise PruneLimitError(
                    f"output {path_name(path)} holds numbers that do not fit into the outputs' "
                    f"{rows.dtype}; let the loader give them with the targets"
                )
        return rows

    def _require_alike(self, found: dict[Path, Any]) -> None:
        absent = {path: leaf is None for path, leaf in found.items()}
        if absent != self.absent:
            paths = [p for p in absent | self.absent if absent.get(p) != self.absent.get(p)]
            raise PruneLimitError(
                f"output {path_name(paths[0])} is there in some batches and not in others: what "
                "the loss is given may not depend on the data. Return a tensor in each, of zeros "
                "where there is nothing"
            )
        unfixed = [p for p in self.shapes if p in self.fixed and found[p].requires_grad]
        if unfixed:
            raise PruneLimitError(
                f"output {path_name(unfixed[0])} depends on the weights at some examples and not "
                "at the first: return it as another tensor, or compute it from the weights at all"
            )
        for path, constant in self.constants.items():
            if found.get(path) != constant:
                raise PruneLimitError(
                    f"the loss reads output {path_name(path)}, which changes from batch to batch, "
                    f"{constant!r} to {str(found.get(path))[:80]!r}; give a tensor with a row for "
                    "each example"
                )

    def build(self, outputs: Tensor) -> Any:
        """The structure that the loss takes, around the tensors that it reads."""
        if len(self.shapes) == 1:
            parts = dict.fromkeys(self.shapes, outputs)
        else:
            parts = {path: self._part(path, part) for path, part in self.parts(outputs).items()}
        return rebuilt(self.tree, lambda path, leaf: parts.get(path, leaf))

    def _part(self, path: Path, piece: Tensor) -> Tensor:
        still = path in self.fixed or path in self.kinds
        return piece.detach().to(self.kinds.get(path, piece.dtype)) if still else piece


def read_by_loss(
    outputs: Any, loss: Callable[[Any], Tensor], examples: int, fixed: Collection[Path] = ()
) -> OutputForm:
    """Find which of the outputs a loss reads, also without a gradient.

    Those at the paths `fixed` do not depend on the weights.

    Raises
    ------
    PruneLimitError
        If none has a gradient, one is not by example (a loss that the model computed), or the loss
        is another one where it is given what it reads alone.

    Examples
    --------
    >>> outputs = {"logits": torch.ones(3, 2), "hidden": torch.ones(3, 5)}
    >>> form = read_by_loss(outputs, lambda built: built["logits"].square().mean(), 3)
    >>> form.gather(outputs).shape
    torch.Size([3, 2])
    """
    return _Search(outputs, loss, examples, fixed).form()


@dataclass
class _Search:
    """What is known so far of what the loss reads of the first batch."""

    outputs: Any
    loss: Callable[[Any], Tensor]
    examples: int
    fixed: Collection[Path]

    def __post_init__(self) -> None:
        self.found = leaves(self.outputs)
        tensors = {p: leaf for p, leaf in self.found.items() if isinstance(leaf, Tensor)}
        self.tensors = {path: tensor.detach().clone() for path, tensor in tensors.items()}
        for path, tensor in self.tensors.items():
            tensor.requires_grad_(tensor.is_floating_point() and path not in self.fixed)
        self.read: set[Path] = set()
        self.moving: set[Path] = set()
        self.constants: dict[Path, Any] = {}

    def form(self) -> OutputForm:
        """The form by which the loss is that of the outputs themselves."""
        whole = self._look()
        alone = self._alone()
        if not _same(whole, alone):  # it may ask what kind of thing an output is
            for path, tensor in self.tensors.items():
                if tensor.shape[:1] == (self.examples,):
                    self._add(path)
            alone = self._alone()
        if not _same(whole, alone):
            raise PruneLimitError(
                f"the loss of the first batch is {whole:.6g}, and {alone:.6g} where it is given "
                "the tensors alone that it reads of the outputs; let the model return these, or "
                "give forward= that does"
            )
        return self._form()

    def _look(self) -> float:
        """The loss, and which tensors are read by it, with a gradient or without."""
        tensors, floating = self.tensors, [t for t in self.tensors.values() if t.requires_grad]
        with torch.enable_grad(), Reading(tensors.values()) as reading:
            value = self.loss(rebuilt(self.outputs, lambda path, leaf: tensors.get(path, leaf)))
            total = value.sum() if isinstance(value, Tensor) else value
        if not floating or not isinstance(value, Tensor) or not value.requires_grad:
            raise PruneLimitError(
                "the loss does not depend on the outputs of the model, a "
                f"{type(self.outputs).__name__}, through autograd; let loss_fn compute it from "
                "them, or give forward= that returns the tensors it takes"
            )
        slopes = torch.autograd.grad(total, floating, allow_unused=True)
        sloped = {id(t) for t, slope in zip(floating, slopes, strict=True) if slope is not None}
        self.moving = {path for path, tensor in tensors.items() if id(tensor) in sloped}
        for path, tensor in tensors.items():
            if path in self.moving or reading.has(tensor):
                self._add(path)
        return float(total.detach())

    def _add(self, path: Path) -> None:
        shape = self.tensors[path].shape
        if shape[:1] != (self.examples,):
            raise PruneLimitError(
                f"the loss reads output {path_name(path)} of shape {tuple(shape)}, "
                "which is not by example: a loss that the model itself computes hides its "
                "curvature. Let loss_fn(outputs, targets) compute it from the logits"
            )
        self.read.add(path)

    def _alone(self) -> float:
        """The loss of what it reads alone; what else it asks for is added."""
        while True:
            form = self._form()
            try:
                return float(self.loss(form.build(form.gather(self.outputs))).sum())
            except UnreadError as unread:
                self._give(unread.path, unread)

    def _give(self, path: Path, asked: UnreadError) -> None:
        leaf = self.found[path]
        if path in self.read or path in self.constants:
            raise PruneLimitError(
                f"the loss keeps output {path_name(path)} from one call to the next: it has to be "
                "a function of what it is given"
            ) from asked
        if path in self.tensors:
            self._add(path)
        elif isinstance(leaf, bool | int | float | str):
            self.constants[path] = leaf
        else:
            raise PruneLimitError(
                f"the loss uses output {path_name(path)}, a {type(leaf).__name__}, which has no "
                "rows for the examples; let the model return tensors, or give forward= that does"
            ) from asked

    def _form(self) -> OutputForm:
        read = [path for path in self.tensors if path in self.read]
        return OutputForm(
            rebuilt(self.outputs, self._place),
            {path: self.tensors[path].shape[1:] for path in read},
            {p: t.dtype for p in read if not (t := self.tensors[p]).is_floating_point()},
            frozenset(self.moving),
            frozenset(self.fixed),
            dict(self.constants),
            {path: leaf is None for path, leaf in self.found.items()},
        )

    def _place(self, path: Path, leaf: Any) -> Any:
        if path in self.read:
            return _HELD
        return leaf if leaf is None or path in self.constants else Unread(path)


def _same(whole: float, alone: float) -> bool:
    return math.isclose(whole, alone, rel_tol=1e-3, abs_tol=1e-6) or math.isnan(whole)
