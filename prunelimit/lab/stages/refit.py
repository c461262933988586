"""Stage: curve 3, quadratic existence: the sparsity at which the re-fitted rise meets ε."""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass
from functools import cached_property
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
from prunelimit.pruning.refit import Refit, SurvivorsBlock, refit_directly, refit_survivors
from prunelimit.report import PruningLimit
from prunelimit.results.parts import RefitPoint
from prunelimit.spectrum.engine import Effort, operator_for
from prunelimit.spectrum.matrix import SymmetricMatrix
from prunelimit.spectrum.operator import CurvatureOperator
from prunelimit.spectrum.submatrix import submatrix

if TYPE_CHECKING:
    from prunelimit.pruning.sweep import Sweep

KNOBS = ("resolution", "sparsest", "refit_measurements", "refit_iterations")
"""Entries of the configuration that it reads."""


TOLERANCE = 1e-4
"""Relative residual of the normal equations to stop at."""

MOST_SURVIVORS = 6000
"""Up to so many, their block of the curvature is written out and the equations solved directly.

The cost grows with their square. On one core, 4,000 examples and the shape of FC5, in double
precision: 8 s for 1,600 survivors, where each product takes 0.8 s.
"""


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
        The real loss is taken on it, and the curvature's part among few survivors.
    iterations
        Products to stop at; before that, at `TOLERANCE`.
    direct
        Whether masks of up to `MOST_SURVIVORS` are solved directly, as far as `submatrix` has their
        block; not of an indefinite matrix, under which no mask has a minimum.
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
    direct: bool = True
    step: Tensor | None = None
    device: str = "auto"
    progress: bool | None = None

    def __post_init__(self) -> None:
        """Note the weights at w*."""
        self.weights = prunable_weights(self.model).to(self.operator.dtype)
        # There are no numbers of double precision there.
        self.direct = self.direct and self.weights.device.type != "mps"

    def at(self, sparsity: float) -> Refitted:
        """The magnitude mask of `sparsity`."""
        keep = flatten(magnitude_mask(self.model, sparsity).values())
        fit = self._fit(keep)
        self.step = fit.step
        network = with_weights(self.model, torch.where(keep, self.weights, 0.0) + fit.step)
        loss, _ = evaluate(network, cross_entropy, self.data, self.device)
        return Refitted(fit, int(keep.sum()), loss)

    def _fit(self, keep: Tensor) -> Refit:
        if self.direct and keep.sum() <= MOST_SURVIVORS:
            block = self._block(keep.nonzero().flatten())
            if block is not None:
                return refit_directly(block, self.weights, keep)
            self.direct = False  # nor will another mask have one
        return refit_survivors(
            self.operator,
            self.weights,
            keep,
            tolerance=TOLERANCE,
            max_iterations=self.iterations,
            start=None if self.step is None else self.step.to(self.weights),
            progress=self.progress,
        )

    @cached_property
    def _precise(self) -> CurvatureOperator:
        return CurvatureOperator(
            self.model, cross_entropy, self.data, device=self.device, dtype=torch.float64
        )

    @cached_property
    def _image(self) -> Tensor:
        """H w*, the same for every mask."""
        return self._precise.matmul(self.weights.double())

    def _block(self, positions: Tensor) -> SurvivorsBlock | None:
        matrix = submatrix(self._precise, positions, self.progress)
        if matrix is None:
            return None
        square = float(self.weights.double() @ self._image)
        return SurvivorsBlock(matrix, self._image[positions], square)


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
    operator: SymmetricMatrix, run: Run, report: PruningLimit, start: float, so_far: Measurements
) -> Refits:
    bench = Refitting(
        run.model,
        operator,
        run.splits.train_eval.with_batch_size(1000),
        iterations=run.config.refit_iterations,
        direct=report.policy == "ggn",
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
