"""SNIP: keep the connections whose removal would change the first batch's loss most."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from prunelimit.errors import require
from prunelimit.lab.baselines import _scored
from prunelimit.lab.baselines._common import COMMON_TRAINING, Loss
from prunelimit.lab.baselines._driver import Found, Work, driven
from prunelimit.network.parameters import flatten, prunable_parameters
from prunelimit.recipe import TrainingConfig


@dataclass(frozen=True)
class SnipConfig:
    """SNIP; the default is that of Lee, Ajanthan and Torr (2019) for CIFAR-10.

    Attributes
    ----------
    training
        Under the mask, from the initial weights.
    examples
        On which connections are scored, once: one minibatch.
    """

    training: TrainingConfig = COMMON_TRAINING
    examples: int = 128

    def __post_init__(self) -> None:
        """Refuse an empty batch."""
        require(self.examples >= 1, "examples", self.examples, "at least 1")


def snip_scores(
    model: nn.Module,
    loss_fn: Loss,
    examples: list[Tensor],
    *,
    seed: int = 0,
    device: str = "auto",
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
    >>> import torch
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[2.0, -1.0]]))
    >>> snip_scores(layer, lambda out, _: out.sum(), [torch.tensor([[1.0, 3.0]]), torch.zeros(1)])
    tensor([2., 3.])
    """
    network = _scored.scoring_copy(model, device)
    parameters = list(prunable_parameters(network).values())
    loss = _scored.loss_of(network, loss_fn, examples, 1.0, seed)
    return (flatten(p.detach() for p in parameters) * _scored.gradient(loss, parameters)).abs()


@driven(SnipConfig)
def snip(work: Work[SnipConfig]) -> Found:
    """Prune the untrained network by connection sensitivity, then train it.

    Lee, Ajanthan and Torr (2019), "SNIP: single-shot network pruning based on
    connection sensitivity". Their initial weights have a variance scaled by
    layer; here `model` brings its own.
    """
    examples = _scored.first_examples(
        work.data, work.config.training, work.config.examples, work.seed
    )
    scores = snip_scores(work.model, work.loss_fn, examples, seed=work.seed, device=work.device)
    return work.trained_under(work.largest(scores), work.config.training)
