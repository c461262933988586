"""What the loss does with the model's outputs: where it is curved, and where it cannot be.

The Gauss-Newton matrix J^T H_out J needs a loss that is curved in the outputs. A model that
ends in log_softmax, with the linear nll_loss or kl_div behind it, hides the curvature of the
cross-entropy in J. Log-probabilities z are logits as well, since log_softmax leaves them as they
are: with the loss l(log_softmax(z)) in place of l(z), the matrix is that of the network without
its last layer (exact: l(log_softmax(z + c 1)) does not depend on c, hence H_out 1 = 0 and the
part -1 p^T J of the derivative of log_softmax drops out). What J hides of an example is
-(sum_i dl/dz_i) (diag p - p p^T): the cross-entropy's where that sum is -1, as of nll_loss and
kl_div, and next to nothing where the loss compares log-probabilities with others, as a square.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import LossFunction

LOGITS_NOTE = (
    "the model returns log-probabilities: the Gauss-Newton matrix is taken at them as logits, "
    "which is that of the network without its last layer (for nll_loss, of the cross-entropy)"
)


def log_probability_dim(outputs: Tensor) -> int | None:
    """The dimension along which outputs are log-probabilities, exp(z) adding up to 1, or None.

    Examples
    --------
    >>> log_probability_dim(torch.tensor([[1.0, 2.0]]).log_softmax(1))
    1
    >>> log_probability_dim(torch.tensor([[1.0, 2.0]])) is None
    True
    """
    for dim in _class_dims(outputs):
        totals = outputs.detach().double().logsumexp(dim)
        if float(totals.abs().max()) <= 1e-4:
            return dim
    return None


def _class_dims(outputs: Tensor) -> list[int]:
    """The dimensions that may hold classes: the second or the last, of two entries at least."""
    dims = dict.fromkeys((1, outputs.ndim - 1))
    return [dim for dim in dims if 1 <= dim < outputs.ndim and outputs.shape[dim] > 1]


TWICE_NOTE = (
    "the model returns probabilities and the loss takes their softmax once more: everything here "
    "is of that loss; if it was not meant, leave the softmax out of the model"
)

PROBABILITY_NOTE = (
    "the model returns probabilities: the Gauss-Newton matrix is taken in them, which is another "
    "one than in logits; for that, leave softmax or sigmoid out of the model, and give "
    "cross_entropy or binary_cross_entropy_with_logits"
)


def probability_note(loss_fn: LossFunction, outputs: Tensor, targets: Tensor, kind: str) -> str:
    """What to say of outputs that are probabilities, or "".

    They are if they lie in [0, 1] and add up to 1, or if the loss is undefined outside of [0, 1].

    Examples
    --------
    >>> outputs, targets = torch.tensor([[0.25, 0.75]]), torch.tensor([1])
    >>> probability_note(torch.nn.functional.cross_entropy, outputs, targets, "ggn") == TWICE_NOTE
    True
    """
    if not 0.0 <= float(outputs.min()) <= float(outputs.max()) <= 1.0:
        return ""
    outputs = outputs.detach()
    distribution = any(
        float((outputs.double().sum(dim) - 1).abs().max()) <= 1e-4 for dim in _class_dims(outputs)
    )
    here, shifted = (_value(loss_fn, outputs + shift, targets) for shift in (0.0, -1.5))
    if distribution and abs(here - shifted) <= 1e-5 * abs(here):
        return TWICE_NOTE
    known = distribution or not math.isfinite(shifted)
    return PROBABILITY_NOTE if known and kind == "ggn" else ""


def _value(loss_fn: LossFunction, outputs: Tensor, targets: Tensor) -> float:
    """The loss, or NaN where it is undefined."""
    try:
        with torch.no_grad():
            return float(loss_fn(outputs, targets))
    except (RuntimeError, ValueError):
        return math.nan


def at_logits(loss_fn: LossFunction, dim: int) -> LossFunction:
    """The same loss of log-probabilities, as a function of logits.

    Examples
    --------
    >>> loss = at_logits(torch.nn.functional.nll_loss, 1)
    >>> round(float(loss(torch.zeros(1, 2), torch.tensor([0]))), 4)
    0.6931
    """

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return loss_fn(outputs.log_softmax(dim), targets)

    return loss


def slopes(loss_fn: LossFunction, outputs: Tensor, targets: Tensor) -> Tensor | None:
    """The loss's gradient in the outputs; None where there is none (no target that counts)."""
    leaf = outputs.detach().requires_grad_()
    with torch.enable_grad():
        value = loss_fn(leaf, targets)
        if not value.requires_grad:
            return None
        (found,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
    good = found is not None and bool(found.isfinite().all()) and bool(found.any())
    return found if good else None


def hides_curvature(slope: Tensor, dim: int) -> bool:
    """Whether a loss of log-probabilities along `dim` leaves its curvature to the last layer.

    It does where its slopes add up to less than 0, and at no example to more; see the module's
    text.

    Examples
    --------
    >>> hides_curvature(torch.tensor([[-1.0, 0.0]]), 1)  # nll_loss
    True
    >>> hides_curvature(torch.tensor([[-1.0, 1.2], [0.3, -0.5]]), 1)
    False
    """
    total = slope.double().sum(dim)
    size = float(slope.double().abs().sum())
    return float(total.sum()) < -1e-3 * size and float(total.max()) <= 1e-3 * float(-total.min())


def refuse_flat_loss(loss_fn: LossFunction, outputs: Tensor, targets: Tensor, kind: str) -> None:
    """Refuse a loss whose second derivative in the outputs is 0 by construction.

    Raises
    ------
    PruneLimitError
        If it is piecewise linear, with its curvature in kinks, or linear and the Gauss-Newton
        matrix asked for, or if torch has no second derivative of it.
    """
    direction = _zigzag(outputs)
    try:
        if _bends(loss_fn, outputs, targets, direction):
            return
    except RuntimeError as error:  # torch has no second derivative of some losses
        if _slope_turns(loss_fn, outputs, targets, direction):
            raise PruneLimitError(
                f"the loss cannot be differentiated twice in the model's outputs: "
                f"{str(error).strip()[:200]}. Write it in operations of which torch has second "
                "derivatives (logsumexp, relu, square; ctc_loss and multi_margin_loss have none)"
            ) from error
    if _has_kinks(loss_fn, outputs, targets, direction):
        raise PruneLimitError(
            "the loss is piecewise linear in the model's outputs: its second derivative is 0 "
            "wherever there is one, and its curvature sits in kinks, which no Hessian sees. Take a "
            "smooth loss in place of l1_loss or a hinge: smooth_l1_loss, huber_loss, mse_loss. A "
            "smooth one is straight where it saturates: the outputs are up to "
            f"{float(outputs.detach().abs().max()):.2g} here"
        )
    if kind == "ggn":
        raise PruneLimitError(
            "the loss is linear in the model's outputs, so that the Gauss-Newton matrix "
            "J^T H_out J is 0 by construction and says nothing. If the model returns its own loss, "
            "let it return its outputs and give the loss as loss_fn, or use policy='abs' or 'clip' "
            "(the full Hessian)"
        )


def refuse_curved_penalty(
    loss_fn: LossFunction, outputs: Tensor, targets: Tensor, weights: Sequence[Tensor]
) -> None:
    """Refuse a loss with a curvature in the weights themselves, which J^T H_out J leaves out.

    An l1 penalty has none and passes; weight decay within the loss has.

    Raises
    ------
    PruneLimitError
        Saying what else can be asked.
    """
    with torch.enable_grad():
        value = loss_fn(outputs.detach(), targets)
        if not weights or not value.requires_grad:
            return
        slopes = torch.autograd.grad(value.sum(), weights, create_graph=True, allow_unused=True)
        curved = [slope for slope in slopes if slope is not None and slope.requires_grad]
        if not curved:
            return
        directions = [_zigzag(slope) for slope in curved]
        bent = torch.autograd.grad(curved, weights, directions, allow_unused=True)
    if any(piece is not None and bool((piece != 0).any()) for piece in bent):
        raise PruneLimitError(
            "loss_fn is curved in the weights past the outputs (weight decay, or activations that "
            "it reads?), which the Gauss-Newton matrix of the outputs leaves out: use "
            "policy='abs' or 'clip', or leave that part out of loss_fn"
        )


def _zigzag(outputs: Tensor) -> Tensor:
    """Some direction without symmetry, of the outputs' size."""
    steps = torch.arange(outputs.numel(), dtype=outputs.dtype, device=outputs.device)
    size = outputs.detach().abs().max().clamp_min(1.0)
    return ((steps * 0.618 + 0.1) % 1.0 - 0.5).view(outputs.shape) * size


def _bends(loss_fn: LossFunction, outputs: Tensor, targets: Tensor, direction: Tensor) -> bool:
    """Whether H_out times the direction is anything but 0."""
    leaf = outputs.detach().requires_grad_()
    with torch.enable_grad():
        loss = loss_fn(leaf, targets)
        if not loss.requires_grad:
            return False
        (slope,) = torch.autograd.grad(loss.sum(), leaf, create_graph=True, allow_unused=True)
        if slope is None or not slope.requires_grad:
            return False
        (bent,) = torch.autograd.grad(slope, leaf, direction, allow_unused=True)
    return bent is not None and bool((bent != 0).any())


def _slope_turns(
    loss_fn: LossFunction, outputs: Tensor, targets: Tensor, direction: Tensor
) -> bool:
    """Whether the slope changes over short steps, as that of a piecewise linear loss does not."""
    slopes = []
    for step in (1e-4, 2e-4, 3e-4):
        leaf = (outputs.detach() + step * direction).requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(loss_fn(leaf, targets).sum(), leaf)
        slopes.append(slope.double())
    changes = [float((other - slopes[0]).norm()) for other in slopes[1:]]
    return min(changes) > 1e-7 * float(slopes[0].norm())


def _has_kinks(loss_fn: LossFunction, outputs: Tensor, targets: Tensor, direction: Tensor) -> bool:
    """Whether the loss bends over long steps, though nowhere on its own."""
    base = outputs.detach().double()
    for step in (0.1, 1.0, 10.0, 100.0):
        try:
            ends = [
                float(loss_fn((base + sign * step * direction).to(outputs.dtype), targets))
                for sign in (-1.0, 0.0, 1.0)
            ]
        except (RuntimeError, ValueError):  # outside of what the loss takes, such as [0, 1]
            continue
        second = ends[0] - 2.0 * ends[1] + ends[2]
        if abs(second) > 1e-4 * max(map(abs, ends)):
            return True
    return False
