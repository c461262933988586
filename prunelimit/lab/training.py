"""LOMP's training: minimise L(w) + λ‖w‖₁ by SGD, resumable to the same bits (chapter 7).

Everything random in epoch t is drawn from the pair (seed, t), and the learning
rate is a function of the iteration. A checkpoint therefore needs the weights,
the momenta and the number t, and no state of any generator.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from prunelimit.errors import DivergenceError, PruneLimitError
from prunelimit.files import write_json
from prunelimit.lab.data import Batches, Splits
from prunelimit.lab.schedules import descent_by, learning_rates
from prunelimit.lab.store import checkpoints
from prunelimit.lab.store.checkpoints import SavedEpoch
from prunelimit.lab.store.keys import Key, code_of, differences
from prunelimit.network.contents import digest
from prunelimit.network.evaluate import evaluate
from prunelimit.network.world import ALONE, World
from prunelimit.progress import Reporter, progress_bar
from prunelimit.recipe import TrainingConfig
from prunelimit.records import from_plain, to_plain
from prunelimit.results.parts import FinalMeasurements

EXPLOSION = 1e3
"""A loss this many times (one plus) the untrained network's counts as diverged."""

REPORT = "training.json"
"""History and final measurements in `run_dir`, for people and plots."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch of training did; epoch 0 is the untrained network.

    Attributes
    ----------
    epoch
        Epochs done.
    learning_rate
        Of the epoch's last iteration.
    train_loss
        Mean of the minibatch losses while training, without the L1 term; NaN at epoch 0.
    l1_norm
        ‖w‖₁ of the penalised parameters.
    validation_loss, validation_accuracy
        After the epoch.
    seconds
        It took, evaluation included.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    l1_norm: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """A finished run.

    Attributes
    ----------
    model
        Trained, in evaluation mode, on `device`.
    history
        One record an epoch, from epoch 0 on.
    final
        Measured once, after the last epoch.
    checkpoint
        Folder of the last checkpoint; its weights are `weights`.
    weights
        Safetensors file.
    seconds
        Sum over the epochs, of all the processes that took part.
    resumed_from
        Epoch at which this process took over; None if it began the run.
    """

    model: nn.Module
    history: tuple[EpochRecord, ...]
    final: FinalMeasurements
    checkpoint: Path
    weights: Path
    seconds: float
    resumed_from: int | None


def train(
    model: nn.Module,
    splits: Splits,
    config: TrainingConfig,
    run_dir: str | os.PathLike[str],
    device: str | torch.device = "auto",
    progress: bool | None = None,
    *,
    world: World = ALONE,
) -> TrainingResult:
    """Train `model` in place, or carry on where a killed run in `run_dir` stopped.

    After every epoch a checkpoint is written; calling again with the same
    arguments (the model built anew with the same seed) continues from it and
    ends with the same bits as a run that was never interrupted, on the same
    kind of device with the same number of threads. A finished run is only
    loaded.

    Parameters
    ----------
    model
        Moved to `device`; in evaluation mode afterwards.
    splits
        See `data.load`. The test set is measured once, at the end.
    config
        See `TrainingConfig`.
    run_dir
        One run's own folder; made if absent.
    device
        ``"auto"``, or a torch device.
    progress
        Show a bar; None does so on a terminal.
    world
        Processes that train together by torch's DistributedDataParallel, each
        called with the same arguments: every one takes its share of every batch
        and ends with the same weights, the first one writes to `run_dir`, which
        all must see. The weights are those of one process up to rounding, except
        where layers are random. Batch normalisation needs CUDA.

    Raises
    ------
    DivergenceError
        If the loss or the weights leave the finite numbers or explode. The
        last good checkpoint stays.
    PruneLimitError
        On a checkpoint that is corrupt or of another run, a `run_dir` in use,
        or a device that is not there.

    Examples
    --------
    >>> import tempfile
    >>> from prunelimit.lab import data, models
    >>> splits, model = data.load("digits"), models.build("mlp", (1, 8, 8), 10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = train(model, splits, TrainingConfig(epochs=2), folder, device="cpu")
    >>> len(result.history)
    3
    """
    run_dir = Path(run_dir)
    where = world.device(device)
    run = training_key(model, splits, config).plain()
    with checkpoints.exclusive(run_dir) if world.is_main else contextlib.nullcontext():
        newest = world.from_main(lambda: _newest(run_dir, run))
        job = _Job(model.to(where), splits.to(where), config, run_dir, run, world)
        resumed_from = job.begin(newest)
        with progress_bar("training", len(job.rates), world.is_main and progress) as bar:
            bar.update(job.epoch * job.steps_per_epoch)
            while job.epoch < config.epochs:
                job.advance(bar)
        final = job.finish()
    return TrainingResult(
        model=model,
        history=tuple(job.history),
        final=final,
        checkpoint=job.checkpoint.path,
        weights=job.checkpoint.weights,
        seconds=sum(record.seconds for record in job.history),
        resumed_from=resumed_from,
    )


@dataclass
class _Job:
    """One run in this process: where it stands, and how it takes the next epoch."""

    model: nn.Module
    splits: Splits
    config: TrainingConfig
    run_dir: Path
    run: dict[str, Any]
    world: World
    epoch: int = 0
    history: list[EpochRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        size, seed = self.config.batch_size, self.config.seed
        self.batches = self.splits.train.with_batch_size(size).with_seed(seed)
        self.steps_per_epoch = len(self.batches)
        self.rates = learning_rates(self.config, self.steps_per_epoch)
        self.descent = descent_by(self.config, self.model, cross_entropy, seed, self.world)

    def begin(self, newest: SavedEpoch | None) -> int | None:
        """Take up `newest`, or write epoch 0; the epoch that was taken up, if any."""
        if newest is None:
            self._close_epoch(
                float(self.rates[0]), train_loss=math.nan, started=time.perf_counter()
            )
            return None
        checkpoints.restore(newest, self.model, self.descent.optimizer)
        self.checkpoint, self.epoch = newest, newest.epoch
        self.history = [from_plain(EpochRecord, entry) for entry in newest.history]
        if self.world.is_main:
            # A kill between writing the newest and removing the one before left both.
            checkpoints.drop_older(newest)
        return newest.epoch

    def advance(self, bar: Reporter) -> None:
        """One epoch: train, validate, write the checkpoint."""
        started = time.perf_counter()
        rates = self.rates[self.epoch * self.steps_per_epoch :][: self.steps_per_epoch]

        def watch(losses: list[float], rate: float) -> None:
            for loss in losses:
                self._require_sane("training loss", loss, rate, self._most)
            bar.update(len(losses), remark=f"loss {losses[-1]:.4f}")

        mean = self.descent.epoch(self.epoch, self.batches, rates, watch=watch)
        self.epoch += 1
        self._close_epoch(float(rates[-1]), mean, started)

    def finish(self) -> FinalMeasurements:
        """Measure on all three parts, or read what an earlier call measured."""
        measured = self.world.from_main(lambda: _read_final(self.run_dir, self.run))
        if measured is None:
            parts = (self.splits.train_eval, self.splits.validation, self.splits.test)
            values = [v for part in parts for v in self._evaluate(part)]
            measured = FinalMeasurements(*values)
            self.world.from_main(lambda: self._write_report(asdict(measured)))
        self.model.eval()
        return measured

    def _close_epoch(self, learning_rate: float, train_loss: float, started: float) -> None:
        loss, accuracy = self._evaluate(self.splits.validation)
        shrunk = [p.detach() for p in self.descent.penalised]
        norm = float(torch.stack(torch._foreach_norm(shrunk, 1)).sum())
        self._require_sane("validation loss", loss, learning_rate, self._most)
        # It also looks at weights that the validation images do not excite.
        self._require_sane("L1 norm of the weights", norm, learning_rate, math.inf)
        self.history.append(
            EpochRecord(
                epoch=self.epoch,
                learning_rate=learning_rate,
                train_loss=train_loss,
                l1_norm=norm,
                validation_loss=loss,
                validation_accuracy=accuracy,
                seconds=time.perf_counter() - started,
            )
        )
        self.checkpoint = self.world.from_main(self._save)

    def _save(self) -> SavedEpoch:
        optimizer, history = self.descent.optimizer, to_plain(self.history)
        checkpoint = checkpoints.save(
            self.run_dir, self.epoch, self.model, optimizer, self.run, history
        )
        checkpoints.drop_older(checkpoint)
        self._write_report(None)
        return checkpoint

    def _evaluate(self, part: Batches) -> tuple[float, float]:
        return evaluate(self.model, cross_entropy, part, self.descent.device, self.world)

    def _write_report(self, final: dict[str, float] | None) -> None:
        report = {"run": self.run, "history": to_plain(self.history), "final": final}
        write_json(self.run_dir / REPORT, report)

    @property
    def _most(self) -> float:
        """The largest loss that does not count as diverged."""
        untrained = self.history[0].validation_loss if self.history else math.inf
        return EXPLOSION * (1 + abs(untrained))

    def _require_sane(self, what: str, value: float, rate: float, most: float) -> None:
        if math.isfinite(value) and value <= most:
            return
        kept = (
            f"the checkpoint of epoch {self.checkpoint.epoch} in {self.run_dir} is kept"
            if self.history
            else "nothing was trained yet: look at the inputs and the initial weights"
        )
        strength = f" and λ = {self.config.l1:g}" if self.config.l1 else ""
        raise DivergenceError(
            f"training diverged in epoch {self.epoch + 1} of {self.config.epochs} at learning rate "
            f"{rate:g}{strength}: the {what} is {value:g}; {kept}. Lower "
            f"{'λ or the' if strength else 'the'} learning rate (a tenth, say), lengthen the "
            "warm-up, or check that the inputs are finite; then train in a new folder"
        )


def _newest(run_dir: Path, run: dict[str, Any]) -> SavedEpoch | None:
    """The checkpoint to go on from, if there is one; refused where it is of another run.

    A run that differs in its code alone is set aside: what another code trained is not gone on
    with, and not lost either.
    """
    newest = checkpoints.latest(run_dir)
    if newest is None:
        return None
    if differences(newest.run, run) == ["code"]:
        aside = checkpoints.set_aside(run_dir)
        warnings.warn(
            f"{run_dir} was trained by other code: it is set aside in {aside} and trained again",
            stacklevel=2,
        )
        return None
    checkpoints.require_same_run(newest, run)
    return newest


def epochs_done(run_dir: str | os.PathLike[str], key: Key) -> int:
    """How many epochs `train` would find done in `run_dir`; see `training_key`.

    Raises
    ------
    PruneLimitError
        If another run's training is there, which `train` would refuse as well.
    """
    newest = checkpoints.latest(Path(run_dir))
    if newest is None or differences(newest.run, key.plain()) == ["code"]:
        return 0  # what other code trained is set aside
    checkpoints.require_same_run(newest, key.plain())
    return newest.epoch


def training_key(model: nn.Module, splits: Splits, config: TrainingConfig) -> Key:
    """All that decides what `train` makes of an untrained model: code, settings, weights, data."""
    networks = {type(module).__module__ for module in model.modules()}
    own = sorted(name for name in networks if name.startswith("prunelimit."))
    parameters = {
        "config": asdict(config),
        "model": {
            name: f"{tensor.dtype} {tuple(tensor.shape)}".removeprefix("torch.")
            for name, tensor in model.state_dict().items()
        },
        "initial_weights": digest(model.state_dict()),
        "loss": "CrossEntropyLoss()",
        "data": {"name": splits.name, "seed": splits.seed, "augmented": splits.train.augment},
    }
    # The examples of `train` are those of `train_eval`.
    parts = {"train": splits.train_eval, "validation": splits.validation, "test": splits.test}
    return Key(
        code=code_of(__name__, "prunelimit.lab.models", *own),
        parameters=parameters,
        data={name: part.fingerprint() for name, part in parts.items()},
    )


def _read_final(run_dir: Path, run: dict[str, Any]) -> FinalMeasurements | None:
    try:
        report = _report_of(run_dir)
    except PruneLimitError:
        return None
    final = report.get("final") if report["run"] == run else None
    return FinalMeasurements(**final) if final else None


def read_history(run_dir: str | os.PathLike[str]) -> tuple[EpochRecord, ...]:
    """What each epoch of the training in `run_dir` did so far, from epoch 0 on.

    Raises
    ------
    PruneLimitError
        If there is no training in `run_dir`.
    """
    return tuple(from_plain(EpochRecord, entry) for entry in _report_of(run_dir)["history"])


def epochs_of(run_dir: str | os.PathLike[str]) -> tuple[int, int]:
    """Epochs that the training in `run_dir` has done, and of how many.

    Raises
    ------
    PruneLimitError
        If there is no training in `run_dir`.
    """
    report = _report_of(run_dir)
    return len(report["history"]) - 1, int(report["run"]["parameters"]["config"]["epochs"])


def _report_of(run_dir: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads((Path(run_dir) / REPORT).read_text(encoding="utf-8"))
        _ = report["history"], report["run"]["parameters"]["config"]["epochs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PruneLimitError(f"{run_dir} holds no training: {error!r}") from error
    return report
