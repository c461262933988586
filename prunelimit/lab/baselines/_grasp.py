"""GraSP: keep the connections whose removal would hurt the gradient flow most."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from prunelimit.errors import require
from prunelimit.lab.baselines import _scored
from prunelimit.lab.baselines._common import COMMON_TRAINING, Loss
from prunelimit.lab.baselines._driver import Found, Work, driven
from prunelimit.network.parameters import flatten, prunable_parameters
from prunelimit.recipe import TrainingConfig


@dataclass(frozen=True)
class GraspConfig:
    """GraSP; the defaults are those of the published code of Wang, Zhang and Grosse (2020).

    Attributes
    ----------
    training
        Under the mask, from the initial weights.
    samples_per_class
        Examples of each class on which connections are scored.
    temperature
        The outputs are divided by it, which keeps the softmax from saturating.
    """

    training: TrainingConfig = COMMON_TRAINING
    samples_per_class: int = 10
    temperature: float = 200.0

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        require(
            self.samples_per_class >= 1, "samples_per_class", self.samples_per_class, "at least 1"
        )
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

    >>> import torch
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = layer.weight.data.fill_(2.0)
    >>> half_square = lambda outputs, _: 0.5 * outputs.square().mean()
    >>> grasp_scores(layer, half_square, [torch.ones(1, 1), torch.zeros(1)], temperature=1.0)
    tensor([-4.])
    """
    network = _scored.scoring_copy(model, device)
    parameters = list(prunable_parameters(network).values())
    with sdpa_kernel(SDPBackend.MATH):  # the other kernels of attention have no second derivative
        loss = _scored.loss_of(network, loss_fn, examples, temperature, seed)
        slope = _scored.gradient(loss, parameters, create_graph=True)
        product = _scored.gradient(slope @ slope.detach(), parameters)
    return -flatten(p.detach() for p in parameters) * product


@driven(GraspConfig)
def grasp(work: Work[GraspConfig]) -> Found:
    """Prune the untrained network so as to keep its gradient flow, then train it.

    Wang, Zhang and Grosse (2020), "Picking winning tickets before training by
    preserving gradient flow".

    Raises
    ------
    PruneLimitError
        If the targets are no class indices.
    """
    examples = _scored.balanced_examples(
        work.data, work.config.training, work.config.samples_per_class, work.seed
    )
    scores = grasp_scores(
        work.model,
        work.loss_fn,
        examples,
        work.config.temperature,
        seed=work.seed,
        device=work.device,
    )
    return work.trained_under(work.largest(-scores), work.config.training)
