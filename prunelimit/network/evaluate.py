"""Mean loss and accuracy of a network over a loader, and the mode in which they are measured."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import LossFunction, of_half_in_double, one_number
from prunelimit.network.device import at_device, deterministic_kernels
from prunelimit.network.world import ALONE, World


def evaluate(
    model: nn.Module,
    loss_fn: LossFunction,
    loader: Any,
    device: str | torch.device = "auto",
    world: World = ALONE,
    weights: Sequence[float] | None = None,
) -> tuple[float, float]:
    """Mean loss and accuracy over `loader`, in evaluation mode.

    Batches may differ in size; `weights` say how much each counts in the mean loss
    (`prunelimit.network.losses.batch_weights`), by default its size. The model is left where it is,
    and computed as a copy if that is not `device`. The processes of a world share the batches; each
    has the whole loader.

    Returns
    -------
    (float, float)
        Loss, summed in float64, and the share of right classes among the targets that are
        classes (see `right_answers`); the latter is NaN unless outputs are ``(batch, classes)``,
        of two classes at least, and targets class indices.

    Raises
    ------
    PruneLimitError
        If the loader is empty or the loss is not a single number.

    Examples
    --------
    >>> batch = (torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0]))
    >>> loss, accuracy = evaluate(nn.Identity(), nn.CrossEntropyLoss(), [batch], "cpu")
    >>> round(loss, 4), accuracy
    (1.1269, 0.5)
    """
    where = world.device(device)
    model, loss_fn = at_device(model, loss_fn, where)
    exact = of_half_in_double(loss_fn, where)
    losses, right, asked, sizes = [], [], [], []
    # Not inference_mode: a buffer that forward sets would stay a tensor that nothing may change.
    with evaluation_mode(model), torch.no_grad(), deterministic_kernels():
        for inputs, targets, *_ in world.every(batch for batch in loader if len(batch[0])):
            inputs, targets = inputs.to(where), targets.to(where)
            outputs = model(inputs)
            losses.append(one_number(exact(outputs, targets)).reshape(()))
            of_batch = _count_right(outputs, targets)
            right.append(of_batch[0])
            asked.append(of_batch[1])
            sizes.append(len(targets))
    # One transfer at the end: asking for each number would make an accelerator wait.
    counts = sizes if weights is None else list(world.every(weights))
    own = zip(*map(_numbers, (losses, right, asked)), sizes, counts, strict=True)
    rows = np.array(world.in_order(list(own)), dtype=np.float64).reshape(-1, 5)
    if rows[:, 3].sum() == 0:
        raise PruneLimitError("the loader is empty: there is nothing to measure the loss on")
    return world.from_main(lambda: _means(rows))  # so that all decide by the same bits


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, every module's own training flag back outside."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag


def _means(rows: np.ndarray) -> tuple[float, float]:
    losses, right, asked, _, counts = np.ascontiguousarray(rows.T)
    loss = np.where(counts > 0, losses, 0.0) @ counts / counts.sum()
    return float(loss), float(right.sum()) / float(asked.sum()) if asked.sum() else math.nan


def _numbers(scalars: list[Tensor]) -> list[float]:
    return torch.stack(scalars).cpu().double().tolist() if scalars else []


def _count_right(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Right answers of a batch, and how many there could be; NaN where there are no classes."""
    if outputs.dim() == 2 and names_classes(outputs, targets):
        right, asked = right_answers(outputs, targets)
        return right.sum().float(), asked.sum().float()
    return torch.full((), math.nan, device=outputs.device), torch.ones((), device=outputs.device)


def names_classes(outputs: Tensor, targets: Tensor) -> bool:
    """Whether the outputs' last dimension holds classes, and the targets are indices of them.

    A single output is none: where its two classes part, the outputs do not say.

    Examples
    --------
    >>> labels = torch.tensor([0, 1])
    >>> names_classes(torch.zeros(2, 3), labels), names_classes(torch.zeros(2, 1), labels)
    (True, False)
    """
    shaped = outputs.dim() >= 2 and targets.shape == outputs.shape[:-1] and outputs.shape[-1] > 1
    return shaped and not (targets.is_floating_point() or targets.is_complex())


def right_answers(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Which answers are right, and which were asked for, both of the shape of `targets`.

    A target that is no class, such as torch's -100 of an ignored one, asks for nothing.

    Examples
    --------
    >>> right, asked = right_answers(torch.eye(3), torch.tensor([0, 2, -100]))
    >>> right.tolist(), asked.tolist()
    ([True, False, False], [True, True, False])
    """
    asked = (targets >= 0) & (targets < outputs.shape[-1])
    return (outputs.argmax(-1) == targets) & asked, asked
