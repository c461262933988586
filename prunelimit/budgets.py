"""The stated budget of a fine-tuning: apart from how a network is trained, which fewer need."""

from __future__ import annotations

from dataclasses import dataclass

from prunelimit.errors import require
from prunelimit.records import absent


@dataclass(frozen=True)
class FineTuning:
    """The stated budget of a fine-tuning.

    Attributes
    ----------
    epochs
        Passes over the training data.
    learning_rate
        At the start; it falls to 0 along a cosine, step by step. Adam's is in units of the root
        mean square of the weights that a mask keeps, about the share of itself by which a step
        changes a weight.
    momentum
        Of SGD, or how much of the last mean gradient Adam keeps.
    optimiser
        ``"sgd"`` or ``"adam"``.
    """

    epochs: int = 12
    learning_rate: float = 0.01
    momentum: float = 0.9
    optimiser: str = absent("sgd")

    @classmethod
    def by_adam(cls, epochs: int) -> FineTuning:
        """So many epochs of Adam at the rate of `prunelimit.default_finetuning`."""
        return cls(epochs, learning_rate=0.05, optimiser="adam")

    def __post_init__(self) -> None:
        """Refuse what trains nothing."""
        require(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        require(
            0 < self.learning_rate < float("inf"), "learning_rate", self.learning_rate, "above 0"
        )
        require(0 <= self.momentum < 1, "momentum", self.momentum, "at least 0 and below 1")
        require(self.optimiser in ("sgd", "adam"), "optimiser", self.optimiser, "sgd or adam")

    def __str__(self) -> str:
        adam = self.optimiser == "adam"
        size = f"{self.learning_rate:.3g}" + (" of the survivors' RMS" if adam else "")
        return (
            f"{self.epochs} {'epochs' if self.epochs != 1 else 'epoch'} of "
            f"{'Adam' if adam else 'SGD'}, learning rate {size} falling "
            f"along a cosine, momentum {self.momentum:g}"
        )
