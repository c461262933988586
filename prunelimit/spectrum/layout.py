"""How the second derivative of a loss in the outputs falls into blocks.

A loss of ``(n, C)`` logits couples the C outputs of an example. One of ``(n, C, height, width)``
or ``(n, tokens, C)`` couples those of a position only, and a squared error none at all. The
blocks are found by a probe: they are blocks if and only if H_out (s * y) = s * (H_out y) for
signs s that are constant on each (for random s and y: almost surely).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class OutputLayout:
    """Outputs as ``(positions, width)``, the first examples' positions first.

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
        """``(positions, width)`` of outputs of any number of examples."""
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


STEPS = 32
"""Lanczos steps in the blocks of H_out: blocks of up to so many outputs are known whole."""


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
