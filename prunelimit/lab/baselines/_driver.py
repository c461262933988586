"""How every method is called, and what all share: data, budgets, masks from scores, the result."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial, update_wrapper
from itertools import count
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.lab.baselines._effective import effective_sparsity, layer_collapse
from prunelimit.lab.data import Splits
from prunelimit.lab.schedules import descent_by, learning_rates
from prunelimit.lomp import batches_in
from prunelimit.network.adapter import Loader, Loss
from prunelimit.network.copies import copy_model
from prunelimit.network.device import resolve_device
from prunelimit.network.parameters import flatten, prunable_parameters
from prunelimit.progress import track
from prunelimit.pruning.attach import Masks, apply_masks, make_permanent
from prunelimit.pruning.masks import mask_without, removed_count, sparsity_of
from prunelimit.recipe import TrainingConfig

Data = Splits | Loader
"""Splits as `data.load` gives them, or any re-iterable of ``(inputs, targets)``."""


@dataclass(frozen=True)
class Config:
    """What every method is told: how the network is trained, which is the whole budget of epochs.

    Attributes
    ----------
    training
        Its epochs, rate and schedule.
    """

    training: TrainingConfig


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


OwnConfig = TypeVar("OwnConfig", bound=Config)

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
    data: Data
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
        return keep_largest(scores, self.kept, self.parameters)

    def trained(
        self,
        model: nn.Module,
        training: TrainingConfig,
        masks: Masks | None = None,
        *,
        before_step: Callable[[int, nn.Module], None] | None = None,
    ) -> nn.Module:
        """A copy of `model` trained by SGD.

        Parameters
        ----------
        model
            Left untouched.
        training
            Budget and schedule.
        masks
            Weights that stay 0 all along (see `prunelimit.pruning.apply_masks`).
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
        batches = training_batches(self.data, training, self.seed)
        steps = batches_in(batches)
        descent = descent_by(training, working, self.loss_fn, self.seed)
        rates = learning_rates(training, steps).reshape(training.epochs, steps)
        iteration = count()
        hook = None if before_step is None else lambda _: before_step(next(iteration), working)
        for epoch in track(range(training.epochs), "training", enabled=self.progress):
            descent.epoch(epoch, batches, rates[epoch], before_step=hook)
        return make_permanent(working)

    def trained_under(self, masks: Masks) -> Found:
        """The second half of every method that prunes at initialisation."""
        return self.trained(self.model, self.config.training, masks), masks


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
    config: type[Config]
    source: str
    find: Callable[[Work[Any]], Found]

    def __post_init__(self) -> None:
        """Bear the function's name and docstring, examples among it."""
        update_wrapper(self, self.find)
        self.name: str = self.find.__name__

    def run(
        self, model: nn.Module, data: Data, loss_fn: Loss, sparsity: float, config: Any, **how: Any
    ) -> Pruned:
        """Prune and train a copy of `model`."""
        work = Work(model, data, loss_fn, sparsity, config, **how)
        work.kept  # noqa: B018  complains before any long work
        network, masks = self.find(work)
        try:
            effective = effective_sparsity(network, masks, example(data))
        except PruneLimitError:
            effective = math.nan
        return Pruned(
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
    label: str, config: type[Config], source: str = ""
) -> Callable[[Callable[[Work[Any]], Found]], Method]:
    """Make a `Method` of the function below."""
    return partial(Method, label, config, source)


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


def masked_copy(model: nn.Module, masks: Masks) -> nn.Module:
    """A copy with zeros where the masks remove a weight."""
    return make_permanent(apply_masks(copy_model(model), masks))


def kept_count(sparsity: float, dim: int) -> int:
    """Number of weights that `sparsity` leaves of `dim` (see `removed_count`).

    Examples
    --------
    >>> kept_count(0.9, 10)
    1
    """
    return dim - removed_count(sparsity, dim)


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
    return mask_without(order[: scores.numel() - kept], like)


def magnitudes(parameters: Mapping[str, Tensor]) -> Tensor:
    """``(dim,)`` absolute values of the prunable weights."""
    return flatten(p.detach().abs() for p in parameters.values())
