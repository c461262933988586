"""Workers that Slurm starts: submitted, watched, and replaced when a walltime ends them."""

from __future__ import annotations

import contextlib
import getpass
import importlib
import inspect
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunelimit.errors import PruneLimitError
from prunelimit.lab.batch.security import (
    CA,
    CERTIFICATE,
    KEY,
    NO_DASHBOARD,
    given_security,
    temporary_security,
)
from prunelimit.names import require_known

if TYPE_CHECKING:
    from distributed import Client

# One worker a job of Slurm's.
_DEFAULTS = {"cores": 1, "processes": 1, "memory": "16GB"}
_ENDED = "prunelimit: the worker ended with status"
_MOST_DEATHS = 3
"""So many workers in a row may die before they have begun."""
_LOOK_SECONDS = 5.0
_SQUEUE_SECONDS = 20.0


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
    _import_jobqueue()
    from dask_jobqueue.core import Job
    from dask_jobqueue.slurm import SLURMJob

    taken = [inspect.signature(kind.__init__).parameters for kind in (Job, SLURMJob)]
    ours = {"self", "scheduler", "name", "base_class_kwargs", "security", "protocol"}
    known = set().union(*taken) - ours
    arguments: dict[str, Any] = dict(_DEFAULTS)
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise PruneLimitError(f"--slurm {option!r} is not NAME=VALUE, e.g. queue=gpu")
        require_known("option of Slurm's", name, known)
        if name in ("job_extra_directives", "job_script_prologue", "worker_extra_args"):
            arguments.setdefault(name, []).append(value)
        elif name in ("cores", "processes", "job_cpu", "death_timeout"):
            try:
                arguments[name] = int(value)
            except ValueError:
                wrong = f"--slurm {name} is {value!r}; it must be a whole number"
                raise PruneLimitError(wrong) from None
        else:
            arguments[name] = value
    return arguments


@contextlib.contextmanager
def slurm_pool(
    arguments: Mapping[str, Any], count: int, root: Path, tls: Path | None
) -> Iterator[SlurmPool]:
    """So many workers under Slurm; what has been submitted is cancelled at the end.

    Parameters
    ----------
    arguments
        From `slurm_arguments`.
    count
        Of workers.
    root
        Seen by every node; the workers' logs go to ``workers`` in it.
    tls
        A folder of certificates; None makes them.

    Raises
    ------
    PruneLimitError
        If there is no ``sbatch``, or the options do not fit.
    """
    if shutil.which("sbatch") is None:
        raise PruneLimitError(
            "there is no sbatch here; run this on a machine from which jobs are submitted to Slurm"
        )
    _import_jobqueue()
    from distributed import Client

    logs = root / "workers"
    logs.mkdir(parents=True, exist_ok=True)
    with _certificates(root, tls) as folder:
        security = given_security(folder)
        cluster = _cluster(dict(arguments), logs, folder)
        with cluster, Client(cluster, set_as_default=False, security=security) as client:
            yield SlurmPool(client, cluster, count)


@dataclass
class SlurmPool:
    """Workers under Slurm: as many as wanted, as long as they begin at all."""

    client: Client
    cluster: Any
    count: int
    deaths: int = 0
    begun: set[str] = field(default_factory=set)
    looked: float = float("-inf")
    asked: float = float("-inf")

    def tend(self, jobs: int) -> list[str]:
        """Submit what is missing for the jobs that are left, and say which workers came and went.

        Raises
        ------
        PruneLimitError
            If Slurm refuses the job, or workers die again and again before they begin.
        """
        if time.monotonic() - self.looked < _LOOK_SECONDS:
            return []
        self.looked = time.monotonic()
        workers = {str(name): job for name, job in self.cluster.workers.items()}
        known = self.client.scheduler_info(n_workers=-1)["workers"].values()
        registered = [str(worker["name"]) for worker in known]
        # Of several processes in one job each has a number behind the job's name.
        there = {n for n in workers if any(r == n or r.startswith(f"{n}-") for r in registered)}
        remarks = self._arrivals(workers, there)
        remarks += self._departures(workers, there)
        refused = [job.refused for job in workers.values() if job.refused]
        if refused:
            raise PruneLimitError(f"Slurm refuses the job: {refused[0]}")
        if self.deaths >= _MOST_DEATHS and not there:
            raise PruneLimitError(f"{self.deaths} workers died while they started; {remarks[-1]}")
        self.cluster.scale(jobs=min(self.count, jobs))
        return remarks or ([] if there else [self._waiting(workers)])

    def _arrivals(self, workers: Mapping[str, Any], there: set[str]) -> list[str]:
        new = [job for name, job in workers.items() if name in there and job.tag not in self.begun]
        self.begun |= {job.tag for job in new}
        if new:
            self.deaths = 0
        return [f"worker {job.label} is there" for job in new]

    def _departures(self, workers: Mapping[str, Any], there: set[str]) -> list[str]:
        """Name what is gone, and forget it, so that it is submitted anew."""
        queued = self._queue()
        lost = {
            name: job
            for name, job in workers.items()
            if name not in there
            and (
                job.tag in self.begun  # a worker of Dask's does not come back
                or job.has_ended()
                or (queued is not None and job.job_id not in queued)
            )
        }
        remarks = []
        for job in lost.values():
            if job.tag in self.begun:
                remarks.append(f"worker {job.label} is gone ({job.last_words()}); another follows")
            else:
                self.deaths += 1
                remarks.append(
                    f"worker {job.label} died while it started: {job.last_words()} (its log is "
                    f"{job.log})"
                )
        if lost:
            self.cluster.sync(self.cluster.scale_down, list(lost))
        return remarks

    def _queue(self) -> set[str] | None:
        """Numbers of the user's jobs; None if not asked, or no answer."""
        if time.monotonic() - self.asked < _SQUEUE_SECONDS:
            return None
        self.asked = time.monotonic()
        command = ["squeue", "--noheader", "--format=%i", f"--user={getpass.getuser()}"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return set(answer.stdout.split())

    def _waiting(self, workers: Mapping[str, Any]) -> str:
        numbers = [job.job_id for job in workers.values() if job.job_id]
        if not numbers:
            return "no worker is there yet: nothing has been submitted to Slurm so far"
        return f"no worker is there: Slurm has {len(numbers)} jobs of ours ({', '.join(numbers)})"


def _cluster(arguments: dict[str, Any], logs: Path, certificates: Path) -> Any:
    from dask_jobqueue import SLURMCluster
    from dask_jobqueue.slurm import SLURMJob

    job: Any = type("Job", (_Logged, SLURMJob), {"logs": logs, "certificates": certificates})
    arguments.setdefault("python", shlex.quote(sys.executable))
    extra = [*arguments.pop("worker_extra_args", []), "--no-dashboard"]
    extra += ["--dashboard-address", NO_DASHBOARD["dashboard_address"]]
    try:
        return SLURMCluster(
            job_cls=job,
            security=given_security(certificates),
            protocol="tls://",
            scheduler_options={**NO_DASHBOARD, "allowed_failures": 0},
            worker_extra_args=extra,
            **arguments,
        )
    except ValueError as error:
        raise PruneLimitError(f"--slurm: {error}") from error


class _Logged:
    """Stands before dask's `SLURMJob`: keeps a log where the driver finds it, and reads it."""

    logs: Path
    certificates: Path
    refused = ""
    name: Any
    job_id: Any
    status: Any

    def __init__(self, scheduler: Any = None, name: Any = None, **options: Any) -> None:
        from distributed.security import Security

        self.tag = secrets.token_hex(4)
        self.log = self.logs / f"{self.tag}.log"
        prologue = [
            f"exec >>{shlex.quote(str(self.log))} 2>&1",
            f"trap 'echo \"{_ENDED} $?\"' EXIT",
            "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[\"distributed.http.health\"]'",
            *(options.pop("job_script_prologue", None) or []),
        ]
        # They become words of a shell script.
        words = [shlex.quote(str(self.certificates / name)) for name in (CA, CERTIFICATE, KEY)]
        names = ("tls_ca_file", "tls_worker_cert", "tls_worker_key")
        options["security"] = Security(
            require_encryption=True, **dict(zip(names, words, strict=True))
        )
        make: Any = super().__init__
        make(scheduler, name, job_script_prologue=prologue, **options)

    @property
    def label(self) -> str:
        """The worker, and its number with Slurm."""
        return f"{self.name} (Slurm's job {self.job_id})"

    async def start(self) -> None:
        """Submit; a refusal is kept for `SlurmPool.tend` to raise, where dask would only log it."""
        from distributed import Status

        parent: Any = super()
        try:
            await parent.start()
        except (OSError, RuntimeError, ValueError) as error:
            self.refused = _last_line(str(error))
            self.status = Status.running

    async def close(self) -> None:
        """Cancel."""
        from distributed import Status

        parent: Any = super()
        await parent.close()
        self.status = Status.closed

    def has_ended(self) -> bool:
        """Whether the log says so."""
        return any(line.startswith(_ENDED) for line in self._lines())

    def last_words(self) -> str:
        """The last line of the log before the end."""
        lines = [line for line in self._lines() if line.strip()]
        said = [line for line in lines if not line.startswith(_ENDED)]
        return said[-1].strip()[-300:] if said else "it said nothing"

    def _lines(self) -> list[str]:
        try:
            return self.log.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            return []


@contextlib.contextmanager
def _certificates(root: Path, tls: Path | None) -> Iterator[Path]:
    """The given folder, or one for this batch that only its user can read."""
    if tls is not None:
        yield tls.absolute()
        return
    folder = root.absolute() / f".tls-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    try:
        made = temporary_security().get_tls_config_for_role("worker")
        for name, part in ((CA, "ca_file"), (CERTIFICATE, "cert"), (KEY, "key")):
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(made[part])
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _import_jobqueue() -> None:
    """Import dask-jobqueue without what its import does: an end with status 0 on Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    importlib.import_module("dask_jobqueue")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, before)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
