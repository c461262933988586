"""What all stages of one run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from prunelimit.lab.data import Batches, Splits
from prunelimit.network.world import ALONE, World
from prunelimit.recipe import TrainingConfig
from prunelimit.results.parts import ExperimentConfig


@dataclass(frozen=True)
class Run:
    """A trained network with its data, and how it is measured.

    Attributes
    ----------
    model, splits
        Trained, and what on; both on the device.
    training
        How it was trained.
    config
        What is measured.
    directory
        Where stages may keep what they are at.
    device, progress, world
        See `prunelimit.lab.experiment.run_task`.
    """

    model: nn.Module
    splits: Splits
    training: TrainingConfig
    config: ExperimentConfig
    directory: Path
    device: str
    progress: bool | None = None
    world: World = ALONE

    @property
    def reference(self) -> Batches:
        """The fixed data that define the loss and S(ε)."""
        return self.splits.train_eval.with_batch_size(self.config.epsilon_batch_size)
