"""Killed, corrupted and foreign runs."""

import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn
from training_support import light

from prunelimit.errors import PruneLimitError
from prunelimit.lab import data, models, training
from prunelimit.lab.data import Batches
from prunelimit.lab.store import checkpoints
from prunelimit.lab.store.checkpoints import load_checkpoint
from prunelimit.lab.training import train
from prunelimit.recipe import TrainingConfig

CONFIG = TrainingConfig(epochs=4, learning_rate=0.05, batch_size=16, schedule="cosine", seed=3)

# A process that forks runs of the same training, because starting torch takes seconds and a
# fork takes none. Each line it reads is a command; each line it writes, how the child ended.
WORKER = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from test_training_resume import CONFIG, network, tiny_splits
from prunelimit.lab import training
from prunelimit.lab.store import checkpoints

os.fsync = lambda descriptor: None  # guards against power cuts, which a test cannot cause

# What the first optimiser imports takes seconds too, and so does reading the package's sources
# for the key of a run; here both are done once, before any fork.
torch.optim.SGD([torch.zeros(1, requires_grad=True)]).step()
training.training_key(network(), tiny_splits(), CONFIG)

def die_at(number):
    "SIGKILL before the number-th change of the disk."
    count = 0
    def counted(function):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return call
    for name in ("replace", "unlink", "rmdir", "mkdir", "open", "chmod"):
        setattr(os, name, counted(getattr(os, name)))
    torch.save = counted(torch.save)

for line in sys.stdin:
    run_dir, number, epochs = line.split()
    child = os.fork()
    if child == 0:
        die_at(int(number))
        config = CONFIG.scaled(int(epochs))
        training.train(network(), tiny_splits(), config, run_dir, "cpu", progress=False)
        os._exit(0)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(status, flush=True)
"""


def network(seed=0):
    """With batch normalisation (buffers) and dropout (random numbers)."""
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(16, 12),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(12, 3),
    )
    models.initialize(model, seed)
    return model


def tiny_splits(seed=0, examples=100):
    """Three classes of noisy 4 × 4 images; the training part is shuffled and augmented."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(examples) % 3
    images = torch.randn(examples, 1, 4, 4, generator=generator) + labels.view(-1, 1, 1, 1)
    part = Batches(images, labels, 16)
    train_part = Batches(images, labels, 16, shuffle=True, augment=True)
    return data.Splits(train_part, part, part, part, 3, (1, 4, 4), "tiny", seed)


def same_bits(first, second):
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(s, t) for (a, s), (b, t) in pairs)


@pytest.fixture(scope="module")
def worker():
    tests = Path(__file__).parents[1]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (tests / "lab", tests / "support", tests.parent))),
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def start(process, run_dir, die_at=-1, epochs=4):
    print(run_dir, die_at, epochs, file=process.stdin, flush=True)
    return int(process.stdout.readline())


def ended(process):
    """0, or the number of the signal that killed the child."""
    return int(process.stdout.readline()) & 127


def undisturbed(process, tmp_path, epochs=4):
    start(process, tmp_path / "undisturbed", epochs=epochs)
    assert ended(process) == 0
    return (tmp_path / "undisturbed" / f"epoch-{epochs:04d}" / checkpoints.WEIGHTS).read_bytes()


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks")


@needs_fork
def test_killed_at_random_moments_a_run_ends_with_the_same_bits(worker, tmp_path):
    moments = random.Random(0)
    expected = undisturbed(worker, tmp_path / "first")
    began = time.perf_counter()
    assert undisturbed(worker, tmp_path / "second") == expected
    # The latest moment follows the machine, which may be busy now and quiet a second later: a
    # run that ended before its moment makes it earlier, one that was killed makes it later.
    latest = time.perf_counter() - began
    kills = runs = 0
    while kills < 4 or runs < 3:
        run_dir = tmp_path / f"killed-{runs}"
        runs += 1
        while not (run_dir / "epoch-0004").is_dir():
            child = start(worker, run_dir)
            time.sleep(moments.uniform(0, latest))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            killed = ended(worker) == signal.SIGKILL
            kills += killed
            latest *= 1.2 if killed else 0.7
        assert (run_dir / "epoch-0004" / checkpoints.WEIGHTS).read_bytes() == expected


@needs_fork
def test_killed_at_every_change_of_the_disk_a_run_ends_with_the_same_bits(worker, tmp_path):
    """Two kills a run: at the n-th change, and at the n-th change after it was taken up."""
    expected = undisturbed(worker, tmp_path, epochs=2)
    number, killed = 0, True
    while killed:
        number += 1
        run_dir = tmp_path / f"killed-{number}"
        start(worker, run_dir, die_at=number, epochs=2)
        killed = ended(worker) == signal.SIGKILL
        if number % 3 == 0:
            start(worker, run_dir, die_at=number // 3, epochs=2)
            ended(worker)
        start(worker, run_dir, epochs=2)
        assert ended(worker) == 0
        weights = run_dir / "epoch-0002" / checkpoints.WEIGHTS
        assert weights.read_bytes() == expected, f"killed at change {number}"
        left = {path.name for path in run_dir.iterdir()}
        assert left == {".lock", "epoch-0002", "training.json"}
    assert number > 20, "there were not as many changes as three checkpoints need"


@pytest.fixture(autouse=True)
def light_on_the_machine(monkeypatch):
    with light(monkeypatch):
        yield


def finished(tmp_path, **options):
    return train(network(), tiny_splits(), CONFIG, tmp_path / "run", "cpu", **options)


def test_a_finished_run_is_only_loaded(tmp_path):
    first = finished(tmp_path)
    written = first.weights.stat().st_mtime_ns
    second = finished(tmp_path)
    assert (first.resumed_from, second.resumed_from) == (None, 4)
    assert second.weights.stat().st_mtime_ns == written
    assert second.final == first.final
    assert second.history[1:] == first.history[1:]
    assert same_bits(first.model, second.model)


def test_an_interrupted_run_leaves_the_last_checkpoint_and_nothing_else(tmp_path, monkeypatch):
    calls = []

    def interrupts(outputs, targets):
        calls.append(None)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return nn.functional.cross_entropy(outputs, targets)

    monkeypatch.setattr(training, "cross_entropy", interrupts)
    run_dir = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(network(), tiny_splits(), CONFIG, run_dir, "cpu")
    newest = checkpoints.latest(run_dir)
    assert newest.epoch == 1
    assert {p.name for p in run_dir.iterdir()} == {".lock", "epoch-0001", "training.json"}
    resumed = train(network(), tiny_splits(), CONFIG, run_dir, "cpu")
    assert resumed.resumed_from == 1
    assert len(resumed.history) == 5


def test_an_interrupt_while_writing_leaves_no_unfinished_folder(tmp_path, monkeypatch):
    def interrupts(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupts)
    with pytest.raises(KeyboardInterrupt):
        finished(tmp_path)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {".lock"}


@pytest.mark.parametrize("file", [checkpoints.WEIGHTS, checkpoints.OPTIMIZER, checkpoints.RECORD])
@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_a_corrupt_checkpoint_is_refused(tmp_path, file, damage):
    path = finished(tmp_path).checkpoint / file
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[20] ^= 255
        path.write_bytes(content)
    with pytest.raises(PruneLimitError, match=f"epoch-0004 is corrupt: {file}.*delete"):
        finished(tmp_path)


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    path = finished(tmp_path).checkpoint / checkpoints.RECORD
    record = json.loads(path.read_text()) | {"format": 99}
    path.write_text(json.dumps(record))
    with pytest.raises(PruneLimitError, match="format 99"):
        finished(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"config": dataclasses.replace(CONFIG, l1=0.1)}, r"config.l1 was 5e-05 and is now 0\.1"),
        ({"config": dataclasses.replace(CONFIG, seed=4)}, "config.seed was 3 and is now 4"),
        ({"config": CONFIG.scaled(9)}, "config.epochs was 4 and is now 9"),
        ({"model": network(seed=1)}, "initial_weights was"),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(16, 3))}, r"model.1.weight was"),
        ({"splits": tiny_splits(seed=1)}, "data.seed was 0 and is now 1"),
        (
            {"splits": tiny_splits(examples=99)},
            "data.train was '100 examples, .*' and is now '99 examples",
        ),
    ],
)
def test_another_run_is_refused_and_the_difference_named(tmp_path, options, message):
    finished(tmp_path)
    asked = {"model": network(), "splits": tiny_splits(), "config": CONFIG} | options
    with pytest.raises(PruneLimitError, match=message):
        train(run_dir=tmp_path / "run", device="cpu", **asked)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fcntl")
def test_two_runs_in_one_folder_do_not_collide(tmp_path):
    with (
        checkpoints.exclusive(tmp_path / "run"),
        pytest.raises(PruneLimitError, match="another run is at work in"),
    ):
        finished(tmp_path)
    finished(tmp_path)


def test_a_run_dir_that_is_a_file_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(PruneLimitError, match="cannot be written"):
        finished(tmp_path)


# --- weights from elsewhere ---


@pytest.mark.parametrize("form", ["safetensors", "torch", "nested", "epoch", "run"])
def test_weights_are_loaded_from_each_form(tmp_path, form):
    result = finished(tmp_path)
    state = result.model.state_dict()
    path = {"safetensors": result.weights, "epoch": result.checkpoint, "run": tmp_path / "run"}
    path = path.get(form, tmp_path / "model.pt")
    if form in ("torch", "nested"):
        torch.save(state if form == "torch" else {"state_dict": state, "epoch": 4}, path)
    model = network(seed=7)
    load_checkpoint(model, path)
    assert same_bits(model, result.model)


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self, seed):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        models.initialize(self, seed)

    def forward(self, inputs):
        return self.second(torch.relu(self.first(inputs.flatten(1)[:, :3])))


def test_tied_weights_survive_a_run(tmp_path):
    result = train(Tied(0), tiny_splits(), CONFIG, tmp_path, "cpu")
    model = Tied(1)
    load_checkpoint(model, result.weights)
    assert same_bits(model, result.model)
    assert model.first.weight is model.second.weight


class Whole(nn.Linear):
    """A model that somebody pickled."""


def foreign(path, name):
    state = network().state_dict()
    if name == "text":
        path.write_text("no checkpoint")
    elif name == "empty":
        path.write_bytes(b"")
    elif name == "whole model":
        torch.save(Whole(2, 2), path)
    elif name == "list":
        torch.save([1, 2], path)
    elif name == "missing":
        torch.save({k: v for k, v in state.items() if k != "1.bias"}, path)
    elif name == "unexpected":
        torch.save(state | {"head.weight": torch.ones(1)}, path)
    elif name == "shape":
        torch.save(state | {"1.weight": torch.ones(5, 5)}, path)
    elif name == "nan":
        torch.save(state | {"1.bias": torch.full((12,), torch.nan)}, path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "there is no checkpoint at"),
        ("text", "cannot be loaded as tensors only"),
        ("empty", "cannot be loaded as tensors only"),
        ("whole model", "whole pickled model, save model.state_dict"),
        ("list", "holds no state dict"),
        ("missing", "1.bias is missing"),
        ("unexpected", "head.weight is not in the model"),
        ("shape", r"1.weight has shape \(5, 5\), the model's \(12, 16\)"),
        ("nan", "not finite, in 1.bias"),
    ],
)
def test_foreign_files_are_named_and_change_nothing(tmp_path, name, message):
    path = tmp_path / "model.pt"
    foreign(path, name)
    model = network()
    with pytest.raises(PruneLimitError, match=message):
        load_checkpoint(model, path)
    assert same_bits(model, network())


def test_damaged_safetensors_and_empty_folders_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x08\x00\x00\x00")
    with pytest.raises(PruneLimitError, match="no readable safetensors"):
        load_checkpoint(network(), path)
    with pytest.raises(PruneLimitError, match="holds no checkpoint"):
        load_checkpoint(network(), tmp_path)


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'owned'}",)

    torch.save({"1.weight": Attack()}, tmp_path / "model.pt")
    with pytest.raises(PruneLimitError, match="tensors only"):
        load_checkpoint(network(), tmp_path / "model.pt")
    assert not (tmp_path / "owned").exists()
