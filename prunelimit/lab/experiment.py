"""The main job: train, predict, measure, compare; each stage kept as it is done (chapter 7).

A run lives in one directory. Every stage writes its result there before the
next one starts, so a killed run goes on at the stage it was in (training at the
last epoch, the spectrum at the last Lanczos step, fine-tuning and re-fitting at
the mask they were at), and a finished run is only read.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np
from torch import nn

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Interval
from prunelimit.lab.stages import finetune, prediction, refit, sweeps
from prunelimit.lab.stages.run import Run
from prunelimit.lab.store.keys import Key, code_of
from prunelimit.lab.store.locks import owned
from prunelimit.lab.store.measurements import Measurements
from prunelimit.lab.store.stages import Stages
from prunelimit.lab.task import Task
from prunelimit.lab.training import TrainingResult, epochs_done, train, training_key
from prunelimit.network.parameters import flatten, prunable_parameters
from prunelimit.network.world import ALONE, World
from prunelimit.pruning.sweep import Sweep
from prunelimit.records import from_plain, to_plain
from prunelimit.report import PruningLimit
from prunelimit.results import parts
from prunelimit.results.parts import ExperimentConfig, FinalMeasurements
from prunelimit.results.result import Result
from prunelimit.results.saved import compact

__all__ = ["ExperimentConfig", "Result", "run_task"]

Found = TypeVar("Found")


def run_task(
    task: Task,
    run_dir: str | os.PathLike[str],
    config: ExperimentConfig | None = None,
    *,
    device: str = "auto",
    data_root: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    world: World = ALONE,
    command: str | None = None,
) -> Result:
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
    command
        By which the stages that are made now are signed; None is this process's own.

    Returns
    -------
    Result
        The content of ``run_dir/result.json``.

    Raises
    ------
    PruneLimitError
        If the data is missing, `run_dir` holds another run's training, or another process is at
        work in it.
    """
    directory, config = Path(run_dir), config or ExperimentConfig()
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        # Beside the lock that a notebook holds while it waits for a kernel that dies.
        world.from_main(lambda: stack.enter_context(owned(directory, ".task-lock")))
        store = Stages(directory, world.device(device), world, command)
        place, weights = str(world.place(device)), directory / "training"
        splits = task.load_data(data_root)
        require_batches(config, splits.train_eval.examples)  # before the training, not after it
        key = training_key(task.build_model(splits), splits, task.training)
        epochs = world.from_main(lambda: epochs_done(weights, key))
        if epochs < task.training.epochs:
            store.forget("training")  # numbers without the network that they are of

        @cache
        def trained() -> TrainingResult:
            network = task.build_model(splits)
            return train(network, splits, task.training, weights, place, progress, world=world)

        dense = store.once(
            "training",
            FinalMeasurements,
            key,
            lambda _: trained().final,
            lambda: trained().seconds,
            goes_on=epochs > 0,
        )
        model, data = trained().model.eval(), splits.to(store.device)
        run = Run(model, data, task.training, config, directory, place, progress, world)
        return _Experiment(task, run, store, dense.value, {"training": dense.making}).result()


def require_batches(config: ExperimentConfig, examples: int) -> None:
    """Refuse so few training examples that the default ε, a deviation over batches, is undefined.

    Raises
    ------
    PruneLimitError
        If they make no two batches, and ε is not given.

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


@dataclass(frozen=True)
class _Experiment:
    """The stages after training, each made only where it is not kept."""

    task: Task
    run: Run
    store: Stages
    dense: FinalMeasurements
    stages: dict[str, parts.Making]

    def result(self) -> Result:
        """Measure, put together and write."""
        run = self.run
        report = self._stage(
            "prediction", PruningLimit, prediction, 1, lambda key, _: prediction.measure(run, key)
        )
        # By the calibration of today.
        report = replace(report, expected=None)  # type: ignore[arg-type]
        run.world.from_main(lambda: prediction.clear(run))
        curves = self._stage("sweep", parts.Sweeps, sweeps, 1, lambda *_: sweeps.measure(run))
        read, kind = (run, report, curves.training), finetune.Finetunings
        refits = self._stage(
            "refit", refit.Refits, refit, 3, lambda _, rows: refit.measure(*read, rows)
        )
        tuned = self._stage(
            "finetune", kind, finetune, 3, lambda _, rows: finetune.measure(*read, rows)
        )
        task, splits = self.task, run.splits
        found = Result(
            task=task.name,
            dataset=task.dataset,
            model=task.model,
            seed=task.seed,
            training=task.training,
            measurement=run.config,
            dense=self.dense,
            prediction=report,
            thresholds=parts.Thresholds(
                one_shot=_one_shot_threshold(curves.training, report.epsilon),
                quadratic_existence=refits.threshold,
                real_existence=tuned.threshold,
                accuracy=accuracy_threshold(curves, run.config.accuracy_tolerance),
            ),
            sweep=from_plain(parts.Sweeps, compact(to_plain(curves))),
            refit=refits.points,
            finetune=tuned.points,
            finetuning=tuned.budget,
            weights=weight_histogram(run.model),
            stages=self.stages,
            provenance=self.store.sign(),
            examples=parts.Examples(
                splits.train.examples, splits.validation.examples, splits.test.examples
            ),
        )
        return run.world.from_main(lambda: _saved(found, run.directory))

    def _stage(
        self,
        name: str,
        kind: type[Found],
        module: ModuleType,
        after: int,
        work: Callable[[str, Measurements], Found],
    ) -> Found:
        """What is kept under `name`, or measured now.

        It depends on the stage's code, the knobs that it reads, and the first `after` stages.
        """
        key = Key(
            code_of(module.__name__),
            {knob: getattr(self.run.config, knob) for knob in module.KNOBS},
            after=tuple(making.key for making in list(self.stages.values())[:after]),
        )
        # Some stages keep a part of their work elsewhere than in the measurements.
        has_begun = getattr(module, "has_begun", None)
        begun = has_begun is not None and has_begun(self.run, key.digest)
        stage = self.store.once(
            name, kind, key, lambda so_far: work(key.digest, so_far), goes_on=begun
        )
        self.stages[name] = stage.making
        return stage.value


def _saved(result: Result, directory: Path) -> Result:
    result.save(directory / "result.json")
    return result


def _one_shot_threshold(curve: Sweep, epsilon: float) -> Interval:
    """The last sparsity within ε, and the next one that was measured."""
    last = curve.largest_sparsity(epsilon)
    after = curve.sparsities[curve.sparsities > last]
    return Interval(last, last, float(after.min()) if after.size else 1.0)


def accuracy_threshold(curves: parts.Sweeps, tolerance: float) -> parts.AccuracyThreshold:
    """Chosen on the validation split, reported on the test set: the paper's "actual" ratio."""
    validation, test = curves.validation, curves.test
    passing = validation.accuracy >= validation.dense_accuracy - tolerance
    last = int(np.flatnonzero(passing).max(initial=0))
    return parts.AccuracyThreshold(
        sparsity=float(validation.sparsities[last]),
        tolerance=tolerance,
        validation_accuracy=float(validation.accuracy[last]),
        test_accuracy=float(test.accuracy[last]),
        dense_test_accuracy=test.dense_accuracy,
    )


def weight_histogram(model: nn.Module) -> parts.WeightHistogram:
    """Counts of |w| on 120 logarithmic bins, a layer each, and the exact zeros."""
    weights = {name: p.detach().abs().cpu() for name, p in prunable_parameters(model).items()}
    everything = flatten(weights.values())
    positive = everything[everything > 0]
    low, high = math.log10(float(positive.min())), math.log10(float(positive.max()))
    edges = np.logspace(low, high, 121)
    edges[0], edges[-1] = 0.999 * edges[0], 1.001 * edges[-1]
    counts = {name: np.histogram(w.numpy().ravel(), edges)[0] for name, w in weights.items()}
    return parts.WeightHistogram(
        edges=tuple(edges.tolist()),
        counts={name: tuple(count.tolist()) for name, count in counts.items()},
        zeros=int((everything == 0).sum()),
    )
