"""Small notebooks for batches, and a driver in a process of its own that a test can kill."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

import prunelimit
from prunelimit import PruneLimitError
from prunelimit.lab.batch.clusters import require_semaphores


def refusal() -> str | None:
    """Why Dask's workers cannot start on this machine."""
    try:
        require_semaphores()
    except PruneLimitError as error:
        return str(error)
    return None


needs_semaphores = pytest.mark.skipif(refusal() is not None, reason=str(refusal()))

# Trains for real; after two epochs it waits for the file `gate`, if one is named.
TRAINING = (
    """\
task = "digits-mlp"
seed = 0
l1 = None
gate = ""
run_dir = None
""",
    """\
import json, time
from pathlib import Path
from prunelimit.lab import tasks, training
from prunelimit.lab.store.locks import owned

folder = Path(run_dir)
chosen = tasks.get(task).with_(seed=seed, epochs=4)

def wait(*_):
    while gate and (folder / "training" / "epoch-0002").exists() and not Path(gate).exists():
        time.sleep(0.05)

with owned(folder, wait=120):
    splits = chosen.load_data()
    model = chosen.build_model(splits)
    model.register_forward_pre_hook(wait)
    trained = training.train(model, splits, chosen.training, folder / "training", "cpu")
    content = {"resumed_from": trained.resumed_from, "epochs": trained.history[-1].epoch}
    (folder / "result.json").write_text(json.dumps(content))
""",
)

TRIVIAL = (
    """\
task = "a"
seed = 0
l1 = None
gate = ""
fail = False
run_dir = None
""",
    """\
import time
from pathlib import Path
Path(run_dir, "begun").touch()
while gate and not Path(gate).exists():
    time.sleep(0.05)
if fail:
    raise RuntimeError(f"told to <fail>, {task}")
Path(run_dir, "result.json").write_text(f"{task} {seed}")
""",
)

DRIVER = """\
import json, sys
from prunelimit.lab import batch

if __name__ == "__main__":
    root, notebook, sets, workers = json.loads(sys.argv[1])
    summary = batch.run_batch(batch.plan(root, sets, notebook), batch.Workers(workers))
    print(json.dumps(summary.rows))
"""


def write_notebook(path: Path, parameters: str, body: str) -> Path:
    cells = [
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(body),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


class Laboratory:
    """A folder with a copy of the package: an edit during the test does not rename its runs."""

    def __init__(self, folder: Path, notebook: tuple[str, str]) -> None:
        self.folder = folder
        self.root = folder / "runs"
        self.notebook = write_notebook(folder / "small.ipynb", *notebook)
        package = Path(prunelimit.__file__).parent
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, folder / "code" / "prunelimit", ignore=ignored)
        (folder / "driver.py").write_text(DRIVER)

    def start(self, sets: list[dict], log: str = "log.txt", workers: int = 2) -> subprocess.Popen:
        environment = os.environ | {
            "PYTHONPATH": str(self.folder / "code"),
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
        }
        argument = json.dumps([str(self.root), str(self.notebook), sets, workers])
        with open(self.folder / log, "w") as errors:
            return subprocess.Popen(
                [sys.executable, str(self.folder / "driver.py"), argument],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def finish(self, driver: subprocess.Popen, log: str = "log.txt") -> list[dict]:
        """The rows of the driver's summary."""
        out, _ = driver.communicate(timeout=1200)
        assert driver.returncode == 0, (self.folder / log).read_text()
        return json.loads(out)

    def run(self, sets: list[dict]) -> list[dict]:
        return self.finish(self.start(sets))

    def directory(self, task: str) -> Path | None:
        found = sorted(self.root.glob(f"{task}-*"))
        return found[0] if found else None

    def starts(self, task: str) -> list[dict]:
        """The first lines of the attempts at a task's job."""
        directory = self.directory(task)
        if directory is None or not (directory / "attempts.jsonl").exists():
            return []
        lines = (directory / "attempts.jsonl").read_text().splitlines()
        return [entry for entry in map(json.loads, lines) if "started" in entry]

    def has_trained(self, task: str, epochs: int) -> bool:
        directory = self.directory(task)
        return bool(directory and (directory / "training" / f"epoch-{epochs:04d}").exists())


def wait_until(condition: Callable[[], bool], driver: subprocess.Popen | None = None) -> None:
    """Until `condition` holds; the test's own time limit ends it, or the driver's end."""
    while not condition():
        assert driver is None or driver.poll() is None, "the driver ended too early"
        time.sleep(0.1)
