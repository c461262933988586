"""What a subsample of the data does to the answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.estimates import Interval
from prunelimit.network.checks import LossFunction, check_reiterable, iterate_batches
from prunelimit.spectrum.engine import CurvatureWarning
from prunelimit.spectrum.hessian import hessian_spectrum
from prunelimit.spectrum.result import Spectrum


@dataclass(frozen=True)
class DataBudget:
    """An answer at two sample sizes, and where it may be going.

    Attributes
    ----------
    sizes
        Numbers of examples, the smaller first.
    answers
        The answer with its bracket at each size.
    extrapolated
        At infinitely many examples if the answer moves as 1/N (heuristic).
    """

    sizes: tuple[int, int]
    answers: tuple[Interval, Interval]
    extrapolated: float

    @property
    def moved(self) -> float:
        """How far the answer moved from the smaller to the larger sample."""
        return self.answers[1].value - self.answers[0].value


def subsample(loader: Iterable[Any], examples: int, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """A random subset of the examples, without replacement, in batches of the loader's sizes.

    Raises
    ------
    PruneLimitError
        If the loader has fewer examples.

    Examples
    --------
    >>> data = [(torch.arange(4.0).view(4, 1), torch.arange(4))]
    >>> [(len(x), len(y)) for x, y in subsample(data, 3)]
    [(3, 3)]
    """
    check_reiterable(loader)
    total = sum(inputs.shape[0] for inputs, *_ in iterate_batches(loader))
    require(1 <= examples <= total, "examples", examples, f"in 1 … {total}, what the loader has")
    chosen = np.zeros(total, dtype=bool)
    chosen[np.random.default_rng(seed).choice(total, examples, replace=False)] = True
    batches, start = [], 0
    for inputs, targets, _ in iterate_batches(loader):
        mask = torch.from_numpy(chosen[start : start + inputs.shape[0]]).to(inputs.device)
        start += inputs.shape[0]
        if bool(mask.any()):
            batches.append((inputs[mask], targets[mask.to(targets.device)]))
    return batches


def data_budget(
    model: nn.Module,
    loss_fn: LossFunction,
    loader: Iterable[Any],
    answer: Callable[[Spectrum], Interval],
    examples: int,
    policy: str = "ggn",
    *,
    seed: int = 0,
    **options: Any,
) -> DataBudget:
    """The answer on `examples` of the data and on half of them, with an extrapolation.

    The rank of the Gauss-Newton matrix is at most N (C - 1); below about D a
    subsample manufactures flatness. The two sizes show by how much.

    Parameters
    ----------
    model, loss_fn, loader, policy, options
        See `prunelimit.spectrum.hessian_spectrum`; `answer` is its `stop`.
    answer
        Function of the spectrum that returns the answer as an `Interval`.
    examples
        The larger sample size.
    seed
        Of the subsample (the smaller is part of the larger) and the probes.

    Raises
    ------
    PruneLimitError
        If there are fewer than 2 examples or fewer than asked for.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> data = [(torch.eye(2).repeat(4, 1), torch.zeros(8, 1))]
    >>> found = data_budget(
    ...     model, nn.functional.mse_loss, data, lambda s: s.effective_dimension(1.0), 8
    ... )
    >>> found.sizes
    (4, 8)
    """
    if examples < 2:
        raise PruneLimitError(f"examples={examples} cannot be halved; use at least 2")
    large = subsample(loader, examples, seed)
    small = subsample(large, examples // 2, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CurvatureWarning)  # few examples are the point
        spectra = [
            hessian_spectrum(model, loss_fn, part, policy, stop=answer, seed=seed, **options)
            for part in (small, large)
        ]
    before, after = (answer(spectrum) for spectrum in spectra)
    few, many = examples // 2, examples
    limit = after.value + (after.value - before.value) * few / (many - few)
    return DataBudget((few, many), (before, after), limit)
