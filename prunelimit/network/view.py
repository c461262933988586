"""A model and a loss seen through packed tensors: outputs of any structure become one tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.packing import Cast, Path, leaves, path_name, rebuilt
from prunelimit.network.reading import Reading

Call = Callable[[nn.Module, Tensor, Cast | None], Any]
"""The outputs of a model for packed inputs, the tensors of which are cast."""


# A ModelOutput of transformers forgets fields that are None.
_HELD = torch.empty(0)


class Unread:
    """Stands in the outputs for what the loss did not read of the first batch; refuses to be used.

    Examples
    --------
    >>> Unread(("attention",)) + 1
    Traceback (most recent call last):
    ...
    prunelimit.errors.PruneLimitError: the loss reads output attention, which it did not read of \
the first batch: what it reads may not depend on the data. Let the term be 0 where it does not \
apply, or begin with a batch where it does
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def _refuse(self, *_: Any) -> Any:
        raise PruneLimitError(
            f"the loss reads output {path_name(self.path)}, which it did not read of the first "
            "batch: what it reads may not depend on the data. Let the term be 0 where it does not "
            "apply, or begin with a batch where it does"
        )

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


@dataclass(frozen=True)
class OutputForm:
    """Which tensors of the outputs the loss reads, and what they are held in.

    Attributes
    ----------
    tree
        The outputs: numbers and text as they are, a place for each tensor that is read, and
        `Unread` for all else.
    shapes
        Path to the shape of one example's tensor, of those that the loss reads.
    kinds
        Path to the dtype of those that have no digits (labels, a mask).
    """

    tree: Any
    shapes: dict[Path, torch.Size]
    kinds: dict[Path, torch.dtype] = field(default_factory=dict)

    def gather(self, outputs: Any) -> Tensor:
        """One tensor of examples: the one that is read, or all of them side by side.

        Raises
        ------
        PruneLimitError
            If a tensor is missing or a constant is another one than on the first batch, several
            tensors have other shapes, or a whole number is too large to be held beside the others.
        """
        found = leaves(outputs)
        missing = [path for path in self.shapes if not isinstance(found.get(path), Tensor)]
        if missing:
            raise PruneLimitError(
                f"the outputs have no {path_name(missing[0])} as on the first batch"
            )
        self._require_constants(found)
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

    def _require_constants(self, found: dict[Path, Any]) -> None:
        for path, constant in leaves(self.tree).items():
            if _is_constant(constant) and found.get(path) != constant:
                raise PruneLimitError(
                    f"output {path_name(path)} changes from batch to batch, {constant!r} to "
                    f"{str(found.get(path))[:80]!r}; leave it out, or give a tensor with a row for "
                    "each example"
                )

    def build(self, outputs: Tensor) -> Any:
        """The structure that the loss takes, around the tensors that it reads."""
        if len(self.shapes) == 1:
            parts = dict.fromkeys(self.shapes, outputs)
        else:
            sizes = [shape.numel() for shape in self.shapes.values()]
            pieces = outputs.split(sizes, 1)
            parts = {
                path: piece.reshape(len(piece), *shape).to(self.kinds.get(path, piece.dtype))
                for (path, shape), piece in zip(self.shapes.items(), pieces, strict=True)
            }
        return rebuilt(self.tree, lambda path, leaf: parts.get(path, leaf))


def _is_constant(leaf: Any) -> bool:
    return isinstance(leaf, bool | int | float | str)


def read_by_loss(outputs: Any, loss: Callable[[Any], Tensor], examples: int) -> OutputForm:
    """Find which of the outputs a loss reads, also without a gradient.

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
    tensors = {
        path: leaf.detach().clone().requires_grad_(leaf.is_floating_point())
        for path, leaf in leaves(outputs).items()
        if isinstance(leaf, Tensor)
    }
    floating = [tensor for tensor in tensors.values() if tensor.requires_grad]
    with torch.enable_grad(), Reading(tensors.values()) as reading:
        value = loss(rebuilt(outputs, lambda path, leaf: tensors.get(path, leaf)))
        total = value.sum() if isinstance(value, Tensor) else value
    if not floating or not isinstance(value, Tensor) or not value.requires_grad:
        raise PruneLimitError(
            f"the loss does not depend on the outputs of the model, a {type(outputs).__name__}, "
            "through autograd; let loss_fn compute it from them, or give forward= that returns the "
            "tensors it takes"
        )
    slopes = torch.autograd.grad(total, floating, allow_unused=True)
    moving = {id(one) for one, slope in zip(floating, slopes, strict=True) if slope is not None}
    read = [path for path, one in tensors.items() if id(one) in moving or reading.has(one)]
    for path in read:
        if tensors[path].shape[:1] != (examples,):
            raise PruneLimitError(
                f"the loss reads output {path_name(path)} of shape {tuple(tensors[path].shape)}, "
                "which is not by example: a loss that the model itself computes hides its "
                "curvature. Let loss_fn(outputs, targets) compute it from the logits"
            )
    form = OutputForm(
        rebuilt(outputs, lambda path, leaf: _place(path, leaf, path in read)),
        {path: tensors[path].shape[1:] for path in read},
        {path: tensors[path].dtype for path in read if not tensors[path].requires_grad},
    )
    _require_same(float(total.detach()), loss(form.build(form.gather(outputs))).sum())
    return form


def _place(path: Path, leaf: Any, is_read: bool) -> Any:
    if is_read:
        return _HELD
    return leaf if leaf is None or _is_constant(leaf) else Unread(path)


def _require_same(whole: float, alone: Tensor) -> None:
    if not math.isclose(whole, float(alone), rel_tol=1e-3, abs_tol=1e-6) and whole == whole:
        raise PruneLimitError(
            f"the loss of the first batch is {whole:.6g}, and {float(alone):.6g} where it is given "
            "the tensors alone that it reads of the outputs; let the model return these, or give "
            "forward= that does"
        )


class ModelView(nn.Module):
    """A model that takes packed inputs and returns one tensor of examples.

    It has the very parameters, buffers and modules of the model that it shows, under their own
    names; nothing is copied.
    """

    inner: nn.Module

    def __init__(self, inner: nn.Module, call: Call, form: OutputForm) -> None:
        self.__dict__["inner"] = inner
        mode = inner.training
        super().__init__()
        inner.training = mode
        for table in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            self.__dict__[table] = inner.__dict__[table]
        self.call, self.form = call, form
        self.precision = self._now()

    @property
    def training(self) -> bool:
        """The mode of the model."""
        return self.inner.training

    @training.setter
    def training(self, mode: bool) -> None:
        """Whether the inner model trains."""
        self.inner.training = mode

    def _now(self) -> torch.dtype | None:
        held = (p.dtype for p in self.inner.parameters() if p.is_floating_point())
        return next(held, None)

    def forward(self, rows: Tensor) -> Tensor:
        """Outputs ``(n, ...)`` for packed inputs ``(n, width)``."""
        now = self._now()

        def cast(tensor: Tensor) -> Tensor:
            # Where a copy of the model was widened, its inputs are, too.
            return tensor.to(now) if tensor.dtype == self.precision != now else tensor

        return self.form.gather(self.call(self.inner, rows, cast))


class PackedLoss(nn.Module):
    """The caller's loss of the outputs as one tensor, and of packed targets.

    A module, so that a loss with tensors of its own is moved with it.
    """

    def __init__(
        self,
        loss_fn: Callable[..., Tensor],
        form: OutputForm,
        truth: Callable[[Tensor, Cast | None], Any],
    ) -> None:
        super().__init__()
        self.loss_fn, self.form, self.truth = loss_fn, form, truth

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, a mean over the examples."""
        return self.loss_fn(*self.arguments(outputs, targets))

    def arguments(self, outputs: Tensor, targets: Tensor) -> tuple[Any, Any]:
        """What the caller's loss takes, in the caller's own form."""

        def cast(tensor: Tensor) -> Tensor:
            return tensor.to(outputs.dtype) if tensor.is_floating_point() else tensor

        return self.form.build(outputs), self.truth(targets, cast)


def original(model: nn.Module) -> nn.Module:
    """The caller's model behind a `ModelView`; any other model itself.

    Examples
    --------
    >>> layer = nn.Linear(1, 1)
    >>> original(layer) is layer
    True
    """
    return model.inner if isinstance(model, ModelView) else model


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
