"""Pictures drawn anew: slope and curvature against derivatives, the step against a minimiser."""

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import nn

from book.tools import reexpansion
from prunelimit.lab.existence.landscape import Landscape
from prunelimit.network.parameters import prunable_weights, with_weights
from prunelimit.spectrum.operator import CurvatureOperator


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
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return float(nn.functional.cross_entropy(moved(inputs.double()), targets).detach())


def picture_of(linear, weights, chosen):
    model, batches = linear
    space = Landscape(with_weights(model, weights), nn.functional.cross_entropy, batches)
    return space.gauss_newton(space.start, space.prunable[chosen])


def test_slope_and_curvature_are_the_losss_derivatives_along_each_step(linear):
    model, batches = linear
    w = prunable_weights(model)
    order = w.abs().argsort(stable=True)
    space = Landscape(model, nn.functional.cross_entropy, batches)
    stages = reexpansion.walk(space, order, 0.5, 2)
    assert [stage.removed for stage in stages] == [3, 6]
    first = picture_of(linear, w, order)
    assert reexpansion.walk(space, order, 0.5, 2, first) == stages
    for before, stage in zip((0, 3), stages, strict=True):
        alive = order[before:]
        picture = picture_of(linear, w, alive)
        step = torch.zeros(12, dtype=torch.float64)
        step[alive] = reexpansion.step_to(w[alive], 3, picture)
        h = 1e-3
        low, here, high = (loss_at(linear, w + t * step) for t in (-h, 0, h))
        assert stage.slope == pytest.approx((high - low) / (2 * h), rel=1e-4)
        assert stage.curvature == pytest.approx((high - 2 * here + low) / h**2, rel=1e-4)
        along = [loss_at(linear, w + t * step) for t in np.linspace(0, 1, 9)[1:]]
        assert stage.losses == pytest.approx(along, rel=1e-12)
        w = w + step
        assert not w[order[: before + 3]].any()


def test_survivors_take_the_damped_pictures_minimiser(linear):
    w = prunable_weights(linear[0])
    gradient, matrix = picture_of(linear, w, torch.arange(12))

    def damped(part):
        d = np.concatenate([-w[:3].numpy(), part])
        return gradient.numpy() @ d + d @ matrix.numpy() @ d / 2 + 0.05 * part @ part / 2

    found = reexpansion.step_to(w, 3, (gradient, matrix), damping=0.05)
    best = optimize.minimize(damped, np.zeros(9), tol=1e-12)
    assert np.allclose(found.numpy(), np.concatenate([-w[:3].numpy(), best.x]), atol=1e-5)


def test_a_block_of_the_matrix_is_that_of_the_whole(linear):
    model, batches = linear
    operator = CurvatureOperator(
        model, nn.functional.cross_entropy, batches, "ggn", device="cpu", dtype=torch.float64
    )
    whole = operator.dense()
    chosen = torch.tensor([7, 0, 11])
    _, block = picture_of(linear, prunable_weights(model), chosen)
    assert torch.allclose(block, whole[chosen][:, chosen], rtol=1e-12, atol=1e-15)
