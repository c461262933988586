"""The command line: ``predict``, ``find``, ``prune``, ``tasks``, ``reproduce``, ``batch``.

Every command is a thin cover over a function of the package; errors that a
user can mend are printed in one line, with exit status 2.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prunelimit import __version__
from prunelimit.errors import PruneLimitError
from prunelimit.files import explained, prepare_folder, prepare_output, write_bytes
from prunelimit.lab.batch.cli import batch
from prunelimit.lab.named import (
    attribute,
    loader_of,
    loss_of,
    model_of,
    refuse_overwriting,
    require_safetensors,
    tell,
)
from prunelimit.names import printable

if TYPE_CHECKING:
    from prunelimit.results.result import Result

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

ModelArgument = Annotated[
    str, typer.Argument(help="module:factory of a function that returns the model, e.g. net:make")
]
DataOption = Annotated[
    str, typer.Option("--data", "-d", help="a data set's name, or module:factory of a loader")
]
BatchSizeOption = Annotated[int, typer.Option(help="of a named data set's minibatches")]
ExamplesOption = Annotated[
    int | None, typer.Option(help="use so many training examples of a named data set")
]
DataRootOption = Annotated[Path | None, typer.Option(help="where data sets lie")]
LossOption = Annotated[
    str, typer.Option(help="name in torch.nn.functional, or module:function (outputs, targets)")
]
EpsilonOption = Annotated[
    float | None, typer.Option(help="loss rise allowed; default: std of minibatch losses")
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option("--checkpoint", "-c", help="weights: .safetensors, or a state dict of torch.save"),
]
ToleranceOption = Annotated[float, typer.Option(help="half width of the bracket, in sparsity")]
ParametersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--parameters",
        "-p",
        help="which weights count: a name or a pattern such as '*.in_proj_weight'; repeat. "
        "Default: the weights of linear and convolutional layers",
    ),
]
ForwardOption = Annotated[
    str | None,
    typer.Option(help="module:function (model, batch) -> outputs, for batches of other kinds"),
]
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
    """Entry point: run the command; errors that a user can mend become one line and status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # one that is not UTF-8 has no λ, say
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except PruneLimitError as error:
        _fail(str(error))
    except BrokenPipeError:  # `prunelimit tasks | head`: whoever read has enough
        _drop_stdout()
        sys.exit(1)
    except OSError as error:
        _drop_stdout()
        _fail(explained(error))
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:  # what typer makes of Ctrl-C
            Console(stderr=True).print("interrupted; the same command goes on where it stopped")
        raise


def _fail(message: str) -> NoReturn:
    """Print `message` in one line, whatever characters a name in it has, and end."""
    Console(stderr=True, highlight=False).print(
        Text.assemble(("error: ", "red"), printable(message)), soft_wrap=True
    )
    sys.exit(2)


def _drop_stdout() -> None:
    """What is still to be written there would fail again when the process ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command()
def predict(
    model: ModelArgument,
    data: DataOption,
    checkpoint: CheckpointOption = None,
    loss: LossOption = "cross_entropy",
    epsilon: EpsilonOption = None,
    policy: Annotated[str, typer.Option(help="ggn, abs or clip")] = "ggn",
    tolerance: ToleranceOption = 0.005,
    batch_size: BatchSizeOption = 128,
    examples: ExamplesOption = None,
    data_root: DataRootOption = None,
    seed: Annotated[int, typer.Option(help="of the probes and the subset")] = 0,
    parameters: ParametersOption = None,
    forward: ForwardOption = None,
    device: DeviceOption = "auto",
    resume: Annotated[
        Path | None, typer.Option(help="a folder: keep the iteration there, and go on")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="report as JSON")] = None,
) -> None:
    """Predict how sparse a trained network can be pruned."""
    from prunelimit.lab.distributed import joined
    from prunelimit.predict import predict_limit
    from prunelimit.spectrum.engine import DENSE_DIM, Effort

    if output is not None:
        prepare_output(output)
    with joined() as world:
        report = predict_limit(
            model_of(model, checkpoint),
            loss_of(loss),
            loader_of(data, data_root, batch_size, examples, seed),
            epsilon,
            policy=policy,  # type: ignore[arg-type]
            tolerance=tolerance,
            seed=seed,
            device=device,
            checkpoint=resume,
            parameters=parameters,
            forward=_forward_of(forward),
            world=world,
        )
    if not world.is_main:
        return
    typer.echo(report.summary())
    if resume is not None and Effort().dense(report.dim):
        unused = f"{resume} is not used: up to D = {DENSE_DIM:,} the matrix is built in one go"
        tell(f"note: {unused}, with no steps to keep or go on from")
    if output is not None:
        report.to_json(output)
        tell(f"report written to {output}")


@app.command()
def find(
    model: ModelArgument,
    data: DataOption,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="pruned weights (.safetensors), and a .json beside"),
    ],
    checkpoint: CheckpointOption = None,
    loss: LossOption = "cross_entropy",
    report: Annotated[
        Path | None, typer.Option(help="that `prunelimit predict -o` wrote; default: predict first")
    ] = None,
    epsilon: EpsilonOption = None,
    metric: Annotated[
        str | None, typer.Option(help="instead: accuracy, or module:function (outputs, targets)")
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="module:factory of the loader that the metric is taken on")
    ] = None,
    metric_tolerance: Annotated[
        float, typer.Option(help="how far the metric may fall below the dense network's")
    ] = 0.005,
    start: Annotated[
        float | None, typer.Option(help="sparsity of the first try, instead of a report")
    ] = None,
    finetune: Annotated[
        str | None, typer.Option(help="module:function (masked model) that trains it in place")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="of Adam at each try; default: about 2,000 steps")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="of that Adam, in units of the survivors' root mean square")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="error allowed, in sparsity")] = 0.01,
    max_tries: Annotated[int, typer.Option(help="stop after so many fine-tunings")] = 12,
    directory: Annotated[
        Path | None, typer.Option(help="keep every try here, and go on from it")
    ] = None,
    batch_size: BatchSizeOption = 128,
    examples: ExamplesOption = None,
    data_root: DataRootOption = None,
    seed: Annotated[int, typer.Option(help="of the subset")] = 0,
    parameters: ParametersOption = None,
    forward: ForwardOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Measure how sparse the network can go, by a few fine-tunings; save the pruned one."""
    from prunelimit.find import find_limit
    from prunelimit.network.contents import weights_bytes
    from prunelimit.report import PruningLimit

    require_safetensors(output)
    beside = output.with_suffix(".json")
    for written in (output, beside):
        prepare_output(written)
        refuse_overwriting(written, checkpoint, report)
    if finetune is not None and (epochs is not None or learning_rate is not None):
        raise PruneLimitError("--finetune is a loop of your own: it has its own epochs and rate")
    network = model_of(model, checkpoint)
    loader = loader_of(data, data_root, batch_size, examples, seed)
    predicted = None if report is None else PruningLimit.from_json(report)
    found = find_limit(
        network,
        loss_of(loss),
        loader,
        predicted,
        attribute(finetune, "the fine-tuning loop")
        if finetune is not None
        else _budget(loader, epochs, learning_rate),
        tolerance,
        directory,
        epsilon=epsilon,
        metric=attribute(metric, "the metric") if metric and ":" in metric else metric,
        validation=None
        if validation is None
        else loader_of(validation, data_root, 128, None, seed),
        metric_tolerance=metric_tolerance,
        start=start,
        parameters=parameters,
        forward=_forward_of(forward),
        max_tries=max_tries,
        device=device,
    )
    write_bytes(output, weights_bytes(found.model))
    found.to_json(beside)
    typer.echo(found.summary())
    tell(f"the network at {found.lower:.2%} is saved to {output}, the tries beside it")


def _forward_of(name: str | None) -> Any:
    return None if name is None else attribute(name, "the forward function")


def _budget(loader: Iterable[Any], epochs: int | None, learning_rate: float | None) -> Any:
    """The default budget with what was asked for changed; None leaves it to `find_limit`."""
    from prunelimit.pruning.finetune import default_finetuning

    asked: dict[str, Any] = {"epochs": epochs, "learning_rate": learning_rate}
    changes = {name: value for name, value in asked.items() if value is not None}
    return replace(default_finetuning(loader), **changes) if changes else None


@app.command()
def prune(
    model: ModelArgument,
    sparsity: Annotated[float, typer.Option("--sparsity", "-s", help="fraction removed, [0, 1)")],
    output: Annotated[Path, typer.Option("--output", "-o", help="pruned weights (.safetensors)")],
    checkpoint: CheckpointOption = None,
    parameters: ParametersOption = None,
) -> None:
    """Set the smallest weights of the whole network to zero, and save the result."""
    from prunelimit.network.contents import weights_bytes
    from prunelimit.network.parameters import prunable_weights
    from prunelimit.pruning import prune as prune_model

    require_safetensors(output)
    prepare_output(output)
    refuse_overwriting(output, checkpoint)
    pruned = prune_model(model_of(model, checkpoint), sparsity, parameters=parameters)
    write_bytes(output, weights_bytes(pruned))
    weights = prunable_weights(pruned, parameters)
    zeros = int((weights == 0).sum())
    tell(f"{zeros:,} of {weights.numel():,} prunable weights are zero; saved to {output}")


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
    task: Annotated[str, typer.Argument(help="a name that `prunelimit tasks` lists")],
    run_dir: Annotated[
        Path | None, typer.Option(help="where everything is kept; default runs/TASK-seedN")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="instead of the task's own number")] = None,
    examples: Annotated[
        int | None, typer.Option(help="at most so many in each part of the data; default: all")
    ] = None,
    l1: Annotated[float | None, typer.Option(help="λ, instead of the task's own")] = None,
    seed: Annotated[int, typer.Option(help="of split, weights, order and probes")] = 0,
    scale: Annotated[
        float, typer.Option(help="below 1 everything is shorter, for a quick look")
    ] = 1.0,
    epsilon: EpsilonOption = None,
    policy: Annotated[str, typer.Option(help="ggn, abs or clip")] = "ggn",
    tolerance: ToleranceOption = 0.005,
    optimiser: Annotated[
        str, typer.Option(help="of fine-tuning: sgd, at the training's rate, or adam")
    ] = "sgd",
    resolution: Annotated[
        float, typer.Option(help="width to which measured thresholds are narrowed, in sparsity")
    ] = 0.005,
    sparsest: Annotated[float, typer.Option(help="where the search for them ends")] = 0.999,
    device: DeviceOption = "auto",
    data_root: DataRootOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="copy result.json")] = None,
) -> None:
    """Train, predict, measure and compare one task; the same command goes on after a stop.

    Over several GPUs: torchrun --nproc-per-node 2 -m prunelimit reproduce TASK. Many tasks, values
    of λ or seeds: prunelimit batch.
    """
    from prunelimit.lab.batch.parameters import check_device, configure
    from prunelimit.lab.distributed import joined
    from prunelimit.lab.experiment import run_task

    if task in ("all", "paper"):
        raise PruneLimitError(f"{task!r} is many tasks, and reproduce runs one: prunelimit batch")
    asked = {"epsilon": epsilon, "policy": policy, "tolerance": tolerance, "optimiser": optimiser}
    asked |= {"resolution": resolution, "sparsest": sparsest}
    chosen, config = configure(
        task, l1=l1, seed=seed, epochs=epochs, examples=examples, scale=scale, measurement=asked
    )
    check_device(device)
    directory = prepare_folder(run_dir or Path("runs") / f"{task}-seed{seed}")
    if output is not None:
        prepare_output(output)
    with joined() as world:
        result = run_task(
            chosen, directory, config, device=device, data_root=data_root, world=world
        )
    if not world.is_main:
        return
    typer.echo(comparison_text(result))
    tell(f"result: {directory / 'result.json'}")
    if output is not None:
        result.save(output)
        tell(f"copied to {output}")


app.command("batch")(batch)


def comparison_text(result: Result) -> str:
    """Prediction against experiment, as a table for a terminal of any width."""
    report = result.prediction
    lines = [
        f"{result.task}: D = {report.dim:,}, "
        f"epsilon = {report.epsilon:.4g} ({report.epsilon_source}), "
        f"dense test accuracy {result.dense.test_accuracy:.4f}",
        f"{'':<32}{'':<11}{'sparsity':>9}  {'bracket':<18}{'test accuracy':<22}",
        f"{'question':<32}{'':<11}{'':>9}  {'':<18}{'one-shot':<10}{'fine-tuned':<12}",
    ]
    for row in result.comparison():
        tuned = row.finetuned_accuracy
        lines.append(
            f"{row.question:<32}{row.kind:<11}{row.sparsity:>9.4f}  "
            f"{row.lower:.4f} … {row.upper:.4f}   {row.one_shot_accuracy:<10.4f}"
            f"{'–' if tuned is None else format(tuned, '.4f'):<12}"
        )
    lines.append(f"fine-tuning: {result.finetuning}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
