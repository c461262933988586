"""The trace of a matrix known by its products.

It is anything with ``dim``, ``device``, ``dtype`` and ``matmul``, such as
`CurvatureOperator`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Estimate
from prunelimit.names import require_known
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
