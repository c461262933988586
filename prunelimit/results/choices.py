"""The choices behind a prediction: what the depth study found, and what the paper's own say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prunelimit.budgets import FineTuning
from prunelimit.estimates import Interval
from prunelimit.results.parts import AccuracyThreshold, Provenance
from prunelimit.results.saved import Saved


@dataclass(frozen=True)
class LimitsOverDistance:
    """Both limits as functions of a free distance R, beside the network's own R(k).

    Attributes
    ----------
    distance, own
        R, and the share kept at which magnitude pruning of this network has that R.
    limits
        "paper" and "sharp" to the share kept at each R.
    measured
        Curve to (R, share kept) at its measured threshold.
    floor
        One weight of D, as a share.
    """

    distance: tuple[float, ...]
    own: tuple[float, ...]
    limits: Mapping[str, tuple[float, ...]]
    measured: Mapping[str, tuple[float, float]]
    floor: float


@dataclass(frozen=True)
class GridCrossing:
    """Where a curve on a grid of masks crosses a level; None at an end that it does not reach."""

    lower: float | None
    value: float | None
    upper: float | None


@dataclass(frozen=True)
class AtEpsilon:
    """Predictions and measurements at one ε."""

    epsilon: float
    paper: float
    sharp: float
    one_shot_quadratic: float
    one_shot: float
    quadratic: GridCrossing
    real: GridCrossing


@dataclass(frozen=True)
class GridPoint:
    """Loss rises of the re-fitted (quadratic) and of the fine-tuned (real) survivors of a mask."""

    sparsity: float
    quadratic: float
    real: float


@dataclass(frozen=True)
class OverEpsilon:
    """Each curve at several ε, the masks behind it, and the budget of fine-tuning."""

    rows: tuple[AtEpsilon, ...]
    points: tuple[GridPoint, ...]
    finetuning: FineTuning


@dataclass(frozen=True)
class AtBatchSize:
    """Both limits at the ε that a batch size gives."""

    batch_size: int
    epsilon: float
    paper: float
    sharp: float


@dataclass(frozen=True)
class AtExamples:
    """Both limits from the curvature on so many examples; `draw` numbers the random subset."""

    examples: int
    draw: int
    paper: float
    sharp: float


@dataclass(frozen=True)
class AtPolicy:
    """Both limits under a policy for negative curvature, whose share of the trace is given."""

    policy: str
    negative_share: float
    trace: float
    paper: float
    sharp: float


@dataclass(frozen=True)
class RowNorms:
    """The l1 norms of a matrix's rows, in percents of the weights from small to large.

    Attributes
    ----------
    percent
        Upper end of each percent.
    tenth, median, ninetieth
        Percentiles of the row norms in it.
    magnitude
        Largest weight in it.
    """

    percent: tuple[int, ...]
    tenth: tuple[float, ...]
    median: tuple[float, ...]
    ninetieth: tuple[float, ...]
    magnitude: tuple[float, ...]


@dataclass(frozen=True)
class Choices(Saved):
    """How ε, its batch size, the data and the policy move the prediction for one network."""

    dim: int
    loss: float
    epsilon: OverEpsilon
    batch_size: tuple[AtBatchSize, ...]
    examples: tuple[AtExamples, ...]
    policy: tuple[AtPolicy, ...]
    row_norms: RowNorms
    task: str = ""
    l1: float = 0.0
    epochs: int = 0
    seconds: float = 0.0
    provenance: Provenance | None = None

    FORMAT = "prunelimit.depth/1"


@dataclass(frozen=True)
class WeightDistance:
    """Total variation between the weights of two seeds, and what chance alone would give."""

    first: int
    second: int
    distance: float
    by_chance: float


@dataclass(frozen=True)
class WeightDistances(Saved):
    """Distances between the weights of every two runs, by network."""

    bins: int
    distances: Mapping[str, tuple[WeightDistance, ...]]
    seconds: float
    provenance: Provenance

    FORMAT = "prunelimit.depth/1"


@dataclass(frozen=True)
class OwnChoices:
    r"""One network: the limit by \|H\|, its variants, and the paper's "actual" sparsity.

    Attributes
    ----------
    name, seed
        Of the run, see `prunelimit.lab.studies.scales`.
    dim, loss
        Weights D, and the loss at w*.
    epsilon
        Standard deviation of the losses of minibatches of 128.
    paper
        The paper's limit by \|H\|, in the bracket of its computation.
    rounded
        The same with R rounded to an integer, at the spectrum's best value.
    gauss_newton
        The paper's limit by our curvature.
    accuracy
        Up to where the one-shot accuracy holds.
    """

    name: str
    seed: int
    dim: int
    loss: float
    epsilon: float
    paper: Interval
    rounded: float
    gauss_newton: Interval
    accuracy: AccuracyThreshold


@dataclass(frozen=True)
class Verdict(Saved):
    """The paper's limit by its own choices, a row a network."""

    rows: tuple[OwnChoices, ...]
    provenance: Provenance

    FORMAT = "prunelimit.verdict/1"
