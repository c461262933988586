"""The workflow for a public host: pinned, few permissions, in step with the project."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from book.tools.content import ROOT

FILE = ROOT / ".github" / "workflows" / "book.yml"
TEXT = FILE.read_text()
WORKFLOW = yaml.safe_load(TEXT)
JOBS = WORKFLOW["jobs"]
ZIZMOR = shutil.which("zizmor", path=str(Path(sys.executable).parent))


def steps():
    return [step for job in JOBS.values() for step in job["steps"]]


@pytest.mark.skipif(ZIZMOR is None, reason="zizmor is not installed")
def test_the_linter_for_workflows_finds_nothing():
    command = [ZIZMOR, "--offline", "--no-progress", "--format", "json", "--persona", "pedantic"]
    done = subprocess.run([*command, str(FILE)], capture_output=True, text=True)
    assert json.loads(done.stdout) == [], done.stderr


def test_it_tests_every_python_that_the_project_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    low, high = map(int, re.findall(r"3\.(\d+)", project["requires-python"]))
    allowed = [f"3.{minor}" for minor in range(low, high)]
    assert JOBS["test"]["strategy"]["matrix"]["python"] == allowed


def test_every_action_is_pinned_to_a_commit_and_says_its_version():
    used = re.findall(r"uses: (\S+)(.*)", TEXT)
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)


def test_only_the_jobs_that_publish_may_write():
    assert WORKFLOW["permissions"] == {}
    for name, job in JOBS.items():
        may = job["permissions"]
        assert ("write" in may.values()) == name.startswith("publish-")
        assert may.get("contents", "read") == "read"
        if name.startswith("publish-"):
            assert not any("checkout" in step.get("uses", "") for step in job["steps"])


def test_what_it_runs_is_there():
    commands = "\n".join(step["run"] for step in steps() if "run" in step)
    targets = set(re.findall(r"^make (\w+)", commands, re.MULTILINE))
    made = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets and targets <= made
    modules = re.findall(r"python -m (book\.\S+)", commands)
    assert len(modules) == 2
    assert all((ROOT / f"{m.replace('.', '/')}.py").is_file() for m in modules)


def test_it_names_no_place_that_may_not_exist():
    assert "https://" not in TEXT and "http://" not in TEXT
