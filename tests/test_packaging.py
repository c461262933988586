"""What is shipped: versions stated once, and archives that carry all that the package needs."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

from book.tools.content import ROOT, files_below
from prunelimit.lab import batch

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CI_SCRIPT = ROOT / ".ci" / "run"
PACKAGE_FILES = {
    str(p.relative_to(ROOT)) for p in files_below(ROOT / "prunelimit") if p.suffix != ".pyc"
}


def test_conda_and_binder_get_their_versions_from_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *plain, through_pip = environment["dependencies"]
    assert plain == [f"python{PROJECT['requires-python']}", "pip"]
    extras = re.fullmatch(r"-e \.\[(.*)\]", through_pip["pip"][0])[1].split(",")
    assert len(through_pip["pip"]) == 1
    assert set(extras) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("name", ["matplotlib", "mypy", "numpy", "rich", "ruff", "torch", "typer"])
def test_what_lint_finds_does_not_depend_on_the_day_of_the_install(name):
    tools = [Requirement(r) for r in PROJECT["optional-dependencies"]["test"]]
    (found,) = [r for r in tools if r.name == name]
    assert "<" in {s.operator for s in found.specifier}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return zipfile.ZipFile(path)


def test_the_wheel_carries_every_file_of_the_package(wheel):
    names = set(wheel.namelist())
    assert names >= PACKAGE_FILES
    assert "prunelimit/py.typed" in names
    assert not any(n.startswith(("tests/", "book/", "notebooks/")) for n in names)


def test_an_installed_package_finds_the_notebook_that_it_runs(wheel, tmp_path):
    wheel.extractall(tmp_path)
    code = (
        "from prunelimit.lab import batch; print(batch.plan('runs', [{'task': 'digits-mlp'}])[0])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"{tmp_path}/prunelimit/lab/batch/task.ipynb" in said
    # The same run has the same name, whether the package is installed or a checkout.
    assert batch.plan("runs", [{"task": "digits-mlp"}])[0].name in said


def test_the_wheel_brings_the_command(wheel):
    (points,) = [n for n in wheel.namelist() if n.endswith("entry_points.txt")]
    assert "prunelimit = prunelimit.lab.cli:main" in wheel.read(points).decode()


def test_the_source_archive_carries_package_and_licence(tmp_path):
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(path) as archive:
        names = {n.split("/", 1)[1] for n in archive.getnames() if "/" in n}
        archive.extractall(tmp_path, filter="data")
    assert names >= PACKAGE_FILES
    unpacked = Path(path.removesuffix(".tar.gz"))
    (path,) = WheelBuilder(str(unpacked)).build(directory=str(tmp_path), versions=["standard"])
    assert "prunelimit/lab/batch/task.ipynb" in zipfile.ZipFile(path).namelist()
    assert {"LICENSE", "README.md", "pyproject.toml", "CITATION.cff"} <= names


def test_jupyterlab_takes_what_the_notebooks_are_shown_with():
    asked = [sys.executable, "-m", "jupyter", "labextension", "list"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    told = re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)
    for name in ("jupyterlab-myst", "anywidget", "@jupyter-widgets/jupyterlab-manager"):
        assert re.search(rf"{name} v\S+ +enabled +OK", told), told


def test_what_ci_runs_is_a_script_that_bash_can_read():
    subprocess.run(["bash", "-n", str(CI_SCRIPT)], check=True)
    assert CI_SCRIPT.stat().st_mode & 0o111
    lines = [line.strip() for line in CI_SCRIPT.read_text().splitlines()]
    assert "set -euo pipefail" in lines
    assert lines.index("make book") < lines.index("make test") < lines.index("make kernels")


@pytest.mark.parametrize("where", ["nowhere", "on the path", "with pyenv", "without venv"])
def test_ci_finds_another_python_where_there_is_one(tmp_path, where):
    ours = sys.version_info[1]
    version = "3.13" if ours != 13 else "3.12"
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    places = {
        "on the path": tmp_path / "bin" / f"python{version}",
        "without venv": tmp_path / "bin" / f"python{version}",
        "with pyenv": tmp_path / ".pyenv" / "versions" / f"{version}.7" / "bin" / "python",
    }
    if where in places:
        places[where].parent.mkdir(parents=True)
        places[where].write_text(f"#!/bin/sh\nexit {int(where == 'without venv')}\n")
        places[where].chmod(0o755)
    function = re.search(r"^other_python\(\) \{.*?^\}", CI_SCRIPT.read_text(), re.M | re.S)[0]
    said = subprocess.run(
        [
            shutil.which("bash"),
            "-euo",
            "pipefail",
            "-c",
            f'{function}\nx=$(other_python)\necho "$x"',
        ],
        cwd=tmp_path,
        env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    found = where in ("on the path", "with pyenv")
    assert said == (str(places[where]) if found else "")


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    version = re.search(r'__version__ = "(.*)"', (ROOT / "prunelimit/__init__.py").read_text())
    assert citation["version"] == version[1]
