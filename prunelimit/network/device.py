"""One word for where to compute."""

from __future__ import annotations

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
