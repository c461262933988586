"""Stage: curve 3, quadratic existence: the sparsity at which the re-fitted rise meets ε."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from prunelimit.estimates import Interval
from prunelimit.lab.stages.run import Run
from prunelimit.lab.store.measurements import Measurements
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import prunable_weights, with_weights
from prunelimit.predict import curvature_operator
from prunelimit.pruning import magnitude_order
from prunelimit.pruning.refit import Refit, refit_survivors
from prunelimit.pruning.threshold import find_crossing
from prunelimit.report import PruningLimit
from prunelimit.results.parts import RefitPoint
from prunelimit.spectrum.matrix import BuildableMatrix

KNOBS = ("resolution", "sparsest", "refit_measurements", "refit_iterations")
"""Entries of the configuration that it reads."""


@dataclass(frozen=True)
class Refits:
    """The threshold, and every mask behind it by increasing sparsity."""

    threshold: Interval
    points: tuple[RefitPoint, ...]


def measure(run: Run, report: PruningLimit, start: float, so_far: Measurements) -> Refits:
    """Bisect from the one-shot threshold `start` on."""
    operator = curvature_operator(
        run.model,
        nn.functional.cross_entropy,
        run.world.shard(run.reference),
        report.policy,
        run.device,
        run.world,
    )
    return run.world.lead(operator, lambda led: _bisected(led, run, report, start, so_far))


def _bisected(
    operator: BuildableMatrix, run: Run, report: PruningLimit, start: float, so_far: Measurements
) -> Refits:
    masks = _Masks(operator, run, report, so_far)
    crossing = find_crossing(
        masks.rise,
        report.epsilon,
        min(start, 0.98),
        run.config.sparsest,
        guess=float(report.sharp.sparsity),
        resolution=run.config.resolution,
        max_measurements=run.config.refit_measurements,
    )
    points = sorted((RefitPoint(**row) for row in so_far.rows), key=lambda point: point.sparsity)
    threshold = Interval(crossing.lower, crossing.value, crossing.upper)
    return Refits(threshold, tuple(points))


class _Masks:
    """Re-fits one magnitude mask after another; each step begins the search for the next."""

    def __init__(
        self, operator: BuildableMatrix, run: Run, report: PruningLimit, so_far: Measurements
    ) -> None:
        self.operator, self.run, self.report, self.so_far = operator, run, report, so_far
        self.weights = prunable_weights(run.model).to(operator.dtype)
        self.order = magnitude_order(run.model)
        self.data = run.splits.train_eval.with_batch_size(1000)
        self.step: Tensor | None = so_far.vector()

    def rise(self, sparsity: float) -> float:
        """Of the quadratic model at the re-fitted survivors."""
        known = self.so_far.at(sparsity)
        if known is not None:
            return RefitPoint(**known).rise
        keep = torch.ones_like(self.weights, dtype=torch.bool)
        keep[self.order[: round(sparsity * self.weights.numel())]] = False
        fit = refit_survivors(
            self.operator,
            self.weights,
            keep,
            max_iterations=self.run.config.refit_iterations,
            start=None if self.step is None else self.step.to(self.weights),
            progress=self.run.progress,
        )
        self.step = fit.step
        self.so_far.add(asdict(self._point(sparsity, keep, fit)), fit.step)
        return fit.rise

    def _point(self, sparsity: float, keep: Tensor, fit: Refit) -> RefitPoint:
        weights = torch.where(keep, self.weights, 0.0) + fit.step
        refitted = with_weights(self.run.model, weights)
        loss_fn = nn.functional.cross_entropy
        real, _ = evaluate(refitted, loss_fn, self.data, device=self.run.device)
        return RefitPoint(
            sparsity=sparsity,
            distance=self.report.distance(float(keep.sum())),
            one_shot_rise=fit.one_shot_rise,
            rise=fit.rise,
            real_rise=real - self.report.loss.mean,
            products=fit.iterations + 1,
            residual=fit.residual,
            converged=fit.converged,
        )
