"""What has to be fixed for an experiment to be repeated, and the data and network it stands for."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
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
    >>> from prunelimit.lab.tasks import get
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
        >>> from prunelimit.lab.tasks import get
        >>> get("cifar10-alexnet").with_(epochs=20, l1=0.0).training.milestones
        (6, 12, 16)
        """
        own = {field.name for field in dataclasses.fields(self)}
        training_fields = {field.name for field in dataclasses.fields(TrainingConfig)}
        for name in changes:
            require_known("setting", name, own | training_fields)
        training = changes.pop("training", self.training)
        if "epochs" in changes:
            training = training.scaled(changes.pop("epochs"))
        of_training = {name: changes.pop(name) for name in training_fields & changes.keys()}
        training = dataclasses.replace(training, **of_training)
        return dataclasses.replace(self, training=training, **changes)

    def counted(self) -> dict[str, Any]:
        """The entries that its numbers depend on: neither name nor note, and not what others do.

        Examples
        --------
        >>> from prunelimit.lab.tasks import get
        >>> task = get("digits-mlp")
        >>> task.counted() == dataclasses.replace(task, note="Another word.").counted()
        True
        """
        names = ("dataset", "model", "training", "augment", "examples")
        return {name: getattr(self, name) for name in names}

    def load_data(self, root: str | os.PathLike[str] | None = None) -> Splits:
        """The splits of its data set; see `data.load`."""
        size = self.training.batch_size
        splits = data.load(self.dataset, root, self.seed, batch_size=size, augment=self.augment)
        return splits if self.examples is None else splits.limited(self.examples)

    def build_model(self, splits: Splits) -> nn.Module:
        """The untrained network for the inputs of `splits`; see `models.build`."""
        return models.build(self.model, splits.input_shape, splits.classes, self.seed)

    def describe(self) -> dict[str, str]:
        """One row of the table of tasks: column to text.

        Examples
        --------
        >>> from prunelimit.lab.tasks import get
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


def _describe_schedule(training: TrainingConfig) -> str:
    shape = training.schedule
    if shape == "multistep":
        shape = f"×{training.gamma:g} at {', '.join(map(str, training.milestones))}"
    warmup = f"{training.warmup_epochs} warm-up, " if training.warmup_epochs else ""
    released = " (as released)" if training.preset == "as_released" else ""
    return f"{warmup}{shape}{released}"
