"""The paper's eight experiments, and the same networks on data that is at hand (chapter 7).

A task is what has to be fixed for an experiment to be repeated. The
hyperparameters of the eight are those of the configurations that Zhang et al.
(2024) published; where we had to choose, `Task.note` says so.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from prunelimit.errors import require
from prunelimit.lab import data, models
from prunelimit.lab.data import Splits
from prunelimit.names import require_known
from prunelimit.recipe import TrainingConfig


@dataclass(frozen=True)
class Task:
    """One experiment.

    Attributes
    ----------
    name
        Data set first, then the network.
    dataset
        Name for `data.load`.
    model
        Name for `models.build`.
    training
        How it is trained.
    augment
        Whether training crops and flips.
    examples
        At most so many in each part of the data, drawn by the seed; None takes all.
    from_paper
        Whether it is one of the paper's eight.
    note
        What differs from the paper, or was chosen by us.

    Examples
    --------
    >>> task = get("cifar10-fc5")
    >>> task.training.l1, task.training.epochs
    (5e-05, 200)
    """

    name: str
    dataset: str
    model: str
    training: TrainingConfig
    augment: bool = True
    from_paper: bool = False
    note: str = ""
    examples: int | None = None

    def __post_init__(self) -> None:
        """Refuse names that nothing stands behind."""
        require_known("data set", self.dataset, data.DATASETS)
        require_known("model", self.model, models.MODELS)
        enough = self.examples is None or self.examples >= 1
        require(enough, "examples", self.examples, "at least 1")

    @property
    def seed(self) -> int:
        """Seed of the split, the initial weights and the training."""
        return self.training.seed

    def with_(self, **changes: Any) -> Task:
        """A copy with other values, each a field of the task or of its training.

        `epochs` scales warm-up, milestones and cosine along
        (`TrainingConfig.scaled`) before the other changes are made.

        Raises
        ------
        PruneLimitError
            On a name that neither has.

        Examples
        --------
        >>> get("cifar10-alexnet").with_(epochs=20, l1=0.0).training.milestones
        (6, 12, 16)
        """
        own = {field.name for field in dataclasses.fields(self)}
        training_fields = {field.name for field in dataclasses.fields(TrainingConfig)}
        for name in changes:
            require_known("setting", name, own | training_fields)
        training = changes.get("training", self.training)
        if "epochs" in changes:
            training = training.scaled(changes["epochs"])
        training = dataclasses.replace(
            training, **{k: v for k, v in changes.items() if k in training_fields and k != "epochs"}
        )
        task_changes = {k: v for k, v in changes.items() if k in own and k != "training"}
        return dataclasses.replace(self, training=training, **task_changes)

    def counted(self) -> dict[str, Any]:
        """The entries that its numbers depend on: neither name nor note, and not what others do.

        Examples
        --------
        >>> task = get("digits-mlp")
        >>> task.counted() == dataclasses.replace(task, note="Another word.").counted()
        True
        """
        names = ("dataset", "model", "training", "augment", "examples")
        return {name: getattr(self, name) for name in names}

    def load_data(self, root: str | os.PathLike[str] | None = None) -> Splits:
        """The splits of its data set; see `data.load`."""
        splits = data.load(
            self.dataset,
            root,
            self.seed,
            batch_size=self.training.batch_size,
            augment=self.augment,
        )
        return splits if self.examples is None else splits.limited(self.examples)

    def build_model(self, splits: Splits) -> nn.Module:
        """The untrained network for the inputs of `splits`; see `models.build`."""
        return models.build(self.model, splits.input_shape, splits.classes, self.seed)

    def describe(self) -> dict[str, str]:
        """One row of the table of tasks: column to text.

        Examples
        --------
        >>> get("cifar100-resnet18").describe()["schedule"]
        '5 warm-up, cosine'
        """
        training = self.training
        few = "" if self.examples is None else f", at most {self.examples:,} examples a part"
        return {
            "task": self.name,
            "model": models.MODELS[self.model].label,
            "data": data.DATASETS[self.dataset].label + few,
            "λ": f"{training.l1:g}",
            "lr": f"{training.learning_rate:g}",
            "schedule": _describe_schedule(training),
            "epochs": str(training.epochs),
            "batch": str(training.batch_size),
            "augmented": "yes" if self.augment else "no",
            "paper": "yes" if self.from_paper else "no",
            "note": self.note,
        }


def get(name: str) -> Task:
    """The task called `name`.

    Raises
    ------
    PruneLimitError
        If there is none; the message lists them and suggests the nearest.
    """
    require_known("task", name, TASKS)
    return TASKS[name]


def _describe_schedule(training: TrainingConfig) -> str:
    shape = training.schedule
    if shape == "multistep":
        shape = f"×{training.gamma:g} at {', '.join(map(str, training.milestones))}"
    warmup = f"{training.warmup_epochs} warm-up, " if training.warmup_epochs else ""
    released = " (as released)" if training.preset == "as_released" else ""
    return f"{warmup}{shape}{released}"


# The published configurations: SGD with momentum 0.9, batch 128, 200 epochs, no weight decay.
_FULLY_CONNECTED = TrainingConfig(l1=5e-5)
_ALEXNET = TrainingConfig(l1=3e-5, schedule="multistep", warmup_epochs=5)
_VGG16 = TrainingConfig(l1=1e-4, warmup_epochs=5)
_RESNET18 = TrainingConfig(l1=5e-5, learning_rate=0.1, schedule="cosine", warmup_epochs=5)
_RESNET50 = dataclasses.replace(_RESNET18, l1=2e-5)

_TINY = "the paper's, but not in its code: hyperparameters as for CIFAR-100"
_PADDED = "images padded to 32 × 32 × 3; hyperparameters as in the paper"
_SAME = "hyperparameters as in the paper"
_SMALL = "small network and hyperparameters of ours"

# λ is larger than the paper's: at 5e-5 so small a network fits its data to a loss of 1e-3, and
# L1 hardly thins it out.
_DIGITS = TrainingConfig(epochs=60, learning_rate=0.05, l1=1e-3, schedule="cosine")
_SMALL_FASHION = TrainingConfig(epochs=20, learning_rate=0.01, l1=5e-5, schedule="cosine")

_paper = partial(Task, from_paper=True)
_ALL = (
    _paper("cifar10-fc5", "cifar10", "fc5", _FULLY_CONNECTED),
    _paper("cifar10-fc12", "cifar10", "fc12", _FULLY_CONNECTED),
    _paper("cifar10-alexnet", "cifar10", "alexnet", _ALEXNET),
    _paper("cifar10-vgg16", "cifar10", "vgg16", _VGG16),
    _paper("cifar100-resnet18", "cifar100", "resnet18", _RESNET18),
    _paper("cifar100-resnet50", "cifar100", "resnet50", _RESNET50),
    _paper("tiny-imagenet-resnet18", "tiny-imagenet", "resnet18", _RESNET18, note=_TINY),
    _paper("tiny-imagenet-resnet50", "tiny-imagenet", "resnet50", _RESNET50, note=_TINY),
    Task("digits-mlp", "digits", "mlp", _DIGITS, augment=False, note=_SMALL),
    Task("digits-cnn", "digits", "cnn", _DIGITS, augment=False, note=_SMALL),
    Task("fashion-mlp", "fashion-mnist", "mlp-300-100", _SMALL_FASHION, augment=False, note=_SMALL),
    Task("fashion-cnn", "fashion-mnist", "cnn", _SMALL_FASHION, augment=False, note=_SMALL),
    Task("fashion-fc5", "fashion-mnist", "fc5", _FULLY_CONNECTED, note=_SAME),
    Task("fashion-fc12", "fashion-mnist", "fc12", _FULLY_CONNECTED, note=_SAME),
    Task("fashion-alexnet", "fashion-mnist-32", "alexnet", _ALEXNET, note=_PADDED),
    Task("fashion-vgg16", "fashion-mnist-32", "vgg16", _VGG16, note=_PADDED),
    Task("fashion-resnet18", "fashion-mnist-32", "resnet18", _RESNET18, note=_PADDED),
    Task("fashion-resnet50", "fashion-mnist-32", "resnet50", _RESNET50, note=_PADDED),
)

TASKS: dict[str, Task] = {task.name: task for task in _ALL}
"""All tasks by name, the paper's first."""
