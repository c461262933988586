"""The table of experiments."""

import dataclasses

import pytest
import torch

from prunelimit.errors import PruneLimitError
from prunelimit.lab import data, models, tasks
from prunelimit.lab.tasks import TASKS, Task
from prunelimit.recipe import TrainingConfig

# λ, rate, schedule, warm-up, as in the paper's table of hyperparameters.
PAPER = {
    "cifar10-fc5": (5e-5, 0.01, "constant", 0),
    "cifar10-fc12": (5e-5, 0.01, "constant", 0),
    "cifar10-alexnet": (3e-5, 0.01, "multistep", 5),
    "cifar10-vgg16": (1e-4, 0.01, "constant", 5),
    "cifar100-resnet18": (5e-5, 0.1, "cosine", 5),
    "cifar100-resnet50": (2e-5, 0.1, "cosine", 5),
    "tiny-imagenet-resnet18": (5e-5, 0.1, "cosine", 5),
    "tiny-imagenet-resnet50": (2e-5, 0.1, "cosine", 5),
}
AT_HAND = {
    "fashion-fc5": "cifar10-fc5",
    "fashion-fc12": "cifar10-fc12",
    "fashion-alexnet": "cifar10-alexnet",
    "fashion-vgg16": "cifar10-vgg16",
    "fashion-resnet18": "cifar100-resnet18",
    "fashion-resnet50": "cifar100-resnet50",
}


def test_the_papers_eight_have_its_hyperparameters():
    assert {name for name, task in TASKS.items() if task.from_paper} == set(PAPER)
    for name, (l1, rate, schedule, warmup) in PAPER.items():
        task, training = TASKS[name], TASKS[name].training
        assert (training.l1, training.learning_rate) == (l1, rate)
        assert (training.schedule, training.warmup_epochs) == (schedule, warmup)
        assert (training.epochs, training.batch_size) == (200, 128)
        assert (training.momentum, training.weight_decay) == (0.9, 0.0)
        assert (training.penalised, training.preset) == ("all", "as_intended")
        assert task.augment
    alexnet = TASKS["cifar10-alexnet"].training
    assert (alexnet.milestones, alexnet.gamma) == ((60, 120, 160), 0.5)


@pytest.mark.parametrize(("ours", "paper"), AT_HAND.items())
def test_the_same_networks_are_trained_alike_on_data_at_hand(ours, paper):
    assert TASKS[ours].training == TASKS[paper].training
    assert TASKS[ours].model == TASKS[paper].model
    if TASKS[ours].dataset == "fashion-mnist-32":
        assert "padded" in TASKS[ours].note


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_called_after_what_it_trains_and_its_model_takes_its_data(name):
    task = TASKS[name]
    assert task.name == name
    assert name.startswith(task.dataset.partition("-mnist")[0])
    side = {"digits": 8, "fashion-mnist": 28, "tiny-imagenet": 64}.get(task.dataset, 32)
    channels = 1 if task.dataset in ("digits", "fashion-mnist") else 3
    models.check_shape(task.model, (channels, side, side), 10)


def test_digits_from_task_to_outputs():
    splits = TASKS["digits-cnn"].with_(seed=2, batch_size=50).load_data()
    assert (splits.seed, splits.train.batch_size) == (2, 50)
    model = TASKS["digits-cnn"].build_model(splits)
    inputs, _ = next(iter(splits.test))
    assert model(inputs).shape == (50, 10)


def test_a_task_on_fewer_examples_says_so_and_trains_and_measures_on_the_same_ones():
    task = TASKS["digits-mlp"].with_(examples=200, seed=3)
    splits = task.load_data()
    counts = [getattr(splits, part).examples for part in ("train", "validation", "test")]
    assert counts == [200, 142, 200]
    assert torch.equal(splits.train.labels, splits.train_eval.labels)
    trained_on = torch.cat([inputs for inputs, _ in splits.train]).sum(0)
    measured_on = torch.cat([inputs for inputs, _ in splits.train_eval]).sum(0)
    assert torch.allclose(trained_on, measured_on, atol=1e-3)
    assert task.describe()["data"] == "digits, at most 200 examples a part"


def test_with_reaches_the_task_and_its_training():
    task = TASKS["cifar10-alexnet"].with_(epochs=100, l1=0.0, seed=7, augment=False)
    assert (task.training.epochs, task.training.milestones) == (100, (30, 60, 80))
    assert (task.training.l1, task.seed, task.augment) == (0.0, 7, False)
    assert TASKS["cifar10-alexnet"].training.epochs == 200, "the original is unchanged"
    explicit = TASKS["cifar10-alexnet"].with_(epochs=100, milestones=(50,))
    assert explicit.training.milestones == (50,)
    whole = TASKS["digits-mlp"].with_(training=TrainingConfig(), epochs=3)
    assert whole.training == TrainingConfig().scaled(3)


def test_describe_is_a_row_of_texts_with_the_same_columns_for_all():
    rows = [task.describe() for task in TASKS.values()]
    assert all(row.keys() == rows[0].keys() for row in rows)
    assert all(isinstance(text, str) for row in rows for text in row.values())
    row = TASKS["cifar10-alexnet"].with_(preset="as_released").describe()
    assert row["schedule"] == "5 warm-up, ×0.5 at 60, 120, 160 (as released)"
    assert row["data"] == data.DATASETS["cifar10"].label


def test_tasks_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TASKS["digits-mlp"].model = "cnn"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tasks.get("fashion-fc6"), r"did you mean 'fashion-fc.*cifar10-alexnet, "),
        (lambda: tasks.get("digits-mlp").with_(lambda_=1), "unknown setting 'lambda_'"),
        (lambda: tasks.get("digits-mlp").with_(epoch=1), "did you mean 'epochs'"),
        (lambda: tasks.get("digits-mlp").with_(epochs=0), "epochs is 0"),
        (lambda: tasks.get("digits-mlp").with_(l1=-1.0), r"l1 is -1\.0"),
        (lambda: tasks.get("digits-mlp").with_(model="mpl"), "did you mean 'mlp'"),
        (lambda: Task("x", "cifar11", "mlp", TrainingConfig()), "did you mean 'cifar1"),
        (lambda: tasks.get("digits-mlp").with_(examples=0), "examples is 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(PruneLimitError, match=message):
        call()
