"""The loss at fixed weights: batch by batch, and its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network import checks
from prunelimit.network.adapter import Loader, Loss
from prunelimit.network.batch_weights import PLAIN, BatchWeights
from prunelimit.network.copies import HALVES, copy_together
from prunelimit.network.device import at_device, device_of
from prunelimit.network.evaluate import evaluation_mode
from prunelimit.network.parameters import Choice, prunable_parameters
from prunelimit.network.reading import Reading
from prunelimit.network.statistics import LossStatistics
from prunelimit.network.undisturbed import undisturbed
from prunelimit.network.world import ALONE, World

COPIED_TOGETHER = (
    "Give loss_fn as functools.partial(loss_fn, model), or as a torch.nn.Module that holds the "
    "model: they are then copied together"
)

EXAMPLES = 128
"""How many examples tell, at most, whether a model keeps what it made of its weights."""

NOT_IN_THE_LOSS = (
    "Leave that part (weight decay?) out of loss_fn, and train with it in a loop of your own "
    "(finetune=)"
)


def check_first_batch(model: nn.Module, loss_fn: Loss, loader: Loader) -> None:
    """Run model and loss on the first batch, and say what failed in the user's own terms.

    Raises
    ------
    PruneLimitError
        If either raises (shapes or labels that do not fit, most often).
    """
    checks.check_reiterable(loader)
    if not callable(loss_fn):
        raise PruneLimitError(
            f"loss_fn is a {type(loss_fn).__name__}; give a function loss_fn(outputs, targets) "
            "that returns the mean loss, e.g. torch.nn.functional.cross_entropy"
        )
    place = device_of(model)
    with undisturbed(model, loader, loss_fn), evaluation_mode(model), torch.no_grad():
        for inputs, targets, _ in checks.iterate_batches(loader):
            try:
                loss_fn(model(inputs.to(place)), targets.to(place))
            except (RuntimeError, IndexError, TypeError, ValueError, AttributeError) as error:
                if isinstance(error, PruneLimitError):
                    raise
                shapes = f"inputs {tuple(inputs.shape)}, targets {tuple(targets.shape)}"
                raise PruneLimitError(
                    f"model and loss fail on the first batch ({shapes}): {type(error).__name__}: "
                    f"{error}. Check that the loader yields what the model and loss_fn take"
                ) from error
            return


def batch_losses(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    device: str | torch.device = "auto",
    world: World = ALONE,
) -> list[tuple[int, float, float]]:
    """Size, weight in the mean and mean loss of each batch, in eval mode.

    A batch's weight is what its mean divides by: its size for a plain mean (see
    `prunelimit.network.batch_weights`), or the third entry of ``(inputs, targets, weight)``. The
    model is left where it is, and computed as a copy if that is not `device`. The processes of a
    world share the batches; all get all rows.

    Raises
    ------
    PruneLimitError
        If the loader is empty, or the loss is no number.

    Examples
    --------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> batch_losses(layer, nn.functional.mse_loss, [(torch.zeros(3, 1), torch.ones(3, 1))])
    [(3, 3.0, 1.0)]
    """
    checks.check_reiterable(loader)
    model, loss_fn = at_device(model, loss_fn, world.device(device))
    first = next(p for p in model.parameters() if p.is_floating_point())
    weights = BatchWeights(checks.in_double_precision(loss_fn, first.device))
    exact = checks.of_half_in_double(loss_fn, first.device)

    def answered(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return model(_moved(inputs, first)), _moved(targets, first)

    def row(batch: checks.Batch) -> tuple[int, float, float]:
        inputs, targets, given = batch
        outputs, targets = answered(inputs, targets)
        weight = weights.measure(outputs, targets) if given is None else float(given.sum())
        loss = float(checks.scalar_loss(exact, outputs, targets)) if weight else 0.0
        return inputs.shape[0], weight, loss

    with evaluation_mode(model), torch.no_grad(), checks.on_any_examples():
        # All processes weigh by the same reference.
        weights.settle(checks.iterate_batches(loader), answered)
        rows = [row(batch) for batch in world.every(checks.iterate_batches(loader))]
    rows = world.in_order(rows)
    if not rows:
        raise PruneLimitError("the loader is empty: it yields no batch; give it at least one")
    if all(abs(weight / size - 1.0) < PLAIN for size, weight, _ in rows):
        return [(size, float(size), loss) for size, _, loss in rows]
    return rows


def _moved(tensor: Tensor, like: Tensor) -> Tensor:
    """On the device of `like`, and no half precision where that has none."""
    half = tensor.dtype in HALVES and like.dtype not in HALVES
    return tensor.to(like.device, like.dtype if half else None)


def weighed_batches(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    device: str | torch.device = "auto",
    world: World = ALONE,
) -> tuple[list[float] | None, float]:
    """How much each batch counts in the mean loss (None where that is its size), and that mean.

    Raises
    ------
    PruneLimitError
        If no batch counts, or as in `batch_losses`.

    Examples
    --------
    >>> data = [(torch.zeros(3, 1), torch.ones(3, 1))]
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> weighed_batches(layer, nn.functional.mse_loss, data)
    (None, 1.0)
    """
    rows = batch_losses(model, loss_fn, loader, device, world)
    if math.isnan(mean := _mean(rows)):
        raise PruneLimitError(
            "no batch of the loader has a weight above 0: every target is ignored (-100?), and "
            "there is no loss. Look at the labels"
        )
    plain = all(size == weight for size, weight, _ in rows)
    return None if plain else [row[1] for row in rows], mean


def steady_loss(model: nn.Module, loss_fn: Loss, loader: Loader) -> float:
    """Mean loss over the data, refused where a second pass gives another (`require_same_loss`).

    Examples
    --------
    >>> data = [(torch.zeros(3, 1), torch.ones(3, 1))]
    >>> steady_loss(nn.Linear(1, 1, bias=False), nn.functional.mse_loss, data)
    1.0
    """
    with undisturbed(model, loader, loss_fn):  # around both: what they draw has to differ
        once, again = (weighed_batches(model, loss_fn, loader)[1] for _ in range(2))
    require_same_loss(once, again)
    return once


def require_same_loss(once: float, again: float, precision: float = 1e-4) -> None:
    """Refuse data or a model that change from pass to pass: there is no loss to speak of.

    Raises
    ------
    PruneLimitError
        If two passes differ by more than the relative `precision`.

    Examples
    --------
    >>> require_same_loss(1.0, 1.00001)
    """
    if abs(once - again) > precision * max(abs(once), abs(again)) + 1e-9:
        raise PruneLimitError(
            f"one pass over the loader gives a mean loss of {once:.6g}, another {again:.6g}: data "
            "or model change from pass to pass. Give a loader without random transforms or draws "
            "(list(loader) keeps the batches of one pass; find_limit can train on others by a loop "
            "of your own, finetune=), and a model without random layers or torch.autocast inside, "
            "which computes in half precision"
        )


def require_fit_above_rounding(wide: float, own: float, precision: float) -> None:
    """Refuse a loss so low that the model's own precision does not resolve it.

    Raises
    ------
    PruneLimitError
        If the loss in double precision and in the model's own differ by more than a hundred times
        the relative `precision`.

    Examples
    --------
    >>> require_fit_above_rounding(3.000e-6, 3.003e-6, 1e-4)
    """
    if abs(wide - own) > 100 * precision * max(abs(wide), abs(own)) + 1e-9:
        raise PruneLimitError(
            f"the mean loss is {wide:.6g} in double precision, {own:.6g} in the model's own: the "
            "model fits its data to rounding. Give model.double(), and inputs in double "
            "precision; if it is no such fit, data or model change from pass to pass"
        )


def _mean(rows: Sequence[tuple[int, float, float]]) -> float:
    _, weights, losses = np.array(rows).T
    total = weights.sum()
    return float((weights * losses).sum() / total) if total > 0 else math.nan


def refuse_foreign_reading(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    copied: nn.Module,
    remedy: str = COPIED_TOGETHER,
) -> None:
    """Refuse a copy, or a loss, that goes on reading the weights of the original.

    Pruning the copy would then leave part of its loss as it was; `remedy` says what to do.

    Raises
    ------
    PruneLimitError
        Saying how model and loss can be copied together, or what they raise.
    """
    first = next(iter(copied.parameters()))
    for inputs, targets, _ in checks.iterate_batches(loader):
        reading = Reading(model.parameters())
        with evaluation_mode(copied), torch.no_grad(), checks.on_any_examples(), reading:
            loss_fn(copied(_moved(inputs, first)), _moved(targets, first))
        if reading.found:
            raise PruneLimitError(
                "model or loss_fn read the weights of the model that was given, also where a copy "
                f"of it is pruned. {remedy}"
            )
        return


def refuse_kept_results(
    model: nn.Module, loss_fn: Loss, loader: Loader, parameters: Choice | None = None
) -> None:
    """Refuse a model that goes on answering by what it has kept of other weights.

    Such is a folded or transposed weight that is made once, and made anew only for training. Half
    of the weights of two copies are set to 0: one has answered before, the other has not.

    Raises
    ------
    PruneLimitError
        If the copies differ in the loss of the first batch, or one with gradients and without.
    """
    first = next(iter(model.parameters()))
    batch = next(checks.iterate_batches(loader))[:2]
    few = [_moved(tensor[:EXAMPLES], first) for tensor in batch]
    try:
        with undisturbed(model, loss_fn=loss_fn):
            _loss_of((model, loss_fn), few)
    except Exception:  # it takes whole batches alone
        few = [_moved(tensor, first) for tensor in batch]
    with checks.on_any_examples():
        visited = copy_together(model, loss_fn)
        _loss_of(visited, few)
        _halve(visited[0], parameters)
        found = [_loss_of(visited, few)]
        del visited  # a model may be large
        fresh = copy_together(model, loss_fn)
        _halve(fresh[0], parameters)
        found += [_loss_of(fresh, few), _loss_of(fresh, few, gradients=True)]
    precision = 0.02 if first.dtype in HALVES else 1e-3
    if max(found) - min(found) > precision * max(map(abs, found)) + 1e-9:
        raise PruneLimitError(
            "the model keeps something that it made of its weights (folded, merged, transposed), "
            "and goes on using it where they have changed: with half of them set to 0 its loss is "
            f"{', '.join(f'{one:.6g}' for one in found)}, after another pass, on a new copy, and "
            "with gradients. Let forward compute it from the weights"
        )


def _loss_of(pair: tuple[nn.Module, Loss], batch: list[Tensor], gradients: bool = False) -> float:
    model, loss_fn = pair
    with evaluation_mode(model), torch.set_grad_enabled(gradients):
        return float(loss_fn(model(batch[0]), batch[1]).detach())


def _halve(model: nn.Module, parameters: Choice | None) -> None:
    """Set every other weight to 0."""
    for weight in prunable_parameters(model, parameters).values():
        odd = torch.arange(weight.numel(), device=weight.device).view(weight.shape) % 2
        weight.data.masked_fill_(odd == 0, 0.0)


def loss_statistics(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    device: str | torch.device = "auto",
    world: World = ALONE,
) -> LossStatistics:
    """Mean loss over the data, and its standard deviation over batches of full size.

    A shorter last batch counts in the mean but not in the deviation, which depends on the batch
    size; a batch without a target that counts has no loss. Arguments are as in `batch_losses`.

    Examples
    --------
    >>> data = [(torch.zeros(2, 1), torch.ones(2, 1)), (torch.zeros(2, 1), torch.zeros(2, 1))]
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> statistics = loss_statistics(layer, nn.functional.mse_loss, data)
    >>> statistics.mean, round(statistics.batch_std, 3), statistics.batch_size
    (0.5, 0.707, 2)
    """
    with undisturbed(model, loader, loss_fn):
        rows = batch_losses(model, loss_fn, loader, device, world)
    mean = _mean(rows)
    sizes, weights, losses = np.array(rows).T
    counts = weights > 0 if weights.any() else sizes > 0
    largest = sizes[counts].max()
    full = losses[counts & (sizes == largest)]
    return LossStatistics(
        mean=mean,
        batch_std=float(full.std(ddof=1)) if full.size > 1 else math.nan,
        batch_size=int(largest),
        batches=int(counts.sum()),
        examples=int(sizes.sum()),
    )
