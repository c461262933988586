"""How sparse can this network go? The measured answer, after a few tries (chapter 9)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from prunelimit.errors import DivergenceError, PruneLimitError, require
from prunelimit.found import FoundLimit, doubts, excess_slope, search_cost
from prunelimit.names import is_number, name_of
from prunelimit.network import losses
from prunelimit.network.adapter import Forward, Loader, Loss, adapt
from prunelimit.network.checks import at_its_epoch, check_model, in_fixed_order
from prunelimit.network.contents import digest, storable
from prunelimit.network.copies import copy_model
from prunelimit.network.parameters import Choice, prunable_parameters
from prunelimit.network.undisturbed import undisturbed
from prunelimit.network.view import unwrapped
from prunelimit.network.world import Execution
from prunelimit.predict import predict_limit
from prunelimit.progress import say
from prunelimit.pruning.answers import Metric
from prunelimit.pruning.criterion import Criterion, LossRise, metric_drop
from prunelimit.pruning.finetune import FineTuning, OwnLoop, Retraining, default_finetuning
from prunelimit.pruning.search import USUAL_SPREAD, SearchRule, bracket, measured_bracket
from prunelimit.pruning.tries import Folder, InMemory, Keeper, Try
from prunelimit.records import to_plain
from prunelimit.report import PruningLimit

__all__ = ["FoundLimit", "default_finetuning", "find_limit"]


def find_limit(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    report: PruningLimit | None = None,
    finetune: FineTuning | OwnLoop | None = None,
    tolerance: float = 0.01,
    directory: str | os.PathLike[str] | None = None,
    *,
    epsilon: float | None = None,
    metric: str | Metric | None = None,
    validation: Loader | None = None,
    metric_tolerance: float = 0.005,
    start: float | None = None,
    parameters: Choice | None = None,
    forward: Forward | None = None,
    max_tries: int = 12,
    device: str = "auto",
    progress: bool | None = None,
) -> FoundLimit:
    """Measure how sparse the network can go, by a few fine-tunings where it matters.

    The first try is at the best guess that the report has. After each, that guess with its error
    and the loss, whose logarithm falls with that of the weights kept, say together where to go next
    (`prunelimit.pruning.search`).
    Masks are those of the dense network's magnitudes, so that they are nested. A sparser mask
    starts from the solution at the nearest denser try that passes. A denser mask cannot: there the
    weights that it adds are 0, often a saddle; it starts anew from the dense network.

    The answer is real existence *as this fine-tuning finds it*: a lower bound on the sparsity
    that longer training would reach.

    Parameters
    ----------
    model
        Trained network, in eval mode; left untouched.
    loss_fn
        ``loss_fn(outputs, targets)``, a mean over the batch.
    loader
        Re-iterable of ``(inputs, targets)``: it defines the loss, and a `FineTuning` trains on it.
    report
        From `predict_limit` for this model and these data; made here if neither it nor `start` is
        given.
    finetune
        A `FineTuning` budget; or a callable that trains the masked model it is handed, in place,
        and returns nothing; by default `default_finetuning`.
    tolerance
        Error allowed in the answer, in sparsity.
    directory
        A folder of this search's own, in which every finished try is kept. Called again with the
        same arguments, the search goes on where it stopped.
    epsilon
        Loss rise allowed; by default the report's.
    metric
        Instead of a loss rise: ``"accuracy"``, or ``metric(outputs, targets)`` of all validation
        outputs at once, greater is better; it takes them as `loss_fn` does.
    validation
        The data of the metric. The answer is chosen on them: keep others for a last measurement.
    metric_tolerance
        How far the metric may fall below the dense network's.
    start
        Sparsity of the first try, instead of a report.
    parameters
        Which weights count, as in `predict_limit`.
    forward
        ``forward(model, batch)``, as in `predict_limit`.
    max_tries
        Stop after so many, and say so.
    device
        "auto", "cpu", "cuda" or "mps", for the budget; a callable gets the model where it is.
    progress
        Say on stderr how the bracket closes; None does so on a terminal.

    Raises
    ------
    PruneLimitError
        If the input cannot be used, the callable loses the mask or diverges, or `directory` holds
        another search; the message says what to do.

    Examples
    --------
    >>> import torch
    >>> layer = nn.Linear(20, 1, bias=False)
    >>> _ = layer.weight.data.copy_(torch.arange(1, 21) / 20)
    >>> data = [(torch.eye(20), layer.weight.data.T.clone())]
    >>> found = find_limit(layer, nn.functional.mse_loss, data, epsilon=0.05, start=0.4,
    ...                    finetune=lambda masked: None)  # survivors that nothing can improve
    >>> found.lower, found.upper, int((found.model.weight == 0).sum())
    (0.5, 0.55, 10)
    """
    model = unwrapped(model)
    check_model(model)
    epsilon, start = _number("epsilon", epsilon), _number("start", start)
    chosen = prunable_parameters(model, parameters)
    with undisturbed(model, loader, loss_fn), undisturbed(model, validation):
        # Training goes through the epochs; what is measured stays at the one that it is in.
        fixed = at_its_epoch(in_fixed_order(loader)[0])
        adapted = adapt(model, loss_fn, fixed, forward)
        losses.check_first_batch(*adapted)
        losses.refuse_foreign_reading(*adapted, copy_model(adapted.model), losses.NOT_IN_THE_LOSS)
        _check(finetune, tolerance, max_tries, report)
        if report is None and start is None:
            say("no report given: predicting first", progress)
            asked: dict[str, Any] = {"parameters": chosen, "forward": forward, "device": device}
            report = predict_limit(model, loss_fn, loader, epsilon, progress=progress, **asked)
        dim = sum(weight.numel() for weight in chosen.values())
        dense = losses.steady_loss(*adapted)
        losses.refuse_kept_results(*adapted, chosen)
        if report is not None:
            _require_own_report(report, dim, dense, epsilon)
        criterion: Criterion
        if metric is None and validation is None:
            criterion = LossRise(loss_fn, fixed, dense, _allowed(report, epsilon), forward)
        else:
            criterion = metric_drop(
                model, loss_fn, fixed, metric, validation, metric_tolerance, dense, forward
            )
        finetune = default_finetuning(loader) if finetune is None else finetune
        guess = _first_guess(report, start, dim)
        spread = 0.0 if report is None or start is not None else report.expected.spread
        rule = SearchRule(dim, guess, criterion.slope, float(tolerance), spread or USUAL_SPREAD)
        keeper: Keeper = InMemory(model)
        if directory is not None:
            key = _key(model, list(chosen), criterion, finetune)
            keeper = Folder(Path(directory), key, model)
        how = Execution(device, progress)
        data = (loader, fixed)
        retraining = Retraining(model, list(chosen), loss_fn, data, finetune, how, forward)
        search = _Search(rule, criterion, retraining, keeper, progress)
        search.run(max_tries)
        return search.result(report)


def _number(name: str, value: Any) -> float | None:
    """As Python's own; of NumPy and torch, too."""
    if value is None or is_number(value):
        return None if value is None else float(value)
    raise PruneLimitError(f"{name} must be a number, got {value!r}")


def _check(finetune: object, tolerance: float, max_tries: int, report: object) -> None:
    require(is_number(tolerance), "tolerance", tolerance, "a number")
    SearchRule(1, 1.0, 1.0, tolerance)
    enough = is_number(max_tries) and max_tries >= 1
    require(enough, "max_tries", max_tries, "a number, at least 1")
    if report is not None and not isinstance(report, PruningLimit):
        raise PruneLimitError(
            f"report is a {type(report).__name__}; give what predict_limit returned, or "
            "PruningLimit.from_json(path)"
        )
    if finetune is not None and not isinstance(finetune, FineTuning) and not callable(finetune):
        raise PruneLimitError(
            f"finetune is a {type(finetune).__name__}; give a FineTuning budget, or a function "
            "that trains the masked model it is handed"
        )


def _allowed(report: PruningLimit | None, epsilon: float | None) -> float:
    """The loss rise that is good enough."""
    if epsilon is not None:
        return epsilon
    if report is None:
        raise PruneLimitError(
            "start= says where to begin but not what is good enough: give epsilon= or metric="
        )
    return report.epsilon


def _require_own_report(report: PruningLimit, dim: int, loss: float, epsilon: float | None) -> None:
    if report.dim != dim or not math.isclose(report.loss.mean, loss, rel_tol=0.01, abs_tol=1e-6):
        raise PruneLimitError(
            f"the report is about another network or other data: D = {report.dim:,} and loss "
            f"{report.loss.mean:.6g} there, {dim:,} and {loss:.6g} here; make it with the same "
            "model, loss_fn, loader and parameters, or leave it out"
        )
    if epsilon is not None and not math.isclose(epsilon, report.epsilon, rel_tol=1e-6):
        raise PruneLimitError(
            f"epsilon={epsilon:g}, but the report was made for {report.epsilon:g}; give one of them"
        )


def _first_guess(report: PruningLimit | None, start: float | None, dim: int) -> float:
    """Weights kept at the first try: the start that was given, or the calibrated expectation."""
    if start is not None:
        require(0 <= start < 1, "start", start, "a sparsity in [0, 1)")
        kept = (1 - start) * dim
    else:
        assert report is not None
        kept = (1 - float(report.expected.sparsity)) * dim
    return min(max(kept, 1.0), max(dim - 1.0, 1.0))


def _key(
    model: nn.Module,
    parameters: Sequence[str],
    criterion: Criterion,
    finetune: FineTuning | OwnLoop,
) -> dict[str, Any]:
    """What a kept try depends on. The code of the user's own loop is known by its name alone."""
    budget = isinstance(finetune, FineTuning)
    return {
        "weights": digest(storable(model)),
        "parameters": list(parameters),
        "dense_loss": criterion.dense.loss,
        "finetune": to_plain(finetune) if budget else name_of(finetune),
        **criterion.key(),
    }


@dataclass(frozen=True)
class _Search:
    """The tries so far, and the loop that adds one after another."""

    rule: SearchRule
    criterion: Criterion
    retraining: Retraining
    keeper: Keeper
    progress: bool | None

    @property
    def points(self) -> dict[int, float]:
        return {one.kept: one.excess for one in self.keeper.tries()}

    def run(self, max_tries: int) -> None:
        """Try until the rule is content, or `max_tries` is reached."""
        if self.keeper.tries():
            say(f"going on after {len(self.keeper.tries())} tries; {self._state()}", self.progress)
        try:
            while len(self.points) < max_tries and (kept := self.rule.following(self.points)):
                self._add(kept)
        except KeyboardInterrupt as stop:
            remedy = (
                "the same call goes on from here"
                if isinstance(self.keeper, Folder)
                else "give directory= next time, and the same call goes on where it stopped"
            )
            stop.add_note(f"stopped after {len(self.points)} tries; {self._state()}; {remedy}")
            raise

    def _add(self, kept: int) -> None:
        sparsity = (self.rule.dim - kept) / self.rule.dim
        best = self._sparsest_passing()
        say(f"try {len(self.points) + 1}: fine-tuning at {sparsity:.2%}", self.progress)
        start = self.retraining.model if best is None else self.keeper.model(best)
        tuned = self.retraining.run(start, sparsity)
        measured = asdict(self.criterion.measure(tuned))
        if not math.isfinite(measured["loss"]):
            raise DivergenceError(
                f"the loss is {measured['loss']} after fine-tuning at {sparsity:.2%}: "
                f"{self.retraining.describe()} diverged; lower its learning rate"
            )
        before = 0.0 if best is None else best.sparsity
        finished = Try(sparsity, kept, **measured, started_from=before)
        self.keeper.keep(finished, tuned)
        verdict = "passes" if finished.passes else "fails"
        say(f"  loss {finished.loss:.4g}, {verdict}; {self._state()}", self.progress)

    def _sparsest_passing(self) -> Try | None:
        passing = (one for one in self.keeper.tries() if one.passes)
        return min(passing, key=lambda one: one.kept, default=None)

    def _state(self) -> str:
        found, dim = bracket(self.points, self.rule.dim), self.rule.dim
        return f"threshold in [{1 - found.passing / dim:.2%}, {1 - found.failing / dim:.2%}]"

    def result(self, report: PruningLimit | None) -> FoundLimit:
        """The answer that the tries give, with every doubt about it."""
        tries, rule = self.keeper.tries(), self.rule
        best = self._sparsest_passing()
        found = bracket(self.points, rule.dim)
        points = self.points
        if best is None:
            points[rule.dim] = self.criterion.dense.excess
        kept = rule.crossing(points) if measured_bracket(points, rule.dim) else found.passing
        sparsity = (rule.dim - kept) / rule.dim
        slope = excess_slope(rule, tries)
        noise = max((one.stderr for one in tries), default=0.0) / slope if slope else 0.0
        budget = self.retraining.finetune
        epochs = budget.epochs if isinstance(budget, FineTuning) else None
        return FoundLimit(
            sparsity=sparsity,
            lower=(rule.dim - found.passing) / rule.dim,
            upper=(rule.dim - found.failing) / rule.dim,
            model=copy_model(self.retraining.model if best is None else self.keeper.model(best)),
            measurements=tuple(tries),
            criterion=self.criterion.describe(),
            finetuning=self.retraining.describe(),
            dim=rule.dim,
            noise=noise,
            cost=search_cost(len(tries), sparsity, rule.tolerance, epochs),
            notes=(*doubts(rule, tries, noise), *_beyond_formulas(report, sparsity)),
        )


def _beyond_formulas(report: PruningLimit | None, sparsity: float) -> tuple[str, ...]:
    if report is None:
        return ()
    ends = sorted(float(limit.sparsity) for limit in (report.paper, report.sharp))
    if ends[0] <= sparsity <= ends[1]:
        return ()
    side = "denser" if sparsity < ends[0] else "sparser"
    return (
        f"the threshold is {side} than both formulas have it (paper "
        f"{float(report.paper.sparsity):.2%}, sharp {float(report.sharp.sparsity):.2%})",
    )
