"""Who made a number: the checkout, the command, and what it cost."""

import importlib.machinery
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from prunelimit.lab.store import provenance


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of three levels in a repository with one commit."""
    module = tmp_path / "package" / "lab" / "store" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("one\n")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(provenance, "__file__", str(module))
    return module


def test_the_code_is_the_commit_with_a_mark_for_changes(checkout: Path) -> None:
    clean = provenance.code_version()
    assert clean is not None and len(clean) == 12
    (checkout.parent / "new.py").write_text("untracked")
    assert provenance.code_version() == clean
    checkout.write_text("two\n")
    assert provenance.code_version() == f"{clean}+"


def test_no_checkout_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    assert provenance.code_version() is None


def test_the_command_can_be_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bin/prunelimit", "reproduce", "a task"])
    found = provenance.describe_run(torch.device("cpu"), processes=2)
    assert (found.command, found.processes) == ("prunelimit reproduce 'a task'", 2)
    assert (
        found.packages["torch"] == torch.__version__.partition("+")[0] or "+" in torch.__version__
    )
    assert provenance.describe_run(torch.device("cpu"), "other").command == "other"


@pytest.mark.parametrize(
    ("module", "program", "typed"),
    [
        ("benchmarks.__main__", "/x/benchmarks/__main__.py", "python -m benchmarks rule"),
        ("benchmarks.find", "/x/benchmarks/find.py", "python -m benchmarks.find rule"),
        ("prunelimit.__main__", "/x/prunelimit/__main__.py", "prunelimit rule"),
        (None, "/x/bin/prunelimit", "prunelimit rule"),
        (None, "/x/mine.py", "python mine.py rule"),
    ],
)
def test_a_process_knows_what_was_typed(
    module: str | None, program: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    specification = module and importlib.machinery.ModuleSpec(module, None)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", specification)
    monkeypatch.setattr(sys, "argv", [program, "rule"])
    assert provenance.own_command() == typed


def test_a_command_names_no_place_of_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--output", str(tmp_path / "a" / "b.json"), f"--root={tmp_path.parent / 'c'}", "d/e"]
    typed = "python -m a.module --output a/b.json --root=…/c d/e"
    assert provenance.module_command("a.module", words).replace("'", "") == typed


def test_the_peak_is_that_of_the_body() -> None:
    with provenance.measured(torch.device("cpu")) as small:
        pass
    with provenance.measured(torch.device("cpu")) as large:
        torch.ones(2**25).sum()
    if small.peak_bytes is None:
        pytest.skip("this system does not tell")
    assert large.peak_bytes > small.peak_bytes + 2**25
