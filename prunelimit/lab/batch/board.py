"""What a person sees of a batch while it runs: the whole, and each job."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.progress import TaskID

from prunelimit.errors import PruneLimitError
from prunelimit.lab.batch.jobs import Job
from prunelimit.lab.batch.worker import Outcome
from prunelimit.names import printable
from prunelimit.progress import bars, is_shown

_SILENT_SECONDS = 30.0
"""So long may nothing run before it is said, and until it is said again."""
_STAGES = {
    "finetune": "writing the report",
    "refit": "fine-tuning under masks",
    "sweep": "re-fitting survivors",
    "prediction": "sweeping sparsities",
}
"""A stage that is stored, to what comes after it; the last first."""


class Board:
    """Bars on a terminal, lines in a log; see `run_batch`."""

    def __init__(self, jobs: int, finished: int, enabled: bool | None) -> None:
        self._jobs, self._finished, self._failed = jobs, finished, 0
        self._silent = enabled is False
        self._bars = is_shown(enabled)
        self._progress = bars(self._bars)
        self._total = self._progress.add_task("all jobs", total=jobs, completed=finished, remark="")
        self._shown: dict[str, TaskID] = {}
        self._said: dict[str, str] = {}
        self._remarked: dict[str, float] = {}
        self._idle_since: float | None = None

    def __enter__(self) -> Board:
        """Show it."""
        self._progress.start()
        if self._finished:
            self._say(f"{self._finished} of {self._jobs} jobs are finished already")
        return self

    def __exit__(self, *failure: object) -> None:
        """Take it away."""
        self._progress.stop()

    def show(self, running: Sequence[Job], workers: int) -> None:
        """Where each of the `running` jobs is; that none is, if it lasts."""
        self._idle(bool(running), workers)
        remark = f"{workers} workers" + (f", {self._failed} failed" if self._failed else "")
        self._progress.update(self._total, remark=remark)
        for name in set(self._shown) - {job.name for job in running}:
            self._progress.remove_task(self._shown.pop(name))
        for job in running:
            stage, done, total = stage_of(job.directory)
            if job.name not in self._shown:
                self._shown[job.name] = self._progress.add_task(job.name, total=None, remark="")
            self._progress.update(self._shown[job.name], completed=done, total=total, remark=stage)
            if self._said.get(job.name) != stage:
                self._said[job.name] = stage
                self._log(f"{job.name}: {stage}")

    def remark(self, line: str) -> None:
        """Say `line`; the same one again only after a while."""
        now = time.monotonic()
        if now - self._remarked.get(line, float("-inf")) >= _SILENT_SECONDS:
            self._remarked[line] = now
            self._say(line)

    def _idle(self, running: bool, workers: int) -> None:
        if running:
            self._idle_since = None
            return
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        if now - self._idle_since >= _SILENT_SECONDS:
            self._idle_since = now
            there = f"{workers} workers are there" if workers else "no worker is there"
            self._say(f"nothing has run for {_SILENT_SECONDS:.0f} s: {there}")

    def wait_for(self, job: Job, outcome: Outcome) -> None:
        """Say, once, that another driver has `job`."""
        if self._said.get(job.name) != "elsewhere":
            self._said[job.name] = "elsewhere"
            # What to do about it is for who has to choose; a batch waits.
            self._say(f"{job.name}: {outcome.message.partition(';')[0]}; this one waits for it")

    def finish(self, job: Job, outcome: Outcome) -> None:
        """Count `job`, and name what failed."""
        self._finished += 1
        self._failed += outcome.status == "failed"
        self._progress.update(self._total, completed=self._finished)
        if job.name in self._shown:
            self._progress.remove_task(self._shown.pop(job.name))
        ends = {"failed": f"failed: {outcome.message}", "done": f"done in {outcome.seconds:.0f} s"}
        what = ends.get(outcome.status, "was done by another driver")
        self._say(f"{self._finished}/{self._jobs} {job.name}: {what}")

    def _say(self, line: str) -> None:
        if self._bars:
            self._progress.console.print(printable(line), markup=False, highlight=False)
        else:
            self._log(line)

    def _log(self, line: str) -> None:
        if not (self._silent or self._bars):
            print(printable(line), file=sys.stderr, flush=True)


def stage_of(directory: Path) -> tuple[str, float, float | None]:
    """What the job in `directory` is at: words, and (in training) epochs done of how many.

    Examples
    --------
    >>> stage_of(Path("nowhere"))
    ('starting', 0, None)
    """
    for stage, after in _STAGES.items():
        if (directory / "stages" / f"{stage}.json").exists():
            return after, 0, None
    from prunelimit.lab.training import epochs_of

    try:
        done, total = epochs_of(directory / "training")
    except PruneLimitError:
        return "starting", 0, None
    return ("training", done, total) if done < total else ("measuring the spectrum", 0, None)
