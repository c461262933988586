"""Pictures drawn anew: slope and curvature against derivatives, the step against a minimiser."""

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import nn

from prunelimit.lab.studies import reexpansion
from prunelimit.network.parameters import prunable_weights, with_weights


@pytest.fixture(scope="module")
def linear():
    """Softmax regression: its Gauss-Newton matrix is its Hessian."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Linear(4, 3).double()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    inputs = torch.randn(30, 4, generator=generator)
    targets = torch.randint(3, (30,), generator=generator)
    return model, [(inputs[:20], targets[:20]), (inputs[20:], targets[20:])]


def loss_at(linear, weights):
    model, batches = linear
    moved = with_weights(model, torch.as_tensor(weights, dtype=torch.float64))
    return float(reexpansion.loss_of(moved, batches).detach())


def test_slope_and_curvature_are_the_losss_derivatives_along_each_step(linear):
    model, batches = linear
    stages = reexpansion.walk(model, batches, 0.5, 2, reexpansion.picture_of, 1e-2)
    assert [stage.removed for stage in stages] == [3, 6]
    w = prunable_weights(model)
    order = w.abs().argsort(stable=True)
    step = reexpansion.step_to(w, order[:3], reexpansion.picture_of(model, batches), 1e-2)
    assert torch.equal((w + step)[order[:3]], torch.zeros(3, dtype=torch.float64))
    h = 1e-3
    low, here, high = (loss_at(linear, w + t * step) for t in (-h, 0, h))
    assert stages[0].slope == pytest.approx((high - low) / (2 * h), rel=1e-4)
    assert stages[0].curvature == pytest.approx((high - 2 * here + low) / h**2, rel=1e-4)
    along = [loss_at(linear, w + t * step) for t in np.linspace(0, 1, 9)[1:]]
    assert stages[0].losses == pytest.approx(along, rel=1e-12)


def test_survivors_take_the_damped_pictures_minimiser(linear):
    model, batches = linear
    w = prunable_weights(model)
    gradient, matrix = reexpansion.picture_of(model, batches)
    removed = torch.tensor([0, 5, 7])
    free = np.setdiff1d(np.arange(12), removed.numpy())

    def damped(part):
        d = -w.numpy()
        d[free] = part
        return gradient.numpy() @ d + d @ matrix.numpy() @ d / 2 + 0.05 * part @ part / 2

    found = reexpansion.step_to(w, removed, (gradient, matrix), 0.05)
    best = optimize.minimize(damped, np.zeros(free.size), tol=1e-12)
    assert np.allclose(found.numpy()[free], best.x, atol=1e-5)
