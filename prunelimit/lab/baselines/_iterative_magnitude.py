"""Iterative magnitude pruning with rewinding: the search for lottery tickets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab.baselines import _common
from prunelimit.lab.baselines._common import COMMON_TRAINING
from prunelimit.lab.baselines._driver import Found, Work, driven
from prunelimit.network.parameters import flatten, prunable_parameters
from prunelimit.pruning.masks import Masks, kept_count
from prunelimit.recipe import TrainingConfig


@dataclass(frozen=True)
class IterativeMagnitudeConfig:
    """Iterative magnitude pruning; the defaults are those of Frankle and Carbin (2019).

    Attributes
    ----------
    training
        Its `epochs` are the budget of all the rounds together; the schedule is
        squeezed into each.
    round_share
        Share of the remaining weights that a round removes.
    rewind_epoch
        Epoch of the first round whose weights the survivors go back to; 0 is
        the initial network.
    """

    training: TrainingConfig = COMMON_TRAINING
    round_share: float = 0.2
    rewind_epoch: int = 0

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        require(0 < self.round_share < 1, "round_share", self.round_share, "in (0, 1)")
        require(self.rewind_epoch >= 0, "rewind_epoch", self.rewind_epoch, "0 or more")


def iterative_counts(dim: int, sparsity: float, round_share: float = 0.2) -> tuple[int, ...]:
    """Weights kept after each round: shrinking by `round_share`, the last one exactly on target.

    Parameters
    ----------
    dim
        Number of prunable weights.
    sparsity
        Fraction removed at the end.
    round_share
        Share of the rest that goes in a round.

    Returns
    -------
    tuple of int
        Empty at sparsity 0.

    Examples
    --------
    >>> iterative_counts(1000, 0.5)
    (800, 640, 512, 500)
    """
    target = kept_count(sparsity, dim)
    counts: list[int] = []
    kept = float(dim)
    while (counts[-1] if counts else dim) > target:
        kept *= 1 - round_share
        counts.append(max(target, round(kept)))
    return tuple(counts)


def round_lengths(epochs: int, rounds: int, rewind_epoch: int = 0) -> tuple[int, ...]:
    """Where each of `rounds` trainings ends, if all of them together cost `epochs`.

    All but the first begin at `rewind_epoch`. What does not divide goes to the
    last trainings, an epoch each.

    Raises
    ------
    PruneLimitError
        If that leaves a training without an epoch.

    Examples
    --------
    >>> round_lengths(11, 3), round_lengths(11, 3, rewind_epoch=1)
    ((3, 4, 4), (4, 4, 5))
    """
    whole = epochs + (rounds - 1) * rewind_epoch
    length, rest = divmod(whole, rounds)
    if length <= rewind_epoch:
        raise PruneLimitError(
            f"{epochs} epochs are too few for {rounds} trainings that rewind to epoch "
            f"{rewind_epoch}; give at least {rounds + rewind_epoch} epochs, or a larger round_share"
        )
    return tuple(length + (i >= rounds - rest) for i in range(rounds))


def iterative_rounds(work: Work[IterativeMagnitudeConfig]) -> Iterator[Found]:
    """The trained network after each training of `iterative_magnitude`, with its masks.

    The first is dense, the last is the ticket.

    Raises
    ------
    PruneLimitError
        If the budget is too small for the rounds.

    Examples
    --------
    >>> import torch
    >>> data = [(torch.eye(4), torch.zeros(4, 2))]
    >>> config = IterativeMagnitudeConfig(TrainingConfig(epochs=5))
    >>> work = Work(nn.Linear(4, 2), data, nn.functional.mse_loss, 0.5, config)
    >>> [int(masks["weight"].sum()) for _, masks in iterative_rounds(work)]
    [8, 6, 5, 4]
    """
    config, training = work.config, work.config.training
    counts = iterative_counts(work.dim, work.sparsity, config.round_share)
    lengths = round_lengths(training.epochs, len(counts) + 1, config.rewind_epoch)
    start, masks = work.model, _keep_all(work.parameters)
    if config.rewind_epoch:
        first = training.scaled(lengths[0])
        start = work.trained(work.model, first, last_epoch=config.rewind_epoch)
    for number, length in enumerate(lengths):
        network = work.trained(
            start, training.scaled(length), masks, first_epoch=config.rewind_epoch
        )
        yield network, masks
        if number < len(counts):
            found = prunable_parameters(network)
            active = flatten(masks[name].to(p.device) for name, p in found.items())
            masks = _common.keep_largest(_common.magnitudes(found), counts[number], found, active)


@driven(IterativeMagnitudeConfig)
def iterative_magnitude(work: Work[IterativeMagnitudeConfig]) -> Found:
    """Train, remove the smallest fifth of what is left, rewind the rest, and so on.

    Frankle and Carbin (2019), "The lottery ticket hypothesis". They rank within
    layers in small networks and globally in deep ones; here it is always
    globally, so that all methods remove the same count. One training more than
    there are rounds: the last one trains the ticket.

    Raises
    ------
    PruneLimitError
        If the budget is too small for the rounds.
    """
    *_, last = iterative_rounds(work)
    return last


def _keep_all(parameters: dict[str, nn.Parameter]) -> Masks:
    return {name: p.detach().new_ones(p.shape).bool() for name, p in parameters.items()}
