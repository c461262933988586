"""One chunk of data, prepared so that many vectors can be multiplied at the cost of a few passes.

Each class builds what does not depend on the vector once, as an autograd graph
that is kept, and `apply` walks that graph. Both use only reverse mode, so that
every differentiable layer is covered (forward mode lacks, among others, fused
attention), and only `torch.autograd.grad`, which leaves no cycle between
parameters and their gradients' graph as ``backward(create_graph=True)`` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from prunelimit.errors import PruneLimitError
from prunelimit.spectrum.checks import LossFunction, scalar_loss

Pieces = Sequence[Tensor]


class Linearisation(Protocol):
    """What the operator asks of a chunk."""

    def apply(self, vector: Pieces) -> Sequence[Tensor | None]:
        """The chunk's mean curvature times a vector given parameter by parameter."""


@contextmanager
def curvature_context(model: nn.Module, allow_tf32: bool = False) -> Iterator[None]:
    """Eval mode, full float32 products and twice-differentiable attention; all restored.

    Examples
    --------
    >>> model = nn.Dropout(0.5)
    >>> with curvature_context(model):
    ...     model.training
    False
    >>> model.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32)
    matmul.allow_tf32, cudnn.allow_tf32 = allow_tf32, allow_tf32
    model.eval()
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
        for module, mode in modes:
            module.training = mode


class HessianChunk:
    """Reverse over reverse: the gradient's graph is kept, a product is its vector-Jacobian product.

    The Hessian is symmetric, hence H v = d<grad L, v>/dw (Pearlmutter 1994).
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFunction,
        parameters: list[nn.Parameter],
        inputs: Tensor,
        targets: Tensor,
    ) -> None:
        self.parameters = parameters
        loss = scalar_loss(loss_fn, model(inputs), targets)
        grads = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
        # A gradient that does not depend on the weights (a linear loss) has no graph: H is 0 there.
        self.curved = [i for i, g in enumerate(grads) if g is not None and g.requires_grad]
        self.grads = [grads[i] for i in self.curved]

    def apply(self, vector: Pieces) -> Sequence[Tensor | None]:
        """H v, see `Linearisation.apply`."""
        if not self.curved:
            return [None] * len(self.parameters)
        return torch.autograd.grad(
            self.grads,
            self.parameters,
            [vector[i] for i in self.curved],
            retain_graph=True,
            allow_unused=True,
        )


class GaussNewtonChunk:
    """J^T H_out J, with J v by differentiating the linear map u -> J^T u once more.

    All three factors are walks through kept graphs: no primal pass is repeated.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFunction,
        parameters: list[nn.Parameter],
        inputs: Tensor,
        targets: Tensor,
    ) -> None:
        self.parameters = parameters
        self.outputs = model(inputs)
        self.cotangent = torch.zeros_like(self.outputs, requires_grad=True)
        pulled = torch.autograd.grad(
            self.outputs, parameters, self.cotangent, create_graph=True, allow_unused=True
        )
        self.used = [i for i, g in enumerate(pulled) if g is not None and g.requires_grad]
        self.pulled = [pulled[i] for i in self.used]
        self.leaf = self.outputs.detach().requires_grad_()
        loss = scalar_loss(loss_fn, self.leaf, targets)
        (self.slope,) = torch.autograd.grad(loss, self.leaf, create_graph=True)

    def push(self, vector: Pieces) -> Tensor:
        """J v, shaped as the outputs."""
        if not self.used:
            return torch.zeros_like(self.outputs)
        (pushed,) = torch.autograd.grad(
            self.pulled, self.cotangent, [vector[i] for i in self.used], retain_graph=True
        )
        return pushed

    def pull(self, cotangent: Tensor) -> Sequence[Tensor | None]:
        """J^T u, parameter by parameter."""
        return torch.autograd.grad(
            self.outputs, self.parameters, cotangent, retain_graph=True, allow_unused=True
        )

    def bend(self, tangent: Tensor) -> Tensor:
        """H_out y, the second derivative of the chunk's mean loss in the outputs."""
        if not self.slope.requires_grad:
            return torch.zeros_like(tangent)
        (bent,) = torch.autograd.grad(self.slope, self.leaf, tangent, retain_graph=True)
        return bent

    def apply(self, vector: Pieces) -> Sequence[Tensor | None]:
        """J^T H_out J v, see `Linearisation.apply`."""
        return self.pull(self.bend(self.push(vector)))

    def output_curvature(self) -> Tensor:
        """H_out ``(n, C, C)``: the second derivative of the mean loss in each example's outputs."""
        n, outputs = self.outputs.shape[0], self.outputs[0].numel()
        rows = []
        for index in range(outputs):
            unit = torch.zeros(n, outputs, dtype=self.outputs.dtype, device=self.outputs.device)
            unit[:, index] = 1.0
            rows.append(self.bend(unit.view_as(self.outputs)).reshape(n, outputs))
        return torch.stack(rows, dim=1)

    def root(self) -> Tensor:
        """S ``(n, C, C)`` with S S^T the second derivative in each example's C outputs.

        Raises
        ------
        PruneLimitError
            If the loss is not convex in the outputs.
        """
        values, vectors = torch.linalg.eigh(self.output_curvature().double())
        if float(values.min()) < -1e-4 * float(values.abs().max()):
            raise PruneLimitError(
                f"the loss is not convex in the model's outputs (a second derivative of "
                f"{float(values.min()):.3g}), so its Gauss-Newton matrix is indefinite; use "
                "policy='abs' or 'clip'"
            )
        return (vectors * values.clamp_min(0).sqrt()[:, None, :]).to(self.outputs.dtype)


LINEARISATIONS: dict[str, type[HessianChunk] | type[GaussNewtonChunk]] = {
    "hessian": HessianChunk,
    "ggn": GaussNewtonChunk,
}
