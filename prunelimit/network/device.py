"""Where to compute, and with which kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.copies import converted, copy_together

Loss = TypeVar("Loss", bound=Callable[..., object])


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """The device that `device` names; ``"auto"`` prefers CUDA, then MPS, then the CPU.

    Raises
    ------
    PruneLimitError
        If torch does not know the device, this machine does not have it, or it holds no
        numbers (``"meta"``).

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(1, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PruneLimitError(
            f"device {str(device)!r} cannot be used here ({reason}); "
            'take "auto", "cpu", or one that torch lists as available'
        ) from error
    if resolved.type == "meta":
        raise PruneLimitError(
            "device 'meta' holds shapes and no numbers: nothing can be computed there; take "
            '"auto", "cpu", or one that torch lists as available'
        )
    return resolved


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters lie; the CPU for a model without any."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def at_device(model: nn.Module, loss_fn: Loss, device: torch.device) -> tuple[nn.Module, Loss]:
    """The model and its loss themselves where they lie on `device`, else copies there.

    The caller's model never moves: what fails on the other device has then left it
    where it was.

    The loss is copied along: it may hold tensors of its own, such as class weights, or the model.

    Examples
    --------
    >>> layer, loss = nn.Linear(2, 1), nn.MSELoss()
    >>> at_device(layer, loss, torch.device("cpu"))[0] is layer
    True
    """
    # "cuda" is whichever is current, and a tensor says which one that is.
    home = torch.empty(0, device=device).device
    if _lies_on(model, home) and _lies_on(loss_fn, home):
        return model, loss_fn
    copied, copied_loss = copy_together(model, loss_fn)
    return converted(copied, home, None), converted(copied_loss, home, None)


def _lies_on(thing: object, device: torch.device) -> bool:
    if isinstance(thing, partial):
        return all(_lies_on(held, device) for held in (*thing.args, *thing.keywords.values()))
    if isinstance(thing, Tensor):
        return thing.device == device
    if not isinstance(thing, nn.Module):
        return True
    return all(tensor.device == device for tensor in chain(thing.parameters(), thing.buffers()))


@contextlib.contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Deterministic convolutions inside, so that a run repeats its bits; the setting back outside.

    Examples
    --------
    >>> with deterministic_kernels():
    ...     torch.backends.cudnn.deterministic
    True
    """
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
