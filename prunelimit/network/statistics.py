"""What a report keeps of a network: its loss, which weights count, what a mask does to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LISTED = 6
"""How many names a line of text has, at most."""


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


@dataclass(frozen=True)
class Counted:
    """What counts in a model, and what does not.

    Attributes
    ----------
    names
        Of the parameters that count, in the order of the vector.
    dim
        Their entries D.
    total
        Entries of all parameters of the model.
    left_out
        Name to entries, of each matrix or kernel that does not count.
    """

    names: tuple[str, ...]
    dim: int
    total: int
    left_out: Mapping[str, int]

    def __str__(self) -> str:
        """D of all, and what is left out: matrices by name, the rest in one number.

        Examples
        --------
        >>> print(Counted(("1.weight",), dim=6, total=27, left_out={"0.weight": 18}))
        D = 6 of 27 parameters; left out: 0.weight (18), biases and other vectors (3)
        """
        text = f"D = {self.dim:,} of {self.total:,} parameters"
        largest = sorted(self.left_out.items(), key=lambda item: -item[1])
        parts = [f"{name} ({size:,})" for name, size in largest[:LISTED]]
        unlisted = sum(size for _, size in largest[LISTED:])
        if unlisted:
            parts.append(f"{len(largest) - LISTED} more matrices ({unlisted:,})")
        vectors = self.total - self.dim - sum(self.left_out.values())
        if vectors:
            parts.append(f"biases and other vectors ({vectors:,})")
        return f"{text}; left out: {', '.join(parts)}" if parts else text


@dataclass(frozen=True)
class LayerCount:
    """What a mask does to one parameter (see `prunelimit.pruning.layer_counts`).

    Attributes
    ----------
    name
        Of the parameter.
    kept, of
        Entries that stay, and all of them.
    share
        This parameter's share of R², the squared distance to the masked network; 0 where
        nothing is removed.
    """

    name: str
    kept: int
    of: int
    share: float
