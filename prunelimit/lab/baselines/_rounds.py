"""Magnitude pruning bit by bit: in rounds of training with rewinding, or while the network trains.

`torch.ao.pruning` has the same schedule (`CubicSL`, which a test compares ours
with) but no pruner that it could drive here: `WeightNormSparsifier` cuts every
layer to the same level in blocks and works through parametrisations, while a
comparison needs one exact global count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab.baselines import _driver
from prunelimit.lab.baselines._driver import Found, Work, method
from prunelimit.lomp import batches_in
from prunelimit.network.parameters import flatten, prunable_parameters, unflatten
from prunelimit.pruning.attach import Masks, change_masks, stored_weights


@dataclass(frozen=True)
class IterativeMagnitudeConfig(_driver.Config):
    """Iterative magnitude pruning; the defaults are those of Frankle and Carbin (2019).

    Attributes
    ----------
    training
        Its `epochs` are the budget of all the rounds together; the schedule is
        squeezed into each.
    round_share
        Share of the remaining weights that a round removes.
    """

    round_share: float = 0.2

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        require(0 < self.round_share < 1, "round_share", self.round_share, "in (0, 1)")


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
    target = _driver.kept_count(sparsity, dim)
    counts: list[int] = []
    kept = float(dim)
    while (counts[-1] if counts else dim) > target:
        kept *= 1 - round_share
        counts.append(max(target, round(kept)))
    return tuple(counts)


def round_lengths(epochs: int, rounds: int) -> tuple[int, ...]:
    """Epochs of each of `rounds` trainings, if all of them together cost `epochs`.

    What does not divide goes to the last trainings, an epoch each.

    Raises
    ------
    PruneLimitError
        If that leaves a training without an epoch.

    Examples
    --------
    >>> round_lengths(11, 3)
    (3, 4, 4)
    """
    length, rest = divmod(epochs, rounds)
    if not length:
        raise PruneLimitError(
            f"{epochs} epochs are too few for {rounds} trainings; give at least {rounds} epochs, "
            "or a larger round_share"
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
    >>> from prunelimit.recipe import TrainingConfig
    >>> data = [(torch.eye(4), torch.zeros(4, 2))]
    >>> config = IterativeMagnitudeConfig(TrainingConfig(epochs=5))
    >>> work = Work(nn.Linear(4, 2), data, nn.functional.mse_loss, 0.5, config)
    >>> [int(masks["weight"].sum()) for _, masks in iterative_rounds(work)]
    [8, 6, 5, 4]
    """
    config, training = work.config, work.config.training
    counts = iterative_counts(work.dim, work.sparsity, config.round_share)
    lengths = round_lengths(training.epochs, len(counts) + 1)
    masks: Masks = {n: torch.ones_like(p, dtype=torch.bool) for n, p in work.parameters.items()}
    for number, length in enumerate(lengths):
        network = work.trained(work.model, training.scaled(length), masks)
        yield network, masks
        if number < len(counts):
            found = prunable_parameters(network)
            active = flatten(masks[name].to(p.device) for name, p in found.items())
            masks = _driver.keep_largest(_driver.magnitudes(found), counts[number], found, active)


@method("iterative magnitude", IterativeMagnitudeConfig, "frankle2019lottery")
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


@dataclass(frozen=True)
class GradualConfig(_driver.Config):
    """Gradual pruning; interval and shape are those of Zhu and Gupta (2017).

    Attributes
    ----------
    training
        The whole budget.
    begin, end
        Shares of the iterations at which pruning begins and ends. The paper
        chooses them for each network; these are ours, and leave a quarter to
        recover in.
    interval
        Iterations between two cuts; the paper has 100 to 1,000.
    """

    begin: float = 0.0
    end: float = 0.75
    interval: int = 100

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        require(self.interval >= 1, "interval", self.interval, "at least 1")
        if not 0 <= self.begin < self.end <= 1:
            raise PruneLimitError(
                f"need 0 <= begin < end <= 1, got begin={self.begin}, end={self.end}"
            )


def cubic_sparsity(step: float, begin: float, end: float, final: float) -> float:
    """Sparsity s_f - s_f (1 - (t - t_0)/(nΔt))³ at step t: fast at first, slow at the end.

    Zhu and Gupta (2017), equation 1, from sparsity 0 at `begin` to `final` at
    `end`, constant outside.

    Examples
    --------
    >>> [round(cubic_sparsity(step, 0, 10, 0.8), 3) for step in (0, 5, 10, 12)]
    [0.0, 0.7, 0.8, 0.8]
    """
    progress = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return final - final * (1.0 - progress) ** 3


def gradual_schedule(steps: int, sparsity: float, config: GradualConfig) -> dict[int, float]:
    """Iteration to the sparsity that is cut before it; the last cut is exactly at the end.

    Examples
    --------
    >>> from prunelimit.recipe import TrainingConfig
    >>> schedule = gradual_schedule(40, 0.8, GradualConfig(TrainingConfig(), interval=20))
    >>> {step: round(sparsity, 3) for step, sparsity in schedule.items()}
    {0: 0.0, 20: 0.77, 30: 0.8}
    """
    begin = math.floor(config.begin * steps)
    end = max(begin + 1, math.floor(config.end * steps))
    cuts = [*range(begin, end, config.interval), end]
    return {step: cubic_sparsity(step, begin, end, sparsity) for step in cuts}


@method("gradual magnitude", GradualConfig, "zhu2017prune")
def gradual_magnitude(work: Work[GradualConfig]) -> Found:
    """Remove the smallest weights of the whole network bit by bit while it trains.

    Zhu and Gupta (2017), "To prune, or not to prune". They prune each layer to
    the same sparsity; here the rank is global, as for all methods. A weight
    that is removed does not come back.
    """
    training = work.config.training
    steps = training.epochs * batches_in(_driver.training_batches(work.data, training, work.seed))
    schedule = gradual_schedule(steps, work.sparsity, work.config)
    shapes: dict[str, Tensor] = {n: p.detach() for n, p in work.parameters.items()}
    active = torch.ones(work.dim, dtype=torch.bool)

    def cut(step: int, network: nn.Module) -> None:
        nonlocal active
        if step not in schedule:
            return
        stored = stored_weights(network)
        values = flatten(stored[name].detach().abs().cpu() for name in shapes)
        kept = _driver.kept_count(schedule[step], work.dim)
        masks = _driver.keep_largest(values, kept, shapes, active)
        active = flatten(masks.values())
        change_masks(network, masks)

    uncut: Masks = unflatten(active, shapes)
    network = work.trained(work.model, training, uncut, before_step=cut)
    # An end of 1 falls behind the last iteration.
    values = _driver.magnitudes(prunable_parameters(network)).cpu()
    masks = _driver.keep_largest(values, work.kept, shapes, active)
    return _driver.masked_copy(network, masks), masks
