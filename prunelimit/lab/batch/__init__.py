"""Many runs: one notebook a job, on this machine's workers or on a cluster's (chapter 7).

A job is the notebook ``notebooks/reproduce/task.ipynb`` with parameters. Its directory is named
after the notebook, the parameters and the package's code, so the same command finds what is
finished and goes on with what is not. Workers are dask.distributed's; all of them, and the
driver, have to see the same directory. Names are loaded on first use.
"""

from prunelimit.on_use import loaded_on_use

_PUBLIC = {
    "Workers": "clusters",
    "local_environments": "clusters",
    "run_batch": "driver",
    "Job": "jobs",
    "default_notebook": "jobs",
    "grid": "jobs",
    "is_finished": "jobs",
    "plan": "jobs",
    "announce": "parameters",
    "check_device": "parameters",
    "command": "parameters",
    "configure": "parameters",
    "with_settings": "parameters",
    "slurm_arguments": "slurm",
    "Outcome": "worker",
    "execute": "worker",
}
__all__ = sorted(_PUBLIC)
__getattr__, __dir__ = loaded_on_use(__name__, _PUBLIC)
