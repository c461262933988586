"""Keys: what a number depends on changes them, and nothing else does."""

import shutil
from pathlib import Path

import pytest

import prunelimit
from prunelimit.lab import tasks
from prunelimit.lab.store.keys import Key, code_of, differences, modules_of

SOURCE = '''"""What it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pack.room import helper

if TYPE_CHECKING:
    from pack.other import Thing


def answer(x: Thing) -> float:
    """Say it."""
    from pack.late import more

    return helper(x) + more(x)  # both
'''


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A package: main → room (hands on helper) → room.parts, and late, inside a function."""
    files = {
        "__init__.py": "from pack.other import Thing\n",
        "main.py": SOURCE,
        "other.py": "class Thing: ...\n",
        "late.py": "def more(x): return x\n",
        "room/__init__.py": "from pack.room.parts import helper\nfrom pack.room.rest import no\n",
        "room/parts.py": "from pack.other import Thing as T\ndef helper(x): return x * 2\n",
        "room/rest.py": "def no(): ...\n",
        "plots/__init__.py": "",
        "plots/lines.py": "from pack.room import no\n",
    }
    for name, text in files.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "pack"


def code(pack: Path, **more: object) -> str:
    return code_of("pack.main", package=pack, **more)


def test_the_modules_are_those_that_the_code_reaches(pack: Path) -> None:
    found = modules_of("pack.main", package=pack)
    assert found == ["pack.late", "pack.main", "pack.other", "pack.room.parts"]
    assert "pack.other" not in modules_of("pack.main", package=pack, leave_out=["pack.other"])


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("main.py", "# both", "# both of them"),
        ("main.py", "# both", ""),
        ("main.py", '"""Say it."""', '"""Say it again."""'),
        ("main.py", '"""What it is."""\n', ""),
        ("main.py", "(x) + more", "(\n        x\n    ) + more"),
        ("main.py", "from pack.other import Thing\n\n", "from pack.plots import lines\n\n"),
        ("room/rest.py", "...", "return 1"),
        ("plots/lines.py", "no", "helper"),
        ("__init__.py", "from", '__version__ = "9"\nfrom'),
    ],
)
def test_what_no_number_depends_on_is_in_no_key(pack: Path, name: str, old: str, new: str) -> None:
    before = code(pack)
    text = (pack / name).read_text()
    assert old in text
    (pack / name).write_text(text.replace(old, new))
    assert code(pack) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("main.py", "helper(x) +", "helper(x) -"),
        ("room/parts.py", "x * 2", "x * 3"),
        ("late.py", "return x", "return -x"),
        ("other.py", "...", "size = 1"),
        ("room/__init__.py", "room.parts import helper", "room.rest import no as helper"),
    ],
)
def test_a_change_of_code_changes_the_key(pack: Path, name: str, old: str, new: str) -> None:
    before = code(pack)
    text = (pack / name).read_text()
    assert old in text
    (pack / name).write_text(text.replace(old, new))
    assert code(pack) != before


def test_names_that_are_loaded_on_use_count_as_imported(pack: Path) -> None:
    (pack / "__init__.py").write_text('_PUBLIC = {"more": "late", "helper": "room"}\n')

    def reached(source: str) -> list[str]:
        return modules_of(source=source, package=pack)

    assert reached("from pack import more") == ["pack.late"]
    assert reached("from pack import helper") == ["pack.other", "pack.room.parts"]
    assert {"pack.late", "pack.room"} <= set(reached("import pack\npack.more(1)"))


def test_further_code_counts_with_what_it_imports(pack: Path) -> None:
    def of(source: str) -> str:
        return code_of(source=source, package=pack)

    plain = "from pack.room import helper\n"
    assert of(plain) == of(plain + "# a comment\n")
    assert len({of(plain), of(plain + "x = 1\n"), of("")}) == 3
    before = of(plain)
    (pack / "room" / "parts.py").write_text("def helper(x): return x\n")
    assert of(plain) != before


def test_a_key_names_what_differs() -> None:
    one = Key("a", {"config": {"l1": 0.1, "steps": (1, 2)}}, {"train": "x"}, ("before",))
    other = Key("a", {"config": {"l1": 0.2, "steps": (1, 2)}}, {"train": "y"}, ("before",))
    assert differences(one.plain(), other.plain()) == ["parameters.config.l1", "data.train"]
    assert one.digest != other.digest
    assert one.digest == Key("a", dict(one.parameters), dict(one.data), ("before",)).digest


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("copy") / "prunelimit"
    shutil.copytree(
        Path(prunelimit.__file__).parent, target, ignore=lambda *_: ["__pycache__", "vendor"]
    )
    return target


STAGES = ("prediction", "sweeps", "refit", "finetune")


def stage_codes(package: Path) -> dict[str, str]:
    codes = {name: code_of(f"prunelimit.lab.stages.{name}", package=package) for name in STAGES}
    codes["training"] = code_of("prunelimit.lab.training", "prunelimit.lab.models", package=package)
    return codes


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("lab/tasks.py", "hyperparameters of ours", "hyperparameters of ours.", set()),
        ("__init__.py", "__version__ = ", "__version__ = '9.9' or ", set()),
        ("plots/limits.py", "floor = epsilon / 30", "floor = epsilon / 40", set()),
        ("lab/store/provenance.py", "if info.exists()", "if not info.exists()", set()),
        ("pruning/refit.py", '"""', '"""Otherwise said: ', set()),
        ("pruning/finetune.py", "0.5 * budget.", "0.4 * budget.", {"finetune"}),
        ("lab/training.py", "EXPLOSION = 1e3", "EXPLOSION = 1e4", {"training"}),
        ("lab/models.py", "nn.ReLU()", "nn.GELU()", {"training"}),
        ("pruning/sweep.py", "removed_count(s, dim)", "removed_count(s, dim) + 0", {"sweeps"}),
    ],
)
def test_the_stages_of_a_run_depend_on_their_own_code(
    copied: Path, file: str, old: str, new: str, expected: set[str]
) -> None:
    path = copied / file
    text = path.read_text()
    assert old in text
    before = stage_codes(copied)
    path.write_text(text.replace(old, new, 1))
    try:
        after = stage_codes(copied)
    finally:
        path.write_text(text)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == expected


def test_a_task_counts_by_what_it_does() -> None:
    task = tasks.get("digits-mlp")
    assert "note" not in task.counted() and "name" not in task.counted()
