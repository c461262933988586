"""What `make test` runs again: a file of tests, when something that it looks at has changed."""

import pytest

from book.tools import check

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
        ("tests/widget_support.py", EVERYTHING - {"prunelimit"}),
    ],
)
def test_what_is_run_again_after_a_change(tree, changed, again):
    before = check.fingerprints()
    assert set(before) == EVERYTHING
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
