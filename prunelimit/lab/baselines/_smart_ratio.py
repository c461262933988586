"""Smart-Ratio: only the layers' shares are chosen, the mask is random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab.baselines._common import COMMON_TRAINING
from prunelimit.lab.baselines._driver import Found, Work, driven
from prunelimit.network.parameters import prunable_parameters
from prunelimit.pruning.masks import Masks, kept_count
from prunelimit.recipe import TrainingConfig


@dataclass(frozen=True)
class SmartRatioConfig:
    """Smart-Ratio; the default is that of Su et al. (2020).

    Attributes
    ----------
    training
        Under the mask, from the initial weights.
    linear_keep
        Share of the classifier's weights that stays.
    """

    training: TrainingConfig = COMMON_TRAINING
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

    Returns
    -------
    tuple of int

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
    return _rounded(_passed_on(exact, sizes, classifier), kept)


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


def _rounded(exact: Sequence[float], total: int) -> tuple[int, ...]:
    # The tolerance keeps 29.999999999 from counting as 29 and the largest remainder.
    counts = [int(amount + 1e-9) for amount in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return tuple(counts)


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
    counts = smart_ratio_counts(
        sizes,
        kept_count(sparsity, sum(sizes)),
        positions[-1] if positions else None,
        linear_keep,
    )
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for (name, parameter), count in zip(parameters.items(), counts, strict=True):
        keep = torch.zeros(parameter.numel(), dtype=torch.bool)
        keep[torch.randperm(parameter.numel(), generator=generator)[:count]] = True
        masks[name] = keep.view(parameter.shape).to(parameter.device)
    return masks


@driven(SmartRatioConfig)
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
    return work.trained_under(masks, work.config.training)
