"""How every method is called: one driver checks, hands over the work, and counts what was kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial, update_wrapper
from itertools import count
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.lab.baselines import _common
from prunelimit.lab.baselines._effective import effective_sparsity, layer_collapse
from prunelimit.lab.schedules import learning_rates
from prunelimit.lomp import Descent, batches_in
from prunelimit.network.copies import copy_model
from prunelimit.network.device import resolve_device
from prunelimit.network.losses import Loss
from prunelimit.network.parameters import prunable_parameters
from prunelimit.progress import track
from prunelimit.pruning.attach import Masks, apply_masks, make_permanent
from prunelimit.pruning.masks import kept_count, sparsity_of
from prunelimit.recipe import TrainingConfig

OwnConfig = TypeVar("OwnConfig", bound=_common.Config)

Found = tuple[nn.Module, Masks]
"""A trained network with zeros in it, and the masks that say where."""


@dataclass(frozen=True)
class Work(Generic[OwnConfig]):
    """What one call of a method was given, and the steps that all methods take.

    Attributes
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
        The method's own.
    seed
        Of the order of examples and of random layers.
    device
        "auto", "cpu", "cuda" or "mps".
    progress
        See `prunelimit.progress.track`.
    """

    model: nn.Module
    data: _common.Data
    loss_fn: Loss
    sparsity: float
    config: OwnConfig
    seed: int = 0
    device: str = "auto"
    progress: bool | None = None

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The prunable parameters of the untrained network, by name."""
        return prunable_parameters(self.model)

    @cached_property
    def dim(self) -> int:
        """Number of prunable weights."""
        return sum(parameter.numel() for parameter in self.parameters.values())

    @cached_property
    def kept(self) -> int:
        """Weights kept in the end."""
        return kept_count(self.sparsity, self.dim)

    def largest(self, scores: Tensor) -> Masks:
        """Masks that keep the largest scores ``(dim,)``, as many as are to be kept."""
        return _common.keep_largest(scores, self.kept, self.parameters)

    def trained(
        self,
        model: nn.Module,
        training: TrainingConfig,
        masks: Masks | None = None,
        *,
        first_epoch: int = 0,
        last_epoch: int | None = None,
        before_step: Callable[[int, nn.Module], None] | None = None,
    ) -> nn.Module:
        """A copy of `model` trained by SGD from `first_epoch` to `last_epoch` of the schedule.

        Parameters
        ----------
        model
            Left untouched.
        training
            Budget and schedule.
        masks
            Weights that stay 0 all along (see `prunelimit.pruning.apply_masks`).
        first_epoch, last_epoch
            By default all epochs of `training`.
        before_step
            Called with the number of the iteration and the network in training.

        Returns
        -------
        nn.Module
            On the device, masks written into its weights.

        Raises
        ------
        DivergenceError
            If the loss leaves the finite numbers.
        """
        working = copy_model(model).to(resolve_device(self.device))
        if masks is not None:
            apply_masks(working, masks)
        batches = _common.training_batches(self.data, training, self.seed)
        steps = batches_in(batches)
        descent = Descent.by(training, working, self.loss_fn, self.seed)
        rates = learning_rates(training, steps).reshape(training.epochs, steps)
        epochs = range(first_epoch, training.epochs if last_epoch is None else last_epoch)
        iteration = count(first_epoch * steps)
        hook = None if before_step is None else lambda _: before_step(next(iteration), working)
        for epoch in track(epochs, "training", enabled=self.progress):
            descent.epoch(epoch, batches, rates[epoch], before_step=hook)
        return make_permanent(working)

    def trained_under(self, masks: Masks, training: TrainingConfig) -> Found:
        """The second half of every method that prunes at initialisation."""
        return self.trained(self.model, training, masks), masks


@dataclass
class Method:
    """A method of pruning, which is called with what `Work` is made of.

    It is ``snip(model, data, loss_fn, sparsity, config, seed=…, device=…, progress=…)``, say.

    Attributes
    ----------
    label
        For people.
    config
        Class of its configuration.
    source
        Key in the bibliography; empty for a control.
    find
        What makes network and masks of a `Work`.
    """

    label: str
    config: type[_common.Config]
    source: str
    find: Callable[[Work[Any]], Found]

    def __post_init__(self) -> None:
        """Bear the function's name and docstring, examples among it."""
        update_wrapper(self, self.find)
        self.name: str = self.find.__name__

    def run(
        self,
        model: nn.Module,
        data: _common.Data,
        loss_fn: Loss,
        sparsity: float,
        config: Any = None,
        **how: Any,
    ) -> _common.Pruned:
        """Prune and train a copy of `model`; its own configuration where `config` is None."""
        config = self.config() if config is None else config
        work = Work(model, data, loss_fn, sparsity, config, **how)
        work.kept  # noqa: B018  complains before any long work
        network, masks = self.find(work)
        try:
            effective = effective_sparsity(network, masks, _common.example(data))
        except PruneLimitError:
            effective = math.nan
        return _common.Pruned(
            method=self.name,
            model=network.eval(),
            masks=dict(masks),
            sparsity=sparsity_of(masks),
            effective_sparsity=effective,
            collapsed_layers=layer_collapse(masks),
            training_epochs=config.training.epochs,
        )

    __call__ = run


def method(
    label: str, config: type[_common.Config], source: str = ""
) -> Callable[[Callable[[Work[Any]], Found]], Method]:
    """Make a `Method` of the function below."""
    return partial(Method, label, config, source)
