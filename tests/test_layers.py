"""Who may import whom: the contracts of pyproject.toml hold, and each of them can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINTER = Path(sys.executable).with_name("lint-imports")


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of ``root/pyproject.toml`` on the package in ``root``."""
    return subprocess.run(
        [LINTER, "--no-cache"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(ROOT / "prunelimit", root / "prunelimit", ignore=lambda *_: ["__pycache__"])
    return root


def test_the_package_keeps_its_contracts() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("predict.py", "from prunelimit.lab import data", "stands after it"),
        ("geometry/recovery.py", "from prunelimit.spectrum import krylov", "stands after it"),
        ("report.py", "from prunelimit.lab.experiment import run_task", "stands after it"),
        ("new.py", '"""A module without a place."""', "new"),
        ("limit/distance.py", "from prunelimit.limit import solve", "no circles"),
        ("limit/measure.py", "import torch", "neither torch"),
        ("spectrum/krylov.py", "from prunelimit import files", "no files"),
        ("pruning/masks.py", "import matplotlib.pyplot", "no figures"),
    ],
)
def test_a_wrong_import_is_found(copied: Path, module: str, line: str, broken: str) -> None:
    path = copied / "prunelimit" / module
    before = path.read_text() if path.exists() else None
    path.write_text((before or "") + f"\n{line}\n")
    try:
        done = lint(copied)
    finally:
        path.unlink() if before is None else path.write_text(before)
    assert done.returncode != 0
    assert broken in done.stdout


def test_the_book_names_every_room() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = settings["contracts"][0]["layers"]
    page = (ROOT / "book/making.md").read_text("utf-8")
    rooms = {name for layer in layers for name in layer.split(" | ") if not name.startswith("(")}
    assert [room for room in sorted(rooms) if room not in page] == []
