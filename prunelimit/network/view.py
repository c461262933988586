"""A model and a loss seen through packed tensors: outputs of any structure become one tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.packing import Cast, Path, leaves, path_name, rebuilt

Call = Callable[[nn.Module, Tensor, Cast | None], Any]
"""The outputs of a model for packed inputs, the tensors of which are cast."""


# A ModelOutput of transformers forgets fields that are None.
_HELD = torch.empty(0)


@dataclass(frozen=True)
class OutputForm:
    """Which tensors of the outputs the loss reads, and what they are held in.

    Attributes
    ----------
    tree
        The outputs, with nothing in them but a place for each tensor that is read.
    shapes
        Path to the shape of one example's tensor, of those that the loss reads.
    """

    tree: Any
    shapes: dict[Path, torch.Size]

    def gather(self, outputs: Any) -> Tensor:
        """One tensor of examples: the one that is read, or all of them side by side.

        Raises
        ------
        PruneLimitError
            If a tensor is missing, or several have other shapes than on the first batch.
        """
        found = leaves(outputs)
        missing = [path for path in self.shapes if not isinstance(found.get(path), Tensor)]
        if missing:
            raise PruneLimitError(
                f"the outputs have no {path_name(missing[0])} as on the first batch"
            )
        if len(self.shapes) == 1:
            return found[next(iter(self.shapes))]
        for path, shape in self.shapes.items():
            if found[path].shape[1:] != shape:
                raise PruneLimitError(
                    f"output {path_name(path)} changes its shape from batch to batch, "
                    f"{tuple(shape)} to {tuple(found[path].shape[1:])}; pad them to one length"
                )
        return torch.cat([found[path].reshape(len(found[path]), -1) for path in self.shapes], 1)

    def build(self, outputs: Tensor) -> Any:
        """The structure that the loss takes, around the tensors that it reads."""
        if len(self.shapes) == 1:
            parts = dict.fromkeys(self.shapes, outputs)
        else:
            sizes = [shape.numel() for shape in self.shapes.values()]
            pieces = outputs.split(sizes, 1)
            parts = {
                path: piece.reshape(len(piece), *shape)
                for (path, shape), piece in zip(self.shapes.items(), pieces, strict=True)
            }
        return rebuilt(self.tree, lambda path, _: parts.get(path))


def read_by_loss(outputs: Any, loss: Callable[[Any], Tensor], examples: int) -> OutputForm:
    """Find which of the outputs a loss reads, by its gradient.

    Raises
    ------
    PruneLimitError
        If it reads none, or one that is not by example: a loss that the model computed.

    Examples
    --------
    >>> outputs = {"logits": torch.ones(3, 2), "hidden": torch.ones(3, 5)}
    >>> form = read_by_loss(outputs, lambda built: built["logits"].square().mean(), 3)
    >>> form.gather(outputs).shape
    torch.Size([3, 2])
    """
    tensors = {
        path: leaf.detach().clone().requires_grad_()
        for path, leaf in leaves(outputs).items()
        if isinstance(leaf, Tensor) and leaf.is_floating_point()
    }
    with torch.enable_grad():
        value = loss(rebuilt(outputs, lambda path, leaf: tensors.get(path, leaf)))
        total = value.sum() if isinstance(value, Tensor) else value
    if not tensors or not isinstance(value, Tensor) or not value.requires_grad:
        raise PruneLimitError(
            f"the loss does not depend on the outputs of the model, a {type(outputs).__name__}, "
            "through autograd; let loss_fn compute it from them, or give forward= that returns the "
            "tensors it takes"
        )
    slopes = torch.autograd.grad(total, list(tensors.values()), allow_unused=True)
    read = [path for path, slope in zip(tensors, slopes, strict=True) if slope is not None]
    for path in read:
        if tensors[path].shape[:1] != (examples,):
            raise PruneLimitError(
                f"the loss reads output {path_name(path)} of shape {tuple(tensors[path].shape)}, "
                "which is not by example: a loss that the model itself computes hides its "
                "curvature. Let loss_fn(outputs, targets) compute it from the logits"
            )
    return OutputForm(
        rebuilt(outputs, lambda path, leaf: _HELD if path in read else None),
        {path: tensors[path].shape[1:] for path in read},
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
