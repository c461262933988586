"""The survivors' re-fit against dense linear algebra."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunelimit import PruneLimitError
from prunelimit.pruning.refit import refit_survivors


@dataclass
class Dense:
    matrix: torch.Tensor

    @property
    def dim(self) -> int:
        return self.matrix.shape[0]

    def matmul(self, vectors: torch.Tensor) -> torch.Tensor:
        return self.matrix @ vectors


def random_problem(seed: int, dim: int = 30) -> tuple[Dense, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(dim, 2 * dim, generator=generator, dtype=torch.float64)
    scales = torch.logspace(0, -2, dim, dtype=torch.float64)
    matrix = (scales[:, None] * factor) @ (scales[:, None] * factor).T / dim
    weights = torch.randn(dim, generator=generator, dtype=torch.float64)
    keep = weights.abs() >= weights.abs().median()
    return Dense(matrix), weights, keep


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_refit_reaches_the_optimal_brain_surgeon_minimum(seed: int) -> None:
    operator, weights, keep = random_problem(seed)
    fit = refit_survivors(operator, weights, keep, tolerance=1e-10, max_iterations=2000)
    pruned = weights[~keep]
    schur = torch.linalg.inv(operator.matrix)[~keep][:, ~keep]
    minimum = 0.5 * float(pruned @ torch.linalg.solve(schur, pruned))
    assert fit.converged
    assert fit.rise == pytest.approx(minimum, rel=1e-6)
    difference = fit.step - torch.where(keep, 0.0, weights)
    assert fit.rise == pytest.approx(0.5 * float(difference @ operator.matrix @ difference))
    assert torch.all(fit.step[~keep] == 0)


def test_more_iterations_never_raise_the_loss_and_never_cross_the_minimum() -> None:
    operator, weights, keep = random_problem(3)
    rises = [
        refit_survivors(operator, weights, keep, tolerance=0, max_iterations=n).rise
        for n in range(0, 40, 4)
    ]
    assert all(later <= earlier + 1e-12 for earlier, later in zip(rises, rises[1:], strict=False))
    first = refit_survivors(operator, weights, keep, max_iterations=0)
    assert rises[0] == first.one_shot_rise == first.rise


def test_a_good_start_saves_iterations() -> None:
    operator, weights, keep = random_problem(5)
    cold = refit_survivors(operator, weights, keep, tolerance=1e-6, max_iterations=500)
    warm = refit_survivors(
        operator, weights, keep, tolerance=1e-6, max_iterations=500, start=cold.step
    )
    assert warm.iterations < cold.iterations / 4
    assert warm.rise == pytest.approx(cold.rise, rel=1e-6)


def test_negative_curvature_stops_the_iteration() -> None:
    operator, weights, keep = random_problem(7)
    operator.matrix = operator.matrix - 2.0 * torch.eye(30, dtype=torch.float64)
    fit = refit_survivors(operator, weights, keep, tolerance=1e-10, max_iterations=100)
    assert fit.iterations < 100 and not fit.converged


def test_nothing_pruned_costs_nothing() -> None:
    operator, weights, _ = random_problem(1)
    fit = refit_survivors(operator, weights, torch.ones(30, dtype=torch.bool))
    assert fit.rise == fit.one_shot_rise == 0 and fit.iterations == 0 and fit.converged


def test_wrong_shapes_are_refused() -> None:
    operator, weights, keep = random_problem(1)
    with pytest.raises(PruneLimitError, match=r"expected \(30,\)"):
        refit_survivors(operator, weights[:3], keep)
