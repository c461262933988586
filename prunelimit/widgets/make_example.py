"""Write `example.json`: the network that the widgets show where none is given.

``python -m prunelimit.widgets.make_example RUN_DIR`` trains the task ``digits-mlp``, predicts
and measures (a few minutes; what RUN_DIR holds already is used again), then prunes it by the
four methods of chapter 8 under one budget.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from prunelimit import tasks
from prunelimit.data import Splits
from prunelimit.experiment import run_task
from prunelimit.parameters import prunable_parameters
from prunelimit.pruning import magnitude_mask
from prunelimit.pruning.finetune import FineTuning, finetune
from prunelimit.tasks import Task
from prunelimit.training import evaluate, train
from prunelimit.widgets.network import from_result

SPARSITIES = (0.6, 0.8, 0.9, 0.95, 0.98, 0.99)
EPOCHS = 60  # after training, for every method and sparsity
ROUND_EPOCHS = 10
LABELS = {
    "oneshot": "one-shot, then fine-tuned",
    "iterative": "iterative: six rounds",
    "l2": "trained with ℓ2, one-shot",
    "raregems": "Rare Gems style: a mask for random weights",
}

Masks = dict[str, Tensor]
Point = list[float]


def main(run_dir: str) -> None:
    """Run everything and write the file."""
    result = run_task(tasks.get("digits-mlp"), run_dir, device="cpu")
    network = from_result(result) | {"paths": measure_paths(tasks.get("digits-mlp"), run_dir)}
    target = Path(__file__).with_name("example.json")
    target.write_text(json.dumps(network, ensure_ascii=False, separators=(",", ":")) + "\n")


def measure_paths(task: Task, run_dir: str) -> dict[str, Any]:
    """Path in the plane of sparsity and distance, and accuracies, of each method."""
    splits = task.load_data(None)
    methods: dict[str, Callable[[], dict[str, list[Point]]]] = {
        "oneshot": lambda: _one_shot(_trained(task, splits, f"{run_dir}/training"), task, splits),
        "iterative": lambda: _iterative(
            _trained(task, splits, f"{run_dir}/training"), task, splits
        ),
        "l2": lambda: _one_shot(_trained(_with_l2(task), splits, f"{run_dir}/l2"), task, splits),
        "raregems": lambda: _rare_gems(task, splits),
    }
    return {name: {"label": LABELS[name], **run()} for name, run in methods.items()}


def _trained(task: Task, splits: Splits, directory: str) -> nn.Module:
    return train(task.build_model(splits), splits, task.training, Path(directory), "cpu").model


def _with_l2(task: Task) -> Task:
    training = dataclasses.replace(task.training, l1=0.0, weight_decay=1e-3)
    return dataclasses.replace(task, training=training)


def _tuned(
    model: nn.Module, masks: Masks, task: Task, splits: Splits, epochs: int
) -> tuple[nn.Module, float]:
    """Fine-tune the survivors; the network and its test accuracy."""
    loss_fn = nn.functional.cross_entropy
    reference = splits.train_eval.with_batch_size(1000)
    budget = FineTuning(epochs=epochs, learning_rate=task.training.learning_rate)
    loader = splits.train_eval.with_batch_size(task.training.batch_size).shuffled()
    tuned = finetune(model, masks, loss_fn, loader, reference, budget, device="cpu").model
    _, accuracy = evaluate(tuned, loss_fn, splits.test.with_batch_size(1000), device="cpu")
    return tuned, accuracy


def _distance(model: nn.Module, masks: Masks) -> float:
    removed = (
        (p.detach() * (1 - masks[name].to(p.dtype))).square().sum()
        for name, p in prunable_parameters(model).items()
    )
    return float(torch.stack(list(removed)).sum().sqrt())


def _one_shot(model: nn.Module, task: Task, splits: Splits) -> dict[str, list[Point]]:
    path = [[s / 100, _distance(model, magnitude_mask(model, s / 100))] for s in range(100)]
    scores = [
        [s, _tuned(model, magnitude_mask(model, s), task, splits, EPOCHS)[1]] for s in SPARSITIES
    ]
    return {"path": path, "scores": scores}


def _iterative(model: nn.Module, task: Task, splits: Splits) -> dict[str, list[Point]]:
    path, scores, before = [[0.0, 0.0]], [], 0.0
    for sparsity in SPARSITIES:
        masks = magnitude_mask(model, sparsity)
        # A jump to the new mask, then training makes the new weights the centre.
        path += [[before, 0.0], [sparsity, _distance(model, masks)], [sparsity, 0.0]]
        model, accuracy = _tuned(model, masks, task, splits, ROUND_EPOCHS)
        scores.append([sparsity, accuracy])
        before = sparsity
    return {"path": path, "scores": scores}


def _rare_gems(task: Task, splits: Splits) -> dict[str, list[Point]]:
    """Scores for the weights of an untrained network, by straight-through gradients.

    After Sreenivasan et al. (2022): the mask is learnt first, the weights afterwards. Simplified:
    one penalty on the scores, no schedule, the wanted sparsity by the highest scores.
    """
    model = task.build_model(splits).eval()
    weights = {name: p.detach() for name, p in prunable_parameters(model).items()}
    path: list[Point] = []
    scores: Masks = {}
    for scores in _learn_scores(model, weights, task, splits):
        masks = {name: (score > 0.5).float() for name, score in scores.items()}
        kept = float(torch.cat([mask.ravel() for mask in masks.values()]).mean())
        path.append([1 - kept, _distance(model, masks)])
    found = []
    for sparsity in SPARSITIES:
        masks = _highest(scores, weights, sparsity)
        found.append([sparsity, _tuned(model, masks, task, splits, EPOCHS)[1]])
        if sparsity > path[-1][0]:
            path.append([sparsity, _distance(model, masks)])
    return {"path": path, "scores": found}


def _learn_scores(model: nn.Module, weights: Masks, task: Task, splits: Splits) -> Iterator[Masks]:
    """Scores in [0, 1] every sixth of the training time."""
    generator = torch.Generator().manual_seed(0)
    scores = {
        name: (0.5 + 0.5 * torch.rand(weight.shape, generator=generator)).requires_grad_()
        for name, weight in weights.items()
    }
    optimizer = torch.optim.Adam(scores.values(), lr=0.02)
    loader = splits.train_eval.with_batch_size(task.training.batch_size).shuffled()
    for epoch in range(task.training.epochs):
        loader.set_epoch(epoch)
        for inputs, targets in loader:
            hard = {n: (s > 0.5).float() + s - s.detach() for n, s in scores.items()}
            masked = {name: weights[name] * hard[name] for name in weights}
            loss = nn.functional.cross_entropy(functional_call(model, masked, (inputs,)), targets)
            penalty = sum(score.square().sum() for score in scores.values())
            optimizer.zero_grad()
            (loss + 2e-4 * penalty).backward()
            optimizer.step()
            with torch.no_grad():
                for score in scores.values():
                    score.clamp_(0, 1)
        if epoch % (task.training.epochs // 6) == 0 or epoch == task.training.epochs - 1:
            yield {name: score.detach().clone() for name, score in scores.items()}


def _highest(scores: Masks, weights: Masks, sparsity: float) -> Masks:
    """Keep the highest scores; among equal ones the largest weights."""
    order = torch.cat([(scores[n] + 1e-3 * weights[n].abs()).ravel() for n in scores]).argsort()
    flat = torch.ones(order.numel())
    flat[order[: round(sparsity * order.numel())]] = 0.0
    pieces = flat.split([weight.numel() for weight in weights.values()])
    return {n: piece.view_as(weights[n]) for n, piece in zip(weights, pieces, strict=True)}


if __name__ == "__main__":
    main(sys.argv[1])
