"""The Gauss-Newton matrix seen from the examples: N C by N C instead of D by D.

With H_out = S S^T for every example, the Gauss-Newton matrix is A^T A with
A = S^T J / sqrt(N), one row an output of an example. A A^T has the same
eigenvalues but for zeros (exact), so that where N C < D its Krylov vectors are
shorter, and its probes waste no randomness on directions that no example sees.

Where several processes share the examples, each has the rows of its own: A^T u is
summed over them, and the parts of A v are put one after another, in the order of
the ranks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError
from prunelimit.spectrum.dense import dense_matrix
from prunelimit.spectrum.linearise import GaussNewtonChunk, explained
from prunelimit.spectrum.operator import CurvatureOperator, add_pieces, require_finite


class GramOperator:
    """A A^T of a Gauss-Newton operator A^T A; see the module's text.

    The operator is one of kind "ggn"; `dim` is the number of all examples' outputs, N C.

    Raises
    ------
    PruneLimitError
        If the operator is no Gauss-Newton matrix.

    Examples
    --------
    >>> model = torch.nn.Linear(3, 1, bias=False)
    >>> data = [(torch.tensor([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]]), torch.zeros(2, 1))]
    >>> operator = CurvatureOperator(model, torch.nn.functional.mse_loss, data)
    >>> GramOperator(operator).matmul(torch.eye(2)).round(decimals=5)
    tensor([[1., 0.],
            [0., 9.]])
    """

    def __init__(self, operator: CurvatureOperator) -> None:
        if operator.kind != "ggn":
            raise PruneLimitError(
                f"the {operator.kind} has no Gram form; use CurvatureOperator(..., kind='ggn')"
            )
        self.operator = operator
        self.device, self.dtype = operator.device, operator.dtype
        self._roots: list[Tensor] = []
        with operator.context(), explained():
            for chunk, share in operator.linearised():
                assert isinstance(chunk, GaussNewtonChunk)
                self._roots.append(chunk.root() * share**0.5)
        rows = operator.world.gather(sum(root.shape[0] * root.shape[1] for root in self._roots))
        self.dim = sum(rows)
        self._first = sum(rows[: operator.world.rank])

    def matmul(self, vectors: Tensor) -> Tensor:
        """A A^T times a vector ``(dim,)`` or the columns of a block ``(dim, block)``.

        Raises
        ------
        PruneLimitError
            If the product is not finite.
        """
        columns = vectors.detach().reshape(self.dim, -1).to(self.device, self.dtype)
        total = self._pull(columns)
        images = self.push(total.to(self.dtype))
        require_finite(images, self.dtype)
        return images.reshape(vectors.shape).to(vectors.device, vectors.dtype)

    def dense(self, progress: bool | None = False) -> Tensor:
        """The matrix ``(dim, dim)`` itself; see `CurvatureOperator.dense`."""
        return dense_matrix(self, progress)

    def _pull(self, columns: Tensor) -> Tensor:
        """A^T times the columns, as rows ``(block, D)``."""
        total = self.operator.zeros(columns.shape[1])
        sums = [self.operator.pieces(row) for row in total]
        start = self._first
        with self.operator.context(), explained():
            for (chunk, _), root in zip(self.operator.linearised(), self._roots, strict=True):
                assert isinstance(chunk, GaussNewtonChunk)
                stop = start + root.shape[0] * root.shape[1]
                for column, target in zip(columns[start:stop].T, sums, strict=True):
                    bent = torch.einsum("nck,nk->nc", root, column.reshape(root.shape[:2]))
                    add_pieces(target, chunk.pull(chunk.layout.join(bent)), 1.0)
                start = stop
        return self.operator.world.sum(total)

    def push(self, rows: Tensor) -> Tensor:
        """A times the rows, as columns ``(dim, block)``."""
        vectors = [self.operator.directions(row) for row in rows]
        images = torch.zeros(self.dim, len(rows), dtype=self.dtype, device=self.device)
        start = self._first
        with self.operator.context(), explained():
            for (chunk, _), root in zip(self.operator.linearised(), self._roots, strict=True):
                assert isinstance(chunk, GaussNewtonChunk)
                pushed = [chunk.layout.split(chunk.push(vector)) for vector in vectors]
                stacked = torch.stack(pushed, dim=-1)
                part = torch.einsum("nck,ncb->nkb", root, stacked).flatten(0, 1)
                images[start : start + len(part)] = part
                start += len(part)
        return self.operator.world.sum(images)
