"""One cut, after the training or before it: dense, LOMP, its controls, Smart-Ratio, the surgeon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab.baselines import _driver
from prunelimit.lab.baselines._driver import Found, Work, method
from prunelimit.lab.data import Splits
from prunelimit.network.parameters import (
    flatten,
    prunable_parameters,
    prunable_weights,
    with_weights,
)
from prunelimit.pruning.masks import Masks, magnitude_mask
from prunelimit.pruning.other_masks import layerwise_mask, random_mask, whole_counts
from prunelimit.pruning.refit import refit_survivors
from prunelimit.recipe import TrainingConfig
from prunelimit.spectrum.operator import CurvatureOperator


@dataclass(frozen=True)
class OneShotConfig(_driver.Config):
    """Train, cut, and train the survivors on.

    Attributes
    ----------
    training
        Its `epochs` are the whole budget.
    retrain_epochs
        Of these, after the cut, from the schedule's start and without L1. With
        all of them the mask is chosen on the untrained network.
    """

    retrain_epochs: int = 0

    def __post_init__(self) -> None:
        """Refuse a second phase that is longer than the budget."""
        phases(self.training, self.retrain_epochs)


@dataclass(frozen=True)
class LompConfig(OneShotConfig):
    """L1-regularised one-shot magnitude pruning as Zhang et al. (2024) train FC5."""

    training: TrainingConfig = TrainingConfig()


@method("dense", OneShotConfig)
def dense(work: Work[OneShotConfig]) -> Found:
    """Remove nothing, whatever `sparsity` says: what the others are compared with."""
    return _cut_once(work, lambda network: magnitude_mask(network, 0.0))


@method("LOMP", LompConfig, "zhang2024sparse")
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


@method("random mask", OneShotConfig)
def random_control(work: Work[OneShotConfig]) -> Found:
    """As `lomp` without L1, but the weights to remove are drawn uniformly at random.

    With ``retrain_epochs`` equal to the whole budget it prunes the untrained
    network: the control for every method that scores weights at initialisation.
    """
    return _cut_once(work, lambda network: random_mask(network, work.sparsity, work.seed))


@method("layerwise magnitude", OneShotConfig)
def layerwise_control(work: Work[OneShotConfig]) -> Found:
    """As `lomp` without L1, but the same share of every layer is removed."""
    return _cut_once(work, lambda network: layerwise_mask(network, work.sparsity))


def _cut_once(
    work: Work[OneShotConfig] | Work[LompConfig], mask: Callable[[nn.Module], Masks]
) -> Found:
    first, second = phases(work.config.training, work.config.retrain_epochs)
    network = work.model if first is None else work.trained(work.model, first)
    masks = mask(network)
    if work.config.retrain_epochs:
        return work.trained(network, second, masks), masks
    return _driver.masked_copy(network, masks), masks


def phases(config: TrainingConfig, second: int) -> tuple[TrainingConfig | None, TrainingConfig]:
    """Split a budget of epochs in two, each with the whole schedule squeezed into it.

    The second phase has `second` epochs and no L1 term (there is nothing left
    to shrink); the first has the rest, or is None if there is no rest.

    Raises
    ------
    PruneLimitError
        If `second` is not in 0 … ``config.epochs``.
    """
    if not 0 <= second <= config.epochs:
        raise PruneLimitError(
            f"{second} epochs were asked for the second phase, out of {config.epochs} in all"
        )
    first = config.scaled(config.epochs - second) if second < config.epochs else None
    return first, replace(config.scaled(max(1, second)), l1=0.0)


@dataclass(frozen=True)
class SmartRatioConfig(_driver.Config):
    """Smart-Ratio; the default is that of Su et al. (2020).

    Attributes
    ----------
    training
        Under the mask, from the initial weights.
    linear_keep
        Share of the classifier's weights that stays.
    """

    linear_keep: float = 0.3

    def __post_init__(self) -> None:
        """Refuse a share outside (0, 1]."""
        require(0 < self.linear_keep <= 1, "linear_keep", self.linear_keep, "in (0, 1]")


def smart_ratio_counts(
    sizes: Sequence[int], kept: int, classifier: int | None, linear_keep: float = 0.3
) -> tuple[int, ...]:
    """How many weights each layer keeps.

    Layer l of L keeps a share proportional to (L-l+1)² + (L-l+1), the
    classifier `linear_keep`; a layer that would keep more than it has passes
    the excess on to the next (Su et al. 2020, §4.1, and their code). The counts
    are rounded by largest remainders so that they sum to `kept`.

    Parameters
    ----------
    sizes
        Weights of each layer, from the input on.
    kept
        Weights kept in all.
    classifier
        Position of the layer with the fixed share; None if there is none.
    linear_keep
        That share.

    Raises
    ------
    PruneLimitError
        If the classifier's share alone is more than is kept in all.

    Examples
    --------
    Shares proportional to 12, 6 and (fixed) 0.3: 120 - 30 = 90 weights for the
    first two layers, 12·100x + 6·100x = 90.

    >>> smart_ratio_counts([100, 100, 100], 120, classifier=2)
    (60, 30, 30)
    """
    layers = len(sizes)
    shares = [float((layers - i) ** 2 + (layers - i)) for i in range(layers)]
    fixed = 0.0
    if classifier is not None:
        shares[classifier] = 0.0
        free = sum(size for i, size in enumerate(sizes) if i != classifier)
        # What the other layers cannot take stays in the classifier.
        fixed = max(linear_keep * sizes[classifier], float(kept - free))
    if fixed > kept:
        raise PruneLimitError(
            f"the classifier alone keeps {fixed:g} weights, {kept} are to be kept in all; "
            f"lower linear_keep from {linear_keep}, or the sparsity"
        )
    weight = sum(share * size for share, size in zip(shares, sizes, strict=True))
    scale = (kept - fixed) / weight if weight else 0.0
    exact = [scale * share * size for share, size in zip(shares, sizes, strict=True)]
    if classifier is not None:
        exact[classifier] = fixed
    return tuple(whole_counts(_passed_on(exact, sizes, classifier), kept))


def _passed_on(exact: Sequence[float], sizes: Sequence[int], classifier: int | None) -> list[float]:
    """Cap each layer at its size, the excess going to the next; shares fall, so one pass does."""
    excess = 0.0
    capped = []
    for i, (amount, size) in enumerate(zip(exact, sizes, strict=True)):
        if i == classifier:
            capped.append(amount)
            continue
        wanted = amount + excess
        capped.append(min(wanted, float(size)))
        excess = wanted - capped[-1]
    return capped


def smart_ratio_mask(
    model: nn.Module, sparsity: float, linear_keep: float = 0.3, seed: int = 0
) -> Masks:
    """A random mask with Smart-Ratio's counts.

    The method is defined for convolutional networks with one linear layer, the
    classifier. Here the last linear layer is the classifier, and hidden linear
    layers are treated like convolutions: that is ours.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10), nn.Linear(10, 10))
    >>> [int(mask.sum()) for mask in smart_ratio_mask(model, 0.6).values()]
    [60, 30, 30]
    """
    parameters = prunable_parameters(model)
    sizes = [p.numel() for p in parameters.values()]
    linear = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    positions = [i for i, p in enumerate(parameters.values()) if id(p) in linear]
    kept = _driver.kept_count(sparsity, sum(sizes))
    counts = smart_ratio_counts(sizes, kept, positions[-1] if positions else None, linear_keep)
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for (name, parameter), count in zip(parameters.items(), counts, strict=True):
        keep = torch.zeros(parameter.numel(), dtype=torch.bool)
        keep[torch.randperm(parameter.numel(), generator=generator)[:count]] = True
        masks[name] = keep.view(parameter.shape).to(parameter.device)
    return masks


@method("Smart-Ratio", SmartRatioConfig, "su2020sanity")
def smart_ratio(work: Work[SmartRatioConfig]) -> Found:
    """Prune the untrained network at random with shares that fall with depth, then train it.

    Su et al. (2020), "Sanity-checking pruning methods: random tickets can win
    the jackpot"; see `smart_ratio_mask` for what is ours.

    Raises
    ------
    PruneLimitError
        If the classifier's share alone is more than is kept in all.
    """
    masks = smart_ratio_mask(work.model, work.sparsity, work.config.linear_keep, work.seed)
    return work.trained_under(masks)


MAX_PRODUCTS = 60
"""Curvature products spent on the surgeon's re-fit at most.

Stopping early keeps the step short where the matrix is nearly singular.
"""


@dataclass(frozen=True)
class SurgeonConfig(_driver.Config):
    """Train, cut by magnitude, move the survivors to the quadratic model's minimum.

    Attributes
    ----------
    training
        Of the dense network: the whole budget in epochs.
    tolerance
        Relative residual at which the re-fit stops.
    """

    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse what no re-fit can meet."""
        require(self.tolerance > 0, "tolerance", self.tolerance, "above 0")


@method("brain surgeon", SurgeonConfig, "hassibi1993obs")
def brain_surgeon(work: Work[SurgeonConfig]) -> Found:
    """Train, remove the smallest weights once, and re-fit the rest with second derivatives.

    Hassibi and Stork (1993), "Second order derivatives for network pruning:
    optimal brain surgeon", with two differences: the mask is that of global
    magnitude (theirs removes one weight at a time, the one that costs least),
    and H is the generalised Gauss-Newton matrix on the training examples, never
    formed. The step minimises the quadratic model and not the loss: chapter 7
    measures how far apart they are.

    Examples
    --------
    On a quadratic loss it finds the best survivor: here the mean of 3 and 2.

    >>> import torch
    >>> from torch import nn
    >>> from torch.nn.functional import mse_loss
    >>> data = [(torch.tensor([[1.0, 1.0], [1.0, 0.0]]), torch.tensor([[3.0], [2.0]]))]
    >>> training = TrainingConfig(epochs=400, learning_rate=0.1, l1=0.0)
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> pruned = brain_surgeon(layer, data, mse_loss, 0.5, SurgeonConfig(training))
    >>> [round(x, 3) for x in pruned.model.weight[0].tolist()]
    [2.5, 0.0]
    """
    network = work.trained(work.model, work.config.training).eval()
    masks = magnitude_mask(network, work.sparsity)
    weights = prunable_weights(network)
    keep = flatten(masks.values())
    batches = work.data.train_eval if isinstance(work.data, Splits) else work.data
    fit = refit_survivors(
        CurvatureOperator(network, work.loss_fn, batches, "ggn", device=weights.device),
        weights,
        keep,
        tolerance=work.config.tolerance,
        max_iterations=MAX_PRODUCTS,
        progress=work.progress,
    )
    return with_weights(network, weights * keep + fit.step), masks
