"""A curvature as the matrix itself: from its columns, or from the Jacobian of every example.

A column of the Gauss-Newton matrix costs a pass over the data, so that D columns
cost D passes. Its factors cost C: with all N C rows of the Jacobian in hand, the
matrix is one multiplication, and convolutions (whose few weights are used in many
places) are differentiated C times instead of D times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from prunelimit.progress import track
from prunelimit.spectrum.linearise import GaussNewtonChunk
from prunelimit.spectrum.matrix import SymmetricMatrix

DENSE_BLOCK = 64
"""Columns computed at once when the matrix itself is built."""

ROW_BYTES = 2**27
"""Bytes of Jacobian to hold at once."""

EXAMPLES_AT_ONCE = 32
"""Examples differentiated at once: fastest by measurement on small convolutional networks."""


def dense_matrix(matrix: SymmetricMatrix, progress: bool | None = False) -> Tensor:
    """The symmetric matrix ``(dim, dim)`` behind products, from its columns."""
    dim = matrix.dim
    found = torch.empty(dim, dim, dtype=matrix.dtype, device=matrix.device)
    for start in track(range(0, dim, DENSE_BLOCK), "curvature, all columns", enabled=progress):
        width = min(DENSE_BLOCK, dim - start)
        units = torch.zeros(dim, width, dtype=matrix.dtype, device=matrix.device)
        units[start : start + width].fill_diagonal_(1.0)
        found[:, start : start + width] = matrix.matmul(units)
    return (found + found.T) / 2


def example_jacobians(model: nn.Module, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """The Jacobian of each example's outputs in the parameters, ``(n, outputs, dim)``.

    The model treats its examples apart, and is made of operations that `torch.func.vmap` knows.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> example_jacobians(model, dict(model.named_parameters()), torch.eye(2))
    tensor([[[1., 0.]],
    <BLANKLINE>
            [[0., 1.]]])
    """

    def outputs(values: dict[str, Tensor], example: Tensor) -> Tensor:
        result: Tensor = functional_call(model, values, (example[None],))
        return result.flatten()

    values = {name: parameter.detach() for name, parameter in parameters.items()}
    blocks = vmap(jacrev(outputs), (None, 0))(values, inputs)
    return torch.cat([blocks[name].flatten(2) for name in parameters], dim=2)


def matrix_from_jacobians(operator: Any) -> Tensor | None:
    """J^T H_out J from its factors; None if that cannot be had, or is not quicker."""
    if not _positions_shared(operator):
        return None
    jacobians = partial(example_jacobians, operator.model, operator.parameters)
    dim = operator.dim
    return matrix_of_factors(operator, jacobians, torch.arange(dim), operator.outputs * dim)


def _positions_shared(operator: Any) -> bool:
    """Whether some weight is used at several positions of an example: pixels or tokens.

    Elsewhere the products are as quick by measurement.
    """
    wanted = {id(parameter) for parameter in operator.parameters.values()}
    if any(parameter.ndim > 2 for parameter in operator.parameters.values()):
        return True
    shapes: list[int] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor):
            shapes.append(inputs[0].ndim)

    hooks = [
        module.register_forward_pre_hook(note)
        for module in operator.model.modules()
        if any(id(p) in wanted for p in module._parameters.values())
    ]
    try:
        if operator.own_examples:
            inputs, _ = operator.data.some(2)
            with operator.context(), torch.no_grad():
                operator.model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return any(operator.world.gather(any(ndim > 2 for ndim in shapes)))


def matrix_of_factors(
    operator: Any,
    jacobians: Callable[[Tensor], Tensor],
    positions: Tensor,
    entries: int,
    progress: bool | None = False,
) -> Tensor | None:
    """The mean of J^T H_out J among the weights at `positions` ``(s,)``, or None in all processes.

    `jacobians` ``(n, outputs, s)`` of n inputs hold `entries` numbers for each while they are made.
    """
    nbytes = entries * operator.dtype.itemsize
    if nbytes > 8 * ROW_BYTES:
        return None
    size = min(EXAMPLES_AT_ONCE, max(1, ROW_BYTES // nbytes))
    shape = (len(positions), len(positions))
    matrix = torch.zeros(shape, dtype=operator.dtype, device=operator.device)
    failed = False
    try:
        with operator.context():
            chunks = zip(operator.data.chunks(operator.chunk), operator.linearised(), strict=True)
            for (inputs, _, _), (chunk, share) in track(chunks, "curvature", enabled=progress):
                _add_factors(matrix, chunk, share, map(jacobians, inputs.split(size)))
    except Exception:  # torch.func has a kind of its own for every layer that it does not know
        failed = True
    if any(operator.world.gather(failed)):
        return None
    matrix = operator.world.sum(matrix)
    # One product checks the whole: a model may behave otherwise on one example at a time.
    direction = torch.linspace(-1.0, 1.0, len(matrix)).to(matrix)
    padded = torch.zeros(operator.dim).to(matrix)
    padded[positions] = direction
    found = operator.matmul(padded)[positions]
    tolerance = 1e3 * torch.finfo(operator.dtype).eps * float(matrix.norm() * direction.norm())
    agrees = float((matrix @ direction - found).norm()) <= tolerance
    return (matrix + matrix.T) / 2 if all(operator.world.gather(agrees)) else None


def _add_factors(
    matrix: Tensor, chunk: GaussNewtonChunk, share: float, jacobians: Iterable[Tensor]
) -> None:
    curvature = chunk.output_curvature().detach() * share
    start = 0
    for jacobian in jacobians:
        outputs = jacobian.detach().reshape(-1, *chunk.layout.shape[1:], len(matrix))
        rows = vmap(chunk.layout.split, -1, -1)(outputs)
        bend = curvature[start : start + len(rows)]
        start += len(rows)
        bent = rows * bend if chunk.layout.width == 1 else torch.bmm(bend, rows)
        matrix.addmm_(rows.flatten(0, 1).T, bent.flatten(0, 1))
