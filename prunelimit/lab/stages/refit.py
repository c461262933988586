"""Stage: curve 3, quadratic existence: the sparsity at which the re-fitted rise meets ε."""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from prunelimit.estimates import Interval
from prunelimit.lab.data import Batches
from prunelimit.lab.stages.crossing import existence_threshold
from prunelimit.lab.stages.run import Run
from prunelimit.lab.store.measurements import Measurements
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import flatten, prunable_weights, with_weights
from prunelimit.pruning import magnitude_mask
from prunelimit.pruning.refit import Refit, refit_exactly, refit_survivors
from prunelimit.report import PruningLimit
from prunelimit.results.parts import RefitPoint
from prunelimit.spectrum.engine import Effort, operator_for
from prunelimit.spectrum.matrix import BuildableMatrix, SymmetricMatrix

if TYPE_CHECKING:
    from prunelimit.pruning.sweep import Sweep

KNOBS = ("resolution", "sparsest", "refit_measurements", "refit_iterations")
"""Entries of the configuration that it reads."""


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
    matrix
        ``(dim, dim)``: the curvature where it is written out; each mask is then solved directly.
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
    matrix: Tensor | None = None
    step: Tensor | None = None
    device: str = "auto"
    progress: bool | None = None

    def __post_init__(self) -> None:
        """Note the weights at w*."""
        self.weights = prunable_weights(self.model).to(self.operator.dtype)

    def at(self, sparsity: float) -> Refitted:
        """The magnitude mask of `sparsity`."""
        keep = flatten(magnitude_mask(self.model, sparsity).values())
        if self.matrix is not None:
            fit = refit_exactly(self.matrix, self.weights, keep)
        else:
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


def written_out(operator: BuildableMatrix, policy: str) -> Tensor | None:
    """The matrix of a small network; None of an indefinite one, under which no mask has a minimum.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> written_out(SimpleNamespace(dim=2, dense=lambda: torch.eye(2)), "abs") is None
    True
    """
    return operator.dense() if policy == "ggn" and Effort().dense(operator.dim) else None


@dataclass(frozen=True)
class Refits:
    """The threshold, and every mask behind it by increasing sparsity."""

    threshold: Interval
    points: tuple[RefitPoint, ...]


def measure(run: Run, report: PruningLimit, curve: Sweep, so_far: Measurements) -> Refits:
    """Bisect beyond the threshold of the one-shot `curve`."""
    start = curve.largest_sparsity(report.epsilon)
    data = run.world.shard(run.reference)
    operator = operator_for(
        run.model, cross_entropy, data, report.policy, Effort(), device=run.device, world=run.world
    )
    return run.world.lead(operator, lambda led: _bisected(led, run, report, start, so_far))


def _bisected(
    operator: BuildableMatrix, run: Run, report: PruningLimit, start: float, so_far: Measurements
) -> Refits:
    bench = Refitting(
        run.model,
        operator,
        run.splits.train_eval.with_batch_size(1000),
        iterations=run.config.refit_iterations,
        matrix=written_out(operator, report.policy),
        step=so_far.vector(),
        device=run.device,
        progress=run.progress,
    )

    def rise(sparsity: float) -> float:
        known = so_far.at(sparsity)
        if known is not None:
            return RefitPoint(**known).rise
        found = bench.at(sparsity)
        point = RefitPoint(
            sparsity=sparsity,
            distance=report.distance(float(found.kept)),
            one_shot_rise=found.fit.one_shot_rise,
            rise=found.fit.rise,
            real_rise=found.loss - report.loss.mean,
            products=found.fit.iterations + 1,
            residual=found.fit.residual,
            converged=found.fit.converged,
        )
        so_far.add(asdict(point), bench.step)
        return point.rise

    config = run.config
    threshold = existence_threshold(
        rise,
        report.epsilon,
        start,
        float(report.sharp.sparsity),
        resolution=config.resolution,
        sparsest=config.sparsest,
        measurements=config.refit_measurements,
    )
    points = sorted((RefitPoint(**row) for row in so_far.rows), key=lambda point: point.sparsity)
    return Refits(threshold, tuple(points))
