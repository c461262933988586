"""The command line, called as a user would."""

import sys

import pytest

from prunelimit.lab import cli


def run(
    arguments: list[str],
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    columns: int = 200,
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["prunelimit", *arguments])
    monkeypatch.setenv("COLUMNS", str(columns))
    try:
        cli.main()
        status = 0
    except SystemExit as stop:
        status = int(stop.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err
