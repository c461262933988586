"""One process at a time in a directory: whoever waits, whoever gives up, whoever dies."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from prunelimit import PruneLimitError
from prunelimit.lab.store.locks import Busy, owned


def hold(folder: Path, pipe) -> None:
    with owned(folder):
        pipe.send("mine")
        pipe.recv()


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that owns the directory until it is told to let go."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path, theirs))
    process.start()
    assert ours.recv() == "mine"
    yield process, ours
    process.kill()
    process.join()


def test_who_is_refused_is_told_whom_they_wait_for(tmp_path: Path, holder) -> None:
    process, pipe = holder
    told = f"at work in .* \\(process {process.pid} on .*, since 20"
    with pytest.raises(Busy, match=told), owned(tmp_path):
        pytest.fail("two owners")
    pipe.send("let go")
    with owned(tmp_path, wait=60):
        assert json.loads((tmp_path / ".lock-owner").read_text())["pid"] == os.getpid()
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_a_lock_is_gone_with_its_owner(tmp_path: Path, holder) -> None:
    process, _ = holder
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert (tmp_path / ".lock-owner").exists()
    with owned(tmp_path), pytest.raises(Busy, match=f"process {os.getpid()} on"), owned(tmp_path):
        pass


def test_what_goes_wrong_inside_is_passed_on_and_the_lock_let_go(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="of the body"), owned(tmp_path):
        raise TimeoutError("of the body")
    with owned(tmp_path), owned(tmp_path, "another"):
        pass


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = pytest.raises(PruneLimitError, match="file/inside cannot be written")
    with refused, owned(tmp_path / "file" / "inside"):
        pass
