"""Which question does which formula answer? Four curves on many small networks (chapter 10).

The chapter's numbers are made by::

    python -m prunelimit.lab.studies.study --output book/results/study.json

Networks are measured one after another; a finished one is only read again. Which
networks a correction may be chosen on, and which judge it, is written down in
`NETWORKS`, as they were fixed before the first was measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Interval
from prunelimit.lab import data, models
from prunelimit.lab.bench.crossing import Existence
from prunelimit.lab.bench.refitting import Refitted, Refitting
from prunelimit.lab.bench.tuning import Tuning
from prunelimit.lab.data import Batches, Splits
from prunelimit.lab.store.keys import Key, code_of
from prunelimit.lab.store.provenance import describe_run, module_command
from prunelimit.lab.store.stages import Stages
from prunelimit.lab.studies import corrections
from prunelimit.lab.training import train
from prunelimit.lomp import TrainingConfig
from prunelimit.network.evaluate import evaluate
from prunelimit.network.losses import loss_gradient
from prunelimit.network.parameters import prunable_weights
from prunelimit.predict import curvature_operator, predict_limit
from prunelimit.progress import progress_bar
from prunelimit.pruning.finetune import FineTuning
from prunelimit.pruning.sweep import Sweep, sweep
from prunelimit.report import LimitEstimate, PruningLimit
from prunelimit.results.study import (
    FORMULAS,
    AtEpsilon,
    FinetunedRise,
    Limit,
    NetworkSettings,
    StudiedNetwork,
    Study,
    StudyRefit,
)
from prunelimit.spectrum.matrix import DenseMatrix, SymmetricMatrix

STEPS = 2000
"""Steps of each fine-tuning."""

ROUND_STEPS = 300
"""Steps of fine-tuning after each cut of the correction "rounds"."""

PATH_SPARSITIES = (0.0, 0.6, 0.75, 0.85, 0.92, 0.96, 0.985)
ROUND_SPARSITIES = tuple(1 - 0.5**number for number in range(8))

LARGEST_MATRIX = 4000
"""Up to this dimension all corrections are computed; most need whole matrices."""

_SPARSEST = 0.995
_RESOLUTION = 0.005
_LOSS_POINTS = 400
_PRODUCTS = 1000


@dataclass(frozen=True)
class Source:
    """Where a study's examples come from.

    Attributes
    ----------
    dataset
        For `data.load`.
    pool
        Side of the squares that are averaged.
    examples
        So many of the training examples, and at most as many of the others; None takes all.
    """

    dataset: str
    pool: int = 1
    examples: int | None = None


SOURCES = {
    "digits": Source("digits"),
    "digits-4x4": Source("digits", pool=2),
    "fashion-7x7": Source("fashion-mnist", pool=4, examples=2000),
}


@dataclass(frozen=True)
class Network(NetworkSettings):
    """One network of the study; `source` is a key of `SOURCES`."""

    @property
    def name(self) -> str:
        """For tables and folders.

        Examples
        --------
        >>> Network("digits", (16, 16), 1e-3, 60, 0.1, False).name
        'digits-16-16-l0.001-e60'
        """
        shape = "-".join(map(str, self.widths)) or "conv"
        return f"{self.source}-{shape}-l{self.l1:g}-e{self.epochs}"

    @property
    def training(self) -> TrainingConfig:
        """SGD as for the small tasks: rate 0.05, momentum 0.9, batch 128, cosine."""
        return TrainingConfig(epochs=self.epochs, learning_rate=0.05, l1=self.l1, schedule="cosine")


def _networks() -> tuple[Network, ...]:
    chosen, held = False, True
    return (
        Network("digits", (16, 16), 1e-3, 60, 0.1, chosen, doubled=True),
        Network("digits", (16, 16), 0.0, 60, 0.1, held),
        Network("fashion-7x7", (16, 16), 0.0, 120, 0.1, chosen),
        Network("fashion-7x7", (32,), 3e-4, 60, 0.05, held, doubled=True),
        Network("digits-4x4", (32, 32), 1e-3, 60, 0.05, chosen),
        Network("digits-4x4", (64,), 5e-5, 60, 0.1, held),
        Network("fashion-7x7", (24, 24), 1e-3, 30, 0.2, chosen),
        Network("fashion-7x7", (16, 16, 16, 16), 5e-5, 60, 0.05, held),
        Network("digits", (), 3e-4, 30, 0.05, chosen),
        Network("digits", (), 1e-3, 60, 0.1, held),
        Network("digits", (16, 16, 16, 16), 3e-4, 120, 0.05, chosen),
        Network("digits", (16, 16, 16), 1e-3, 30, 0.2, held),
        Network("digits", (24,), 5e-5, 10, 0.05, chosen),
        Network("digits", (16, 16), 1e-3, 10, 0.1, held),
        Network("fashion-7x7", (32,), 3e-3, 60, 0.1, chosen),
        Network("fashion-7x7", (24, 24), 0.0, 10, 0.1, held),
        Network("digits-4x4", (32, 32), 0.0, 30, 0.2, chosen),
        Network("digits", (24,), 3e-3, 60, 0.05, held),
        Network("digits", (24, 24), 5e-5, 120, 0.1, chosen),
        Network("digits", (24, 24), 3e-3, 60, 0.2, held),
        Network("fashion-7x7", (32, 16), 3e-4, 120, 0.2, chosen),
        Network("fashion-7x7", (24, 24), 5e-5, 120, 0.05, held),
        Network("digits", (32, 16), 1e-3, 120, 0.05, chosen),
        Network("digits-4x4", (32, 32, 32), 3e-4, 60, 0.1, held),
        Network("fashion-7x7", (64,), 3e-4, 60, 0.1, chosen),
        Network("digits", (64,), 1e-3, 60, 0.1, held),
        Network("fashion-7x7", (128,), 1e-3, 30, 0.1, chosen),
        Network("digits", (128,), 3e-4, 60, 0.1, held),
    )


NETWORKS: dict[str, Network] = {network.name: network for network in _networks()}
"""All networks by name, in the order of measuring: quick and varied ones first."""


# ------------------------------------------------------------------- material
def load_source(source: Source) -> Splits:
    """The splits of a source, as floats.

    Examples
    --------
    >>> load_source(Source("digits", pool=2, examples=100)).input_shape
    (1, 4, 4)
    """
    splits = data.load(source.dataset, augment=False)
    train_eval, validation, test = (
        _pooled(part, source) for part in (splits.train_eval, splits.validation, splits.test)
    )
    return replace(
        splits,
        train=train_eval.shuffled(),
        train_eval=train_eval,
        validation=validation,
        test=test,
        input_shape=test.input_shape,
    )


def _pooled(batches: Batches, source: Source) -> Batches:
    if source.examples is not None:
        batches = batches.subset(min(source.examples, batches.examples))
    inputs = torch.cat([images for images, _ in batches])
    return Batches(avg_pool2d(inputs, source.pool), batches.labels, batches.batch_size)


def small_convolutional(input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Two 3 × 3 convolutions (6 and 12 channels), each pooled by 2, and one linear layer."""
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12 * (height // 4) * (width // 4), classes),
    )


def build(network: Network, splits: Splits) -> nn.Module:
    """The untrained network, from seed 0.

    Examples
    --------
    >>> splits = load_source(SOURCES["digits"])
    >>> model = build(NETWORKS["digits-conv-l0.001-e60"], splits)
    >>> prunable_weights(model).shape
    torch.Size([1182])
    """
    make = models.fully_connected(network.widths) if network.widths else small_convolutional
    model = make(splits.input_shape, splits.classes)
    models.initialize(model, seed=0)
    return model


# ---------------------------------------------------------------- measurement
class Bench:
    """A trained network, and everything that is measured on it, each thing once.

    Parameters
    ----------
    model
        Trained; left untouched.
    splits
        Its data.
    learning_rate
        Of fine-tuning.
    steps
        Of each fine-tuning, rounded up to whole epochs.
    """

    def __init__(self, model: nn.Module, splits: Splits, learning_rate: float, steps: int) -> None:
        self.model = model.eval()
        self.splits = splits
        self.training = TrainingConfig(epochs=1, learning_rate=learning_rate)
        self.reference = splits.train_eval.with_batch_size(4096)
        self.weights = prunable_weights(model).double()
        self.dim = len(self.weights)
        self.loss = evaluate(model, cross_entropy, self.reference, "cpu")[0]
        self.refits: dict[float, StudyRefit] = {}
        self.finetuned: dict[tuple[float, int], float] = {}
        self.tuning = Tuning(
            model, splits, self.training, self.budget(steps), device="cpu", progress=False
        )

    @cached_property
    def matrix(self) -> Tensor:
        """The Gauss-Newton matrix at w*."""
        return corrections.gauss_newton_matrix(self.model, self.reference)

    @cached_property
    def gradient(self) -> Tensor:
        """Gradient of the data loss at w*."""
        return loss_gradient(self.model, cross_entropy, self.reference, "cpu").double()

    @cached_property
    def operator(self) -> SymmetricMatrix:
        """The same matrix by its products, where it is too large to be built."""
        if self.dim <= LARGEST_MATRIX:
            return DenseMatrix(self.matrix)
        return curvature_operator(self.model, cross_entropy, self.reference, "ggn", "cpu")

    @cached_property
    def refitting(self) -> Refitting:
        """Re-fits the survivors, nearly to the minimum."""
        return Refitting(
            self.model,
            self.operator,
            self.reference,
            iterations=_PRODUCTS,
            device="cpu",
            progress=False,
        )

    def predict(self, epsilon: float | None) -> PruningLimit:
        """Both formulas' limits; ε is by default that of the minibatch losses."""
        batches = self.splits.train_eval
        return predict_limit(
            self.model, cross_entropy, batches, epsilon, device="cpu", progress=False
        )

    @cached_property
    def one_shot(self) -> Sweep:
        """Measured loss against sparsity, survivors untouched."""
        points = np.linspace(0, 1, _LOSS_POINTS, endpoint=False)
        return sweep(
            self.model, cross_entropy, self.reference, points, device="cpu", progress=False
        )

    def refit(self, sparsity: float) -> float:
        """Rise of the quadratic model with the survivors re-fitted; see `refits` for more."""
        if sparsity not in self.refits:
            self.refits[sparsity] = self._refit_row(sparsity, self.refitting.at(sparsity))
        return self.refits[sparsity].rise

    def _refit_row(self, sparsity: float, found: Refitted) -> StudyRefit:
        fit, moved = found.fit, found.moved.double()
        return StudyRefit(
            sparsity=sparsity,
            rise=float(fit.rise),
            real_rise=found.loss - self.loss,
            one_shot_rise=fit.one_shot_rise,
            linear_rise=-float(self.gradient @ moved),
            distance=float(moved.norm()),
            relative_distance=float(moved.norm() / self.weights.norm()),
            step=float(fit.step.norm()),
            residual=fit.residual,
        )

    def finetune(self, sparsity: float, factor: int = 1) -> float:
        """Lowest rise that fine-tuning finds under the mask, with `factor` times the budget."""
        if (sparsity, factor) not in self.finetuned:
            lowest = self.tuning.at(sparsity, factor).lowest_loss
            self.finetuned[sparsity, factor] = lowest - self.loss
        return self.finetuned[sparsity, factor]

    def budget(self, steps: int) -> FineTuning:
        """So many steps at the training's own rate, rounded up to whole epochs."""
        epochs = math.ceil(steps / len(self.splits.train))
        return FineTuning(epochs=epochs, learning_rate=self.training.learning_rate)

    # ------------------------------------------------------------ corrections
    @cached_property
    def path_eigenvalues(self) -> list[np.ndarray]:
        """Of the matrix averaged along the way to each of `PATH_SPARSITIES`."""
        return [
            self.eigenvalues  # the way to itself
            if sparsity == 0
            else corrections.eigenvalues_of(
                corrections.path_matrix(self.model, self.reference, sparsity, self.matrix)
            )
            for sparsity in PATH_SPARSITIES
        ]

    @cached_property
    def bound_eigenvalues(self) -> np.ndarray:
        """Of the matrix with Boehning's bound in place of the outputs' curvature."""
        root = corrections.boehning_root
        return corrections.eigenvalues_of(
            corrections.gauss_newton_matrix(self.model, self.reference, root)
        )

    @cached_property
    def blocks(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each layer's weights and eigenvalues."""
        return corrections.layer_blocks(self.model, self.matrix)

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        """Of the matrix at w*."""
        return corrections.eigenvalues_of(self.matrix)

    def rounds(self, highest_loss: float) -> list[corrections.Round]:
        """Networks pruned in rounds, fine-tuned after each cut."""
        return corrections.prune_in_rounds(
            self.model,
            self.reference,
            cross_entropy,
            ROUND_SPARSITIES,
            highest_loss,
            self.budget(ROUND_STEPS),
            self.splits.train,
        )

    def corrected(
        self, epsilon: float, rounds: Sequence[corrections.Round]
    ) -> dict[str, dict[str, float]]:
        """Sparsity by correction and formula; see `prunelimit.lab.studies.corrections`.

        Above `LARGEST_MATRIX` only the correction that needs no matrix of its own.
        """
        gain = max(0.0, -self.finetune(0.0))
        if self.dim > LARGEST_MATRIX:
            report = self.predict(epsilon + gain)
            return {"gain": {f: float(getattr(report, f).sparsity) for f in FORMULAS}}

        def limit(eigenvalues: np.ndarray, formula: Any, allowed: float = epsilon) -> float:
            return corrections.predicted_sparsity(
                eigenvalues, self.weights.numpy(), allowed, formula
            )

        def path(formula: Any, allowed: float) -> float:
            along = [limit(values, formula, allowed) for values in self.path_eigenvalues]
            return corrections.fixed_point(PATH_SPARSITIES, along)

        return {
            "path": {f: path(f, epsilon) for f in FORMULAS},
            "rounds": {
                f: corrections.rounds_sparsity(rounds, self.loss + epsilon, f) for f in FORMULAS
            },
            "bound": {f: limit(self.bound_eigenvalues, f) for f in FORMULAS},
            "layers": {f: corrections.layers_sparsity(self.blocks, epsilon, f) for f in FORMULAS},
            "gain": {f: limit(self.eigenvalues, f, epsilon + gain) for f in FORMULAS},
            "path and gain": {f: path(f, epsilon + gain) for f in FORMULAS},
        }


def measure(network: Network, splits: Splits, directory: Path) -> StudiedNetwork:
    """Train a network, predict, measure the four curves and the corrections.

    Parameters
    ----------
    network
        What to measure.
    splits
        Its data.
    directory
        Its training is kept there.
    """
    began = time.perf_counter()
    trained = train(
        build(network, splits), splits, network.training, directory / "training", "cpu", False
    )
    bench = Bench(trained.model, splits, network.training.learning_rate, STEPS)
    reports = [bench.predict(epsilon) for epsilon in (None, network.epsilon)]
    rounds = []
    if bench.dim <= LARGEST_MATRIX:
        rounds = bench.rounds(bench.loss + max(report.epsilon for report in reports))
    rows = [_row(bench, report, rounds) for report in reports]
    if network.doubled:
        doubled = _real_existence(bench, reports[0], factor=2)
        rows[0] = replace(rows[0], real_existence_doubled=doubled)
    settings = NetworkSettings(**dataclasses.asdict(network))
    return StudiedNetwork(
        name=network.name,
        network=settings,
        dim=bench.dim,
        examples=splits.train_eval.examples,
        dense=trained.final,
        norm=float(bench.weights.norm()),
        gain=-bench.finetune(0.0),
        finetuning=bench.budget(STEPS),
        rows=tuple(rows),
        refits=tuple(sorted(bench.refits.values(), key=lambda row: row.sparsity)),
        finetuned=tuple(
            FinetunedRise(sparsity, rise)
            for (sparsity, factor), rise in sorted(bench.finetuned.items())
            if factor == 1
        ),
        seconds=round(time.perf_counter() - began, 1),
    )


def _row(bench: Bench, report: PruningLimit, rounds: Sequence[corrections.Round]) -> AtEpsilon:
    """Predictions and measurements at one ε."""
    epsilon = report.epsilon
    measured = bench.one_shot.largest_sparsity(epsilon)
    quadratic = Existence(0.5 * _RESOLUTION, _SPARSEST).of(
        bench.refit, epsilon, float(report.one_shot.sparsity), float(report.sharp.sparsity)
    )
    points = {}
    for name, estimate in (("paper", report.paper), ("sharp", report.sharp)):
        sparsity = min(float(estimate.sparsity), _SPARSEST)
        bench.refit(sparsity)
        points[name] = replace(bench.refits[sparsity], finetuned_rise=bench.finetune(sparsity))
    return AtEpsilon(
        epsilon=epsilon,
        epsilon_source=report.epsilon_source,
        one_shot_quadratic=float(report.one_shot.sparsity),
        one_shot=measured,
        quadratic_existence=quadratic,
        real_existence=_real_existence(bench, report),
        paper=_limit(report.paper),
        sharp=_limit(report.sharp),
        at_limit=points,
        corrections=bench.corrected(epsilon, rounds),
        warnings=tuple(report.warnings),
    )


def _real_existence(bench: Bench, report: PruningLimit, factor: int = 1) -> Interval:
    return Existence(_RESOLUTION, _SPARSEST).of(
        lambda sparsity: bench.finetune(sparsity, factor),
        report.epsilon,
        bench.one_shot.largest_sparsity(report.epsilon),
        float(report.paper.sparsity),
    )


def _limit(estimate: LimitEstimate) -> Limit:
    return Limit(
        lower=estimate.lower,
        value=float(estimate.sparsity),
        upper=estimate.upper,
        distance=estimate.distance,
        ridge=estimate.ridge if math.isfinite(estimate.ridge) else math.nan,
        status=estimate.status,
    )


# ------------------------------------------------------------------------ run
def run_study(
    names: Sequence[str], runs: Path, progress: bool | None = None, command: str | None = None
) -> tuple[StudiedNetwork, ...]:
    """Measure each network that is not measured yet; return all of them.

    Raises
    ------
    PruneLimitError
        On a name that is not in `NETWORKS`.
    """
    unknown = sorted(set(names) - set(NETWORKS))
    if unknown:
        raise PruneLimitError(
            f"network {unknown[0]!r} is unknown; choose among {', '.join(NETWORKS)}"
        )
    found = []
    with progress_bar("study", total=len(names), enabled=progress) as bar:
        for name in names:
            found.append(_once(NETWORKS[name], runs / name, command))
            bar.update(1, name)
    return tuple(found)


def _once(network: Network, directory: Path, command: str | None) -> StudiedNetwork:
    """The network as it was measured, or measured now; signed by who measured it."""
    splits = load_source(SOURCES[network.source])
    parameters = dataclasses.asdict(network) | {"steps": STEPS, "round_steps": ROUND_STEPS}
    key = Key(code_of("prunelimit.lab.studies.study"), parameters, splits.fingerprints())
    stage = Stages(directory, torch.device("cpu"), command=command).once(
        "measured", StudiedNetwork, key, lambda _: measure(network, splits, directory)
    )
    last = stage.making.made_by[-1]
    return replace(stage.value, code=last.code, making=stage.making)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study, or some of its networks, and write one JSON file."""
    parser = argparse.ArgumentParser(prog="python -m prunelimit.lab.studies.study")
    parser.add_argument("--runs", type=Path, default=Path("runs/study"))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    command = module_command("prunelimit.lab.studies.study", arguments)
    networks = run_study(given.networks, given.runs, command=command)
    seconds = round(sum(network.seconds for network in networks), 1)
    Study(networks, seconds, describe_run(torch.device("cpu"), command)).save(given.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
