"""What the study of chapter 10 measured: predictions and converged thresholds of many networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from prunelimit.errors import PruneLimitError
from prunelimit.records import absent
from prunelimit.results.parts import Provenance
from prunelimit.results.saved import Saved

CURVES = ("one_shot", "quadratic_existence", "real_existence")
"""What a prediction is held against."""


@dataclass(frozen=True)
class Network:
    """One network of the study.

    Attributes
    ----------
    family
        What is left out together.
    source, examples
        Data set, and how many training examples.
    kind, widths
        Architecture.
    optimizer, learning_rate, steps
        "sgd" (momentum 0.9), "adam" or "adamw" (decay 0.01); batches of 32, cosine.
    l1
        λ on the prunable weights.
    epsilon
        A fixed loss rise, beside the deviation of the minibatch losses.
    seed
        Of initial weights and order.
    """

    family: str
    source: str
    examples: int
    kind: str
    widths: tuple[int, ...]
    optimizer: str
    learning_rate: float
    steps: int
    l1: float
    epsilon: float
    seed: int = 0

    @property
    def normalised(self) -> bool:
        """Whether it has batch, group or layer normalisation."""
        return any(word in self.kind for word in ("batch", "group", "layernorm", "transformer"))

    @property
    def name(self) -> str:
        """For files and tables."""
        shape = "-".join(map(str, self.widths))
        return (
            f"{self.family}-{self.source}-{self.kind}-{shape}-{self.optimizer}"
            f"-l{self.l1:g}-t{self.steps}-s{self.seed}"
        )


@dataclass(frozen=True)
class Solved:
    """A formula's limit: its sparsity, R there, and how the equation ended."""

    sparsity: float
    distance: float
    status: str


Formulas = Mapping[str, Solved]


@dataclass(frozen=True)
class Threshold:
    """A threshold that is bracketed by converged descents, as sparsities.

    Attributes
    ----------
    lower
        A network with this support was found at or below the level: exact.
    value
        Between the ends, by the geometric mean of the weights kept.
    upper
        None was found here.
    status
        "bracketed"; "any" (even one weight is enough); "none" (not even the dense network
        reaches the level).
    once
        What the nested search had before the budget was last doubled at the upper end, or what
        an earlier one reached if that was denser; None where there was neither.
    lower_bound
        Whether two descents differ by more than 0.3 points.
    budget
        Gauss-Newton matrices a mask at `once`, or at `value` where nothing was doubled; None
        means 40.
    damped_by
        `prunelimit.lab.existence.converged.SCALINGS` that were tried; None means the mean alone.
    nested
        What the nested search reached, where the one for the tuned baseline, starting elsewhere,
        went sparser: `value` is this one's then. None where it did not.
    raised_from
        What the searches had where a solution was known under a sparser mask, which is one under
        this mask too; None where there was none.
    """

    lower: float
    value: float
    upper: float
    status: str
    once: float | None = None
    lower_bound: bool | None = absent()
    budget: int | None = absent()
    damped_by: tuple[str, ...] | None = absent()
    nested: float | None = absent()
    raised_from: float | None = absent()

    @classmethod
    def between(cls, passing: int, failing: int, dim: int) -> Threshold:
        """Between two counts of weights removed of `dim`, of which one passes and one fails.

        Examples
        --------
        >>> Threshold.between(20, 80, 100).value
        0.6
        """
        kept = math.sqrt((dim - passing) * (dim - failing))
        return cls(passing / dim, 1 - kept / dim, failing / dim, "bracketed")

    @property
    def by_nested_search(self) -> float:
        """What the nested search alone reached."""
        return self.by_search if self.nested is None else self.nested

    @property
    def by_search(self) -> float:
        """`value`, or what the searches had before sparser solutions were counted."""
        return self.value if self.raised_from is None else self.raised_from


@dataclass(frozen=True)
class AtEpsilon:
    """Predictions and thresholds of one network at one ε.

    Attributes
    ----------
    ggn, abs
        Both formulas' limits by the Gauss-Newton matrix and by |H|.
    at_twice_epsilon, gain, decrement
        By the Gauss-Newton matrix at 2ε, at ε plus what converged training takes off the dense
        network's loss, and at ε plus its Newton decrement.
    linear_rise
        −gᵀx at the paper's limit, which the quadratic picture leaves out.
    one_shot_quadratic, one_shot
        Curve 1, in the quadratic model and measured.
    quadratic_existence, quadratic_existence_fixed_biases
        Curve 3, with everything re-fitted that training moves, and with the weights alone.
    real_existence
        Curve 4 at L(w*) + ε, converged.
    real_existence_finetuned_baseline, real_existence_l1
        The same above the loss of the dense network trained alike, and of the regularised loss.
    real_existence_sgd
        The same by SGD in place of the descent, as many steps as the network was trained for, on a
        grid of masks whose weights kept differ by about a seventh.
    """

    epsilon: float
    epsilon_source: str
    ggn: Formulas
    at_twice_epsilon: Formulas
    gain: Formulas
    decrement: Formulas
    linear_rise: float
    one_shot_quadratic: float
    one_shot: float
    quadratic_existence: float
    quadratic_existence_fixed_biases: float
    real_existence: Threshold
    abs: Formulas | None = absent()
    real_existence_finetuned_baseline: Threshold | None = absent()
    real_existence_l1: Threshold | None = absent()
    real_existence_sgd: Threshold | None = absent()

    @property
    def paper(self) -> float:
        """The paper's formula, by the Gauss-Newton matrix."""
        return self.ggn["paper"].sparsity

    @property
    def sharp(self) -> float:
        """The sharp formula, by the Gauss-Newton matrix."""
        return self.ggn["sharp"].sparsity

    @property
    def predicted(self) -> dict[str, float]:
        """Sparsities that need no fit, by name.

        The matrix is Gauss-Newton; where the name ends in "|H|", the paper's, and only where its
        products are cheap.
        """
        found = {"paper": self.paper, "sharp": self.sharp}
        found["mean of the formulas"] = (found["paper"] + found["sharp"]) / 2
        by_level = {"gain": self.gain, "decrement": self.decrement}
        for level, formulas in by_level.items():
            found |= {f"{f} at ε + {level}": formulas[f].sparsity for f in ("paper", "sharp")}
        if self.abs is not None:
            found |= {f"{f}, |H|": self.abs[f].sparsity for f in ("paper", "sharp")}
        return found

    @property
    def measured(self) -> dict[str, float]:
        """Each of `CURVES`."""
        return {
            "one_shot": self.one_shot,
            "quadratic_existence": self.quadratic_existence,
            "real_existence": self.real_existence.value,
        }


@dataclass(frozen=True)
class MeasuredNetwork:
    """One network with everything that was measured on it.

    Attributes
    ----------
    dim, free
        Prunable weights, and parameters that training moves.
    loss, batch_std
        L(w*), and the deviation of the minibatch losses.
    newton_decrement
        ½ gᵀ(G + δI)⁻¹g.
    eigenvalue_quantiles, distance_quantiles
        At 0, 5, …, 100 %: of the spectrum, and R(k) by share kept.
    finetuned_loss
        Of the dense network, converged.
    iterations
        Gauss-Newton matrices of all its searches.
    layers
        Number of prunable parameters: weight matrices and kernels, all in all.
    layer_share
        With the largest tenth of the weights kept, the share that a layer keeps, in the mean.
    cut, constant_loss
        Sparsity from which on the magnitude mask leaves no path from inputs to outputs, and the
        loss of the best outputs that are the same for every example.
    minima
        Weights removed, lowest loss found, and how the descent ended, mask by mask.
    cpu_seconds, cpu_seconds_before_existence
        Without the other yardsticks; and of training and predicting alone.
    code
        Commit that measured it.
    """

    format: str
    name: str
    network: Network
    dim: int
    free: int
    examples: int
    classes: int
    loss: float
    train_accuracy: float | None
    test_accuracy: float | None
    norm: float
    gradient_norm: float
    trace: float
    eigenvalue_quantiles: tuple[float, ...]
    rank: float
    distance_quantiles: tuple[float, ...]
    batch_std: float
    newton_decrement: float
    finetuned_loss: float
    finetuned_status: str
    iterations: int
    minima: tuple[tuple[int, float, str], ...]
    rows: tuple[AtEpsilon, ...]
    seconds: float
    cpu_seconds: float
    cpu_seconds_before_existence: float
    code: str | None
    layers: int | None = absent()
    layer_share: float | None = absent()
    cut: float | None = absent()
    constant_loss: float | None = absent()

    @property
    def elasticities(self) -> dict[str, float]:
        """−d log(kept) / d log ε between the network's two ε, of both formulas and two curves."""
        first, second = self.rows
        run = math.log(second.epsilon / first.epsilon)
        least = 0.5 / self.dim
        pairs = {"k_paper": (first.paper, second.paper), "k_sharp": (first.sharp, second.sharp)}
        for curve in ("quadratic_existence", "real_existence"):
            pairs[curve] = first.measured[curve], second.measured[curve]
        kept = {name: [max(1 - sparsity, least) for sparsity in pairs[name]] for name in pairs}
        return {name: math.log(before / after) / run for name, (before, after) in kept.items()}


@dataclass(frozen=True)
class ExistenceStudy(Saved):
    """All networks of the study, as far as it got.

    Attributes
    ----------
    planned
        Number of networks in the plan.
    """

    planned: int
    networks: tuple[MeasuredNetwork, ...]
    cpu_seconds: float
    provenance: Provenance

    FORMAT = "prunelimit.existence/2"

    @property
    def rows(self) -> list[AtEpsilon]:
        """The rows of all networks, two each."""
        return [row for network in self.networks for row in network.rows]

    def only(self, *, normalised: bool) -> ExistenceStudy:
        """The part with normalisation layers, or the one without."""
        chosen = tuple(n for n in self.networks if n.network.normalised == normalised)
        return replace(self, networks=chosen)

    def errors(self, prediction: str, curve: str = "real_existence") -> np.ndarray:
        """Prediction minus measurement, in sparsity, over the rows that have both.

        Raises
        ------
        PruneLimitError
            If no row has that prediction.
        """
        found = [
            row.predicted[prediction] - row.measured[curve]
            for row in self.rows
            if prediction in row.predicted
        ]
        if not found:
            raise PruneLimitError(f"no row has the prediction {prediction!r}")
        return np.array(found)


@dataclass(frozen=True)
class ExpandedNetwork:
    """Thresholds of one network after some quadratic pictures, at each ε.

    Attributes
    ----------
    thresholds
        One row an ε: after each of the study's numbers of pictures, the sparsest mask whose
        real loss is at most L(w*) + ε.
    """

    name: str
    family: str
    epsilons: tuple[float, ...]
    quadratic_existence: tuple[float, ...]
    real_existence: tuple[float, ...]
    thresholds: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Expansions(Saved):
    """One quadratic picture after another, damped, under the same mask.

    Attributes
    ----------
    counts
        Numbers of pictures.
    """

    counts: tuple[int, ...]
    networks: tuple[ExpandedNetwork, ...]
    provenance: Provenance

    FORMAT = "prunelimit.expansions/1"

    def errors(self) -> np.ndarray:
        """Threshold minus converged threshold, ``(rows, counts)``, in sparsity."""
        return np.array(
            [
                np.array(found) - real
                for network in self.networks
                for found, real in zip(network.thresholds, network.real_existence, strict=True)
            ]
        )


def summary(errors: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """Median, mean and largest |error| in points, and the percentage within one point.

    Examples
    --------
    >>> summary([0.005, -0.02])
    {'rows': 2, 'median': 1.25, 'mean': 1.25, 'largest': 2.0, 'within a point': 50.0}
    """
    found = 100 * np.abs(np.asarray(errors, dtype=float))
    return {
        "rows": int(found.size),
        "median": round(float(np.median(found)), 10),
        "mean": round(float(found.mean()), 10),
        "largest": float(found.max()),
        "within a point": 100 * float((found <= 1.0).mean()),
    }
