r"""Every architecture once, small networks with three seeds, and the choices behind a prediction.

The runs are small enough for one processor core: few examples, few epochs. What
was made small is stated in `SCALES`, and again in every result. They are made by::

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
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from prunelimit.estimates import Interval, crossing_between
from prunelimit.files import write_json
from prunelimit.lab import tasks
from prunelimit.lab.baselines import IterativeMagnitudeConfig, RareGemsConfig, iterative_counts
from prunelimit.lab.data import Batches, Splits
from prunelimit.lab.experiment import ExperimentConfig, run_task
from prunelimit.lab.stages.finetune import default_budget
from prunelimit.lab.store.provenance import describe_run, module_command
from prunelimit.lab.studies.heuristics import limits_after_rare_gems, limits_over_rounds, untrained
from prunelimit.lab.tasks import Task
from prunelimit.lab.training import train
from prunelimit.limit.distance import Distance, DistanceProfile, distance_profile
from prunelimit.limit.solve import Formula, paper_interval, solve_limit
from prunelimit.names import unknown_name
from prunelimit.network.device import resolve_device
from prunelimit.network.losses import loss_statistics
from prunelimit.network.parameters import flatten, prunable_weights
from prunelimit.predict import curvature_operator
from prunelimit.pruning import magnitude_mask, magnitude_order
from prunelimit.pruning.finetune import FineTuning, finetune
from prunelimit.pruning.one_shot import one_shot_curve
from prunelimit.pruning.refit import refit_survivors
from prunelimit.pruning.sweep import sweep
from prunelimit.records import compact
from prunelimit.results import (
    Choices,
    LimitsOfGems,
    LimitsOverDistance,
    LimitsOverRounds,
    Overview,
    Result,
    WeightDistances,
)
from prunelimit.results.choices import (
    AtBatchSize,
    AtEpsilon,
    AtExamples,
    AtPolicy,
    GridCrossing,
    GridPoint,
    OverEpsilon,
    RowNorms,
    WeightDistance,
)
from prunelimit.results.saved import Saved
from prunelimit.spectrum.budget import subsample
from prunelimit.spectrum.engine import hessian_spectrum
from prunelimit.spectrum.operator import CurvatureOperator
from prunelimit.spectrum.result import Spectrum

RUNS = Path("runs/depth")
EPSILON = 0.05
"""Of the paper's architectures: so few examples are fitted to losses whose spread is rounding."""

EPSILONS = (0.003, 0.01, 0.03, 0.1)
BATCH_SIZES = (32, 64, 128, 256, 512)
SAMPLE_SIZES = (64, 128, 256, 512, 1024)
DRAWS = 3
"""Random subsets of each size below half of the data."""

_BINS = 100
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


def _tuned(scale: Scale, epochs: int) -> Scale:
    """The same, but for longer fine-tuning."""
    finetuning = FineTuning(epochs=epochs, learning_rate=0.01)
    return replace(scale, measurement=replace(scale.measurement, finetuning=finetuning))


_LARGE = {"resolution": 0.0005, "sparsest": 0.9999, "loss_points": 60, "accuracy_points": 40}
_FEW_PRODUCTS = {"max_products": 40, "refit_iterations": 12, "refit_measurements": 2}
_SHORT_TUNING = FineTuning(epochs=8, learning_rate=0.01)

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
        epsilon=EPSILON,
        tolerance=0.0002,
        max_products=60,
        refit_iterations=20,
        refit_measurements=3,
        finetune_measurements=5,
        finetuning=_SHORT_TUNING,
        **_LARGE,
    ),
    "resnet18": _scale(
        _on_digits("resnet18"),
        {"examples": 128, "epochs": 30, "batch_size": 16, "learning_rate": 0.02, "l1": 5e-4},
        epsilon=EPSILON,
        tolerance=2e-5,
        finetune_measurements=5,
        finetuning=_SHORT_TUNING,
        **_LARGE,
        **_FEW_PRODUCTS,
    ),
    # With so few steps the running statistics of 53 normalisations lag behind at higher rates.
    "resnet50": _scale(
        _on_digits("resnet50"),
        {"examples": 128, "epochs": 30, "batch_size": 16, "learning_rate": 0.001, "l1": 5e-3},
        epsilon=EPSILON,
        tolerance=5e-6,
        finetune_measurements=4,
        finetuning=_SHORT_TUNING,
        **_LARGE,
        **_FEW_PRODUCTS,
    ),
    "vgg16": _scale(
        tasks.get("fashion-vgg16"),
        {"examples": 48, "epochs": 40, "batch_size": 8, "augment": False, "l1": 5e-4},
        epsilon=EPSILON,
        tolerance=5e-6,
        finetune_measurements=4,
        finetuning=_SHORT_TUNING,
        **_LARGE,
        **_FEW_PRODUCTS,
    ),
    "alexnet": _scale(
        tasks.get("fashion-alexnet"),
        {"examples": 16, "epochs": 12, "batch_size": 4, "learning_rate": 0.001, "augment": False},
        epsilon=EPSILON,
        tolerance=1e-6,
        max_products=16,
        refit_iterations=8,
        refit_measurements=1,
        finetune_measurements=2,
        finetuning=FineTuning(epochs=4, learning_rate=0.01),
        **_LARGE,
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
# raises it.
LONGER = {"fc5": 120, "resnet18": 80, "fashion-mlp": 120}
SCALES |= {f"{name}-tuned": _tuned(SCALES[name], epochs) for name, epochs in LONGER.items()}
"""Name to what is run: the paper's architectures, the small networks, and some tuned for longer."""


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
    if name not in SCALES:
        raise unknown_name("scale", name, SCALES)
    scale = SCALES[name]
    changes = {"seed": seed} | ({} if l1 is None else {"l1": l1})
    return replace(scale, task=scale.task.with_(**changes))


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
    reference = splits.train_eval.with_batch_size(128)
    tuning = default_budget(task.training, len(splits.train))
    study = _Study(model, splits, tuning, device)
    ggn = hessian_spectrum(model, cross_entropy, reference, device=device, progress=False)
    dense = CurvatureOperator(
        model, cross_entropy, reference, "hessian", device=device, dtype=torch.float64
    ).dense()
    return Choices(
        dim=study.profile.dim,
        loss=loss_statistics(model, cross_entropy, reference, device).mean,
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
    tuning: FineTuning
    device: str

    def __post_init__(self) -> None:
        self.weights: Tensor = prunable_weights(self.model).double()
        self.profile: DistanceProfile = distance_profile(self.weights.cpu().numpy())
        self.epsilon = self.spread(128)

    @cached_property
    def reference(self) -> Batches:
        """The data that define the loss and its curvature."""
        return self.splits.train_eval.with_batch_size(128)

    @cached_property
    def operator(self) -> CurvatureOperator:
        """The Gauss-Newton matrix, by its products."""
        return curvature_operator(self.model, cross_entropy, self.reference, "ggn", self.device)

    @cached_property
    def loss(self) -> float:
        """Of the dense network."""
        return loss_statistics(self.model, cross_entropy, self.reference, self.device).mean

    def spread(self, batch_size: int) -> float:
        """Standard deviation of the minibatch losses."""
        batches = self.splits.train_eval.with_batch_size(batch_size)
        return loss_statistics(self.model, cross_entropy, batches, self.device).batch_std

    def limits(self, spectrum: Spectrum, epsilon: float) -> dict[str, float]:
        """Both predicted sparsities."""
        return {
            formula: _limit_of(spectrum, self.profile, epsilon, self.profile.dim, formula)
            for formula in ("paper", "sharp")
        }

    def over_epsilon(self, spectrum: Spectrum) -> OverEpsilon:
        reference = self.splits.train_eval.with_batch_size(1000)
        grid = np.linspace(0, 1, 500, endpoint=False)
        curve = sweep(
            self.model, cross_entropy, reference, grid, device=self.device, progress=False
        )
        points = tuple(self._existence(s) for s in 1 - np.geomspace(0.25, 0.01, 14))
        rows = tuple(
            AtEpsilon(
                epsilon=epsilon,
                **self.limits(spectrum, epsilon),
                one_shot_quadratic=self._one_shot(epsilon),
                one_shot=curve.largest_sparsity(epsilon),
                quadratic=crossing_on_grid(points, "quadratic", epsilon),
                real=crossing_on_grid(points, "real", epsilon),
            )
            for epsilon in EPSILONS
        )
        return OverEpsilon(rows, points, self.tuning)

    def _one_shot(self, epsilon: float) -> float:
        order = magnitude_order(self.model)
        return float(
            one_shot_curve(self.operator, self.weights, order, epsilon, progress=False).sparsity
        )

    def _existence(self, sparsity: float) -> GridPoint:
        """Loss rises of the re-fitted and of the fine-tuned survivors."""
        masks = magnitude_mask(self.model, float(sparsity))
        keep = flatten(masks.values()).bool()
        fit = refit_survivors(self.operator, self.weights, keep, max_iterations=80, progress=False)
        tuned = finetune(
            self.model,
            masks,
            cross_entropy,
            self.reference.shuffled(),
            self.reference.with_batch_size(1000),
            self.tuning,
            device=self.device,
            progress=False,
        )
        return GridPoint(float(sparsity), quadratic=fit.rise, real=tuned.lowest_loss - self.loss)

    def over_batch_size(self, spectrum: Spectrum) -> tuple[AtBatchSize, ...]:
        spreads = {size: self.spread(size) for size in BATCH_SIZES}
        return tuple(
            AtBatchSize(size, epsilon, **self.limits(spectrum, epsilon))
            for size, epsilon in spreads.items()
        )

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
        spectra = {"ggn": ggn}
        for policy in ("abs", "clip"):
            spectra[policy] = replace(ggn, policy=policy, eigenvalues=values)
        return tuple(
            AtPolicy(
                policy=policy,
                negative_share=spectrum.negative_share(),
                trace=spectrum.trace().value,
                **self.limits(spectrum, self.epsilon),
            )
            for policy, spectrum in spectra.items()
        )


def rounds(
    task: Task,
    *,
    weight_decay: float = 3e-3,
    widths: tuple[int, ...] = (16, 16),
    epsilon: float = 0.05,
    round_epochs: int = 20,
    sparsity: float = 0.9,
    device: str = "auto",
) -> dict[str, Any]:
    """The limit along iterative pruning with weight decay, where `heuristics` has none.

    Everything else is as in `heuristics.limit_study`, so that the two compare.
    """
    splits = task.load_data()
    model = untrained(widths, splits, task.seed)
    count = len(iterative_counts(1000, sparsity)) + 1
    training = replace(task.training, l1=0.0, weight_decay=weight_decay)
    config = IterativeMagnitudeConfig(training.scaled(count * round_epochs))
    rows = limits_over_rounds(
        model, splits, sparsity, config, epsilon, seed=task.seed, device=device, progress=False
    )
    return {
        "weight_decay": weight_decay,
        "widths": widths,
        "epsilon": epsilon,
        "round_epochs": round_epochs,
        "rounds": tuple(rows),
    }


def gems(
    task: Task,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    sparsities: Sequence[float] = (0.5, 0.8),
    regularisations: Sequence[float] = (0.0, 1e-4, 1e-3, 1e-2),
    widths: tuple[int, ...] = (16, 16),
    epsilon: float = 0.05,
    device: str = "auto",
) -> dict[str, Any]:
    """The limits of networks found by Rare Gems, with and without its l2 term; see `rounds`."""
    rows = []
    config = RareGemsConfig(replace(task.training, l1=0.0))
    for seed in seeds:
        splits = task.with_(seed=seed).load_data()
        model = untrained(widths, splits, seed)
        found = limits_after_rare_gems(
            model,
            splits,
            sparsities,
            regularisations,
            config,
            epsilon,
            seed=seed,
            device=device,
            progress=False,
        )
        rows += [replace(row, seed=seed) for row in found]
    return {
        "widths": widths,
        "epsilon": epsilon,
        "epochs": config.training.epochs,
        "search_epochs": config.searched,
        "rows": tuple(rows),
    }


def overview(results: Mapping[str, Result]) -> list[Overview]:
    """One row a run, in order; quadratic existence is NaN where no re-fit came down to ε."""
    return [Overview.of(result, name, only_known=True) for name, result in results.items()]


@dataclass(frozen=True)
class CorrectedByGain:
    """The correction that the study chose (chapter 10), on a run that it never saw.

    Attributes
    ----------
    name, epsilon
        Of the run.
    gain
        What fine-tuning took off the dense network's loss.
    paper, corrected
        The paper's limit at ε, and at ε + gain (heuristic).
    real
        Measured real existence.
    """

    name: str
    epsilon: float
    gain: float
    paper: float
    corrected: float
    real: Interval

    @property
    def delta(self) -> float:
        """Paper's limit minus real existence."""
        return self.paper - self.real.value

    @property
    def delta_corrected(self) -> float:
        """Corrected limit minus real existence."""
        return self.corrected - self.real.value


def corrected_by_gain(results: Mapping[str, Result]) -> list[CorrectedByGain]:
    """One row a run."""
    rows = []
    for name, result in results.items():
        report = result.prediction
        dense = next(point for point in result.finetune if point.sparsity == 0.0)
        gain = max(0.0, -dense.rise)
        corrected = _limit_of(
            report.spectrum, report.distance, report.epsilon + gain, report.dim, "paper"
        )
        paper, real = float(report.paper.sparsity), result.thresholds.real_existence
        rows.append(CorrectedByGain(name, report.epsilon, gain, paper, corrected, real))
    return rows


def limits_over_distance(result: Result, points: int = 60) -> LimitsOverDistance:
    """Both limits as functions of a free distance R, and the network's own R(k), at `points`."""
    report = result.prediction
    kept = np.geomspace(report.dim, 1, points)
    distances = np.array([report.distance(k) for k in kept])
    keep = distances > 1e-6 * distances.max()
    places = distances[keep].tolist()
    limits = {
        formula: tuple(
            1 - _limit_of(report.spectrum, r, report.epsilon, report.dim, formula) for r in places
        )
        for formula in ("paper", "sharp")
    }
    measured = Overview.of(result, only_known=True).measured
    return LimitsOverDistance(
        distance=tuple(places),
        own=tuple((kept[keep] / report.dim).tolist()),
        limits=limits,
        measured={
            name: (report.distance((1 - found.value) * report.dim), 1 - found.value)
            for name, found in measured.items()
            if not math.isnan(found.value)
        },
        floor=1 / report.dim,
    )


def _limit_of(
    spectrum: Spectrum, distance: Distance, epsilon: float, dim: int, formula: Formula
) -> float:
    """The predicted sparsity at the spectrum's best value."""
    return solve_limit(
        lambda ridge: spectrum.effective_dimension(ridge).value, distance, epsilon, dim, formula
    ).sparsity


def kinematic_ends(result: Result, eta: float = 0.1) -> dict[str, float]:
    """The lower and the upper bound on the pruning ratio k/D that the kinematics formula gives.

    Each fails with probability at most `eta`, given the width (see `prunelimit.limit.
    paper_interval`). "computation" is the width of the bracket of the spectrum alone.
    """
    report = result.prediction
    spectrum = report.spectrum
    if spectrum.eigenvalues is not None:
        nodes, weights = np.maximum(spectrum.eigenvalues, 0.0), None
    else:
        assert spectrum.gauss is not None
        nodes, weights = np.maximum(spectrum.gauss.nodes, 0.0), np.array(spectrum.gauss.weights)
    found = paper_interval(nodes, report.distance, report.epsilon, eta, weights)
    ends = {"lower": found.lower, "limit": found.value, "upper": found.upper}
    shares = {name: value / report.dim for name, value in ends.items()}
    shares["difference"] = shares["upper"] - shares["lower"]
    return shares | {"computation": report.paper.upper - report.paper.lower}


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


def weight_distances(
    vectors: Mapping[int, np.ndarray], seed: int = 0
) -> tuple[WeightDistance, ...]:
    """Total variation between the weights of every two runs, and what chance alone would give.

    ``by_chance`` is the mean of five random splits of both runs' weights in two halves.
    """
    generator = np.random.default_rng(seed)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one of the results and write it to a JSON file."""
    given = _parser().parse_args(arguments)
    command = module_command("prunelimit.lab.studies.depth", arguments)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    if given.what == "run":
        scale = scale_of(given.name, given.seed, given.l1)
        directory = _directory(given.name, given.seed, given.l1)
        found = run_task(
            scale.task, directory, scale.measurement, device=given.device, command=command
        )
        write_json(given.output, compact(replace(found, note=scale.task.note).to_dict()))
        return 0
    began = time.perf_counter()
    make = {"choices": _choices, "weights": _weights, "rounds": _rounds, "gems": _gems}[given.what]

    def footer() -> dict[str, Any]:
        provenance = describe_run(resolve_device(given.device), command)
        return {"seconds": round(time.perf_counter() - began, 1), "provenance": provenance}

    make(given, footer).save(given.output)
    return 0


Footer = Callable[[], dict[str, Any]]
"""The time that it took and who made it, once it is made."""


def _choices(given: argparse.Namespace, footer: Footer) -> Saved:
    task = scale_of(given.name).task
    found = choices(task, _directory(given.name, 0, None), given.device)
    return replace(found, **footer())


def _weights(given: argparse.Namespace, footer: Footer) -> Saved:
    found = {}
    for name in given.names:
        vectors = {}
        for seed in given.seed:
            model, _ = trained(
                scale_of(name, seed).task, _directory(name, seed, None), given.device
            )
            vectors[seed] = prunable_weights(model).cpu().numpy()
        found[name] = weight_distances(vectors)
    return WeightDistances(bins=_BINS, distances=found, **footer())


def _rounds(given: argparse.Namespace, footer: Footer) -> Saved:
    task = scale_of(given.name).task
    made = rounds(task, device=given.device)
    return LimitsOverRounds(task=task.name, **made, **footer())


def _gems(given: argparse.Namespace, footer: Footer) -> Saved:
    task = scale_of(given.name).task
    made = gems(task, device=given.device)
    return LimitsOfGems(task=task.name, **made, **footer())


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
    raise SystemExit(main())
