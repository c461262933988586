"""How sparse can this network go, and how sure are we? (chapters 6 and 9)"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import BracketedFloat, Interval
from prunelimit.limit.distance import DistanceProfile, distance_profile
from prunelimit.limit.solve import Formula, solve_limit
from prunelimit.names import is_number
from prunelimit.network import losses
from prunelimit.network.adapter import Forward, Loader, Loss, adapt
from prunelimit.network.checks import check_model, in_fixed_order, iterate_batches
from prunelimit.network.parameters import Choice, counted, prunable_parameters, prunable_weights
from prunelimit.network.statistics import LossStatistics
from prunelimit.network.undisturbed import undisturbed
from prunelimit.network.view import unwrapped
from prunelimit.network.world import ALONE, World
from prunelimit.pruning import masks
from prunelimit.pruning.cut import cut_sparsity
from prunelimit.pruning.one_shot import OneShotCurve, exact_one_shot_curve, one_shot_curve
from prunelimit.report import ONE_SHOT_NOTE, LimitEstimate, PruningLimit, RiseCurve
from prunelimit.spectrum.engine import CurvatureWarning, Effort, operator_for, spectrum_of_operator
from prunelimit.spectrum.operator import CurvatureOperator
from prunelimit.spectrum.result import Spectrum, require_policy

Policy = Literal["ggn", "abs", "clip"]

__all__ = ["PruningLimit", "predict_limit"]


def predict_limit(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    epsilon: float | None = None,
    policy: Policy = "ggn",
    *,
    tolerance: float = 0.005,
    max_products: int = 1000,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    parameters: Choice | None = None,
    forward: Forward | None = None,
    world: World = ALONE,
) -> PruningLimit:
    """Predict how sparse a trained network can be pruned, with a bracket for each answer.

    Brackets of the limits hold at 99 % or by theorem. That of one-shot pruning is exact up to
    6,000 weights; beyond, it is an estimate, and the report says so.

    Parameters
    ----------
    model
        Trained network, in eval mode; left untouched.
    loss_fn
        ``loss_fn(outputs, targets)``, a mean over the batch.
    loader
        Re-iterable of ``(inputs, targets)``, or of dictionaries (see
        `prunelimit.network.adapter.adapt`): the fixed, un-augmented data that
        define the loss.
    epsilon
        Loss rise allowed, in the units of the loss. By default the standard
        deviation of the minibatch losses at w*, the paper's choice: it depends
        on the batch size, which the report states.
    policy
        "ggn", ours: the generalised Gauss-Newton matrix, positive semi-definite for
        a loss that is convex in the outputs, with exact brackets. "abs" (the
        paper's) and "clip": the Hessian with its negative eigenvalues made
        positive, or dropped.
    tolerance
        Half width of the bracket wanted, in sparsity, for the paper's and the
        sharp limit.
    max_products
        Products with the full data after which the spectrum is left as it is;
        the bracket then says how well it is known.
    seed
        Of the random probes.
    device
        "auto", "cpu", "cuda" or "mps".
    progress
        Show a progress bar; None decides by whether stderr is a terminal.
    checkpoint
        A folder in which the spectrum's iteration is kept, so that an
        interrupted call goes on where it stopped.
    parameters
        Which weights count: names, patterns such as ``"*.in_proj_weight"``, or
        a predicate ``(name, parameter) -> bool``; by default those of linear
        and convolutional layers. The report says what is left out.
    forward
        ``forward(model, batch)`` gives the outputs where ``model(inputs)``
        does not; loss_fn then takes ``(outputs, batch)``.
    world
        Processes that share the work, each called with the same model and the
        whole loader, in the same order.

    Raises
    ------
    PruneLimitError
        If the input cannot be used; the message names the value and the remedy.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3))
    >>> data = [(torch.randn(64, 8), torch.randint(3, (64,))) for _ in range(4)]
    >>> report = predict_limit(model, nn.functional.cross_entropy, data)
    >>> 0 <= report.paper.lower <= report.paper.sparsity <= report.paper.upper <= 1
    True
    """
    if epsilon is not None and not (is_number(epsilon) and math.isfinite(epsilon) and epsilon > 0):
        raise PruneLimitError(
            f"epsilon must be a positive loss rise, got {epsilon!r}; "
            "leave it out for the standard deviation of the minibatch losses"
        )
    require_policy(policy)
    check_model(model)
    model = unwrapped(model)
    loader, order_note = in_fixed_order(loader)
    effort = Effort(
        tolerance, max_products=max_products, seed=seed, progress=progress, checkpoint=checkpoint
    )
    with undisturbed(model, loader, loss_fn):
        view, loss_fn, loader = adapt(model, loss_fn, loader, forward)
        chosen = prunable_parameters(view, parameters)
        task = _Task(view, loss_fn, loader, policy, chosen, str(world.place(device)), world)
        return _predict(task, effort, epsilon, order_note)


@dataclass(frozen=True)
class _Task:
    """What is asked about."""

    model: nn.Module
    loss_fn: Loss
    loader: Loader
    policy: Policy
    chosen: Mapping[str, nn.Parameter]
    device: str
    world: World


def _predict(task: _Task, effort: Effort, epsilon: float | None, order_note: str) -> PruningLimit:
    began = time.perf_counter()
    model, world, policy = task.model, task.world, task.policy
    order = masks.magnitude_order(model, task.chosen)
    removed = masks.removed_count(masks.LAYERS_AT, len(order))
    losses.check_first_batch(model, task.loss_fn, task.loader)
    _require_alike(model, task.loader, world)
    weights = prunable_weights(model, task.chosen)
    profile = distance_profile(weights.double().cpu().numpy())
    own = world.shard(task.loader)
    operator = operator_for(
        model, task.loss_fn, own, policy, effort, task.chosen, device=task.device, world=world
    )
    loss = _measured_loss(task, operator)
    allowed, source = _resolve_epsilon(epsilon, loss)
    with warnings.catch_warnings():
        # Said once, in the report's own warnings.
        warnings.simplefilter("ignore", CurvatureWarning)
        spectrum = spectrum_of_operator(
            operator, policy, effort, lambda partial: _widest(partial, profile, allowed)
        )
    curve = _one_shot(operator, weights, order, allowed, effort)
    cut = cut_sparsity(operator, order, loss.mean + allowed)
    operator.release()
    paper = _limit(spectrum, profile, allowed, "paper")
    linear = _linear_rise(operator.gradient(), weights, order[: round(profile.dim - paper.kept)])
    notes = _warnings(spectrum, paper, linear, allowed, effort.tolerance)
    return PruningLimit(
        paper=paper,
        sharp=_limit(spectrum, profile, allowed, "sharp"),
        one_shot=_one_shot_estimate(curve, profile),
        epsilon=allowed,
        epsilon_source=source,
        loss=loss,
        distance=profile,
        spectrum=spectrum,
        linear_rise=linear,
        warnings=tuple(n for n in (order_note, *notes, "" if curve.every else ONE_SHOT_NOTE) if n),
        products=curve.products + spectrum.products,
        seconds=time.perf_counter() - began,
        one_shot_curve=RiseCurve(curve.sparsities, curve.rises),
        counted=counted(model, task.chosen),
        layers=masks.layer_counts(model, masks.mask_without(order[:removed], task.chosen)),
        cut=cut,
        outputs=operator.outputs,
    )


def _measured_loss(task: _Task, operator: CurvatureOperator) -> LossStatistics:
    """The loss batch by batch, refused unless it is the one that the operator differentiates."""
    model, loss_fn = (
        (operator.model, operator.raw_loss) if operator.half else (task.model, task.loss_fn)
    )
    where = (task.loader, task.device, task.world)
    loss = losses.loss_statistics(model, loss_fn, *where)
    precision = 1e-3 if operator.half else 1e-4
    try:
        losses.require_same_loss(operator.loss, loss.mean, precision)
    except PruneLimitError:
        # A network that fits its data to rounding has another loss in double precision.
        if losses.loss_statistics(model, loss_fn, *where).mean != loss.mean:
            raise
        losses.require_fit_above_rounding(operator.loss, loss.mean, precision)
    return loss


def _one_shot(
    operator: CurvatureOperator, weights: Tensor, order: Tensor, epsilon: float, effort: Effort
) -> OneShotCurve:
    """Exact where the matrix was built, else on a grid."""
    moved, order = weights.to(operator.device, operator.dtype), order.to(operator.device)
    if effort.dense(operator.dim):
        return operator.world.lead(
            operator, lambda led: exact_one_shot_curve(led.dense(), moved, order, epsilon)
        )
    return operator.world.lead(
        operator, lambda led: one_shot_curve(led, moved, order, epsilon, progress=effort.progress)
    )


def _require_alike(model: nn.Module, loader: Loader, world: World) -> None:
    def first_batch() -> dict[str, Tensor]:
        inputs, targets, _ = next(iterate_batches(loader))
        return {"inputs": inputs, "targets": targets}

    world.require_alike("weights", model.state_dict)
    world.require_alike("first batch", first_batch)


def _resolve_epsilon(epsilon: float | None, loss: LossStatistics) -> tuple[float, str]:
    if epsilon is not None:
        return float(epsilon), "given"
    if not (math.isfinite(loss.batch_std) and loss.batch_std > 0):
        raise PruneLimitError(
            "the default epsilon is the standard deviation of the minibatch losses, which needs "
            f"two batches of one size with different losses; the loader has {loss.batches} "
            f"(deviation {loss.batch_std}). Give smaller batches, or epsilon itself"
        )
    source = f"standard deviation of the losses of {loss.batches} minibatches of {loss.batch_size}"
    return loss.batch_std, source


def _limit(
    spectrum: Spectrum, profile: DistanceProfile, epsilon: float, formula: Formula
) -> LimitEstimate:
    solutions = {
        end: solve_limit(
            lambda ridge, end=end: getattr(spectrum.effective_dimension(ridge), end),  # type: ignore[misc]
            profile,
            epsilon,
            profile.dim,
            formula,
        )
        for end in ("lower", "value", "upper")
    }
    dim, found = profile.dim, solutions["value"]
    sparsity = BracketedFloat(
        found.sparsity,
        lower=1 - math.ceil(solutions["upper"].kept) / dim,
        upper=1 - math.floor(solutions["lower"].kept) / dim,
    )
    return LimitEstimate(sparsity, found.kept, found.distance, found.ridge, found.status)


def _widest(spectrum: Spectrum, profile: DistanceProfile, epsilon: float) -> Interval:
    """The less certain of the two limits, as a fraction: what the iteration has to narrow."""
    limits = [
        _limit(spectrum, profile, epsilon, formula).sparsity for formula in ("paper", "sharp")
    ]
    worst = max(limits, key=lambda sparsity: sparsity.upper - sparsity.lower)
    return Interval(worst.lower, float(worst), worst.upper)


def _one_shot_estimate(curve: OneShotCurve, profile: DistanceProfile) -> LimitEstimate:
    kept = round((1 - curve.sparsity) * curve.dim)
    status = "any" if kept == 0 else "none" if kept == curve.dim else "solved"
    return LimitEstimate(curve.sparsity, float(kept), profile(kept), math.nan, status)


def _linear_rise(gradient: Tensor, weights: Tensor, removed: Tensor) -> float:
    """−gᵀx where the weights at the positions `removed` go."""
    removed = removed.to(weights.device)
    return -float(gradient.to(weights.device)[removed].double() @ weights[removed].double())


def _warnings(
    spectrum: Spectrum, paper: LimitEstimate, linear: float, epsilon: float, tolerance: float
) -> tuple[str, ...]:
    notes = list(spectrum.notes)
    if paper.status == "any":
        notes.append(f"ε = {epsilon:.3g} is met at every sparsity: the limit says nothing here")
    if paper.status == "none":
        notes.append("no weight can go at this ε: the limit keeps everything")
    if abs(linear) > epsilon:
        notes.append(
            f"w* is no minimum of this loss: at the paper's limit the gradient's share −gᵀx is "
            f"{linear:+.3g} against ε = {epsilon:.3g}; the quadratic picture leaves it out"
        )
    half = max(paper.upper - paper.sparsity, paper.sparsity - paper.lower)
    if half > max(1.01 * tolerance, 2 / spectrum.dim):
        why = (
            "ε is so small that curvatures within the rounding of 0 decide"
            if spectrum.eigenvalues
            else "the iteration ran out of products"
        )
        notes.append(f"the bracket is ±{half:.4f}, wider than the tolerance {tolerance:g}: {why}")
    if spectrum.policy != "ggn" and spectrum.negative_share() > 0.01:
        notes.append(
            f"{spectrum.negative_share():.1%} of the curvature is negative; "
            f"policy {spectrum.policy!r} hides that, compare with 'ggn'"
        )
    return tuple(notes)
