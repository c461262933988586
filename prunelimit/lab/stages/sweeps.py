"""Stage: curve 1, the network at many sparsities with its survivors untouched."""

from __future__ import annotations

import numpy as np
from torch import nn

from prunelimit.lab.data import Batches
from prunelimit.lab.stages.run import Run
from prunelimit.pruning.sweep import Sweep, sweep
from prunelimit.results.parts import Sweeps

KNOBS = ("loss_points", "accuracy_points")
"""Entries of the configuration that it reads."""


def measure(run: Run) -> Sweeps:
    """Sweep over the three parts of the data."""
    points = run.config.accuracy_points
    return Sweeps(
        training=_on(run, run.splits.train_eval, run.config.loss_points),
        validation=_on(run, run.splits.validation, points),
        test=_on(run, run.splits.test, points),
    )


def _on(run: Run, batches: Batches, points: int) -> Sweep:
    return sweep(
        run.model,
        nn.functional.cross_entropy,
        batches.with_batch_size(1000),
        np.linspace(0, 1, points, endpoint=False),
        device=run.device,
        progress=run.progress,
        world=run.world,
    )
