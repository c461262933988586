"""Train, cut once, perhaps train on: dense, LOMP, and its two controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from prunelimit.lab.baselines import _common
from prunelimit.lab.baselines._common import COMMON_TRAINING
from prunelimit.lab.baselines._driver import Found, Work, driven
from prunelimit.pruning.masks import Masks, magnitude_mask
from prunelimit.pruning.other_masks import layerwise_mask, random_mask
from prunelimit.recipe import TrainingConfig


@dataclass(frozen=True)
class OneShotConfig:
    """Train, cut, and train the survivors on.

    Attributes
    ----------
    training
        Its `epochs` are the whole budget.
    retrain_epochs
        Of these, after the cut, from the schedule's start and without L1. With
        all of them the mask is chosen on the untrained network.
    """

    training: TrainingConfig = COMMON_TRAINING
    retrain_epochs: int = 0

    def __post_init__(self) -> None:
        """Refuse a second phase that is longer than the budget."""
        _common.phases(self.training, self.retrain_epochs)


@dataclass(frozen=True)
class LompConfig(OneShotConfig):
    """L1-regularised one-shot magnitude pruning as Zhang et al. (2024) train FC5."""

    training: TrainingConfig = TrainingConfig()


@driven(OneShotConfig)
def dense(work: Work[OneShotConfig]) -> Found:
    """Remove nothing, whatever `sparsity` says: what the others are compared with."""
    return _cut_once(work, lambda network: magnitude_mask(network, 0.0))


@driven(LompConfig)
def lomp(work: Work[LompConfig]) -> Found:
    """Train with an L1 term, remove the smallest weights of the whole network once.

    Zhang et al. (2024), "How sparse can we prune a deep network". Without an L1
    term in the training it is plain global magnitude pruning.

    Raises
    ------
    PruneLimitError
        On a setting that makes no sense, or a training that diverges.
    """
    return _cut_once(work, lambda network: magnitude_mask(network, work.sparsity))


@driven(OneShotConfig)
def random_control(work: Work[OneShotConfig]) -> Found:
    """As `lomp` without L1, but the weights to remove are drawn uniformly at random.

    With ``retrain_epochs`` equal to the whole budget it prunes the untrained
    network: the control for every method that scores weights at initialisation.
    """
    return _cut_once(work, lambda network: random_mask(network, work.sparsity, work.seed))


@driven(OneShotConfig)
def layerwise_control(work: Work[OneShotConfig]) -> Found:
    """As `lomp` without L1, but the same share of every layer is removed."""
    return _cut_once(work, lambda network: layerwise_mask(network, work.sparsity))


def _cut_once(
    work: Work[OneShotConfig] | Work[LompConfig], mask: Callable[[nn.Module], Masks]
) -> Found:
    first, second = _common.phases(work.config.training, work.config.retrain_epochs)
    network = work.model if first is None else work.trained(work.model, first)
    masks = mask(network)
    if work.config.retrain_epochs:
        return work.trained(network, second, masks), masks
    return _common.masked_copy(network, masks), masks
