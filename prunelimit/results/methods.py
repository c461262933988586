"""What chapter 8 compares: methods at one budget, and limits that move with a network."""

from __future__ import annotations

from dataclasses import dataclass, field

from prunelimit.records import absent
from prunelimit.results.parts import Provenance
from prunelimit.results.saved import Saved


@dataclass(frozen=True)
class MethodRow:
    """One method at one sparsity and seed; where it refused, `error` says why.

    Attributes
    ----------
    label, method
        For the table, and in `prunelimit.lab.baselines.METHODS`.
    sparsity, seed
        Asked for.
    counted_sparsity, effective_sparsity
        Found; the second counts weights on no path as removed.
    collapsed_layers
        Layers with nothing left.
    epochs, seconds
        Spent.
    train_loss, test_loss, test_accuracy
        Of the pruned network.
    error
        Empty unless the method refused.
    """

    label: str
    method: str
    sparsity: float
    seed: int
    counted_sparsity: float | None = absent()
    effective_sparsity: float | None = absent()
    collapsed_layers: tuple[str, ...] = ()
    epochs: int | None = absent()
    seconds: float | None = absent()
    train_loss: float | None = absent()
    test_loss: float | None = absent()
    test_accuracy: float | None = absent()
    error: str | None = absent()


@dataclass(frozen=True, kw_only=True)
class OfTask(Saved):
    """What was measured on one task's data, in how long, and by whom."""

    task: str
    seconds: float
    provenance: Provenance


@dataclass(frozen=True, kw_only=True)
class MethodsCompared(OfTask):
    """Every method at every sparsity, from the same initial weights for one seed."""

    epochs: int
    l1: float
    rows: tuple[MethodRow, ...]

    FORMAT = "prunelimit.heuristics/1"


@dataclass(frozen=True, kw_only=True)
class LimitRow:
    """The predicted limits of one network, and what they are made of.

    Attributes
    ----------
    paper, sharp, one_shot
        Predicted sparsities.
    distance, distance_at_80, norm
        R at the paper's limit, at sparsity 0.8, and ‖w‖.
    trace
        Of the curvature.
    train_loss, test_accuracy
        Of the network.
    round, sparsity, weight_decay, factor, seed, regularisation
        What was varied; None where it was not.
    """

    round: int | None = absent()
    seed: int | None = absent()
    sparsity: float | None = absent()
    weight_decay: float | None = absent()
    factor: int | None = absent()
    regularisation: float | None = absent()
    paper: float
    sharp: float
    one_shot: float
    distance: float
    distance_at_80: float = field(metadata={"name": "distance_at_0.8"})
    norm: float
    trace: float
    train_loss: float
    test_accuracy: float


@dataclass(frozen=True, kw_only=True)
class LimitStudy(OfTask):
    """How the predicted limits move with pruning rounds, weight decay and scale."""

    epochs: int
    l1: float
    widths: tuple[int, ...]
    epsilon: float
    round_epochs: int
    rounds: tuple[LimitRow, ...]
    decay: tuple[LimitRow, ...]
    scaled: tuple[LimitRow, ...]
    balanced: tuple[LimitRow, ...]

    FORMAT = "prunelimit.heuristics/1"


@dataclass(frozen=True, kw_only=True)
class LimitsOverRounds(OfTask):
    """The limits along iterative pruning with weight decay."""

    weight_decay: float
    widths: tuple[int, ...]
    epsilon: float
    round_epochs: int
    rounds: tuple[LimitRow, ...]

    FORMAT = "prunelimit.depth/1"


@dataclass(frozen=True, kw_only=True)
class LimitsOfGems(OfTask):
    """The limits of networks found by Rare Gems, with and without its l2 term."""

    widths: tuple[int, ...]
    epsilon: float
    epochs: int
    search_epochs: int
    rows: tuple[LimitRow, ...]

    FORMAT = "prunelimit.depth/1"
