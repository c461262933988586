"""Learning rates: as the paper meant them, and as its released code applied them."""

import math

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

from prunelimit.lab import tasks
from prunelimit.lab.schedules import learning_rates
from prunelimit.recipe import TrainingConfig

STEPS = 391  # of 50,000 images at batch 128


def released(config, steps_per_epoch):
    """What torch's own schedulers do when both are stepped once an iteration."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=config.learning_rate)
    if config.schedule == "cosine":
        scheduler = CosineAnnealingLR(optimizer, T_max=config.epochs)
    else:
        scheduler = MultiStepLR(optimizer, list(config.milestones), config.gamma)
    group, warmup = optimizer.param_groups[0], config.warmup_epochs * steps_per_epoch
    group["lr"] = 0.0 if warmup else group["lr"]  # where a warm-up from zero begins
    rates = []
    for step in range(config.epochs * steps_per_epoch):
        rates.append(group["lr"])
        optimizer.step()
        if step < warmup:
            group["lr"] = config.learning_rate * (step + 1) / warmup
        scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize("task", ["cifar10-alexnet", "cifar100-resnet18"])
@pytest.mark.parametrize("epochs", [30, 7])
@pytest.mark.filterwarnings("ignore")
def test_as_released_is_what_torch_does_stepped_per_iteration(task, epochs):
    config = tasks.get(task).with_(epochs=epochs, preset="as_released").training
    ours, theirs = learning_rates(config, 53), released(config, 53)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_alexnets_milestones_fall_into_the_first_epoch_and_the_warm_up_undoes_them():
    config = tasks.get("cifar10-alexnet").with_(preset="as_released").training
    rates = learning_rates(config, STEPS)
    warmup = 5 * STEPS
    ramp = 0.01 * np.arange(warmup) / warmup
    halved = np.flatnonzero(~np.isclose(rates[:warmup], ramp))
    assert halved.tolist() == [60, 120, 160], "each milestone touches a single iteration"
    np.testing.assert_allclose(rates[halved], ramp[halved] / 2)
    np.testing.assert_allclose(rates[warmup:], 0.01)


@pytest.mark.parametrize("task", ["cifar100-resnet18", "cifar100-resnet50"])
def test_the_resnets_rate_swings_every_400_iterations(task):
    rates = learning_rates(tasks.get(task).with_(preset="as_released").training, STEPS)
    warmup, after = rates[: 5 * STEPS], rates[5 * STEPS :]
    assert warmup.max() == pytest.approx(0.37, abs=0.005)
    assert after.max() == pytest.approx(0.11, abs=0.005)
    assert after.min() == pytest.approx(0, abs=1e-12)
    zeros = np.flatnonzero(np.isclose(rates, 0, atol=1e-12))
    zeros = zeros[zeros >= 5 * STEPS]
    assert (np.diff(zeros) == 400).all()
    assert len(zeros) == pytest.approx(len(after) / 400, abs=1)
    # After its first trough the recursion begins anew and peaks at the nominal rate.
    assert after[400:].max() == pytest.approx(0.1, rel=1e-3)


def test_as_intended_moves_once_an_epoch():
    for name in ("cifar10-alexnet", "cifar10-vgg16", "cifar100-resnet18", "cifar10-fc5"):
        rates = learning_rates(tasks.get(name).training, 7).reshape(200, 7)
        assert (rates == rates[:, :1]).all()


def test_as_intended_warms_up_linearly_and_then_follows_its_schedule():
    alexnet = learning_rates(tasks.get("cifar10-alexnet").training, 1)
    np.testing.assert_allclose(alexnet[:6], 0.01 * np.array([0.2, 0.4, 0.6, 0.8, 1.0, 1.0]))
    steps = np.array([alexnet[e] for e in (59, 60, 119, 120, 159, 160, 199)]) / 0.01
    np.testing.assert_allclose(steps, [1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125])
    np.testing.assert_allclose(learning_rates(tasks.get("cifar10-vgg16").training, 1)[4:], 0.01)
    np.testing.assert_allclose(learning_rates(tasks.get("cifar10-fc12").training, 1), 0.01)


def test_the_cosine_as_intended_is_torchs_over_all_epochs():
    config = TrainingConfig(epochs=40, learning_rate=0.1, schedule="cosine")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = CosineAnnealingLR(optimizer, T_max=40)
    expected = []
    for _ in range(40):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(learning_rates(config, 1), expected, rtol=1e-9)
    assert math.isclose(expected[20], 0.05)


@pytest.mark.parametrize("epochs", [20, 40])
def test_fewer_epochs_keep_the_shape(epochs):
    full = tasks.get("cifar100-resnet18").training
    long, short = learning_rates(full, 1), learning_rates(full.scaled(epochs), 1)
    np.testing.assert_allclose(short[epochs // 4 :], long[50 :: 200 // epochs], rtol=1e-9)
