"""Where a magnitude mask cuts the network through: no weight that is left leads in to out.

Global masks empty the layer of the smallest weights first. Once no path is left, the network gives
every example the same outputs, whatever its survivors are trained to: if no constant meets the
loss allowed, real existence ends there at the latest, however flat the loss at w* is.

That a mask cuts is told by forward passes with several values of the survivors: outputs that vary
prove a path (**exact**), most often on a few examples; outputs that never do, on any example, are
taken for a cut (**heuristic** at units that might be dead at all of those values). The best
constant is L-BFGS's: **exact** for a loss that is convex in the outputs, **heuristic** for others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from prunelimit.network.view import ModelView
from prunelimit.pruning.masks import mask_without
from prunelimit.spectrum.operator import CurvatureOperator

EXAMPLES = 32
ITERATIONS = 200  # of L-BFGS, for the best constant: a problem as small as the outputs are


def cut_sparsity(operator: CurvatureOperator, order: Tensor, level: float) -> float:
    """Sparsity from which on no network under the mask has a loss of at most `level`; 1 for none.

    The operator is that of the dense network, and all processes of its world call this together;
    `order` ``(dim,)`` says in which order weights go.

    Examples
    --------
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(1, 3), nn.Linear(3, 1))
    >>> _ = [nn.init.constant_(model[i].weight, value) for i, value in ((0, 2.0), (1, 1.0))]
    >>> data = [(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [6.0]]))]
    >>> operator = CurvatureOperator(model, nn.functional.mse_loss, data)
    >>> cut_sparsity(operator, torch.tensor([3, 4, 5, 0, 1, 2]), level=1.0)
    0.5
    """
    cut = last_path_gone(operator, order)
    return cut if cut < 1 and lowest_constant_loss(operator) > level else 1.0


def last_path_gone(operator: CurvatureOperator, order: Tensor) -> float:
    """Sparsity from which on the mask leaves no path from inputs to outputs; 1 for none."""
    connected, cut = 0, len(order)
    survivors = _Survivors(operator, order)
    try:
        everywhere = not survivors.connect(0)
        if survivors.connect(cut) or (everywhere and not survivors.connect(0, everywhere)):
            return 1.0
        while cut - connected > 1:
            middle = (connected + cut) // 2
            found = survivors.connect(middle, everywhere)
            connected, cut = (middle, cut) if found else (connected, middle)
            if cut - connected == 1 and not everywhere and survivors.connect(cut, True):
                connected, cut, everywhere = cut, len(order), True  # the few were too alike
    finally:
        survivors.set(survivors.before)
    return cut / len(order)


class _Survivors:
    """The operator's own weights, changed until they are put back to the bit."""

    def __init__(self, operator: CurvatureOperator, order: Tensor) -> None:
        self.operator, self.order = operator, order.to(operator.device)
        self.parameters = list(operator.parameters.values())
        self.before = [parameter.detach().clone() for parameter in self.parameters]

    def set(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.data.copy_(value)

    def connect(self, removed: int, everywhere: bool = False) -> bool:
        """Whether outputs depend on inputs without the first `removed` weights of the order.

        Of a few examples or, where that is to be sure, of all.
        """
        found = False
        if self.operator.own_examples:
            masks = mask_without(self.order[:removed], self.operator.parameters).values()
            found = any(self._vary(values, list(masks), everywhere) for values in self._values())
        return any(self.operator.world.gather(found))

    def _values(self) -> Iterator[list[Tensor]]:
        """What survivors have, also in one sign, which passes every ReLU; and random values."""
        yield self.before
        generator = torch.Generator().manual_seed(0)
        noise = [
            torch.randn(v.shape, generator=generator).to(v) * v.square().mean().sqrt()
            for v in self.before
        ]
        for values in (self.before, [10.0 * one for one in noise]):
            yield from ([sign * one.abs() for one in values] for sign in (1.0, -1.0))
        yield noise

    def _vary(self, values: list[Tensor], masks: list[Tensor], everywhere: bool) -> bool:
        self.set([value * mask for value, mask in zip(values, masks, strict=True)])
        data, first = self.operator.data, None
        for piece in data.pieces(self.operator.chunk) if everywhere else [data.some(EXAMPLES)]:
            outputs = _outputs(self.operator, piece[0])
            if outputs.ndim == 0:  # a model that returns its own loss
                return True
            first = outputs[:1] if first is None else first
            if outputs.shape[1:] != first.shape[1:]:
                return True
            spread, size = (outputs - first).abs().max(), outputs.abs().max()
            rounding = 1e3 * torch.finfo(outputs.dtype).eps
            if not float(spread) <= rounding * float(size):  # undefined outputs count as varying
                return True
        return False


def _outputs(operator: CurvatureOperator, inputs: Tensor) -> Tensor:
    """What the network answers, without what the loss reads beside the answers."""
    with operator.context(), torch.no_grad():
        outputs = operator.model(inputs)
    answers = _answers(operator)
    return outputs if answers is None else outputs[:, answers]


def _answers(operator: CurvatureOperator) -> Tensor | None:
    """Which columns of the outputs are answers, where the loss reads others beside them."""
    model = operator.model
    if not isinstance(model, ModelView) or len(model.form.shapes) == 1:
        return None
    columns = model.form.columns().to(operator.device)
    return None if columns.all() else columns


def lowest_constant_loss(operator: CurvatureOperator) -> float:
    """The loss of the best outputs that are the same for every example.

    It is 0 where they change their shape, or the loss leaves the finite numbers: unknown.

    Examples
    --------
    >>> data = [(torch.ones(4, 1), torch.tensor([0, 0, 0, 1]))]
    >>> layer, loss = torch.nn.Linear(1, 2), torch.nn.functional.cross_entropy
    >>> round(lowest_constant_loss(CurvatureOperator(layer, loss, data)), 6)  # the labels' entropy
    0.562335
    """
    constant = next(mean for mean in operator.world.gather(_mean_outputs(operator)) if mean.numel())
    constant = constant.to(operator.device).requires_grad_()
    solver = torch.optim.LBFGS(
        [constant], max_iter=ITERATIONS, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )
    losses: list[float] = []
    answers = _answers(operator)

    def closure() -> Tensor:
        loss, slope = torch.zeros_like(constant.sum()), torch.zeros_like(constant)
        try:
            for inputs, targets, share in operator.data.chunks(operator.chunk):
                with torch.enable_grad():
                    outputs = constant.expand(len(inputs), *constant.shape).clone()
                    if answers is not None:
                        outputs = _beside(operator, inputs, outputs, answers)
                    one = operator.loss_fn(outputs, targets).sum()
                loss += share * one.detach()
                slope += share * torch.autograd.grad(one, constant)[0]
        except (RuntimeError, ValueError, IndexError):  # also in other processes
            loss.fill_(math.nan)
        constant.grad = operator.world.sum(slope)
        losses.append(float(operator.world.sum(loss)))
        return loss

    solver.step(closure)
    return min(losses) if all(map(math.isfinite, losses)) else 0.0


def _beside(
    operator: CurvatureOperator, inputs: Tensor, constant: Tensor, answers: Tensor
) -> Tensor:
    """Outputs with the same answers for all, and what the loss reads beside them."""
    with torch.no_grad(), operator.context():
        outputs = operator.model(inputs).to(constant.dtype)
    return outputs.masked_scatter(answers.expand_as(outputs), constant)


def _mean_outputs(operator: CurvatureOperator) -> Tensor:
    """Where the search for the best constant starts; nothing in a process without examples."""
    if not operator.own_examples:
        return torch.zeros(0)
    outputs = _outputs(operator, operator.data.some(EXAMPLES)[0])
    return outputs.detach().double().mean(0).cpu()
