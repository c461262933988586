"""Batches before anything runs: names, grids, refusals, places; and what they say at the end."""

import dataclasses
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from batch_support import TRIVIAL, write_notebook
from cli_support import run

from prunelimit import PruneLimitError
from prunelimit.budgets import FineTuning
from prunelimit.lab import batch
from prunelimit.lab.batch import clusters, jobs, summary, worker
from prunelimit.lab.batch.board import stage_of
from prunelimit.lab.tasks import TASKS
from prunelimit.results import Overview, Result

RESULT = Path(__file__).parents[3] / "book" / "results" / "digits-mlp.json"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "small.ipynb", *TRIVIAL)


def test_a_grid_holds_every_combination_once() -> None:
    sets = batch.grid(["digits-mlp", "digits-cnn", "digits-mlp"], [0.0, 1e-4], [3, 4], scale=0.5)
    combinations = {(s["task"], s["l1"], s["seed"]) for s in sets}
    assert len(sets) == len(combinations) == 8
    assert all(s["scale"] == 0.5 for s in sets)


def test_groups_of_tasks() -> None:
    assert [s["task"] for s in batch.grid(["all"])] == list(TASKS)
    assert len(batch.grid(["paper"])) == 8
    with pytest.raises(PruneLimitError, match="did you mean 'digits-mlp'"):
        batch.grid(["digits-mpl"])


def test_a_name_changes_with_notebook_parameters_and_code(tmp_path, notebook, monkeypatch) -> None:
    def name(path: Path = notebook, **parameters: object) -> str:
        return batch.plan(tmp_path, [{"task": "a", **parameters}], path)[0].name

    first = name()
    assert first.startswith("a-") and first == name()
    other_body = write_notebook(tmp_path / "other.ipynb", TRIVIAL[0], TRIVIAL[1] + "more = 1\n")
    names = {first, name(seed=1), name(l1=0.0), name(path=other_body)}
    monkeypatch.setattr(jobs, "code_of", lambda **_: "edited")
    assert len({*names, name()}) == 5


def test_a_worker_refuses_what_was_edited_since(tmp_path, notebook) -> None:
    (job,) = batch.plan(tmp_path / "runs", [{"task": "a"}], notebook)
    job.directory.mkdir(parents=True)
    write_notebook(notebook, TRIVIAL[0], TRIVIAL[1] + "more = 1\n")
    outcome = worker.execute(job)
    assert outcome.status == "failed"
    assert "is not what the driver planned with (edited meanwhile" in outcome.message


def test_a_worker_does_without_pytorch(tmp_path, notebook) -> None:
    # It would hold some 500 MB of it beside its kernel's.
    body = (
        "import pathlib, sys; from prunelimit.lab.batch import worker; "
        f"worker.jobs.program_of(pathlib.Path({str(jobs.default_notebook())!r})); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_words_and_magic_in_a_notebook(tmp_path, notebook) -> None:
    """A comment renames nothing; a line for IPython alone is code."""

    def name(more: str) -> str:
        path = write_notebook(tmp_path / "other.ipynb", TRIVIAL[0], TRIVIAL[1] + more)
        return jobs.job_key(path, {"task": "a"}).digest

    assert name("# a comment\n") == jobs.job_key(notebook, {"task": "a"}).digest
    assert len({name(""), name("%pip install x\n"), name("%pip install y\n")}) == 3


def test_a_note_of_a_task_renames_no_job(tmp_path, monkeypatch) -> None:
    def name() -> str:
        return batch.plan(tmp_path, [{"task": "digits-mlp"}])[0].name

    before, task = name(), TASKS["digits-mlp"]
    monkeypatch.setitem(TASKS, "digits-mlp", dataclasses.replace(task, note="Other words."))
    assert name() == before
    monkeypatch.setitem(TASKS, "digits-mlp", task.with_(l1=0.5))
    assert name() != before


def test_a_value_that_is_the_tasks_own_is_no_other_job(tmp_path) -> None:
    task = TASKS["digits-mlp"]
    sets = [{"task": task.name}, {"task": task.name, "l1": task.training.l1, "seed": 0}]
    assert len(batch.plan(tmp_path, sets)) == 1


def test_outputs_do_not_rename_a_run(tmp_path, notebook) -> None:
    before = batch.plan(tmp_path, [{}], notebook)[0].name
    content = json.loads(notebook.read_text())
    content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    notebook.write_text(json.dumps(content))
    assert batch.plan(tmp_path, [{}], notebook)[0].name == before


def test_what_says_the_same_is_one_job(tmp_path, notebook) -> None:
    assert len(batch.plan(tmp_path, [{"seed": 1}, {"seed": 1}, {"seed": 2}], notebook)) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epohcs": 3}, "unknown parameter 'epohcs'; did you mean 'epochs'"),
        ({"measurement": {"tolerence": 0.1}}, "did you mean 'tolerance'"),
        ({"measurement": {"loss_points": "many"}}, "loss_points is 'many'"),
        ({"measurement": {"policy": "gnn"}}, "did you mean 'ggn'"),
        ({"measurement": {"finetuning": {"epoch": 2}}}, "finetuning"),
        ({"measurement": {"resolution": 0}}, "above 0"),
        ({"seed": 0.5}, "whole number"),
        ({"epochs": 0}, "epochs is 0"),
        ({"l1": "strong"}, "l1 is 'strong'"),
        ({"scale": 2}, "at most 1"),
        ({"l1": float("nan")}, "l1 is nan; it must be 0 or more"),
        ({"measurement": {"epsilon": float("inf")}}, "epsilon is inf; it must be finite"),
        ({"measurement": 5}, "measurement is 5; it must look like"),
        ({"measurement": {"tolerance": 5}}, "tolerance is 5.0; it must be below 1"),
        ({"measurement": {"finetuning": 5}}, "finetuning is 5"),
        ({"measurement": {"optimiser": "lion"}}, "optimiser is 'lion'; it must be sgd or adam"),
        (
            {"measurement": {"optimiser": "adam", "finetuning": {"epochs": 2}}},
            "optimiser is adam, and finetuning says 2 epochs of SGD",
        ),
        ({"measurement": {"finetuning": {"momentum": 2}}}, "momentum is 2"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"seed": 2**63}, "below 2"),
        ({"run_dir": "x"}, "run_dir is for the driver to choose.*--runs"),
        ({"examples": 255}, "minibatches of 128, and 255 training examples make no two"),
        ({"task": 5}, "task is 5; it must be a name"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"device": 0}, "unknown device 0"),
    ],
)
def test_mistakes_are_refused_before_anything_starts(tmp_path, given, message) -> None:
    root = tmp_path / "runs"
    with pytest.raises(PruneLimitError, match=message):
        batch.plan(root, [{"task": "digits-mlp"}, {"task": "digits-mlp", **given}])
    assert not root.exists()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("../../../x", "task is '../../../x'; a name must not begin with a dot"),
        ("a/../../x", "must not have '/' in it"),
        ("/etc/x", "must not have '/' in it"),
        ("a\nb", r"must not have '\\n' in it"),
        ("", "must not be empty"),
        ("n" * 201, "longer than 200 bytes"),
        (5, "task is 5; it must be a name"),
    ],
)
def test_a_task_of_ones_own_notebook_leads_nowhere_else(tmp_path, notebook, task, message) -> None:
    with pytest.raises(PruneLimitError, match=message):
        batch.plan(tmp_path / "runs", [{"task": task}], notebook)


@pytest.mark.parametrize("task", ["a b", "{seed}", "<b>&amp;", "雪 %s", "n" * 200])
def test_a_task_of_ones_own_notebook_may_have_any_other_name(tmp_path, notebook, task) -> None:
    job = batch.plan(tmp_path / "runs", [{"task": task}], notebook)[0]
    assert job.directory.parent == tmp_path / "runs" and job.name.startswith(f"{task}-")
    job.directory.mkdir(parents=True)


def test_a_notebook_without_parameters_is_refused(tmp_path, notebook) -> None:
    content = json.loads(notebook.read_text())
    content["cells"][0]["metadata"] = {}
    notebook.write_text(json.dumps(content))
    with pytest.raises(PruneLimitError, match="no cell tagged"):
        batch.plan(tmp_path, [{}], notebook)
    with pytest.raises(PruneLimitError, match="there is no notebook"):
        batch.plan(tmp_path, [{}], tmp_path / "absent.ipynb")


def test_the_notebooks_parameters_are_those_of_configure() -> None:
    known = jobs.notebook_parameters(batch.default_notebook())
    configured = {"task", "l1", "seed", "epochs", "examples", "scale", "measurement"}
    assert set(known) == configured | {"device", "data_root", "run_dir"}


def test_the_notebook_says_its_scale_and_refuses_what_it_does_not_have() -> None:
    cells = nbformat.read(batch.default_notebook(), 4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    variables: dict = {"In": [], "Out": {}, "_": 1, "quit": print}
    exec(code[0].source, variables)
    assert "at scale 0.05: 3 of 60 epochs" in batch.announce(variables)
    assert "at scale 1: 60 of 60 epochs" in batch.announce({**variables, "scale": 1})
    assert "announce(globals())" in code[1].source
    assert "at scale 0.05: 3 of 60" in code[1].outputs[0].text
    for name, value, words in (
        ("lamda", 1e-4, "unknown parameter 'lamda'"),
        ("sede", 1, "did you mean 'seed'"),
        ("seed", -1, "seed is -1"),
        ("measurement", 5, "measurement is 5"),
    ):
        with pytest.raises(PruneLimitError, match=words):
            batch.announce({**variables, name: value})


def test_scale_shortens_and_measurement_wins() -> None:
    task, config = batch.configure("digits-mlp", scale=0.1, measurement={"loss_points": 33})
    assert (task.training.epochs, config.loss_points, config.accuracy_points) == (6, 33, 100)
    assert config.finetuning is not None and config.finetuning.epochs == 6
    assert batch.configure("digits-mlp", examples=300)[0].examples == 300
    whole, config = batch.configure("digits-mlp")
    assert whole == TASKS["digits-mlp"] and config.finetuning is None
    _, config = batch.configure("digits-mlp", scale=0.1, measurement={"optimiser": "adam"})
    assert config.finetuning == FineTuning.by_adam(6)
    _, config = batch.configure("digits-mlp", measurement={"optimiser": "adam"})
    assert (config.finetuning, config.optimiser) == (None, "adam")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits-mlp", "--set", "epohcs=3"], "unknown setting 'epohcs'"),
        (["digits-mlp", "--set", "tolerence=3"], "did you mean 'tolerance'"),
        (["digits-mlp", "--set", "tolerance"], "NAME=VALUE"),
        (["digits-mlp", "--set", "measurement=5"], "measurement is 5"),
        (["digits-mlp", "--set", "seed=-1"], "seed is -1"),
        (["digits-mlp", "--set", "tolerance=5"], "tolerance is 5"),
        (["digits-mlp", "--set", "run_dir=x"], "run_dir is for the driver"),
        (["digits-mlp", "--set", "examples=100"], "make no two"),
        (["digits-mlp", "--runs", "/proc/none"], "cannot write '/proc/none'"),
        (["digits-mlp", "--scheduler", "tcp://node1:8786"], "open to everybody"),
        (["digits-mlp", "digits-mpl"], "did you mean 'digits-mlp'"),
        (["digits-mlp", "--slurm", "qeueu=gpu"], "did you mean 'queue'"),
        (["digits-mlp", "--workers", "0"], "at least 1"),
        (["digits-mlp", "--set", f"epochs={'9' * 5000}"], "epochs is '999"),
        (["digits-mlp", "--set", f"seed={'[' * 100_000}"], "it must be a whole number"),
        (["digits-mlp", "--workers", "2", "--scheduler", "tcp://a:1"], "neither"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    tmp_path, capsys, monkeypatch, arguments, message
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run(["batch", *arguments], capsys, monkeypatch)
    assert status == 2 and err.startswith("error: ") and message in err
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_hands_on_what_it_was_given(tmp_path, capsys, monkeypatch) -> None:
    seen: dict = {}

    def instead(planned: list, where: batch.Workers) -> summary.Summary:
        seen.update(jobs=planned, where=where)
        return summary.Summary([{"name": "a", "status": "failed", "message": "why"}], tmp_path)

    monkeypatch.setattr("prunelimit.lab.batch.driver.run_batch", instead)
    options = "--l1 0 --l1 1e-4 --seed 0 --seed 1 --set loss_points=20 --set scale=0.5"
    arguments = ["batch", "digits-mlp", "digits-cnn", *options.split(), "--runs", str(tmp_path)]
    status, out, _ = run([*arguments, "--workers", "3"], capsys, monkeypatch)
    assert status == 1 and "a  failed: why" in out
    assert seen["where"] == batch.Workers(3)
    assert len(seen["jobs"]) == 8
    for job in seen["jobs"]:
        assert job.directory.parent == tmp_path
        assert job.parameters["measurement"]["loss_points"] == 20
        assert job.parameters["scale"] == 0.5


CELL = '{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": %s}'


@pytest.mark.parametrize(
    "content",
    ["import this", "{}", "[" * 100_000, f'{{"cells": [{CELL % 5}], "nbformat": 4}}', "\0"],
    ids=["text", "empty", "deep", "number", "zero"],
)
def test_what_is_no_notebook_is_refused_in_one_line(tmp_path, capsys, monkeypatch, content) -> None:
    (tmp_path / "n.ipynb").write_text(content)
    arguments = ["batch", "digits-mlp", "--runs", str(tmp_path / "runs"), "--notebook"]
    status, _, err = run([*arguments, str(tmp_path / "n.ipynb")], capsys, monkeypatch)
    assert status == 2 and "cannot be read as a notebook" in err and err.count("\n") == 1


def test_a_notebook_of_ones_own_needs_no_parameter_that_nobody_asked_for(
    tmp_path, capsys, monkeypatch
) -> None:
    planned: list = []

    def instead(jobs_: list, _: batch.Workers) -> summary.Summary:
        planned.extend(jobs_)
        return summary.Summary([], tmp_path)

    monkeypatch.setattr("prunelimit.lab.batch.driver.run_batch", instead)
    mine = write_notebook(tmp_path / "m.ipynb", "task = 'a'\nepsilon = 1\nrun_dir = None", "1")
    arguments = ["batch", "digits-mlp", "--runs", str(tmp_path / "runs"), "--notebook", str(mine)]
    status, _, err = run([*arguments, "--set", "epsilon=2"], capsys, monkeypatch)
    assert status == 0, err
    assert planned[0].parameters == {"task": "digits-mlp", "epsilon": 2}
    for more, name in ((["--seed", "1"], "seed"), (["--set", "scale=1"], "scale")):
        status, _, err = run([*arguments, *more], capsys, monkeypatch)
        assert status == 2 and f"unknown parameter '{name}'" in err
    copy = write_notebook(tmp_path / "c.ipynb", "task = 'a'\nscale = 0.05\nrun_dir = None", "1")
    run([*arguments[:-1], str(copy)], capsys, monkeypatch)
    assert planned[1].parameters == {"task": "digits-mlp", "scale": 1.0}


def test_ctrl_c_says_how_to_go_on(tmp_path, capsys, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("prunelimit.lab.batch.driver.run_batch", interrupted)
    arguments = ["batch", "digits-mlp", "--workers", "1", "--runs", str(tmp_path)]
    status, _, err = run(arguments, capsys, monkeypatch)
    assert status == 130 and "the same command goes on where it stopped" in err


def test_other_files_of_data_are_another_job_wherever_they_lie(tmp_path) -> None:
    names = []
    for folder, content in (("one", b"a"), ("two", b"a"), ("three", b"b")):
        raw = tmp_path / folder / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        (raw / "train-images-idx3-ubyte").write_bytes(content)
        asked = {"task": "fashion-mlp", "data_root": str(tmp_path / folder)}
        (job,) = jobs.plan(tmp_path / "runs", [asked])
        names.append(job.name)
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("lab/batch/board.py", "writing the report", "writing its report", True),
        ("lab/tasks.py", "hyperparameters of ours", "hyperparameters of ours.", True),
        ("lab/task.py", "splits.limited(self.examples)", "splits.limited(7)", False),
    ],
)
def test_a_job_is_another_one_where_its_numbers_may_be(
    tmp_path, monkeypatch, file, old, new, same
) -> None:
    copied = tmp_path / "prunelimit"
    ignored = shutil.ignore_patterns("__pycache__", "vendor")
    shutil.copytree(Path(jobs.__file__).parents[2], copied, ignore=ignored)
    monkeypatch.setattr("prunelimit.lab.store.keys.PACKAGE", copied)
    notebook, asked = jobs.default_notebook(), {"task": "digits-mlp"}
    before = jobs.run_name(notebook, asked)
    text = (copied / file).read_text(encoding="utf-8")
    assert old in text
    (copied / file).write_text(text.replace(old, new), encoding="utf-8")
    assert (jobs.run_name(notebook, asked) == before) == same


def test_the_command_of_a_job_finds_its_folder_and_its_data(tmp_path) -> None:
    asked = {"task": "digits-mlp", "data_root": str(tmp_path / "my data")}
    (job,) = jobs.plan(tmp_path / "runs", [asked])
    typed = summary._command(job)
    assert f"--runs {tmp_path / 'runs'}" in typed
    assert f"--data-root '{tmp_path / 'my data'}'" in typed


def test_a_command_names_the_run_that_it_came_from(tmp_path, capsys, monkeypatch) -> None:
    """The command in a result's provenance plans the job of the same name."""
    planned: list = []

    def instead(jobs_: list, _: batch.Workers) -> summary.Summary:
        planned.append(jobs_[0])
        return summary.Summary([], tmp_path)

    monkeypatch.setattr("prunelimit.lab.batch.driver.run_batch", instead)
    arguments = ["batch", "digits-mlp", "--l1", "1e-4", "--set", "scale=0.5", "--set"]
    run([*arguments, "epsilon=0.03"], capsys, monkeypatch)
    words = batch.command(planned[0].parameters).split()
    run(words[1:], capsys, monkeypatch)
    assert planned[0].name == planned[1].name


def test_workers_are_pinned_to_gpus(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    pins = [env["CUDA_VISIBLE_DEVICES"] for env in batch.local_environments(jobs=9)]
    assert pins == ["2", "5"]
    pins = [env["CUDA_VISIBLE_DEVICES"] for env in batch.local_environments(jobs=9, count=3)]
    assert pins == ["2", "5", "2"]
    assert len(batch.local_environments(jobs=1)) == 1


def test_without_gpus_workers_share_the_cores(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("dask.system.CPU_COUNT", 8)
    assert len(batch.local_environments(jobs=3)) == 3
    assert len(batch.local_environments(jobs=30)) == 8
    assert {e["OMP_NUM_THREADS"] for e in batch.local_environments(jobs=9, count=4)} == {"2"}
    assert "CUDA_VISIBLE_DEVICES" not in batch.local_environments(jobs=1)[0]


def test_slurm_gets_its_arguments() -> None:
    options = ["queue=gpu", "walltime=12:00:00", "cores=4", "memory=32GB", "account=me"]
    directives = ["job_extra_directives=--gres=gpu:1", "job_extra_directives=--qos=long"]
    assert batch.slurm_arguments([*options, *directives]) == {
        "cores": 4,
        "processes": 1,
        "memory": "32GB",
        "queue": "gpu",
        "walltime": "12:00:00",
        "account": "me",
        "job_extra_directives": ["--gres=gpu:1", "--qos=long"],
    }
    with pytest.raises(PruneLimitError, match="whole number"):
        batch.slurm_arguments(["cores=four"])


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "_CONNECT_SECONDS", 1)
    where = batch.Workers(scheduler="tcp://127.0.0.1:1")
    with pytest.raises(PruneLimitError, match="no Dask"), where.connect(1, tmp_path):
        pass


def test_workers_that_are_there_already_are_used(tmp_path, notebook) -> None:
    from distributed import LocalCluster

    planned = batch.plan(tmp_path / "runs", [{"task": "here"}], notebook)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=":0"
    ) as cluster:
        where = batch.Workers(scheduler=cluster.scheduler_address)
        report = batch.run_batch(planned, where, progress=False)
    assert [row["status"] for row in report.rows] == ["done"]
    assert (planned[0].directory / "result.json").read_text() == "here 0"
    assert "no numbers: result.json" in report.text()
    assert batch.is_finished(planned[0])


TRANSPORT = """\
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
Path(run_dir, "result.json").write_text(f"{app.transport} {app.ip}")
"""


@pytest.mark.parametrize(("folder", "transport"), [("t", "ipc"), ("t" * 100, "tcp")])
@pytest.mark.skipif(os.name != "posix", reason="sockets are files on POSIX systems only")
def test_kernels_that_start_at_once_do_not_fight_for_ports(
    tmp_path, monkeypatch, folder, transport
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        temporary = Path(short, folder)
        temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        notebook = write_notebook(tmp_path / "n.ipynb", TRIVIAL[0], TRIVIAL[1] + TRANSPORT)
        job = batch.plan(tmp_path / "runs", [{}], notebook)[0]
        assert batch.execute(job).status == "done"
        used, address = (job.directory / "result.json").read_text().split()
        assert used == transport
        assert (Path(address).parent.parent == temporary) == (transport == "ipc")
        assert list(temporary.iterdir()) == []


DYING = """\
import os, signal
from pathlib import Path
marks = Path(run_dir, "marks")
marks.mkdir(exist_ok=True)
if fail or not list(marks.iterdir()):
    (marks / str(os.getpid())).touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="the kernel ends itself by a signal")
@pytest.mark.parametrize(("fail", "status"), [(False, "done"), (True, "failed")])
def test_a_dead_kernel_is_started_once_more(tmp_path, fail: bool, status: str) -> None:
    notebook = write_notebook(tmp_path / "n.ipynb", TRIVIAL[0], DYING)
    job = batch.plan(tmp_path / "runs", [{"fail": fail}], notebook)[0]
    outcome = batch.execute(job)
    assert outcome.status == status, outcome.message
    assert len(list((job.directory / "marks").iterdir())) == (2 if fail else 1)
    assert ("the kernel died twice" in outcome.message) == fail


def test_a_disk_that_fills_while_a_job_runs_fails_it_with_what_to_do(
    tmp_path, notebook, monkeypatch
) -> None:
    def full(job: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "report.ipynb")

    monkeypatch.setattr("prunelimit.lab.batch.worker._papermill", full)
    outcome = batch.execute(batch.plan(tmp_path / "runs", [{}], notebook)[0])
    assert outcome.status == "failed"
    assert outcome.message.startswith("'report.ipynb': No space left on device; make room")


def test_any_path_works(tmp_path) -> None:
    root = tmp_path / "{task} [red] %s '\"#? 雪\n$x"
    notebook = write_notebook(root / "small {seed}.ipynb", *TRIVIAL)
    job = batch.plan(root / "runs", [{"task": "a {seed} [b]"}], notebook)[0]
    outcome = batch.execute(job)
    assert outcome.status == "done", outcome.message
    assert (job.directory / "result.json").read_text() == "a {seed} [b] 0"
    assert summary.summarise([job], {job.name: outcome}).page.is_file()


def test_workers_with_other_code_refuse(tmp_path, notebook) -> None:
    job = batch.plan(tmp_path, [{}], notebook)[0]
    write_notebook(notebook, TRIVIAL[0], TRIVIAL[1] + "edited = 1\n")
    outcome = batch.execute(job)
    assert outcome.status == "failed" and "not what the driver planned" in outcome.message


def test_a_place_that_cannot_be_written_is_refused_before_anything_starts(
    tmp_path, notebook, monkeypatch
) -> None:
    (tmp_path / "file").touch()
    planned = batch.plan(tmp_path / "file" / "runs", [{}], notebook)
    monkeypatch.setattr(batch.Workers, "connect", lambda *_: pytest.fail("started workers"))
    with pytest.raises(PruneLimitError, match="cannot write .*check the name"):
        batch.run_batch(planned, progress=False)
    with pytest.raises(PruneLimitError, match="summary cannot be written"):
        summary.summarise(planned, {planned[0].name: batch.Outcome("kept")})


def test_damage_to_the_training_undoes_what_was_measured_on_it(tmp_path, notebook) -> None:
    job = batch.plan(tmp_path, [{}], notebook)[0]
    for name in ("training/epoch-0001/weights", "stages/sweep.json", "result.json", "big"):
        path = job.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (job.directory / "big").write_bytes(bytes(2 << 20))
    jobs.mark_finished(job, 1.0)
    assert batch.is_finished(job)
    (job.directory / "stages" / "sweep.json").unlink()
    assert jobs.damaged_files(job) == ["stages/sweep.json"]
    (job.directory / "big").write_bytes(bytes([1]) + bytes((2 << 20) - 1))
    (job.directory / "training" / "epoch-0001" / "weights").write_text("x")
    assert not batch.is_finished(job)
    jobs.discard_damaged(job)
    assert [path for path in job.directory.rglob("*") if path.is_file()] == []


def test_a_summary_has_the_results_numbers(tmp_path) -> None:
    result = Result.load(RESULT)
    job = batch.plan(tmp_path, [{"task": "digits-mlp", "measurement": {"epsilon": 0.1}}])[0]
    job.directory.mkdir()
    (job.directory / "result.json").write_text(RESULT.read_text())
    report = summary.summarise([job], {job.name: batch.Outcome("kept")})
    row = pd.read_csv(report.table).iloc[0]
    paper, real = result.prediction.paper.sparsity, result.thresholds.real_existence.value
    assert row["predicted_paper"] == pytest.approx(paper)
    assert row["delta_paper"] == pytest.approx(paper - real)
    assert json.loads(row["measurement"]) == {"epsilon": 0.1}
    page = report.page.read_text()
    assert f"{real:.4f}" in page and f"{job.name}/report.ipynb" in page
    # One cell under each heading: of the run, and three for each of three questions.
    assert page.count("<td") == page.count('rowspan="2"') + 3 * page.count('colspan="3"')
    assert f"{row['delta_paper']:+.4f}" in page
    assert "1 of 1 jobs are done" in report.text()


def test_a_summary_runs_nothing_that_a_job_says(tmp_path, notebook, monkeypatch) -> None:
    tasks = ["<script>alert(1)<", "'><b onclick=x", "a#b?c%2F&d"]
    planned = batch.plan(tmp_path / "runs", [{"task": task} for task in tasks], notebook)
    for job in planned:
        job.directory.mkdir(parents=True)
        (job.directory / "report-unfinished.ipynb").touch()
    outcomes = {job.name: batch.Outcome("failed", "<i>why</i>") for job in planned}
    outcomes[planned[2].name] = batch.Outcome("done")
    (planned[2].directory / "result.json").write_text(RESULT.read_text())
    monkeypatch.setattr(Overview, "columns", lambda _: {"predicted_paper": 0.5, "l1": "<script>"})
    report = summary.summarise(planned, outcomes)
    page = report.page.read_text()
    assert "<script" not in page and "<b on" not in page and "<i>" not in page
    assert "&lt;i&gt;why" in page and "&lt;script&gt;alert(1)&lt;" in page
    links = re.findall(r'href="([^"]+)"', page)
    found = [report.root / urllib.parse.unquote(link) for link in links]
    assert {path.parent for path in found} == {report.root, *(job.directory for job in planned)}


def test_what_a_job_says_moves_no_terminals_cursor(tmp_path) -> None:
    row = {"name": "a", "status": "failed", "message": "two\nlines\x1b[1m"}
    assert (
        summary.Summary([row], tmp_path).text().startswith("a  failed: two\\nlines\\x1b[1m\n0 of 1")
    )


def test_the_stage_of_a_job_is_told(tmp_path) -> None:
    (tmp_path / "training").mkdir()
    training = {"history": [{}] * 3, "run": {"parameters": {"config": {"epochs": 5}}}}
    (tmp_path / "training" / "training.json").write_text(json.dumps(training))
    assert stage_of(tmp_path) == ("training", 2, 5)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "prediction.json").touch()
    (tmp_path / "stages" / "sweep.json").touch()
    assert stage_of(tmp_path)[0] == "re-fitting survivors"


def test_workers_do_not_load_torch() -> None:
    code = "import sys, prunelimit.lab.batch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
