"""Many runs: one notebook a job, on this machine's workers or on a cluster's (chapter 7).

A job is the notebook ``notebooks/reproduce/task.ipynb`` with parameters. Its directory is named
after the notebook, the parameters and the package's code, so the same command finds what is
finished and goes on with what is not. Workers are dask.distributed's; all of them, and the
driver, have to see the same directory.
"""

from prunelimit.lab.batch.clusters import Workers, local_environments
from prunelimit.lab.batch.driver import run_batch
from prunelimit.lab.batch.jobs import Job, default_notebook, grid, is_finished, plan
from prunelimit.lab.batch.parameters import (
    announce,
    check_device,
    command,
    configure,
    with_settings,
)
from prunelimit.lab.batch.slurm import slurm_arguments
from prunelimit.lab.batch.worker import Outcome, execute

__all__ = [
    "Job",
    "Outcome",
    "Workers",
    "announce",
    "check_device",
    "command",
    "configure",
    "default_notebook",
    "execute",
    "grid",
    "is_finished",
    "local_environments",
    "plan",
    "run_batch",
    "slurm_arguments",
    "with_settings",
]
