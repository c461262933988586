"""The one-shot curve at every number of weights, against quadratic forms one by one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from prunelimit.errors import PruneLimitError
from prunelimit.pruning import one_shot
from prunelimit.pruning.one_shot import exact_one_shot_curve, one_shot_curve, quadratic_rises


def problem(dim: int = 40, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(dim, dim // 4, generator=generator, dtype=torch.float64)
    weights = torch.randn(dim, generator=generator, dtype=torch.float64)
    return factor @ factor.T, weights, weights.abs().argsort()


def test_every_rise_is_the_quadratic_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_shot, "_ROWS", 7)
    matrix, weights, order = problem()
    operator = SimpleNamespace(dim=40, matmul=lambda v: matrix @ v)
    right = quadratic_rises(operator, weights, order, list(range(41)))
    found = one_shot.every_rise(matrix, weights, order)
    torch.testing.assert_close(
        found, torch.tensor(right, dtype=torch.float64), rtol=1e-9, atol=1e-12
    )


def test_the_first_crossing_is_found_where_a_grid_misses_it() -> None:
    dim = 400
    weights = torch.ones(dim, dtype=torch.float64)
    # Two rows of opposite sign: the form rises to 8 at one number of weights, and falls back.
    direction = torch.zeros(dim, dtype=torch.float64)
    direction[30], direction[31] = 4.0, -4.0
    direction[-1] = 10.0
    matrix, order = torch.outer(direction, direction), torch.arange(dim)
    exact = exact_one_shot_curve(matrix, weights, order, epsilon=1.0)
    grid = one_shot_curve(
        SimpleNamespace(dim=dim, matmul=lambda v: matrix @ v), weights, order, epsilon=1.0
    )
    assert exact.every and not grid.every
    assert (exact.sparsity.lower, exact.sparsity.upper) == (30 / dim, 31 / dim)
    assert grid.sparsity.lower > 0.9
    assert exact.kept[0] == dim and exact.rises[0] == 0.0


def test_all_or_nothing_and_bad_epsilon() -> None:
    matrix, weights, order = problem()
    assert float(exact_one_shot_curve(matrix, weights, order, 1e9).sparsity) == 1.0
    assert float(exact_one_shot_curve(matrix + torch.eye(40), weights, order, 1e-12).sparsity) == 0
    with pytest.raises(PruneLimitError, match="epsilon"):
        exact_one_shot_curve(matrix, weights, order, 0.0)


def test_a_crossing_near_the_level_is_scanned_for() -> None:
    """The form stands at 0.9 ε for long, is above ε between two points of the first round only."""
    dim = 400
    sums = torch.linspace(0, 1.34, 301, dtype=torch.float64)
    sums = torch.cat([sums, torch.full((100,), 1.34, dtype=torch.float64)])
    sums[336:348], sums[390:] = 1.5, 10.0
    direction = sums.diff()
    matrix = torch.outer(direction, direction)
    found = one_shot_curve(
        SimpleNamespace(dim=dim, matmul=lambda v: matrix @ v),
        torch.ones(dim, dtype=torch.float64),
        torch.arange(dim),
        epsilon=1.0,
    )
    assert (found.sparsity.lower, found.sparsity.upper) == (335 / dim, 336 / dim)
