"""How sparse fine-tuning will get: a prediction with an interval, calibrated on measured networks.

The two formulas answer questions about a quadratic model. What a network reaches under a
magnitude mask, all survivors trained to convergence on the data loss, lies elsewhere, and no
closed formula has come within a point of it. So this module makes no theory: it fits the share
of weights kept, in log-odds, to what a report knows (the paper's limit, how evenly the largest
weights lie over the layers, where the mask cuts the network through (no answer goes beyond that),
and how many answers the data ask of a weight), on many networks of few families
(`prunelimit.lab.studies.existence`) and few of many. Around it stands a conformal interval,
symmetric in the square root of that share: errors grow with it, but do not vanish where hardly a
weight is kept.

**Heuristic**, with a measured error: the interval's half width is a quantile of the errors on
families that were left out of the fit whole, each family counting alike, in the root of a
network's number of layers. It is for a small network of a kind that was not seen; for one outside
of the ranges of those seen the report says "extrapolated".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from statistics import NormalDist
from typing import TYPE_CHECKING

from scipy.special import expit, logit

from prunelimit.estimates import BracketedFloat, BracketedSparsity
from prunelimit.records import absent, from_plain

if TYPE_CHECKING:
    from prunelimit.network.statistics import LayerCount
    from prunelimit.report import PruningLimit

FORMAT = "prunelimit.calibration/2"
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
    outputs
        Numbers that the network answers an example with; None where nobody looked.
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
    outputs: int | None = absent()

    def values(self) -> dict[str, float]:
        """Every feature that is known, by name: shares kept in log-odds, sizes in logarithm."""
        shares = {
            "paper": self.paper,
            "sharp": self.sharp,
            "one-shot": self.one_shot,
            "layer share": self.layer_share,
            "cut": None if self.cut is None else 1 - self.cut,
        }
        sizes = {
            "epsilon": max(self.epsilon, 1e-12),
            "loss": max(self.loss + self.epsilon, 1e-12),
            "dim": self.dim,
            "examples": self.examples,
            "layers": self.layers,
            "outputs": self.outputs,
            "answers": self.outputs and self.examples * self.outputs / self.dim,
        }
        odds = {n: log_odds(one, self.dim) for n, one in shares.items() if one is not None}
        return odds | {n: math.log(one) for n, one in sizes.items() if one is not None}


def log_odds(share: float, dim: int) -> float:
    """log(s / (1 − s)) of a share of `dim` weights, no nearer to 0 and 1 than half a weight."""
    return float(logit(min(max(share, 0.5 / dim), 1 - 0.5 / dim)))


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

    @property
    def spread(self) -> float:
        """Standard deviation, in √(kept / D), of the normal whose interval this would be."""
        width = math.sqrt(1 - self.lower) - math.sqrt(1 - float(self.sparsity))
        return width / NormalDist().inv_cdf(0.5 + 0.5 * self.coverage)


@dataclass(frozen=True)
class Calibration:
    """A fitted prediction of the log-odds of kept / D, and how far it errs.

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
        return {*self.names} | ({"layers"} if self.by_layers else set())

    def predict(self, facts: Facts) -> Expected:
        """Sparsity and interval, with what lies outside of the calibration's ranges."""
        known = facts.values()
        if self.otherwise is not None and not self.reads <= known.keys():
            return self.otherwise.predict(facts)
        end = 1.0 if facts.cut is None else facts.cut
        slopes = zip(self.coefficients[1:], self.names, strict=True)
        odds = self.coefficients[0] + sum(slope * known[name] for slope, name in slopes)
        root = math.sqrt(max(float(expit(odds)), 1 - end))
        width = self.half_width * (math.exp(0.5 * known["layers"]) if self.by_layers else 1.0)
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
                plain = expit if name in SHARES else math.exp
                here, least, most = (_readable(plain(one)) for one in (value, low, high))
                found.append(f"{_WORDS[name]} is {here}, calibrated on {least} … {most}")
        return tuple(found)


def _readable(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


SHARES = frozenset({"paper", "sharp", "one-shot", "layer share", "cut"})
"""Features that are shares of the weights."""

_WORDS = {
    "paper": "the share kept by the paper's limit",
    "sharp": "the share kept by the sharp limit",
    "one-shot": "the share kept by one-shot pruning",
    "epsilon": "ε",
    "loss": "L(w*) + ε",
    "dim": "D",
    "examples": "the number of examples",
    "layers": "the number of weight tensors",
    "outputs": "the number of outputs",
    "answers": "the number of answers (examples times outputs) by weight",
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
        outputs=report.outputs,
    )


def last_connected(cut: float, dim: int) -> float:
    """Where a mask loses its last path: between one and the next, of the sparsity of the next."""
    return cut if cut == 1 else cut - 0.5 / dim


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
