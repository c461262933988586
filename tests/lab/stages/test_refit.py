"""The re-fitted rise is the Schur complement's; each mask begins where the one before ended."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from prunelimit.lab.data import Batches
from prunelimit.lab.stages.refit import TOLERANCE, Refitting
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import prunable_weights, with_weights
from prunelimit.pruning import magnitude_order


@pytest.fixture(scope="module")
def bench() -> Refitting:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 4))
    root = torch.randn(36, 50, dtype=torch.float64)
    matrix = root @ root.T / 50
    products = SimpleNamespace(matrix=matrix, matmul=matrix.matmul, dim=36, dtype=matrix.dtype)
    data = Batches(torch.randn(20, 1, 3, 3), torch.randint(4, (20,)), 20)
    return Refitting(model, products, data, iterations=200, device="cpu", progress=False)


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


def test_where_the_matrix_is_written_out_no_mask_stops_short(bench: Refitting) -> None:
    few = replace(bench, iterations=3, step=None)
    exact = replace(few, matrix=bench.operator.matrix)
    short, found = few.at(0.5).fit, exact.at(0.5).fit
    assert found.converged and not short.converged and short.rise > found.rise
    assert found.rise == pytest.approx(bench.at(0.5).fit.rise, rel=1e-6)
