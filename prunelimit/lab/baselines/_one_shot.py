"""Train, cut once, perhaps train on: dense, LOMP, and its two controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from prunelimit.lab.baselines import _common
from prunelimit.lab.baselines._common import COMMON_TRAINING, Data, Loss, Pruned
from prunelimit.lomp import TrainingConfig
from prunelimit.pruning.masks import Masks, layerwise_mask, magnitude_mask, random_mask


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


def dense(
    model: nn.Module,
    data: Data,
    loss_fn: Loss,
    sparsity: float = 0.0,
    config: OneShotConfig | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> Pruned:
    """Remove nothing, whatever `sparsity` says: what the others are compared with.

    Examples
    --------
    >>> from torch.nn.functional import mse_loss
    >>> import torch
    >>> data = [(torch.eye(2), torch.zeros(2, 1))]
    >>> config = OneShotConfig(TrainingConfig(epochs=1))
    >>> dense(nn.Linear(2, 1), data, mse_loss, config=config).sparsity
    0.0
    """
    config = config or OneShotConfig()
    return _one_shot("dense", model, data, loss_fn, 0.0, config, seed, device, progress)


def lomp(
    model: nn.Module,
    data: Data,
    loss_fn: Loss,
    sparsity: float,
    config: OneShotConfig | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> Pruned:
    """Train with an L1 term, remove the smallest weights of the whole network once.

    Zhang et al. (2024), "How sparse can we prune a deep network". Without an L1
    term in the training it is plain global magnitude pruning.

    Parameters
    ----------
    model
        Untrained; left as it is.
    data
        Splits, or a re-iterable of ``(inputs, targets)`` to train on.
    loss_fn
        ``loss_fn(outputs, targets)``, a mean.
    sparsity
        Fraction removed, in [0, 1); the count is exact.
    config
        See `LompConfig`.
    seed
        Of the order of examples and of random layers.
    device
        "auto", "cpu", "cuda" or "mps".
    progress
        See `prunelimit.progress.track`.

    Returns
    -------
    Pruned

    Raises
    ------
    PruneLimitError
        On a setting that makes no sense, or a training that diverges.

    Examples
    --------
    >>> from torch.nn.functional import mse_loss
    >>> import torch
    >>> data = [(torch.eye(2), torch.zeros(2, 1))]
    >>> lomp(nn.Linear(2, 1), data, mse_loss, 0.5, LompConfig(TrainingConfig(epochs=1))).sparsity
    0.5
    """
    config = config or LompConfig()
    return _one_shot("lomp", model, data, loss_fn, sparsity, config, seed, device, progress)


def random_control(
    model: nn.Module,
    data: Data,
    loss_fn: Loss,
    sparsity: float,
    config: OneShotConfig | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> Pruned:
    """As `lomp` without L1, but the weights to remove are drawn uniformly at random.

    With ``retrain_epochs`` equal to the whole budget it prunes the untrained
    network: the control for every method that scores weights at initialisation.

    Examples
    --------
    >>> from torch.nn.functional import mse_loss
    >>> import torch
    >>> data = [(torch.eye(2), torch.zeros(2, 1))]
    >>> config = OneShotConfig(TrainingConfig(epochs=1), retrain_epochs=1)
    >>> random_control(nn.Linear(2, 1), data, mse_loss, 0.5, config, seed=1).sparsity
    0.5
    """
    config = config or OneShotConfig()
    return _one_shot(
        "random_control", model, data, loss_fn, sparsity, config, seed, device, progress
    )


def layerwise_control(
    model: nn.Module,
    data: Data,
    loss_fn: Loss,
    sparsity: float,
    config: OneShotConfig | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> Pruned:
    """As `lomp` without L1, but the same share of every layer is removed.

    Examples
    --------
    >>> from torch.nn.functional import mse_loss
    >>> import torch
    >>> data = [(torch.eye(2), torch.zeros(2, 1))]
    >>> config = OneShotConfig(TrainingConfig(epochs=1))
    >>> layerwise_control(nn.Linear(2, 1), data, mse_loss, 0.5, config).sparsity
    0.5
    """
    config = config or OneShotConfig()
    return _one_shot(
        "layerwise_control", model, data, loss_fn, sparsity, config, seed, device, progress
    )


def _mask(method: str, model: nn.Module, sparsity: float, seed: int) -> Masks:
    if method == "random_control":
        return random_mask(model, sparsity, seed)
    if method == "layerwise_control":
        return layerwise_mask(model, sparsity)
    return magnitude_mask(model, sparsity)


def _one_shot(
    method: str,
    model: nn.Module,
    data: Data,
    loss_fn: Loss,
    sparsity: float,
    config: OneShotConfig,
    seed: int,
    device: str,
    progress: bool | None,
) -> Pruned:
    _mask(method, model, sparsity, seed)  # complains before any long work
    first, second = _common.phases(config.training, config.retrain_epochs)
    how: dict[str, Any] = {"seed": seed, "device": device, "progress": progress}
    network = model if first is None else _common.trained(model, data, loss_fn, first, **how)
    masks = _mask(method, network, sparsity, seed)
    if config.retrain_epochs:
        network = _common.trained(network, data, loss_fn, second, masks=masks, **how)
    else:
        network = _common.masked_copy(network, masks)
    return _common.finished(method, network, masks, config.training.epochs, data)
