"""What a prediction of the pruning limit says, and how it is kept (chapters 6 and 9)."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from prunelimit.errors import PruneLimitError, require_all, shown
from prunelimit.estimates import BracketedSparsity
from prunelimit.expected import Expected, expect
from prunelimit.files import read_text, write_text
from prunelimit.limit.solve import sharpness_bound
from prunelimit.names import printable
from prunelimit.network.statistics import Counted, LayerCount, LossStatistics
from prunelimit.records import absent, fields_to_plain, from_plain
from prunelimit.spectrum.result import Spectrum, require_sensible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ONE_SHOT_NOTE = (
    "the one-shot sparsity is the first crossing on a grid, an estimate: a curve that is not "
    "monotone may have crossed before, between two of its points"
)

_FORMAT = "prunelimit.report/1"
_PROFILE_POINTS = 2001
_LARGEST = 1e150  # its square is a number, too


@dataclass(frozen=True)
class LimitEstimate(BracketedSparsity):
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

    kept: float
    distance: float
    ridge: float
    status: str


@dataclass(frozen=True)
class RiseCurve:
    """The quadratic model's rise at some sparsities; it unpacks into these two.

    Attributes
    ----------
    sparsities, rises
        Arrays of one length, the first of them increasing.
    """

    sparsities: np.ndarray
    rises: np.ndarray

    def __post_init__(self) -> None:
        """Refuse what is no curve."""
        _require_table("one_shot_curve", self.sparsities, self.rises)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.sparsities, self.rises))


@dataclass(frozen=True)
class _Profile:
    """R(k) on a grid of k, and between its points on straight lines."""

    kept: np.ndarray
    distance: np.ndarray

    def __post_init__(self) -> None:
        _require_table("distance", self.kept, self.distance)
        falls = (np.diff(self.distance) <= 1e-9 * self.distance[0]).all()
        in_range = ((self.distance >= 0) & (self.distance < _LARGEST)).all()
        require_all("the report", distance=bool(falls and in_range))

    def __call__(self, kept: float) -> float:
        return float(np.interp(kept, self.kept, self.distance))

    @classmethod
    def of(cls, distance: Callable[[float], float], dim: int) -> _Profile:
        kept = np.unique(np.linspace(0, dim, _PROFILE_POINTS).round().astype(np.int64))
        return cls(kept, np.array([distance(float(k)) for k in kept]))


def _require_table(name: str, x: np.ndarray, y: np.ndarray) -> None:
    increasing = x.ndim == 1 == y.ndim and np.isfinite(x).all() and (np.diff(x) >= 0).all()
    if not increasing or not x.size == y.size > 0:
        raise PruneLimitError(
            f"the report's {name} does not fit: {x.size} places, which have to increase, and "
            f"{y.size} values"
        )


@dataclass(frozen=True, kw_only=True)
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
        (exact in the quadratic model where the matrix is built; beyond, the first
        crossing on a grid, an estimate: see `one_shot_is_estimate`).
    epsilon, epsilon_source
        The loss rise allowed, and where it comes from.
    loss
        The loss at w* and its spread over batches.
    distance
        R(k), a function of the weights kept.
    spectrum
        The curvature's spectrum, with its error.
    linear_rise
        −gᵀx at the paper's limit: what the quadratic picture leaves out when
        w* is no minimum of this loss.
    warnings
        What a careful reader should know before using the numbers.
    products, seconds
        Cost: products with the full data, and wall time.
    one_shot_curve
        Behind `one_shot`; unpacks into ``(sparsities, rises)``.
    counted
        Which parameters count, and which are left out; None in reports of
        before this was kept.
    layers
        What the largest tenth of the weights leaves of each parameter that counts; None in
        reports of before this was kept.
    cut
        Sparsity from which on the magnitude mask leaves no path from inputs to outputs, where no
        constant is good enough either: real existence lies below it. 1 if there is none, None in
        reports of before this was kept.
    outputs
        Numbers that the network answers an example with, on average; None in reports of before
        this was kept.
    expected
        What fine-tuning will reach: a prediction interval of the network's real existence
        (heuristic, calibrated on measured networks; see `prunelimit.expected`).
    """

    epsilon: float
    epsilon_source: str
    loss: LossStatistics
    paper: LimitEstimate
    sharp: LimitEstimate
    one_shot: LimitEstimate
    linear_rise: float
    warnings: tuple[str, ...]
    products: float
    seconds: float
    one_shot_curve: RiseCurve
    distance: Callable[[float], float] = field(metadata={"stored": _Profile})
    spectrum: Spectrum
    counted: Counted | None = absent()
    layers: tuple[LayerCount, ...] | None = absent()
    cut: float | None = absent()
    outputs: int | None = absent()
    expected: Expected = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Refuse what cannot be; predict real existence, unless a stored report brings its own."""
        require_sensible(self.spectrum)
        counted, layers = self.counted, self.layers
        require_all(
            "the report",
            epsilon=0 < self.epsilon < math.inf,
            loss=self.loss.examples >= 1 and self.loss.batches >= 1,
            counted=counted is None
            or counted.dim == self.dim <= counted.total
            and all(size >= 0 for size in counted.left_out.values()),
            layers=layers is None
            or sum(layer.of for layer in layers) == self.dim
            and all(0 <= layer.kept <= layer.of for layer in layers),
            cut=self.cut is None or 0 < self.cut <= 1,
            outputs=self.outputs is None or self.outputs >= 1,
            coverage=self.expected is None or 0 < self.expected.coverage < 1,
        )
        if self.expected is None:
            object.__setattr__(self, "expected", expect(self))

    @property
    def dim(self) -> int:
        """Number of weights that count, D."""
        return self.spectrum.dim

    @property
    def policy(self) -> str:
        """ "ggn", "abs" or "clip": what becomes of negative curvature."""
        return self.spectrum.policy

    @property
    def sharpness_bound(self) -> float:
        """Lemma 3.5: the paper's sparsity is at least this, from the trace alone (at 99 %).

        The fixed point with R(k) in it, so that nothing of the spectrum is asked for but its trace.
        """
        trace = self.spectrum.trace()
        sure = max(0.0, trace.value + 2.576 * trace.stderr)
        return 1 - sharpness_bound(sure, self.distance, self.epsilon, self.dim)

    @property
    def one_shot_is_estimate(self) -> bool:
        """Whether `one_shot` is the first crossing on a grid, and its bracket no bound."""
        return ONE_SHOT_NOTE in self.warnings or not self.spectrum.exact

    def summary(self) -> str:
        """A few lines for people: each limit with its bracket, and what to know about it."""
        # A loaded report's text is anybody's.
        return "\n".join(printable(line) for line in _summary_lines(self))

    __str__ = summary

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, lists and strings, ready for JSON."""
        head = {"format": _FORMAT, "dim": self.dim, "policy": self.policy}
        tabulated = replace(self, distance=_Profile.of(self.distance, self.dim))
        return head | fields_to_plain(tabulated)

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
        entries = dict(data)
        head = {name: entries.pop(name, None) for name in ("format", "dim", "policy")}
        entries.pop("sharpness_bound", None)  # stored once, with the R of the paper's own limit
        report = from_plain(cls, entries, "the report")
        for name in ("dim", "policy"):
            if head[name] != getattr(report, name):
                raise PruneLimitError(
                    f"the report's {name} is {shown(head[name])}; it must be its spectrum's, "
                    f"{getattr(report, name)!r}"
                )
        return report

    def plot(self) -> Figure:
        """The one-shot curve, ε, and the limits with their brackets."""
        from prunelimit.plots.report import limit_figure

        return limit_figure(self)

    def ends(self) -> dict[str, tuple[float, float, float]]:
        """Lower end, value and upper end of the paper's and the sharp limit, in sparsity."""
        limits = {"paper": self.paper, "sharp": self.sharp}
        return {n: (one.lower, float(one.sparsity), one.upper) for n, one in limits.items()}

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
        ("one-shot, quadratic model" + ", estimate" * report.one_shot_is_estimate, report.one_shot),
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
    if report.cut not in (None, 1.0) and report.expected.upper > report.cut - 1.5 / report.dim:
        said += (
            f"; at {report.cut:.2%} the mask leaves no path from inputs to outputs, and no "
            "constant will do: real existence lies below"
        )
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
