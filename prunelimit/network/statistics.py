"""What is kept of the loss at fixed weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LossStatistics:
    """The loss at w*, batch by batch.

    Attributes
    ----------
    mean
        Over all examples.
    batch_std
        Standard deviation over the batches of full size (NaN below two).
    batch_size
        Size of those batches.
    batches, examples
        How many there are.
    """

    mean: float
    batch_std: float
    batch_size: int
    batches: int
    examples: int
