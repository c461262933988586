"""Run notebooks side by side, and keep their outputs until something they read changes.

A notebook is run again when its code, a module of the package that it loaded, a file that lies
beside such a module (a widget's JavaScript), a committed result or a version of a numerical library
changes. Prose may change freely. A failure is never kept, so it fails every build.
"""

from __future__ import annotations

import copy
import json
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from book.tools.content import (
    BUILD,
    ROOT,
    digest,
    digest_of_files,
    environment,
    files_below,
    read_json,
    write_if_different,
)

PACKAGE = ROOT / "prunelimit"
RESULTS = ROOT / "book" / "results"
STORE = BUILD / "executed"
CELL_TIMEOUT_S = 600


class NotebookFailed(Exception):
    """A notebook raised; the message shows the cell and the error."""


@dataclass(frozen=True)
class Executed:
    """The outputs of a notebook's code cells, and what they were made from."""

    code: str
    environment: str
    dependencies: dict[str, str]
    seconds: float
    outputs: list[Any]
    widgets: dict[str, Any]


def code_digest(notebook: NotebookNode) -> str:
    """Return a fingerprint of what is executed: sources and tags of the code cells, in order."""
    cells = [
        [c.source, c.metadata.get("tags", [])] for c in notebook.cells if c.cell_type == "code"
    ]
    return digest(json.dumps(cells))


def execute_all(
    notebooks: dict[Path, NotebookNode], workers: int, say: Callable[[str], None] = print
) -> dict[Path, Executed]:
    """Return the outputs of `notebooks` (source path → content), running only what changed.

    Raises
    ------
    NotebookFailed
        One or more notebooks raised. All of them are run first, so one build shows every failure.
    """
    now = environment()
    done = {path: kept for path, nb in notebooks.items() if (kept := load(path, nb, now))}
    todo = [path for path in notebooks if path not in done]
    # The longest first, by what they took last time, so that no worker waits at the end.
    todo.sort(key=lambda p: -read_json(_record(p)).get("seconds", 1e9))
    failures = []
    # Threads: the work is done in the kernels. A pool of processes asks for locks in /dev/shm, and
    # an ordinary user of a container may have none.
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        jobs = {pool.submit(_execute, path, notebooks[path], now): path for path in todo}
        for job in as_completed(jobs):
            path = jobs[job]
            try:
                done[path] = job.result()
            except NotebookFailed as failure:
                failures.append(str(failure))
                continue
            write_if_different(_record(path), json.dumps(asdict(done[path])))
            say(f"  ran {path.relative_to(ROOT)} in {done[path].seconds:.0f} s")
    if failures:
        raise NotebookFailed("\n\n".join(failures))
    return done


def load(path: Path, notebook: NotebookNode, environment_now: str) -> Executed | None:
    """Return the kept outputs of the notebook at `path`, or None where a run is needed."""
    record = read_json(_record(path))
    if not record:
        return None
    kept = Executed(**record)
    # What a new run would see: the same code, files and versions.
    current = (
        kept.code == code_digest(notebook)
        and kept.environment == environment_now
        and kept.dependencies == _fingerprints(list(kept.dependencies))
    )
    return kept if current else None


def with_outputs(notebook: NotebookNode, executed: Executed) -> NotebookNode:
    """Return a copy of `notebook` whose code cells show the outputs of `executed`."""
    shown = copy.deepcopy(notebook)
    code_cells = [c for c in shown.cells if c.cell_type == "code"]
    numbered = enumerate(zip(code_cells, executed.outputs, strict=True), start=1)
    for number, (cell, outputs) in numbered:
        cell.outputs = _joined([nbformat.from_dict(o) for o in outputs])
        # nbval takes a cell without a number for one that was never run.
        cell.execution_count = number
    shown.metadata.pop("widgets", None)
    if executed.widgets:
        shown.metadata["widgets"] = nbformat.from_dict(executed.widgets)
    return shown


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return `outputs` with what was printed in one go in one piece, however it arrived."""
    kept: list[NotebookNode] = []
    for output in outputs:
        last = kept[-1] if kept else {}
        if output.output_type == "stream" and output.name == last.get("name"):
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def _record(path: Path) -> Path:
    name = "-".join(path.relative_to(ROOT).with_suffix("").parts)
    return STORE / f"{name}.json"


def _fingerprints(names: list[str]) -> dict[str, str]:
    # What is not there counts, too: it may come.
    return {n: digest_of_files(files_below(ROOT / n)) for n in names}


def _dependencies(loaded: list[str]) -> dict[str, str]:
    modules = {Path(f) for f in loaded}
    folders = {m.parent for m in modules}
    beside = {p for d in folders for p in d.iterdir() if p.is_file() and p.suffix != ".py"}
    names = [str(p.relative_to(ROOT)) for p in sorted(modules | beside)]
    return _fingerprints([*names, str(RESULTS.relative_to(ROOT))])


def _ask_what_was_loaded() -> str:
    """Return the code of a last cell, taken out again: which modules of ours are loaded?"""
    return f"""
import json as _json, sys as _sys
print(_json.dumps(sorted(
    f for f in (getattr(m, "__file__", None) for m in list(_sys.modules.values()))
    if f and f.startswith({str(PACKAGE)!r}))))
"""


def _execute(path: Path, notebook: NotebookNode, environment_now: str) -> Executed:
    run = copy.deepcopy(notebook)
    for cell in run.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    run.metadata.pop("widgets", None)
    run.cells.append(nbformat.v4.new_code_cell(_ask_what_was_loaded()))
    client = NotebookClient(
        run,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        # Its remarks about transport are not the reader's business; errors come as outputs.
        extra_arguments=["--IPKernelApp.log_level=40"],
    )
    started = time.perf_counter()
    try:
        client.execute(env={**os.environ, "PYTHONHASHSEED": "0"})
    except CellExecutionError:
        raise NotebookFailed(_explain(path, run)) from None
    except (CellTimeoutError, DeadKernelError) as error:
        raise NotebookFailed(f"{path.relative_to(ROOT)}: {error}") from None
    seconds = time.perf_counter() - started
    loaded = json.loads(run.cells.pop().outputs[0]["text"])
    return Executed(
        code=code_digest(notebook),
        environment=environment_now,
        dependencies=_dependencies(loaded),
        seconds=round(seconds, 1),
        outputs=[c.outputs for c in run.cells if c.cell_type == "code"],
        widgets=run.metadata.get("widgets", {}),
    )


def _explain(path: Path, run: NotebookNode) -> str:
    number, source, error = next(
        (i, c.source, o)
        for i, c in enumerate(run.cells)
        if c.cell_type == "code"
        for o in c.outputs
        if o.output_type == "error"
    )
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    tail = "\n".join(plain.strip().splitlines()[-25:])
    return (
        f"{path.relative_to(ROOT)}: cell {number + 1} failed.\n"
        f"----- the cell\n{source}\n----- the error\n{tail}"
    )
