"""Write `example.json`: the network that the widgets show where none is given.

``python -m book.tools.widget_example book/results/digits-mlp.json RUN_DIR``
takes a result of the task ``digits-mlp``, trains its networks in RUN_DIR, and prunes them by the
four methods of chapter 8 under one budget (a minute or two).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from book.tools.content import ROOT
from prunelimit.files import write_text
from prunelimit.lab import tasks
from prunelimit.lab.baselines import RareGemsConfig, rare_gems, signed_constants
from prunelimit.lab.data import Splits
from prunelimit.lab.stages.finetune import Tuning
from prunelimit.lab.studies.depth import trained
from prunelimit.lab.tasks import Task
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import prunable_parameters
from prunelimit.network.world import Execution
from prunelimit.pruning import magnitude_mask
from prunelimit.pruning.finetune import FineTuning
from prunelimit.results.result import Result
from prunelimit.widgets.network import from_result

SPARSITIES = (0.6, 0.8, 0.9, 0.95, 0.98, 0.99)
EPOCHS = 60  # after training, for every method and sparsity
ROUND_EPOCHS = 10
LABELS = {
    "oneshot": "one-shot, then fine-tuned",
    "iterative": "iterative: six rounds",
    "l2": "trained with ℓ2, one-shot",
    "raregems": "Rare Gems: a mask for random weights",
}

Masks = Mapping[str, Tensor]
Point = list[float]


def main(result_file: str, run_dir: str) -> None:
    """Run everything and write the file."""
    result = Result.load(result_file)
    network = from_result(result) | {"paths": measure_paths(tasks.get(result.task), run_dir)}
    target = ROOT / "prunelimit" / "widgets" / "example.json"
    write_text(target, json.dumps(network, ensure_ascii=False, separators=(",", ":")) + "\n")


def measure_paths(task: Task, run_dir: str) -> dict[str, Any]:
    """Path in the plane of sparsity and distance, and accuracies, of each method."""
    dense, splits = trained(task, Path(run_dir), "cpu")
    smaller, _ = trained(task.with_(l1=0.0, weight_decay=1e-3), Path(run_dir, "l2"), "cpu")
    found = {
        "oneshot": _one_shot(dense, task, splits),
        "iterative": _iterative(dense, task, splits),
        "l2": _one_shot(smaller, task, splits),
        "raregems": _rare_gems(task, splits),
    }
    return {name: {"label": LABELS[name], **path} for name, path in found.items()}


def _tuned(
    model: nn.Module, sparsity: float, task: Task, splits: Splits, epochs: int
) -> tuple[nn.Module, float]:
    """Fine-tune the survivors of a magnitude mask; the network and its test accuracy."""
    budget = FineTuning(epochs=epochs, learning_rate=task.training.learning_rate)
    bench = Tuning(model, splits, task.training, budget, Execution("cpu"))
    tuned = bench.at(sparsity).model
    return tuned, _accuracy(tuned, splits)


def _accuracy(model: nn.Module, splits: Splits) -> float:
    batches = splits.test.with_batch_size(1000)
    return evaluate(model, nn.functional.cross_entropy, batches, device="cpu")[1]


def _distance(model: nn.Module, masks: Masks) -> float:
    removed = (
        (p.detach() * (1 - masks[name].to(p.dtype))).square().sum()
        for name, p in prunable_parameters(model).items()
    )
    return float(torch.stack(list(removed)).sum().sqrt())


def _one_shot(model: nn.Module, task: Task, splits: Splits) -> dict[str, list[Point]]:
    path = [[s / 100, _distance(model, magnitude_mask(model, s / 100))] for s in range(100)]
    scores = [[s, _tuned(model, s, task, splits, EPOCHS)[1]] for s in SPARSITIES]
    return {"path": path, "scores": scores}


def _iterative(model: nn.Module, task: Task, splits: Splits) -> dict[str, list[Point]]:
    path, scores, before = [[0.0, 0.0]], [], 0.0
    for sparsity in SPARSITIES:
        masks = magnitude_mask(model, sparsity)
        # A jump to the new mask, then training makes the new weights the centre.
        path += [[before, 0.0], [sparsity, _distance(model, masks)], [sparsity, 0.0]]
        model, accuracy = _tuned(model, sparsity, task, splits, ROUND_EPOCHS)
        scores.append([sparsity, accuracy])
        before = sparsity
    return {"path": path, "scores": scores}


def _rare_gems(task: Task, splits: Splits) -> dict[str, list[Point]]:
    """A mask for frozen constants, then training: both within the budget of the others."""
    untrained = task.build_model(splits)
    constants = signed_constants(untrained)
    training = dataclasses.replace(task.training, l1=0.0, epochs=task.training.epochs + EPOCHS)
    config = RareGemsConfig(training)
    path, scores = [[0.0, 0.0]], []
    for sparsity in SPARSITIES:
        found = rare_gems(
            untrained, splits, nn.functional.cross_entropy, sparsity, config, device="cpu"
        )
        path.append([sparsity, _distance(constants, found.masks)])
        scores.append([sparsity, _accuracy(found.model, splits)])
    return {"path": path, "scores": scores}


if __name__ == "__main__":
    main(*sys.argv[1:])
