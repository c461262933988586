"""Batches whose workers and drivers are killed, whose jobs fail, and that run side by side."""

import json
import os
import signal

import pandas as pd
import pytest
from batch_support import TRAINING, TRIVIAL, Laboratory, needs_semaphores, wait_until

from prunelimit.lab.store.locks import owned

# Many processes start one after the other; on a busy machine each takes long.
pytestmark = pytest.mark.timeout(1500)


@needs_semaphores
def test_killed_workers_and_drivers_cost_no_finished_epoch(tmp_path) -> None:
    laboratory = Laboratory(tmp_path, TRAINING)
    gate = tmp_path / "gate"
    tasks = ("digits-mlp", "digits-cnn")
    sets = [{"task": task, "gate": str(gate)} for task in tasks]

    driver = laboratory.start(sets)
    wait_until(lambda: all(laboratory.has_trained(task, 2) for task in tasks), driver)
    os.kill(laboratory.starts("digits-mlp")[0]["pid"], signal.SIGKILL)
    wait_until(lambda: len(laboratory.starts("digits-mlp")) == 2, driver)
    assert len(laboratory.starts("digits-cnn")) == 1, "the other worker's job was disturbed"
    driver.kill()
    driver.wait()
    for task in tasks:  # their kernels notice within moments that nobody is left
        with owned(laboratory.directory(task), ".job.lock", wait=100):
            pass
        with owned(laboratory.directory(task), wait=100):
            pass
    assert not any((laboratory.directory(task) / "result.json").exists() for task in tasks)

    gate.touch()
    rows = laboratory.run(sets)
    assert [row["status"] for row in rows] == ["done", "done"]
    for task in tasks:
        result = json.loads((laboratory.directory(task) / "result.json").read_text())
        assert result == {"resumed_from": 2, "epochs": 4}
    assert len(list(laboratory.root.glob("digits-*"))) == 2


@needs_semaphores
def test_failures_and_damage_are_tried_again_and_nothing_else(tmp_path) -> None:
    laboratory = Laboratory(tmp_path, TRIVIAL)
    sets = [{"task": "good"}, {"task": "bad", "fail": True}, {"task": "hurt"}, {"task": "cut"}]

    rows = laboratory.run(sets)
    assert [row["status"] for row in rows] == ["done", "failed", "done", "done"]
    assert "told to <fail>, bad" in rows[1]["message"]
    table = pd.read_csv(laboratory.root / "summary.csv")
    assert list(table["status"]) == ["done", "failed", "done", "done"]
    page = (laboratory.root / "summary.html").read_text()
    assert "3 of 4 jobs are done" in page and "told to &lt;fail&gt;, bad" in page
    assert (laboratory.directory("bad") / "report-unfinished.ipynb").exists()

    damaged = laboratory.directory("hurt") / "result.json"
    damaged.write_text(damaged.read_text()[:-1] + "9")  # as long as before
    (laboratory.directory("cut") / "done.json").write_text("{")
    rows = laboratory.run(sets)
    assert [row["status"] for row in rows] == ["kept", "failed", "done", "done"]
    assert damaged.read_text() == "hurt 0"
    counts = {task: len(laboratory.starts(task)) for task in ("good", "bad", "hurt", "cut")}
    assert counts == {"good": 1, "bad": 2, "hurt": 2, "cut": 2}


@needs_semaphores
def test_two_drivers_share_the_work(tmp_path) -> None:
    laboratory = Laboratory(tmp_path, TRIVIAL)
    gate = tmp_path / "gate"
    sets = [{"task": "shared", "gate": str(gate)}]
    first = laboratory.start(sets, "first.txt", workers=1)
    wait_until(lambda: any(laboratory.root.glob("shared-*/begun")), first)
    second = laboratory.start(sets, "second.txt", workers=1)
    said = tmp_path / "second.txt"
    wait_until(lambda: "another run is at work" in said.read_text(), second)
    assert "this one waits for it" in said.read_text()
    assert "take another directory" not in said.read_text()
    gate.touch()
    assert [row["status"] for row in laboratory.finish(first, "first.txt")] == ["done"]
    assert [row["status"] for row in laboratory.finish(second, "second.txt")] == ["kept"]
    assert len(laboratory.starts("shared")) == 1


@needs_semaphores
def test_a_job_that_is_over_is_left_alone_when_its_worker_dies(tmp_path) -> None:
    laboratory = Laboratory(tmp_path, TRIVIAL)
    gate = tmp_path / "gate"
    sets = [
        {"task": "bad", "fail": True},
        {"task": "next", "gate": str(gate)},
        {"task": "last", "gate": str(gate)},
    ]
    driver = laboratory.start(sets, workers=1)
    wait_until(lambda: any(laboratory.root.glob("next-*/begun")), driver)
    log = tmp_path / "log.txt"
    wait_until(lambda: "next" in log.read_text(), driver)
    assert "last" not in log.read_text(), "a job that only waits is said to run"
    (worker,) = {entry["pid"] for entry in laboratory.starts("bad") + laboratory.starts("next")}
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(laboratory.starts("next")) == 2, driver)
    gate.touch()
    rows = laboratory.finish(driver)
    assert [row["status"] for row in rows] == ["failed", "done", "done"]
    counts = {task: len(laboratory.starts(task)) for task in ("bad", "next", "last")}
    assert counts == {"bad": 1, "next": 2, "last": 1}
