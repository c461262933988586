"""What the depth study runs: the paper's architectures made small, and small networks as they are.

The runs are small enough for one processor core: few examples, few epochs. What was made small
is stated here, and again in every result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from prunelimit.lab import tasks
from prunelimit.lab.experiment import ExperimentConfig
from prunelimit.lab.task import Task
from prunelimit.names import require_known
from prunelimit.pruning.finetune import FineTuning

EPSILON = 0.05
"""ε of the paper's architectures: so few examples are fitted to losses whose spread is rounding."""

_MADE_SMALL = "made small: examples, epochs and what else differs from the paper are stated here"


@dataclass(frozen=True)
class Scale:
    """A task made small, and how finely it is measured.

    Attributes
    ----------
    task
        With its number of examples and epochs.
    measurement
        See `prunelimit.results.ExperimentConfig`.
    """

    task: Task
    measurement: ExperimentConfig


def _scale(task: Task, changes: Mapping[str, Any], **measurement: Any) -> Scale:
    few = ExperimentConfig(loss_points=200, accuracy_points=100)
    note = _MADE_SMALL if changes else task.note
    return Scale(task.with_(note=note, **changes), replace(few, **measurement))


def _on_digits(name: str) -> Task:
    """A network for CIFAR's small images on 8 × 8 digits, which cost it a sixteenth."""
    paper = tasks.get(f"cifar100-{name}")
    return replace(paper, name=f"digits-{name}", dataset="digits", augment=False, from_paper=False)


def _tuned(scale: Scale, finetuning: FineTuning, **measurement: Any) -> Scale:
    """The same, but for its fine-tuning."""
    changes = {"finetuning": finetuning} | measurement
    return replace(scale, measurement=replace(scale.measurement, **changes))


_LARGE = {
    "epsilon": EPSILON,
    "resolution": 0.0005,
    "sparsest": 0.9999,
    "loss_points": 60,
    "accuracy_points": 40,
    "finetuning": FineTuning(epochs=8, learning_rate=0.01),
}
_FEW_PRODUCTS = _LARGE | {"max_products": 40, "refit_iterations": 12, "refit_measurements": 2}

# The L1 term shortens a weight by at most λ · rate · steps / (1 - momentum). Where the steps are
# too few for the paper's λ to reach the size of an initial weight, λ is larger: see `l1`. The
# ResNets' rate is lower, since normalisation lags behind at 0.1 with so few steps an epoch.
SCALES: dict[str, Scale] = {
    "fc5": _scale(
        tasks.get("fashion-fc5"),
        {"examples": 1024, "epochs": 30, "batch_size": 32, "augment": False, "l1": 2e-4},
        epsilon=EPSILON,
        tolerance=0.001,
        max_products=80,
        sparsest=0.9999,
        resolution=0.002,
        refit_iterations=20,
        refit_measurements=4,
        finetune_measurements=6,
        finetuning=FineTuning(epochs=12, learning_rate=0.01),
    ),
    "fc12": _scale(
        tasks.get("fashion-fc12"),
        {"examples": 1024, "epochs": 30, "batch_size": 32, "augment": False, "l1": 1e-4},
        tolerance=0.0002,
        max_products=60,
        refit_iterations=20,
        refit_measurements=3,
        finetune_measurements=5,
        **_LARGE,
    ),
    "resnet18": _scale(
        _on_digits("resnet18"),
        {"examples": 128, "epochs": 30, "batch_size": 16, "learning_rate": 0.02, "l1": 5e-4},
        tolerance=2e-5,
        finetune_measurements=5,
        **_FEW_PRODUCTS,
    ),
    # With so few steps the running statistics of 53 normalisations lag behind at higher rates.
    "resnet50": _scale(
        _on_digits("resnet50"),
        {"examples": 128, "epochs": 30, "batch_size": 16, "learning_rate": 0.001, "l1": 5e-3},
        tolerance=5e-6,
        finetune_measurements=4,
        **_FEW_PRODUCTS,
    ),
    "vgg16": _scale(
        tasks.get("fashion-vgg16"),
        {"examples": 48, "epochs": 40, "batch_size": 8, "augment": False, "l1": 5e-4},
        tolerance=5e-6,
        finetune_measurements=4,
        **_FEW_PRODUCTS,
    ),
    "alexnet": _scale(
        tasks.get("fashion-alexnet"),
        {"examples": 16, "epochs": 12, "batch_size": 4, "learning_rate": 0.001, "augment": False},
        tolerance=1e-6,
        max_products=16,
        refit_iterations=8,
        refit_measurements=1,
        finetune_measurements=2,
        **(_LARGE | {"finetuning": FineTuning(epochs=4, learning_rate=0.01)}),
    ),
    "digits-mlp": _scale(tasks.get("digits-mlp"), {}),
    "digits-cnn": _scale(tasks.get("digits-cnn"), {}),
    "fashion-mlp": _scale(
        tasks.get("fashion-mlp"),
        {"examples": 8192, "epochs": 20},
        finetuning=FineTuning(epochs=12, learning_rate=0.01),
        refit_iterations=25,
        refit_measurements=5,
        finetune_measurements=7,
    ),
}
# Real existence is a lower bound: these show how much a longer search for the survivors' weights
# raises it, and how much another optimiser does, the one of `find_limit`.
LONGER = {"fc5": 120, "fc12": 80, "resnet18": 80, "vgg16": 80, "fashion-mlp": 120}
BY_ADAM = LONGER | {"resnet50": 80, "alexnet": 80}
SCALES |= {
    f"{name}-tuned": _tuned(SCALES[name], FineTuning(epochs=epochs, learning_rate=0.01))
    for name, epochs in LONGER.items()
} | {
    f"{name}-adam": _tuned(SCALES[name], FineTuning.by_adam(epochs), finetune_measurements=8)
    for name, epochs in BY_ADAM.items()
}
"""Name to what is run: the paper's architectures, the small networks, and some tuned for longer, by
SGD as they were and by Adam."""


def scale_of(name: str, seed: int = 0, l1: float | None = None) -> Scale:
    """The entry of `SCALES` with another seed or λ.

    Raises
    ------
    PruneLimitError
        If there is none of that name.

    Examples
    --------
    >>> scale_of("vgg16", seed=1).task.examples
    48
    """
    require_known("scale", name, SCALES)
    scale = SCALES[name]
    changes = {"seed": seed} | ({} if l1 is None else {"l1": l1})
    return replace(scale, task=scale.task.with_(**changes))
