"""One job in a worker process: papermill runs the notebook, whatever happens is written down."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from prunelimit.errors import PruneLimitError
from prunelimit.files import explained
from prunelimit.lab.batch import jobs
from prunelimit.lab.store.locks import Busy, now, owned

UNFINISHED = "report-unfinished.ipynb"
_LOCK = ".job.lock"
_START_SECONDS = 300
"""For a kernel to answer: on a busy machine importing takes its time."""
_LONGEST_SOCKET_FOLDER = 80
"""Bytes: the whole name of a socket may have 103 (macOS), 107 (Linux)."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes
    ----------
    status
        "done" now; "kept", done before; "failed"; "busy", another driver has it; "lost" with its
        worker.
    message
        Why it failed, or who has it.
    seconds
        Wall time of this attempt.
    """

    status: str
    message: str = ""
    seconds: float = 0.0


def execute(job: jobs.Job) -> Outcome:
    """Run `job` unless it is finished or another driver has it; never raises for its failure.

    The notebook goes on where an earlier attempt stopped: everything it needs is in the job's
    directory. What has failed leaves ``report-unfinished.ipynb`` behind, with the error in it.
    """
    try:
        with owned(job.directory, _LOCK):
            return _execute(job)
    except Busy as busy:
        return Outcome("busy", str(busy))
    except PruneLimitError as error:
        return Outcome("failed", str(error))
    except OSError as error:
        return Outcome("failed", explained(error))


def _execute(job: jobs.Job) -> Outcome:
    if jobs.is_finished(job):
        return Outcome("kept")
    if jobs.program_of(job.notebook) != job.program:
        raise PruneLimitError(
            f"the code or the notebook on {socket.gethostname()} is not what the driver planned "
            "with (edited meanwhile, or another version); run the command again"
        )
    jobs.discard_damaged(job)
    began = time.perf_counter()
    _note(job, started=now(), host=socket.gethostname(), pid=os.getpid())
    failure = _run_notebook(job)
    seconds = time.perf_counter() - began
    if failure is None:
        jobs.mark_finished(job, seconds)
    _note(job, ended=now(), seconds=round(seconds, 3), failure=failure)
    return Outcome("done" if failure is None else "failed", failure or "", seconds)


def _run_notebook(job: jobs.Job) -> str | None:
    """Why it failed; None if it did not. A kernel that dies is started once more."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    for last in (False, True):
        try:
            _papermill(job)
        except PapermillExecutionError as error:
            return f"{error.ename}: {error.evalue}"
        except DeadKernelError as error:
            if last:
                return f"the kernel died twice ({error}); is there enough memory?"
            _note(job, kernel_died=now())
        except OSError as error:  # a full disk, say: the other jobs go on
            return explained(error)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        else:
            os.replace(job.directory / UNFINISHED, job.directory / jobs.REPORT)
            return None
    raise AssertionError("the second attempt returns")


def _papermill(job: jobs.Job) -> None:
    import papermill
    from traitlets.config import Config

    config = Config()
    with tempfile.TemporaryDirectory(prefix="prunelimit-") as sockets:
        # The kernel listens on files, where the system allows it. TCP ports are chosen first and
        # bound later: of many kernels that start at once, one finds its port taken, and hangs.
        if os.name == "posix" and len(os.fsencode(sockets)) <= _LONGEST_SOCKET_FOLDER:
            config.KernelManager.transport = "ipc"
            config.KernelManager.connection_file = os.path.join(sockets, "kernel.json")
        papermill.execute_notebook(
            jobs.template_path(job.notebook),
            jobs.template_path(job.directory / UNFINISHED),
            parameters={**job.parameters, "run_dir": str(job.directory)},
            progress_bar=False,
            start_timeout=_START_SECONDS,
            # Its remarks about transport are nobody's business; errors come as outputs.
            extra_arguments=["--IPKernelApp.log_level=50"],
            cwd=str(job.directory),
            config=config,
        )


def _note(job: jobs.Job, **what: Any) -> None:
    with open(job.directory / jobs.ATTEMPTS, "a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")
