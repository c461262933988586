"""The switches for another processor's kernels are ones that the libraries obey."""

import platform

import pytest

from book.tools import kernels
from book.tools.check import notebooks


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of kernels differ elsewhere")
def test_the_switches_change_the_kernels():
    told = kernels.used(kernels.switches())
    assert told == "BLAS Nehalem; PyTorch DEFAULT; NumPy none beyond the baseline"


def test_every_notebook_is_run_with_them(monkeypatch):
    asked = []
    monkeypatch.setattr(kernels, "switches", lambda: {"KERNELS": "old"})
    monkeypatch.setattr(kernels, "used", lambda environment: "")

    def run(command, env, **options):
        asked.append((command, env))
        return type("Done", (), {"returncode": 1})

    monkeypatch.setattr(kernels.subprocess, "run", run)
    assert kernels.main() == 1
    ((command, env),) = asked
    assert env["KERNELS"] == "old"
    assert len(notebooks()) >= 11 and set(notebooks()) <= set(command)
    assert "--nbval" in command


def test_a_processor_without_known_switches_is_no_failure(monkeypatch, capsys):
    monkeypatch.setattr(kernels.platform, "machine", lambda: "riscv64")
    assert kernels.main() == 0
    assert "riscv64" in capsys.readouterr().out
