"""Where a number comes from: versions, machine, seed, command, time and memory."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from prunelimit import __version__
from prunelimit.lab.store.locks import now
from prunelimit.network.device import resolve_device
from prunelimit.results.parts import Machine, Provenance

_PACKAGES = ("numpy", "scipy", "torch", "torchvision", "scikit-learn")


def describe_run(
    device: torch.device, command: str | None = None, processes: int = 1
) -> Provenance:
    """Versions, machine, code and command of this process.

    Parameters
    ----------
    device
        On which it computes.
    command
        That made it; None is this process's own, see `own_command`.
    processes
        That share the work.

    Examples
    --------
    >>> describe_run(torch.device("cpu")).prunelimit == __version__
    True
    """
    device_name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Provenance(
        prunelimit=__version__,
        code=code_version(),
        python=platform.python_version(),
        packages={name: importlib.metadata.version(name) for name in _PACKAGES},
        machine=Machine(_processor(), os.cpu_count(), torch.get_num_threads(), device_name),
        command=command or own_command(),
        finished=now(),
        processes=processes,
    )


def module_command(module: str, arguments: Sequence[str] | None = None) -> str:
    """The command line that runs a module with `arguments`; None are this process's own.

    Examples
    --------
    >>> module_command("prunelimit.lab.studies.existence", ["--output", "a b.json"])
    "python -m prunelimit.lab.studies.existence --output 'a b.json'"
    """
    return _typed("python", "-m", module, *(sys.argv[1:] if arguments is None else arguments))


def own_command() -> str:
    """What was typed to start this process: ``prunelimit …``, a module's command or a script's.

    An absolute path is written from the folder of work on, or where it lies elsewhere as its name
    behind "…/": where a file was on one machine says nothing on another.
    """
    specification = getattr(sys.modules["__main__"], "__spec__", None)
    module = specification.name.removesuffix(".__main__") if specification else ""
    program = Path(sys.argv[0]).name
    if module == "prunelimit" or program == "prunelimit":
        return _typed("prunelimit", *sys.argv[1:])
    return module_command(module) if module else _typed("python", program, *sys.argv[1:])


def _typed(*words: str) -> str:
    return shlex.join(_anywhere(word) for word in words)


def _anywhere(word: str) -> str:
    option, equals, value = word.rpartition("=") if word.startswith("-") else ("", "", word)
    path = Path(value)
    if not path.is_absolute():
        return word
    near = path.is_relative_to(Path.cwd())
    return option + equals + str(path.relative_to(Path.cwd()) if near else Path("…", path.name))


def describe_module(
    module: str, arguments: Sequence[str] | None = None, device: str = "cpu"
) -> Provenance:
    """`describe_run` of a process that runs a module (see `module_command`)."""
    return describe_run(resolve_device(device), module_command(module, arguments))


def code_version() -> str | None:
    """Commit of the checkout the package runs from, "+" for changed files; None if there is none.

    Examples
    --------
    >>> version = code_version()
    >>> version is None or len(version) >= 7
    True
    """
    package = Path(__file__).parents[2]
    try:
        commit = _git(package, "rev-parse", "--short=12", "HEAD")
        changed = _git(package, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    named = re.search("^model name.*?:(.*)$", info.read_text() if info.exists() else "", re.M)
    return named[1].strip() if named else platform.processor() or platform.machine()


@dataclass
class Spent:
    """Wall time and peak memory so far; see `prunelimit.results.parts.Cost`."""

    seconds: float = 0.0
    peak_bytes: int | None = None


@contextmanager
def measured(device: torch.device) -> Iterator[Spent]:
    """Measure what the body costs.

    Examples
    --------
    >>> with measured(torch.device("cpu")) as cost:
    ...     _ = sum(range(1000))
    >>> cost.seconds > 0
    True
    """
    cost, process = Spent(), Path("/proc/self")
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # Linux: writing 5 resets the process's high-water mark.
            (process / "clear_refs").write_text("5")
    began = time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - began
        if on_gpu:
            cost.peak_bytes = torch.cuda.max_memory_allocated(device)
        else:
            with suppress(OSError):
                rows = (process / "status").read_text().splitlines()
                peaks = [row.split()[1] for row in rows if row.startswith("VmHWM")]
                cost.peak_bytes = 1024 * int(peaks[0]) if peaks else None
