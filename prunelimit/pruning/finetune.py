"""Real existence: the lowest loss that training finds under a mask (chapters 7 and 9).

Survivors are trained by a budget (`finetune`), or in the user's own loop (`Retraining`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from prunelimit.budgets import FineTuning
from prunelimit.errors import DivergenceError, PruneLimitError
from prunelimit.lomp import Descent, batches_in
from prunelimit.names import name_of
from prunelimit.network.adapter import Forward, Loader, Loss, StructuredLoader, adapt
from prunelimit.network.copies import copy_model
from prunelimit.network.evaluate import evaluate
from prunelimit.network.losses import NOT_IN_THE_LOSS, refuse_foreign_reading, weighed_batches
from prunelimit.network.parameters import prunable_parameters
from prunelimit.network.view import original
from prunelimit.network.world import USUAL, Execution
from prunelimit.progress import track
from prunelimit.pruning.attach import Masks, apply_masks, make_permanent
from prunelimit.pruning.masks import magnitude_mask

OwnLoop = Callable[[nn.Module], object]
"""Trains the masked model that it is handed, in place."""

_SHORT_MEMORY = 0.95
"""How much of its last mean square Adam keeps; with the usual 0.999 steps vanish with the loss."""

_STEPS = 2000
_EPOCHS = (3, 200)


@dataclass(frozen=True)
class FineTuned:
    """What fine-tuning found.

    Attributes
    ----------
    model
        The network of the lowest loss, masks written into its weights.
    losses
        Loss on the reference data before the first epoch and after each.
    """

    model: nn.Module
    losses: tuple[float, ...]

    @property
    def lowest_loss(self) -> float:
        """Lowest loss on the reference data: an upper bound on the minimum under the mask."""
        return min(self.losses)


def finetune(
    model: nn.Module,
    masks: Masks,
    loss_fn: Loss,
    loader: Loader,
    reference: Loader,
    budget: FineTuning,
    execution: Execution = USUAL,
    forward: Forward | None = None,
) -> FineTuned:
    """Train the survivors of `masks` on `loss_fn` alone (no L1) and keep the best epoch.

    Biases and normalisation are trained along: they are never pruned.

    The loss is that of S(ε), on the data `reference`, where the best epoch has the lowest; `loader`
    gives the training batches, and is told the epoch by `set_epoch` if it has one. `forward` is for
    batches of another form (`prunelimit.network.adapter.adapt`). The dense model is left untouched.

    Raises
    ------
    DivergenceError
        If the loss leaves the finite numbers.
    PruneLimitError
        If `loss_fn` reads the weights of `model`, which the survivors leave behind.

    Examples
    --------
    >>> import torch
    >>> from prunelimit.pruning import magnitude_mask
    >>> _ = torch.manual_seed(0)
    >>> layer = nn.Linear(4, 3)
    >>> data = [(torch.randn(32, 4), torch.randint(3, (32,)))]
    >>> tuned = finetune(layer, magnitude_mask(layer, 0.5), nn.functional.cross_entropy,
    ...                  data, data, FineTuning(epochs=5, learning_rate=0.1))
    >>> tuned.lowest_loss < tuned.losses[0], int((tuned.model.weight == 0).sum())
    (True, 6)
    """
    device, world = execution.device, execution.world
    place = world.device(device)
    model, loss_fn, reference = adapt(model, loss_fn, reference, forward)
    if isinstance(reference, StructuredLoader) and not isinstance(loader, StructuredLoader):
        loader = StructuredLoader(loader, reference.reader)
    working = copy_model(model)
    refuse_foreign_reading(model, loss_fn, reference, working, NOT_IN_THE_LOSS)
    working = working.to(place)
    unit = _unit(budget, working, masks)
    apply_masks(working, masks)
    descent = Descent(working, loss_fn, optimizer=_optimizer(budget, working), world=world)
    rates = unit * _cosine(budget, batches_in(loader))
    weights, _ = weighed_batches(working, loss_fn, reference, device, world)
    losses = [evaluate(working, loss_fn, reference, device, world, weights)[0]]
    best = copy.deepcopy(working.state_dict())
    shown = execution.progress if world.is_main else False
    for epoch in track(range(budget.epochs), "fine-tune", enabled=shown):
        descent.epoch(epoch, loader, rates[epoch])
        losses.append(evaluate(working, loss_fn, reference, device, world, weights)[0])
        if not math.isfinite(losses[-1]):
            raise DivergenceError(
                f"fine-tuning diverged in epoch {epoch + 1} (loss {losses[-1]}); "
                f"lower learning_rate from {budget.learning_rate}"
            )
        if losses[-1] <= min(losses):
            best = copy.deepcopy(working.state_dict())
    working.load_state_dict(best)
    return FineTuned(model=original(make_permanent(working).eval()), losses=tuple(losses))


def _optimizer(budget: FineTuning, model: nn.Module) -> Callable[..., torch.optim.Optimizer]:
    if budget.optimiser == "sgd":
        return partial(torch.optim.SGD, momentum=budget.momentum)
    # In one kernel a step takes a sixth of the time, or less where the loss has fallen to nothing;
    # but it takes a gradient to lie in memory as its parameter does, which holds for these.
    trained = [p for p in model.parameters() if p.requires_grad]
    plain = all(p.is_contiguous() and p.is_floating_point() for p in trained)
    return partial(torch.optim.Adam, betas=(budget.momentum, _SHORT_MEMORY), fused=plain)


def _unit(budget: FineTuning, model: nn.Module, masks: Masks) -> float:
    """What a learning rate of 1 is: for Adam the root mean square of the survivors."""
    if budget.optimiser == "sgd":
        return 1.0
    weights = prunable_parameters(model, masks)
    kept = [weights[name].detach()[mask.to(weights[name].device)] for name, mask in masks.items()]
    size = float(torch.cat([part.abs().float() for part in kept]).square().mean().sqrt())
    return size if size > 0 else 1.0  # none survives, or all are 0: any scale


def _cosine(budget: FineTuning, batches: int) -> np.ndarray:
    """``(epochs, batches)``: the learning rate of every step."""
    done = np.arange(budget.epochs)[:, None] + np.arange(batches)[None, :] / batches
    return 0.5 * budget.learning_rate * (1 + np.cos(np.pi * done / budget.epochs))


def default_finetuning(loader: Loader) -> FineTuning:
    """A budget that suits the data: about 2,000 steps of Adam, between 3 and 200 epochs.

    The learning rate starts at a twentieth of the survivors' root mean square. Heuristic
    (`benchmarks.finetuning`): five points denser than the converged threshold 19 of 22 networks
    pass so, as with a tenth; 17 with a fiftieth, and 8 by SGD at a rate by the largest curvature.

    Examples
    --------
    >>> batches = [None] * 50  # they are only counted
    >>> default_finetuning(batches)
    FineTuning(epochs=40, learning_rate=0.05, momentum=0.9, optimiser='adam')
    """
    batches = sum(1 for _ in loader)
    epochs = min(max(math.ceil(_STEPS / max(batches, 1)), _EPOCHS[0]), _EPOCHS[1])
    return FineTuning.by_adam(epochs)


@dataclass(frozen=True)
class Retraining:
    """Makes the pruned and fine-tuned network of one try.

    Masks are made of the dense model's magnitudes; it is left untouched. Of the `data` the first
    is trained on, the second measured.
    """

    model: nn.Module
    parameters: Sequence[str]
    loss_fn: Loss
    data: tuple[Loader, Loader]
    finetune: FineTuning | OwnLoop
    execution: Execution = Execution()
    forward: Forward | None = None

    def run(self, start: nn.Module, sparsity: float) -> nn.Module:
        """The network at `sparsity`, trained from the survivors of `start`, in eval mode.

        Raises
        ------
        PruneLimitError
            If the user's loop returns another model, or brings removed weights back.
        """
        masks = magnitude_mask(self.model, sparsity, self.parameters)
        if isinstance(self.finetune, FineTuning):
            tuned = finetune(
                start, masks, self.loss_fn, *self.data, self.finetune, self.execution, self.forward
            )
            return tuned.model.to(next(self.model.parameters()).device)
        masked = apply_masks(copy_model(start), masks)
        handed = original(masked)
        try:
            with torch.enable_grad():
                returned = self.finetune(handed)
        except Exception as error:  # the caller's own code may raise anything
            error.add_note(
                f"raised by finetune ({name_of(self.finetune)}). The model that it is handed has "
                "its masks as parametrizations (torch.nn.utils.parametrize): weights are changed "
                "in place, not replaced, and a state_dict is its own"
            )
            raise
        if isinstance(returned, nn.Module) and returned is not handed:
            raise PruneLimitError(
                f"finetune ({name_of(self.finetune)}) returned another model; it has to train the "
                "one that it is handed, in place"
            )
        trained = make_permanent(masked).eval()
        _require_masked(trained, start, masks, self.finetune)
        return trained

    def describe(self) -> str:
        """One line for people."""
        if isinstance(self.finetune, FineTuning):
            return str(self.finetune)
        return f"own loop {name_of(self.finetune)}"


def _require_masked(model: nn.Module, start: nn.Module, masks: Masks, loop: OwnLoop) -> None:
    parameters, before = prunable_parameters(model, masks), prunable_parameters(start, masks)
    if [p.dtype for p in parameters.values()] != [p.dtype for p in before.values()]:
        raise PruneLimitError(
            f"finetune ({name_of(loop)}) changed the precision of the weights; it has to leave the "
            "model that it is handed in its own (torch.autocast computes in another)"
        )
    for name, mask in masks.items():
        grown = int((parameters[name].detach()[~mask.to(parameters[name].device)] != 0).sum())
        if grown:
            raise PruneLimitError(
                f"finetune ({name_of(loop)}) brought {grown} removed weights of {name} back; it "
                "has to leave the masks on the model that it is handed"
            )
