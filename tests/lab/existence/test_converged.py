"""The converged minimum under a mask against closed forms, scipy, and long training."""

import math

import numpy as np
import pytest
import torch
from converged_support import EXACT, mask, tiny_network
from scipy.optimize import minimize as scipy_minimize
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from prunelimit import PruneLimitError
from prunelimit.lab.existence import converged
from prunelimit.lab.existence import landscape as landscapes
from prunelimit.lab.existence.converged import Descent, minimise
from prunelimit.lab.existence.landscape import Landscape


@pytest.mark.parametrize("dense_dim", [100, 0])
def test_linear_regression_reaches_the_least_squares_minimum(dense_dim):
    torch.manual_seed(1)
    model, inputs, targets = nn.Linear(6, 2), torch.randn(40, 6), torch.randn(40, 2)
    landscape = Landscape(model, mse_loss, [(inputs, targets)])
    keep = mask(landscape, model, 5)
    rules = Descent(iterations=60, tolerance=1e-13, patience=3, dense_dim=dense_dim)
    found = minimise(landscape, keep, descent=rules)
    weights = keep[:12].view(2, 6).numpy()
    wide, truth, total = inputs.double().numpy(), targets.double().numpy(), 0.0
    for output in range(2):
        design = np.column_stack([wide[:, weights[output]], np.ones(40)])
        _, residual, *_ = np.linalg.lstsq(design, truth[:, output], rcond=None)
        total += float(residual[0])
    assert found.loss == pytest.approx(total / 80, rel=1e-9)
    assert (found.point[~keep] == 0).all()


def test_logistic_regression_agrees_with_scipy():
    torch.manual_seed(2)
    inputs, targets = torch.randn(80, 5), torch.randint(3, (80,))
    model = nn.Linear(5, 3)
    landscape = Landscape(
        model, cross_entropy, [(inputs[:50], targets[:50]), (inputs[50:], targets[50:])]
    )
    keep = mask(landscape, model, 6)
    found = minimise(landscape, keep, descent=EXACT)
    free = keep.numpy()

    def loss_and_slope(values: np.ndarray) -> tuple[float, np.ndarray]:
        point = np.zeros(18)
        point[free] = values
        scores = inputs.double().numpy() @ point[:15].reshape(3, 5).T + point[15:]
        shifted = scores - scores.max(1, keepdims=True)
        shares = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
        truth = np.eye(3)[targets.numpy()]
        slope = (shares - truth) / 80
        whole = np.concatenate([(slope.T @ inputs.double().numpy()).ravel(), slope.sum(0)])
        return -float(np.log(shares[truth > 0]).mean()), whole[free]

    best = scipy_minimize(loss_and_slope, np.zeros(free.sum()), jac=True, tol=1e-12)
    assert found.loss == pytest.approx(best.fun, rel=1e-8)


def test_a_small_network_comes_at_least_as_low_as_long_adam():
    model, data = tiny_network()
    landscape = Landscape(model, cross_entropy, data)
    keep = mask(landscape, model, 18)
    found = minimise(landscape, keep, descent=Descent(iterations=200, tolerance=1e-8))
    point = torch.where(keep, landscape.start, 0.0).requires_grad_()
    optimizer = torch.optim.Adam([point], lr=0.02)
    for step in range(1500):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 1500)
        optimizer.zero_grad()
        landscape.loss(torch.where(keep, point, 0.0)).backward()
        optimizer.step()
    adam = float(landscape.losses(torch.where(keep, point.detach(), 0.0)[None]))
    assert found.loss <= adam + 1e-4
    slope, _ = landscape.gauss_newton(found.point, keep.nonzero()[:, 0])
    assert float(slope.norm()) < 1e-3


def test_the_krylov_steps_solve_the_damped_equations():
    model, data = tiny_network(3)
    landscape = Landscape(model, cross_entropy, data)
    columns = mask(landscape, model, 12).nonzero()[:, 0]
    run = converged._Run(columns, landscape.start, 1.0, [])
    slope, matrix = landscape.gauss_newton(landscape.start, columns)
    steps = converged.krylov_solver(landscape, run, 60)(torch.tensor([1e-2, 1.0]).double())
    for step in steps[:, columns]:
        # (G + c I) step = -g for some damping c: what is left over is along the step.
        left = -slope - matrix @ step
        assert float(left @ step / left.norm() / step.norm()) == pytest.approx(1, abs=1e-8)
    assert steps.norm(dim=1).diff() < 0


def test_the_l1_term_is_minimised_too(monkeypatch):
    monkeypatch.setattr(landscapes, "SMOOTHING", 1e-6)
    inputs, targets = (
        torch.eye(3) * math.sqrt(3),
        torch.tensor([[3.0], [1.0], [0.1]]) * math.sqrt(3),
    )
    model = nn.Linear(3, 1, bias=False)
    landscape = Landscape(model, mse_loss, [(inputs, targets)], l1=1.0)
    found = minimise(landscape, torch.ones(3, dtype=torch.bool), descent=EXACT)
    # Soft thresholding: argmin (w - t)² + |w| is t - 1/2 above 1/2, and 0 below.
    assert found.point.tolist() == pytest.approx([2.5, 0.5, 0.0], abs=1e-4)


def test_it_stops_at_the_level_and_says_so():
    model, data = tiny_network()
    landscape = Landscape(model, cross_entropy, data)
    everything = torch.ones(landscape.size, dtype=torch.bool)
    level = 0.7 * float(landscape.losses(landscape.start[None]))
    found = minimise(landscape, everything, level=level)
    assert found.status == "reached" and found.loss <= level
    beyond = minimise(landscape, everything, level=found.loss - 1e-9)
    assert beyond.iterations >= found.iterations
    nothing = torch.zeros(landscape.size, dtype=torch.bool)
    assert minimise(landscape, nothing, level=0.1).status == "converged"


def test_wrong_shapes_and_values_are_refused():
    model, data = tiny_network()
    landscape = Landscape(model, cross_entropy, data)
    with pytest.raises(PruneLimitError, match="one entry a free parameter"):
        minimise(landscape, torch.ones(3, dtype=torch.bool))
    with pytest.raises(PruneLimitError, match="not finite"):
        minimise(
            landscape, torch.ones(landscape.size, dtype=torch.bool), landscape.start * math.nan
        )
    with pytest.raises(PruneLimitError, match="empty"):
        Landscape(model, cross_entropy, [])
    with pytest.raises(PruneLimitError, match="at least 1"):
        Descent(iterations=0)


def test_a_step_is_damped_by_the_mean_curvature_and_by_each_parameter_s_own():
    model, data = tiny_network(3)
    landscape = Landscape(model, cross_entropy, data)
    columns = mask(landscape, model, 12).nonzero()[:, 0]
    run = converged._Run(columns, landscape.start, 1.0, [])
    slope, matrix = landscape.gauss_newton(landscape.start, columns)
    dampings = torch.tensor([1e-2, 1.0]).double()
    steps = converged._dense_solver(landscape, run, ("mean", "own"))(dampings)[:, columns]
    own = matrix.diagonal()
    mean = own.mean() * torch.ones_like(own)
    added = [mean * 1e-2, mean, (own + 1e-2 * mean) * 1e-2, own + 1e-2 * mean]
    for step, extra in zip(steps, added, strict=True):
        assert torch.allclose(matrix @ step + extra * step, -slope, atol=1e-10)
    with pytest.raises(PruneLimitError, match="scalings"):
        Descent(scalings=("both",))
