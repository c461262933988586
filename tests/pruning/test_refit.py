"""The survivors' re-fit against dense linear algebra."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunelimit import PruneLimitError
from prunelimit.pruning.refit import Refit, SurvivorsBlock, refit_directly, refit_survivors


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


def refit_exactly(matrix: torch.Tensor, weights: torch.Tensor, keep: torch.Tensor) -> Refit:
    """Directly, from the survivors' block of the whole matrix."""
    weights = weights.to(matrix)
    image = matrix @ weights
    block = SurvivorsBlock(matrix[keep][:, keep], image[keep], float(weights @ image))
    return refit_directly(block, weights, keep)


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


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_solved_directly_it_is_the_minimum_that_the_iteration_comes_down_to(seed: int) -> None:
    operator, weights, keep = random_problem(seed)
    exact = refit_exactly(operator.matrix, weights, keep)
    found = refit_survivors(operator, weights, keep, tolerance=1e-12, max_iterations=5000)
    assert exact.rise == pytest.approx(found.rise, rel=1e-8)
    assert exact.one_shot_rise == pytest.approx(found.one_shot_rise)
    torch.testing.assert_close(exact.step, found.step, rtol=1e-4, atol=1e-6)
    early = refit_survivors(operator, weights, keep, tolerance=0, max_iterations=4)
    assert early.rise >= exact.rise * (1 - 1e-12) and not early.converged and exact.converged


@pytest.mark.parametrize("rank", [3, 12])
def test_a_singular_block_has_its_minimum_at_the_shortest_of_many_steps(rank: int) -> None:
    generator = torch.Generator().manual_seed(rank)
    root = torch.randn(20, rank, generator=generator, dtype=torch.float64)
    weights = torch.randn(20, generator=generator, dtype=torch.float64)
    keep = torch.arange(20) < 8
    fit = refit_exactly(root @ root.T, weights, keep)
    # Of root^T (removed - step), the part that the survivors' rows of the root do not span is left.
    wanted = root[~keep].T @ weights[~keep]
    shortest = torch.linalg.lstsq(root[keep].T, wanted, driver="gelsd").solution
    left = wanted - root[keep].T @ shortest
    assert fit.rise == pytest.approx(0.5 * float(left.square().sum()), rel=1e-8, abs=1e-10)
    torch.testing.assert_close(fit.step[keep], shortest, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("keeps", [False, True])
def test_solved_directly_all_or_nothing_may_go(keeps: bool) -> None:
    operator, weights, _ = random_problem(1)
    fit = refit_exactly(operator.matrix, weights, torch.full((30,), keeps))
    one_shot = 0.5 * float(weights @ operator.matrix @ weights)
    assert fit.rise == pytest.approx(0.0 if keeps else one_shot) and not fit.step.any()


def test_what_rounding_hides_is_said_not_to_have_converged() -> None:
    matrix = torch.diag(torch.tensor([1e8, 1.0, 1e-2, 1.0]))
    matrix[1, 3] = matrix[3, 1] = 0.9
    keep = torch.tensor([True, True, True, False])
    assert not refit_exactly(matrix, torch.ones(4), keep).converged
    fit = refit_exactly(matrix.double(), torch.ones(4), keep)
    assert fit.converged and fit.rise == pytest.approx(0.095, rel=1e-5)
