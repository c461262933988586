"""One chunk of data, prepared so that many vectors can be multiplied at the cost of a few passes.

Each class builds what does not depend on the vector once, as an autograd graph
that is kept, and `apply` walks that graph. Reverse mode covers every
differentiable layer; forward mode, which does not, serves convolutions where it
can, since it is quicker there by measurement. Only `torch.autograd.grad` is used,
which leaves no cycle between parameters and their gradients' graph as
``backward(create_graph=True)`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import LossFunction, ran_out_of_memory, scalar_loss
from prunelimit.network.evaluate import evaluation_mode

Pieces = Sequence[Tensor]

Push = Callable[[Pieces], Tensor]
"""J times a vector given parameter by parameter, shaped as the outputs."""

STEPS = 32
"""Lanczos steps in the blocks of H_out: blocks of up to so many outputs are known whole."""

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


@contextmanager
def curvature_context(model: nn.Module) -> Iterator[None]:
    """Eval mode, full float32 products and twice-differentiable attention; all restored.

    Batch normalisation, an affine map once it is frozen, is computed as one: torch's own
    keeps twice the memory for the second derivative.

    Examples
    --------
    >>> model = nn.Dropout(0.5)
    >>> with curvature_context(model):
    ...     model.training
    False
    >>> model.training
    True
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32)
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    # What has statistics of its own, and no forward of its own already.
    frozen: list[Any] = [
        module
        for module in model.modules()
        if type(module) in BATCH_NORMS and module.running_var is not None
        if "forward" not in vars(module)
    ]
    try:
        for norm in frozen:
            norm.forward = partial(_affine, norm)
        with evaluation_mode(model), sdpa_kernel(SDPBackend.MATH), _uncompiled(model):
            yield
    finally:
        for norm in frozen:
            del norm.forward
        matmul.allow_tf32, cudnn.allow_tf32 = before


def _uncompiled(model: nn.Module) -> AbstractContextManager[Any]:
    """Compiled parts run as they were written: what compilers make has no second derivative."""
    compiled = any(
        type(module).__name__ == "OptimizedModule" or module._compiled_call_impl is not None
        for module in model.modules()
    )
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


@contextmanager
def explained() -> Iterator[None]:
    """What autograd raises on a model that cannot be differentiated twice, in the user's terms.

    Raises
    ------
    PruneLimitError
        In place of a RuntimeError, unless memory ran out.
    """
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        if ran_out_of_memory(error):
            raise
        if "is not implemented" in str(error):
            remedy = (
                "Torch lacks the second derivative of a layer: leave its weights out by "
                "parameters=, or write it in other operations (EmbeddingBag as Embedding and mean)"
            )
        elif "Sparse" in str(error):
            remedy = "Set sparse=False on embeddings: sparse gradients have no second derivative"
        elif "reentrant" in str(error):
            remedy = "Checkpoint with use_reentrant=False"
        else:
            remedy = (
                "Look for custom backwards: a torch.autograd.Function needs one that autograd can "
                "follow, and no once_differentiable"
            )
        raise PruneLimitError(
            f"the model cannot be differentiated twice: {str(error).strip('. ')[:300]}. {remedy}"
        ) from error


def _affine(module: BatchNorm, inputs: Tensor) -> Tensor:
    """What frozen batch normalisation does to ``(n, channels, ...)``."""
    assert module.running_mean is not None and module.running_var is not None
    scale = torch.rsqrt(module.running_var + module.eps)
    scale = scale if module.weight is None else scale * module.weight
    shift = -module.running_mean * scale
    shift = shift if module.bias is None else shift + module.bias
    shape = (-1,) + (1,) * (inputs.ndim - 2)
    return torch.addcmul(shift.view(shape), inputs, scale.view(shape))


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
        self.loss = loss.detach()
        grads = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
        # A gradient that does not depend on the weights (a linear loss) has no graph: H is 0 there.
        self.curved = [i for i, g in enumerate(grads) if g is not None and g.requires_grad]
        self.grads = [grads[i] for i in self.curved]

    def apply(self, vector: Pieces) -> Sequence[Tensor | None]:
        """The chunk's mean H times a vector given parameter by parameter."""
        if not self.curved:
            return [None] * len(self.parameters)
        return torch.autograd.grad(
            self.grads,
            self.parameters,
            [vector[i] for i in self.curved],
            retain_graph=True,
            allow_unused=True,
        )


@dataclass(frozen=True)
class OutputLayout:
    """How the second derivative of a loss in the outputs, H_out, falls into blocks.

    A loss of ``(n, C)`` logits couples the C outputs of an example. One of ``(n, C, height,
    width)`` or ``(n, tokens, C)`` couples those of a position only, a squared error none at all.
    A block of `width` entries spans dimension `dim`, or where that is None an example.

    Examples
    --------
    >>> layout = OutputLayout((2, 3, 4), dim=1, width=3)
    >>> outputs = torch.arange(24.0).view(2, 3, 4)
    >>> layout.split(outputs).shape, torch.equal(layout.join(layout.split(outputs)), outputs)
    (torch.Size([8, 3]), True)
    """

    shape: tuple[int, ...]
    dim: int | None
    width: int

    def split(self, outputs: Tensor) -> Tensor:
        """``(positions, width)`` of outputs, the first examples' positions first."""
        if self.dim is None:
            return outputs.reshape(-1, self.width)
        return outputs.movedim(self.dim, -1).reshape(-1, self.width)

    def join(self, blocks: Tensor) -> Tensor:
        """The inverse of `split`, for all examples."""
        if self.dim is None:
            return blocks.reshape(self.shape)
        rest = [size for dim, size in enumerate(self.shape) if dim != self.dim]
        return blocks.reshape(*rest, self.width).movedim(-1, self.dim)


def find_layout(bend: Callable[[Tensor], Tensor], outputs: Tensor) -> OutputLayout:
    """The finest layout that `bend`, the product with H_out, allows.

    Its blocks are found by a probe: they are blocks if and only if H_out (s * y) = s * (H_out y)
    for signs s that are constant on each (for random s and y: almost surely).

    Examples
    --------
    >>> find_layout(lambda tangent: 2 * tangent, torch.zeros(3, 4)).width  # squared error
    1
    """
    shape = tuple(outputs.shape)
    if len(shape) < 2:
        return OutputLayout(shape, None, 1)
    whole = OutputLayout(shape, None, outputs[0].numel())
    columns = [OutputLayout(shape, dim, shape[dim]) for dim in range(len(shape) - 1, 0, -1)]
    generator = torch.Generator().manual_seed(0)
    tangent = torch.randn(shape, generator=generator).to(outputs)
    image = bend(tangent)
    scale = float(image.abs().max())
    for layout in (OutputLayout(shape, None, 1), *(columns if len(shape) > 2 else ())):
        if layout.width >= whole.width:
            break
        signs = torch.randint(0, 2, (outputs.numel() // layout.width, 1), generator=generator)
        spread = layout.join((2 * signs - 1).to(outputs).expand(-1, layout.width))
        if float((bend(spread * tangent) - spread * image).abs().max()) <= 1e-5 * scale:
            return layout
    return whole


def curvature_ends(
    bend: Callable[[Tensor], Tensor], layout: OutputLayout, outputs: Tensor
) -> tuple[float, float]:
    """Lowest and highest eigenvalue of the blocks of H_out, by Lanczos in all of them at once.

    Of blocks wider than `STEPS` they are Ritz values, between the true ones.

    Examples
    --------
    >>> outputs = torch.zeros(2, 2, dtype=torch.float64)
    >>> swapped = OutputLayout((2, 2), None, 2)
    >>> [round(end, 9) for end in curvature_ends(lambda y: y.flip(1), swapped, outputs)]
    [-1.0, 1.0]
    """
    drawn = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0))
    vector = layout.split(drawn.to(outputs))
    vector = vector / vector.norm(dim=1, keepdim=True)
    tiny = torch.finfo(vector.dtype).tiny
    before, length = torch.zeros_like(vector), torch.zeros_like(vector[:, :1])
    diagonal, beside = [], []
    for _ in range(min(layout.width, STEPS)):
        image = layout.split(bend(layout.join(vector))) - length * before
        diagonal.append((image * vector).sum(1))
        image = image - diagonal[-1][:, None] * vector
        length = image.norm(dim=1, keepdim=True)
        beside.append(length[:, 0])
        before, vector = vector, image / length.clamp_min(tiny)
    matrix = torch.diag_embed(torch.stack(diagonal, 1))
    for offset in (1, -1) if len(beside) > 1 else ():
        matrix = matrix + torch.diag_embed(torch.stack(beside[:-1], 1), offset)
    values = torch.linalg.eigvalsh(matrix.double())
    return float(values.min()), float(values.max())


class GaussNewtonChunk:
    """J^T H_out J.

    J v comes from differentiating the linear map u -> J^T u once more, a walk through a
    kept graph that repeats no primal pass. Of a convolution, that walk takes four
    convolutions, two of which nobody asked for; forward mode takes three, the primal one
    included, and keeps nothing. `push` therefore uses it for models that convolve, if all
    their layers have it.
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
        self.push = _forward_push(model, parameters, inputs) or self._reverse_push()
        self.leaf = self.outputs.detach().requires_grad_()
        loss = scalar_loss(loss_fn, self.leaf, targets)
        self.loss = loss.detach()
        (self.slope,) = torch.autograd.grad(loss, self.leaf, create_graph=True)

    def _reverse_push(self) -> Push:
        cotangent = torch.zeros_like(self.outputs, requires_grad=True)
        pulled = torch.autograd.grad(
            self.outputs, self.parameters, cotangent, create_graph=True, allow_unused=True
        )
        used = [i for i, g in enumerate(pulled) if g is not None and g.requires_grad]
        if not used:
            return lambda vector: torch.zeros_like(self.outputs)

        def push(vector: Pieces) -> Tensor:
            (pushed,) = torch.autograd.grad(
                [pulled[i] for i in used], cotangent, [vector[i] for i in used], retain_graph=True
            )
            return pushed

        return push

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
        """The chunk's mean J^T H_out J times a vector given parameter by parameter."""
        return self.pull(self.bend(self.push(vector)))

    @cached_property
    def layout(self) -> OutputLayout:
        """How H_out falls into blocks."""
        return find_layout(self.bend, self.outputs)

    def output_curvature(self) -> Tensor:
        """H_out as blocks ``(positions, width, width)`` of `layout`, of the chunk's mean loss."""
        layout, columns = self.layout, []
        for index in range(layout.width):
            unit = torch.zeros_like(layout.split(self.outputs.detach()))
            unit[:, index] = 1.0
            columns.append(layout.split(self.bend(layout.join(unit))))
        return torch.stack(columns, dim=1)

    def root(self) -> Tensor:
        """S ``(positions, width, width)`` with S S^T the second derivative in each block's outputs.

        A part that is not convex is left out; `prunelimit.spectrum.gate` refuses such a loss.
        """
        values, vectors = torch.linalg.eigh(self.output_curvature().double())
        return (vectors * values.clamp_min(0).sqrt()[:, None, :]).to(self.outputs.dtype)


def _forward_push(model: nn.Module, parameters: list[nn.Parameter], inputs: Tensor) -> Push | None:
    """J v in forward mode; None where nothing convolves or some layer does not have it."""
    if all(parameter.ndim <= 2 for parameter in parameters):
        return None
    known = {parameter: name for name, parameter in model.named_parameters()}
    names = [known[parameter] for parameter in parameters]

    def push(vector: Pieces, examples: Tensor = inputs) -> Tensor:
        with torch.no_grad(), forward_ad.dual_level():
            duals = {
                name: forward_ad.make_dual(parameter.detach(), piece)
                for name, parameter, piece in zip(names, parameters, vector, strict=True)
            }
            primal, tangent = forward_ad.unpack_dual(functional_call(model, duals, (examples,)))
        return torch.zeros_like(primal) if tangent is None else tangent

    try:
        push(parameters, inputs[:1])
    except Exception:  # each layer that lacks it raises an error of its own kind
        return None
    return push


Linearisation = HessianChunk | GaussNewtonChunk
LINEARISATIONS: dict[str, type[Linearisation]] = {
    "hessian": HessianChunk,
    "ggn": GaussNewtonChunk,
}
