"""The command line as its user meets it: what it prints, writes, and refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cli_support import run
from disk_support import fill, small_disk
from safetensors.torch import load_file, save_file

import prunelimit
from prunelimit.lab.tasks import TASKS

NET = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))

def batches():
    torch.manual_seed(1)
    return [(torch.randn(40, 5), torch.randint(3, (40,))) for _ in range(4)]

number = 3

def dictionaries():
    return [{"input": x, "labels": y} for x, y in batches()]

def call(model, batch):
    return model(batch["input"])

def loss(outputs, batch):
    return nn.functional.cross_entropy(outputs, batch["labels"])
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net_of_test.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_load_no_torch(option) -> None:
    code = f"""import sys
sys.argv = ["prunelimit", {option!r}]
from prunelimit.lab.cli import main
try:
    main()
except SystemExit as stop:
    print("status", stop.code, "torch" in sys.modules)
"""
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "status 0 False"
    if option == "--version":
        assert said.splitlines()[0] == f"prunelimit {prunelimit.__version__}"
    else:
        assert "How sparse can a trained network be pruned" in said
        assert "reproduce" in said and "--version" in said


def test_what_counts_and_how_outputs_come_is_chosen(project, capsys, monkeypatch) -> None:
    common = ["predict", "net_of_test:make", "--data", "net_of_test:dictionaries"]
    choice = ["-p", "2.*", "--epsilon", "0.05"]
    status, out, err = run([*common, *choice], capsys, monkeypatch)
    assert (status, err) == (0, "")
    assert "D = 27 of 75 parameters; left out: 0.weight (40)" in out
    forward = ["--forward", "net_of_test:call", "--loss", "net_of_test:loss"]
    again = run([*common, *choice, *forward], capsys, monkeypatch)[1]
    assert again.splitlines()[2:7] == out.splitlines()[2:7]
    status, out, _ = run(
        ["prune", "net_of_test:make", "-s", "0.5", "-p", "2.*", "-o", "out.safetensors"],
        capsys,
        monkeypatch,
    )
    assert status == 0 and "14 of 27 prunable weights are zero" in out


def test_a_wrappers_prefix_is_said(project, capsys, monkeypatch) -> None:
    from net_of_test import make

    save_file({f"module.{n}": t for n, t in make().state_dict().items()}, "ddp.safetensors")
    status, _, err = run(
        ["prune", "net_of_test:make", "-c", "ddp.safetensors", "-s", "0.5", "-o", "o.safetensors"],
        capsys,
        monkeypatch,
    )
    assert status == 0 and "note:" in err and "'module.' was taken off" in err


def test_predict_prints_a_summary_and_writes_the_report(project, capsys, monkeypatch) -> None:
    status, out, err = run(
        ["predict", "net_of_test:make", "--data", "net_of_test:batches", "-o", "report.json"],
        capsys,
        monkeypatch,
    )
    assert (status, err) == (0, "")
    assert "paper's limit" in out and "D = 64 of 75 parameters" in out
    assert json.loads((project / "report.json").read_text())["dim"] == 64


def test_prune_writes_weights_that_load(project, capsys, monkeypatch) -> None:
    sys.path.insert(0, str(project))
    status, out, _ = run(
        ["prune", "net_of_test:make", "-s", "0.75", "-o", "out/pruned.safetensors"],
        capsys,
        monkeypatch,
    )
    assert status == 0 and "48 of 64 prunable weights are zero" in out
    weights = load_file("out/pruned.safetensors")
    assert sum(int((w == 0).sum()) for n, w in weights.items() if n.endswith("weight")) == 48
    status, out, _ = run(
        [
            "predict",
            "net_of_test:make",
            "-c",
            "out/pruned.safetensors",
            "-d",
            "net_of_test:batches",
        ],
        capsys,
        monkeypatch,
    )
    assert status == 0


def test_tasks_lists_the_papers_eight(capsys, monkeypatch) -> None:
    status, out, _ = run(["tasks", "--names"], capsys, monkeypatch)
    assert status == 0
    names = out.split()
    assert len([n for n in names if n.startswith(("cifar", "tiny-imagenet"))]) == 8


@pytest.mark.parametrize("width", [60, 200])
def test_names_of_tasks_stay_whole_at_any_width(capsys, monkeypatch, width: int) -> None:
    status, shown, _ = run(["tasks"], capsys, monkeypatch, width)
    assert status == 0
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    for name, task in TASKS.items():
        (at,) = (i for i, line in enumerate(lines) if line.split()[:1] == [name])
        assert f"{task.training.l1:g}" in " ".join(lines[at : at + 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "net_of_test", "-d", "net_of_test:batches"], "module:name"),
        (["predict", "..net_of_test:make", "-d", "net_of_test:batches"], "module:name"),
        (["predict", "nowhere_x:make", "-d", "net_of_test:batches"], "cannot import 'nowhere_x'"),
        (["predict", "net_of_test:gone", "-d", "net_of_test:batches"], "has no 'gone'"),
        (["predict", "net_of_test:__name__", "-d", "net_of_test:batches"], "is or returned a str"),
        (["predict", "net_of_test:make", "-d", "imaginary"], "imaginary"),
        (["predict", "net_of_test:make", "-d", "net_of_test:batches", "--loss", "no"], "no loss"),
        (
            ["predict", "net_of_test:make", "-d", "net_of_test:batches", "--epsilon", "-1"],
            "epsilon must be a positive",
        ),
        (
            ["predict", "net_of_test:make", "-d", "net_of_test:batches", "-c", "absent.pt"],
            "absent.pt",
        ),
        (["prune", "net_of_test:make", "-s", "90", "-o", "x.safetensors"], "did you mean 0.9"),
        (["reproduce", "digits-mpl"], "digits-mlp"),
        (["reproduce", "digits-mlp", "--examples", "0"], "examples is 0"),
    ],
)
def test_mistakes_get_one_line_and_status_2(
    project, capsys, monkeypatch, arguments: list[str], message: str
) -> None:
    status, _, err = run(arguments, capsys, monkeypatch)
    assert status == 2 and err.startswith("error: ") and message in err
    assert "Traceback" not in err
    assert not list(project.glob("*.safetensors"))


def test_checkpoints_that_are_corrupt_or_foreign_are_refused(project, capsys, monkeypatch) -> None:
    Path("corrupt.safetensors").write_bytes(b"not a checkpoint")
    save_file({"other.weight": torch.ones(2, 2)}, "foreign.safetensors")
    for name in ("corrupt.safetensors", "foreign.safetensors"):
        status, _, err = run(
            ["prune", "net_of_test:make", "-c", name, "-s", "0.5", "-o", "x.safetensors"],
            capsys,
            monkeypatch,
        )
        assert status == 2 and name in err, err


def test_a_pruned_network_does_not_replace_its_dense_one(project, capsys, monkeypatch) -> None:
    run(["prune", "net_of_test:make", "-s", "0", "-o", "dense.safetensors"], capsys, monkeypatch)
    before = Path("dense.safetensors").read_bytes()
    Path("link.safetensors").symlink_to("dense.safetensors")
    for command in (["prune", "-s", "0.5"], ["find", "-d", "net_of_test:batches"]):
        for output in ("dense.safetensors", "link.safetensors"):
            options = ["net_of_test:make", "-c", "dense.safetensors", "-o", output]
            status, _, err = run([*command, *options], capsys, monkeypatch)
            assert status == 2 and "give another --output" in err
    assert Path("dense.safetensors").read_bytes() == before


def test_a_pickle_that_runs_code_is_not_run(project, capsys, monkeypatch) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (os.mkdir, (str(project / "exploded"),))

    torch.save(Bomb(), "bomb.pt")
    status, _, err = run(
        ["prune", "net_of_test:make", "-c", "bomb.pt", "-s", "0.5", "-o", "x.safetensors"],
        capsys,
        monkeypatch,
    )
    assert status == 2 and "bomb.pt" in err
    assert not (project / "exploded").exists()


def test_help_answers_without_loading_torch() -> None:
    code = "import sys, prunelimit.lab.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PREDICT = ["predict", "net_of_test:make", "--data", "net_of_test:batches"]


def test_where_a_report_goes_is_looked_at_before_the_computation(
    project, capsys, monkeypatch
) -> None:
    def computes(*_: object, **__: object) -> None:
        pytest.fail("it computed")

    monkeypatch.setattr("prunelimit.predict.predict_limit", computes)
    (project / "file").touch()
    for output, words in (
        ("file/report.json", "a part of the name is a file"),
        (".", "it is a folder"),
        ("n" * 300, "take a shorter name"),
    ):
        status, _, err = run([*PREDICT, "-o", output], capsys, monkeypatch)
        assert status == 2 and err.startswith("error: cannot write") and words in err
        assert err.count("\n") == 1


ODD = ["a b", "{task}", "[red]", "%s", "*?", "'\"`$(x)", "new\nline", "\x1b[1m", "#a&b", "雪"]


@pytest.mark.parametrize("name", ODD)
def test_any_path_works_and_no_message_has_two_lines(
    project, capsys, monkeypatch, name: str
) -> None:
    arguments = ["prune", "net_of_test:make", "-s", "0.5", "-o"]
    status, out, _ = run([*arguments, f"{name}/{name}.safetensors"], capsys, monkeypatch)
    assert status == 0 and "32 of 64" in out and out.count("\n") == 1 and "\x1b" not in out
    assert list(Path(name).iterdir()) == [Path(name, f"{name}.safetensors")]
    status, _, err = run(
        [*arguments, "x", "-c", f"{name}/{name}/absent.safetensors"], capsys, monkeypatch
    )
    assert status == 2 and err.count("\n") == 1 and "\x1b" not in err


def test_a_report_from_a_pipe_is_read_and_one_that_nobody_writes_to_refused(
    project, capsys, monkeypatch
) -> None:
    os.mkfifo("pipe")
    find = ["find", *PREDICT[1:], "-o", "x.safetensors", "--report"]
    status, _, err = run([*find, "pipe"], capsys, monkeypatch)
    assert status == 2 and "a pipe that nobody writes to" in err
    ours, theirs = os.pipe()
    os.write(theirs, b'{"format": 3}')
    os.close(theirs)
    status, _, err = run([*find, f"/dev/fd/{ours}"], capsys, monkeypatch)
    os.close(ours)
    assert status == 2 and "no report of predict_limit (format 3" in err


def test_a_place_to_resume_from_that_is_not_used_is_said(project, capsys, monkeypatch) -> None:
    status, out, _ = run([*PREDICT, "--resume", "kept"], capsys, monkeypatch)
    assert status == 0 and "note: kept is not used" in out and not Path("kept").exists()


def test_a_full_disk_leaves_the_old_report(project, capsys, monkeypatch) -> None:
    with small_disk(project / "disk", "256k") as disk:
        report = disk / "report.json"
        report.write_text("old")
        fill(disk)
        status, _, err = run([*PREDICT, "-o", str(report)], capsys, monkeypatch)
        assert status == 2 and err.count("\n") == 1
        assert "No space left on device; make room" in err and str(report) in err
        assert report.read_text() == "old"
        assert {path.name for path in disk.iterdir()} == {"report.json", "filler"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_stdout_of_another_encoding_ends_nothing(encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "COLUMNS": "80"}
    command = [sys.executable, "-m", "prunelimit", "tasks"]
    made = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (made.returncode, made.stderr) == (0, b"")
    assert rb"\u03bb" in made.stdout and b"digits-mlp" in made.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_stdout_that_is_full_or_gone_is_no_traceback() -> None:
    for target, expected in (("> /dev/full", "No space left on device"), ("| true", "")):
        command = f"'{sys.executable}' -m prunelimit tasks {target}"
        made = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert expected in made.stderr and "Traceback" not in made.stderr
        assert "Exception ignored" not in made.stderr and made.stderr.count("\n") <= 1


def test_one_task_is_not_a_group_and_many_are_a_batch(project, capsys, monkeypatch) -> None:
    status, _, err = run(["reproduce", "paper"], capsys, monkeypatch)
    assert status == 2 and "prunelimit batch" in err
    for option, value, words in (
        ("--seed", "-1", "seed is -1"),
        ("--tolerance", "5", "tolerance is 5"),
        ("--examples", "100", "make no two of them"),
        ("--resolution", "0", "resolution is 0"),
        ("--sparsest", "1", "sparsest is 1"),
        ("--device", "gpu", "unknown device 'gpu'"),
    ):
        status, _, err = run(["reproduce", "digits-mlp", option, value], capsys, monkeypatch)
        assert status == 2 and words in err and err.count("\n") == 1
    assert not (project / "runs").exists()


def test_how_finely_and_how_far_is_searched_may_be_said(project, capsys, monkeypatch) -> None:
    seen = []

    def stopped(task, directory, config, **rest):
        seen.append(config)
        raise prunelimit.PruneLimitError("enough")

    monkeypatch.setattr("prunelimit.lab.experiment.run_task", stopped)
    asked = ["reproduce", "digits-mlp", "--resolution", "0.001", "--sparsest", "0.9999"]
    assert run(asked, capsys, monkeypatch)[0] == 2
    assert run(asked[:2], capsys, monkeypatch)[0] == 2
    assert [(one.resolution, one.sparsest) for one in seen] == [(0.001, 0.9999), (0.005, 0.999)]


FIND = ["find", "net_of_test:make", "-d", "net_of_test:batches", "-o", "found.safetensors"]


def test_find_writes_the_network_and_its_tries(project, capsys, monkeypatch) -> None:
    options = ["--start", "0.4", "--epsilon", "0.05", "--epochs", "5", "--learning-rate", "0.05"]
    options += ["--tolerance", "0.05", "--directory", "tries"]
    status, out, err = run([*FIND, *options], capsys, monkeypatch)
    assert (status, err) == (0, ""), err
    found = json.loads((project / "found.json").read_text())
    assert f"{found['sparsity']:.2%}" in out and "bisection takes" in out
    weights = load_file("found.safetensors")
    zeros = sum(int((w == 0).sum()) for n, w in weights.items() if n.endswith("weight"))
    assert zeros == round(found["lower"] * 64)
    assert len(list((project / "tries").glob("kept-*"))) == len(found["tries"])
    again, out_again, _ = run([*FIND, *options], capsys, monkeypatch)
    assert again == 0 and out_again == out


def test_find_counts_what_is_chosen_and_calls_as_told(project, capsys, monkeypatch) -> None:
    options = ["--start", "0.4", "--epsilon", "0.05", "--epochs", "2", "--learning-rate", "0.05"]
    options += ["--tolerance", "0.2", "--parameters", "*.weight", "--parameters", "*.bias"]
    options += ["--forward", "net_of_test:call", "--loss", "net_of_test:loss"]
    options += ["--data", "net_of_test:dictionaries"]
    status, _, err = run([*FIND, *options], capsys, monkeypatch)
    assert (status, err) == (0, ""), err
    found = json.loads((project / "found.json").read_text())
    total = sum(tensor.numel() for tensor in load_file("found.safetensors").values())
    assert found["dim"] == total > 64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--start", "0.4"], "give epsilon= or metric="),
        (["--start", "40", "--epsilon", "1"], "start is 40.0; it must be a sparsity"),
        (["--metric", "accuracy", "--start", "0.4"], "belong together"),
        (["--finetune", "net_of_test:make", "--epochs", "3"], "loop of your own"),
        (["--finetune", "net_of_test:gone"], "has no 'gone'"),
        (["--report", "absent.json"], "absent.json"),
        (["--tolerance", "2", "--start", "0.4", "--epsilon", "1"], "tolerance is 2.0; it must be"),
    ],
)
def test_mistakes_of_find_get_one_line(
    project, capsys, monkeypatch, options: list[str], message: str
) -> None:
    status, _, err = run([*FIND, *options], capsys, monkeypatch)
    assert status == 2 and err.startswith("error: ") and message in err
    assert not list(project.glob("found.*"))


def test_find_writes_over_nothing_that_it_reads(project, capsys, monkeypatch) -> None:
    predicted = ["predict", "net_of_test:make", "-d", "net_of_test:batches", "-o", "net.json"]
    assert run(predicted, capsys, monkeypatch)[0] == 0
    before = Path("net.json").read_bytes()
    search = ["find", "net_of_test:make", "-d", "net_of_test:batches", "--report", "net.json"]
    for output, message in (
        ("net.safetensors", "net.json would replace net.json, which this command reads"),
        ("weights.json", "give a name that ends in .safetensors"),
        ("weights.pt", "give a name that ends in .safetensors"),
    ):
        status, _, err = run([*search, "-o", output], capsys, monkeypatch)
        assert status == 2 and message in err, err
    Path("folder.json").mkdir()
    status, _, err = run([*search, "-o", "folder.safetensors"], capsys, monkeypatch)
    assert status == 2 and "it is a folder" in err, err
    assert Path("net.json").read_bytes() == before and not list(project.glob("*.safetensors"))
