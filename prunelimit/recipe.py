"""How a network is trained: settings, apart from what they set (chapter 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from prunelimit.errors import require

SCHEDULES = ("constant", "multistep", "cosine")
PRESETS = ("as_intended", "as_released")


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained. The defaults are the paper's for FC5 and FC12.

    Attributes
    ----------
    epochs
        Passes over the training examples; see `scaled`.
    learning_rate
        The schedule's highest rate.
    batch_size
        Of training; evaluation uses the splits' own.
    momentum, weight_decay
        Of SGD.
    l1
        λ in L(w) + λ‖w‖₁.
    penalised
        ``"all"`` parameters as in the paper (biases and normalisation too), or
        the ``"prunable"`` ones.
    schedule
        ``"constant"``, ``"multistep"`` or ``"cosine"``.
    warmup_epochs
        Of linear warm-up.
    milestones, gamma
        Epochs at which ``"multistep"`` multiplies the rate by `gamma`.
    preset
        ``"as_intended"`` or ``"as_released"``; see `prunelimit.lab.schedules`.
    seed
        Of the order of examples, augmentation, and random layers.

    Examples
    --------
    >>> TrainingConfig(epochs=200, warmup_epochs=5).scaled(40).warmup_epochs
    1
    """

    epochs: int = 200
    learning_rate: float = 0.01
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 0.0
    l1: float = 5e-5
    penalised: str = "all"
    schedule: str = "constant"
    warmup_epochs: int = 0
    milestones: tuple[int, ...] = (60, 120, 160)
    gamma: float = 0.5
    preset: str = "as_intended"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        require(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        require(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "above 0")
        require(0 <= self.momentum < 1, "momentum", self.momentum, "in [0, 1)")
        require(0 <= self.weight_decay < math.inf, "weight_decay", self.weight_decay, "0 or more")
        require(0 <= self.l1 < math.inf, "l1", self.l1, "0 or more")
        require(0 < self.gamma < math.inf, "gamma", self.gamma, "above 0")
        require(self.warmup_epochs >= 0, "warmup_epochs", self.warmup_epochs, "0 or more")
        require(min(self.milestones, default=1) >= 1, "milestones", self.milestones, "at least 1")
        for name, known in (
            ("schedule", SCHEDULES),
            ("preset", PRESETS),
            ("penalised", ("all", "prunable")),
        ):
            value = getattr(self, name)
            require(value in known, name, value, f"one of {', '.join(known)}")

    def scaled(self, epochs: int) -> TrainingConfig:
        """The same schedule squeezed or stretched to `epochs`.

        Warm-up and milestones keep their share of the run, rounded to whole
        epochs; a warm-up keeps at least one.
        """
        require(epochs >= 1, "epochs", epochs, "at least 1")
        factor = epochs / self.epochs
        return replace(
            self,
            epochs=epochs,
            warmup_epochs=max(1, round(self.warmup_epochs * factor)) if self.warmup_epochs else 0,
            milestones=tuple(max(1, round(milestone * factor)) for milestone in self.milestones),
        )
