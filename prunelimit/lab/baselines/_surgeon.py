"""Optimal brain surgeon for all survivors at once, under the magnitude mask."""

from __future__ import annotations

from dataclasses import dataclass

from prunelimit.errors import require
from prunelimit.lab.baselines import _common
from prunelimit.lab.baselines._common import COMMON_TRAINING
from prunelimit.lab.baselines._driver import Found, Work, driven
from prunelimit.network.parameters import flatten, prunable_weights, with_weights
from prunelimit.pruning.masks import magnitude_mask
from prunelimit.pruning.refit import refit_survivors
from prunelimit.recipe import TrainingConfig
from prunelimit.spectrum.operator import CurvatureOperator


@dataclass(frozen=True)
class SurgeonConfig:
    """Train, cut by magnitude, move the survivors to the quadratic model's minimum.

    Attributes
    ----------
    training
        Of the dense network: the whole budget in epochs.
    max_products
        Curvature products spent on the re-fit at most; fewer if `tolerance` is
        met. Stopping early keeps the step short where the matrix is nearly
        singular.
    tolerance
        Relative residual at which the re-fit stops.
    """

    training: TrainingConfig = COMMON_TRAINING
    max_products: int = 60
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        require(self.max_products >= 1, "max_products", self.max_products, "at least 1")
        require(self.tolerance > 0, "tolerance", self.tolerance, "above 0")


@driven(SurgeonConfig)
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
    batches = _common.evaluation_batches(work.data)
    fit = refit_survivors(
        CurvatureOperator(network, work.loss_fn, batches, "ggn", device=weights.device),
        weights,
        keep,
        tolerance=work.config.tolerance,
        max_iterations=work.config.max_products,
        progress=work.progress,
    )
    return with_weights(network, weights * keep + fit.step), masks
