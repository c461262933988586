"""What is to be run, under which name, and whether it is finished."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunelimit.errors import PruneLimitError, shown
from prunelimit.files import write_json
from prunelimit.lab.batch.parameters import CONFIGURED, check_device, configure
from prunelimit.lab.store.keys import Key, code_of, digest_of_file
from prunelimit.lab.store.paths import path_part
from prunelimit.names import require_known

RESULT, REPORT, DONE, ATTEMPTS = "result.json", "report.ipynb", "done.json", "attempts.jsonl"
_PLACES = ("run_dir", "data_root")
"""Parameters that say where things lie: the names of places change nothing."""
_ALWAYS_READ = 1 << 20
_NOTEBOOK = "task.ipynb"


@dataclass(frozen=True)
class Job:
    """One run of a notebook.

    Attributes
    ----------
    directory
        Where it keeps everything; its last part is the job's name.
    notebook
        What is run.
    parameters
        All of the notebook's that are set, except ``run_dir``.
    program
        Of the notebook as it was planned, see `program_of`.
    """

    directory: Path
    notebook: Path
    parameters: Mapping[str, Any]
    program: str

    @property
    def name(self) -> str:
        """Task and hash."""
        return self.directory.name


def default_notebook() -> Path:
    """The notebook that runs any task: an installed package's own, or the repository's.

    Raises
    ------
    PruneLimitError
        If neither is there.
    """
    package = Path(__file__).parent
    repository = package.parents[2] / "notebooks" / "reproduce" / _NOTEBOOK
    for path in (package / _NOTEBOOK, repository):
        if path.is_file():
            return path
    raise PruneLimitError(f"there is no {repository}; name a copy of it with --notebook")


def grid(
    tasks: Sequence[str],
    l1: Sequence[float | None] = (None,),
    seeds: Sequence[int] = (0,),
    **common: Any,
) -> list[dict[str, Any]]:
    """Every combination of task, λ and seed, with the parameters that they have in common.

    Parameters
    ----------
    tasks
        Names; "all" stands for every task, "paper" for the paper's eight.
    l1
        λ; None is the task's own.
    seeds
        See `configure`.

    Raises
    ------
    PruneLimitError
        If there is no task of that name.

    Examples
    --------
    >>> len(grid(["digits-mlp", "digits-cnn"], l1=[0.0, 1e-4], seeds=range(3)))
    12
    """
    from prunelimit.lab.tasks import TASKS

    groups = {"all": list(TASKS), "paper": [n for n, task in TASKS.items() if task.from_paper]}
    names = [name for given in tasks for name in groups.get(given, [given])]
    for name in names:
        require_known("task", name, [*TASKS, *groups])
    return [
        {"task": task, "l1": strength, "seed": seed, **common}
        for task, strength, seed in itertools.product(dict.fromkeys(names), l1, seeds)
    ]


def plan(
    root: str | os.PathLike[str],
    parameter_sets: Iterable[Mapping[str, Any]],
    notebook: str | os.PathLike[str] | None = None,
) -> list[Job]:
    """The jobs that these parameters ask for; nothing is started or written.

    Parameters
    ----------
    root
        Folder of the runs' directories.
    parameter_sets
        One a job; sets that say the same are one job.
    notebook
        With a cell tagged ``parameters``; `default_notebook` if None.

    Raises
    ------
    PruneLimitError
        On a parameter that the notebook does not have, or a value that it cannot use.
    """
    path = Path(notebook or default_notebook()).absolute()
    known, program = notebook_parameters(path), program_of(path)
    jobs: dict[str, Job] = {}
    for given in parameter_sets:
        given = dict(given)
        for name in given:
            require_known("parameter", name, known)
        if given.get("run_dir") is not None:
            raise PruneLimitError(
                "run_dir is for the driver to choose, one a job: name the folder of all with --runs"
            )
        if given.get("data_root") is not None:
            # Jobs run in directories of their own.
            given["data_root"] = str(Path(given["data_root"]).absolute())
        if notebook is None:
            configure(**{k: v for k, v in given.items() if k not in (*_PLACES, "device")})
            check_device(given.get("device", "auto"))
        name = run_name(path, given)
        parameters = {k: v for k, v in given.items() if k != "run_dir"}
        jobs.setdefault(name, Job(Path(root).absolute() / name, path, parameters, program))
    return list(jobs.values())


def notebook_parameters(notebook: str | os.PathLike[str]) -> list[str]:
    """Names in the notebook's cell that is tagged ``parameters``.

    Papermill only logs a parameter that the notebook does not have, and goes on without it.

    Raises
    ------
    PruneLimitError
        If there is no such notebook, it cannot be read, or there is no such cell in it.
    """
    import papermill

    notebook = Path(notebook)
    if not notebook.is_file():
        raise PruneLimitError(f"there is no notebook {notebook}")
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            known = list(papermill.inspect_notebook(template_path(notebook)))
    except Exception as error:  # a file that is no notebook can raise nearly anything
        raise PruneLimitError(
            f"{notebook} cannot be read as a notebook of Python ({shown(str(error))})"
        ) from error
    if not known:
        raise PruneLimitError(f"{notebook} has no cell tagged 'parameters' with values in it")
    return known


def template_path(path: Path) -> str:
    """`path` as papermill wants it: it fills in names between braces.

    Examples
    --------
    >>> template_path(Path("{mine}"))
    '{{mine}}'
    """
    return str(path).replace("{", "{{").replace("}", "}}")


def run_name(notebook: Path, parameters: Mapping[str, Any]) -> str:
    """Task, and what the run's numbers depend on; see `job_key`."""
    # A notebook's own name is a file's already; a task's may come from anywhere.
    title = path_part("task", parameters["task"]) if "task" in parameters else notebook.stem
    return f"{title}-{job_key(notebook, parameters).digest}"


def job_key(notebook: Path, parameters: Mapping[str, Any]) -> Key:
    """What a job's numbers depend on: the notebook's code and what that imports, and what is run.

    Of a task that is known only the entries count that its numbers depend on, so that a note may
    change, and the files of its data; of the code neither comments nor figures do.
    """
    source, values = _code(notebook), {k: v for k, v in parameters.items() if k not in _PLACES}
    try:
        task, measurement = configure(**{k: v for k, v in values.items() if k in CONFIGURED})
    except (PruneLimitError, TypeError):  # they are a notebook's own
        return Key(code_of(source=source), values)
    from prunelimit.lab.data import files_digest

    rest = {k: v for k, v in values.items() if k not in CONFIGURED}
    described = rest | {"task": task.counted(), "measurement": asdict(measurement)}
    code = code_of("prunelimit.lab.task", source=source, leave_out=("prunelimit.lab.tasks",))
    data = files_digest(task.dataset, parameters.get("data_root"))
    return Key(code, described, {} if data is None else {"files": data})


def program_of(notebook: Path) -> str:
    """Digest of the notebook's code and of all of the package that it imports.

    A worker compares it with the driver's. Nothing is imported for it: a worker needs no PyTorch,
    which takes seconds and some 500 MB, beside its kernel's.
    """
    return code_of(source=_code(notebook))


def is_finished(job: Job) -> bool:
    """Whether the job is done and its files are as they were then."""
    return (job.directory / DONE).is_file() and not damaged_files(job)


def stored_files(directory: Path) -> frozenset[tuple[str, int, int]]:
    """What a job has stored so far: names, sizes and times, but for the report in the making."""
    found = set()
    for path in _kept_files(directory):
        if path.parent != directory or path.suffix != ".ipynb":
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.add((str(path), status.st_size, status.st_mtime_ns))
    return frozenset(found)


def mark_finished(job: Job, seconds: float) -> None:
    """Write down what there is, so that a later change is noticed."""
    files = {}
    for path in _kept_files(job.directory):
        status = path.stat()
        name = path.relative_to(job.directory).as_posix()
        files[name] = [status.st_size, status.st_mtime_ns, digest_of_file(path)]
    write_json(job.directory / DONE, {"seconds": seconds, "files": files})


def damaged_files(job: Job) -> list[str]:
    """Files of a finished job that are gone or changed; `DONE` itself if it is unreadable."""
    try:
        record = json.loads((job.directory / DONE).read_text(encoding="utf-8"))["files"]
        return [name for name, known in record.items() if _changed(job.directory / name, known)]
    except (OSError, ValueError, KeyError, TypeError):
        return [DONE]


def discard_damaged(job: Job) -> None:
    """Remove what is damaged, and what was made from it, so that it is made again."""
    if not (job.directory / DONE).exists():
        return
    damaged = damaged_files(job)
    (job.directory / DONE).unlink()
    if any(name.startswith("training/") for name in damaged):
        # All that was measured was measured on that training.
        for entry in job.directory.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif not entry.name.startswith(".") and entry.name != ATTEMPTS:
                entry.unlink()
    for name in damaged:
        (job.directory / name).unlink(missing_ok=True)


def _code(notebook: Path) -> str:
    """The code cells as one program; lines for IPython alone become text that is kept."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    lines = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code").split("\n")
    return "\n".join(_MAGIC.sub(lambda m: f"{m[1]}_ = {m[2]!r}", line) for line in lines)


_MAGIC = re.compile(r"^(\s*)([%!].*)$")


def _kept_files(directory: Path) -> list[Path]:
    """All but locks and temporaries, and the records of this module."""
    return [
        path
        for path in sorted(directory.rglob("*"))
        if path.is_file()
        and path.name not in (DONE, ATTEMPTS)
        and not any(part.startswith(".") for part in path.relative_to(directory).parts)
    ]


def _changed(path: Path, known: Sequence[Any]) -> bool:
    size, modified, digest = known
    if not path.is_file() or path.stat().st_size != size:
        return True
    if size > _ALWAYS_READ and path.stat().st_mtime_ns == modified:
        return False  # reading every checkpoint of a large grid would take minutes
    return digest_of_file(path) != digest
