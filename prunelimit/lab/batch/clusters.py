"""Where jobs run: this machine's workers, workers that wait elsewhere, or Slurm's."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunelimit.errors import PruneLimitError
from prunelimit.names import unknown_name

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 30
# One worker a job of Slurm's.
_SLURM_DEFAULTS = {"cores": 1, "processes": 1, "memory": "16GB"}
_SLURM_AT_ONCE = 16


@dataclass(frozen=True)
class Workers:
    """Which workers to use; by default this machine's.

    Attributes
    ----------
    count
        How many to start. Default: one a GPU; without GPUs one a core, but not more than jobs;
        under Slurm one a job, up to 16.
    scheduler
        Address of a Dask scheduler whose workers are there already, e.g. "tcp://node1:8786".
    slurm
        Keyword arguments of `dask_jobqueue.SLURMCluster`; see `slurm_arguments`.
    """

    count: int | None = None
    scheduler: str | None = None
    slurm: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.count is not None and self.count < 1:
            raise PruneLimitError(f"workers is {self.count}; it must be at least 1")
        if self.scheduler is not None and (self.slurm is not None or self.count is not None):
            raise PruneLimitError(
                "a scheduler's workers are there already: --scheduler goes with neither --slurm "
                "nor --workers"
            )

    @contextlib.contextmanager
    def connect(self, jobs: int) -> Iterator[Client]:
        """A client with its workers, for so many jobs; what was started here ends with it.

        Raises
        ------
        PruneLimitError
            If no scheduler answers at the address.
        """
        from distributed import Client

        if self.scheduler is not None:
            try:
                client = Client(self.scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
            except (OSError, ValueError, TimeoutError) as error:
                raise PruneLimitError(
                    f"no Dask scheduler answers at {self.scheduler!r} ({error}); start one with "
                    "`dask scheduler`, and workers with `dask worker ADDRESS --nthreads 1`"
                ) from error
            with client:
                yield client
            return
        cluster = (
            _slurm_cluster(self.slurm, self.count or min(jobs, _SLURM_AT_ONCE))
            if self.slurm is not None
            else _local_cluster(local_environments(jobs, self.count))
        )
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client


def local_environments(jobs: int, count: int | None = None) -> list[dict[str, str]]:
    """Environment variables of each worker on this machine: its GPU, or its share of the cores.

    Parameters
    ----------
    jobs
        How many there are to do.
    count
        Of workers; more workers than GPUs share them in turn.

    Examples
    --------
    >>> len(local_environments(jobs=5, count=3))
    3
    """
    gpus = _visible_gpus()
    cores = _cores()
    workers = count or max(1, min(jobs, len(gpus) or cores))
    threads = str(max(1, cores // workers))
    shared = {
        name: os.environ.get(name, threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    if not gpus:
        return [dict(shared) for _ in range(workers)]
    return [shared | {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(workers)]


def slurm_arguments(options: Sequence[str]) -> dict[str, Any]:
    """Keyword arguments for `dask_jobqueue.SLURMCluster` from ``NAME=VALUE``.

    Parameters
    ----------
    options
        e.g. ``["queue=gpu", "walltime=12:00:00", "memory=32GB"]``. Other lines of sbatch go
        into ``job_extra_directives=--gres=gpu:1``, which may be repeated.

    Raises
    ------
    PruneLimitError
        On an option without "=", or one that dask-jobqueue does not know.

    Examples
    --------
    >>> slurm_arguments(["queue=gpu", "job_extra_directives=--gres=gpu:1"])["queue"]
    'gpu'
    """
    known = _slurm_names()
    arguments: dict[str, Any] = dict(_SLURM_DEFAULTS)
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise PruneLimitError(f"--slurm {option!r} is not NAME=VALUE, e.g. queue=gpu")
        if name not in known:
            raise unknown_name("option of Slurm's", name, known)
        if name in ("job_extra_directives", "job_script_prologue", "worker_extra_args"):
            arguments.setdefault(name, []).append(value)
        elif name in ("cores", "processes", "job_cpu", "death_timeout"):
            arguments[name] = _whole(name, value)
        else:
            arguments[name] = value
    return arguments


def _whole(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise PruneLimitError(f"--slurm {name} is {value!r}; it must be a whole number") from None


def _slurm_names() -> list[str]:
    from dask_jobqueue.core import Job
    from dask_jobqueue.slurm import SLURMJob

    names = {*inspect.signature(Job.__init__).parameters}
    names |= {*inspect.signature(SLURMJob.__init__).parameters}
    return sorted(names - {"self", "scheduler", "base_class_kwargs", "security"})


def _slurm_cluster(arguments: Mapping[str, Any], count: int) -> Any:
    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(**arguments)
    cluster.scale(jobs=count)
    return cluster


def _local_cluster(environments: Sequence[Mapping[str, str]]) -> Any:
    from distributed import Nanny, Scheduler, SpecCluster

    here = {"host": "127.0.0.1", "protocol": "tcp://", "dashboard": False}
    return SpecCluster(
        scheduler={
            "cls": Scheduler,
            "options": {**here, "port": 0, "dashboard_address": "127.0.0.1:0"},
        },
        workers={
            # No memory limit: the work is done by a notebook's kernel, which Dask does not see.
            i: {
                "cls": Nanny,
                "options": {
                    **here,
                    "nthreads": 1,
                    "memory_limit": 0,
                    "silence_logs": 40,
                    "env": dict(env),
                },
            }
            for i, env in enumerate(environments)
        },
        silence_logs=40,
    )


def _visible_gpus() -> list[str]:
    """What to put into CUDA_VISIBLE_DEVICES for each GPU that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
