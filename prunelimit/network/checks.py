"""What a curvature needs of a model, a loss and a loader, checked before any long work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.device import resolve_device

LossFunction = Callable[[Tensor, Tensor], Tensor]

BATCH_NORM = (nn.modules.batchnorm._BatchNorm,)
DROPOUT = (nn.modules.dropout._DropoutNd,)


def check_modes(model: nn.Module) -> None:
    """Refuse layers whose output is random or depends on the batch in training mode.

    Raises
    ------
    PruneLimitError
        If a batch normalisation or an active dropout layer is in training mode.

    Examples
    --------
    >>> check_modes(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval())
    """
    for name, module in model.named_modules():
        active_dropout = isinstance(module, DROPOUT) and module.p > 0
        if module.training and (isinstance(module, BATCH_NORM) or active_dropout):
            raise PruneLimitError(
                f"layer {name or 'of the model'!r} ({type(module).__name__}) is in training mode, "
                "so the loss is not a fixed function of the weights; call model.eval() first"
            )


def curvature_device(device: str | torch.device, model: nn.Module) -> torch.device:
    """Where to compute: "auto" leaves a model on an accelerator where it is, and moves others.

    Raises
    ------
    PruneLimitError
        If the name is unknown or there is no such device here.

    Examples
    --------
    >>> curvature_device("cpu", nn.Linear(1, 1))
    device(type='cpu')
    """
    first = next(model.parameters(), None)
    if str(device) == "auto" and first is not None and first.device.type != "cpu":
        return first.device
    resolved = resolve_device(device)
    # Curvature is accumulated in float64, which MPS lacks: it is used only when asked for.
    return torch.device("cpu") if str(device) == "auto" and resolved.type == "mps" else resolved


def iterate_pairs(loader: Iterable[Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """The (inputs, targets) batches of a loader, each checked for its form.

    Raises
    ------
    PruneLimitError
        If a batch is not a pair of tensors of the same length.

    Examples
    --------
    >>> [x.shape[0] for x, _ in iterate_pairs([(torch.ones(3, 2), torch.ones(3))])]
    [3]
    """
    for position, batch in enumerate(loader):
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise PruneLimitError(
                f"batch {position} of the loader is a {type(batch).__name__}, not a pair "
                "(inputs, targets); wrap the loader so that it yields such pairs"
            )
        inputs, targets = batch
        if not isinstance(inputs, Tensor) or not isinstance(targets, Tensor):
            raise PruneLimitError(
                f"batch {position} holds ({type(inputs).__name__}, {type(targets).__name__}); "
                "inputs and targets must be tensors"
            )
        if inputs.shape[:1] != targets.shape[:1]:
            raise PruneLimitError(
                f"batch {position} has inputs of shape {tuple(inputs.shape)} and targets of shape "
                f"{tuple(targets.shape)}; their first dimensions (examples) must agree"
            )
        if inputs.shape[0]:
            yield inputs, targets


def check_reiterable(loader: Iterable[Any]) -> None:
    """Refuse a generator: curvature needs the same data for every product.

    Raises
    ------
    PruneLimitError
        If the loader is no iterable, or an iterator (used up after one pass).

    Examples
    --------
    >>> check_reiterable([(torch.ones(1, 1), torch.ones(1))])
    """
    if not isinstance(loader, Iterable):
        raise PruneLimitError(
            f"loader is a {type(loader).__name__}, which cannot be iterated; give a DataLoader or "
            "a list of (inputs, targets) pairs"
        )
    if isinstance(loader, Iterator):
        raise PruneLimitError(
            f"loader is a {type(loader).__name__}, which is used up after one pass; give a "
            "DataLoader or a list, e.g. list(loader)"
        )


def in_double_precision(loss_fn: LossFunction, device: torch.device) -> LossFunction:
    """The same loss, computed in float64 from the outputs where it can be.

    The curvature of a confident example is p (1 - p), which cancels in float32. In
    float64 it costs next to nothing: there are few outputs.

    Examples
    --------
    >>> loss = in_double_precision(nn.functional.cross_entropy, torch.device("cpu"))
    >>> loss(torch.zeros(1, 2), torch.tensor([0])).dtype
    torch.float64
    """
    if device.type == "mps":
        return loss_fn

    def wide(outputs: Tensor, targets: Tensor) -> Tensor:
        truth = targets.double() if targets.is_floating_point() else targets
        try:
            return loss_fn(outputs.double(), truth)
        except RuntimeError:  # it holds tensors of its own in another precision
            return loss_fn(outputs, targets)

    return wide


def scalar_loss(loss_fn: LossFunction, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of a batch, refused unless it is one finite number.

    Raises
    ------
    PruneLimitError
        If the loss is no scalar tensor, or NaN or infinite.

    Examples
    --------
    >>> float(scalar_loss(nn.functional.mse_loss, torch.ones(2, 1), torch.zeros(2, 1)))
    1.0
    """
    loss = loss_fn(outputs, targets)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise PruneLimitError(
            f"the loss of a batch has shape {shape}; it must be one number, the mean over the "
            "examples (reduction='mean')"
        )
    if not bool(torch.isfinite(loss).all()):
        raise PruneLimitError(
            f"the loss of a batch is {float(loss.detach())}; curvature there means nothing. Look "
            "for NaN or infinite values in the data and the weights, or a diverged training"
        )
    return loss.reshape(())


def check_mean_loss(
    evaluate: Callable[[Tensor, Tensor], float], inputs: Tensor, targets: Tensor, rtol: float
) -> None:
    """Refuse a loss that is no mean over examples, by comparing a batch with its two parts.

    For a mean, n L = n_1 L_1 + n_2 L_2 for every split; a sum, a mean weighted
    by class, or a model whose outputs mix the examples of a batch breaks it.

    Parameters
    ----------
    evaluate
        Batch to loss.
    inputs, targets
        One batch ``(n, ...)``; with a single example it is doubled instead.
    rtol
        Relative difference that rounding explains.

    Raises
    ------
    PruneLimitError
        If the two sides differ.

    Examples
    --------
    >>> x = torch.arange(3.0)
    >>> check_mean_loss(lambda a, b: float((a - b).square().mean()), x, x + 1, 1e-6)
    """
    n = inputs.shape[0]
    if n == 1:
        inputs, targets = inputs.repeat_interleave(2, 0), targets.repeat_interleave(2, 0)
        n = 2
    cut = max(1, n // 3)
    whole = evaluate(inputs, targets)
    first, second = evaluate(inputs[:cut], targets[:cut]), evaluate(inputs[cut:], targets[cut:])
    parts = (cut * first + (n - cut) * second) / n
    scale = max(abs(whole), abs(first), abs(second))
    if abs(whole - parts) > rtol * scale + 1e-12:
        raise PruneLimitError(
            f"the loss is no plain mean over examples: a batch of {n} has loss {whole:.6g}, the "
            f"mean over its parts is {parts:.6g}. Use reduction='mean' without class weights, and "
            "a model that treats examples one by one (batch normalisation with running statistics)"
        )
