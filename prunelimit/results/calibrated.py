"""How the calibration of `prunelimit.expected` was judged, and the yardstick behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prunelimit.expected import Facts
from prunelimit.results.parts import Provenance
from prunelimit.results.saved import Saved


@dataclass(frozen=True)
class Candidate:
    """One fit.

    Attributes
    ----------
    half_width
        In √kept, on families left out; in √kept / √layers where the fit reads the mask.
    mean_error, mean_error_seen
        Mean |error|, in sparsity, on families left out, and on the very rows fitted to; each
        family counts alike.
    """

    half_width: float
    mean_error: float
    mean_error_seen: float


@dataclass(frozen=True)
class Twins:
    """How near the measured thresholds of the same network, trained from other seeds, come.

    Attributes
    ----------
    rows
        Thresholds predicted by the mean of those of the other seeds, at the plan's ε.
    mean_error, ninetieth_percentile
        Of |error|, in sparsity.
    """

    rows: int
    mean_error: float
    ninetieth_percentile: float


@dataclass(frozen=True)
class BaselineShift:
    """By how much another baseline moves real existence, in sparsity, over how many rows."""

    rows: int
    mean_shift: float
    median_shift: float


@dataclass(frozen=True)
class Yardstick:
    """How firm the measured thresholds are.

    Attributes
    ----------
    doubled
        Rows on which more than one descent ended, as where the budget was doubled.
    moved_little
        Share of them on which descents agree to 0.3 points.
    mean_moved, largest_moved
        In sparsity.
    started_elsewhere, sparser_from_there, largest_gain
        Rows whose level (or a lower one) a second search went for, from another start; how many of
        them it took more than 0.3 points further, and by how much at most.
    baselines
        Other baselines, and another optimiser, against L(w*) + ε.
    """

    networks: int
    rows: int
    doubled: int
    moved_little: float
    mean_moved: float
    largest_moved: float
    started_elsewhere: int
    sparser_from_there: int
    largest_gain: float
    baselines: Mapping[str, BaselineShift]


@dataclass(frozen=True)
class FamilyLeftOut:
    """One family of networks, predicted by a calibration that never saw it.

    Attributes
    ----------
    coverage
        Share of rows whose threshold lies in the interval, to half a weight.
    extrapolated
        Share of rows that the calibration itself calls extrapolated.
    """

    family: str
    rows: int
    networks: int
    coverage: float
    median_half_width: float
    mean_error: float
    largest_error: float
    extrapolated: float


@dataclass(frozen=True)
class ModelError:
    """Errors of one prediction, all families left out.

    Attributes
    ----------
    worse_than_expected_by, interval
        Mean |error| minus that of `expected`, and 95 % of it when networks are drawn again.
    """

    mean: float
    median: float
    within_one_point: float
    worse_than_expected_by: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class LeftOut:
    """The judgement over all families."""

    families: tuple[FamilyLeftOut, ...]
    errors: Mapping[str, ModelError]
    rows: int
    coverage: float
    lowest_coverage: float
    median_half_width: float


@dataclass(frozen=True)
class TookNoPart:
    """A network outside the study: the interval beside what SGD with a stated budget reached."""

    file: str
    policy: str
    measured: float
    sparsity: float
    lower: float
    upper: float
    coverage: float
    why: tuple[str, ...]
    inside: bool
    paper: float
    sharp: float


@dataclass(frozen=True)
class SearchedNetwork(Saved):
    """A network outside the study, predicted, and measured by `prunelimit.find_limit`.

    Attributes
    ----------
    facts, policy
        What its report knows, and by which policy.
    lower, value, upper
        The measured bracket, and where the tries cross the level.
    finetuning
        The budget of each try.
    tries
        Sparsity and loss of each.
    """

    network: str
    facts: Facts
    policy: str
    lower: float
    value: float
    upper: float
    finetuning: str
    tries: tuple[tuple[float, float], ...]
    provenance: Provenance

    FORMAT = "prunelimit.searched/1"


@dataclass(frozen=True)
class CalibrationTable(Saved):
    """Everything that is known about the calibration that ships.

    Attributes
    ----------
    half_width
        Of the interval that ships, in √kept.
    left_out, kinds_left_out
        The study's families, and the kinds that stand beside it.
    """

    candidates: Mapping[str, Candidate]
    twins: Twins
    half_width: float
    yardstick: Yardstick
    left_out: LeftOut
    kinds_left_out: LeftOut | None
    took_no_part: tuple[TookNoPart, ...]
    provenance: Provenance

    FORMAT = "prunelimit.calibration-table/5"
