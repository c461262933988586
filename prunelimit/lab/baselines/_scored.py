"""Masks found by scoring the weights of the untrained network: SNIP, GraSP and SynFlow.

SNIP keeps the connections whose removal would change the first batch's loss most, GraSP those
whose removal would hurt the gradient flow most, and SynFlow, without data and in many small steps,
those that carry the flow. What follows is the same training under the mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab.baselines import _driver
from prunelimit.lab.baselines._driver import Data, Found, Work, method
from prunelimit.lomp import seeded
from prunelimit.network.adapter import Loss
from prunelimit.network.copies import copy_model
from prunelimit.network.device import resolve_device
from prunelimit.network.parameters import flatten, prunable_parameters, unflatten
from prunelimit.pruning.masks import Masks
from prunelimit.recipe import TrainingConfig

SNIP_EXAMPLES = 128
"""How many SNIP scores connections on: one minibatch, as Lee, Ajanthan and Torr for CIFAR-10."""

GRASP_EXAMPLES = 10
"""How many of each class GraSP scores connections on, as its published code does."""


def first_examples(
    data: Data, config: TrainingConfig, count: int | None, seed: int
) -> list[Tensor]:
    """Inputs and targets of the first `count` training examples, or all, in the order of `seed`.

    Raises
    ------
    PruneLimitError
        If there is no example.
    """
    source, batches, found = _driver.training_batches(data, config, seed), [], 0
    if hasattr(source, "set_epoch"):
        source.set_epoch(0)
    for batch in source:
        batches.append(batch)
        found += len(batch[1])
        if count is not None and found >= count:
            break
    if not batches:
        raise PruneLimitError("the loader is empty: there is nothing to score the weights on")
    return [torch.cat(parts)[:count] for parts in zip(*batches, strict=True)]


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
    inputs, targets = first_examples(data, config, None, seed)
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
            loss, parameters, create_graph=create_graph, allow_unused=True, materialize_grads=True
        )
    )


# ------------------------------------------------------------------ SNIP
def snip_scores(
    model: nn.Module, loss_fn: Loss, examples: list[Tensor], *, seed: int = 0, device: str = "auto"
) -> Tensor:
    """Connection sensitivity |w ∂L/∂w|: |∂L/∂c| at c = 1 for weights c·w.

    Lee, Ajanthan and Torr (2019), equations 3 to 5, before they are normalised
    (which changes no rank). The network is in training mode.

    Parameters
    ----------
    model
        Left untouched.
    loss_fn
        A mean over the batch.
    examples
        Inputs and targets.

    Returns
    -------
    Tensor
        ``(dim,)``.

    Examples
    --------
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[2.0, -1.0]]))
    >>> snip_scores(layer, lambda out, _: out.sum(), [torch.tensor([[1.0, 3.0]]), torch.zeros(1)])
    tensor([2., 3.])
    """
    network = scoring_copy(model, device)
    parameters = list(prunable_parameters(network).values())
    loss = loss_of(network, loss_fn, examples, 1.0, seed)
    return (flatten(p.detach() for p in parameters) * gradient(loss, parameters)).abs()


@method("SNIP", _driver.Config, "lee2019snip")
def snip(work: Work[_driver.Config]) -> Found:
    """Prune the untrained network by connection sensitivity, then train it.

    Lee, Ajanthan and Torr (2019), "SNIP: single-shot network pruning based on
    connection sensitivity". Their initial weights have a variance scaled by
    layer; here `model` brings its own.
    """
    examples = first_examples(work.data, work.config.training, SNIP_EXAMPLES, work.seed)
    scores = snip_scores(work.model, work.loss_fn, examples, seed=work.seed, device=work.device)
    return work.trained_under(work.largest(scores))


# ----------------------------------------------------------------- GraSP
@dataclass(frozen=True)
class GraspConfig(_driver.Config):
    """GraSP; the default is that of the published code of Wang, Zhang and Grosse (2020).

    Attributes
    ----------
    training
        Under the mask, from the initial weights.
    temperature
        The outputs are divided by it, which keeps the softmax from saturating.
    """

    temperature: float = 200.0

    def __post_init__(self) -> None:
        """Refuse what divides into nothing."""
        require(self.temperature > 0, "temperature", self.temperature, "above 0")


def grasp_scores(
    model: nn.Module,
    loss_fn: Loss,
    examples: list[Tensor],
    temperature: float = 200.0,
    *,
    seed: int = 0,
    device: str = "auto",
) -> Tensor:
    """Half the change of gᵀg when one weight is removed, to first order: -w (H g).

    Wang, Zhang and Grosse (2020), equation 8: a large score means that the
    gradient flow grows without the weight, so the largest are removed. The
    Hessian-gradient product is taken exactly, by differentiating gᵀ(stopped g)
    once more, in training mode like a first step (the curvature of
    `prunelimit.spectrum` is that of evaluation mode).

    Parameters
    ----------
    model
        Left untouched.
    loss_fn
        A mean over the batch.
    examples
        Inputs and targets.
    temperature
        Divides the outputs.

    Returns
    -------
    Tensor
        ``(dim,)``.

    Examples
    --------
    For a loss w²x²/2 at w = 2, x = 1: g = 2, H = 1, so the score is -2·2.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = layer.weight.data.fill_(2.0)
    >>> half_square = lambda outputs, _: 0.5 * outputs.square().mean()
    >>> grasp_scores(layer, half_square, [torch.ones(1, 1), torch.zeros(1)], temperature=1.0)
    tensor([-4.])
    """
    network = scoring_copy(model, device)
    parameters = list(prunable_parameters(network).values())
    with sdpa_kernel(SDPBackend.MATH):  # the other kernels of attention have no second derivative
        loss = loss_of(network, loss_fn, examples, temperature, seed)
        slope = gradient(loss, parameters, create_graph=True)
        product = gradient(slope @ slope.detach(), parameters)
    return -flatten(p.detach() for p in parameters) * product


@method("GraSP", GraspConfig, "wang2020grasp")
def grasp(work: Work[GraspConfig]) -> Found:
    """Prune the untrained network so as to keep its gradient flow, then train it.

    Wang, Zhang and Grosse (2020), "Picking winning tickets before training by
    preserving gradient flow".

    Raises
    ------
    PruneLimitError
        If the targets are no class indices.
    """
    config = work.config
    examples = balanced_examples(work.data, config.training, GRASP_EXAMPLES, work.seed)
    scores = grasp_scores(
        work.model, work.loss_fn, examples, config.temperature, seed=work.seed, device=work.device
    )
    return work.trained_under(work.largest(-scores))


# --------------------------------------------------------------- SynFlow
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
    flow = gradient(network(ones).sum(), parameters)
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
    keep = torch.ones_like(_driver.magnitudes(parameters), dtype=torch.bool)
    masks: Masks = unflatten(keep, parameters)
    for kept in _driver.exponential_counts(keep.numel(), sparsity, rounds):
        active = flatten(masks.values())
        masks = _driver.keep_largest(synflow_scores(working, inputs), kept, parameters, active)
        for name, parameter in parameters.items():
            parameter.data.mul_(masks[name])
    return masks


@method("SynFlow", _driver.Config, "tanaka2020synflow")
def synflow(work: Work[_driver.Config]) -> Found:
    """Prune the untrained network by its synaptic flow, without data, then train it.

    Tanaka, Kunin, Yamins and Ganguli (2020), "Pruning neural networks without
    any data by iteratively conserving synaptic flow". Their theorem, that no layer
    empties while others are full, is of networks without biases: there the scores
    of every layer sum to the same R. A bias adds flow behind the layer that lost it,
    and layers do empty. Of an MLP with layers of 32, 1 % of the weights kept: 4 of 6
    and 9 of 12 with biases, none without (seed 0).
    """
    placed = copy_model(work.model).to(resolve_device(work.device))
    return work.trained_under(synflow_mask(placed, _driver.example(work.data), work.sparsity))
