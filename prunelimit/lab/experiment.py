"""The main job: train, predict, measure, compare; each stage kept as it is done (chapter 7).

A run lives in one directory. Every stage writes its result there before the
next one starts, so a killed run goes on at the stage it was in (training at the
last epoch, the spectrum at the last Lanczos step, fine-tuning and re-fitting at
the mask they were at), and a finished run is only read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from prunelimit.errors import PruneLimitError
from prunelimit.files import write_json
from prunelimit.lab.data import Batches, Splits
from prunelimit.lab.store.measurements import Measurements
from prunelimit.lab.store.provenance import describe_run, measured
from prunelimit.lab.tasks import Task
from prunelimit.lab.training import train
from prunelimit.network.device import resolve_device
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import (
    flatten,
    prunable_parameters,
    prunable_weights,
    with_weights,
)
from prunelimit.network.world import ALONE, World
from prunelimit.predict import curvature_operator, predict_limit
from prunelimit.pruning import magnitude_mask, magnitude_order
from prunelimit.pruning.finetune import FineTuning, finetune
from prunelimit.pruning.refit import refit_survivors
from prunelimit.pruning.sweep import Sweep, sweep
from prunelimit.pruning.threshold import find_crossing
from prunelimit.report import PruningLimit
from prunelimit.spectrum.matrix import BuildableMatrix

FORMAT = "prunelimit.result/1"


@dataclass(frozen=True)
class ExperimentConfig:
    """What is measured, and how finely.

    Attributes
    ----------
    epsilon
        Loss rise allowed; None is the standard deviation of the minibatch losses.
    epsilon_batch_size
        Size of those minibatches.
    policy, tolerance, max_products
        See `prunelimit.predict_limit`.
    loss_points, accuracy_points
        Sparsities at which the one-shot training loss, and the validation and
        test accuracy, are measured.
    resolution
        Width in sparsity to which existence thresholds are bisected.
    sparsest
        Where the search for them ends.
    refit_measurements, refit_iterations
        At most so many masks re-fitted, each by so many products.
    finetune_measurements, finetuning
        At most so many masks fine-tuned, each with this budget; None is
        `default_finetuning`.
    accuracy_tolerance
        Accuracy that a pruned network may lose on the validation split.
    """

    epsilon: float | None = None
    epsilon_batch_size: int = 128
    policy: str = "ggn"
    tolerance: float = 0.005
    max_products: int = 1000
    loss_points: int = 200
    accuracy_points: int = 1000
    resolution: float = 0.005
    sparsest: float = 0.999
    refit_measurements: int = 8
    refit_iterations: int = 40
    finetune_measurements: int = 9
    finetuning: FineTuning | None = None
    accuracy_tolerance: float = 0.005


# What each stage depends on, beside the training: other knobs leave its result standing.
_PREDICTION = ("epsilon", "epsilon_batch_size", "policy", "tolerance", "max_products")
_EXISTENCE = (*_PREDICTION, "loss_points", "resolution", "sparsest")
_KNOBS = {
    "prediction": _PREDICTION,
    "sweep": ("loss_points", "accuracy_points"),
    "refit": (*_EXISTENCE, "refit_measurements", "refit_iterations"),
    "finetune": (*_EXISTENCE, "finetune_measurements", "finetuning"),
}


@dataclass(frozen=True)
class _Run:
    """Everything that the stages share."""

    model: nn.Module
    splits: Splits
    task: Task
    config: ExperimentConfig
    directory: Path
    device: str
    progress: bool | None
    world: World

    def once(self, name: str, compute: Callable[[Measurements], dict[str, Any]]) -> dict[str, Any]:
        """The stage's stored value, or compute and store it with its cost."""
        path = self.directory / "stages" / f"{name}.json"
        key = _digest([self.task, [getattr(self.config, knob) for knob in _KNOBS[name]]])
        stored = self.world.from_main(lambda: _stored(path, key))
        if stored is not None:
            return stored
        so_far = Measurements(path.with_suffix(".partial.npz"), key, self.world)
        with measured(resolve_device(self.device)) as cost:
            value = compute(so_far)
        cost.seconds += so_far.seconds_before
        stage = {"key": key, "value": value, "cost": dataclasses.asdict(cost)}
        return self.world.from_main(lambda: _kept(path, stage, so_far))


def _kept(path: Path, stage: dict[str, Any], so_far: Measurements) -> dict[str, Any]:
    path.parent.mkdir(exist_ok=True)
    write_json(path, stage)
    so_far.discard()
    return stage


def _stored(path: Path, key: str) -> dict[str, Any] | None:
    try:
        stage = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return stage if stage.get("key") == key else None


def run_task(
    task: Task,
    run_dir: str | os.PathLike[str],
    config: ExperimentConfig | None = None,
    *,
    device: str = "auto",
    data_root: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    world: World = ALONE,
) -> dict[str, Any]:
    """Train a task's network, predict its limit, measure the four curves, compare.

    Parameters
    ----------
    task
        From `prunelimit.lab.tasks`; ``task.with_(epochs=20, seed=1)`` changes it.
    run_dir
        Where everything is kept; calling again carries on there.
    config
        What to measure; see `ExperimentConfig`.
    device
        "auto", "cpu", "cuda" or "mps".
    data_root
        See `prunelimit.lab.data.load`.
    progress
        See `prunelimit.progress.progress_bar`.
    world
        Processes that share the work (see `prunelimit.lab.distributed`), each called
        with the same arguments and the same `run_dir`, which only the first one
        writes. Training, fine-tuning and products share out the examples, the
        sweep its sparsities; the limits agree with those of one process within
        their brackets, and weights up to rounding.

    Returns
    -------
    dict
        The content of ``run_dir/result.json``.

    Raises
    ------
    PruneLimitError
        If the data is missing, or `run_dir` holds another run's training.
    """
    config = config or ExperimentConfig()
    directory = Path(run_dir)
    directory.mkdir(parents=True, exist_ok=True)
    splits = task.load_data(data_root)
    require_batches(config, splits.train_eval.examples)  # before the training, not after it
    place = world.device(device)
    device = str(world.place(device))
    with measured(place) as cost:
        trained = train(
            task.build_model(splits),
            splits,
            task.training,
            directory / "training",
            device,
            progress,
            world=world,
        )
    first = {
        "value": dataclasses.asdict(trained.final),
        "cost": dataclasses.asdict(cost) | {"seconds": trained.seconds},
    }
    model, splits = trained.model.eval(), splits.to(place)
    run = _Run(model, splits, task, config, directory, device, progress, world)
    stages = {"training": first} | _measure(run)
    return world.from_main(lambda: _finish(run, stages))


def _finish(run: _Run, stages: dict[str, Any]) -> dict[str, Any]:
    result = _result(run, stages)
    write_json(run.directory / "result.json", result)
    return result


def require_batches(config: ExperimentConfig, examples: int) -> None:
    """Refuse so few training examples that the default ε, a deviation over batches, is undefined.

    Examples
    --------
    >>> require_batches(ExperimentConfig(), examples=256)
    """
    size = config.epsilon_batch_size
    if config.epsilon is None and examples < 2 * size:
        raise PruneLimitError(
            f"epsilon is the deviation of the losses of minibatches of {size}, and {examples} "
            f"training examples make no two of them; give epsilon itself, an epsilon_batch_size "
            f"of at most {max(1, examples // 2)}, or more examples"
        )


def default_finetuning(task: Task, batches: int) -> FineTuning:
    """At least 12 epochs and at least 3,000 steps, at the task's own learning rate.

    Examples
    --------
    >>> from prunelimit.lab import tasks
    >>> default_finetuning(tasks.get("digits-mlp"), batches=11).epochs
    273
    """
    return FineTuning(
        epochs=max(12, math.ceil(3000 / batches)),
        learning_rate=task.training.learning_rate,
        momentum=task.training.momentum,
    )


def load_result(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a ``result.json``.

    Raises
    ------
    PruneLimitError
        If there is none at `path`, or it is something else.
    """
    try:
        result = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise PruneLimitError(f"cannot read a result from {path}: {error}") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise PruneLimitError(f"{path} is no result of `prunelimit reproduce` ({FORMAT})")
    return result


def _digest(parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=dataclasses.asdict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _measure(run: _Run) -> dict[str, dict[str, Any]]:
    """All stages after training, in order; each is computed only if it is not stored."""
    stages = {"prediction": run.once("prediction", lambda _: _predict(run))}
    report = PruningLimit.from_json(json.dumps(stages["prediction"]["value"]))
    stages["sweep"] = run.once("sweep", lambda _: _sweep(run))
    one_shot = Sweep.from_dict(stages["sweep"]["value"]["training"])
    threshold = one_shot.largest_sparsity(report.epsilon)
    stages["refit"] = run.once("refit", lambda so_far: _refit(run, report, threshold, so_far))
    stages["finetune"] = run.once(
        "finetune", lambda so_far: _finetune(run, report, threshold, so_far)
    )
    return stages


def _reference(run: _Run) -> Batches:
    """The fixed data that define the loss and S(ε)."""
    return run.splits.train_eval.with_batch_size(run.config.epsilon_batch_size)


def _predict(run: _Run) -> dict[str, Any]:
    report = predict_limit(
        run.model,
        nn.functional.cross_entropy,
        _reference(run),
        run.config.epsilon,
        policy=run.config.policy,  # type: ignore[arg-type]
        tolerance=run.config.tolerance,
        max_products=run.config.max_products,
        device=run.device,
        progress=run.progress,
        checkpoint=run.directory / _spectrum_folder(run.world),
        world=run.world,
    )
    return json.loads(report.to_json())


def _spectrum_folder(world: World) -> str:
    """Sums over another number of processes round otherwise, and cannot be gone on with."""
    return "spectrum.checkpoint" + ("" if world.size == 1 else f"-{world.size}")


def _sweep(run: _Run) -> dict[str, Any]:
    def on(batches: Batches, points: int) -> dict[str, Any]:
        return sweep(
            run.model,
            nn.functional.cross_entropy,
            batches.with_batch_size(1000),
            np.linspace(0, 1, points, endpoint=False),
            device=run.device,
            progress=run.progress,
            world=run.world,
        ).to_dict()

    points = run.config.accuracy_points
    return {
        "training": on(run.splits.train_eval, run.config.loss_points),
        "validation": on(run.splits.validation, points),
        "test": on(run.splits.test, points),
    }


def _refit(run: _Run, report: PruningLimit, start: float, so_far: Measurements) -> dict[str, Any]:
    """Quadratic existence: bisect for the sparsity at which the re-fitted rise meets ε."""
    operator = curvature_operator(
        run.model,
        nn.functional.cross_entropy,
        run.world.shard(_reference(run)),
        report.policy,
        run.device,
        run.world,
    )
    return run.world.lead(operator, lambda led: _refit_with(led, run, report, start, so_far))


def _refit_with(
    operator: BuildableMatrix, run: _Run, report: PruningLimit, start: float, so_far: Measurements
) -> dict[str, Any]:
    weights = prunable_weights(run.model)
    weights = weights.to(operator.dtype)
    order = magnitude_order(run.model)
    reference = run.splits.train_eval.with_batch_size(1000)
    # Each mask's step begins the search for the next one's.
    step = so_far.vector()

    def measure(sparsity: float) -> float:
        nonlocal step
        known = so_far.at(sparsity)
        if known is not None:
            return known["rise"]
        keep = torch.ones_like(weights, dtype=torch.bool)
        keep[order[: round(sparsity * weights.numel())]] = False
        fit = refit_survivors(
            operator,
            weights,
            keep,
            max_iterations=run.config.refit_iterations,
            start=None if step is None else step.to(weights),
            progress=run.progress,
        )
        step = fit.step
        refitted = with_weights(run.model, torch.where(keep, weights, 0.0) + fit.step)
        real, _ = evaluate(refitted, nn.functional.cross_entropy, reference, device=run.device)
        row = {
            "sparsity": sparsity,
            "distance": report.distance(float(keep.sum())),
            "one_shot_rise": fit.one_shot_rise,
            "rise": fit.rise,
            "real_rise": real - report.loss.mean,
            "products": fit.iterations + 1,
            "residual": fit.residual,
            "converged": fit.converged,
        }
        so_far.add(row, fit.step)
        return fit.rise

    crossing = find_crossing(
        measure,
        report.epsilon,
        min(start, 0.98),
        run.config.sparsest,
        guess=float(report.sharp.sparsity),
        resolution=run.config.resolution,
        max_measurements=run.config.refit_measurements,
    )
    points = sorted(so_far.rows, key=lambda row: row["sparsity"])
    return {"threshold": crossing.to_dict(), "points": points}


def _finetune(
    run: _Run, report: PruningLimit, start: float, so_far: Measurements
) -> dict[str, Any]:
    """Real existence: bisect for the sparsity at which fine-tuning still meets L + ε."""
    loss_fn = nn.functional.cross_entropy
    # Un-augmented: the loss that is trained has to be the one that defines S(ε).
    loader = run.splits.train_eval.with_batch_size(run.task.training.batch_size).shuffled()
    reference = run.splits.train_eval.with_batch_size(1000)
    budget = run.config.finetuning or default_finetuning(run.task, len(loader))

    def measure(sparsity: float) -> float:
        row = so_far.at(sparsity)
        if row is None:
            tuned = finetune(
                run.model,
                magnitude_mask(run.model, sparsity),
                loss_fn,
                loader,
                reference,
                budget,
                device=run.device,
                progress=run.progress,
                world=run.world,
            )
            row = {"sparsity": sparsity, "rise": tuned.lowest_loss - report.loss.mean}
            for name in ("validation", "test"):
                batches = getattr(run.splits, name).with_batch_size(1000)
                loss, accuracy = evaluate(tuned.model, loss_fn, batches, run.device, run.world)
                row |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
            so_far.add(row)
        return row["rise"]

    for sparsity in (0.0, float(report.paper.sparsity), float(report.sharp.sparsity)):
        measure(min(max(sparsity, 0.0), run.config.sparsest))
    crossing = find_crossing(
        measure,
        report.epsilon,
        min(start, 0.98),
        run.config.sparsest,
        guess=float(report.paper.sparsity),
        resolution=run.config.resolution,
        max_measurements=run.config.finetune_measurements,
    )
    points = sorted(so_far.rows, key=lambda row: row["sparsity"])
    return {
        "threshold": crossing.to_dict(),
        "points": points,
        "budget": dataclasses.asdict(budget),
    }


def _result(run: _Run, stages: dict[str, Any]) -> dict[str, Any]:
    task = run.task
    prediction, curves = stages["prediction"]["value"], stages["sweep"]["value"]
    training_sweep = Sweep.from_dict(curves["training"])
    epsilon = prediction["epsilon"]
    measured_one_shot = training_sweep.largest_sparsity(epsilon)
    after = training_sweep.sparsities[training_sweep.sparsities > measured_one_shot]
    return {
        "format": FORMAT,
        "task": task.name,
        "dataset": task.dataset,
        "model": task.model,
        "seed": task.seed,
        "examples": {
            part: getattr(run.splits, part).examples for part in ("train", "validation", "test")
        },
        "training": dataclasses.asdict(task.training),
        "measurement": dataclasses.asdict(run.config),
        "dense": stages["training"]["value"],
        "epsilon": epsilon,
        "prediction": prediction,
        "thresholds": {
            "one_shot": {
                "lower": measured_one_shot,
                "value": measured_one_shot,
                "upper": float(after.min()) if after.size else 1.0,
            },
            "quadratic_existence": stages["refit"]["value"]["threshold"],
            "real_existence": stages["finetune"]["value"]["threshold"],
            "accuracy": _accuracy_threshold(curves, run.config.accuracy_tolerance),
        },
        "sweep": compact(curves),
        "refit": stages["refit"]["value"]["points"],
        "finetune": stages["finetune"]["value"]["points"],
        "finetuning": stages["finetune"]["value"]["budget"],
        "weights": _weight_histogram(run.model),
        "costs": {name: stage["cost"] for name, stage in stages.items()},
        "provenance": describe_run(resolve_device(run.device)) | {"processes": run.world.size},
    }


def _accuracy_threshold(curves: dict[str, Any], tolerance: float) -> dict[str, float]:
    """Chosen on the validation split, reported on the test set: the paper's "actual" ratio."""
    validation, test = Sweep.from_dict(curves["validation"]), Sweep.from_dict(curves["test"])
    passing = validation.accuracy >= validation.dense_accuracy - tolerance
    last = int(np.flatnonzero(passing).max(initial=0))
    return {
        "sparsity": float(validation.sparsities[last]),
        "tolerance": tolerance,
        "validation_accuracy": float(validation.accuracy[last]),
        "test_accuracy": float(test.accuracy[last]),
        "dense_test_accuracy": test.dense_accuracy,
    }


def compact(result: Any) -> Any:
    """Six digits for the numbers in long lists, but for the spectrum's: a third of the file.

    Six digits are far below the noise of the data; a spectrum has to keep what it sums to.

    Examples
    --------
    >>> compact({"loss": [1 / 3, None], "rise": 1 / 3})
    {'loss': [0.333333, None], 'rise': 0.3333333333333333}
    """
    if isinstance(result, dict):
        return {k: v if k == "spectrum" else compact(v) for k, v in result.items()}
    if isinstance(result, list):
        return [float(f"{v:.6g}") if isinstance(v, float) else compact(v) for v in result]
    return result


def _weight_histogram(model: nn.Module) -> dict[str, Any]:
    """Counts of |w| on 120 logarithmic bins, a layer each, and the exact zeros."""
    weights = {name: p.detach().abs().cpu() for name, p in prunable_parameters(model).items()}
    everything = flatten(weights.values())
    positive = everything[everything > 0]
    low, high = math.log10(float(positive.min())), math.log10(float(positive.max()))
    edges = np.logspace(low, high, 121)
    edges[0], edges[-1] = 0.999 * edges[0], 1.001 * edges[-1]
    counts = {name: np.histogram(w.numpy().ravel(), edges)[0] for name, w in weights.items()}
    return {
        "edges": edges.tolist(),
        "counts": {name: count.tolist() for name, count in counts.items()},
        "zeros": int((everything == 0).sum()),
    }


def comparison(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Prediction against experiment, a row each: which curve, what it says, how sure.

    Parameters
    ----------
    result
        From `run_task` or `load_result`.

    Returns
    -------
    list of dict
        Keys "question", "kind" (predicted or measured), "sparsity", "lower",
        "upper", and the test accuracy there with survivors untouched and
        fine-tuned (None where nothing was measured).
    """
    predicted, measured_ = result["prediction"], result["thresholds"]
    rows = [
        ("one-shot, quadratic model", "predicted", predicted["one_shot"]),
        ("one-shot, loss ≤ L + ε", "measured", measured_["one_shot"]),
        ("paper's limit", "predicted", predicted["paper"]),
        ("sharp limit", "predicted", predicted["sharp"]),
        ("quadratic existence (re-fit)", "measured", measured_["quadratic_existence"]),
        ("real existence (fine-tuned)", "measured", measured_["real_existence"]),
    ]
    return [
        {
            "question": question,
            "kind": kind,
            "sparsity": float(numbers.get("sparsity", numbers.get("value"))),
            "lower": numbers["lower"],
            "upper": numbers["upper"],
            **_accuracies_at(result, float(numbers.get("sparsity", numbers.get("value")))),
        }
        for question, kind, numbers in rows
    ]


def _accuracies_at(result: dict[str, Any], sparsity: float) -> dict[str, float | None]:
    test = Sweep.from_dict(result["sweep"]["test"])
    tuned = min(result["finetune"], key=lambda row: abs(row["sparsity"] - sparsity))
    near = abs(tuned["sparsity"] - sparsity) <= 2 * result["measurement"]["resolution"]
    return {
        "one_shot_accuracy": float(np.interp(sparsity, test.sparsities, test.accuracy)),
        "finetuned_accuracy": tuned["test_accuracy"] if near else None,
    }
