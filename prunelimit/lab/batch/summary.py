"""What came out of a batch: a table for programs, a page for people, failures by name."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunelimit.errors import PruneLimitError
from prunelimit.files import write_text
from prunelimit.lab.batch.jobs import REPORT, RESULT, Job, default_notebook
from prunelimit.lab.batch.parameters import command
from prunelimit.lab.batch.worker import UNFINISHED, Outcome
from prunelimit.names import printable

TABLE, PAGE = "summary.csv", "summary.html"


@dataclass(frozen=True)
class Summary:
    """One row a job.

    Attributes
    ----------
    rows
        What the CSV holds.
    root
        Where summary and runs are.
    """

    rows: list[dict[str, Any]]
    root: Path

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The rows of what failed."""
        return [row for row in self.rows if row["status"] == "failed"]

    def text(self) -> str:
        """A line a job for a terminal, failures last, and where the rest is."""
        good = [row for row in self.rows if row["status"] != "failed"]
        lines = [_line(row) for row in good]
        lines += [f"{row['name']}  failed: {row['message']}" for row in self.failures]
        lines.append(f"{len(good)} of {len(self.rows)} jobs are done; {self.page}, {self.table}")
        return "\n".join(printable(line) for line in lines)

    @property
    def table(self) -> Path:
        """The CSV."""
        return self.root / TABLE

    @property
    def page(self) -> Path:
        """The HTML page."""
        return self.root / PAGE


def summarise(jobs: Sequence[Job], outcomes: Mapping[str, Outcome]) -> Summary:
    """Write ``summary.csv`` and ``summary.html`` beside the jobs' directories.

    Raises
    ------
    PruneLimitError
        If there are no jobs, or the files cannot be written.
    """
    import pandas as pd

    if not jobs:
        raise PruneLimitError("there are no jobs: name at least one task")
    rows = [_row(job, outcomes[job.name]) for job in jobs]
    summary = Summary(rows, jobs[0].directory.parent)
    try:
        summary.root.mkdir(parents=True, exist_ok=True)
        write_text(summary.table, pd.DataFrame(rows).to_csv(index=False))
        write_text(summary.page, _page(summary, jobs))
    except OSError as error:
        raise PruneLimitError(
            f"the summary cannot be written ({error}); make room, or --runs another folder. What "
            "is finished stays so"
        ) from error
    return summary


def _line(row: Mapping[str, Any]) -> str:
    if "predicted_paper" not in row:
        return f"{row['name']}  {row['status']}  {row['message']}".rstrip()
    return (
        f"{row['name']}  l1 {row['l1']:g}  seed {row['seed']}  "
        f"paper {row['predicted_paper']:.4f}  sharp {row['predicted_sharp']:.4f}  "
        f"measured {row['measured_real_existence']:.4f} (real), "
        f"{row['measured_quadratic_existence']:.4f} (quadratic), "
        f"{row['measured_one_shot']:.4f} (one-shot)"
    )


def _row(job: Job, outcome: Outcome) -> dict[str, Any]:
    given = {k: _plain(v) for k, v in job.parameters.items() if k != "data_root"}
    row = {"name": job.name, **given, "status": outcome.status, "message": outcome.message}
    if outcome.status == "failed":
        return row
    from prunelimit.results.overview import Overview
    from prunelimit.results.result import Result

    try:
        found = Overview.of(Result.load(job.directory / RESULT))
        return row | {n: v for n, v in found.columns().items() if n not in _NOT_SHOWN}
    except PruneLimitError:
        # A notebook of the user's own writes what it likes.
        return row | {"message": f"no numbers: {RESULT} is absent or no result of a task"}


_NOT_SHOWN = ("name", "examples", "train_accuracy", "delta_accuracy")


def _plain(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


_BEFORE = {"λ": "l1", "seed": "seed"}
_BEHIND = {
    "epochs": "epochs",
    "weights": "weights",
    "ε": "epsilon",
    "dense accuracy": "dense_test_accuracy",
    "compute (s)": "compute_seconds",
}
_QUESTIONS = {
    "one-shot": ("predicted_one_shot", "measured_one_shot", "delta_one_shot"),
    "quadratic existence (sharp limit)": (
        "predicted_sharp",
        "measured_quadratic_existence",
        "delta_sharp",
    ),
    "real existence (paper's limit)": ("predicted_paper", "measured_real_existence", "delta_paper"),
}


def _page(summary: Summary, jobs: Sequence[Job]) -> str:
    from jinja2 import Environment, PackageLoader

    # Everything that a name, a message or a notebook's result says is escaped there.
    pages = Environment(
        loader=PackageLoader("prunelimit.lab.batch", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["shown"] = _shown
    return pages.get_template("summary.html.jinja").render(
        jobs=[(row, *_source(row, job)) for row, job in zip(summary.rows, jobs, strict=True)],
        failed=len(summary.failures),
        table=TABLE,
        before=_BEFORE,
        questions=_QUESTIONS,
        behind=_BEHIND,
    )


def _source(row: Mapping[str, Any], job: Job) -> tuple[str, str, str]:
    """A job's title, its notebook from the page on, if there is one, and its command."""
    failed = row["status"] == "failed"
    there = not failed or (job.directory / UNFINISHED).exists()
    notebook = f"{job.name}/{UNFINISHED if failed else REPORT}" if there else ""
    return str(job.parameters.get("task", job.name)), notebook, _command(job)


def _shown(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return "–"
    if isinstance(value, float):
        if name.startswith("delta"):
            return f"{value:+.4f}"
        if name.endswith("accuracy") or name.startswith(("predicted", "measured")):
            return f"{value:.4f}"
        return f"{value:.0f}" if name.endswith("seconds") else f"{value:.4g}"
    return f"{value:,}" if name == "weights" and isinstance(value, int) else str(value)


def _command(job: Job) -> str:
    if "task" not in job.parameters:
        return job.notebook.name
    typed = f"{command(job.parameters)} --runs {shlex.quote(str(job.directory.parent))}"
    if job.parameters.get("data_root") is not None:
        typed += f" --data-root {shlex.quote(str(job.parameters['data_root']))}"
    with contextlib.suppress(PruneLimitError):  # none stands beside a package that was only copied
        if job.notebook == default_notebook():
            return typed
    return f"{typed} --notebook {shlex.quote(str(job.notebook))}"
