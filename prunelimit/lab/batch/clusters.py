"""Where jobs run: this machine's workers, workers that wait elsewhere, or Slurm's."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import multiprocessing
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab.batch.security import NO_DASHBOARD, NO_PAGES, given_security, temporary_security
from prunelimit.lab.batch.slurm import SlurmPool, slurm_pool

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

_PACKAGES = ("cryptography", "distributed", "ipykernel", "jinja2", "papermill")
_CONNECT_SECONDS = 30
_LOOK_SECONDS = 5.0
_SLURM_AT_ONCE = 16
_LOST_IS_OURS = {"distributed.deploy.lost-worker-timeout": "1000 days"}
"""Dask would end whatever bears the name of a worker that was lost 15 seconds ago: the one that
waits in Slurm's queue instead of it, or a nanny whose next worker is slow to start."""
_LOOPBACK = re.compile(r"(tcp|tls)://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?/?")


@dataclass
class Untended:
    """Workers that Dask looks after itself, or their owner."""

    client: Client
    there: frozenset[str] | None = None
    looked: float = float("-inf")

    def tend(self, jobs: int) -> list[str]:
        """Say which workers came and went: a scheduler of one's own hands on their jobs in silence.

        Those that are there at the first look are not said.
        """
        if time.monotonic() - self.looked < _LOOK_SECONDS:
            return []
        self.looked = time.monotonic()
        try:
            now = frozenset(self.client.nthreads())
        except Exception:  # a scheduler that is gone shows in the client's status
            return []
        before, self.there = now if self.there is None else self.there, now
        gone = [f"worker {name} is gone; another takes its job" for name in sorted(before - now)]
        return gone + [f"worker {name} is there" for name in sorted(now - before)]


Pool = Untended | SlurmPool
"""Workers, and who looks after them."""


@dataclass(frozen=True)
class Workers:
    """Which workers to use; by default this machine's.

    Attributes
    ----------
    count
        How many to start. Default: one a GPU; without GPUs one a core, but not more than jobs;
        under Slurm one a job, up to 16.
    scheduler
        Address of a Dask scheduler whose workers are there already: "tls://node1:8786", or
        "tcp://127.0.0.1:8786".
    slurm
        Keyword arguments of `dask_jobqueue.SLURMCluster`; see `slurm_arguments`.
    tls
        A folder of certificates, see `given_security`. Without one, certificates for this batch
        are made, unless the scheduler is there already.
    """

    count: int | None = None
    scheduler: str | None = None
    slurm: Mapping[str, Any] | None = None
    tls: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, and what would be open to everybody."""
        require(self.count is None or self.count >= 1, "workers", self.count, "at least 1")
        if self.scheduler is not None:
            if self.slurm is not None or self.count is not None:
                raise PruneLimitError(
                    "a scheduler's workers are there already: --scheduler goes with neither "
                    "--slurm nor --workers"
                )
            _check_address(self.scheduler, self.tls)
        if self.tls is not None:
            given_security(self.tls)

    @contextlib.contextmanager
    def connect(self, jobs: int, root: Path) -> Iterator[Pool]:
        """A client with its workers, for so many jobs; what was started here ends with it.

        Parameters
        ----------
        jobs
            To do.
        root
            A folder that every worker sees, for the workers' logs and certificates.

        Raises
        ------
        PruneLimitError
            If no scheduler answers at the address, or workers cannot be started.
        """
        require_extra(slurm=self.slurm is not None)
        import dask

        # First: its import fills in a configuration that the end of `set` would take away again.
        importlib.import_module("distributed")
        with dask.config.set(NO_PAGES | _LOST_IS_OURS):
            if self.scheduler is not None:
                with _client_at(self.scheduler, self.tls) as client:
                    yield Untended(client)
            elif self.slurm is not None:
                count = self.count or min(jobs, _SLURM_AT_ONCE)
                with slurm_pool(self.slurm, count, root, self.tls) as pool:
                    yield pool
            else:
                with _local_client(local_environments(jobs, self.count), self.tls) as client:
                    yield Untended(client)


def require_extra(slurm: bool = False) -> None:
    """Refuse to go on without what ``prunelimit[batch]`` brings.

    Raises
    ------
    PruneLimitError
        If a package is missing; the message says how to get all of them.

    Examples
    --------
    >>> require_extra()
    """
    wanted = (*_PACKAGES, "dask_jobqueue") if slurm else _PACKAGES
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise PruneLimitError(
            f"batches need {', '.join(missing)}: pip install 'prunelimit[batch]' (in a checkout: "
            "pip install -e '.[batch]')"
        )


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
    from dask.system import CPU_COUNT

    gpus = _visible_gpus()
    workers = count or max(1, min(jobs, len(gpus) or CPU_COUNT))
    threads = str(max(1, CPU_COUNT // workers))
    shared = {
        name: os.environ.get(name, threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    if not gpus:
        return [dict(shared) for _ in range(workers)]
    return [shared | {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(workers)]


def _check_address(address: str, tls: Path | None) -> None:
    if not re.match(r"(tcp|tls)://.", address):
        raise PruneLimitError(
            f"--scheduler is {address!r}; it must look like tls://HOST:PORT (tcp://127.0.0.1:PORT "
            "on this machine)"
        )
    if address.startswith("tcp://") and not _LOOPBACK.fullmatch(address):
        raise PruneLimitError(
            f"--scheduler {address!r} is open to everybody on its network, who could run code as "
            "you; start it and its workers with --tls-ca-file, --tls-cert and --tls-key, and give "
            "tls://HOST:PORT and --tls FOLDER"
        )
    if address.startswith("tls://") and tls is None:
        raise PruneLimitError(
            f"--scheduler {address!r} wants certificates: give the folder of the scheduler's own "
            "with --tls"
        )


@contextlib.contextmanager
def _client_at(address: str, tls: Path | None) -> Iterator[Client]:
    from distributed import Client

    security = None if tls is None else given_security(tls)
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False, security=security)
    except (OSError, ValueError, TimeoutError) as error:
        raise PruneLimitError(
            f"no Dask scheduler answers at {address!r} ({_first_line(error)}); start one with "
            "`dask scheduler`, and workers with `dask worker ADDRESS --nthreads 1`"
        ) from error
    with client:
        yield client


@contextlib.contextmanager
def _local_client(environments: Sequence[Mapping[str, str]], tls: Path | None) -> Iterator[Client]:
    from distributed import Client

    require_semaphores()
    security = temporary_security() if tls is None else given_security(tls)
    try:
        cluster = _local_cluster(environments, security)
    except (RuntimeError, OSError) as error:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        raise PruneLimitError(
            f"a worker died while it started ({_first_line(root)}); on a busy machine try "
            "fewer --workers"
        ) from error
    with cluster, Client(cluster, set_as_default=False, security=security) as client:
        yield client


def require_semaphores() -> None:
    """Refuse a system on which Dask's workers cannot start.

    Raises
    ------
    PruneLimitError
        If it has no semaphores, as where ``/dev/shm`` cannot be written.
    """
    try:
        multiprocessing.get_context("spawn").Lock()
    except OSError as error:
        raise PruneLimitError(
            f"Dask's workers need semaphores, which this system refuses ({_first_line(error)}); "
            "mount a /dev/shm that you can write, or run the tasks one by one with `prunelimit "
            "reproduce`"
        ) from error


def _local_cluster(environments: Sequence[Mapping[str, str]], security: Security) -> Any:
    from distributed import Nanny, Scheduler, SpecCluster

    # Other users of this machine reach loopback too: TLS keeps them out.
    here = {"host": "127.0.0.1", "protocol": "tls://", "security": security, **NO_DASHBOARD}
    # No memory limit: the work is done by a notebook's kernel, which Dask does not see.
    alike = {**here, "nthreads": 1, "memory_limit": 0, "silence_logs": 40}
    workers = [{"cls": Nanny, "options": {**alike, "env": dict(env)}} for env in environments]
    return SpecCluster(
        scheduler={"cls": Scheduler, "options": {**here, "port": 0, "allowed_failures": 0}},
        workers=dict(enumerate(workers)),
        security=security,
        silence_logs=50,
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _visible_gpus() -> list[str]:
    """What to put into CUDA_VISIBLE_DEVICES for each GPU that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]
