"""Gauss rules from the tridiagonal matrix of a Lanczos run (no torch in here).

A Lanczos run from the unit vector v with m products leaves the diagonal
`alphas` (m,) and the off-diagonal `betas` (m,), the last of which couples to
the vector that was not multiplied any more. The rules below integrate against
the spectral measure of v: nodes (in units of curvature) and weights that sum
to 1. Source: Golub and Meurant (2010), *Matrices, Moments and Quadrature*,
chapter 6.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, eigh_tridiagonal

from prunelimit.spectrum.bracket import Array


def tridiagonal_rule(diagonal: Array, off_diagonal: Array) -> tuple[Array, Array]:
    """Nodes and weights of the Gauss rule whose Jacobi matrix is given.

    Parameters
    ----------
    diagonal
        ``(m,)``.
    off_diagonal
        ``(m - 1,)``.

    Returns
    -------
    nodes, weights
        Ascending eigenvalues, and the squared first components of the
        eigenvectors (Golub and Welsch 1969).

    Examples
    --------
    >>> nodes, weights = tridiagonal_rule(np.array([1.0, 1.0]), np.array([1.0]))
    >>> nodes.round(12).tolist(), weights.round(12).tolist()
    ([0.0, 2.0], [0.5, 0.5])
    """
    if len(diagonal) == 1:
        return np.array(diagonal, dtype=float), np.ones(1)
    try:
        nodes, vectors = eigh_tridiagonal(diagonal, off_diagonal)
    except LinAlgError:  # the default driver can fail on tightly clustered values
        nodes, vectors = eigh_tridiagonal(diagonal, off_diagonal, lapack_driver="stev")
    return nodes, vectors[0] ** 2


def gauss(alphas: Array, betas: Array) -> tuple[Array, Array]:
    """Gauss rule, exact for polynomials up to degree 2m - 1 (Golub and Meurant, theorem 6.1).

    Examples
    --------
    >>> nodes, weights = gauss(np.array([1.0, 1.0]), np.array([1.0, 0.5]))
    >>> round(float(weights @ nodes), 12)
    1.0
    """
    return tridiagonal_rule(alphas, betas[: len(alphas) - 1])


def gauss_radau(alphas: Array, betas: Array, node: float) -> tuple[Array, Array]:
    """Gauss-Radau rule of m + 1 points, one of them at `node`; exact up to degree 2m.

    The last diagonal entry is moved so that `node` is an eigenvalue (Golub and
    Meurant 2010, section 6.2). `node` must not lie inside the hull of the Gauss
    nodes.

    Examples
    --------
    >>> nodes, weights = gauss_radau(np.array([1.0]), np.array([1.0]), 0.0)
    >>> nodes.round(12).tolist(), weights.round(12).tolist()
    ([0.0, 2.0], [0.5, 0.5])
    """
    # 1 / d_m, the last diagonal entry of the inverse, by the recursion of the pivots, which loses
    # no accuracy on a definite matrix: d_1 = a_1, d_j = a_j - b_{j-1}^2 / d_{j-1}.
    shifted = alphas - node
    pivot = float(shifted[0])
    for entry, coupling in zip(shifted[1:], betas[:-1], strict=True):
        pivot = float(entry) - float(coupling) ** 2 / pivot
    last = node + betas[-1] ** 2 * (1.0 / pivot)
    return tridiagonal_rule(np.append(alphas, last), betas)
