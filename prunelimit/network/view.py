"""A model and a loss seen through packed tensors: outputs of any structure become one tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.network.form import OutputForm
from prunelimit.network.packing import Cast

Call = Callable[[nn.Module, Tensor, Cast | None], Any]
"""The outputs of a model for packed inputs, the tensors of which are cast."""


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

        return self.form.gather(self.call(self.inner, rows, cast), self.training)


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
