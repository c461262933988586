"""Real existence without a training budget in the way: the minimum under a mask, converged.

Damped Gauss-Newton (Levenberg-Marquardt): around θ the loss is modelled by its gradient g
and Gauss-Newton matrix G on the survivors, and the step is −(G + μ s I)⁻¹ g with s the mean
curvature; and for each μ once more with every parameter's own curvature in the place of s
(Marquardt 1963), which follows parameters of very different scales, such as those around a
normalisation. Each iteration tries several dampings μ on the real loss and keeps the best, so
the loss never rises. **Upper bound** on the loss: what is found is a network with that
support, so the lowest loss under the mask is at most this. Hence a *lower* bound on the
sparsity at which such a network exists.

Up to `Descent.dense_dim` free parameters G is a matrix; beyond, a Krylov space grown from g
serves all dampings at once (the conjugate gradients of each, in exact arithmetic).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab.existence.landscape import Landscape
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.krylov import KrylovSpace
from prunelimit.spectrum.operator import CurvatureOperator

_ATTEMPTS = 4
_FACTORS = (0.03, 0.3, 3.0, 30.0)
_FEW_FACTORS = (0.2, 5.0)  # where evaluating several points together saves nothing
_DAMPINGS = (1e-9, 1e9)  # ends of μ, in units of the mean curvature
_NEGLIGIBLE = 1e-7  # a loss that counts as 0
_PRODUCTS = 40  # an iteration, where the matrix is not built
_LEAST_OWN = 1e-2  # in units of the mean: a unit that is never active has no curvature at all

SCALINGS = ("mean", "own")
"""What μ multiplies: the mean curvature, or each parameter's own."""


@dataclass(frozen=True)
class Descent:
    """When to stop.

    Attributes
    ----------
    iterations
        Gauss-Newton matrices at most.
    tolerance
        Converged where `patience` iterations lower the loss by less than this share of it.
    patience
        Iterations over which progress is judged.
    hopeless
        With a level to reach: give up where, at the pace of the last `patience`
        iterations, this many times `iterations` would not reach it. Infinite never does.
    dense_dim
        Most free parameters for which the matrix is built; beyond, the mean curvature alone is
        damped by.
    scalings
        Which of `SCALINGS` are tried.
    """

    iterations: int = 40
    tolerance: float = 1e-4
    patience: int = 5
    hopeless: float = 2.0
    dense_dim: int = 2500
    scalings: tuple[str, ...] = SCALINGS

    def __post_init__(self) -> None:
        for name in ("iterations", "patience"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        known = bool(self.scalings) and set(self.scalings) <= set(SCALINGS)
        require(known, "scalings", self.scalings, f"among {SCALINGS}")


@dataclass(frozen=True)
class Minimum:
    """The lowest point found under one mask.

    Attributes
    ----------
    loss
        There; an upper bound on the minimum.
    point
        ``(size,)``; 0 where removed.
    iterations
        Gauss-Newton matrices used.
    status
        "reached" (the level asked for), "converged", "hopeless" (see `Descent`), or
        "budget" (iterations used up while still descending).
    damping
        μ at the end, to go on with.
    """

    loss: float
    point: Tensor
    iterations: int
    status: str
    damping: float


@dataclass
class _Run:
    """One mask's descent."""

    columns: Tensor
    point: Tensor
    damping: float
    losses: list[float]
    status: str = ""
    used: int = 0


def minimise(
    landscape: Landscape,
    keep: Tensor,
    start: Tensor | None = None,
    *,
    level: float = -math.inf,
    descent: Descent = Descent(),
    damping: float = 1e-2,
) -> Minimum:
    """Lower the loss under a mask as far as it goes, or until a level is reached.

    Parameters
    ----------
    landscape
        The loss.
    keep
        ``(size,)`` boolean, True where a parameter is free; see `Landscape.keep`.
    start
        ``(size,)``, by default the dense network; removed entries are set to 0.
    level
        Stop as soon as the loss is at most this.
    descent
        When to stop otherwise.
    damping
        First μ, in units of the mean curvature.

    Raises
    ------
    PruneLimitError
        If the shapes do not fit, or the loss is not finite at the start.

    Examples
    --------
    >>> model = torch.nn.Linear(1, 1)
    >>> data = [(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0], [3.0], [5.0]]))]
    >>> line = Landscape(model, torch.nn.functional.mse_loss, data)
    >>> found = minimise(line, torch.ones(2, dtype=torch.bool))
    >>> found.loss < 1e-8, found.point.round(decimals=3).tolist()
    (True, [2.0, 1.0])
    """
    start = landscape.start if start is None else start
    if keep.shape != (landscape.size,) or start.shape != (landscape.size,):
        raise PruneLimitError(
            f"start {tuple(start.shape)} and keep {tuple(keep.shape)} must both be "
            f"({landscape.size},), one entry a free parameter"
        )
    point = torch.where(keep, start.double(), 0.0)
    loss = float(landscape.losses(point[None]))
    if not math.isfinite(loss):
        raise PruneLimitError("the loss is not finite at the start; check the weights and data")
    run = _Run(keep.nonzero()[:, 0], point, damping, [loss])
    while not _finished(run, level, descent):
        _iterate(landscape, run, descent)
    return Minimum(run.losses[-1], run.point, run.used, run.status, run.damping)


def _finished(run: _Run, level: float, rules: Descent) -> bool:
    if run.status:
        return True
    loss = run.losses[-1]
    if loss <= max(level, _NEGLIGIBLE):
        run.status = "reached"
    elif not run.columns.numel():
        run.status = "converged"
    elif len(run.losses) > rules.patience:
        gained = run.losses[-1 - rules.patience] - loss
        pace = gained / rules.patience
        if gained <= rules.tolerance * abs(loss):
            run.status = "converged"
        elif math.isfinite(level) and loss - rules.hopeless * rules.iterations * pace > level:
            run.status = "hopeless"
    if not run.status and run.used >= rules.iterations:
        run.status = "budget"
    return bool(run.status)


def _iterate(landscape: Landscape, run: _Run, rules: Descent) -> None:
    """One Gauss-Newton matrix, and the best of its steps."""
    if len(run.columns) > rules.dense_dim:
        solve = krylov_solver(landscape, run, _PRODUCTS)
    else:
        solve = _dense_solver(landscape, run, rules.scalings)
    run.used += 1
    factors = _FACTORS if landscape.batches_pay else _FEW_FACTORS
    for _ in range(_ATTEMPTS):
        dampings = (run.damping * torch.tensor(factors, dtype=torch.float64)).clamp(*_DAMPINGS)
        trial = run.point + solve(dampings)
        losses = landscape.losses(trial)
        best = int(losses.argmin())
        if float(losses[best]) < run.losses[-1]:
            run.point, run.damping = trial[best], float(dampings[best % len(dampings)])
            run.losses.append(float(losses[best]))
            return
        run.damping = min(run.damping * 1e3, _DAMPINGS[1])
    run.losses.append(run.losses[-1])


def _dense_solver(
    landscape: Landscape, run: _Run, scalings: tuple[str, ...]
) -> Callable[[Tensor], Tensor]:
    """Steps ``(scalings · dampings, size)`` by one eigenvalue-free factorisation for each."""
    gradient, matrix = landscape.gauss_newton(run.point, run.columns)
    own = matrix.diagonal().clone()
    mean = float(own.mean())
    scale = mean if mean > 0 else 1.0
    scales = {"mean": torch.full_like(own, scale), "own": own.clamp(min=0) + _LEAST_OWN * scale}

    def solve(dampings: Tensor) -> Tensor:
        pairs = [damping * scales[name] for name in scalings for damping in dampings]
        steps = torch.zeros(len(pairs), landscape.size, dtype=torch.float64)
        for row, added in zip(steps, pairs, strict=True):
            damped = matrix.clone()
            damped.diagonal().add_(added)
            factor, failed = torch.linalg.cholesky_ex(damped)
            if not int(failed):
                row[run.columns] = -torch.cholesky_solve(gradient[:, None], factor)[:, 0]
        return steps

    return solve


def krylov_solver(landscape: Landscape, run: _Run, depth: int) -> Callable[[Tensor], Tensor]:
    """Steps ``(dampings, size)`` within the Krylov space of the gradient (Lanczos).

    Raises
    ------
    PruneLimitError
        If the loss is l1-regularised, whose minimiser needs the matrix itself.
    """
    if landscape.l1:
        raise PruneLimitError(
            "the l1-regularised loss is minimised with a matrix only; raise Descent.dense_dim "
            f"above the {len(run.columns)} free parameters"
        )
    model = landscape.network(run.point)
    operator = CurvatureOperator(
        model,
        landscape.loss_fn,
        [(landscape.inputs, landscape.targets)],
        parameters={name: p for name, p in model.named_parameters() if p.requires_grad},
        device="cpu",
    )
    gradient = operator.gradient()[run.columns]
    if not bool(gradient.any()):
        return lambda dampings: torch.zeros(len(dampings), landscape.size, dtype=torch.float64)

    def product(vector: Tensor) -> Tensor:
        whole = torch.zeros(landscape.size, dtype=torch.float64)
        whole[run.columns] = vector
        return operator.matmul(whole)[run.columns]

    space = KrylovSpace(Basis(len(run.columns), torch.float64), torch.float64)
    space.add_start(gradient)
    while space.products < depth and not space.exhausted:
        space.grow(product)
    values, vectors, _ = space.ritz()
    start = vectors.T @ space.start_coordinates()[:, 0]
    scale = max(float(values.mean()), 1e-300)

    def solve(dampings: Tensor) -> Tensor:
        damped = np.maximum(values, 0.0)[:, None] + scale * dampings.numpy()
        steps = torch.zeros(len(dampings), landscape.size, dtype=torch.float64)
        steps[:, run.columns] = -space.ritz_vectors(vectors @ (start[:, None] / damped)).T
        return steps

    return solve
