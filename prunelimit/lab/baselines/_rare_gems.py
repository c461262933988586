"""Rare Gems: learn which of frozen constants to keep, by gradient descent on scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab.baselines import _driver
from prunelimit.lab.baselines._driver import Found, Work, method
from prunelimit.lab.schedules import learning_rates
from prunelimit.lomp import Descent, batches_in
from prunelimit.network.copies import copy_model
from prunelimit.network.device import resolve_device
from prunelimit.network.parameters import flatten, prunable_parameters
from prunelimit.progress import track
from prunelimit.pruning.masks import Masks
from prunelimit.recipe import TrainingConfig

SEARCH_LEARNING_RATE = 0.1
"""The learning rate of the scores; it falls along a cosine."""

PERIOD = 5
"""The number of epochs between two drops."""


@dataclass(frozen=True)
class RareGemsConfig(_driver.Config):
    """Rare Gems; the defaults are those of Sreenivasan et al. (2022) for ResNet20.

    Attributes
    ----------
    training
        Its `epochs` are the budget of both phases; its batch size and momentum
        serve both. The other fields are those of the second phase.
    search_epochs
        Of the budget, for the scores; None takes half.
    regularisation
        λ in loss + λ‖s‖².
    """

    search_epochs: int | None = None
    regularisation: float = 1e-4

    def __post_init__(self) -> None:
        """Refuse a search that is too short for a single drop."""
        require(self.regularisation >= 0, "regularisation", self.regularisation, "0 or more")
        if not PERIOD < self.searched < self.training.epochs:
            raise PruneLimitError(
                f"search_epochs is {self.searched} of {self.training.epochs} epochs; it must be "
                f"more than the period of {PERIOD}, and leave epochs for the weights"
            )

    @property
    def searched(self) -> int:
        """Epochs of the search."""
        return self.training.epochs // 2 if self.search_epochs is None else self.search_epochs


def rare_gems_counts(dim: int, sparsity: float, epochs: int) -> tuple[int, ...]:
    """Scores that are active after each drop.

    There are ⌊(epochs-1)/5⌋ drops, one after every `PERIOD` epochs; each
    takes the share 1 - density^(1/drops) of what is active, so that the last
    one ends on the target (exactly: counts are rounded, the last is not).

    Examples
    --------
    >>> rare_gems_counts(10_000, 0.99, epochs=11)
    (1000, 100)
    """
    return _driver.exponential_counts(dim, sparsity, (epochs - 1) // PERIOD)


def signed_constants(model: nn.Module) -> nn.Module:
    """A copy whose prunable weights are sign(w)·√(2/fan-in); 0 counts as positive.

    Examples
    --------
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[0.3, -7.0]]))
    >>> signed_constants(layer).weight.tolist()
    [[1.0, -1.0]]
    """
    copied = copy_model(model)
    for parameter in prunable_parameters(copied).values():
        constant = (2.0 / parameter[0].numel()) ** 0.5
        parameter.data = torch.where(parameter.detach() >= 0, constant, -constant).to(parameter)
    return copied


def effective_weights(
    weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], active: Masks
) -> dict[str, Tensor]:
    """w·1[s > 0.5] on active positions, with the gradient of w·s (straight through).

    Examples
    --------
    >>> scores = torch.tensor([0.6, 0.4], requires_grad=True)
    >>> used = effective_weights({"w": torch.tensor([2.0, 3.0])}, {"w": scores},
    ...                          {"w": torch.tensor([True, True])})["w"]
    >>> used.sum().backward()
    >>> used.tolist(), scores.grad.tolist()
    ([2.0, 0.0], [2.0, 3.0])
    """
    return {
        name: weights[name] * active[name] * (score + ((score > 0.5).to(score) - score).detach())
        for name, score in scores.items()
    }


class _Search(nn.Module):
    """A frozen network with a score on every weight; the scores are what is trained."""

    def __init__(self, model: nn.Module, config: RareGemsConfig, seed: int) -> None:
        super().__init__()
        self.weights = {n: p.detach() for n, p in prunable_parameters(model).items()}
        self.model = copy_model(model).requires_grad_(False)
        generator = torch.Generator().manual_seed(seed)
        drawn = {
            name: torch.rand(w.shape, generator=generator).to(w) for name, w in self.weights.items()
        }
        self._held = nn.ParameterList(drawn.values())  # a name may hold dots, a list has none
        self.scores = dict(zip(drawn, self._held, strict=True))
        self.active: Masks = {
            n: torch.ones_like(w, dtype=torch.bool) for n, w in self.weights.items()
        }
        self.regularisation = config.regularisation

    def forward(self, inputs: Tensor) -> Tensor:
        """The network's outputs with the weights that the scores switch on."""
        used = effective_weights(self.weights, self.scores, self.active)
        return torch.func.functional_call(self.model, used, (inputs,))

    def penalty(self) -> Tensor:
        """λ‖s‖² of the active scores."""
        norms = [(s * self.active[n]).square().sum() for n, s in self.scores.items()]
        return self.regularisation * torch.stack(norms).sum()

    def clamp(self) -> None:
        """Scores stay in [0, 1]."""
        with torch.no_grad():
            for score in self.scores.values():
                score.clamp_(0.0, 1.0)

    def drop(self, kept: int) -> None:
        """Leave the `kept` largest of the active scores active."""
        scores = flatten(s.detach() for s in self.scores.values())
        active = flatten(self.active.values())
        self.active = _driver.keep_largest(scores, kept, self.weights, active)


def rare_gems_mask(work: Work[RareGemsConfig]) -> Masks:
    """The first phase alone: the mask found on the frozen weights of ``work.model``.

    The mask is the active set. That some of its scores may lie below 0.5 (and
    so be switched off in the search) is undone for the second phase, as in the
    published code: the count is then the one asked for.

    Examples
    --------
    >>> data = [(torch.eye(4), torch.ones(4, 2))]
    >>> config = RareGemsConfig(TrainingConfig(epochs=14))
    >>> work = Work(nn.Linear(4, 2), data, nn.functional.mse_loss, 0.5, config)
    >>> int(rare_gems_mask(work)["weight"].sum())
    4
    """
    config = work.config
    placed = copy_model(work.model).to(resolve_device(work.device))
    search = _Search(placed, config, work.seed)
    counts = rare_gems_counts(work.dim, work.sparsity, config.searched)
    schedule = TrainingConfig(
        epochs=config.searched, learning_rate=SEARCH_LEARNING_RATE, schedule="cosine"
    )
    rates = learning_rates(schedule, 1)
    descent = Descent(
        search,
        lambda outputs, targets: work.loss_fn(outputs, targets) + search.penalty(),
        optimizer=partial(torch.optim.SGD, momentum=config.training.momentum),
        seed=work.seed,
    )
    batches = _driver.training_batches(work.data, config.training, work.seed)
    steps = batches_in(batches)
    for epoch in track(range(config.searched), "searching a mask", enabled=work.progress):
        same_rate = np.full(steps, rates[epoch])
        descent.epoch(epoch, batches, same_rate, after_step=lambda _: search.clamp())
        number, rest = divmod(epoch + 1, PERIOD)
        if rest == 0 and number <= len(counts):
            search.drop(counts[number - 1])
    return search.active


@method("Rare Gems", RareGemsConfig, "sreenivasan2022rare")
def rare_gems(work: Work[RareGemsConfig]) -> Found:
    """Find a mask by descending on scores of frozen weights, then train the weights under it.

    Sreenivasan et al. (2022), "Rare gems: finding lottery tickets at
    initialization". Biases and normalisation wait in the search, and are
    trained with the weights. What they call sparsity is the share kept. Of the weights
    of `model` only the signs are used.
    """
    config, training = work.config, work.config.training
    frozen = signed_constants(work.model)
    masks = rare_gems_mask(replace(work, model=frozen))
    second = training.scaled(training.epochs - config.searched)
    return work.trained(frozen, second, masks), masks
