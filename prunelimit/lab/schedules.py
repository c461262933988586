"""Learning rates over a run, as the paper meant them and as its code applied them; its descent.

Rates are pure functions of the configuration, so a resumed run needs no saved
scheduler to continue with the right rate.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prunelimit.lomp import Descent, penalised_parameters
from prunelimit.network.checks import LossFunction
from prunelimit.network.world import ALONE, World
from prunelimit.recipe import TrainingConfig


def descent_by(
    config: TrainingConfig, model: nn.Module, loss_fn: LossFunction, seed: int, world: World = ALONE
) -> Descent:
    """The descent with the momentum and the penalties that a recipe states."""
    return Descent(
        model,
        loss_fn,
        optimizer=partial(
            torch.optim.SGD, momentum=config.momentum, weight_decay=config.weight_decay
        ),
        l1=config.l1,
        penalised=penalised_parameters(model, config.penalised),
        seed=seed,
        world=world,
    )


def learning_rates(config: TrainingConfig, steps_per_epoch: int) -> NDArray[np.float64]:
    """The learning rate of every iteration of a run.

    Parameters
    ----------
    config
        Its `preset` chooses between

        ``as_intended``
            The schedule moves once an epoch: a linear warm-up, then constant,
            multiplied by `gamma` at each milestone, or a cosine over all epochs.
        ``as_released``
            The published code of Zhang et al. (2024) steps its scheduler once an
            iteration, after a warm-up that sets the rate anew. Milestones then
            fall into the first iterations and the warm-up undoes them; the
            cosine has a period of twice as many *iterations* as there are
            epochs, and because it is computed from the previous rate, the
            warm-up makes it overshoot.
    steps_per_epoch
        Batches an epoch.

    Returns
    -------
    ndarray
        ``(epochs * steps_per_epoch,)``.

    Examples
    --------
    >>> config = TrainingConfig(epochs=4, learning_rate=0.1, warmup_epochs=2)
    >>> learning_rates(config, steps_per_epoch=1).tolist()
    [0.05, 0.1, 0.1, 0.1]
    """
    if config.preset == "as_intended":
        rates = [_intended_rate(config, epoch) for epoch in range(config.epochs)]
        return np.repeat(np.array(rates), steps_per_epoch)
    return _released_rates(config, steps_per_epoch)


def _intended_rate(config: TrainingConfig, epoch: int) -> float:
    if epoch < config.warmup_epochs:
        return config.learning_rate * (epoch + 1) / config.warmup_epochs
    if config.schedule == "multistep":
        passed = sum(milestone <= epoch for milestone in config.milestones)
        return config.learning_rate * config.gamma**passed
    if config.schedule == "cosine":
        return config.learning_rate * (1 + math.cos(math.pi * epoch / config.epochs)) / 2
    return config.learning_rate


def _released_rates(config: TrainingConfig, steps_per_epoch: int) -> NDArray[np.float64]:
    warmup_steps = config.warmup_epochs * steps_per_epoch
    # The warm-up is built last and starts from zero, so the first iteration moves nothing.
    rate = 0.0 if warmup_steps else config.learning_rate
    rates = np.empty(config.epochs * steps_per_epoch)
    for step in range(len(rates)):
        rates[step] = rate
        if step < warmup_steps:
            rate = config.learning_rate * (step + 1) / warmup_steps
        rate = _stepped_by_scheduler(config, rate, step + 1)
    return rates


def _stepped_by_scheduler(config: TrainingConfig, rate: float, count: int) -> float:
    """The rate after the scheduler's `count`-th step, each taken from the rate before it.

    This is the recursive form in which torch's ``MultiStepLR`` and
    ``CosineAnnealingLR`` work; the latter restarts from zero after each trough.
    """
    if config.schedule == "multistep":
        return rate * config.gamma ** config.milestones.count(count)
    if config.schedule == "cosine":
        half_period = config.epochs
        if (count - 1 - half_period) % (2 * half_period) == 0:
            return rate + config.learning_rate * (1 - math.cos(math.pi / half_period)) / 2
        before = 1 + math.cos(math.pi * (count - 1) / half_period)
        return rate * (1 + math.cos(math.pi * count / half_period)) / before
    return rate
