"""``make test``: lint, and pytest over the tests, the doctests and the notebooks.

The tests run whatever lint says, and both count. A file of tests is run again when it, the package
or anything else that tests look at has changed since it last passed. ``--force`` runs all of them,
``--fast`` those that need no notebook, no browser and no second process: for another Python.
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
# These take minutes: they start kernels, workers, browsers, builds, or train for long.
_SLOW = (*_LOOKS_AT_EVERYTHING, "tests/lab/batch/", "tests/lab/test_distributed")
_SHARED = ("pyproject.toml", "conftest.py", "book/tools/agreement.py")
_WHOLE = (
    *("book", "notebooks", "tests", "benchmarks", ".ci", ".github"),
    *("README.md", "CITATION.cff", "Makefile", "_config.yml", "environment.yml"),
)


def main(arguments: list[str] | None = None) -> int:
    """Lint and run the tests that need running; return 0 where both are content."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="run what has passed already, too")
    parser.add_argument("--fast", action="store_true", help="run the fast ones, keep no record")
    parser.add_argument("--no-lint", action="store_true", help="run the tests alone")
    options, further = parser.parse_known_args(arguments)
    linted = 0 if options.no_lint else lint.main()
    tested = run_fast(further) if options.fast else run_tests(options.force, further)
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
    # Begun last, as files of few tests are by default, the slow ones would be waited for.
    todo.sort(key=lambda name: not name.startswith((*_SLOW, "notebooks/reproduce/")))
    status = run_pytest([*todo, *further])
    if status == 0:
        now = fingerprints()
        kept.update({name: keys[name] for name in todo if now.get(name) == keys[name]})
        write_if_different(PASSED, json.dumps(kept, indent=1))
    return status


def run_fast(further: list[str]) -> int:
    """Run the doctests and the fast tests; return pytest's exit status."""
    return run_pytest([*fast_tests(), "prunelimit", *further])


def fast_tests() -> list[str]:
    """Return the files of tests that ``--fast`` runs."""
    names = [p.relative_to(ROOT).as_posix() for p in _test_files() if p.suffix == ".py"]
    return [name for name in names if not name.startswith(_SLOW)]


def fingerprints() -> dict[str, str]:
    """Return, for each file that pytest is given, a fingerprint of what its tests read."""
    package = digest(digest_of_files(files_below(PACKAGE, RESULTS)), environment())
    # What any test may use: configuration, and the helpers beside the tests.
    helpers = [p for p in files_below(ROOT / "tests") if not p.match("test_*.py")]
    used = [*(ROOT / name for name in _SHARED if (ROOT / name).exists()), *helpers]
    shared = digest(package, digest_of_files(used))
    # Pages by date and size: they are many, and only the build writes them.
    pages = list(files_below(HTML)) if HTML.is_dir() else []
    built = [f"{p} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in pages]
    places = [ROOT / name for name in _WHOLE if (ROOT / name).exists()]
    whole = digest(shared, digest(digest_of_files(files_below(*places)), *built))
    keys = {}
    for path in _test_files():
        name = path.relative_to(ROOT).as_posix()
        base = whole if name.startswith(_LOOKS_AT_EVERYTHING) else shared
        keys[name] = digest(base, path.read_bytes())
    # The package's doctests are one unit: importing it once serves them all.
    return {**keys, "prunelimit": package}


def notebooks() -> list[str]:
    """Return the notebooks, as pytest is given them."""
    found = [p for p in files_below(ROOT / "notebooks") if p.suffix == ".ipynb"]
    return [str(p.relative_to(ROOT)) for p in found]


def _test_files() -> list[Path]:
    tests = [p for p in files_below(ROOT / "tests") if p.match("test_*.py")]
    return tests + [ROOT / name for name in notebooks()]


def run_pytest(todo: list[str], **environment: str) -> int:
    """Run the tests, doctests and notebooks in `todo`, in that order; return the exit status."""
    workers = str(min(2, os.cpu_count() or 1))
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-n", workers, "--dist", "loadfile"),
        "--no-loadscope-reorder",
        *("--doctest-modules", "--nbval", "--nbval-current-env"),
        *("--nbval-sanitize-with", "tests/nbval.cfg", *todo),
    ]
    variables = os.environ | environment
    return subprocess.run(command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
