"""How sparse fine-tuning will get: a prediction with an interval, calibrated on measured networks.

The two formulas answer questions about a quadratic model. What a network reaches under a
magnitude mask, all survivors trained to convergence on the data loss, lies elsewhere, and no
closed formula has come within a point of it. So this module makes no theory: it fits the share
of weights kept, in logarithm, to what a report knows (the paper's limit, how evenly the largest
weights lie over the layers, and where the mask cuts the network through: no answer goes beyond
that), on a study of small networks (`prunelimit.lab.studies.existence`), and puts a conformal
interval around it, symmetric in the square root of that share: errors grow with it, but do not
vanish where hardly a weight is kept.

**Heuristic**, with a measured error: the interval's half width is the quantile of the errors on
the family of networks that was worst when it was left out of the fit whole, counted in the root of
a network's number of layers. It holds for networks like those of the study; for one outside of its
ranges the report says "extrapolated".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from prunelimit.estimates import BracketedFloat, BracketedSparsity
from prunelimit.records import absent, from_plain

if TYPE_CHECKING:
    from prunelimit.network.parameters import LayerCount
    from prunelimit.report import PruningLimit

FORMAT = "prunelimit.calibration/1"
CALIBRATION = "calibration.json"
COVERAGE = 0.9


@dataclass(frozen=True)
class Facts:
    """What a prediction may read, all of it known to a report.

    Attributes
    ----------
    paper, sharp, one_shot
        Shares kept by the two formulas and by the quadratic one-shot curve, in (0, 1].
    epsilon, loss
        The loss rise allowed, and the loss at w*.
    dim, examples
        Number of prunable weights, and of examples behind the loss.
    layers
        Number of prunable parameters (matrices, kernels); None where nobody looked.
    layer_share
        With the largest tenth of the weights kept, the share that a layer keeps, in the mean over
        layers; None where nobody looked. A small layer that keeps much raises it.
    cut
        Largest sparsity at which the mask leaves a path (`prunelimit.pruning.cut`), where what is
        predicted ends; 1 where it always does, None where nobody looked.
    """

    paper: float
    sharp: float
    one_shot: float
    epsilon: float
    loss: float
    dim: int
    examples: int
    layers: int | None = absent()
    layer_share: float | None = absent()
    cut: float | None = absent()

    def values(self) -> dict[str, float]:
        """Every feature by name; a share kept is at least half a weight of all."""
        least = 0.5 / self.dim
        log = {
            "log paper": max(self.paper, least),
            "log sharp": max(self.sharp, least),
            "log one-shot": max(self.one_shot, least),
            "log epsilon": max(self.epsilon, 1e-12),
            "log loss": max(self.loss + self.epsilon, 1e-12),
            "log dim": self.dim,
            "log examples": self.examples,
        }
        if self.layers is not None:
            log["log layers"] = self.layers
        if self.layer_share is not None:
            log["log layer share"] = max(self.layer_share, least)
        if self.cut is not None:
            log["log cut"] = max(1 - self.cut, least)
        return {name: math.log(value) for name, value in log.items()}


@dataclass(frozen=True)
class Expected(BracketedSparsity):
    """A prediction of real existence: converged, survivors and biases trained, at L(w*) + ε.

    Attributes
    ----------
    sparsity
        Fraction removed, a float with ``.lower`` and ``.upper``.
    coverage
        How often such an interval holds, on networks like those of the calibration.
    why
        What lies outside of the networks calibrated on; empty if nothing does.
    """

    coverage: float = COVERAGE
    why: tuple[str, ...] = ()

    @property
    def extrapolated(self) -> bool:
        """Whether the network lies outside of those calibrated on: the coverage is not promised."""
        return bool(self.why)


@dataclass(frozen=True)
class Calibration:
    """A fitted prediction of log(kept / D), and how far it errs.

    Attributes
    ----------
    names, coefficients
        Features read, and their weights; the first coefficient is the constant.
    half_width
        Of the interval, in √(kept / D).
    by_layers
        Whether that is for one layer, and grows with the root of their number.
    ranges
        Smallest and largest value of each feature among the networks calibrated on.
    otherwise
        For reports that lack a feature of this one.
    """

    names: tuple[str, ...]
    coefficients: tuple[float, ...]
    half_width: float
    ranges: Mapping[str, tuple[float, float]]
    by_layers: bool = False
    otherwise: Calibration | None = absent()

    @property
    def reads(self) -> set[str]:
        """Every feature that the prediction and its width need."""
        return {*self.names} | ({"log layers"} if self.by_layers else set())

    def predict(self, facts: Facts) -> Expected:
        """Sparsity and interval, with what lies outside of the calibration's ranges."""
        known = facts.values()
        if self.otherwise is not None and not self.reads <= known.keys():
            return self.otherwise.predict(facts)
        end = 1.0 if facts.cut is None else facts.cut
        slopes = zip(self.coefficients[1:], self.names, strict=True)
        log_kept = self.coefficients[0] + sum(slope * known[name] for slope, name in slopes)
        root = max(math.exp(0.5 * min(0.0, log_kept)), math.sqrt(1 - end))
        width = self.half_width * (math.exp(0.5 * known["log layers"]) if self.by_layers else 1.0)
        sparsity = BracketedFloat(
            min(1 - root**2, end),
            lower=1 - min(1.0, root + width) ** 2,
            upper=min(1 - max(0.0, root - width) ** 2, end),
        )
        return Expected(sparsity, why=self._outside(facts))

    def _outside(self, facts: Facts) -> tuple[str, ...]:
        found = []
        for name, value in facts.values().items():
            low, high = self.ranges.get(name, (-math.inf, math.inf))
            if not low <= value <= high:
                word = name.removeprefix("log ")
                here, least, most = (_readable(math.exp(one)) for one in (value, low, high))
                found.append(f"{_WORDS[word]} is {here}, calibrated on {least} … {most}")
        return tuple(found)


def _readable(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


_WORDS = {
    "paper": "the share kept by the paper's limit",
    "sharp": "the share kept by the sharp limit",
    "one-shot": "the share kept by one-shot pruning",
    "epsilon": "ε",
    "loss": "L(w*) + ε",
    "dim": "D",
    "examples": "the number of examples",
    "layers": "the number of weight tensors",
    "cut": "the share kept where the mask cuts the network through",
    "layer share": "what a layer keeps of the largest tenth",
}


@lru_cache(maxsize=1)
def calibration() -> Calibration:
    """The calibration that ships with the package.

    Raises
    ------
    PruneLimitError
        If its file is not what `prunelimit.lab.studies.calibration` writes.
    """
    data = json.loads((resources.files("prunelimit") / CALIBRATION).read_text("utf-8"))
    return from_plain(Calibration, data["calibration"], CALIBRATION)


def facts_of(report: PruningLimit) -> Facts:
    """What a prediction reads of a report."""
    return Facts(
        paper=report.paper.kept / report.dim,
        sharp=report.sharp.kept / report.dim,
        one_shot=report.one_shot.kept / report.dim,
        epsilon=report.epsilon,
        loss=report.loss.mean,
        dim=report.dim,
        examples=report.loss.examples,
        layers=None if report.layers is None else len(report.layers),
        layer_share=None if report.layers is None else mean_share(report.layers),
        cut=None if report.cut is None else last_connected(report.cut, report.dim),
    )


def last_connected(cut: float, dim: int) -> float:
    """The largest sparsity at which a mask leaves a path, of the one from which on it does not."""
    return cut if cut == 1 else cut - 1 / dim


def mean_share(layers: Sequence[LayerCount]) -> float:
    """The share that a layer keeps, in the mean over layers."""
    return sum(one.kept / one.of for one in layers) / len(layers)


def expect(report: PruningLimit) -> Expected:
    """Predict real existence for a report.

    The calibration is of policy "ggn"; for another the answer is marked as extrapolated.
    """
    found = calibration().predict(facts_of(report))
    if report.policy == "ggn":
        return found
    other = f"the policy is {report.policy!r}, calibrated on 'ggn'"
    return Expected(found.sparsity, found.coverage, (other, *found.why))
