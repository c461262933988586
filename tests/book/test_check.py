"""What `make test` runs again: a file of tests, when something that it looks at has changed."""

import subprocess
import sys
from pathlib import Path

import pytest

from book.tools import check, lint

FILES = {
    "tests/test_cones.py": "def test_a(): pass\n",
    "tests/book/test_pages.py": "def test_b(): pass\n",
    "notebooks/01_cones.ipynb": "{}\n",
    "package/cones.py": "x = 1\n",
    "book/intro.md": "# Words\n",
    "_build/html/intro.html": "<p>words</p>\n",
}
EVERYTHING = {
    "tests/test_cones.py",
    "tests/book/test_pages.py",
    "notebooks/01_cones.ipynb",
    "prunelimit",
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(check, "RESULTS", tmp_path / "book" / "results")
    monkeypatch.setattr(check, "HTML", tmp_path / "_build" / "html")
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("tests/test_cones.py", {"tests/test_cones.py", "tests/book/test_pages.py"}),
        ("notebooks/01_cones.ipynb", {"notebooks/01_cones.ipynb", "tests/book/test_pages.py"}),
        ("book/intro.md", {"tests/book/test_pages.py"}),
        ("_build/html/intro.html", {"tests/book/test_pages.py"}),
        ("package/cones.py", EVERYTHING),
        ("tests/conftest.py", EVERYTHING - {"prunelimit"}),
        ("conftest.py", EVERYTHING - {"prunelimit"}),
        ("book/tools/agreement.py", EVERYTHING - {"prunelimit"}),
        ("tests/widget_support.py", EVERYTHING - {"prunelimit"}),
    ],
)
def test_what_is_run_again_after_a_change(tree, changed, again):
    before = check.fingerprints()
    assert set(before) == EVERYTHING
    (tree / changed).parent.mkdir(parents=True, exist_ok=True)
    with (tree / changed).open("a") as file:
        file.write("\n\n")
    after = check.fingerprints()
    assert {name for name in after if after[name] != before[name]} == again


def test_results_that_chapters_read_are_read_by_their_tests(tree):
    before = check.fingerprints()
    (tree / "book" / "results").mkdir()
    (tree / "book" / "results" / "run.json").write_text("{}")
    after = check.fingerprints()
    assert {name for name in after if after[name] != before[name]} == EVERYTHING


@pytest.mark.parametrize(
    ("linted", "tested", "status"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1), (1, 5, 5)]
)
def test_tests_run_whatever_lint_says_and_both_count(monkeypatch, linted, tested, status):
    ran = []
    monkeypatch.setattr(check.lint, "main", lambda: ran.append("lint") or linted)
    monkeypatch.setattr(check, "run_tests", lambda force, further: ran.append("tests") or tested)
    assert check.main([]) == status
    assert ran == ["lint", "tests"]


def test_lint_counts_when_every_test_has_passed_before(tree, monkeypatch):
    monkeypatch.setattr(check.lint, "main", lambda: 1)
    monkeypatch.setattr(check, "read_json", lambda path: check.fingerprints())
    assert check.main([]) == 1


def test_every_linter_runs_whatever_the_first_says(tmp_path, monkeypatch, capfd):
    folder = Path(sys.executable).parent
    assert {tool[0] for tool in lint.TOOLS} <= {p.name for p in folder.iterdir()}
    for name, status in (("ruff", 1), ("mypy", 0), ("lint-imports", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} $*\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(lint.sys, "executable", str(tmp_path / "python"))
    assert lint.main() == 1
    said = capfd.readouterr()
    assert said.out.split("\n")[:3] == ["ruff check .", "ruff format --check .", "mypy"]
    assert "ruff check ., ruff format --check . found something" in said.err
    (tmp_path / "ruff").write_text("#!/bin/sh\n")
    assert lint.main() == 0


def test_make_test_is_not_stopped_by_lint():
    asked = subprocess.run(
        ["make", "--dry-run", "--always-make", "test"],
        cwd=check.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "-m book.tools.check" in asked
    assert "ruff" not in asked and "book.tools.lint" not in asked


def test_the_fast_tests_start_no_kernel_browser_or_build(monkeypatch):
    fast = check.fast_tests()
    wanted = {"geometry/test_cones.py", "limit/test_solve.py", "lab/test_cli.py"}
    assert {f"tests/{name}" for name in wanted} <= set(fast)
    assert not [name for name in fast if "browser" in name or name.endswith(".ipynb")]
    asked = []
    monkeypatch.setattr(check.lint, "main", lambda: asked.append("lint") or 0)
    monkeypatch.setattr(check, "run_fast", lambda further: asked.append("fast") or 0)
    assert check.main(["--fast"]) == 0 and asked == ["lint", "fast"]
    assert check.main(["--fast", "--no-lint"]) == 0 and asked == ["lint", "fast", "fast"]
