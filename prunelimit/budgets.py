"""The stated budget of a fine-tuning: settings, apart from what they set (chapter 7)."""

from __future__ import annotations

from dataclasses import dataclass

from prunelimit.errors import PruneLimitError


@dataclass(frozen=True)
class FineTuning:
    """The stated budget of a fine-tuning.

    Attributes
    ----------
    epochs
        Passes over the training data.
    learning_rate
        Of SGD at the start; it falls to 0 along a cosine, step by step.
    momentum
        Of SGD.
    """

    epochs: int = 12
    learning_rate: float = 0.01
    momentum: float = 0.9

    def __post_init__(self) -> None:
        if self.epochs < 1 or not self.learning_rate > 0:
            raise PruneLimitError(
                f"fine-tuning needs epochs >= 1 and learning_rate > 0, got {self.epochs} and "
                f"{self.learning_rate}"
            )
