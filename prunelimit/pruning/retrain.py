"""How the survivors of one try are trained: a budget, or the user's own loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from prunelimit.errors import PruneLimitError
from prunelimit.names import name_of
from prunelimit.network.adapter import Forward
from prunelimit.network.copies import copy_model
from prunelimit.network.losses import Loader, Loss
from prunelimit.network.parameters import prunable_parameters
from prunelimit.network.view import original
from prunelimit.network.world import Execution
from prunelimit.pruning.attach import Masks, apply_masks, make_permanent
from prunelimit.pruning.finetune import FineTuning
from prunelimit.pruning.finetune import finetune as run_budget
from prunelimit.pruning.masks import magnitude_mask
from prunelimit.records import to_plain

OwnLoop = Callable[[nn.Module], object]

_STEPS = 2000
_EPOCHS = (3, 200)


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


def finetuning_key(finetune: FineTuning | OwnLoop) -> Any:
    """A budget's numbers, or the name of the user's loop: all that can be known of its code.

    Examples
    --------
    >>> finetuning_key(FineTuning(epochs=3))
    {'epochs': 3, 'learning_rate': 0.01, 'momentum': 0.9}
    """
    return to_plain(finetune) if isinstance(finetune, FineTuning) else name_of(finetune)


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
            tuned = run_budget(
                start,
                masks,
                self.loss_fn,
                *self.data,
                self.finetune,
                self.execution,
                self.forward,
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
