"""The frame of all methods that score the weights of the untrained network, then train."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.lab.baselines._common import Data, Loss, seeded, start_epoch, training_batches
from prunelimit.network.copies import copy_model
from prunelimit.network.device import resolve_device
from prunelimit.network.parameters import flatten, prunable_parameters
from prunelimit.recipe import TrainingConfig


def first_examples(data: Data, config: TrainingConfig, count: int, seed: int) -> list[Tensor]:
    """Inputs and targets of the first `count` training examples in the order of `seed`.

    Raises
    ------
    PruneLimitError
        If there is no example.
    """
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    for x, y in start_epoch(training_batches(data, config, seed), 0):
        inputs.append(x)
        targets.append(y)
        if sum(len(t) for t in targets) >= count:
            break
    if not inputs:
        raise PruneLimitError("the loader is empty: there is nothing to score the weights on")
    return [torch.cat(inputs)[:count], torch.cat(targets)[:count]]


def balanced_examples(
    data: Data, config: TrainingConfig, per_class: int, seed: int
) -> list[Tensor]:
    """The first `per_class` training examples of each class in the order of `seed`.

    A class with fewer gives all it has.

    Raises
    ------
    PruneLimitError
        If the targets are no class indices.
    """
    batches = list(start_epoch(training_batches(data, config, seed), 0))
    if not batches:
        raise PruneLimitError("the loader is empty: there is nothing to score the weights on")
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    if targets.dim() != 1 or targets.is_floating_point():
        raise PruneLimitError(
            f"targets of shape {tuple(targets.shape)} and type {targets.dtype} are no class "
            "indices: examples cannot be balanced by class"
        )
    chosen = [torch.nonzero(targets == label)[:per_class, 0] for label in targets.unique()]
    index = torch.cat(chosen)
    return [inputs[index], targets[index]]


def scoring_copy(model: nn.Module, device: str | torch.device) -> nn.Module:
    """A copy in training mode on `device`: the network as its first step would see it."""
    return copy_model(model).to(resolve_device(device)).train()


def loss_of(
    model: nn.Module, loss_fn: Loss, examples: list[Tensor], temperature: float, seed: int
) -> Tensor:
    """The mean loss on `examples`, the outputs divided by `temperature`."""
    place = next(iter(prunable_parameters(model).values())).device
    inputs, targets = (t.to(place) for t in examples)
    with seeded(seed, place):
        return loss_fn(model(inputs) / temperature, targets)


def gradient(loss: Tensor, parameters: list[nn.Parameter], create_graph: bool = False) -> Tensor:
    """``(dim,)``: the gradient as one vector."""
    return flatten(
        torch.autograd.grad(
            loss,
            parameters,
            create_graph=create_graph,
            allow_unused=True,
            materialize_grads=True,
        )
    )
