"""SynFlow: without data, in many small steps, keep the weights that carry the flow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelimit.errors import require
from prunelimit.lab.baselines import _common, _scored
from prunelimit.lab.baselines._common import COMMON_TRAINING
from prunelimit.lab.baselines._driver import Found, Work, driven
from prunelimit.network.copies import copy_model
from prunelimit.network.device import resolve_device
from prunelimit.network.parameters import flatten, prunable_parameters, unflatten
from prunelimit.pruning.masks import Masks
from prunelimit.recipe import TrainingConfig


@dataclass(frozen=True)
class SynflowConfig:
    """SynFlow; the default is that of Tanaka, Kunin, Yamins and Ganguli (2020).

    Attributes
    ----------
    training
        Under the mask, from the initial weights.
    rounds
        In which the density falls exponentially to its target.
    """

    training: TrainingConfig = COMMON_TRAINING
    rounds: int = 100

    def __post_init__(self) -> None:
        """Refuse less than one round."""
        require(self.rounds >= 1, "rounds", self.rounds, "at least 1")


def synflow_scores(model: nn.Module, inputs: Tensor) -> Tensor:
    """Synaptic flow |w| ∂R/∂|w|, R the summed outputs of the network with all signs removed.

    Tanaka et al. (2020), equation 2. The input is all ones, the network in
    evaluation mode; computed in float64 since R grows with every layer.

    Parameters
    ----------
    model
        Left untouched; its zeros score 0.
    inputs
        ``(1, …)``, only its shape matters.

    Returns
    -------
    Tensor
        ``(dim,)`` float64. In each layer of a chain without biases they sum to R.

    Examples
    --------
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[2.0, -1.0]]))
    >>> synflow_scores(layer, torch.zeros(1, 2))
    tensor([2., 1.], dtype=torch.float64)
    """
    network = copy_model(model).double().eval()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.abs_()
    parameters = list(prunable_parameters(network).values())
    ones = torch.ones_like(inputs, dtype=torch.float64, device=parameters[0].device)
    flow = _scored.gradient(network(ones).sum(), parameters)
    return flow * flatten(p.detach() for p in parameters)


def synflow_mask(model: nn.Module, inputs: Tensor, sparsity: float, rounds: int = 100) -> Masks:
    """Score, remove a little, score what is left, and so on.

    Examples
    --------
    >>> masks = synflow_mask(nn.Linear(10, 10), torch.ones(1, 10), 0.9)
    >>> int(masks["weight"].sum())
    10
    """
    working = copy_model(model)
    parameters = prunable_parameters(working)
    keep = torch.ones_like(_common.magnitudes(parameters), dtype=torch.bool)
    masks: Masks = unflatten(keep, parameters)
    for kept in _common.exponential_counts(keep.numel(), sparsity, rounds):
        active = flatten(masks.values())
        masks = _common.keep_largest(synflow_scores(working, inputs), kept, parameters, active)
        for name, parameter in parameters.items():
            parameter.data.mul_(masks[name])
    return masks


@driven(SynflowConfig)
def synflow(work: Work[SynflowConfig]) -> Found:
    """Prune the untrained network by its synaptic flow, without data, then train it.

    Tanaka, Kunin, Yamins and Ganguli (2020), "Pruning neural networks without
    any data by iteratively conserving synaptic flow". Their theorem, that no layer
    empties while others are full, is of networks without biases: there the scores
    of every layer sum to the same R. A bias adds flow behind the layer that lost it,
    and layers do empty. Of an MLP with layers of 32, 1 % of the weights kept: 4 of 6
    and 9 of 12 with biases, none without (seed 0).
    """
    placed = copy_model(work.model).to(resolve_device(work.device))
    masks = synflow_mask(placed, _common.example(work.data), work.sparsity, work.config.rounds)
    return work.trained_under(masks, work.config.training)
