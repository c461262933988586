"""Chapter 5's question: the spectrum of a model's curvature, or of any symmetric matrix."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.estimates import Interval
from prunelimit.names import require_known
from prunelimit.network.adapter import Forward, adapt
from prunelimit.network.checks import LossFunction, check_model, in_fixed_order
from prunelimit.network.parameters import Choice
from prunelimit.network.undisturbed import undisturbed
from prunelimit.network.view import unwrapped
from prunelimit.network.world import ALONE, World
from prunelimit.progress import progress_bar
from prunelimit.spectrum import engine
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.krylov import KrylovSpace
from prunelimit.spectrum.matrix import SymmetricMatrix
from prunelimit.spectrum.result import Spectrum, require_policy
from prunelimit.spectrum.search import Search, Target

METHODS = ("auto", "dense", "lanczos", "gram")


def hessian_spectrum(
    model: nn.Module,
    loss_fn: LossFunction,
    loader: Iterable[Any],
    policy: str = "ggn",
    *,
    tolerance: float = 0.005,
    ridges: Sequence[float] | None = None,
    stop: Target | None = None,
    max_products: int = 1000,
    method: str = "auto",
    seed: int | np.random.Generator = 0,
    device: str | torch.device = "auto",
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    parameters: Choice | None = None,
    forward: Forward | None = None,
    memory: int | None = None,
    world: World = ALONE,
) -> Spectrum:
    """The curvature spectrum of a trained network, known well enough for the answer wanted.

    Up to 6,000 dimensions all eigenvalues are computed in float64. Beyond, a
    Krylov space grows from random probes until the answer is bracketed: deeper
    while the quadrature's bracket is wide, by more probes while their error is.

    Parameters
    ----------
    model, loss_fn, loader, device
        See `CurvatureOperator`.
    parameters
        Which weights count: names, patterns or a predicate ``(name, parameter) -> bool``; by
        default those of linear and convolutional layers.
    forward
        ``forward(model, batch)`` gives the outputs where ``model(inputs)`` does not; loss_fn then
        takes ``(outputs, batch)``. See `prunelimit.network.adapter.adapt`.
    policy
        "ggn" (Gauss-Newton), "abs" (|H|, the paper's) or "clip" (negative
        curvature counts as flat). The bracket is certified for each.
    tolerance
        Half width of the interval wanted, as a fraction of D.
    ridges
        Stop when N_eff(ridge)/D is bracketed to `tolerance` at each of these;
        default: 0.1, 1, 10 and 100 times the mean curvature.
    stop
        Instead of `ridges`: a function of the spectrum so far that returns the
        answer as an `Interval` (a fraction, such as the sparsity at the fixed
        point); its width decides. It is also called with spectra whose
        `confidence` is 0, to tell the two errors apart.
    max_products
        Stop in any case after so many products with the full data.
    method
        "auto"; "dense"; "lanczos" (matrix products only); "gram" (the same from the
        examples' side, for policy "ggn"; chosen by "auto" where N C < D).
    seed
        Of the probes.
    progress
        Show the bracket closing; None shows it on a terminal only.
    checkpoint
        Directory in which the run is kept after every step (at most once a
        second); called again with the same arguments it goes on from there, to
        the same result.
    memory
        Bytes to use, half for kept graphs and half for Krylov vectors; default: 85 % of
        what is free. Vectors that do not fit go to a temporary file.
    world
        Processes that share the products, each with its part of the examples as
        `loader` (see `World.shard`). The first one searches, keeps the Krylov
        vectors and writes the checkpoint; all get the same spectrum.

    Raises
    ------
    PruneLimitError
        On input that defines no curvature, unknown options, or a checkpoint of another run.

    Warns
    -----
    CurvatureWarning
        If the data cap the rank of the Gauss-Newton matrix below D, which
        makes directions flat that more data would not.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> data = [(torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.zeros(2, 1))]
    >>> spectrum = hessian_spectrum(model, nn.functional.mse_loss, data)
    >>> spectrum.eigenvalues, spectrum.effective_dimension(1.0).value
    ((1.0, 9.0), 1.4)
    """
    _check_options(policy, ridges, method)
    effort = engine.Effort(
        tolerance=tolerance,
        max_products=max_products,
        method=method,
        seed=int(seed.integers(2**62)) if isinstance(seed, np.random.Generator) else seed,
        progress=progress,
        checkpoint=checkpoint,
        memory=memory,
    )
    check_model(model)
    model = unwrapped(model)
    loader, order = in_fixed_order(loader)
    with undisturbed(model, loader, loss_fn):
        model, loss_fn, loader = adapt(model, loss_fn, loader, forward)
        operator = engine.operator_for(
            model, loss_fn, loader, policy, effort, parameters, device=device, world=world
        )
        operator.notes = tuple(note for note in (order, *operator.notes) if note)
        return engine.spectrum_of_operator(operator, policy, effort, _target(stop, ridges))


def matrix_spectrum(
    matrix: SymmetricMatrix,
    policy: str = "ggn",
    *,
    tolerance: float = 0.005,
    ridges: Sequence[float] | None = None,
    stop: Target | None = None,
    max_products: int = 1000,
    seed: int = 0,
) -> Spectrum:
    """The same search for any symmetric matrix known by its products, always by products.

    Parameters
    ----------
    matrix
        Anything with ``dim``, ``device``, ``dtype`` and ``matmul``.
    policy
        "ggn" asserts that it is positive semi-definite.
    tolerance, ridges, stop, max_products, seed
        See `hessian_spectrum`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> curvatures = torch.cat([torch.ones(50), torch.zeros(950)]).double()
    >>> matrix = SimpleNamespace(
    ...     dim=1000,
    ...     device=torch.device("cpu"),
    ...     dtype=torch.float64,
    ...     matmul=lambda vectors: (curvatures * vectors.T).T,
    ... )
    >>> 25.0 in matrix_spectrum(matrix, ridges=[1.0]).effective_dimension(1.0)
    True
    """
    _check_options(policy, ridges, "lanczos")
    effort = engine.Effort(tolerance, max_products=max_products, seed=seed)
    space = KrylovSpace(Basis(matrix.dim, matrix.dtype, matrix.device), matrix.dtype)
    search = Search(
        matrix,
        space,
        lambda found: engine.spectrum_of_space(found, policy, matrix.dim),
        seed=effort.seed,
        max_products=effort.max_products,
        dense_limit=0,
    )
    with progress_bar("curvature", total=max_products, enabled=False) as bar:
        spectrum = search.run(_target(stop, ridges), effort.tolerance, bar)
    assert spectrum is not None
    return spectrum


def _check_options(policy: str, ridges: Sequence[float] | None, method: str) -> None:
    require_policy(policy)
    require_known("method", method, METHODS)
    if method == "gram" and policy != "ggn":
        raise PruneLimitError(
            f"method='gram' needs a Gauss-Newton matrix, not policy={policy!r}; use policy='ggn'"
        )
    for ridge in () if ridges is None else ridges:
        require(0 < ridge < np.inf, "ridge", ridge, "a positive, finite curvature")


def _target(stop: Target | None, ridges: Sequence[float] | None) -> Target:
    """What `stop` says, by default the widest of the kept fractions at the ridges."""
    if stop is not None:
        return stop

    def target(spectrum: Spectrum) -> Interval:
        chosen = ridges
        if chosen is None:
            mean = spectrum.trace().value / spectrum.dim
            chosen = [mean * factor for factor in (0.1, 1.0, 10.0, 100.0) if mean > 0] or [1.0]
        kept = [spectrum.effective_dimension(ridge) for ridge in chosen]
        worst = max(kept, key=lambda interval: interval.width)
        return Interval(*(end / spectrum.dim for end in (worst.lower, worst.value, worst.upper)))

    return target
