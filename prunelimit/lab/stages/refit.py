"""Stage: curve 3, quadratic existence: the sparsity at which the re-fitted rise meets ε."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch.nn.functional import cross_entropy

from prunelimit.estimates import Interval
from prunelimit.lab.bench.crossing import existence_threshold
from prunelimit.lab.bench.refitting import Refitted, Refitting
from prunelimit.lab.stages.run import Run
from prunelimit.lab.store.measurements import Measurements
from prunelimit.report import PruningLimit
from prunelimit.results.parts import RefitPoint
from prunelimit.spectrum.engine import Effort, operator_for
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
    operator = operator_for(
        run.model,
        cross_entropy,
        run.world.shard(run.reference),
        report.policy,
        Effort(),
        device=run.device,
        world=run.world,
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
        step=so_far.vector(),
        device=run.device,
        progress=run.progress,
    )

    def rise(sparsity: float) -> float:
        known = so_far.at(sparsity)
        if known is not None:
            return RefitPoint(**known).rise
        found = bench.at(sparsity)
        so_far.add(asdict(_point(sparsity, found, report)), bench.step)
        return found.fit.rise

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


def _point(sparsity: float, found: Refitted, report: PruningLimit) -> RefitPoint:
    fit = found.fit
    return RefitPoint(
        sparsity=sparsity,
        distance=report.distance(float(found.kept)),
        one_shot_rise=fit.one_shot_rise,
        rise=fit.rise,
        real_rise=found.loss - report.loss.mean,
        products=fit.iterations + 1,
        residual=fit.residual,
        converged=fit.converged,
    )
