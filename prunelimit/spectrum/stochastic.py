"""Trace, diagonal, row norms and top eigenpairs of a matrix known by its products.

All take anything with ``dim``, ``device``, ``dtype`` and ``matmul``, such as
`CurvatureOperator`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError, require
from prunelimit.estimates import Estimate
from prunelimit.names import require_known
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.krylov import KrylovSpace
from prunelimit.spectrum.matrix import SymmetricMatrix
from prunelimit.spectrum.search import rademacher

TRACE_METHODS = ("xtrace", "hutch++", "hutchinson")


def estimate_trace(
    matrix: SymmetricMatrix, products: int = 30, method: str = "xtrace", seed: int = 0
) -> Estimate:
    """Trace of a symmetric matrix from a number of products.

    Parameters
    ----------
    matrix
        The matrix.
    products
        Budget; "xtrace" and "hutch++" need at least 6.
    method
        "xtrace" (Epperly, Tropp and Webber 2024; the best of the three on curvature
        matrices with outliers), "hutch++" (Meyer, Musco, Musco and Woodruff 2021) or
        "hutchinson" (Rademacher probes).
    seed
        Of the probes.

    Returns
    -------
    Estimate
        The standard error is the sample's (heuristic for "xtrace", whose terms
        share their low-rank part).

    Raises
    ------
    PruneLimitError
        If the method is unknown or the budget too small.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> identity = SimpleNamespace(
    ...     dim=50, device="cpu", dtype=torch.float64, matmul=lambda vectors: vectors
    ... )
    >>> round(estimate_trace(identity, products=10).value, 9)
    50.0
    """
    require_known("method", method, TRACE_METHODS)
    least = 2 if method == "hutchinson" else 6
    if products < least:
        raise PruneLimitError(f"products={products} is too few for {method!r}; use {least} or more")
    if method == "hutchinson":
        return _mean(_quadratic_forms(matrix, probe_block(matrix, products, seed)))
    return (
        _xtrace(matrix, products, seed) if method == "xtrace" else _hutchpp(matrix, products, seed)
    )


def probe_block(matrix: SymmetricMatrix, count: int, seed: int) -> Tensor:
    """Rademacher probes ``(dim, count)``."""
    probes = [rademacher(matrix.dim, seed, index) for index in range(count)]
    return torch.stack(probes, dim=1).to(matrix.device, matrix.dtype)


def _mean(values: Tensor) -> Estimate:
    stderr = float(values.std()) / len(values) ** 0.5
    return Estimate(float(values.mean()), stderr)


def _quadratic_forms(matrix: SymmetricMatrix, vectors: Tensor) -> Tensor:
    return (vectors.double() * matrix.matmul(vectors).double()).sum(0)


def _hutchpp(matrix: SymmetricMatrix, products: int, seed: int) -> Estimate:
    """A third of the budget for a low-rank sketch, a third for its trace, a third for the rest."""
    third = products // 3
    probes = probe_block(matrix, third + products - 2 * third, seed)
    frame = torch.linalg.qr(matrix.matmul(probes[:, :third]).double())[0]
    known = _quadratic_forms(matrix, frame.to(matrix.dtype)).sum()
    rest = probes[:, third:].double()
    rest = rest - frame @ (frame.T @ rest)
    remainder = _mean(_quadratic_forms(matrix, rest.to(matrix.dtype)))
    return Estimate(float(known) + remainder.value, remainder.stderr)


def _xtrace(matrix: SymmetricMatrix, products: int, seed: int) -> Estimate:
    """Every probe is tested on the low-rank sketch that all the others make.

    With Y = A Omega = Q R, leaving probe i out of the sketch removes the direction
    Q s_i, s_i the normalised i-th column of R^-T (Epperly et al. 2024, section 2.3).
    """
    count = min(products // 2, matrix.dim)
    probes = probe_block(matrix, count, seed)
    images = matrix.matmul(probes).double()
    frame, triangle = torch.linalg.qr(images)
    inner = frame.T @ matrix.matmul(frame.to(matrix.dtype)).double()
    # On a matrix of lower rank the last pivots are rounding; any tiny number does in their place.
    pivots = triangle.diagonal()
    floor = 1e-14 * float(pivots.abs().max()) + 1e-300
    padded = triangle + torch.diag(torch.where(pivots.abs() < floor, floor, 0.0))
    unit = torch.eye(count, dtype=padded.dtype, device=padded.device)
    removed = torch.linalg.solve_triangular(padded, unit, upper=True).T
    removed = removed / removed.norm(dim=0)
    inside = frame.T @ probes.double()
    inside = inside - removed * (removed * inside).sum(0)
    rest = (probes.double() * images).sum(0) - 2 * (inside * triangle).sum(0)
    rest = rest + (inside * (inner @ inside)).sum(0)
    norms = matrix.dim - (inside**2).sum(0)
    scale = torch.where(norms > 1e-9, (matrix.dim - count + 1) / norms, torch.zeros_like(norms))
    known = torch.trace(inner) - (removed * (inner @ removed)).sum(0)
    return _mean(known + scale * rest)


def estimate_diagonal(matrix: SymmetricMatrix, products: int = 30, seed: int = 0) -> Tensor:
    """Diagonal ``(dim,)`` by Rademacher probes, mean of z * A z (Bekas, Kokiopoulou and Saad 2007).

    The variance of entry i is the sum of the squares of row i's other entries,
    over `products`.

    Raises
    ------
    PruneLimitError
        If `products` is below 1.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> scaled = SimpleNamespace(
    ...     dim=2, device="cpu", dtype=torch.float64, matmul=lambda vectors: 3 * vectors
    ... )
    >>> estimate_diagonal(scaled, products=2)
    tensor([3., 3.], dtype=torch.float64)
    """
    require(products >= 1, "products", products, "at least 1")
    total = torch.zeros(matrix.dim, dtype=torch.float64, device=matrix.device)
    for index in range(products):
        probe = rademacher(matrix.dim, seed, index).to(matrix.device, matrix.dtype)
        total += probe.double() * matrix.matmul(probe).double()
    return total / products


def row_l1_norms(matrix: SymmetricMatrix, rows: Sequence[int], block: int = 16) -> Tensor:
    """The l1 norms ``(len(rows),)`` of some rows: one product with a unit vector each.

    Raises
    ------
    PruneLimitError
        If a row is outside the matrix.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> scaled = SimpleNamespace(
    ...     dim=2, device="cpu", dtype=torch.float64, matmul=lambda vectors: -3 * vectors
    ... )
    >>> row_l1_norms(scaled, [1])
    tensor([3.], dtype=torch.float64)
    """
    norms = []
    for start in range(0, len(rows), block):
        chosen = torch.as_tensor(list(rows[start : start + block]), device=matrix.device)
        if bool(((chosen < 0) | (chosen >= matrix.dim)).any()):
            raise PruneLimitError(f"rows must lie in 0 … {matrix.dim - 1}, got {chosen.tolist()}")
        units = torch.zeros(matrix.dim, len(chosen), dtype=matrix.dtype, device=matrix.device)
        units[chosen, torch.arange(len(chosen), device=matrix.device)] = 1.0
        norms.append(matrix.matmul(units).double().abs().sum(0))
    return torch.cat(norms) if norms else torch.zeros(0, dtype=torch.float64)


def top_eigenpairs(
    matrix: SymmetricMatrix, count: int = 10, tolerance: float = 1e-3, seed: int = 0
) -> tuple[np.ndarray, Tensor, np.ndarray]:
    """Eigenpairs of largest |curvature|, by a Krylov space from one random start.

    Of a multiple eigenvalue one copy is found.

    Parameters
    ----------
    matrix
        The matrix.
    count
        How many.
    tolerance
        Largest residual |A u - theta u|, relative to the largest |curvature|.
    seed
        Of the start vector.

    Returns
    -------
    values, vectors, residuals
        ``(count,)`` by falling |value|; ``(dim, count)``; ``(count,)``. Within
        residuals[i] of values[i] there is an eigenvalue (exact).

    Raises
    ------
    PruneLimitError
        If `count` is not between 1 and the dimension.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> diagonal = torch.arange(20.0, dtype=torch.float64)
    >>> matrix = SimpleNamespace(
    ...     dim=20, device="cpu", dtype=torch.float64, matmul=lambda v: diagonal * v
    ... )
    >>> top_eigenpairs(matrix, 2)[0].round(3).tolist()
    [19.0, 18.0]
    """
    require(1 <= count <= matrix.dim, "count", count, f"in 1 … {matrix.dim}, the dimension")
    space = KrylovSpace(Basis(matrix.dim, matrix.dtype, matrix.device), matrix.dtype)
    space.add_start(rademacher(matrix.dim, seed, 0))
    while True:
        values, coordinates, residuals = space.ritz() if space.products else (np.zeros(0),) * 3
        order = np.argsort(-np.abs(values))[:count]
        found = len(order) == count and np.all(residuals[order] <= tolerance * np.abs(values).max())
        if found or space.exhausted:
            vectors = space.ritz_vectors(np.ascontiguousarray(coordinates[:, order]))
            return values[order], vectors, residuals[order]
        for _ in range(max(2 * count - space.products, max(4, space.products // 8))):
            if not space.exhausted:
                space.grow(matrix.matmul)
