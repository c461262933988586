"""Fingerprints of what a step reads: a step is redone when its fingerprint changes."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from prunelimit.files import write_bytes

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "_build"

# Results of the chapters depend on these; the rest of the environment only draws and formats.
_NUMERICAL = ("anywidget", "matplotlib", "numpy", "scikit-learn", "scipy", "torch", "torchvision")
# Switches by which the libraries take another processor's arithmetic, where they are set.
_KERNELS = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
_NOISE = {"__pycache__", ".ipynb_checkpoints", ".DS_Store"}


def files_below(*places: Path) -> Iterator[Path]:
    """Yield the files in `places` (files or folders) in sorted order, caches left out."""
    for place in places:
        found = [place] if place.is_file() else sorted(place.rglob("*"))
        yield from (p for p in found if p.is_file() and not _NOISE.intersection(p.parts))


def digest(*parts: str | bytes) -> str:
    """Return a fingerprint of `parts`, in order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def digest_of_files(paths: Iterable[Path]) -> str:
    """Return a fingerprint of the names and contents of `paths`."""
    return digest(*(part for p in paths for part in (str(p), p.read_bytes())))


def environment() -> str:
    """Return the versions and the switches that results depend on."""
    versions = [f"python {platform.python_version()}"]
    versions += [f"{name} {metadata.version(name)}" for name in _NUMERICAL]
    versions += [f"{name} {os.environ[name]}" for name in _KERNELS if os.environ.get(name)]
    return ", ".join(versions)


def write_if_different(path: Path, data: str | bytes) -> bool:
    """Write `data` to `path` unless it holds just that (its date then stays); say if written."""
    data = data.encode() if isinstance(data, str) else data
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data)
    return True


def read_json(path: Path) -> dict[str, Any]:
    """Return what `path` holds, or an empty dict where it is missing or unreadable."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
