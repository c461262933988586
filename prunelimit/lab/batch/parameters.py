"""What the notebook's parameters mean: a task and what is measured of it."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prunelimit.errors import PruneLimitError, require, shown
from prunelimit.names import require_known
from prunelimit.records import from_plain, scalar, to_plain

if TYPE_CHECKING:
    from prunelimit.lab.experiment import ExperimentConfig
    from prunelimit.lab.task import Task

CONFIGURED = ("task", "l1", "seed", "epochs", "examples", "scale", "measurement")
"""Parameters that `configure` takes."""

_PLACES = ("device", "data_root", "run_dir")
_PLAIN = (bool, int, float, str, list, dict, tuple, type(None))
_OF_IPYTHON = ("In", "Out")
_FEWEST_POINTS = 10
_SEEDS = 2**63


def configure(
    task: str,
    *,
    l1: float | None = None,
    seed: int = 0,
    epochs: int | None = None,
    examples: int | None = None,
    scale: float = 1.0,
    measurement: Mapping[str, Any] | None = None,
) -> tuple[Task, ExperimentConfig]:
    """The task and the measurement that a job's parameters describe.

    Parameters
    ----------
    task
        A name that `prunelimit.lab.tasks` knows.
    l1, epochs
        Instead of the task's own; None leaves them.
    examples
        At most so many in each part of the data; None takes all.
    seed
        Of the split, the initial weights, the training and the probes.
    scale
        In (0, 1]. Below 1 everything is shorter, for a quick look: epochs and the points of the
        sweeps are multiplied by it, and fine-tuning takes as many epochs as the training.
    measurement
        Fields of `prunelimit.results.ExperimentConfig`; they win over `scale`.

    Raises
    ------
    PruneLimitError
        On a task, a field or a value that does not exist.

    Examples
    --------
    >>> task, config = configure("digits-mlp", l1=0.0, scale=0.1)
    >>> task.training.epochs, config.loss_points
    (6, 20)
    """
    from prunelimit.lab import tasks
    from prunelimit.lab.experiment import ExperimentConfig, require_batches
    from prunelimit.lab.stages.finetune import budget_of

    require(0 < scalar(float, scale, "scale") <= 1, "scale", scale, "above 0 and at most 1")
    require(0 <= _whole("seed", seed) < _SEEDS, "seed", seed, "at least 0 and below 2**63")
    require(isinstance(task, str), "task", task, "a name")
    asked = {"epochs": epochs, "examples": examples}
    changes = {name: _whole(name, value) for name, value in asked.items() if value is not None}
    strength = {} if l1 is None else {"l1": scalar(float, l1, "l1")}
    chosen = tasks.get(task).with_(seed=seed, **changes, **strength)
    config = ExperimentConfig()
    if scale < 1:
        chosen = chosen.with_(epochs=max(1, round(scale * chosen.training.epochs)))
        config = dataclasses.replace(
            config,
            loss_points=max(_FEWEST_POINTS, round(scale * config.loss_points)),
            accuracy_points=max(_FEWEST_POINTS, round(scale * config.accuracy_points)),
        )
    measured = {} if measurement is None else measurement
    if not isinstance(measured, Mapping):
        raise PruneLimitError(
            f'measurement is {measurement!r}; it must look like {{"epsilon": 0.05}}'
        )
    for name in measured:
        require_known("measurement", name, [f.name for f in dataclasses.fields(ExperimentConfig)])
    config = from_plain(ExperimentConfig, to_plain(config) | dict(measured), "measurement")
    if scale < 1 and config.finetuning is None:
        training = chosen.training
        budget = budget_of(training, training.epochs, config.optimiser)
        config = dataclasses.replace(config, finetuning=budget)
    if chosen.examples is not None:
        require_batches(config, chosen.examples)
    return chosen, config


def announce(variables: Mapping[str, Any]) -> str:
    """How much of the task this notebook runs; refuses parameters that it does not have.

    Papermill sets whatever name it is given, and only logs one that the notebook does not have.

    Parameters
    ----------
    variables
        The notebook's `globals()`, before it has set any of its own.

    Raises
    ------
    PruneLimitError
        On a parameter or a value that does not exist.

    Examples
    --------
    >>> print(announce({"task": "digits-mlp", "scale": 0.1}))
    digits-mlp, seed 0, at scale 0.1: 6 of 60 epochs and shorter sweeps. The whole task is scale 1.
    >>> announce({"task": "digits-mlp", "lamda": 1e-4})
    Traceback (most recent call last):
      ...
    prunelimit.errors.PruneLimitError: unknown parameter 'lamda'; known are ...
    """
    given: dict[str, Any] = {
        name: value
        for name, value in variables.items()
        if not name.startswith("_") and name not in _OF_IPYTHON and isinstance(value, _PLAIN)
    }
    for name in given:
        require_known("parameter", name, (*CONFIGURED, *_PLACES))
    chosen, _ = configure(**{name: given[name] for name in CONFIGURED if name in given})
    scale = given.get("scale", 1.0)
    whole, _ = configure(given["task"])
    epochs, all_epochs = chosen.training.epochs, whole.training.epochs
    head = f"{chosen.name}, seed {chosen.seed}, at scale {scale:g}: {epochs} of {all_epochs} epochs"
    if scale == 1:
        return f"{head}, the whole measurement."
    return f"{head} and shorter sweeps. The whole task is scale 1."


def check_device(name: Any) -> None:
    """Refuse what names no device; whether a worker has it, only the worker knows.

    Raises
    ------
    PruneLimitError
        If `name` is none of the devices.

    Examples
    --------
    >>> check_device("cuda:1")
    """
    plain = re.sub(r"^cuda:\d+$", "cuda", name) if isinstance(name, str) else name
    require_known("device", plain, ("auto", "cpu", "cuda", "mps"))


def command(parameters: Mapping[str, Any]) -> str:
    """The command line that runs a job with these parameters.

    Examples
    --------
    >>> command({"task": "digits-mlp", "l1": 0.0, "seed": 1, "epochs": None})
    'prunelimit batch digits-mlp --set l1=0.0 --set seed=1'
    """
    words = ["prunelimit", "batch", str(parameters["task"])]
    for name, value in parameters.items():
        if name == "measurement":
            settings = dict(value or {})
        elif name in ("task", "run_dir", "data_root") or value is None:
            continue
        else:
            settings = {name: value}
        for key, content in settings.items():
            text = content if isinstance(content, str) else json.dumps(content)
            words += ["--set", f"{key}={text}"]
    return shlex.join(words)


def with_settings(
    parameter_sets: Sequence[Mapping[str, Any]],
    settings: Sequence[str],
    known: Collection[str] = ("measurement",),
) -> list[dict[str, Any]]:
    """Each set with what ``NAME=VALUE`` changes, in it or in its measurement.

    Parameters
    ----------
    parameter_sets
        From `prunelimit.lab.batch.grid`.
    settings
        Values are JSON, or else text.
    known
        The notebook's parameters: one of them is no field of the measurement.

    Raises
    ------
    PruneLimitError
        If a setting has no "=", or a name that is none of the notebook's or the measurement's.

    Examples
    --------
    >>> known = ("task", "scale", "measurement")
    >>> with_settings([{"task": "digits-mlp"}], ["scale=0.1", "epsilon=0.05"], known)
    [{'task': 'digits-mlp', 'measurement': {'epsilon': 0.05}, 'scale': 0.1}]
    """
    from prunelimit.lab.experiment import ExperimentConfig

    measured: set[str] = set()
    if "measurement" in known:
        measured = {field.name for field in dataclasses.fields(ExperimentConfig)} - set(known)
    own: dict[str, Any] = {}
    of_measurement: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise PruneLimitError(f"--set {setting!r} is not NAME=VALUE, e.g. scale=0.1")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):  # no JSON, or too many digits or brackets of it
            value = text
        if measured:
            require_known("setting", name, [*measured, *known])
        (of_measurement if name in measured else own)[name] = value
    if not measured:
        return [{**given, **own} for given in parameter_sets]
    return [
        {**given, "measurement": {**given.get("measurement", {}), **of_measurement}, **own}
        for given in parameter_sets
    ]


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PruneLimitError(f"{name} is {shown(value)}; it must be a whole number")
    return value
