"""Stage: the predicted limits of the trained network."""

from __future__ import annotations

import shutil

from torch import nn

from prunelimit.lab.stages.run import Run
from prunelimit.network.world import World
from prunelimit.predict import predict_limit
from prunelimit.report import PruningLimit

KNOBS = ("epsilon", "epsilon_batch_size", "policy", "tolerance", "max_products")
"""Entries of the configuration that it reads."""


def measure(run: Run, key: str) -> PruningLimit:
    """Predict; a killed prediction of the same `key` goes on at its last Lanczos step."""
    return predict_limit(
        run.model,
        nn.functional.cross_entropy,
        run.reference,
        run.config.epsilon,
        policy=run.config.policy,  # type: ignore[arg-type]
        tolerance=run.config.tolerance,
        max_products=run.config.max_products,
        seed=run.training.seed,
        device=run.device,
        progress=run.progress,
        checkpoint=run.directory / _spectrum_folder(key, run.world),
        world=run.world,
    )


def has_begun(run: Run, key: str) -> bool:
    """Whether an earlier process has kept a part of it."""
    return (run.directory / _spectrum_folder(key, run.world)).exists()


def clear(run: Run) -> None:
    """Remove what Lanczos runs have kept, of this key or another: the prediction is complete."""
    for folder in run.directory.glob("spectrum-*.checkpoint*"):
        shutil.rmtree(folder, ignore_errors=True)


def _spectrum_folder(key: str, world: World) -> str:
    """Sums over another number of processes round otherwise, and cannot be gone on with."""
    return f"spectrum-{key}.checkpoint" + ("" if world.size == 1 else f"-{world.size}")
