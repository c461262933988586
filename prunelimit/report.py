"""What a prediction of the pruning limit says, and how it is kept (chapters 6 and 9)."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import BracketedFloat
from prunelimit.expected import Expected, expect
from prunelimit.files import read_text, write_text
from prunelimit.names import printable, shown
from prunelimit.network.parameters import Counted
from prunelimit.network.statistics import LossStatistics
from prunelimit.records import absent, from_plain, to_plain
from prunelimit.spectrum.result import POLICIES, Spectrum, require_sensible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMAT = "prunelimit.report/1"
_PROFILE_POINTS = 2001


@dataclass(frozen=True)
class LimitEstimate:
    """One predicted limit.

    Attributes
    ----------
    sparsity
        Fraction removed at the limit; a float with ``.lower`` and ``.upper``.
        The ends are whole weights: the bracket of the spectrum, then rounded
        outwards.
    kept
        Weights kept, k, a real number.
    distance
        R(k), in the units of the weights.
    ridge
        The curvature at which the effective dimension is k.
    status
        "solved"; "any" (every sparsity meets ε); "none" (no weight can go).
    """

    sparsity: BracketedFloat
    kept: float
    distance: float
    ridge: float
    status: str

    @property
    def lower(self) -> float:
        """Lower end of the sparsity."""
        return self.sparsity.lower

    @property
    def upper(self) -> float:
        """Upper end of the sparsity."""
        return self.sparsity.upper

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and text; the bracket's ends stand beside the sparsity."""
        ends = {"sparsity": float(self.sparsity), "lower": self.lower, "upper": self.upper}
        return ends | {
            name: getattr(self, name) for name in ("kept", "distance", "ridge", "status")
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LimitEstimate:
        """The inverse of `to_dict`.

        Raises
        ------
        PruneLimitError
            If an entry is missing, unknown or of another type, or the ends are out of order.
        """
        stored = from_plain(_StoredEstimate, data, "the limit")
        ends = (stored.lower, stored.upper)
        sparsity = BracketedFloat.read(stored.sparsity, *ends, "the limit's sparsity")
        return cls(sparsity, stored.kept, stored.distance, stored.ridge, stored.status)


@dataclass(frozen=True)
class _StoredEstimate:
    """A limit as it lies in a file."""

    sparsity: float
    lower: float
    upper: float
    kept: float
    distance: float
    ridge: float
    status: str


@dataclass(frozen=True)
class PruningLimit:
    """What `predict_limit` found. Sparsities are fractions removed.

    Attributes
    ----------
    paper
        The paper's limit k = N_eff(2ε/R²) (heuristic).
    sharp
        This project's threshold for a random subspace in the quadratic model
        (asymptotic): which sparsity admits *some* network with that support.
    one_shot
        Where 1/2 xᵀHx of magnitude pruning meets ε, survivors untouched
        (exact in the quadratic model).
    sharpness_bound
        Lemma 3.5: the paper's sparsity is at least this, from the trace alone.
    epsilon, epsilon_source
        The loss rise allowed, and where it comes from.
    loss
        The loss at w* and its spread over batches.
    distance
        R(k), a function of the weights kept.
    spectrum
        The curvature's spectrum, with its error.
    policy
        "ggn", "abs" or "clip".
    linear_rise
        −gᵀx at the paper's limit: what the quadratic picture leaves out when
        w* is no minimum of this loss.
    warnings
        What a careful reader should know before using the numbers.
    products, seconds
        Cost: products with the full data, and wall time.
    one_shot_curve
        ``(sparsities, rises)`` behind `one_shot`.
    counted
        Which parameters count, and which are left out; None in reports of
        before this was kept.
    expected
        What fine-tuning will reach: a prediction interval of the network's real existence
        (heuristic, calibrated on measured networks; see `prunelimit.expected`).
    """

    paper: LimitEstimate
    sharp: LimitEstimate
    one_shot: LimitEstimate
    sharpness_bound: float
    epsilon: float
    epsilon_source: str
    loss: LossStatistics
    distance: Callable[[float], float]
    spectrum: Spectrum
    policy: str
    dim: int
    linear_rise: float
    warnings: tuple[str, ...]
    products: float
    seconds: float
    one_shot_curve: tuple[np.ndarray, np.ndarray]
    counted: Counted | None = None
    expected: Expected = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Predict real existence, unless a stored report brings its own prediction."""
        if self.expected is None:
            object.__setattr__(self, "expected", expect(self))

    def summary(self) -> str:
        """A few lines for people: each limit with its bracket, and what to know about it."""
        # A loaded report's text is anybody's.
        return "\n".join(printable(line) for line in _summary_lines(self))

    __str__ = summary

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, lists and strings, ready for JSON."""
        plain: dict[str, Any] = to_plain(_packed(self))
        return plain

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as JSON text, also written to `path` if one is given, whole or not at all."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        if path is not None:
            write_text(path, text + "\n")
        return text

    @classmethod
    def from_json(cls, source: str | os.PathLike[str]) -> PruningLimit:
        """Read a report from JSON text or from a file.

        The distance is then an interpolation of 2,001 stored points.

        Raises
        ------
        PruneLimitError
            If the text is no such report.
        """
        text = source if isinstance(source, str) and source.lstrip().startswith("{") else None
        try:
            data = json.loads(read_text(source) if text is None else text)
        except (OSError, ValueError, RecursionError) as error:
            raise PruneLimitError(
                f"cannot read a report from {str(source)[:80]!r}: {error}"
            ) from error
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PruningLimit:
        """The inverse of `to_dict`; the distance interpolates 2,001 stored points.

        Raises
        ------
        PruneLimitError
            If an entry is missing, unknown, of another type, or does not fit the others; the
            message names it.
        """
        found = data.get("format") if isinstance(data, Mapping) else None
        if found != _FORMAT:
            raise PruneLimitError(
                f"this is no report of predict_limit (format {shown(found)}, expected {_FORMAT!r})"
            )
        return _unpacked(from_plain(_Stored, data, "the report"))

    def plot(self) -> Figure:
        """The one-shot curve, ε, and the limits with their brackets."""
        from prunelimit.plots.report import limit_figure

        limits = {
            name: (estimate.lower, float(estimate.sparsity), estimate.upper)
            for name, estimate in (("paper", self.paper), ("sharp", self.sharp))
        }
        return limit_figure(
            self.one_shot_curve, float(self.one_shot.sparsity), limits, self.epsilon
        )

    def _repr_html_(self) -> str:
        # Markup escapes what it formats: a loaded report's text is anybody's.
        row = Markup("<tr><td>{}</td><td>{:.4f}</td><td>{:.4f} … {:.4f}</td></tr>")
        rows = Markup().join(
            row.format(label, float(estimate.sparsity), estimate.lower, estimate.upper)
            for label, estimate in _labelled(self)
        )
        notes = Markup().join(Markup("<li>{}</li>").format(note) for note in _notes(self))
        page = Markup(
            "<table><thead><tr><th>limit</th><th>sparsity</th><th>bracket</th></tr></thead>"
            "<tbody>{}</tbody></table><p>ε = {:.4g} ({}), policy {}, {}</p>{}"
        )
        return page.format(
            rows,
            self.epsilon,
            self.epsilon_source,
            self.policy,
            _what_counts(self),
            Markup("<ul>{}</ul>").format(notes) if notes else "",
        )


def _labelled(report: PruningLimit) -> list[tuple[str, LimitEstimate | Expected]]:
    return [
        ("one-shot, quadratic model", report.one_shot),
        ("paper's limit", report.paper),
        ("sharp limit (some network with this support)", report.sharp),
        ("expected of fine-tuning (real existence)", report.expected),
    ]


def _notes(report: PruningLimit) -> list[str]:
    share = f"{report.expected.coverage:.0%}".replace("%", " %")
    said = (
        f"'expected' is a {share} prediction interval of real existence: where survivors and "
        "biases, trained to convergence under the magnitude mask, still reach L(w*) + ε"
    )
    if report.expected.extrapolated:
        said += f"; extrapolated, its coverage is not promised: {'; '.join(report.expected.why)}"
    return [*report.warnings, said]


def _summary_lines(report: PruningLimit) -> list[str]:
    lines = [
        _what_counts(report),
        f"loss {report.loss.mean:.4g} on {report.loss.examples:,} examples",
        f"epsilon = {report.epsilon:.4g} ({report.epsilon_source}), policy {report.policy}",
    ]
    lines += [
        f"{label:<45} {estimate.sparsity:7.2%}   [{estimate.lower:.2%}, {estimate.upper:.2%}]"
        for label, estimate in _labelled(report)
    ]
    lines.append(
        f"{'at least, from the trace alone (Lemma 3.5)':<45} {report.sharpness_bound:7.2%}"
    )
    lines.append(f"{report.products:.0f} products with the data, {report.seconds:.1f} s")
    return lines + [f"note: {note}" for note in _notes(report)]


def _what_counts(report: PruningLimit) -> str:
    return str(report.counted) if report.counted else f"D = {report.dim:,} prunable weights"


@dataclass(frozen=True)
class _Profile:
    """R(k) on a grid of k."""

    kept: np.ndarray
    distance: np.ndarray

    def at(self, kept: float) -> float:
        return float(np.interp(kept, self.kept, self.distance))


@dataclass(frozen=True)
class _Curve:
    sparsities: np.ndarray
    rises: np.ndarray


@dataclass(frozen=True)
class _Stored:
    """A report as it lies in a file."""

    format: str
    dim: int
    policy: str
    epsilon: float
    epsilon_source: str
    loss: LossStatistics
    paper: LimitEstimate
    sharp: LimitEstimate
    one_shot: LimitEstimate
    sharpness_bound: float
    linear_rise: float
    warnings: tuple[str, ...]
    products: float
    seconds: float
    one_shot_curve: _Curve
    distance: _Profile
    spectrum: Spectrum
    counted: Counted | None = absent()
    expected: Expected | None = absent()


def _packed(report: PruningLimit) -> _Stored:
    kept = np.unique(np.linspace(0, report.dim, _PROFILE_POINTS).round().astype(np.int64))
    plain: dict[str, Any] = {f.name: getattr(report, f.name, None) for f in fields(_Stored)}
    plain |= {
        "format": _FORMAT,
        "one_shot_curve": _Curve(*report.one_shot_curve),
        "distance": _Profile(kept, np.array([report.distance(float(k)) for k in kept])),
    }
    return _Stored(**plain)


def _unpacked(stored: _Stored) -> PruningLimit:
    require_sensible(stored.spectrum)
    sensible = {
        "policy": stored.policy in POLICIES,
        "dim": 1 <= stored.dim == stored.spectrum.dim,
        "epsilon": 0 < stored.epsilon < math.inf,
        "loss": stored.loss.examples >= 1 and stored.loss.batches >= 1,
        "counted": stored.counted is None
        or stored.counted.dim == stored.dim <= stored.counted.total
        and all(size >= 0 for size in stored.counted.left_out.values()),
        "coverage": stored.expected is None or 0 < stored.expected.coverage < 1,
    }
    wrong = next((name for name, holds in sensible.items() if not holds), None)
    if wrong is not None:
        raise PruneLimitError(f"the report's {wrong} cannot be; no prediction says so")
    curve, profile = stored.one_shot_curve, stored.distance
    for name, x, y in (
        ("one_shot_curve", curve.sparsities, curve.rises),
        ("distance", profile.kept, profile.distance),
    ):
        increasing = x.ndim == 1 == y.ndim and np.isfinite(x).all() and (np.diff(x) >= 0).all()
        if not increasing or not x.size == y.size > 0:
            raise PruneLimitError(
                f"the report's {name} does not fit: {x.size} places, which have to increase, and "
                f"{y.size} values"
            )
    names = [f.name for f in fields(_Stored) if f.name != "format"]
    plain: dict[str, Any] = {name: getattr(stored, name) for name in names}
    plain |= {"one_shot_curve": (curve.sparsities, curve.rises), "distance": profile.at}
    return PruningLimit(**plain)
