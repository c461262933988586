"""`make install` recovers from what stopped it: no pip, no python3-venv, a kill, a wrong clock."""

import os
import shutil
import subprocess
import time

import pytest

from book.tools.content import ROOT

# Stands for python3 and for .venv/bin/python: writes down what it was asked, and does as told.
PYTHON = r"""#!/bin/bash
cd "$TREE"
case "$*" in
  "-m venv .venv")
    echo venv >>asked
    mkdir -p .venv/bin && cp "$0" .venv/bin/python
    grep -qx "no python3-venv" says && { echo "ensurepip is not available" >&2; exit 1; }
    touch .venv/pip ;;
  "-m pip --version") [[ -e .venv/pip ]] ;;
  "-m pip install "*)
    echo install >>asked
    [[ -e .venv/pip ]] || { echo "No module named pip" >&2; exit 1; }
    touch .venv/torch
    ! grep -qx "no network" says ;;
esac
"""


@pytest.fixture
def tree(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "python3").write_text(PYTHON)
    (tmp_path / "python3").chmod(0o755)
    (tmp_path / "says").touch()
    return tmp_path


def install(tree, says=""):
    """Run ``make install`` where things go as `says`; return its status and what it asked for."""
    (tree / "says").write_text(f"{says}\n")
    (tree / "asked").write_text("")
    done = subprocess.run(
        ["make", "install", f"PYTHON={tree / 'python3'}"],
        cwd=tree,
        env=os.environ | {"TREE": str(tree)},
        capture_output=True,
        text=True,
    )
    return done.returncode, (tree / "asked").read_text().split()


def test_the_second_time_there_is_nothing_to_do(tree):
    assert install(tree) == (0, ["venv", "install"])
    assert install(tree) == (0, [])
    assert not (tree / ".venv" / ".unfinished").exists()


def test_a_date_that_lies_ahead_does_not_install_again(tree):
    tomorrow = time.time() + 86400
    for name in ("Makefile", "pyproject.toml"):
        os.utime(tree / name, (tomorrow, tomorrow))
    assert install(tree) == (0, ["venv", "install"])
    assert install(tree) == (0, [])


def test_other_requirements_are_installed_into_what_is_there(tree):
    install(tree)
    (tree / ".venv" / "mine").touch()
    with (tree / "pyproject.toml").open("a") as file:
        file.write("# more\n")
    assert install(tree, "no network") == (2, ["install"])
    assert install(tree) == (0, ["install"])
    assert install(tree) == (0, [])
    assert (tree / ".venv" / "mine").exists()


def test_a_missing_package_of_the_system_can_be_installed_afterwards(tree):
    assert install(tree, "no python3-venv") == (2, ["venv"])
    assert install(tree, "no python3-venv") == (2, ["venv"])
    assert install(tree) == (0, ["venv", "install"])


def test_an_environment_without_pip_is_made_again(tree):
    # As Ctrl-C leaves it while pip is put in, and as an earlier Makefile left it.
    (tree / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(tree / "python3", tree / ".venv" / "bin" / "python")
    assert install(tree) == (0, ["venv", "install"])


def test_a_first_install_that_was_stopped_starts_again_from_nothing(tree):
    assert install(tree, "no network") == (2, ["venv", "install"])
    assert (tree / ".venv" / "torch").exists()
    (tree / ".venv" / "half").touch()
    assert install(tree) == (0, ["venv", "install"])
    assert not (tree / ".venv" / "half").exists()
    assert install(tree) == (0, [])


def test_an_environment_whose_python_is_gone_is_made_again(tree):
    install(tree)
    (tree / ".venv" / "bin" / "python").unlink()
    assert install(tree) == (0, ["venv", "install"])


@pytest.mark.parametrize("words", ["python3-venv", "7 GB"])
def test_the_readme_names_what_the_install_needs(words):
    assert words in (ROOT / "README.md").read_text()
