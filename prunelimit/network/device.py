"""Where to compute, and with which kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from prunelimit.errors import PruneLimitError


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """The device that `device` names; ``"auto"`` prefers CUDA, then MPS, then the CPU.

    Raises
    ------
    PruneLimitError
        If torch does not know the device, or this machine does not have it.

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
    return resolved


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
