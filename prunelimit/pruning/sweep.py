"""The measured curve: loss and accuracy of a network at many sparsities (chapter 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.curves import Sweep
from prunelimit.errors import PruneLimitError, shown
from prunelimit.network import losses
from prunelimit.network.adapter import Adapted, Forward, Loader, Loss, adapt
from prunelimit.network.checks import in_fixed_order
from prunelimit.network.copies import HALVES, copy_together
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import Choice, prunable_parameters
from prunelimit.network.undisturbed import undisturbed
from prunelimit.network.view import unwrapped
from prunelimit.network.world import ALONE, Execution, World
from prunelimit.progress import track
from prunelimit.pruning.masks import magnitude_order, mask_without, removed_count


def sweep(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    sparsities: Sequence[float] | np.ndarray,
    *,
    order: Tensor | np.ndarray | Sequence[int] | None = None,
    device: str = "auto",
    progress: bool | None = None,
    parameters: Choice | None = None,
    forward: Forward | None = None,
    world: World = ALONE,
) -> Sweep:
    """Measure one-shot magnitude pruning at each sparsity, survivors untouched.

    The weights are ranked once. Going from sparse to sparser only zeroes the
    next weights of one working copy, so a thousand sparsities cost a thousand
    evaluations and nothing else: no model is written, none is re-sorted.

    Parameters
    ----------
    model
        Left untouched; compiled and frozen ones are measured like others.
    loss_fn
        ``loss_fn(outputs, targets)``, a mean over the batch.
    loader
        Re-iterable of ``(inputs, targets)`` or dictionaries, see
        `prunelimit.network.adapter.adapt`.
    sparsities
        Fractions removed, each in [0, 1), in any order.
    order
        ``(dim,)`` positions in the order of removal; by default the magnitude
        order. A random permutation gives the random-mask control.
    device
        "auto", "cpu", "cuda" or "mps".
    progress
        See `prunelimit.progress.track`.
    parameters, forward
        Which weights count, and how outputs are computed; see
        `prunelimit.predict.predict_limit`.
    world
        Processes that share the sparsities, each called with the same arguments.

    Raises
    ------
    PruneLimitError
        If a sparsity lies outside [0, 1), the loader is empty, or `order` is
        no permutation of the prunable positions.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> data = [(torch.randn(8, 4), torch.randint(3, (8,)))]
    >>> curve = sweep(nn.Linear(4, 3), nn.functional.cross_entropy, data, [0.0, 0.5])
    >>> curve.kept.tolist()
    [12, 6]
    """
    requested = list(sparsities) if isinstance(sparsities, Iterable) else []
    if not requested:
        raise PruneLimitError(
            f"sparsities is {shown(sparsities)}; give a list of at least one number in [0, 1)"
        )
    plain = unwrapped(model)
    chosen = prunable_parameters(plain, parameters)
    order = magnitude_order(plain, chosen) if order is None else torch.as_tensor(order)
    dim = order.numel()
    counts = [removed_count(s, dim) for s in requested]
    loader, _ = in_fixed_order(loader)
    with undisturbed(plain, loader, loss_fn):
        adapted = adapt(plain, loss_fn, loader, forward)
        how = Execution(device, progress, world)
        measured = _measured(adapted, chosen, order, counts, how)
    loss, accuracy = np.array([measured[count] for count in counts], dtype=float).T
    return Sweep(
        sparsities=np.array(requested, dtype=float),
        kept=dim - np.array(counts, dtype=np.int64),
        loss=loss,
        accuracy=accuracy,
        dim=dim,
        dense_loss=measured[0][0],
        dense_accuracy=measured[0][1],
    )


def _measured(
    adapted: Adapted, chosen: Choice, order: Tensor, counts: Sequence[int], how: Execution
) -> dict[int, tuple[float, float]]:
    """Loss and accuracy of one working copy, by how many weights are removed; 0 among them."""
    (model, loss_fn, loader), device, world = adapted, how.device, how.world
    working, loss_fn = copy_together(model, loss_fn)
    losses.refuse_foreign_reading(model, loss_fn, loader, working)
    working = working.to(world.device(device))
    weights, once = losses.weighed_batches(working, loss_fn, loader, device)
    dense = evaluate(working, loss_fn, loader, device, weights=weights)
    half = next(iter(working.parameters())).dtype in HALVES
    losses.require_same_loss(once, dense[0], 0.02 if half else 1e-4)
    losses.refuse_kept_results(model, loss_fn, loader, chosen)
    counting = prunable_parameters(working, chosen)
    order = _checked_order(order, counting)
    measured = {0: dense}
    own = list(world.every(sorted(set(counts) - {0})))
    previous = 0
    for count in track(own, "sweep", enabled=how.progress if world.is_main else False):
        for name, keep in mask_without(order[previous:count], counting).items():
            counting[name].data.masked_fill_(~keep, 0.0)  # each in its own precision
        previous = count
        measured[count] = evaluate(working, loss_fn, loader, device, weights=weights)
    for part in world.gather(dict(measured)):
        measured |= part
    return measured


def _checked_order(order: Tensor, weights: Mapping[str, nn.Parameter]) -> Tensor:
    dim = sum(weight.numel() for weight in weights.values())
    order = order.to(next(iter(weights.values())).device)
    whole = order.shape == (dim,) and not order.is_floating_point()
    if not (whole and torch.equal(order.sort().values, torch.arange(dim, device=order.device))):
        raise PruneLimitError(
            f"order must be a permutation of 0 … {dim - 1}, "
            f"got a tensor of shape {tuple(order.shape)} ({order.dtype})"
        )
    return order
