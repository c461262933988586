"""The command line: ``prunelimit predict``, ``prune``, ``tasks``, ``reproduce``.

Every command is a thin cover over a function of the package; errors that a
user can mend are printed in one line, with exit status 2.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from prunelimit import __version__
from prunelimit.errors import PruneLimitError

if TYPE_CHECKING:
    from torch import Tensor, nn

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

ModelArgument = Annotated[
    str, typer.Argument(help="module:factory of a function that returns the model, e.g. net:make")
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option("--checkpoint", "-c", help="weights: .safetensors, or a state dict of torch.save"),
]
ToleranceOption = Annotated[float, typer.Option(help="half width of the bracket, in sparsity")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]
_INTERRUPTED = 130


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"prunelimit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """How sparse can a trained network be pruned, and how do you know before you try?"""


def main() -> None:
    """Entry point: run the command; user errors become one line and status 2."""
    try:
        app()
    except PruneLimitError as error:
        Console(stderr=True, highlight=False).print(
            f"[red]error:[/red] {_escaped(str(error))}", soft_wrap=True
        )
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:  # what typer makes of Ctrl-C
            Console(stderr=True).print("interrupted; the same command goes on where it stopped")
        raise


@app.command()
def predict(
    model: ModelArgument,
    data: Annotated[
        str,
        typer.Option("--data", "-d", help="a data set's name, or module:factory of a loader"),
    ],
    checkpoint: CheckpointOption = None,
    loss: Annotated[
        str,
        typer.Option(help="name in torch.nn.functional, or module:function (outputs, targets)"),
    ] = "cross_entropy",
    epsilon: Annotated[
        float | None, typer.Option(help="loss rise allowed; default: std of minibatch losses")
    ] = None,
    policy: Annotated[str, typer.Option(help="ggn, abs or clip")] = "ggn",
    tolerance: Annotated[
        float, typer.Option(help="half width of the bracket, in sparsity")
    ] = 0.005,
    batch_size: Annotated[int, typer.Option(help="of a named data set's minibatches")] = 128,
    examples: Annotated[
        int | None, typer.Option(help="use so many training examples of a named data set")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="where data sets lie")] = None,
    seed: Annotated[int, typer.Option(help="of the probes and the subset")] = 0,
    device: DeviceOption = "auto",
    resume: Annotated[
        Path | None, typer.Option(help="keep the iteration here, and go on from it")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="report as JSON")] = None,
) -> None:
    """Predict how sparse a trained network can be pruned."""
    from prunelimit.lab.distributed import joined
    from prunelimit.predict import predict_limit

    with joined() as world:
        report = predict_limit(
            _model(model, checkpoint),
            _loss(loss),
            _loader(data, data_root, batch_size, examples, seed),
            epsilon,
            policy=policy,  # type: ignore[arg-type]
            tolerance=tolerance,
            seed=seed,
            device=device,
            checkpoint=resume,
            world=world,
        )
    if not world.is_main:
        return
    typer.echo(report.summary())
    if output is not None:
        report.to_json(output)
        typer.echo(f"report written to {output}")


@app.command()
def prune(
    model: ModelArgument,
    sparsity: Annotated[float, typer.Option("--sparsity", "-s", help="fraction removed, [0, 1)")],
    output: Annotated[Path, typer.Option("--output", "-o", help="pruned weights (.safetensors)")],
    checkpoint: CheckpointOption = None,
) -> None:
    """Set the smallest weights of the whole network to zero, and save the result."""
    from safetensors.torch import save_model

    from prunelimit.network.parameters import prunable_weights
    from prunelimit.pruning import prune as prune_model

    pruned = prune_model(_model(model, checkpoint), sparsity)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.partial")
    save_model(pruned, str(partial))
    os.replace(partial, output)
    weights = prunable_weights(pruned)
    zeros = int((weights == 0).sum())
    typer.echo(f"{zeros:,} of {weights.numel():,} prunable weights are zero; saved to {output}")


@app.command()
def tasks(
    plain: Annotated[bool, typer.Option("--names", help="names only, one a line")] = False,
) -> None:
    """List the experiments: the paper's eight, and the same networks on data at hand."""
    from prunelimit.lab.tasks import TASKS

    if plain:
        typer.echo("\n".join(TASKS))
        return
    rows = [task.describe() for task in TASKS.values()]
    notes = [f"{row['task']}: {note}" for row in rows if (note := row.pop("note"))]
    console = Console()
    table = Table(box=None, header_style="bold")
    for column in rows[0]:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    if console.measure(table, options=console.options.update(width=1000)).maximum <= console.width:
        console.print(table)
    else:
        for row in rows:
            name, *rest = (f"{column} {text}" for column, text in row.items())
            console.print(name.removeprefix("task "), style="bold", highlight=False)
            console.print(Padding(", ".join(rest), (0, 0, 0, 2)), highlight=False)
    console.print("\nnotes", style="bold")
    for note in notes:
        console.print(Padding(note, (0, 0, 0, 2)), highlight=False)


@app.command()
def reproduce(
    tasks: Annotated[
        list[str],
        typer.Argument(help="names that `prunelimit tasks` lists; all; paper (its eight)"),
    ],
    run_dir: Annotated[
        Path | None, typer.Option(help="of a single run; default runs/TASK-seedN")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="instead of the task's own number")] = None,
    examples: Annotated[
        int | None, typer.Option(help="at most so many in each part of the data; default: all")
    ] = None,
    l1: Annotated[
        list[float] | None, typer.Option(help="λ, instead of the task's own; repeat for a grid")
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="of split, weights, order and probes; repeat for a grid  [default: 0]"),
    ] = None,
    epsilon: Annotated[float | None, typer.Option(help="loss rise allowed")] = None,
    policy: Annotated[str, typer.Option(help="ggn, abs or clip")] = "ggn",
    tolerance: Annotated[
        float, typer.Option(help="half width of the bracket, in sparsity")
    ] = 0.005,
    device: DeviceOption = "auto",
    data_root: Annotated[Path | None, typer.Option(help="where data sets lie")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="copy result.json")] = None,
    runs: Annotated[
        Path | None, typer.Option(help="folder of a batch's runs; default runs/batch")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="jobs at once; default: one a GPU, else one a core")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="workers that wait at a Dask scheduler, tcp://HOST:PORT")
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(help="start workers under Slurm: NAME=VALUE, e.g. queue=gpu; repeat"),
    ] = None,
    notebook: Annotated[
        Path | None, typer.Option(help="instead of the one that runs any task")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="a parameter of the notebook or the measurement, NAME=VALUE"),
    ] = None,
) -> None:
    """Train, predict, measure and compare; the same command goes on after a stop.

    One task runs here and prints its comparison, or over several GPUs under torchrun
    (torchrun --nproc-per-node 2 -m prunelimit reproduce TASK). Several tasks, --l1 or --seed given
    more than once, or any of the options from --runs on, make a batch: a notebook a job, on
    workers.
    """
    measurement = {"epsilon": epsilon, "policy": policy, "tolerance": tolerance}
    changes = {
        "epochs": epochs,
        "examples": examples,
        "device": device,
        "data_root": data_root,
    }
    for_a_batch = (runs, workers, scheduler, slurm, notebook, set_)
    strengths: list[float | None] = [*l1] if l1 else [None]
    seeds = seed or [0]
    several = len(tasks) * len(strengths) * len(seeds) > 1 or tasks[0] in ("all", "paper")
    if not several and all(option is None for option in for_a_batch):
        _reproduce_here(tasks[0], run_dir, strengths[0], seeds[0], measurement, changes, output)
        return
    if run_dir is not None or output is not None:
        raise PruneLimitError("--run-dir and --output are for one task; a batch takes --runs")

    from prunelimit.lab import batch
    from prunelimit.lab.distributed import launched

    if launched():
        raise PruneLimitError("torchrun shares out one task; start a batch without it")

    common = {"scale": 1.0, **changes, "measurement": measurement}
    common["data_root"] = None if data_root is None else str(data_root.absolute())
    sets = batch.grid(tasks, strengths, seeds, **common)
    jobs = batch.plan(runs or Path("runs/batch"), _with_settings(sets, set_ or []), notebook)
    where = batch.Workers(
        workers, scheduler, None if slurm is None else batch.slurm_arguments(slurm)
    )
    summary = batch.run_batch(jobs, where)
    typer.echo(summary.text())
    if summary.failures:
        raise typer.Exit(1)


def _reproduce_here(
    task: str,
    run_dir: Path | None,
    l1: float | None,
    seed: int,
    measurement: dict[str, Any],
    changes: dict[str, Any],
    output: Path | None,
) -> None:
    from prunelimit.files import write_json
    from prunelimit.lab.distributed import joined
    from prunelimit.lab.experiment import ExperimentConfig, run_task
    from prunelimit.lab.tasks import get

    own = {"epochs": changes["epochs"], "examples": changes["examples"], "l1": l1, "seed": seed}
    chosen = get(task).with_(**{name: v for name, v in own.items() if v is not None})
    directory = run_dir or Path("runs") / f"{task}-seed{seed}"
    with joined() as world:
        result = run_task(
            chosen,
            directory,
            ExperimentConfig(**measurement),
            device=changes["device"],
            data_root=changes["data_root"],
            world=world,
        )
    if not world.is_main:
        return
    typer.echo(comparison_text(result))
    typer.echo(f"result: {directory / 'result.json'}")
    if output is not None:
        write_json(output, result)
        typer.echo(f"copied to {output}")


def _with_settings(
    parameter_sets: list[dict[str, Any]], settings: list[str]
) -> list[dict[str, Any]]:
    """Each set with what ``--set NAME=VALUE`` changes, in it or in its measurement."""
    from dataclasses import fields

    from prunelimit.lab.experiment import ExperimentConfig

    measured = {field.name for field in fields(ExperimentConfig)}
    own: dict[str, Any] = {}
    of_measurement: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise PruneLimitError(f"--set {setting!r} is not NAME=VALUE, e.g. scale=0.1")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        (of_measurement if name in measured else own)[name] = value
    return [
        given | {"measurement": given["measurement"] | of_measurement} | own
        for given in parameter_sets
    ]


def comparison_text(result: dict[str, Any]) -> str:
    """Prediction against experiment, as a table for a terminal of any width."""
    from prunelimit.lab.experiment import comparison

    dense = result["dense"]
    lines = [
        f"{result['task']}: D = {result['prediction']['dim']:,}, "
        f"epsilon = {result['epsilon']:.4g} ({result['prediction']['epsilon_source']}), "
        f"dense test accuracy {dense['test_accuracy']:.4f}",
        f"{'':<32}{'':<11}{'sparsity':>9}  {'bracket':<18}{'test accuracy':<22}",
        f"{'question':<32}{'':<11}{'':>9}  {'':<18}{'one-shot':<10}{'fine-tuned':<12}",
    ]
    for row in comparison(result):
        tuned = row["finetuned_accuracy"]
        lines.append(
            f"{row['question']:<32}{row['kind']:<11}{row['sparsity']:>9.4f}  "
            f"{row['lower']:.4f} … {row['upper']:.4f}   {row['one_shot_accuracy']:<10.4f}"
            f"{'–' if tuned is None else format(tuned, '.4f'):<12}"
        )
    budget = result["finetuning"]
    lines.append(f"fine-tuning: {budget['epochs']} epochs, learning rate {budget['learning_rate']}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _attribute(reference: str, what: str) -> Any:
    """What ``module:name`` refers to; modules of the working directory are found too."""
    module_name, _, name = reference.partition(":")
    if not module_name or not name:
        raise PruneLimitError(f"{what} must be given as module:name, got {reference!r}")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise PruneLimitError(
            f"cannot import {module_name!r} for {what} ({error}); "
            "run from the directory that holds it, or set PYTHONPATH"
        ) from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise PruneLimitError(f"module {module_name!r} has no {name!r} ({what})") from None


def _model(reference: str, checkpoint: Path | None) -> nn.Module:
    from torch import nn

    from prunelimit.lab.store.checkpoints import load_checkpoint

    factory = _attribute(reference, "the model")
    model = factory if isinstance(factory, nn.Module) else factory()
    if not isinstance(model, nn.Module):
        raise PruneLimitError(
            f"{reference} returned a {type(model).__name__}, not a torch.nn.Module"
        )
    if checkpoint is not None:
        load_checkpoint(model, checkpoint)
    return model.eval()


def _loss(reference: str) -> Callable[[Tensor, Tensor], Tensor]:
    from torch.nn import functional

    if ":" in reference:
        return _attribute(reference, "the loss")
    if not callable(getattr(functional, reference, None)):
        raise PruneLimitError(
            f"torch.nn.functional has no loss {reference!r}; try cross_entropy or mse_loss, "
            "or give module:function"
        )
    return getattr(functional, reference)


def _loader(
    reference: str, root: Path | None, batch_size: int, examples: int | None, seed: int
) -> Iterable[tuple[Tensor, Tensor]]:
    """A named data set's un-augmented training examples, or what ``module:factory`` returns."""
    from prunelimit.lab import data

    if ":" in reference:
        source = _attribute(reference, "the data")
        return source() if callable(source) else source
    batches = data.load(reference, root, seed).train_eval.with_batch_size(batch_size)
    return batches if examples is None else batches.subset(examples, seed)


if __name__ == "__main__":
    main()
