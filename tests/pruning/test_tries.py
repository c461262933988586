"""A search that is stopped, killed, or given a folder that is not its own."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from exact_support import Regression, regression
from safetensors.torch import load_file
from torch import nn

import prunelimit as pl
from prunelimit.pruning.tries import Folder, Try

mse = nn.functional.mse_loss


def search(case: Regression, directory: Path | None, **options) -> pl.FoundLimit:
    arguments = {"start": 0.5, "finetune": case.solve, "tolerance": 0.005, "epsilon": 1.0}
    return pl.find_limit(case.model, mse, case.data, directory=directory, **(arguments | options))


def assert_alike(found: pl.FoundLimit, other: pl.FoundLimit) -> None:
    """The same tries and answer, but for the last digits: least squares depend on addresses."""
    assert (found.lower, found.upper, found.notes) == (other.lower, other.upper, other.notes)
    assert np.array(found.tries) == pytest.approx(np.array(other.tries), rel=1e-9)
    assert torch.allclose(found.model.weight, other.model.weight, rtol=1e-9, atol=0)


class Stops:
    """A loop that is interrupted at its n-th call."""

    __qualname__ = "Stops"

    def __init__(self, case: Regression, at: int) -> None:
        self.case, self.left = case, at

    def __call__(self, masked: nn.Module) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        self.case.solve(masked)


def test_an_interrupted_search_goes_on_and_ends_the_same(tmp_path) -> None:
    case = regression(seed=1)
    whole = search(case, tmp_path / "whole", finetune=Stops(case, 99))
    assert len(whole.tries) >= 4
    for stop in range(1, len(whole.tries) + 1):
        place = tmp_path / f"stopped-{stop}"
        with pytest.raises(KeyboardInterrupt) as caught:
            search(case, place, finetune=Stops(case, stop))
        assert "goes on from here" in caught.value.__notes__[0]
        assert len(list(place.glob("kept-*"))) == stop - 1
        again = search(case, place, finetune=Stops(case, 99))
        assert_alike(again, whole)


def test_without_a_directory_an_interruption_says_what_would_have_helped() -> None:
    case = regression(seed=1)
    with pytest.raises(KeyboardInterrupt) as caught:
        search(case, None, finetune=Stops(case, 2))
    assert "directory=" in caught.value.__notes__[0]


def test_a_finished_search_is_only_read(tmp_path) -> None:
    case = regression(seed=2)
    first = search(case, tmp_path, finetune=Stops(case, 99))
    again = search(case, tmp_path, finetune=Stops(case, 1))
    assert again.to_dict() == first.to_dict()


def test_a_finer_tolerance_goes_on_with_the_tries_there_are(tmp_path) -> None:
    case = regression(seed=2)
    coarse = search(case, tmp_path, tolerance=0.05)
    fine = search(case, tmp_path, tolerance=0.002)
    assert fine.tries[: len(coarse.tries)] == coarse.tries and len(fine.tries) > len(coarse.tries)


def slow_search(directory: str, case: Regression, started) -> None:
    torch.set_num_threads(1)  # a forked process has none of its parent's other threads

    def slowly(masked: nn.Module) -> None:
        started.send(True)
        time.sleep(0.05)
        case.solve(masked)

    search(case, Path(directory), finetune=slowly, start=0.2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked and killed")
def test_a_kill_at_any_moment_loses_one_try_at_most(tmp_path) -> None:
    case, forked = regression(seed=3), multiprocessing.get_context("fork")
    place, kept = tmp_path / "killed", 0
    for delay in (0.0, 0.02, 0.045):
        begun, started = forked.Pipe(duplex=False)  # a semaphore would want a /dev/shm
        process = forked.Process(target=slow_search, args=(str(place), case, started))
        process.start()
        for _ in range(2):
            assert begun.poll(60) and begun.recv()
        time.sleep(delay)
        process.kill()
        process.join()
        before, kept = kept, len(list(place.glob("kept-*")))
        assert kept > before  # the first of the two tries was finished, and is there
        assert all(load_file(path) for path in place.glob("kept-*"))
    resumed = search(case, place, finetune=_named_as_slow(case), start=0.2)
    whole = search(case, tmp_path / "whole", start=0.2)
    assert_alike(resumed, whole)


def _named_as_slow(case: Regression):
    def loop(masked: nn.Module) -> None:
        case.solve(masked)

    loop.__qualname__ = "slow_search.<locals>.slowly"
    return loop


def test_another_search_in_the_folder_is_refused_by_name(tmp_path) -> None:
    case = regression(seed=1)
    search(case, tmp_path)
    with pytest.raises(pl.PruneLimitError, match=r"epsilon was 1\.0 and is now 2\.0"):
        search(case, tmp_path, epsilon=2.0)
    with pytest.raises(pl.PruneLimitError, match="finetune was"):
        search(case, tmp_path, finetune=pl.FineTuning(epochs=3))
    with pytest.raises(pl.PruneLimitError, match="weights was"):
        search(regression(seed=8), tmp_path)
    inputs, targets = case.data[0]
    other = Regression(case.model, [(inputs, targets + 1)])
    with pytest.raises(pl.PruneLimitError, match="dense_loss was"):
        search(other, tmp_path)


def test_a_folder_with_other_things_is_refused(tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(pl.PruneLimitError, match=r"thesis\.tex"):
        search(regression(), tmp_path)
    with pytest.raises(pl.PruneLimitError, match="cannot write"):
        search(regression(), tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("damage", [b"", b"no safetensors", b"\x00" * 64])
def test_a_damaged_try_is_named_with_the_remedy(tmp_path, damage) -> None:
    case = regression(seed=1)
    whole = search(case, tmp_path)
    victim = sorted(tmp_path.glob("kept-*"))[0]
    victim.write_bytes(damage)
    with pytest.raises(pl.PruneLimitError, match="delete it") as caught:
        search(case, tmp_path)
    assert str(victim) in str(caught.value)
    victim.unlink()
    again = search(case, tmp_path)
    assert (again.lower, again.upper) == (whole.lower, whole.upper)


def test_a_damaged_key_is_refused(tmp_path) -> None:
    case = regression(seed=1)
    search(case, tmp_path)
    (tmp_path / "find.json").write_text("{")
    with pytest.raises(pl.PruneLimitError, match="cannot be read"):
        search(case, tmp_path)


def test_tied_weights_and_buffers_come_back(tmp_path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
            self.norm = nn.BatchNorm1d(4)
            self.second.weight = self.first.weight

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.norm(self.second(self.first(inputs)))

    torch.manual_seed(0)
    dense, trained = Tied(), Tied()
    trained.norm.running_mean += 3.0
    folder = Folder(tmp_path, {"weights": "x"}, dense)
    finished = Try(0.5, 8, 0.1, -1.0, None, 0.0, 0.0)
    folder.keep(finished, trained)
    back = Folder(tmp_path, {"weights": "x"}, dense)
    assert back.tries() == [finished]
    model = back.model(finished)
    assert model.first.weight is model.second.weight
    for name, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
