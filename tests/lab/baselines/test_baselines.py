"""Every method: exact counts, the stated budget, the same again from the same seed."""

import copy
import dataclasses
from typing import Any

import pytest
import torch
from network_support import Transformer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from prunelimit import PruneLimitError
from prunelimit.lab.baselines import (
    METHODS,
    Work,
    brain_surgeon,
    gradual_magnitude,
    iterative_counts,
    iterative_magnitude,
    iterative_rounds,
    lomp,
    random_control,
    signed_constants,
)
from prunelimit.lab.baselines._one_shot import LompConfig, OneShotConfig, SurgeonConfig
from prunelimit.lab.baselines._rare_gems import RareGemsConfig, rare_gems_mask
from prunelimit.lab.baselines._rounds import GradualConfig, IterativeMagnitudeConfig, round_lengths
from prunelimit.network.parameters import flatten, prunable_weights
from prunelimit.pruning import magnitude_mask
from prunelimit.recipe import TrainingConfig

TRAINING = TrainingConfig(epochs=13, learning_rate=0.02, l1=0.0)


class Counting:
    """Two batches of images; counts how often a training pass was announced."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        targets = torch.arange(24) % 3
        images = torch.randn(24, 1, 6, 6, generator=generator) + targets.view(-1, 1, 1, 1)
        self.batches = list(zip(images.split(12), targets.split(12), strict=True))
        self.passes = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Any:
        return iter(self.batches)

    def set_epoch(self, epoch: int) -> None:
        self.passes += 1


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 6),
        nn.ReLU(),
        nn.Linear(6, 3),
    )


DIM = 36 + 144 + 24 + 18


def work(config: object, seed: int) -> Work:
    return Work(model(), Counting(), cross_entropy, 0.5, config, seed, device="cpu")


def vector(network: nn.Module) -> Tensor:
    return prunable_weights(network)


@pytest.mark.parametrize("name", METHODS)
def test_counts_budget_and_reproducibility(name: str) -> None:
    method, network, data = METHODS[name], model(), Counting()
    config = method.config(training=TRAINING)
    if name == "gradual_magnitude":
        config = dataclasses.replace(config, interval=3)
    before = copy.deepcopy(network.state_dict())
    state = torch.random.get_rng_state()
    found = method(network, data, cross_entropy, 0.87, config, seed=3, device="cpu")
    removed = 0 if name == "dense" else round(0.87 * DIM)
    keep = flatten(found.masks.values())
    assert int((~keep).sum()) == removed
    assert found.sparsity == pytest.approx(removed / DIM)
    assert bool((vector(found.model)[~keep] == 0).all())
    assert bool((vector(found.model)[keep] != 0).any())
    assert found.effective_sparsity >= found.sparsity - 1e-12
    assert found.collapsed_layers == tuple(n for n, m in found.masks.items() if m.sum() == 0)
    assert found.method == name
    # One announced pass an epoch; one more where examples are taken to score weights on.
    assert found.training_epochs == TRAINING.epochs
    assert data.passes == TRAINING.epochs + (name in ("snip", "grasp"))
    # Nothing of the caller's has changed.
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
    again = method(network, Counting(), cross_entropy, 0.87, config, seed=3, device="cpu")
    assert torch.equal(vector(again.model), vector(found.model))


@pytest.mark.parametrize("name", METHODS)
def test_a_transformer_goes_through_every_method(name: str) -> None:
    """Attention reads its output layer's weight without calling it: masks have to act there."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(24, 64, generator=generator)
    data = list(zip(inputs.split(12), (inputs.argmax(1) % 3).split(12), strict=True))
    config = METHODS[name].config(training=TRAINING)
    if name == "gradual_magnitude":
        config = dataclasses.replace(config, interval=1)
    found = METHODS[name](Transformer(), data, cross_entropy, 0.7, config, device="cpu")
    keep = flatten(found.masks.values())
    assert int((~keep).sum()) == (0 if name == "dense" else round(0.7 * 1568))
    assert bool((vector(found.model)[~keep] == 0).all())
    assert list(found.model.state_dict()) == list(Transformer().state_dict())


@pytest.mark.parametrize("name", METHODS)
def test_sparsity_zero_removes_nothing(name: str) -> None:
    if name == "smart_ratio":
        config = METHODS[name].config(training=TRAINING, linear_keep=1.0)
    else:
        config = METHODS[name].config(training=TRAINING)
    found = METHODS[name](model(), Counting(), cross_entropy, 0.0, config, device="cpu")
    assert all(bool(mask.all()) for mask in found.masks.values())
    assert found.sparsity == 0.0


@pytest.mark.parametrize("name", [name for name in METHODS if name != "dense"])
def test_a_sparsity_out_of_range_is_refused_before_training(name: str) -> None:
    data = Counting()
    config = METHODS[name].config(training=TRAINING)
    with pytest.raises(PruneLimitError, match="did you mean 0.9"):
        METHODS[name](model(), data, cross_entropy, 90, config, device="cpu")
    assert data.passes == 0


def test_one_shot_pruning_leaves_the_survivors_untouched() -> None:
    dense = METHODS["dense"](
        model(), Counting(), cross_entropy, 0.0, OneShotConfig(TRAINING), device="cpu"
    )
    pruned = lomp(model(), Counting(), cross_entropy, 0.5, LompConfig(TRAINING), device="cpu")
    keep = flatten(pruned.masks.values())
    assert torch.equal(keep, flatten(magnitude_mask(dense.model, 0.5).values()))
    assert torch.equal(vector(pruned.model), vector(dense.model) * keep)


def test_retraining_changes_survivors_only_and_can_be_all_of_the_budget() -> None:
    config = OneShotConfig(TRAINING, retrain_epochs=TRAINING.epochs)
    data = Counting()
    found = random_control(model(), data, cross_entropy, 0.5, config, seed=1, device="cpu")
    expected = work(config, seed=1).trained(model(), TRAINING, found.masks)
    assert torch.equal(vector(found.model), vector(expected))
    with pytest.raises(PruneLimitError, match="out of 13"):
        OneShotConfig(TRAINING, retrain_epochs=14)


def test_iterative_rounds_and_rewinding() -> None:
    config = IterativeMagnitudeConfig(TRAINING, round_share=0.4)
    data = Counting()
    tried = Work(model(), data, cross_entropy, 0.7, config, seed=2, device="cpu")
    seen = [vector(network) for network, _ in iterative_rounds(tried)]
    found = iterative_magnitude(
        model(), Counting(), cross_entropy, 0.7, config, seed=2, device="cpu"
    )
    counts = iterative_counts(DIM, 0.7, 0.4)
    assert data.passes == TRAINING.epochs
    assert [int((v != 0).sum()) for v in seen] == [DIM, *counts]
    # Each round keeps the largest of the round before, and goes on from the initial weights.
    for before, after, count in zip(seen, seen[1:], counts, strict=False):
        assert torch.equal((after != 0), before.abs() >= before.abs().sort().values[-count])
    lengths = round_lengths(TRAINING.epochs, len(counts) + 1)
    last = work(config, seed=2).trained(model(), TRAINING.scaled(lengths[-1]), found.masks)
    assert torch.equal(vector(last), vector(found.model))


def test_iterative_needs_an_epoch_for_every_round() -> None:
    config = IterativeMagnitudeConfig(TRAINING)
    with pytest.raises(PruneLimitError, match="too few for"):
        iterative_magnitude(model(), Counting(), cross_entropy, 0.99, config, device="cpu")


def test_gradual_pruning_that_ends_with_the_training_is_exact() -> None:
    config = GradualConfig(TRAINING, end=1.0, interval=1000)
    found = gradual_magnitude(model(), Counting(), cross_entropy, 0.6, config, device="cpu")
    assert int((vector(found.model) == 0).sum()) == round(0.6 * DIM)


def test_rare_gems_finds_a_planted_subnetwork() -> None:
    torch.manual_seed(4)
    layer = signed_constants(nn.Linear(12, 1, bias=False))
    planted = torch.tensor([True, False, False] * 4)
    inputs = torch.randn(200, 12)
    targets = inputs @ (layer.weight[0].detach() * planted)
    data = list(zip(inputs.split(20), targets[:, None].split(20), strict=True))
    config = RareGemsConfig(TrainingConfig(epochs=60), search_epochs=40)
    masks = rare_gems_mask(Work(layer, data, mse_loss, 2 / 3, config, seed=1, device="cpu"))
    assert torch.equal(masks["weight"][0], planted)


def test_rare_gems_refuses_a_search_without_a_drop() -> None:
    with pytest.raises(PruneLimitError, match="more than the period"):
        RareGemsConfig(TRAINING, search_epochs=5)


def test_brain_surgeon_against_least_squares() -> None:
    torch.manual_seed(6)
    inputs = torch.randn(50, 6) @ torch.randn(6, 6)
    targets = inputs @ torch.randn(6, 1) + torch.randn(50, 1)
    config = SurgeonConfig(TrainingConfig(epochs=1, learning_rate=1e-6, l1=0.0), tolerance=1e-6)
    layer = nn.Linear(6, 1, bias=False)
    found = brain_surgeon(layer, [(inputs, targets)], mse_loss, 0.5, config, device="cpu")
    keep = found.masks["weight"][0]
    assert not torch.allclose(found.model.weight[0, keep], layer.weight[0, keep], atol=1e-2)
    # The quadratic model has no linear term: its minimum best imitates the dense outputs.
    dense = inputs @ layer.weight.detach().T
    best = torch.linalg.lstsq(inputs[:, keep], dense).solution[:, 0]
    torch.testing.assert_close(found.model.weight[0, keep].detach(), best, rtol=1e-3, atol=1e-3)


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first, self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.second.weight = self.first.weight

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(inputs.flatten(1)[:, :4])))))


@pytest.mark.parametrize("masked", [False, True])
def test_a_shared_weight_is_penalised_once(masked: bool) -> None:
    network = Tied()
    config = TrainingConfig(
        epochs=1, learning_rate=1.0, momentum=0.0, l1=0.01, penalised="prunable"
    )
    masks = magnitude_mask(network, 0.5) if masked else None
    data = [(torch.ones(2, 1, 2, 2), torch.zeros(2).long())]
    flat = Work(network, data, lambda out, _: 0 * out.sum(), 0.5, config)
    trained = flat.trained(network, config, masks)
    before, after = network.first.weight, trained.get_parameter("first.weight")
    kept = torch.ones_like(before).bool() if masks is None else masks["first.weight"]
    torch.testing.assert_close((before - after)[kept], 0.01 * before.sign()[kept])


@pytest.mark.parametrize("method", ["gradual_magnitude", "rare_gems", "snip"])
def test_layers_that_share_a_weight_train_with_the_mask_that_counts(method: str) -> None:
    """What the last training step saw is what the result computes: the masks of both layers."""
    seen: list[Tensor] = []

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(outputs.detach())
        return cross_entropy(outputs, targets)

    # So small a rate moves nothing: outputs change with the mask alone.
    config = METHODS[method].config(dataclasses.replace(TRAINING, learning_rate=1e-12))
    if method == "gradual_magnitude":
        config = dataclasses.replace(config, interval=1)
    batches = Counting().batches[:1]
    pruned = METHODS[method](Tied(), batches, loss_fn, 0.5, config, device="cpu")
    torch.testing.assert_close(seen[-1], pruned.model(batches[0][0]))
