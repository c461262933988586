"""The L1 objective, evaluation, divergence, and what a run leaves behind."""

import dataclasses
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from training_support import light

from prunelimit import lomp
from prunelimit.errors import DivergenceError, PruneLimitError
from prunelimit.lab import data, models, training
from prunelimit.lab.store.checkpoints import load_checkpoint
from prunelimit.lab.training import train
from prunelimit.lomp import add_l1_subgradient, evaluate
from prunelimit.network.device import resolve_device
from prunelimit.recipe import TrainingConfig

QUICK = TrainingConfig(epochs=3, learning_rate=0.05, batch_size=64, l1=1e-4)


@pytest.fixture(autouse=True)
def light_on_the_machine(monkeypatch):
    with light(monkeypatch):
        yield


@pytest.fixture(scope="module")
def splits():
    return data.load("digits")


def fresh(seed=0, name="mlp"):
    return models.build(name, (1, 8, 8), 10, seed)


class Noisy(nn.Module):
    """A network with batch normalisation and dropout, for what depends on the mode."""

    def __init__(self):
        super().__init__()
        self.flat, self.first, self.norm = nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16)
        self.drop, self.last = nn.Dropout(0.5), nn.Linear(16, 10)
        models.initialize(self, 0)

    def forward(self, inputs):
        return self.last(self.drop(torch.relu(self.norm(self.first(self.flat(inputs))))))


def states_equal(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# --- the objective ---


def test_the_subgradient_is_autograds_to_the_bit():
    generator = torch.Generator().manual_seed(0)
    parameters = [nn.Parameter(torch.randn(50, 30, generator=generator)) for _ in range(3)]
    parameters[1].data[::2] = 0  # at zero the subgradient is zero
    losses = [(p * torch.randn(50, 30, generator=generator)).pow(2).sum() for p in parameters]
    for loss, parameter in zip(losses, parameters, strict=True):
        loss.backward(retain_graph=True)
        add_l1_subgradient([parameter], 3e-4)
        ours = parameter.grad.clone()
        (expected,) = torch.autograd.grad(loss + 3e-4 * parameter.abs().sum(), parameter)
        assert torch.equal(ours, expected)


def test_parameters_without_gradient_are_left_alone():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    used.grad = torch.zeros(2)
    add_l1_subgradient([used, unused], 0.5)
    assert unused.grad is None
    assert used.grad.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("penalised", ["all", "prunable"])
def test_training_is_sgd_on_the_penalised_loss(tmp_path, splits, penalised):
    """Against a loop that lets autograd differentiate the whole objective."""
    config = dataclasses.replace(QUICK, epochs=2, l1=1e-3, penalised=penalised, seed=5)
    result = train(fresh(), splits, config, tmp_path, device="cpu")
    model = fresh()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    batches = splits.train.with_batch_size(64).with_seed(5)
    for epoch in range(2):
        batches.set_epoch(epoch)
        for inputs, targets in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            norm = sum(
                p.abs().sum()
                for name, p in model.named_parameters()
                if penalised == "all" or name.endswith("weight")
            )
            (loss + 1e-3 * norm).backward()
            optimizer.step()
    for ours, theirs in zip(result.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert result.history[-1].l1_norm == pytest.approx(norm.item(), rel=1e-2)


def test_l1_makes_weights_small(tmp_path, splits):
    config = dataclasses.replace(QUICK, epochs=6, learning_rate=0.1)
    norms = [
        train(fresh(), splits, dataclasses.replace(config, l1=l1), tmp_path / str(l1), "cpu")
        .history[-1]
        .l1_norm
        for l1 in (0.0, 3e-3)
    ]
    assert norms[1] < 0.8 * norms[0]


def test_a_network_learns_and_its_numbers_are_those_of_evaluate(tmp_path, splits):
    config = dataclasses.replace(QUICK, epochs=6, learning_rate=0.1)
    result = train(fresh(), splits, config, tmp_path, "cpu", progress=False)
    assert [record.epoch for record in result.history] == list(range(7))
    assert result.final.test_accuracy > 0.9
    assert math.isnan(result.history[0].train_loss)
    assert result.history[0].validation_accuracy < 0.4
    assert not result.model.training
    for part in ("train", "validation", "test"):
        loader = splits.train_eval if part == "train" else getattr(splits, part)
        measured = evaluate(result.model, nn.CrossEntropyLoss(), loader, "cpu")
        stated = (getattr(result.final, f"{part}_{what}") for what in ("loss", "accuracy"))
        assert measured == tuple(stated)
    assert result.seconds == sum(record.seconds for record in result.history)


def test_the_seed_decides_and_the_global_generator_is_left_alone(tmp_path, splits):
    config, model = dataclasses.replace(QUICK, epochs=1), Noisy()
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = train(model, splits, config, tmp_path / "a", "cpu").model
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(12)
    second = train(Noisy(), splits, config, tmp_path / "b", "cpu").model
    assert states_equal(first, second)
    other = dataclasses.replace(config, seed=1)
    assert not states_equal(first, train(Noisy(), splits, other, tmp_path / "c", "cpu").model)


# --- evaluate ---


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(1, 12))
def test_evaluate_weighs_uneven_batches_by_their_size(examples, batch_size):
    generator = torch.Generator().manual_seed(examples)
    inputs = torch.randn(examples, 7, generator=generator)
    targets = torch.randint(5, (examples,), generator=generator)
    model = nn.Linear(7, 5)
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=batch_size)
    loss, accuracy = evaluate(model, nn.CrossEntropyLoss(), loader, "cpu")
    with torch.no_grad():
        outputs = model(inputs).double()
    assert loss == pytest.approx(float(nn.functional.cross_entropy(outputs, targets)), rel=1e-6)
    assert accuracy == float((outputs.argmax(1) == targets).double().mean())


def test_evaluate_is_in_evaluation_mode_and_puts_every_flag_back(splits):
    model = Noisy()
    model.norm.eval()  # a flag of its own
    statistics = model.norm.running_mean.clone()
    first = evaluate(model, nn.CrossEntropyLoss(), splits.validation, "cpu")
    assert first == evaluate(model, nn.CrossEntropyLoss(), splits.validation, "cpu")
    assert torch.equal(statistics, model.norm.running_mean)
    assert model.training and model.drop.training and not model.norm.training

    def fails(outputs, targets):
        raise RuntimeError("no loss")

    with pytest.raises(RuntimeError, match="no loss"):
        evaluate(model, fails, splits.validation, "cpu")
    assert model.training and not model.norm.training


def test_accuracy_of_a_regression_is_not_a_number():
    batch = (torch.ones(3, 2), torch.ones(3, 2))
    loss, accuracy = evaluate(nn.Identity(), nn.MSELoss(), [batch], "cpu")
    assert loss == 0
    assert math.isnan(accuracy)


@pytest.mark.parametrize(
    ("loader", "loss_fn", "message"),
    [
        ([], nn.CrossEntropyLoss(), "loader is empty"),
        (
            [(torch.ones(3, 2), torch.zeros(3, dtype=torch.long))],
            nn.CrossEntropyLoss(reduction="none"),
            r"shape \(3,\)",
        ),
    ],
)
def test_evaluate_names_bad_input(loader, loss_fn, message):
    with pytest.raises(PruneLimitError, match=message):
        evaluate(nn.Identity(), loss_fn, loader, "cpu")


# --- divergence and bad input ---


def linear_model():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    models.initialize(model, 0)
    return model


def squared(outputs, targets):
    return nn.functional.mse_loss(outputs, nn.functional.one_hot(targets, 10).float())


def test_a_rate_too_high_stops_and_the_last_good_checkpoint_stays(tmp_path, splits, monkeypatch):
    monkeypatch.setattr(training, "cross_entropy", squared)
    # A quadratic loss explodes once the growing rate passes 2 / (largest curvature).
    config = dataclasses.replace(QUICK, epochs=10, learning_rate=2.0, warmup_epochs=10)
    with pytest.raises(DivergenceError, match="diverged") as caught:
        train(linear_model(), splits, config, tmp_path, "cpu")
    message = str(caught.value)
    assert "at learning rate" in message and "Lower λ or the learning rate" in message
    kept = training.checkpoints.latest(tmp_path)
    assert kept.epoch >= 1, "the first epochs were good"
    assert f"epoch {kept.epoch + 1} of 10" in message
    assert f"checkpoint of epoch {kept.epoch}" in message
    model = linear_model()
    load_checkpoint(model, kept.path)
    loss, _ = evaluate(model, squared, splits.validation, "cpu")
    assert loss == pytest.approx(kept.history[-1]["validation_loss"])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_at_once(tmp_path, splits, bad, monkeypatch):
    calls = []

    def breaks(outputs, targets):
        calls.append(None)
        loss = nn.functional.cross_entropy(outputs, targets)
        return loss * bad if outputs.requires_grad else loss

    monkeypatch.setattr(training, "cross_entropy", breaks)
    with pytest.raises(DivergenceError, match="epoch 1 of 3 .*training loss is (nan|inf)"):
        train(fresh(), splits, QUICK, tmp_path, "cpu")
    assert training.checkpoints.latest(tmp_path).epoch == 0
    assert len(calls) < 2 * lomp.CHECK_EVERY


def test_weights_that_are_not_finite_at_the_start_are_named(tmp_path, splits):
    model = fresh()
    with torch.no_grad():
        model[1].bias[0] = math.nan
    with pytest.raises(DivergenceError, match="nothing was trained yet"):
        train(model, splits, QUICK, tmp_path, "cpu")
    assert training.checkpoints.latest(tmp_path) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0.0}, r"learning_rate is 0\.0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"momentum": 1.0}, r"momentum is 1\.0"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"l1": -5e-5}, "l1 is -5e-05"),
        ({"l1": math.inf}, "l1 is inf"),
        ({"gamma": 0.0}, r"gamma is 0\.0"),
        ({"warmup_epochs": -1}, "warmup_epochs is -1"),
        ({"milestones": (0, 3)}, "milestones"),
        ({"schedule": "linear"}, "schedule is 'linear'.*cosine"),
        ({"preset": "released"}, "preset is 'released'.*as_released"),
        ({"penalised": "some"}, "penalised is 'some'.*prunable"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(PruneLimitError, match=message):
        TrainingConfig(**changes)


@pytest.mark.parametrize("device", ["cuda:99", "abacus", "meta:x"])
def test_a_device_that_is_not_there_is_named(tmp_path, splits, device):
    with pytest.raises(PruneLimitError, match=f"'{device}' cannot be used here"):
        train(fresh(), splits, QUICK, tmp_path / "run", device)
    assert not (tmp_path / "run").exists()


def test_auto_prefers_an_accelerator(monkeypatch):
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert resolve_device("auto").type == expected


def test_a_model_with_nothing_to_train_is_named(tmp_path, splits):
    with pytest.raises(PruneLimitError, match="nothing to train"):
        train(nn.Flatten(), splits, QUICK, tmp_path, "cpu")


def test_scaling_keeps_the_shape_of_the_schedule():
    config = TrainingConfig(epochs=200, warmup_epochs=5, schedule="multistep")
    scaled = config.scaled(100)
    assert (scaled.epochs, scaled.warmup_epochs, scaled.milestones) == (100, 2, (30, 60, 80))
    assert config.scaled(10).warmup_epochs == 1
    assert config.scaled(200) == config
    assert TrainingConfig().scaled(3).warmup_epochs == 0


# --- what a run leaves behind ---


def test_the_report_is_valid_json_with_the_whole_history(tmp_path, splits):
    result = train(fresh(), splits, QUICK, tmp_path, "cpu")

    def refuse(token):
        raise AssertionError(f"{token} is no JSON")

    report = json.loads((tmp_path / "training.json").read_text(), parse_constant=refuse)
    assert report["final"] == dataclasses.asdict(result.final)
    assert [entry["epoch"] for entry in report["history"]] == [0, 1, 2, 3]
    assert report["run"]["parameters"]["config"]["l1"] == QUICK.l1
    assert {p.name for p in tmp_path.iterdir()} == {".lock", "epoch-0003", "training.json"}
