"""Gradual magnitude pruning: the sparsity rises along a cubic while the network trains.

`torch.ao.pruning` has the same schedule (`CubicSL`, which a test compares ours
with) but no pruner that it could drive here: `WeightNormSparsifier` cuts every
layer to the same level in blocks and works through parametrisations, while a
comparison needs one exact global count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab.baselines import _common
from prunelimit.lab.baselines._common import COMMON_TRAINING
from prunelimit.lab.baselines._driver import Found, Work, driven
from prunelimit.lomp import batches_in
from prunelimit.network.parameters import flatten, prunable_parameters, unflatten
from prunelimit.pruning.attach import Masks, change_masks, stored_weights
from prunelimit.pruning.masks import kept_count
from prunelimit.recipe import TrainingConfig


@dataclass(frozen=True)
class GradualConfig:
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

    training: TrainingConfig = COMMON_TRAINING
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
    >>> schedule = gradual_schedule(40, 0.8, GradualConfig(interval=20))
    >>> {step: round(sparsity, 3) for step, sparsity in schedule.items()}
    {0: 0.0, 20: 0.77, 30: 0.8}
    """
    begin = math.floor(config.begin * steps)
    end = max(begin + 1, math.floor(config.end * steps))
    cuts = [*range(begin, end, config.interval), end]
    return {step: cubic_sparsity(step, begin, end, sparsity) for step in cuts}


class _Cutter:
    """Tightens the attached masks of a network in training."""

    def __init__(self, schedule: dict[int, float], parameters: dict[str, nn.Parameter]) -> None:
        self.schedule = schedule
        self.shapes: dict[str, Tensor] = {n: p.detach() for n, p in parameters.items()}
        self.active = torch.ones(sum(p.numel() for p in parameters.values()), dtype=torch.bool)

    @property
    def masks(self) -> Masks:
        return unflatten(self.active, self.shapes)

    def __call__(self, step: int, network: nn.Module) -> None:
        if step in self.schedule:
            self.cut(self.schedule[step], network)

    def cut(self, sparsity: float, network: nn.Module) -> None:
        stored = stored_weights(network)
        values = flatten(stored[name].detach().abs().cpu() for name in self.shapes)
        kept = kept_count(sparsity, self.active.numel())
        masks = _common.keep_largest(values, kept, self.shapes, self.active)
        self.active = flatten(masks.values())
        change_masks(network, masks)


@driven(GradualConfig)
def gradual_magnitude(work: Work[GradualConfig]) -> Found:
    """Remove the smallest weights of the whole network bit by bit while it trains.

    Zhu and Gupta (2017), "To prune, or not to prune". They prune each layer to
    the same sparsity; here the rank is global, as for all methods. A weight
    that is removed does not come back.
    """
    training = work.config.training
    batches = _common.training_batches(work.data, training, work.seed)
    steps = training.epochs * batches_in(batches)
    cutter = _Cutter(gradual_schedule(steps, work.sparsity, work.config), work.parameters)
    network = work.trained(work.model, training, cutter.masks, before_step=cutter)
    # An end of 1 falls behind the last iteration.
    values = _common.magnitudes(prunable_parameters(network)).cpu()
    masks = _common.keep_largest(values, work.kept, cutter.shapes, cutter.active)
    return _common.masked_copy(network, masks), masks
