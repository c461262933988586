"""Lanczos tridiagonalisation with full reorthogonalisation, one product at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.quadrature import Array

Product = Callable[[Tensor], Tensor]

BREAKDOWN = 1e-6
"""A new direction shorter than this times the matrix's scale is rounding (float32 products)."""


class Lanczos:
    """One run: q_1 = start/|start|, then one new orthonormal vector a product.

    The caller multiplies `current` and hands the result to `advance`, so that
    several runs can share one block product. Every new vector is orthogonalised
    twice against all before it ("twice is enough", Giraud et al. 2005).

    Parameters
    ----------
    start
        ``(dim,)``, not zero.
    basis
        Where the vectors are kept.

    Attributes
    ----------
    norm_squared
        |start|^2, by which the quadrature of the unit vector is multiplied.
    exhausted
        True once the Krylov space is invariant: the quadrature is then exact.

    Examples
    --------
    >>> matrix = torch.diag(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))
    >>> run = Lanczos(torch.ones(3, dtype=torch.float64), Basis(3, dtype=torch.float64))
    >>> while not run.exhausted:
    ...     run.advance(matrix @ run.current)
    >>> run.ritz()[0].round(9).tolist()
    [1.0, 2.0, 4.0]
    """

    def __init__(self, start: Tensor, basis: Basis) -> None:
        norm = float(torch.linalg.vector_norm(start.double()))
        self.norm_squared = norm**2
        self.basis = basis
        self._alphas: list[float] = []
        self._betas: list[float] = []
        self._scale = 0.0
        self.exhausted = False
        basis.append(start / norm)

    @property
    def current(self) -> Tensor:
        """The vector ``(dim,)`` to be multiplied next."""
        return self.basis.last()

    @property
    def steps(self) -> int:
        """Products done."""
        return len(self._alphas)

    @property
    def alphas(self) -> Array:
        """Diagonal ``(steps,)`` of the tridiagonal matrix."""
        return np.array(self._alphas)

    @property
    def betas(self) -> Array:
        """Off-diagonal ``(steps,)``; the last entry couples to the next vector (0 if exhausted)."""
        return np.array(self._betas)

    def advance(self, product: Tensor) -> None:
        """Take the product with `current`, and make the next vector."""
        if self.exhausted:
            return
        current = self.current
        residual = product.to(current.dtype)
        alpha = float(torch.dot(current.double(), residual.double()))
        before = float(torch.linalg.vector_norm(residual.double()))
        residual = self.basis.orthogonalise(residual.clone())
        beta = float(torch.linalg.vector_norm(residual.double()))
        self._alphas.append(alpha)
        self._scale = max(self._scale, before)
        precise = current.dtype == torch.float64
        threshold = (1e-13 if precise else BREAKDOWN) * self._scale
        if beta <= threshold or self.steps >= self.basis.dim:
            self.exhausted = True
            self._betas.append(0.0)
            return
        self._betas.append(beta)
        self.basis.append(residual / beta)

    def ritz(self) -> tuple[Array, Array]:
        """Ritz values ``(steps,)`` and the matrix ``(steps, steps)`` of their coefficients."""
        tridiagonal = np.diag(self.alphas)
        if self.steps > 1:
            tridiagonal += np.diag(self.betas[:-1], 1) + np.diag(self.betas[:-1], -1)
        return np.linalg.eigh(tridiagonal)
