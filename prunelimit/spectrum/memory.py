"""How much memory there is, and how much of it an autograd graph holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

FALLBACK_BYTES = 2 * 1024**3
_CGROUP = Path("/sys/fs/cgroup")


def available_bytes(device: torch.device, processes: int = 1) -> int:
    """Free memory on a device, in bytes; on the CPU within the limit of the control group.

    Where several `processes` of one job share the machine's memory, this is the part of one.

    Examples
    --------
    >>> available_bytes(torch.device("cpu")) > 0
    True
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return FALLBACK_BYTES
    return max(1, min(_free_of_machine(), _free_of_group()) // processes)


def _free_of_machine() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return FALLBACK_BYTES


def _free_of_group() -> int:
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        return 2**62 if limit == "max" else int(limit) - used
    except (OSError, ValueError):
        return 2**62


@contextmanager
def count_saved_bytes(without: Iterable[Tensor]) -> Iterator[dict[int, int]]:
    """Count what graphs built in the block save, except the tensors `without` (the parameters).

    Yields the bytes of each storage by its address.

    Examples
    --------
    >>> x = torch.ones(4, requires_grad=True)
    >>> with count_saved_bytes([x]) as counter:
    ...     y = (x * 2).exp()
    >>> sum(counter.values())
    16
    """
    counter: dict[int, int] = {}
    excluded = {tensor.untyped_storage().data_ptr() for tensor in without}
    alive: list[Tensor] = []  # so that no address is used twice while counting

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in excluded:
            counter[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield counter
