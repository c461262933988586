"""The re-fitted rise is the Schur complement's; each mask begins where the one before ended."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from prunelimit.lab.data import Batches
from prunelimit.lab.stages import refit
from prunelimit.lab.stages.refit import TOLERANCE, Refitting
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import prunable_weights, with_weights
from prunelimit.pruning import magnitude_order
from prunelimit.spectrum import CurvatureOperator


@pytest.fixture(scope="module")
def bench() -> Refitting:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 4))
    root = torch.randn(36, 50, dtype=torch.float64)
    matrix = root @ root.T / 50
    products = SimpleNamespace(matrix=matrix, matmul=matrix.matmul, dim=36, dtype=matrix.dtype)
    data = Batches(torch.randn(20, 1, 3, 3), torch.randint(4, (20,)), 20)
    return Refitting(
        model, products, data, iterations=200, direct=False, device="cpu", progress=False
    )


def test_the_rise_is_that_of_the_schur_complement(bench: Refitting) -> None:
    weights = prunable_weights(bench.model).double()
    removed = magnitude_order(bench.model)[:18]
    moved = weights[removed]
    block = torch.linalg.inv(bench.operator.matrix)[removed][:, removed]
    found = bench.at(0.5)
    assert found.fit.rise == pytest.approx(
        0.5 * float(moved @ torch.linalg.solve(block, moved)), rel=1e-4
    )
    assert found.kept == 18
    again = bench.at(0.5)
    assert again.fit.iterations == 0 and again.fit.residual <= TOLERANCE


def test_the_loss_is_that_of_the_network_after_the_step(bench: Refitting) -> None:
    found = bench.at(0.25)
    after = prunable_weights(bench.model).double()
    after[magnitude_order(bench.model)[:9]] = 0.0
    after += found.fit.step
    network = with_weights(bench.model, after)
    loss, _ = evaluate(network, nn.functional.cross_entropy, bench.data, "cpu")
    assert found.loss == pytest.approx(loss)


@pytest.fixture(scope="module")
def network() -> Refitting:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 4))
    data = Batches(torch.randn(20, 1, 3, 3), torch.randint(4, (20,)), 20)
    operator = CurvatureOperator(model, nn.functional.cross_entropy, data)
    return Refitting(model, operator, data, iterations=3, device="cpu", progress=False)


def test_few_survivors_are_solved_directly(
    network: Refitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refit, "MOST_SURVIVORS", 20)
    weights = prunable_weights(network.model).double()
    matrix = CurvatureOperator(
        network.model, nn.functional.cross_entropy, network.data, dtype=torch.float64
    ).dense()
    for sparsity, iterations in ((0.5, 3), (0.7, 0), (0.8, 0), (0.69, 0)):
        fit = network.at(sparsity).fit
        assert fit.iterations == iterations and fit.converged == (iterations == 0)
        if iterations == 0:
            keep = torch.ones(65, dtype=torch.bool)
            keep[magnitude_order(network.model)[: round(65 * sparsity)]] = False
            removed = torch.where(keep, 0.0, weights)
            rest = torch.linalg.lstsq(
                matrix[keep][:, keep], (matrix @ removed)[keep], driver="gelsd"
            ).solution
            left = removed.clone()
            left[keep] = -rest
            assert fit.rise == pytest.approx(0.5 * float(left @ matrix @ left), rel=1e-8)


def test_where_there_is_no_block_products_are_used_and_nobody_asks_again(
    network: Refitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(refit, "submatrix", lambda *given: asked.append(len(given[1])))
    network = replace(network, step=None)
    assert network.at(0.5).fit.iterations > 0
    assert network.at(0.75).fit.iterations > 0
    assert asked == [33]


def test_an_indefinite_matrix_is_not_solved(network: Refitting) -> None:
    assert replace(network, step=None, direct=False).at(0.8).fit.iterations == 3
