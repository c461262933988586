"""What a prediction of the pruning limit says, and how it is kept (chapters 6 and 9)."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import BracketedFloat
from prunelimit.files import write_text
from prunelimit.network.losses import LossStatistics
from prunelimit.network.parameters import Counted
from prunelimit.spectrum import Spectrum

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

    def summary(self) -> str:
        """A few lines for people: each limit with its bracket, and what to know about it."""
        return "\n".join(_summary_lines(self))

    __str__ = summary

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, lists and strings, ready for JSON."""
        kept = np.unique(np.linspace(0, self.dim, _PROFILE_POINTS).round().astype(np.int64))
        sparsities, rises = self.one_shot_curve
        return {
            "format": _FORMAT,
            "dim": self.dim,
            "policy": self.policy,
            "epsilon": self.epsilon,
            "epsilon_source": self.epsilon_source,
            "loss": dict(vars(self.loss)),
            "paper": _estimate_to_dict(self.paper),
            "sharp": _estimate_to_dict(self.sharp),
            "one_shot": _estimate_to_dict(self.one_shot),
            "sharpness_bound": self.sharpness_bound,
            "linear_rise": self.linear_rise,
            "warnings": list(self.warnings),
            "products": self.products,
            "seconds": self.seconds,
            "one_shot_curve": {"sparsities": sparsities.tolist(), "rises": rises.tolist()},
            "distance": {
                "kept": kept.tolist(),
                "distance": [self.distance(float(k)) for k in kept],
            },
            "spectrum": self.spectrum.to_dict(),
            "counted": None if self.counted is None else self.counted.to_dict(),
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as JSON text, also written to `path` if one is given."""
        text = json.dumps(_finite(self.to_dict()), indent=1, allow_nan=False)
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
            data = json.loads(Path(source).read_text("utf-8") if text is None else text)
        except (OSError, json.JSONDecodeError) as error:
            raise PruneLimitError(
                f"cannot read a report from {str(source)[:80]!r}: {error}"
            ) from error
        if data.get("format") != _FORMAT:
            raise PruneLimitError(
                f"this JSON is no report of predict_limit (format {data.get('format')!r}, "
                f"expected {_FORMAT!r})"
            )
        return _report_from_dict(data)

    def plot(self) -> Figure:
        """The one-shot curve, ε, and the limits with their brackets."""
        from prunelimit.plots.limits import limit_figure

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
        notes = Markup().join(Markup("<li>{}</li>").format(note) for note in self.warnings)
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


def _labelled(report: PruningLimit) -> list[tuple[str, LimitEstimate]]:
    return [
        ("one-shot, quadratic model", report.one_shot),
        ("paper's limit", report.paper),
        ("sharp limit (some network with this support)", report.sharp),
    ]


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
    return lines + [f"note: {note}" for note in report.warnings]


def _what_counts(report: PruningLimit) -> str:
    return str(report.counted) if report.counted else f"D = {report.dim:,} prunable weights"


def _estimate_to_dict(estimate: LimitEstimate) -> dict[str, Any]:
    return {
        "sparsity": float(estimate.sparsity),
        "lower": estimate.lower,
        "upper": estimate.upper,
        "kept": estimate.kept,
        "distance": estimate.distance,
        "ridge": estimate.ridge,
        "status": estimate.status,
    }


def _estimate_from_dict(data: dict[str, Any]) -> LimitEstimate:
    return LimitEstimate(
        sparsity=BracketedFloat(data["sparsity"], data["lower"], data["upper"]),
        kept=data["kept"],
        distance=data["distance"],
        ridge=_number(data["ridge"]),
        status=data["status"],
    )


def _report_from_dict(data: dict[str, Any]) -> PruningLimit:
    grid = np.array(data["distance"]["kept"], float), np.array(data["distance"]["distance"], float)
    plain = ("epsilon", "epsilon_source", "policy", "dim", "products", "seconds")
    loss = data["loss"] | {"batch_std": _number(data["loss"]["batch_std"])}
    return PruningLimit(
        paper=_estimate_from_dict(data["paper"]),
        sharp=_estimate_from_dict(data["sharp"]),
        one_shot=_estimate_from_dict(data["one_shot"]),
        **{name: data[name] for name in plain},
        sharpness_bound=data["sharpness_bound"],
        loss=LossStatistics(**loss),
        distance=lambda kept: float(np.interp(kept, *grid)),
        spectrum=Spectrum.from_dict(data["spectrum"]),
        linear_rise=data["linear_rise"],
        warnings=tuple(data["warnings"]),
        one_shot_curve=(
            np.array(data["one_shot_curve"]["sparsities"], float),
            np.array(data["one_shot_curve"]["rises"], float),
        ),
        counted=Counted.from_dict(data["counted"]) if data.get("counted") else None,
    )


def _finite(value: Any) -> Any:
    """JSON has no NaN or infinity: they are written as None and as text."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)
