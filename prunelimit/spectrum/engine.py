"""From a model to its spectrum, with as many products as the answer needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Interval
from prunelimit.parameters import prunable_parameters
from prunelimit.progress import Reporter, progress_bar
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.checks import LossFunction
from prunelimit.spectrum.lanczos import Lanczos
from prunelimit.spectrum.operator import CurvatureOperator
from prunelimit.spectrum.result import POLICIES, ProbeRun, Spectrum

DENSE_DIM = 6000
"""Up to this dimension the matrix is built and diagonalised in float64."""

Target = Callable[[Spectrum], Interval]
"""What is wanted of a spectrum, as a fraction: a sparsity, or kept weights over D."""


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
    parameters: Mapping[str, nn.Parameter] | None = None,
    memory: int | None = None,
) -> Spectrum:
    """The curvature spectrum of a trained network, known well enough for the answer wanted.

    Up to 6,000 dimensions all eigenvalues are computed in float64. Beyond, Lanczos
    runs from random probes go on until the answer is bracketed: deeper while the
    quadrature's bracket is wide, more probes while their error is.

    Parameters
    ----------
    model, loss_fn, loader, parameters, device, memory
        See `CurvatureOperator`.
    policy
        "ggn" (Gauss-Newton, the bracket is certified), "abs" (|H|, the paper's)
        or "clip" (negative curvature counts as flat).
    tolerance
        Half width of the interval wanted, as a fraction of D.
    ridges
        Stop when N_eff(ridge)/D is bracketed to `tolerance` at each of these;
        default: 0.1, 1, 10 and 100 times the mean curvature.
    stop
        Instead of `ridges`: a function of the spectrum so far that returns the
        answer as an `Interval` (a fraction); its width decides.
    max_products
        Stop in any case after so many products with the full data.
    method
        "auto", "dense" or "lanczos".
    seed
        Of the probes.
    progress
        Show the bracket closing; None shows it on a terminal only.

    Returns
    -------
    Spectrum

    Raises
    ------
    PruneLimitError
        On input that defines no curvature, or unknown options.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> data = [(torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.zeros(2, 1))]
    >>> spectrum = hessian_spectrum(model, nn.functional.mse_loss, data)
    >>> spectrum.eigenvalues, spectrum.effective_dimension(1.0).value
    ((1.0, 9.0), 1.4)
    """
    _check_options(policy, tolerance, ridges, method, max_products)
    chosen = prunable_parameters(model) if parameters is None else parameters
    dim = sum(p.numel() for p in chosen.values())
    dense = method == "dense" or (method == "auto" and dim <= DENSE_DIM)
    operator = CurvatureOperator(
        model,
        loss_fn,
        loader,
        POLICIES[policy],
        chosen,
        device=device,
        memory=memory,
        dtype=torch.float64 if dense else None,
    )
    if dense:
        return _dense_spectrum(operator, policy)
    search = _Search(operator, policy, seed, max_products)
    target = stop if stop is not None else _ridge_target(ridges)
    with progress_bar("curvature", total=max_products, enabled=progress) as bar:
        return search.run(target, tolerance, bar)


def _check_options(
    policy: str, tolerance: float, ridges: Sequence[float] | None, method: str, max_products: int
) -> None:
    if policy not in POLICIES:
        raise PruneLimitError(f"policy={policy!r} is unknown; choose one of {', '.join(POLICIES)}")
    if method not in ("auto", "dense", "lanczos"):
        raise PruneLimitError(f"method={method!r} is unknown; choose 'auto', 'dense' or 'lanczos'")
    if not 0 < tolerance < 1:
        raise PruneLimitError(f"tolerance={tolerance} must lie between 0 and 1 (a fraction of D)")
    if max_products < 1:
        raise PruneLimitError(f"max_products={max_products} must be at least 1")
    for ridge in ridges or ():
        if not (np.isfinite(ridge) and ridge > 0):
            raise PruneLimitError(f"ridge={ridge} must be a positive, finite curvature")


def _dense_spectrum(operator: CurvatureOperator, policy: str) -> Spectrum:
    eigenvalues = torch.linalg.eigvalsh(operator.dense()).cpu().numpy()
    if policy == "ggn":
        eigenvalues = np.maximum(eigenvalues, 0.0)
    return Spectrum(
        dim=operator.dim,
        policy=policy,
        eigenvalues=tuple(float(value) for value in eigenvalues),
        products=operator.products,
        rounding=float(torch.finfo(operator.dtype).eps) * operator.dim**0.5,
        examples=operator.examples,
        outputs=operator.outputs,
        loss=operator.loss,
    )


def _ridge_target(ridges: Sequence[float] | None) -> Target:
    """The widest of the kept fractions at the ridges."""

    def target(spectrum: Spectrum) -> Interval:
        chosen = ridges
        if chosen is None:
            mean = spectrum.trace().value / spectrum.dim
            chosen = [mean * factor for factor in (0.1, 1.0, 10.0, 100.0) if mean > 0] or [1.0]
        kept = [spectrum.effective_dimension(ridge) for ridge in chosen]
        worst = max(kept, key=lambda interval: interval.width)
        return Interval(*(end / spectrum.dim for end in (worst.lower, worst.value, worst.upper)))

    return target


def rademacher(dim: int, seed: int, index: int) -> Tensor:
    """Probe number `index`: ``(dim,)`` random signs, the same on every device.

    Examples
    --------
    >>> rademacher(4, seed=0, index=0).abs()
    tensor([1., 1., 1., 1.])
    """
    state = np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
    return (
        torch.randint(0, 2, (dim,), generator=generator, dtype=torch.int8).float().mul_(2).sub_(1)
    )


class _Search:
    """Lanczos runs that grow in depth and number until the target is bracketed."""

    def __init__(
        self,
        operator: CurvatureOperator,
        policy: str,
        seed: int | np.random.Generator,
        max_products: int,
    ) -> None:
        self.operator = operator
        self.policy = policy
        drawn = seed.integers(2**62) if isinstance(seed, np.random.Generator) else seed
        self.seed = int(drawn)
        self.max_products = max_products
        self.runs: list[Lanczos] = []

    def run(self, target: Target, tolerance: float, bar: Reporter) -> Spectrum:
        self._add_probe()
        depth = 8
        while True:
            self._deepen(depth, bar)
            spectrum = self.spectrum()
            wanted = target(spectrum)
            bar.update(0.0, remark=f"{wanted.lower:.4f} to {wanted.upper:.4f}")
            if _half_width(wanted) <= tolerance or self._spent() >= self.max_products:
                return spectrum
            quadrature = _half_width(target(replace(spectrum, confidence=0.0)))
            exhausted = all(run.exhausted for run in self.runs)
            if quadrature > 0.3 * tolerance and not exhausted:
                depth = depth + max(4, depth // 8)
            else:
                self._add_probe()

    def _spent(self) -> int:
        return sum(run.steps for run in self.runs)

    def _add_probe(self) -> None:
        operator = self.operator
        start = rademacher(operator.dim, self.seed, len(self.runs))
        basis = Basis(operator.dim, operator.dtype, operator.device)
        self.runs.append(Lanczos(start.to(operator.device, operator.dtype), basis))

    def _deepen(self, depth: int, bar: Reporter) -> None:
        for run in self.runs:
            while run.steps < depth and not run.exhausted and self._spent() < self.max_products:
                run.advance(self.operator.matmul(run.current))
                bar.update(1.0)

    def spectrum(self) -> Spectrum:
        operator = self.operator
        return Spectrum(
            dim=operator.dim,
            policy=self.policy,
            runs=tuple(
                ProbeRun(tuple(run.alphas.tolist()), tuple(run.betas.tolist()))
                for run in self.runs
                if run.steps
            ),
            products=operator.products,
            rounding=float(torch.finfo(operator.dtype).eps),
            examples=operator.examples,
            outputs=operator.outputs,
            loss=operator.loss,
        )


def _half_width(interval: Interval) -> float:
    return max(interval.upper - interval.value, interval.value - interval.lower)
