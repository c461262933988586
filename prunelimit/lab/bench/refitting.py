"""Magnitude masks with their survivors re-fitted: quadratic existence, and what it costs really."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from prunelimit.lab.data import Batches
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import flatten, prunable_weights, with_weights
from prunelimit.pruning import magnitude_mask
from prunelimit.pruning.refit import Refit, refit_survivors
from prunelimit.spectrum.matrix import SymmetricMatrix

TOLERANCE = 1e-4
"""Relative residual of the normal equations to stop at."""


@dataclass(frozen=True)
class Refitted:
    """One mask.

    Attributes
    ----------
    fit
        The step of the survivors and the rise of the quadratic model.
    kept
        How many weights survive.
    loss
        Of the real network after the step.
    """

    fit: Refit
    kept: int
    loss: float


@dataclass
class Refitting:
    """Re-fits one mask after another, each from the step of the one before.

    Parameters
    ----------
    model
        Trained; left untouched.
    operator
        Its curvature at w*.
    data
        The real loss is taken on it.
    iterations
        Products to stop at; before that, at `TOLERANCE`.
    step
        ``(dim,)``: where the first search begins.
    device, progress
        See `prunelimit.pruning.finetune.finetune`.
    """

    model: nn.Module
    operator: SymmetricMatrix
    data: Batches
    _: KW_ONLY
    iterations: int
    step: Tensor | None = None
    device: str = "auto"
    progress: bool | None = None

    def __post_init__(self) -> None:
        """Note the weights at w*."""
        self.weights = prunable_weights(self.model).to(self.operator.dtype)

    def at(self, sparsity: float) -> Refitted:
        """The magnitude mask of `sparsity`."""
        keep = flatten(magnitude_mask(self.model, sparsity).values())
        fit = refit_survivors(
            self.operator,
            self.weights,
            keep,
            tolerance=TOLERANCE,
            max_iterations=self.iterations,
            start=None if self.step is None else self.step.to(self.weights),
            progress=self.progress,
        )
        self.step = fit.step
        network = with_weights(self.model, torch.where(keep, self.weights, 0.0) + fit.step)
        loss, _ = evaluate(network, cross_entropy, self.data, self.device)
        return Refitted(fit, int(keep.sum()), loss)
