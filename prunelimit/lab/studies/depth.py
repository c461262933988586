r"""Every architecture once, small networks with three seeds, and the choices behind a prediction.

What is run stands in `prunelimit.lab.studies.scales`; the results are made by::

    python -m prunelimit.lab.studies.depth run resnet18 \
        --output book/results/depth/resnet18-seed0.json
    python -m prunelimit.lab.studies.depth choices digits-mlp \
        --output book/results/depth/choices.json
    python -m prunelimit.lab.studies.depth weights digits-mlp fc5 \
        --output book/results/depth/weights.json
    python -m prunelimit.lab.studies.depth rounds digits-mlp \
        --output book/results/depth/rounds.json
    python -m prunelimit.lab.studies.depth gems digits-mlp \
        --output book/results/depth/gems.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from prunelimit.estimates import crossing_between
from prunelimit.files import write_json
from prunelimit.lab.baselines import RareGemsConfig, Work, rare_gems
from prunelimit.lab.data import Splits
from prunelimit.lab.experiment import run_task
from prunelimit.lab.stages.finetune import Tuning
from prunelimit.lab.stages.refit import Refitting
from prunelimit.lab.store.provenance import describe_module, module_command
from prunelimit.lab.studies import heuristics
from prunelimit.lab.studies.readings import limit_of
from prunelimit.lab.studies.scales import scale_of
from prunelimit.lab.task import Task
from prunelimit.lab.training import train
from prunelimit.limit.distance import DistanceProfile, distance_profile
from prunelimit.network.losses import loss_statistics
from prunelimit.network.parameters import prunable_weights
from prunelimit.network.world import Execution
from prunelimit.pruning import magnitude_order
from prunelimit.pruning.one_shot import one_shot_curve
from prunelimit.pruning.sweep import sweep
from prunelimit.recipe import TrainingConfig
from prunelimit.results.choices import (
    AtBatchSize,
    AtEpsilon,
    AtExamples,
    AtPolicy,
    Choices,
    GridCrossing,
    GridPoint,
    OverEpsilon,
    RowNorms,
    WeightDistance,
    WeightDistances,
)
from prunelimit.results.methods import LimitsOfGems, LimitsOverRounds
from prunelimit.results.saved import Saved, compact
from prunelimit.spectrum.budget import subsample
from prunelimit.spectrum.engine import Effort, operator_for
from prunelimit.spectrum.hessian import hessian_spectrum
from prunelimit.spectrum.operator import CurvatureOperator
from prunelimit.spectrum.result import Spectrum

RUNS = Path("runs/depth")
EPSILONS = (0.003, 0.01, 0.03, 0.1)
BATCH_SIZES = (32, 64, 128, 256, 512)
SAMPLE_SIZES = (64, 128, 256, 512, 1024)
DECAY = 3e-3
DRAWS = 3
"""Random subsets of each size below half of the data."""

_BINS = 100


def trained(task: Task, directory: Path, device: str = "auto") -> tuple[nn.Module, Splits]:
    """The task's trained network, from `directory` if it has been trained there before."""
    splits = task.load_data()
    result = train(
        task.build_model(splits), splits, task.training, directory / "training", device, False
    )
    return result.model.eval(), splits


def choices(task: Task, directory: Path, device: str = "auto") -> Choices:
    """How ε, its batch size, the data and the policy move the prediction for one network.

    Parameters
    ----------
    task
        Of a network small enough for its Hessian, a few thousand weights.
    directory
        Where it is, or will be, trained.
    device
        "auto", "cpu", "cuda" or "mps".

    Returns
    -------
    Choices
        At `EPSILONS` with the measured curves, at the ε of `BATCH_SIZES`, on random subsets of
        `SAMPLE_SIZES`, for each policy, and the Hessian's rows.
    """
    model, splits = trained(task, directory, device)
    study = _Study(model, splits, task.training, device)
    ggn = hessian_spectrum(model, cross_entropy, study.reference, device=device, progress=False)
    dense = CurvatureOperator(
        model, cross_entropy, study.reference, "hessian", device=device, dtype=torch.float64
    ).dense()
    return Choices(
        dim=study.profile.dim,
        loss=study.loss,
        epsilon=study.over_epsilon(ggn),
        batch_size=study.over_batch_size(ggn),
        examples=study.over_examples(ggn),
        policy=study.over_policy(ggn, dense),
        row_norms=row_norms_by_magnitude(dense, study.weights),
        task=task.name,
        l1=task.training.l1,
        epochs=task.training.epochs,
    )


@dataclass
class _Study:
    """One trained network, and what all the tables of `choices` need of it."""

    model: nn.Module
    splits: Splits
    training: TrainingConfig
    device: str

    def __post_init__(self) -> None:
        self.reference = self.splits.train_eval.with_batch_size(128)
        self.weights: Tensor = prunable_weights(self.model).double()
        self.profile: DistanceProfile = distance_profile(self.weights.cpu().numpy())
        dense = loss_statistics(self.model, cross_entropy, self.reference, self.device)
        self.loss, self.epsilon = dense.mean, dense.batch_std

    def limits(self, spectrum: Spectrum, epsilon: float) -> dict[str, float]:
        """Both predicted sparsities."""
        return {
            formula: limit_of(spectrum, self.profile, epsilon, self.profile.dim, formula)
            for formula in ("paper", "sharp")
        }

    def over_epsilon(self, spectrum: Spectrum) -> OverEpsilon:
        data, quiet = self.splits.train_eval.with_batch_size(1000), Execution(self.device, False)
        grid = np.linspace(0, 1, 500, endpoint=False)
        curve = sweep(self.model, cross_entropy, data, grid, device=self.device, progress=False)
        operator = operator_for(
            self.model, cross_entropy, self.reference, "ggn", Effort(), device=self.device
        )
        tuning = Tuning(self.model, self.splits, self.training, execution=quiet)
        refitting = Refitting(
            self.model,
            operator,
            self.reference,
            iterations=80,
            device=self.device,
            progress=False,
        )
        points = tuple(
            GridPoint(s, refitting.at(s).fit.rise, tuning.at(s).lowest_loss - self.loss)
            for s in (1 - np.geomspace(0.25, 0.01, 14)).tolist()
        )
        order = magnitude_order(self.model)
        rows = []
        for epsilon in EPSILONS:
            quadratic = one_shot_curve(operator, self.weights, order, epsilon, progress=False)
            rows.append(
                AtEpsilon(
                    epsilon=epsilon,
                    **self.limits(spectrum, epsilon),
                    one_shot_quadratic=float(quadratic.sparsity),
                    one_shot=curve.largest_sparsity(epsilon),
                    quadratic=crossing_on_grid(points, "quadratic", epsilon),
                    real=crossing_on_grid(points, "real", epsilon),
                )
            )
        return OverEpsilon(tuple(rows), points, tuning.budget)

    def over_batch_size(self, spectrum: Spectrum) -> tuple[AtBatchSize, ...]:
        rows = []
        for size in BATCH_SIZES:
            batches = self.splits.train_eval.with_batch_size(size)
            spread = loss_statistics(self.model, cross_entropy, batches, self.device).batch_std
            rows.append(AtBatchSize(size, spread, **self.limits(spectrum, spread)))
        return tuple(rows)

    def over_examples(self, whole: Spectrum) -> tuple[AtExamples, ...]:
        total = self.reference.examples
        rows = []
        for size in SAMPLE_SIZES:
            for draw in range(DRAWS if size <= total / 2 else 1):
                part = subsample(self.reference, size, draw)
                spectrum = hessian_spectrum(
                    self.model,
                    cross_entropy,
                    part,
                    method="gram" if 10 * size < self.profile.dim else "auto",
                    tolerance=1e-3,
                    device=self.device,
                    progress=False,
                )
                rows.append(AtExamples(size, draw, **self.limits(spectrum, self.epsilon)))
        return (*rows, AtExamples(total, 0, **self.limits(whole, self.epsilon)))

    def over_policy(self, ggn: Spectrum, hessian: Tensor) -> tuple[AtPolicy, ...]:
        values = tuple(torch.linalg.eigvalsh(hessian).tolist())
        others = (replace(ggn, policy=name, eigenvalues=values) for name in ("abs", "clip"))
        return tuple(
            AtPolicy(
                policy=spectrum.policy,
                negative_share=spectrum.negative_share(),
                trace=spectrum.trace().value,
                **self.limits(spectrum, self.epsilon),
            )
            for spectrum in (ggn, *others)
        )


def crossing_on_grid(points: Sequence[GridPoint], name: str, level: float) -> GridCrossing:
    """Where a column first exceeds `level`, bracketed and interpolated.

    Parameters
    ----------
    points
        By rising sparsity.
    name
        "quadratic" or "real".
    level
        The largest value that passes.

    Examples
    --------
    >>> points = [GridPoint(0.5, 0.0, 0.0), GridPoint(0.75, 2.0, 2.0)]
    >>> found = crossing_on_grid(points, "real", 1.0)
    >>> found.lower, round(found.value, 4), found.upper
    (0.5, 0.625, 0.75)
    """
    rises = [getattr(point, name) for point in points]
    above = [rise > level for rise in rises]
    if not any(above):
        return GridCrossing(points[-1].sparsity, None, None)
    first = above.index(True)
    if first == 0:
        return GridCrossing(None, None, points[0].sparsity)
    left, right = ((points[i].sparsity, rises[i]) for i in (first - 1, first))
    return GridCrossing(left[0], crossing_between(left, right, level), right[0])


def row_norms_by_magnitude(matrix: Tensor, weights: Tensor) -> RowNorms:
    """The l1 norms of a matrix's rows, in percents of the weights from small to large.

    Parameters
    ----------
    matrix
        ``(dim, dim)``.
    weights
        ``(dim,)``; rows are sorted by their magnitudes.

    Examples
    --------
    >>> norms = row_norms_by_magnitude(torch.diag(torch.arange(100.0)), -torch.arange(100.0))
    >>> norms.percent[:2], norms.median[:2]
    ((1, 2), (0.0, 1.0))
    """
    order = torch.argsort(weights.abs(), stable=True)
    norms = matrix.abs().sum(1)[order].cpu().numpy()
    magnitudes = weights.abs()[order].cpu().numpy()
    parts = np.array_split(np.arange(norms.size), 100)
    quantiles = np.array([np.quantile(norms[part], (0.1, 0.5, 0.9)) for part in parts])
    tenth, median, ninetieth = (tuple(column) for column in quantiles.T.tolist())
    return RowNorms(
        percent=tuple(range(1, 101)),
        tenth=tenth,
        median=median,
        ninetieth=ninetieth,
        magnitude=tuple(float(magnitudes[part[-1]]) for part in parts),
    )


def total_variation(first: np.ndarray, second: np.ndarray, bins: int = _BINS) -> float:
    """Total-variation distance of two samples, on bins that hold equal shares of both together.

    Parameters
    ----------
    first, second
        Numbers; what they are measured in does not matter.
    bins
        How many; more of them see finer differences, and more noise.

    Returns
    -------
    float
        Half the sum of |p - q|, in [0, 1].

    Examples
    --------
    >>> total_variation(np.arange(100.0), np.arange(100.0))
    0.0
    >>> round(total_variation(np.arange(100.0), np.arange(100.0) + 50, bins=3), 2)
    0.5
    """
    pooled = np.concatenate([first, second])
    edges = np.unique(np.quantile(pooled, np.linspace(0, 1, bins + 1)[1:-1]))
    shares = [
        np.bincount(np.searchsorted(edges, values), minlength=edges.size + 1) / values.size
        for values in (first, second)
    ]
    return min(1.0, float(0.5 * np.abs(shares[0] - shares[1]).sum()))  # but for rounding


def weight_distances(vectors: Mapping[int, np.ndarray]) -> tuple[WeightDistance, ...]:
    """Total variation between the weights of every two runs, and what chance alone would give.

    ``by_chance`` is the mean of five random splits of both runs' weights in two halves.
    """
    generator = np.random.default_rng(0)
    rows = []
    for a, b in combinations(vectors, 2):
        pooled = np.concatenate([vectors[a], vectors[b]])
        null = []
        for _ in range(5):
            generator.shuffle(pooled)
            halves = pooled[: vectors[a].size], pooled[vectors[a].size :]
            null.append(total_variation(*halves))
        distance = total_variation(vectors[a], vectors[b])
        rows.append(WeightDistance(a, b, distance, by_chance=float(np.mean(null))))
    return tuple(rows)


def _directory(name: str, seed: int, l1: float | None) -> Path:
    return RUNS / (f"{name}-seed{seed}" + ("" if l1 is None else f"-l1-{l1:g}"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make one of the results and write it to a JSON file."""
    given = _parser().parse_args(arguments)
    module = "prunelimit.lab.studies.depth"
    given.output.parent.mkdir(parents=True, exist_ok=True)
    if given.what == "run":
        scale = scale_of(given.name, given.seed, given.l1)
        directory = _directory(given.name, given.seed, given.l1)
        typed = module_command(module, arguments)
        found = run_task(
            scale.task, directory, scale.measurement, device=given.device, command=typed
        )
        write_json(given.output, compact(replace(found, note=scale.task.note).to_dict()))
        return
    began = time.perf_counter()
    make = {"choices": _choices, "weights": _weights, "rounds": _rounds, "gems": _gems}[given.what]
    made = make(given)
    seconds = round(time.perf_counter() - began, 1)
    provenance = describe_module(module, arguments, given.device)
    made(seconds=seconds, provenance=provenance).save(given.output)


Made = Callable[..., Saved]
"""A result but for the time that it took and who made it."""


def _choices(given: argparse.Namespace) -> Made:
    task = scale_of(given.name).task
    return partial(replace, choices(task, _directory(given.name, 0, None), given.device))


def _weights(given: argparse.Namespace) -> Made:
    found = {}
    for name in given.names:
        vectors = {}
        for seed in given.seed:
            model, _ = trained(
                scale_of(name, seed).task, _directory(name, seed, None), given.device
            )
            vectors[seed] = prunable_weights(model).cpu().numpy()
        found[name] = weight_distances(vectors)
    return partial(WeightDistances, bins=_BINS, distances=found)


def _rounds(given: argparse.Namespace) -> Made:
    """As in `heuristics.limit_study`, but with weight decay, so that the two compare."""
    task = scale_of(given.name).task
    splits = task.load_data()
    training = replace(task.training, l1=0.0, weight_decay=DECAY)
    model = heuristics.untrained(heuristics.WIDTHS, splits, task.seed)
    config = heuristics.rounds_of(training)
    rows = heuristics.limits_over_rounds(
        Work(model, splits, cross_entropy, 0.9, config, task.seed, given.device)
    )
    return partial(
        LimitsOverRounds,
        task=task.name,
        weight_decay=DECAY,
        widths=heuristics.WIDTHS,
        epsilon=heuristics.EPSILON,
        round_epochs=heuristics.ROUND_EPOCHS,
        rounds=tuple(rows),
    )


def _gems(given: argparse.Namespace) -> Made:
    """The limits of networks that Rare Gems finds, with and without its l2 term."""
    task = scale_of(given.name).task
    config, rows = RareGemsConfig(replace(task.training, l1=0.0)), []
    for seed, sparsity, strength in product((0, 1, 2), (0.5, 0.8), (0.0, 1e-4, 1e-3, 1e-2)):
        splits = task.with_(seed=seed).load_data()
        model = heuristics.untrained(heuristics.WIDTHS, splits, seed)
        how = replace(config, regularisation=strength)
        found = rare_gems(
            model, splits, cross_entropy, sparsity, how, seed=seed, device=given.device
        )
        varied = {"seed": seed, "sparsity": sparsity, "regularisation": strength}
        rows.append(heuristics.limits_of(found.model, splits, given.device, **varied))
    return partial(
        LimitsOfGems,
        task=task.name,
        widths=heuristics.WIDTHS,
        epsilon=heuristics.EPSILON,
        epochs=config.training.epochs,
        search_epochs=config.searched,
        rows=tuple(rows),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m prunelimit.lab.studies.depth")
    commands = parser.add_subparsers(dest="what", required=True)
    run = commands.add_parser("run", help="train, predict and measure one of the scales")
    run.add_argument("name")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--l1", type=float)
    study = commands.add_parser("choices", help="what moves the prediction for one network")
    study.add_argument("name")
    weights = commands.add_parser("weights", help="distances between the weights of several seeds")
    weights.add_argument("names", nargs="+")
    weights.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2])
    decayed = commands.add_parser("rounds", help="the limit along pruning with weight decay")
    decayed.add_argument("name")
    found = commands.add_parser("gems", help="the limit of what Rare Gems finds, by its l2 term")
    found.add_argument("name")
    for command in (run, study, weights, decayed, found):
        command.add_argument("--output", type=Path, required=True)
        command.add_argument("--device", default="auto")
    return parser


if __name__ == "__main__":
    main()
