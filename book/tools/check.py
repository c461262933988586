"""``make test``: lint, and pytest over the tests, the doctests and the notebooks.

The tests run whatever lint says, and both count. A file of tests is run again when it, the package
or anything else that tests look at has changed since it last passed. ``--force`` runs all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from book.tools import lint
from book.tools.build import HTML
from book.tools.content import (
    BUILD,
    ROOT,
    digest,
    digest_of_files,
    environment,
    files_below,
    read_json,
    write_if_different,
)
from book.tools.execute import PACKAGE, RESULTS

PASSED = BUILD / "stamps" / "passed.json"
# These look at the book as a whole, at other files of the tree or at the built pages.
_LOOKS_AT_EVERYTHING = (
    "tests/book/",
    "tests/widgets/",
    "tests/test_packaging",
    "tests/test_benchmarks",
)
_WHOLE = ("README.md", "CITATION.cff", "Makefile", "_config.yml", "environment.yml")


def main(arguments: list[str] | None = None) -> int:
    """Lint and run the tests that need running; return 0 where both are content."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="run what has passed already, too")
    options, further = parser.parse_known_args(arguments)
    linted = lint.main()
    tested = run_tests(options.force, further)
    if linted and not tested:
        print("lint found something (first lines above); no test failed", file=sys.stderr)
    return tested or linted


def run_tests(force: bool, further: list[str]) -> int:
    """Run the tests that changed since they passed (or all); return pytest's exit status."""
    keys = fingerprints()
    kept = {} if force else read_json(PASSED)
    todo = [name for name, key in keys.items() if kept.get(name) != key]
    if len(todo) < len(keys):
        print(f"{len(keys) - len(todo)} of {len(keys)} test files are unchanged since they passed")
    if not todo:
        print("nothing to run (make test FORCE=1 runs everything)")
        return 0
    status = subprocess.run(_command(todo) + further, cwd=ROOT, stdin=subprocess.DEVNULL).returncode
    if status == 0:
        now = fingerprints()
        kept.update({name: keys[name] for name in todo if now.get(name) == keys[name]})
        write_if_different(PASSED, json.dumps(kept, indent=1))
    return status


def fingerprints() -> dict[str, str]:
    """Return, for each file that pytest is given, a fingerprint of what its tests read."""
    package = digest(digest_of_files(files_below(PACKAGE, RESULTS)), environment())
    shared = digest(package, digest_of_files(_shared_by_tests()))
    whole = digest(shared, _digest_of_everything())
    keys = {}
    for path in _test_files():
        name = path.relative_to(ROOT).as_posix()
        base = whole if name.startswith(_LOOKS_AT_EVERYTHING) else shared
        keys[name] = digest(base, path.read_bytes())
    # The package's doctests are one unit: importing it once serves them all.
    return {**keys, "prunelimit": package}


def _test_files() -> list[Path]:
    tests = [p for p in files_below(ROOT / "tests") if p.match("test_*.py")]
    notebooks = [p for p in files_below(ROOT / "notebooks") if p.suffix == ".ipynb"]
    return tests + notebooks


def _shared_by_tests() -> list[Path]:
    """Return what any test may use: configuration, and the helpers beside the tests."""
    helpers = [p for p in files_below(ROOT / "tests") if not p.match("test_*.py")]
    named = [ROOT / name for name in ("pyproject.toml", "conftest.py", "book/tools/agreement.py")]
    return [p for p in (*named, *helpers) if p.exists()]


def _digest_of_everything() -> str:
    folders = [ROOT / n for n in ("book", "notebooks", "tests", "benchmarks", ".ci")]
    single = [ROOT / n for n in _WHOLE]
    places = [p for p in (*folders, *single) if p.exists()]
    pages = list(files_below(HTML)) if HTML.is_dir() else []
    # Pages by date and size: they are many, and only the build writes them.
    built = [f"{p} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in pages]
    return digest(digest_of_files(files_below(*places)), *built)


def _command(todo: list[str]) -> list[str]:
    workers = str(min(2, os.cpu_count() or 1))
    return [
        *(sys.executable, "-m", "pytest", "-q", "-n", workers, "--dist", "loadfile"),
        *("--doctest-modules", "--nbval", "--nbval-current-env"),
        *("--nbval-sanitize-with", "tests/nbval.cfg", *todo),
    ]


if __name__ == "__main__":
    sys.exit(main())
