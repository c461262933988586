"""The driver: hands jobs to workers, watches them, and sums up at the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prunelimit.files import prepare_folder
from prunelimit.lab.batch.board import Board
from prunelimit.lab.batch.clusters import Pool, Workers
from prunelimit.lab.batch.jobs import Job, is_finished, stored_files
from prunelimit.lab.batch.summary import Summary, summarise
from prunelimit.lab.batch.worker import Outcome, execute

if TYPE_CHECKING:
    from distributed import Future

_POLL_SECONDS = 0.2
_LOOK_SECONDS = 1.0
_ASK_AGAIN_SECONDS = 5.0
_MOST_DEATHS = 3
_GONE = "the scheduler went away, or the job was cancelled there"


def run_batch(
    jobs: Sequence[Job], workers: Workers | None = None, progress: bool | None = None
) -> Summary:
    """Run all `jobs` that are not finished, and write a summary beside their directories.

    A job that fails, or whose worker dies, leaves the others alone; a worker's death is made good
    by running the job on another, from its last epoch on. Calling again (after a failure, or after
    this process was killed) does only what is left. A job that another driver is running is not
    run twice: this one waits for it.

    Parameters
    ----------
    jobs
        From `plan`.
    workers
        See `Workers`.
    progress
        Bars on stderr; False is silent; None shows bars on a terminal and lines elsewhere.

    Returns
    -------
    Summary
        One row a job, in the order of `jobs`.

    Raises
    ------
    PruneLimitError
        If the runs' folder cannot be written, or no workers are to be had.
    """
    for root in {job.directory.parent for job in jobs}:
        prepare_folder(root)
    outcomes = {job.name: Outcome("kept") for job in jobs if is_finished(job)}
    todo = [job for job in jobs if job.name not in outcomes]
    with Board(len(jobs), len(outcomes), progress) as board:
        if todo:
            with (workers or Workers()).connect(len(todo), todo[0].directory.parent) as pool:
                outcomes |= _Watch(pool, board).run(todo)
    return summarise(jobs, outcomes)


@dataclass
class _Watch:
    """The jobs that wait, those that workers have, and those that another driver has.

    No more are handed out than workers can take: what waits at a worker dies with it, and Dask
    takes them in an order of its own.
    """

    pool: Pool
    board: Board
    waiting: deque[Job] = field(default_factory=deque)
    running: dict[Future, Job] = field(default_factory=dict)
    elsewhere: list[tuple[float, Job]] = field(default_factory=list)
    deaths: dict[str, Deaths] = field(default_factory=dict)
    looked: float = 0.0
    submitted: int = 0

    def run(self, jobs: Sequence[Job]) -> dict[str, Outcome]:
        """Until every job has an outcome."""
        outcomes: dict[str, Outcome] = {}
        self.waiting.extend(jobs)
        try:
            while self.waiting or self.running or self.elsewhere:
                self._hand_out()
                for future in [future for future in self.running if future.done()]:
                    self._take(future, outcomes)
                if self.pool.client.status == "closed":
                    outcomes |= self._lost()
                else:
                    left = len(self.waiting) + len(self.running) + len(self.elsewhere)
                    for remark in self.pool.tend(left):
                        self.board.remark(remark)
                self._ask_again()
                self._look()
                time.sleep(_POLL_SECONDS)
        finally:
            if self.running and self.pool.client.status != "closed":
                self.pool.client.cancel(list(self.running))
        return outcomes

    def _take(self, future: Future, outcomes: dict[str, Outcome]) -> None:
        """What has become of a job that no worker has any more."""
        job = self.running.pop(future)
        outcome = _outcome(future)
        # Dask would run it again if the worker that holds its outcome died.
        future.release()
        if outcome.status == "busy":
            self.board.wait_for(job, outcome)
            self.elsewhere.append((time.monotonic() + _ASK_AGAIN_SECONDS, job))
        elif outcome.status == "lost" and self.deaths.setdefault(job.name, Deaths()).another(job):
            self.board.remark(f"{job.name}: its worker died; it goes on with another")
            self.waiting.appendleft(job)  # it has begun: before those that only wait
        else:
            if outcome.status == "lost":
                outcome = Outcome("failed", outcome.message)
            outcomes[job.name] = outcome
            self.board.finish(job, outcome)

    def _hand_out(self) -> None:
        if not self.waiting:
            return
        try:
            free = sum(self.pool.client.nthreads().values()) - len(self.running)
        except Exception:  # a scheduler that is gone shows in the client's status
            return
        for _ in range(min(free, len(self.waiting))):
            job = self.waiting.popleft()
            # A key of its own each time: Dask would hand back the result of the first.
            self.submitted += 1
            key = f"{job.name}-{self.submitted}"
            self.running[self.pool.client.submit(execute, job, key=key, pure=False)] = job

    def _lost(self) -> dict[str, Outcome]:
        """What becomes of the jobs that no worker has, without a scheduler."""
        jobs = [*self.waiting, *(job for _, job in self.elsewhere)]
        self.waiting.clear()
        self.elsewhere.clear()
        outcome = Outcome("failed", _GONE)
        for job in jobs:
            self.board.finish(job, outcome)
        return {job.name: outcome for job in jobs}

    def _ask_again(self) -> None:
        now = time.monotonic()
        for moment, job in [pair for pair in self.elsewhere if pair[0] <= now]:
            self.elsewhere.remove((moment, job))
            self.waiting.append(job)

    def _look(self) -> None:
        if time.monotonic() - self.looked < _LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        try:
            given = self.pool.client.processing()
        except Exception:  # a scheduler that is gone shows in the futures
            return
        keys = {str(key) for held in given.values() for key in held}
        self.board.show([j for f, j in self.running.items() if str(f.key) in keys], len(given))


@dataclass
class Deaths:
    """How often a job's worker died since the job last got further.

    A walltime may end a long job's worker many times, and each time the job goes on from what it
    has stored; a job that kills its worker gets no further.
    """

    count: int = 0
    stored: frozenset[tuple[str, int, int]] = frozenset()

    def another(self, job: Job) -> bool:
        """Count one; whether the job is worth another worker."""
        stored = stored_files(job.directory)
        self.count = 1 if stored != self.stored else self.count + 1
        self.stored = stored
        return self.count < _MOST_DEATHS


def _outcome(future: Future) -> Outcome:
    if future.status == "finished":
        return future.result()
    if future.status == "cancelled":
        return Outcome("failed", _GONE)
    error: Any = future.exception()
    if type(error).__name__ == "KilledWorker":
        return Outcome("lost", f"{_MOST_DEATHS} workers that took it died, without getting further")
    return Outcome("failed", f"{type(error).__name__}: {error}")
