r"""Methods compared at one budget, and the limit along iterative pruning (chapter 8).

The chapter's table is made by::

    python -m prunelimit.lab.studies.heuristics digits-mlp \
        --output book/results/heuristics-digits.json

and the limits of its other figures by::

    python -m prunelimit.lab.studies.heuristics digits-mlp --limits \
        --output book/results/heuristics-limits.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from prunelimit.errors import PruneLimitError
from prunelimit.lab import baselines, models, tasks
from prunelimit.lab.data import Splits
from prunelimit.lab.store.provenance import describe_module
from prunelimit.lab.task import Task
from prunelimit.network.copies import copy_model
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import prunable_parameters
from prunelimit.predict import predict_limit
from prunelimit.progress import track
from prunelimit.pruning.masks import sparsity_of
from prunelimit.recipe import TrainingConfig
from prunelimit.results.methods import LimitRow, LimitStudy, MethodRow, MethodsCompared
from prunelimit.results.saved import Saved

WIDTHS, EPSILON, ROUND_EPOCHS = (16, 16), 0.05, 20
"""Hidden layers of the networks whose limits are studied, the loss rise, epochs a round."""


@dataclass(frozen=True)
class Contender:
    """A row of the comparison: a method, and how it spends the budget.

    Attributes
    ----------
    label
        For the table.
    method
        A key of `prunelimit.lab.baselines.METHODS`.
    config
        Its configuration.
    """

    label: str
    method: str
    config: Any


def contenders(training: TrainingConfig) -> tuple[Contender, ...]:
    """The methods of chapter 8 with the same number of epochs each.

    LOMP trains with the L1 term of `training`, all others without. The rows
    that end in "retrained" spend half of the epochs after the cut (a random
    mask: all of them), the others leave the survivors alone.

    Parameters
    ----------
    training
        Of the task: the budget and the schedule.

    Examples
    --------
    >>> rows = contenders(TrainingConfig(epochs=20))
    >>> {row.config.training.epochs for row in rows}
    {20}
    """
    plain = replace(training, l1=0.0)
    half = training.epochs // 2
    special = {
        "lomp": baselines.LompConfig(training),
        # Short runs have fewer iterations than the 100 between two cuts of its paper allow for.
        "gradual_magnitude": baselines.GradualConfig(plain, interval=20),
    }
    rows = [
        Contender(method.label, name, special.get(name) or method.config(training=plain))
        for name, method in baselines.METHODS.items()
    ]
    all_of_it = baselines.OneShotConfig(plain, training.epochs)
    return (
        *rows,
        Contender("LOMP, retrained", "lomp", baselines.LompConfig(training, half)),
        Contender("magnitude, retrained", "lomp", baselines.OneShotConfig(plain, half)),
        Contender("random mask, retrained", "random_control", all_of_it),
    )


def compare(
    task: Task, sparsities: Sequence[float], seeds: Sequence[int], *, device: str = "auto"
) -> list[MethodRow]:
    """Every contender at every sparsity, from the same initial weights for one seed.

    Parameters
    ----------
    task
        Network, data and budget.
    sparsities
        Fractions removed. The dense network is measured once a seed.
    seeds
        Of the initial weights, the validation split and the order of examples.
    device
        "auto", "cpu", "cuda" or "mps".

    Returns
    -------
    list of MethodRow
        One a run. A method that refuses a sparsity has an error in place of the measurements.

    Examples
    --------
    >>> task = tasks.get("digits-mlp").with_(epochs=14)
    >>> len(contenders(task.training))
    15
    """
    rows = contenders(task.training)
    jobs = [
        (row, sparsity, seed)
        for seed in seeds
        for row in rows
        for sparsity in ([0.0] if row.method == "dense" else sparsities)
    ]
    return [_measured(task, *job, device) for job in track(jobs, "compare")]


def _measured(task: Task, row: Contender, sparsity: float, seed: int, device: str) -> MethodRow:
    seeded = task.with_(seed=seed)
    splits = seeded.load_data()
    asked = MethodRow(row.label, row.method, sparsity, seed)
    began = time.perf_counter()
    try:
        model = seeded.build_model(splits)
        pruned = baselines.METHODS[row.method](
            model, splits, cross_entropy, sparsity, row.config, seed=seed, device=device
        )
    except PruneLimitError as error:
        return replace(asked, error=str(error))
    seconds = time.perf_counter() - began
    train_loss, _ = evaluate(pruned.model, cross_entropy, splits.train_eval, device)
    test_loss, test_accuracy = evaluate(pruned.model, cross_entropy, splits.test, device)
    return replace(
        asked,
        counted_sparsity=pruned.sparsity,
        effective_sparsity=pruned.effective_sparsity,
        collapsed_layers=tuple(pruned.collapsed_layers),
        epochs=pruned.training_epochs,
        seconds=round(seconds, 2),
        train_loss=train_loss,
        test_loss=test_loss,
        test_accuracy=test_accuracy,
    )


def untrained(widths: tuple[int, ...], splits: Splits, seed: int) -> nn.Module:
    """A fully connected network for the data, as `seed` initialises it."""
    model = models.fully_connected(widths)(splits.input_shape, splits.classes)
    models.initialize(model, seed)
    return model


def limits_over_rounds(work: baselines.Work[baselines.IterativeMagnitudeConfig]) -> list[LimitRow]:
    """The predicted limits, measured anew after each training of iterative pruning.

    The distance R and the curvature are those of the network after the round,
    with zeros where weights are gone, and all D positions count. A removed
    weight adds nothing to R any more, so a limit measured after a round never
    lies below the sparsity of that round: this is by construction.
    """
    assert isinstance(work.data, Splits)
    return [
        limits_of(network, work.data, work.device, round=number, sparsity=sparsity_of(masks))
        for number, (network, masks) in enumerate(baselines.iterative_rounds(work))
    ]


def scaled_weights(model: nn.Module, factor: float, balanced: bool = False) -> nn.Module:
    """A copy with its prunable weights multiplied by `factor`.

    Parameters
    ----------
    model
        For `balanced`, a ReLU chain of linear layers (`models.fully_connected`).
    factor
        Above 0.
    balanced
        Multiply the first layer and its bias by `factor` and divide the second
        layer's weights by it: the outputs stay as they were.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    >>> x = torch.ones(1, 1)
    >>> bool(torch.allclose(scaled_weights(net, 3.0, balanced=True)(x), net(x)))
    True
    """
    copied = copy_model(model)
    with torch.no_grad():
        if balanced:
            first, second = [m for m in copied.modules() if isinstance(m, nn.Linear)][:2]
            first.weight.mul_(factor)
            first.bias.mul_(factor)
            second.weight.div_(factor)
        else:
            for parameter in prunable_parameters(copied).values():
                parameter.mul_(factor)
    return copied


def rounds_of(training: TrainingConfig) -> baselines.IterativeMagnitudeConfig:
    """Rounds of `ROUND_EPOCHS` each to a sparsity of 0.9."""
    count = len(baselines.iterative_counts(1000, 0.9)) + 1
    return baselines.IterativeMagnitudeConfig(training.scaled(count * ROUND_EPOCHS))


def limit_study(task: Task, device: str = "auto") -> dict[str, Any]:
    """How the predicted limits move with pruning rounds, weight decay and scale.

    Parameters
    ----------
    task
        Its data, training and seed; without L1. The network (`WIDTHS`) is small enough for exact
        spectra in seconds, and ε is the same throughout.
    device
        "auto", "cpu", "cuda" or "mps".

    Returns
    -------
    dict
        The measured entries of a `LimitStudy`.
    """
    splits = task.load_data()
    model = untrained(WIDTHS, splits, task.seed)
    plain = replace(task.training, l1=0.0)
    how: dict[str, Any] = {"seed": task.seed, "device": device}

    row = partial(limits_of, splits=splits, device=device)

    def decayed(decay: float) -> nn.Module:
        config = baselines.OneShotConfig(replace(plain, weight_decay=decay))
        return baselines.dense(model, splits, cross_entropy, 0.0, config, **how).model

    lomp_like = baselines.lomp(
        model, splits, cross_entropy, 0.0, baselines.LompConfig(task.training), **how
    ).model
    rounds = limits_over_rounds(
        baselines.Work(model, splits, cross_entropy, 0.9, rounds_of(plain), **how)
    )
    return {
        "widths": WIDTHS,
        "epsilon": EPSILON,
        "round_epochs": ROUND_EPOCHS,
        "rounds": tuple(rounds),
        "decay": tuple(row(decayed(d), weight_decay=d) for d in (0.0, 1e-3, 3e-3, 1e-2)),
        "scaled": tuple(row(scaled_weights(lomp_like, f), factor=f) for f in range(1, 6)),
        "balanced": tuple(row(scaled_weights(lomp_like, f, True), factor=f) for f in range(1, 6)),
    }


def limits_of(network: nn.Module, splits: Splits, device: str, **varied: Any) -> LimitRow:
    """The predicted limits of a network as it is, with what was `varied` to get it."""
    report = predict_limit(
        network, cross_entropy, splits.train_eval, EPSILON, device=device, progress=False
    )
    return LimitRow(
        **varied,
        paper=float(report.paper.sparsity),
        sharp=float(report.sharp.sparsity),
        one_shot=float(report.one_shot.sparsity),
        distance=report.paper.distance,
        distance_at_80=report.distance(round(0.2 * report.dim)),
        norm=report.distance(0),
        trace=report.spectrum.trace().value,
        train_loss=report.loss.mean,
        test_accuracy=evaluate(network, cross_entropy, splits.test, device)[1],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a study of a task to a JSON file."""
    parser = argparse.ArgumentParser(prog="python -m prunelimit.lab.studies.heuristics")
    parser.add_argument("task")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--limits", action="store_true", help="limit_study in place of compare")
    parser.add_argument("--sparsity", type=float, nargs="+", default=[0.8, 0.9, 0.95, 0.98])
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="auto")
    given = parser.parse_args(arguments)
    task = tasks.get(given.task)
    began = time.perf_counter()
    made: Callable[..., Saved]
    if given.limits:
        limits = limit_study(task.with_(seed=given.seed[0]), device=given.device)
        made = partial(LimitStudy, **limits)
    else:
        rows = compare(task, given.sparsity, given.seed, device=given.device)
        made = partial(MethodsCompared, rows=tuple(rows))
    made(
        task=task.name,
        epochs=task.training.epochs,
        l1=task.training.l1,
        seconds=round(time.perf_counter() - began, 1),
        provenance=describe_module("prunelimit.lab.studies.heuristics", arguments, given.device),
    ).save(given.output)


if __name__ == "__main__":
    main()
