"""Data that stay the same from pass to pass, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler

ORDER_NOTE = (
    "the loader shuffles: its batches are taken in the data set's own order, so that ε and the "
    "matrix are the same at every call"
)


def in_fixed_order(loader: Iterable[Any]) -> tuple[Iterable[Any], str]:
    """A loader that yields the same batches in every pass, and a note if it is not the one given.

    Of a DataLoader that shuffles without replacement, this is one over the same data set with
    the same batches' size and collation, in the order of the data set. Other loaders are
    returned as they are.

    Examples
    --------
    >>> import torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(4.0), torch.zeros(4))
    >>> loader, note = in_fixed_order(DataLoader(data, 2, shuffle=True))
    >>> [inputs.tolist() for inputs, _ in loader], bool(note)
    ([[0.0, 1.0], [2.0, 3.0]], True)
    """
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return loader, ""
    sampler = loader.sampler
    if type(sampler) is not RandomSampler or type(loader.batch_sampler) is not BatchSampler:
        return loader, ""
    if sampler.replacement or sampler.num_samples != len(loader.dataset):  # type: ignore[arg-type]
        return loader, ""
    fixed: DataLoader[Any] = DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        shuffle=False,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        drop_last=loader.drop_last,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        persistent_workers=loader.persistent_workers,
    )
    return fixed, ORDER_NOTE
