"""What "still good enough" means to `find_limit`: a loss rise, or a metric and its tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.names import is_number, name_of
from prunelimit.network.adapter import Forward, Loader, Loss, adapt
from prunelimit.network.checks import check_reiterable, in_fixed_order
from prunelimit.network.losses import loss_statistics
from prunelimit.pruning.answers import Answers, Metric
from prunelimit.pruning.search import ELASTICITY, LEAST_SLOPE

_FLOOR = 1e-6


@dataclass(frozen=True)
class Measured:
    """One network under the criterion: an `excess` of at most 0 passes.

    `loss` is the mean on the loader, `metric` that on the validation data. For a loss rise `metric`
    is None, and the standard error of `excess` 0: it is measured on the data that define it.
    """

    loss: float
    excess: float
    metric: float | None = None
    stderr: float = 0.0


@dataclass(frozen=True)
class LossRise:
    """The loss stays at or below L(w*) + ε on the data that define it.

    The excess is log(loss / (L(w*) + ε)): the logarithm of the absolute loss is nearly straight
    in the logarithm of the weights kept, where the rise itself may be negative. For a loss that
    is not positive it is (loss − L(w*) − ε) / ε.

    Examples
    --------
    >>> import torch
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = layer.weight.data.fill_(2.0)
    >>> data = [(torch.ones(2, 1), torch.ones(2, 1))]
    >>> rise = LossRise(nn.functional.mse_loss, data, dense_loss=0.5, epsilon=0.5)
    >>> rise.measure(layer)
    Measured(loss=1.0, excess=0.0, metric=None, stderr=0.0)
    """

    loss_fn: Loss
    loader: Loader
    dense_loss: float
    epsilon: float
    forward: Forward | None = None

    def __post_init__(self) -> None:
        require(0 < self.epsilon < math.inf, "epsilon", self.epsilon, "a positive loss rise")

    @property
    def level(self) -> float:
        """The largest loss that passes."""
        return self.dense_loss + self.epsilon

    @property
    def dense(self) -> Measured:
        """The network untouched: it passes by definition."""
        return Measured(self.dense_loss, self.excess(self.dense_loss))

    @property
    def slope(self) -> float:
        """Growth of the excess by unit of −log(kept) at the threshold: the loss's elasticity."""
        if self.dense_loss < 0:
            return ELASTICITY
        return max(LEAST_SLOPE, ELASTICITY * self.epsilon / self.level)

    def measure(self, model: nn.Module) -> Measured:
        """The loss of `model`, left as it is."""
        loss = loss_statistics(*adapt(model, self.loss_fn, self.loader, self.forward)).mean
        return Measured(loss, self.excess(loss))

    def describe(self) -> str:
        """One line for people."""
        return (
            f"loss at most {self.level:.4g} (L(w*) = {self.dense_loss:.4g}, ε = {self.epsilon:.4g})"
        )

    def key(self) -> dict[str, Any]:
        """What a stored try depends on."""
        return {"criterion": "loss rise", "epsilon": self.epsilon}

    def excess(self, loss: float) -> float:
        """How far a loss is from passing: at most 0 passes."""
        if self.dense_loss < 0:
            return (loss - self.level) / self.epsilon
        return math.log(max(loss, _FLOOR * self.level) / self.level)


@dataclass(frozen=True)
class MetricDrop:
    """A metric on validation data falls by no more than a tolerance below the dense network's.

    The excess is the logarithm of 1 − metric over what is allowed (of the error rate, for an
    accuracy), or (drop − tolerance) / tolerance for metrics that exceed 1.

    The standard error is of the *drop*: both networks answer the same examples, so what counts is
    where they differ. For ``"accuracy"`` it follows from the examples' own differences (binomial
    in the answers that changed); for a callable from 100 resamplings of the examples.

    The metric is that of `prunelimit.pruning.answers.Answers`, greater is better; the tolerance is
    in its units. The loss is measured along.

    Examples
    --------
    >>> import torch
    >>> data = [(torch.eye(2), torch.tensor([0, 1]))]
    >>> layer = nn.Linear(2, 2, bias=False)
    >>> _ = layer.weight.data.copy_(torch.eye(2))
    >>> drop = metric_drop(layer, nn.CrossEntropyLoss(), data, "accuracy", data, 0.5, 0.3)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    >>> measured = drop.measure(layer)
    >>> measured.metric, measured.excess  # one of two is wrong: just what is allowed
    (0.5, 0.0)
    """

    loss_fn: Loss
    loader: Loader
    metric: str | Metric
    validation: Loader
    tolerance: float
    dense_loss: float
    answers: Answers = field(repr=False)
    forward: Forward | None = None

    @property
    def required(self) -> float:
        """The least value that passes."""
        return self.answers.value - self.tolerance

    @property
    def dense(self) -> Measured:
        """The network untouched: it passes by definition."""
        value = self.answers.value
        return Measured(self.dense_loss, self._excess(value), value)

    @property
    def slope(self) -> float:
        """As for the loss: the allowed drop's share in what the logarithm is of."""
        return ELASTICITY * self.tolerance / self._scale

    def measure(self, model: nn.Module) -> Measured:
        """Loss and metric of `model`, left as it is."""
        loss = loss_statistics(*adapt(model, self.loss_fn, self.loader, self.forward)).mean
        answers = Answers(self.metric, model, self.loss_fn, self.validation, self.forward)
        stderr = answers.stderr_of_drop(self.answers) / self._scale
        return Measured(loss, self._excess(answers.value), answers.value, stderr)

    def describe(self) -> str:
        """One line for people."""
        return (
            f"{name_of(self.metric)} at least {self.required:.4f} on {len(self.answers):,} "
            f"validation examples (dense {self.answers.value:.4f}, tolerance {self.tolerance:g})"
        )

    def key(self) -> dict[str, Any]:
        """What a stored try depends on."""
        return {
            "criterion": name_of(self.metric),
            "metric_tolerance": self.tolerance,
            "dense_metric": self.answers.value,
            "validation_examples": len(self.answers),
        }

    @property
    def _bounded(self) -> bool:
        return self.answers.value <= 1

    @property
    def _scale(self) -> float:
        return 1 - self.required if self._bounded else self.tolerance

    def _excess(self, value: float) -> float:
        if not self._bounded:
            return (self.required - value) / self.tolerance
        return math.log(max(1 - value, _FLOOR * self._scale) / self._scale)


Criterion = LossRise | MetricDrop
"""What the search asks of a network."""


def metric_drop(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    metric: str | Metric | None,
    validation: Loader | None,
    tolerance: float,
    dense_loss: float,
    forward: Forward | None = None,
) -> MetricDrop:
    """The criterion, with the dense network's metric measured (see `MetricDrop`).

    Raises
    ------
    PruneLimitError
        If the metric or the tolerance makes no sense, or the validation data are empty or others
        in a second pass.
    """
    if metric is None or validation is None:
        raise PruneLimitError(
            "metric= and validation= belong together: the metric is measured on the validation "
            "loader. For the loss there: metric=lambda outputs, targets: -loss_fn(outputs, targets)"
        )
    check_reiterable(validation)
    if metric != "accuracy" and not callable(metric):
        raise PruneLimitError(
            f"metric={metric!r} is unknown; give 'accuracy', or a function "
            "metric(outputs, targets) of all validation outputs, greater is better"
        )
    wanted = "a positive drop in the metric's units; 0.005 is half a point of accuracy"
    sensible = is_number(tolerance) and 0 < tolerance < math.inf
    require(sensible, "metric_tolerance", tolerance, wanted)
    validation, _ = in_fixed_order(validation)
    answers, again = (Answers(metric, model, loss_fn, validation, forward) for _ in range(2))
    if not again.same_questions(answers) or abs(again.value - answers.value) > 0.01 * tolerance:
        raise PruneLimitError(
            f"the metric of the dense network is {answers.value:.6g}, and {again.value:.6g} a "
            "moment later: validation= yields other examples, or another order, in each pass, or "
            "the model draws random numbers in eval mode. Give data without random transforms; "
            "list(validation) keeps the batches of one pass"
        )
    return MetricDrop(loss_fn, loader, metric, validation, tolerance, dense_loss, answers, forward)
