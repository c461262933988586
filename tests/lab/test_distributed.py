"""Two gloo processes against one: the same numbers, one writer, and no waiting for the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import distributed_support as support
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from prunelimit.lab import experiment, tasks
from prunelimit.lab.distributed import Group, _twin, joined
from prunelimit.network.world import ALONE
from prunelimit.results import Result

WORKER = [sys.executable, support.__file__]
COMMAND = ["reproduce", "digits-mlp", "--epochs", "5", "--examples", "300", "--device", "cpu"]
TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of the processes: one thread, and bytecode kept among them where it is not kept elsewhere."""
    root = str(Path(__file__).parents[2])
    own = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": root}
    if own.pop("PYTHONDONTWRITEBYTECODE", None):
        own["PYTHONPYCACHEPREFIX"] = str(tmp_path_factory.mktemp("bytecode"))
    return own


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def pair(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory):
    """Folder and exit of two processes that measured everything together."""
    folder = tmp_path_factory.mktemp("pair")
    arguments = [[*WORKER, "worker", str(rank), "2", str(folder)] for rank in (0, 1)]
    processes = [
        subprocess.Popen(a, env=environment, stderr=subprocess.PIPE, text=True) for a in arguments
    ]
    messages = [process.communicate(timeout=500)[1] for process in processes]
    return folder, [process.returncode for process in processes], messages


@pytest.fixture(scope="module")
def measured(pair, tmp_path_factory: pytest.TempPathFactory):
    folder, _, messages = pair
    files = [folder / f"measured-{rank}.pt" for rank in (0, 1)]
    assert all(file.exists() for file in files), messages
    alone = support.measurements(ALONE, tmp_path_factory.mktemp("alone"))
    return alone, [torch.load(file) for file in files]


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_both_have_all_that_one_has(measured) -> None:
    alone, both = measured
    assert len(alone) > 50
    assert all(set(found) == set(alone) for found in both)


@pytest.mark.parametrize("how", support.PARTS)
@pytest.mark.parametrize("what", ["product", "matrix", "gradient", "gram", "loss"])
def test_curvature_is_exact_for_unequal_shares(measured, how: str, what: str) -> None:
    alone, both = measured
    keys = [key for key in alone if f" {how} " in key and key.endswith(what)]
    assert keys
    for key in keys:
        assert max(relative_error(found[key], alone[key]) for found in both) < TOLERANCE, key


@pytest.mark.parametrize("what", ["statistics", "evaluation"])
def test_losses_of_whole_batches_are_the_same_bits(measured, what: str) -> None:
    alone, both = measured
    assert all(torch.equal(found[what], alone[what]) for found in both)


@pytest.mark.parametrize("what", ["trained", "resumed", "tuned", "history"])
def test_weights_after_training_agree(measured, what: str) -> None:
    alone, both = measured
    keys = [key for key in alone if key.startswith(what)]
    assert keys
    for key in keys:
        assert max(relative_error(found[key], alone[key]) for found in both) < TOLERANCE, key


def test_going_on_ends_with_the_same_bits(measured) -> None:
    for found in measured[1]:
        for key in [key for key in found if key.startswith("resumed ")]:
            assert torch.equal(found[key], found[key.replace("resumed", "trained")])


def test_all_end_with_the_same_bits(measured) -> None:
    first, second = measured[1]
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


def test_a_search_agrees_and_only_the_first_process_keeps_it(pair, measured) -> None:
    alone, both = measured
    # A Krylov search passes rounding on, step by step.
    assert relative_error(both[0]["search"], alone["search"]) < 1e-9
    assert relative_error(both[0]["eigenvalues"], alone["eigenvalues"]) < TOLERANCE
    assert (pair[0] / "spectrum-of-rank-0" / "state.npz").exists()
    assert not (pair[0] / "spectrum-of-rank-1").exists()


def test_a_failure_is_told_to_all(pair) -> None:
    first, second = (torch.load(pair[0] / f"refused-{rank}.pt") for rank in (0, 1))
    assert first["failed lead"].startswith("ZeroDivisionError")
    assert second["failed lead"].startswith("PruneLimitError: the first of 2 processes failed")
    for told in (first, second):
        assert "do not have the same weights" in told["other weights"]
        assert "batch normalisation" in told["normalisation"]


def test_a_dead_process_ends_the_other(pair) -> None:
    _, codes, messages = pair
    assert codes[1] == -signal.SIGKILL
    assert codes[0] == 1 and "RuntimeError" in messages[0], messages[0][-2000:]


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 5))
def test_every_example_goes_to_one_process(sizes: list[int], size: int) -> None:
    numbers = torch.arange(sum(sizes)).split(sizes) if sizes else []
    loader = [(part, part) for part in numbers]
    worlds = [Group(rank, size) for rank in range(size)]
    shares = [[int(n) for x, _ in world.shard(loader) for n in x] for world in worlds]
    assert sorted(sum(shares, [])) == list(range(sum(sizes)))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_weights_go_with_their_examples() -> None:
    each = torch.tensor([1.0, 0.0, 2.0, 3.0, 0.5])
    numbers = torch.arange(14.0)
    one, two, three = numbers[:5], numbers[5:8], numbers[8:]
    loader = [(one, one, each), (two, two, 6.0), (three, three, torch.tensor(2.5))]
    shares = [list(Group(rank, 2).shard(loader)) for rank in range(2)]
    parts = [part for share in shares for part in share]
    each_own = [(x, w) for x, _, w in parts if torch.as_tensor(w).ndim]
    own = {n: float(v) for x, w in each_own for n, v in zip(x.tolist(), w, strict=True)}
    assert own == dict(zip(one.tolist(), each.tolist(), strict=True))
    # What a whole batch divides by says nothing of its parts: the batch stays whole.
    whole = [(x.tolist(), float(w)) for x, _, w in parts if torch.as_tensor(w).ndim == 0]
    assert sorted(whole) == [(two.tolist(), 6.0), (three.tolist(), 2.5)]


def test_a_process_alone_touches_nothing() -> None:
    model, data = nn.Linear(2, 1), [(torch.ones(1, 2), torch.ones(1, 1))]
    with joined() as world:
        assert world is ALONE
    assert world.replicate(model) is model
    assert world.shard(data) is data
    assert not torch.distributed.is_initialized()


def test_normalisation_is_synchronised_in_a_twin_only() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    twin = nn.SyncBatchNorm.convert_sync_batchnorm(_twin(model))
    assert type(model[1]) is nn.BatchNorm2d and type(twin[1]) is nn.SyncBatchNorm
    ours, theirs = model.state_dict(keep_vars=True), twin.state_dict(keep_vars=True)
    assert all(ours[name] is theirs[name] for name in ours)


def test_torchrun_compares_as_one_process(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = tmp_path / "together"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc-per-node", "2", *WORKER[1:], *COMMAND, "--run-dir", together]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("dense test accuracy") == 1  # one process speaks

    support.lighten(monkeypatch.setattr)
    task = tasks.get("digits-mlp").with_(epochs=5, examples=300)
    alone = experiment.run_task(task, tmp_path / "alone", device="cpu")
    found = Result.load(together / "result.json")
    for stage in found.stages.values():
        assert [signature.processes for signature in stage.made_by] == [2]
    assert (found.provenance.processes, alone.provenance.processes) == (2, 1)
    assert found.epsilon == pytest.approx(alone.epsilon, rel=1e-3)
    for ours, theirs in zip(found.comparison(), alone.comparison(), strict=True):
        assert ours.question == theirs.question
        assert ours.sparsity == pytest.approx(theirs.sparsity, abs=0.01), ours.question
