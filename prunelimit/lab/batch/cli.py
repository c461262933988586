"""``prunelimit batch``: many tasks, values of λ and seeds, a notebook a job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunelimit.errors import PruneLimitError


def batch(
    tasks: Annotated[
        list[str],
        typer.Argument(help="names that `prunelimit tasks` lists; all; paper (its eight)"),
    ],
    l1: Annotated[
        list[float] | None, typer.Option(help="λ, instead of the task's own; repeat for a grid")
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="of split, weights, order and probes; repeat for a grid  [default: 0]"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="a parameter of the notebook or the measurement, NAME=VALUE, e.g. scale=0.1, "
            "epochs=20, epsilon=0.05; repeat",
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(help="folder of the runs and of their summary")] = Path(
        "runs/batch"
    ),
    notebook: Annotated[
        Path | None, typer.Option(help="instead of the one that runs any task")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="where data sets lie")] = None,
    workers: Annotated[
        int | None, typer.Option(help="jobs at once; default: one a GPU, else one a core")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="workers that wait at a Dask scheduler, tls://HOST:PORT")
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(help="start workers under Slurm: NAME=VALUE, e.g. queue=gpu; repeat"),
    ] = None,
    tls: Annotated[
        Path | None, typer.Option(help="folder with ca.pem, cert.pem, key.pem of the cluster")
    ] = None,
) -> None:
    """Run every combination of tasks, λ and seeds, a notebook a job; goes on after a stop.

    Workers are this machine's, those of a Dask scheduler, or Slurm's. The same command does what
    is left: finished jobs are kept, the others go on from their last epoch.
    """
    from prunelimit.lab.batch.clusters import Workers, require_extra
    from prunelimit.lab.batch.driver import run_batch
    from prunelimit.lab.batch.jobs import default_notebook, grid, notebook_parameters, plan
    from prunelimit.lab.batch.parameters import with_settings
    from prunelimit.lab.batch.slurm import slurm_arguments
    from prunelimit.lab.distributed import launched

    if launched():
        raise PruneLimitError("torchrun shares out one task; start a batch without it")
    require_extra(slurm=slurm is not None)
    place = None if data_root is None else str(data_root)
    sets = grid(tasks, l1 or [None], seed or [0], scale=1.0, data_root=place)
    known = notebook_parameters(notebook or default_notebook())
    # What nobody asked for, a notebook of one's own need not have.
    asked = {"task": tasks, "l1": l1, "seed": seed, "scale": None, "data_root": place}
    sets = [{n: v for n, v in one.items() if n in known or asked[n] is not None} for one in sets]
    jobs = plan(runs, with_settings(sets, set_ or [], known), notebook)
    where = Workers(workers, scheduler, None if slurm is None else slurm_arguments(slurm), tls)
    summary = run_batch(jobs, where)
    typer.echo(summary.text())
    if summary.failures:
        raise typer.Exit(1)
