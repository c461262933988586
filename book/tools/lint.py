"""``make lint``: ruff, mypy and who imports whom, all of them whatever the first one says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from book.tools.content import ROOT

TOOLS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports", "--no-cache"),
)


def main() -> int:
    """Run every tool; return 0 where all are content, else 1."""
    complaining = [" ".join(tool) for tool in TOOLS if _status(tool)]
    if complaining:
        print(f"lint: {', '.join(complaining)} found something, see above", file=sys.stderr)
    return 1 if complaining else 0


def _status(tool: tuple[str, ...]) -> int:
    program = Path(sys.executable).with_name(tool[0])
    return subprocess.run([program, *tool[1:]], cwd=ROOT, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
