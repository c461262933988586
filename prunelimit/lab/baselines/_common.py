"""What all baselines share: the result, the data, budgets, and masks from scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.lab.data import Splits
from prunelimit.network.copies import copy_model
from prunelimit.network.losses import Loader
from prunelimit.network.parameters import flatten, unflatten
from prunelimit.pruning.attach import Masks, apply_masks, make_permanent
from prunelimit.pruning.masks import kept_count
from prunelimit.recipe import TrainingConfig

Data = Splits | Loader
"""Splits as `data.load` gives them, or any re-iterable of ``(inputs, targets)``."""

COMMON_TRAINING = TrainingConfig(
    epochs=160,
    learning_rate=0.1,
    weight_decay=1e-4,
    l1=0.0,
    schedule="multistep",
    milestones=(80, 120),
    gamma=0.1,
)
"""Training of ResNet32 on CIFAR-10 in the published configuration of Wang et al. (2020).

The papers train different networks on different data, each in its own way.
A comparison needs one training for all, so every method takes this one by
default; what is a method's own are the other fields of its configuration.
"""


@dataclass(frozen=True)
class Config:
    """What every method is told: how the network is trained, which is the whole budget of epochs.

    Attributes
    ----------
    training
        Its epochs, rate and schedule.
    """

    training: TrainingConfig = COMMON_TRAINING


@dataclass(frozen=True)
class Pruned:
    """A network that a method pruned and trained.

    Attributes
    ----------
    method
        Name of the function.
    model
        In evaluation mode, zeros written into its weights.
    masks
        Parameter name to a boolean tensor; True is kept.
    sparsity
        Fraction removed, counted on the masks.
    effective_sparsity
        Removed or on no path from input to output; NaN for a network that
        `effective_sparsity` does not support.
    collapsed_layers
        Names of weights of which nothing is kept.
    training_epochs
        Passes over the training data with gradient steps, the search for a
        mask included. Scoring passes and curvature products are not in it.
    """

    method: str
    model: nn.Module
    masks: Masks
    sparsity: float
    effective_sparsity: float
    collapsed_layers: tuple[str, ...]
    training_epochs: int


def example(data: Data) -> Tensor:
    """One input ``(1, …)``; its values do not matter."""
    if isinstance(data, Splits):
        return torch.ones(1, *data.input_shape)
    return next(iter(data))[0][:1]


def training_batches(data: Data, config: TrainingConfig, seed: int) -> Loader:
    """The training part in the order of `seed`; a plain loader as it is."""
    if isinstance(data, Splits):
        return data.train.with_batch_size(config.batch_size).with_seed(seed)
    return data


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random layers draw from `seed` inside; the caller's random state is put back outside."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def masked_copy(model: nn.Module, masks: Masks) -> nn.Module:
    """A copy with zeros where the masks remove a weight."""
    return make_permanent(apply_masks(copy_model(model), masks))


def exponential_counts(dim: int, sparsity: float, rounds: int) -> tuple[int, ...]:
    """Weights kept after each round if each keeps the same share, exactly on target at last.

    Examples
    --------
    >>> exponential_counts(10_000, 0.99, rounds=2)
    (1000, 100)
    """
    target = kept_count(sparsity, dim)
    return tuple(
        max(target, round(dim * (target / dim) ** (number / rounds)))
        for number in range(1, rounds + 1)
    )


def keep_largest(
    scores: Tensor, kept: int, like: Mapping[str, Tensor], active: Tensor | None = None
) -> dict[str, Tensor]:
    """Masks that keep the `kept` largest scores, exactly; ties by position as everywhere.

    Parameters
    ----------
    scores
        ``(dim,)``.
    kept
        How many stay.
    like
        Name to parameter.
    active
        ``(dim,)`` boolean: positions that may stay. By default all.

    Raises
    ------
    PruneLimitError
        If a score is not finite.

    Examples
    --------
    >>> keep_largest(torch.tensor([1.0, 1.0, 0.0]), 1, {"weight": torch.zeros(3)})
    {'weight': tensor([False,  True, False])}
    """
    if not bool(torch.isfinite(scores).all()):
        raise PruneLimitError(
            f"{int((~torch.isfinite(scores)).sum())} of {scores.numel()} scores are NaN or "
            "infinite; look at the inputs and the initial weights"
        )
    ranked = scores if active is None else scores.masked_fill(~active, -math.inf)
    order = torch.sort(ranked, stable=True).indices
    keep = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    keep[order[scores.numel() - kept :]] = True
    return unflatten(keep, like)


def magnitudes(parameters: Mapping[str, Tensor]) -> Tensor:
    """``(dim,)`` absolute values of the prunable weights."""
    return flatten(p.detach().abs() for p in parameters.values())
