"""The loss at fixed weights: batch by batch, and its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import check_reiterable, iterate_pairs, scalar_loss
from prunelimit.network.device import at_device
from prunelimit.network.evaluate import evaluation_mode
from prunelimit.network.parameters import Choice, flatten, prunable_parameters
from prunelimit.network.statistics import LossStatistics
from prunelimit.network.world import ALONE, World

Loader = Iterable[tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]


def check_first_batch(model: nn.Module, loss_fn: Loss, loader: Loader) -> None:
    """Run model and loss on the first batch, and say what failed in the user's own terms.

    Raises
    ------
    PruneLimitError
        If either raises (shapes or labels that do not fit, most often).

    Examples
    --------
    >>> data = [(torch.ones(3, 2), torch.ones(3, 1))]
    >>> check_first_batch(nn.Linear(2, 1), nn.functional.mse_loss, data)
    """
    check_reiterable(loader)
    if not callable(loss_fn):
        raise PruneLimitError(
            f"loss_fn is a {type(loss_fn).__name__}; give a function loss_fn(outputs, targets) "
            "that returns the mean loss, e.g. torch.nn.functional.cross_entropy"
        )
    place = _place(model)
    with evaluation_mode(model), torch.no_grad():
        for inputs, targets in iterate_pairs(loader):
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
) -> list[tuple[int, float]]:
    """Size and mean loss of each batch, in eval mode.

    Parameters
    ----------
    model
        Left where it is; computed as a copy if that is not `device`.
    loss_fn
        A mean over the batch.
    loader
        Re-iterable of ``(inputs, targets)``.
    device
        Where to compute; see `prunelimit.network.device.resolve_device`.
    world
        Processes that share the batches, each of which has the whole loader;
        all get all rows.

    Raises
    ------
    PruneLimitError
        If the loader is empty or a loss is not finite.

    Examples
    --------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> batch_losses(layer, nn.functional.mse_loss, [(torch.zeros(3, 1), torch.ones(3, 1))])
    [(3, 1.0)]
    """
    check_reiterable(loader)
    place = world.device(device)
    model, loss_fn = at_device(model, loss_fn, place)
    with evaluation_mode(model), torch.no_grad():
        rows = [
            (
                inputs.shape[0],
                float(scalar_loss(loss_fn, model(inputs.to(place)), targets.to(place))),
            )
            for inputs, targets in world.every(iterate_pairs(loader))
        ]
    rows = world.in_order(rows)
    if not rows:
        raise PruneLimitError("the loader is empty: it yields no batch; give it at least one")
    return rows


def loss_statistics(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    device: str | torch.device = "auto",
    world: World = ALONE,
) -> LossStatistics:
    """Mean loss over the data, and its standard deviation over batches of full size.

    Parameters
    ----------
    model, loss_fn, loader, device, world
        As in `batch_losses`.

    Returns
    -------
    LossStatistics
        A shorter last batch counts in the mean but not in the deviation, which
        depends on the batch size.

    Examples
    --------
    >>> data = [(torch.zeros(2, 1), torch.ones(2, 1)), (torch.zeros(2, 1), torch.zeros(2, 1))]
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> statistics = loss_statistics(layer, nn.functional.mse_loss, data)
    >>> statistics.mean, round(statistics.batch_std, 3), statistics.batch_size
    (0.5, 0.707, 2)
    """
    rows = batch_losses(model, loss_fn, loader, device, world)
    sizes = np.array([size for size, _ in rows])
    losses = np.array([loss for _, loss in rows])
    full = losses[sizes == sizes.max()]
    return LossStatistics(
        mean=float((sizes * losses).sum() / sizes.sum()),
        batch_std=float(full.std(ddof=1)) if full.size > 1 else math.nan,
        batch_size=int(sizes.max()),
        batches=int(sizes.size),
        examples=int(sizes.sum()),
    )


def loss_gradient(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    device: str | torch.device = "auto",
    world: World = ALONE,
    parameters: Choice | None = None,
) -> Tensor:
    """Gradient of the mean loss with respect to the weights that count, ``(dim,)``, in eval mode.

    Processes of one `world` share the examples: each gives its own part, even an
    empty one, as `loader` (see `World.shard`), and all get the whole gradient.

    Examples
    --------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = layer.weight.data.fill_(1.0)
    >>> loss_gradient(layer, nn.functional.mse_loss, [(torch.ones(2, 1), torch.zeros(2, 1))])
    tensor([2.])
    """
    place = world.device(device)
    model, loss_fn = at_device(model, loss_fn, place)
    weights = list(prunable_parameters(model, parameters).values())
    total = torch.zeros_like(flatten(weight.detach() for weight in weights))
    examples = 0
    with evaluation_mode(model), torch.enable_grad():
        for inputs, targets in iterate_pairs(loader):
            loss = scalar_loss(loss_fn, model(inputs.to(place)), targets.to(place))
            gradients = torch.autograd.grad(
                loss, weights, allow_unused=True, materialize_grads=True
            )
            total += inputs.shape[0] * flatten(gradients)
            examples += inputs.shape[0]
    return world.sum(total) / sum(world.gather(examples))


def _place(model: nn.Module) -> torch.device:
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device
