"""The loss as a function of all trainable parameters at once, for one network or many masks of it.

A point is a vector of every parameter that requires a gradient, biases and
normalisation included, in float64. Several points (the same network under several
masks) are evaluated in one batched pass, where a loop would spend its time on calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, vmap

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import LossFunction, check_modes, check_reiterable, iterate_batches
from prunelimit.network.copies import copy_model
from prunelimit.network.parameters import flatten, prunable_parameters, unflatten, with_weights
from prunelimit.spectrum.dense import example_jacobians

CHUNK_ENTRIES = 4_000_000
"""Entries of the Jacobian held at once."""

SMOOTHING = 1e-4
"""δ of the l1 term, in the units of the weights."""


class Landscape:
    """L(θ), its gradient and its Gauss-Newton matrix, over fixed data held in memory.

    Parameters
    ----------
    model
        In eval mode; copied to float64, left untouched. Every parameter that requires a
        gradient is free.
    loss_fn
        ``loss_fn(outputs, targets)``, a mean over examples.
    loader
        Re-iterable of ``(inputs, targets)``; all of it is held in memory.
    l1
        λ of a term λ Σ √(w² + δ²) over the prunable weights: the l1-regularised loss,
        rounded off within `SMOOTHING` of 0 so that it has a curvature.

    Attributes
    ----------
    size
        Number of free parameters P.
    prunable
        ``(dim,)``: where the prunable weights lie among them, in the order of
        `prunelimit.network.parameters.prunable_weights`.
    start
        ``(size,)``: the model's own point, w* with its biases.

    Raises
    ------
    PruneLimitError
        If the loader is empty, or a layer's output depends on the batch.

    Examples
    --------
    >>> data = [(torch.eye(2), torch.zeros(2, 1))]
    >>> Landscape(nn.Linear(2, 1), nn.functional.mse_loss, data).size
    3
    """

    def __init__(
        self, model: nn.Module, loss_fn: LossFunction, loader: Iterable[Any], *, l1: float = 0.0
    ) -> None:
        check_reiterable(loader)
        check_modes(model)
        self.model = copy_model(model).double().eval()
        self.loss_fn = loss_fn
        pairs = [batch[:2] for batch in iterate_batches(loader)]
        if not pairs:
            raise PruneLimitError("the loader is empty: it yields no example; give at least one")
        self.inputs = _wide(torch.cat([inputs for inputs, _ in pairs]))
        self.targets = _wide(torch.cat([targets for _, targets in pairs]))
        self.l1 = float(l1)
        self.shapes = {
            name: parameter.detach().clone()
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad
        }
        self.start = flatten(self.shapes.values()).clone()
        self.size = self.start.numel()
        self.prunable = self._positions()
        with torch.no_grad():
            self.outputs = self.model(self.inputs[:1]).numel()
        # A batched convolution becomes a grouped one, which is slower than one after another.
        self.batches_pay = not any(
            isinstance(module, nn.modules.conv._ConvNd) for module in self.model.modules()
        )

    def _positions(self) -> Tensor:
        offsets, begin = {}, 0
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                offsets[id(parameter)] = begin
                begin += parameter.numel()
        chosen = prunable_parameters(self.model).values()
        return torch.cat([offsets[id(p)] + torch.arange(p.numel()) for p in chosen])

    def keep(self, removed: Tensor) -> Tensor:
        """``(size,)`` boolean: True where a parameter is free, with these prunable ones removed.

        Parameters
        ----------
        removed
            Positions among the prunable weights, such as the head of `magnitude_order`.
        """
        free = torch.ones(self.size, dtype=torch.bool)
        free[self.prunable[removed.cpu()]] = False
        return free

    def network(self, point: Tensor) -> nn.Module:
        """A copy of the model at `point`, in float64."""
        return with_weights(self.model, point, self.shapes)

    # ------------------------------------------------------------ evaluation
    def outputs_at(self, point: Tensor, inputs: Tensor) -> Tensor:
        """The network's outputs with the parameters of `point`; differentiable."""
        return functional_call(self.model, unflatten(point, self.shapes), (inputs,))

    def loss(self, point: Tensor) -> Tensor:
        """The data loss at `point`; differentiable."""
        return self.loss_fn(self.outputs_at(point, self.inputs), self.targets)

    def losses(self, points: Tensor) -> Tensor:
        """Loss at each of ``(points, size)``, the l1 term included; infinite where it is NaN."""
        with torch.no_grad():
            if self.batches_pay and len(points) > 1:
                values = vmap(self.loss)(points)
            else:
                values = torch.stack([self.loss(point) for point in points])
        if self.l1:
            weights = points[:, self.prunable]
            rounded = (weights.square() + SMOOTHING**2).sqrt() - SMOOTHING
            values = values + self.l1 * rounded.sum(1)
        return torch.where(torch.isfinite(values), values, torch.inf)

    # ------------------------------------------------------------- curvature
    def gauss_newton(self, point: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient and Gauss-Newton matrix at ``point (size,)``, on some of the parameters.

        Parameters
        ----------
        point
            ``(size,)``.
        columns
            ``(free,)``: which parameters, in rising order.

        Returns
        -------
        tuple
            ``(free,)`` and ``(free, free)``. Of the l1 term, the curvature is that of its
            quadratic majorant, λ/√(w² + δ²).
        """
        free = len(columns)
        gradient = torch.zeros(free, dtype=point.dtype)
        matrix = torch.zeros(free, free, dtype=point.dtype)
        for inputs, targets in zip(
            self.inputs.split(self._chunk), self.targets.split(self._chunk), strict=True
        ):
            whole = example_jacobians(self.model, unflatten(point, self.shapes), inputs)
            jacobian = whole.detach()[..., columns]
            slope, bend = self._outer(self.outputs_at(point, inputs).detach(), targets)
            rows = jacobian.flatten(0, 1)
            gradient += slope.flatten() @ rows
            matrix += rows.T @ (bend @ jacobian).flatten(0, 1)
        gradient, matrix = gradient / len(self.inputs), matrix / len(self.inputs)
        if self.l1:
            strength = torch.zeros_like(point)
            strength[self.prunable] = self.l1
            curvature = (strength / (point.square() + SMOOTHING**2).sqrt())[columns]
            matrix.diagonal().add_(curvature)
            gradient = gradient + curvature * point[columns]
        return gradient, matrix

    @property
    def _chunk(self) -> int:
        # So many examples that their Jacobian stays within some tens of megabytes.
        return max(1, CHUNK_ENTRIES // (self.outputs * self.size))

    def _outer(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Slope ``(n, outputs)`` and curvature of each example's loss in its outputs."""
        if self.loss_fn is nn.functional.cross_entropy and outputs.ndim == 2:
            # The general way below takes a third of the time of a whole matrix.
            shares = torch.softmax(outputs, 1)
            truth = nn.functional.one_hot(targets, outputs.shape[1])
            outer = shares[:, :, None] * shares[:, None]
            return shares - truth, torch.diag_embed(shares) - outer

        def loss(output: Tensor, target: Tensor) -> Tensor:
            return self.loss_fn(output[None], target[None])

        width = self.outputs
        bend = vmap(hessian(loss))(outputs, targets).detach().reshape(-1, width, width)
        return vmap(grad(loss))(outputs, targets).detach().flatten(1), bend


def _wide(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
