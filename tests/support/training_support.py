"""What makes the training tests light on a busy machine."""

import contextlib
import os
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def light(monkeypatch) -> Iterator[None]:
    """One thread, and no waiting for the disk.

    Networks this small are slower on two threads, and far slower where others use the cores.
    Flushing guards against power cuts, which no test causes, and costs most of the time.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    yield
    torch.set_num_threads(threads)
