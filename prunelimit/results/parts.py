"""What a result is made of: settings, measurements, costs, and who made them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from prunelimit.budgets import FineTuning
from prunelimit.curves import Sweep
from prunelimit.errors import PruneLimitError, require
from prunelimit.estimates import Interval
from prunelimit.records import absent
from prunelimit.spectrum.result import require_policy


# ------------------------------------------------------------------- settings
@dataclass(frozen=True)
class ExperimentConfig:
    """What is measured, and how finely.

    Attributes
    ----------
    epsilon
        Loss rise allowed; None is the standard deviation of the minibatch losses.
    epsilon_batch_size
        Size of those minibatches.
    policy, tolerance, max_products
        See `prunelimit.predict_limit`.
    loss_points, accuracy_points
        Sparsities at which the one-shot training loss, and the validation and
        test accuracy, are measured.
    resolution
        Width in sparsity to which existence thresholds are bisected.
    sparsest
        Where the search for them ends.
    refit_measurements, refit_iterations
        At most so many masks re-fitted, each by so many products.
    finetune_measurements, finetuning
        At most so many masks fine-tuned, each with this budget; None is
        `prunelimit.lab.stages.finetune.default_budget`, by `optimiser`.
    accuracy_tolerance
        Accuracy that a pruned network may lose on the validation split.
    optimiser
        ``"sgd"`` or ``"adam"``, of the default budget of fine-tuning.
    """

    epsilon: float | None = None
    epsilon_batch_size: int = 128
    policy: str = "ggn"
    tolerance: float = 0.005
    max_products: int = 1000
    loss_points: int = 200
    accuracy_points: int = 1000
    resolution: float = 0.005
    sparsest: float = 0.999
    refit_measurements: int = 8
    refit_iterations: int = 40
    finetune_measurements: int = 9
    finetuning: FineTuning | None = None
    accuracy_tolerance: float = 0.005
    optimiser: str = absent("sgd")

    def __post_init__(self) -> None:
        """Refuse what nothing can be measured with."""
        require_policy(self.policy)
        budget = self.finetuning or FineTuning(optimiser=self.optimiser)
        if self.optimiser not in ("sgd", budget.optimiser):
            raise PruneLimitError(
                f"optimiser is {self.optimiser}, and finetuning says {budget}; give one"
            )
        for name, value in vars(self).items():
            if isinstance(value, int | float):
                require(math.isfinite(value), name, value, "finite")
                require(value > 0, name, value, "above 0")
        for name in ("tolerance", "resolution", "sparsest", "accuracy_tolerance"):
            require(getattr(self, name) < 1, name, getattr(self, name), "below 1")


# --------------------------------------------------------------- measurements
@dataclass(frozen=True)
class FinalMeasurements:
    """Losses and accuracies of the trained network, on un-augmented data and without L1."""

    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Examples:
    """Number of examples in each part of the data."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class AccuracyThreshold:
    """The paper's "actual" ratio: chosen on the validation split, reported on the test set.

    Attributes
    ----------
    sparsity
        Largest one at which the validation accuracy is within `tolerance` of the dense network's.
    tolerance
        Accuracy that may be lost.
    validation_accuracy, test_accuracy
        There, survivors untouched.
    dense_test_accuracy
        Of the network before pruning.
    """

    sparsity: float
    tolerance: float
    validation_accuracy: float
    test_accuracy: float
    dense_test_accuracy: float


@dataclass(frozen=True)
class Thresholds:
    """Measured sparsities, each between its ends, and the paper's own comparison."""

    one_shot: Interval
    quadratic_existence: Interval
    real_existence: Interval
    accuracy: AccuracyThreshold


@dataclass(frozen=True)
class Sweeps:
    """The one-shot curve on each part of the data."""

    training: Sweep
    validation: Sweep
    test: Sweep


@dataclass(frozen=True)
class RefitPoint:
    """One mask whose survivors were re-fitted in the quadratic model (curve 3).

    Attributes
    ----------
    sparsity, distance
        Of the mask: fraction removed, and R there.
    one_shot_rise, rise
        Of the quadratic model before and after the re-fit.
    real_rise
        Of the real loss at the re-fitted weights.
    products, residual, converged
        What the re-fit cost, and how well it solved its equations.
    """

    sparsity: float
    distance: float
    one_shot_rise: float
    rise: float
    real_rise: float
    products: int
    residual: float
    converged: bool


@dataclass(frozen=True)
class FinetunePoint:
    """One mask whose survivors were fine-tuned (curve 4): the lowest loss, and what it scores."""

    sparsity: float
    rise: float
    validation_loss: float
    validation_accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class WeightHistogram:
    """Weight magnitudes of each layer on common logarithmic bins.

    Attributes
    ----------
    edges
        ``(bins + 1,)``, increasing.
    counts
        Layer to ``(bins,)`` counts.
    zeros
        Weights that are exactly 0, and in no bin.
    """

    edges: tuple[float, ...]
    counts: Mapping[str, tuple[int, ...]]
    zeros: int

    def __post_init__(self) -> None:
        """Refuse counts that do not fit the bins."""
        for name, count in self.counts.items():
            if len(count) != len(self.edges) - 1:
                raise PruneLimitError(
                    f"the histogram of {name} has {len(count)} counts for "
                    f"{len(self.edges) - 1} bins"
                )

    @property
    def total(self) -> np.ndarray:
        """Counts of all layers together, ``(bins,)``."""
        return np.sum(list(self.counts.values()), axis=0)


# ----------------------------------------------------------- who made a number
@dataclass(frozen=True)
class Machine:
    """Where something was computed."""

    processor: str
    cores: int | None
    threads: int
    device: str


@dataclass(frozen=True)
class Provenance:
    """One process that computed something: versions, machine, command, time.

    Attributes
    ----------
    prunelimit, python, packages
        Versions.
    code
        Commit of the checkout, "+" for changed files; None outside of one.
    machine
        Where.
    command
        What was typed.
    finished
        When, in UTC (ISO 8601).
    processes
        That shared the work.
    """

    prunelimit: str
    code: str | None
    python: str
    packages: Mapping[str, str]
    machine: Machine
    command: str
    finished: str
    processes: int = 1


@dataclass(frozen=True)
class Cost:
    """Wall time and peak memory of a piece of work.

    Attributes
    ----------
    seconds
        Wall time.
    peak_bytes
        Highest resident memory of the process meanwhile (of the GPU on CUDA);
        None where the system does not tell.
    """

    seconds: float
    peak_bytes: int | None


@dataclass(frozen=True)
class Making:
    """How a stage's numbers were made.

    Attributes
    ----------
    cost
        Of all the processes that worked at it.
    key
        What the numbers depend on, as a digest (`prunelimit.lab.store.keys`); empty in results
        that were written before stages had one.
    made_by
        The processes that computed them, in order: one, or several where a run was stopped and
        went on. Empty where it was not written down.
    """

    cost: Cost
    key: str = ""
    made_by: tuple[Provenance, ...] = field(default=())
