"""A network's answers on validation data, and the metric of them, with the error of a drop."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.names import name_of
from prunelimit.network.adapter import Forward, Loader, Loss, adapt
from prunelimit.network.checks import iterate_batches, said
from prunelimit.network.device import device_of
from prunelimit.network.evaluate import evaluation_mode, names_classes, right_answers
from prunelimit.network.packing import leaves
from prunelimit.network.view import PackedLoss

Metric = Callable[[Any, Any], "float | Tensor"]

_RESAMPLES = 100


class Answers:
    """What `model` says of the validation data, kept on the CPU.

    ``"accuracy"`` is the share of right classes (largest output against class index) among the
    targets that are classes. A callable gets the outputs of all examples at once in the form that
    `loss_fn` takes them, and the targets, or the batch where the loss takes that.
    """

    def __init__(
        self,
        metric: str | Metric,
        model: nn.Module,
        loss_fn: Loss,
        data: Loader,
        forward: Forward | None = None,
    ) -> None:
        model, loss, data = adapt(model, loss_fn, data, forward)
        place = device_of(model)
        self.metric = metric
        self._form = loss.arguments if isinstance(loss, PackedLoss) else lambda *pair: pair
        self._batches: list[tuple[Tensor, Tensor]] = []
        with evaluation_mode(model), torch.no_grad():
            for batch, truth, _ in iterate_batches(data):
                outputs = model(batch.to(place))
                if not self._batches:
                    self._shifted = self._leaves_out_the_last(loss, outputs, truth.to(place))
                self._batches.append((outputs.cpu(), truth.cpu()))
        if not self._batches:
            raise PruneLimitError("the validation loader is empty: it yields no batch")

    def _leaves_out_the_last(self, loss: Loss, outputs: Tensor, targets: Tensor) -> bool:
        """Whether a loss of sequences reads all outputs but the last, as one of next tokens does.

        Where no example has a target at the last place, nothing is known.
        """
        truth = self._form(outputs, targets)[1]
        if outputs.dim() < 3 or not (isinstance(truth, Tensor) and names_classes(outputs, truth)):
            return False
        leaf = outputs.detach().clone().requires_grad_()
        with torch.enable_grad():
            value = loss(leaf, targets).sum()
        if not value.requires_grad:
            return False
        (slope,) = torch.autograd.grad(value, leaf)
        asked = right_answers(outputs, truth)[1][:, -1].any()
        return bool(asked and slope[:, :-1].any() and not slope[:, -1].any())

    def __len__(self) -> int:
        """Number of examples."""
        return sum(len(targets) for _, targets in self._batches)

    @cached_property
    def value(self) -> float:
        """The metric.

        Raises
        ------
        PruneLimitError
            If there are no classes for an accuracy, the function fails or gives no number, or it
            needs batches of one shape and they are not.
        """
        if self.metric == "accuracy":
            right, asked = self._right.sum(0).tolist()
            if not asked:
                raise PruneLimitError("no target of validation= is a class: an accuracy of nothing")
            return right / asked
        return self._of(*self._joined)

    def stderr_of_drop(self, dense: Answers) -> float:
        """Standard error of ``dense.value - value``, by examples that both answered."""
        if self.metric == "accuracy":
            fewer, asked = (dense._right - self._right)[:, 0], self._right[:, 1]
            rest = fewer - asked * fewer.sum() / asked.sum()
            return float(rest.std(correction=0)) * math.sqrt(len(rest)) / float(asked.sum())
        (before, _), (after, targets) = dense._joined, self._joined
        rng = np.random.default_rng(0)
        drops = []
        for _ in range(_RESAMPLES):
            chosen = torch.from_numpy(rng.integers(len(targets), size=len(targets)))
            first, second = (self._of(one[chosen], targets[chosen]) for one in (before, after))
            drops.append(first - second)
        return float(np.std(drops))

    def same_questions(self, other: Answers) -> bool:
        """Whether both answered the same examples in the same order."""
        pairs = zip(self._batches, other._batches, strict=False)
        alike = (a.shape == b.shape and torch.equal(a, b) for (_, a), (_, b) in pairs)
        return len(self._batches) == len(other._batches) and all(alike)

    @cached_property
    def _right(self) -> Tensor:
        """``(examples, 2)``: right answers of each example, and how many were asked for."""
        if self._shifted:
            raise PruneLimitError(
                "metric='accuracy' compares each output with the target at its own place, and the "
                "loss does not read the last output of a sequence: it shifts one against the other "
                "(next tokens). Give metric=, a function (outputs, targets) that shifts as the "
                "loss does"
            )
        rows = []
        for outputs, targets in (self._form(*batch) for batch in self._batches):
            found = [leaf for leaf in leaves(outputs).values() if isinstance(leaf, Tensor)]
            if not (len(found) == 1 and isinstance(targets, Tensor)) or not _by_class(
                found[0], targets
            ):
                raise PruneLimitError(
                    f"metric='accuracy' needs outputs (examples, classes) and class indices, got "
                    f"{_shape(outputs)} and {_shape(targets)}; give a function "
                    "metric(outputs, targets). Where one output tells two classes apart: "
                    "metric=lambda outputs, targets: ((outputs > 0).flatten() == "
                    "targets.flatten().bool()).float().mean()"
                )
            counts = (
                part.double().flatten(1).sum(1) if part.dim() > 1 else part.double()
                for part in right_answers(found[0], targets)
            )
            rows.append(torch.stack(tuple(counts), 1))
        return torch.cat(rows)

    @cached_property
    def _joined(self) -> tuple[Tensor, Tensor]:
        outputs, targets = zip(*self._batches, strict=True)
        if any(len({part.shape[1:] for part in parts}) > 1 for parts in (outputs, targets)):
            raise PruneLimitError(
                f"metric {name_of(self.metric)!r} takes the outputs of all validation examples at "
                "once, and the batches of validation= have several shapes: pad them to one length"
            )
        return torch.cat(outputs), torch.cat(targets)

    def _of(self, outputs: Tensor, targets: Tensor) -> float:
        assert not isinstance(self.metric, str)
        try:
            value = float(self.metric(*self._form(outputs, targets)))
        except Exception as error:  # the caller's own code may raise anything
            raise PruneLimitError(
                f"metric {name_of(self.metric)!r} fails on {len(targets)} validation examples: "
                f"{said(error)}. It gets what loss_fn reads of the outputs, and the targets, in "
                "the form in which loss_fn takes them"
            ) from error
        if not math.isfinite(value):
            raise PruneLimitError(
                f"metric {name_of(self.metric)!r} gave {value} on {len(targets)} examples"
            )
        return value


def _by_class(outputs: Tensor, targets: Tensor) -> bool:
    """Whether the last dimension holds the classes, and no other can be meant."""
    if not names_classes(outputs, targets):
        return False
    return outputs.dim() == 2 or outputs.shape[1] != outputs.shape[-1]


def _shape(value: Any) -> str:
    return f"{tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
