"""How far a chapter's numbers may lie from the committed ones, and what a tag cannot excuse."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict

import nbformat
import pytest

from book.tools.agreement import agree, settled, tolerance_of
from book.tools.content import ROOT, environment
from book.tools.execute import Executed, code_digest


@pytest.mark.parametrize(
    ("text", "committed", "tolerance"),
    [
        ("loss 0.0924", "loss 0.0925", 0.0),  # one unit of the last place
        ("loss 0.0986", "loss 0.0966", 0.03),
        ("rise 1.02e-05", "rise 1.00e-05", 0.02),
        ("−gᵀx is +0.167", "−gᵀx is +0.165", 0.02),
        ("-0.000", "0.000", 0.0),
        ("D = 4,928, loss 0.35", "D = 4,928, loss 0.36", 0.0),
        ("a   9.99\nb  10.01", "a  10.00\nb  10.01", 0.01),  # columns grow with their numbers
        ("<td>0.51</td>", "<td>0.50</td>", 0.0),
        ("[1. 2.]", "[1. 2.]", 0.0),
    ],
)
def test_numbers_agree_within_the_tolerance_or_the_last_place(text, committed, tolerance):
    assert agree(text, committed, tolerance)


@pytest.mark.parametrize(
    ("text", "committed", "tolerance"),
    [
        ("loss 0.0923", "loss 0.0925", 0.0),
        ("loss 0.0986", "loss 0.0925", 0.02),
        ("rise -0.167", "rise 0.167", 0.1),
        ("rise 1.2e-05", "rise 1.2e-04", 0.1),
        ("D = 4,927, loss 0.35", "D = 4,928, loss 0.35", 0.5),  # a count is no measurement
        ("41 products", "40 products", 0.5),
        ("1 of 20 hold", "1.0 of 20 hold", 0.5),
        ("paper 0.75", "sharp 0.75", 0.5),
        ("0.75 0.76", "0.75", 0.5),
        ("loss nan", "loss 0.1", 0.5),
        ("True 0.5", "False 0.5", 0.5),
    ],
)
def test_what_no_tolerance_excuses(text, committed, tolerance):
    assert not agree(text, committed, tolerance)


def test_the_tag_says_how_far():
    assert tolerance_of(["remove-input", "within-2%"]) == 0.02
    assert tolerance_of(["within-0.5%"]) == 0.005
    assert tolerance_of(["remove-input", "within-reason", "within-2"]) is None


def test_an_output_that_agrees_is_settled_and_another_is_shown_as_it_is():
    new = nbformat.v4.new_output
    outputs = [
        new("stream", text="loss 0.51\n"),
        new("execute_result", {"text/plain": "0.9", "text/html": "<b>0.51</b>", "image/png": "b"}),
        new("stream", text="more"),
    ]
    committed = [
        new("stream", text="loss 0.50\n"),
        new("execute_result", {"text/plain": "0.5", "text/html": "<b>0.50</b>", "image/png": "a"}),
    ]
    got = settled(outputs, committed, lambda a, b: agree(a, b, 0.0))
    assert [o.get("text") for o in got] == ["loss 0.50\n", None, "more"]
    assert got[1].data == {"text/plain": "0.9", "text/html": "<b>0.50</b>", "image/png": "b"}
    assert outputs[0].text == "loss 0.51\n"


CELLS = {
    "agrees": (["within-2%"], "print('loss', 0.505)", "loss 0.5\n"),
    "too far": (["within-2%"], "print('loss', 0.9)", "loss 0.5\n"),
    "says more": (["within-2%"], "print('loss', 0.5); 1", "loss 0.5\n"),
    "takes longer": (
        ["within-2%"],
        "print('loss 0.505, 99 products with the data, 9.9 s')",
        "loss 0.5, 99 products with the data, 0.7 s\n",
    ),
    "without a tag": ([], "print('loss', 0.505)", "loss 0.5\n"),
}


def test_nbval_compares_a_tagged_cell_within_its_tolerance(tmp_path):
    _write_notebook(tmp_path, list(CELLS.values()))
    found, said = _passed(tmp_path, PYTHONPATH=str(ROOT))
    agreeing = {"agrees", "takes longer"}
    assert dict(zip(CELLS, found, strict=True)) == {n: n in agreeing for n in CELLS}, said


def test_a_notebook_that_the_book_has_run_is_compared_and_not_run_again(tmp_path):
    printed = ["loss 0.5\n", "loss 0.505\n", "loss 0.9\n"]
    book = _write_notebook(tmp_path, [(["within-2%"], "1 / 0", "loss 0.5\n")] * len(printed))
    shutil.copytree(ROOT / "book" / "tools", tmp_path / "book" / "tools")
    outputs = [[nbformat.v4.new_output("stream", text=text)] for text in printed]
    executed = Executed(code_digest(book), environment(), {}, 1.0, outputs, {})
    record = tmp_path / "_build" / "executed" / "chapter.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps(asdict(executed)))
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    assert _passed(tmp_path, PYTHONPATH=path)[0] == [True, True, False]
    # With another processor's arithmetic it is another run.
    assert _passed(tmp_path, PYTHONPATH=path, MKL_CBWR="COMPATIBLE")[0] == [False] * 3


def _write_notebook(folder, cells):
    """Write the `cells` (tags, source, committed text) as a chapter; return the notebook."""
    book = nbformat.v4.new_notebook()
    for number, (tags, source, text) in enumerate(cells, start=1):
        cell = nbformat.v4.new_code_cell(source, execution_count=number, metadata={"tags": tags})
        cell.outputs = [nbformat.v4.new_output("stream", text=text)]
        book.cells.append(cell)
    # Below the root, whose conftest.py it is that reads the tags.
    for name in ("conftest.py", "pyproject.toml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "chapter.ipynb").write_text(nbformat.writes(book))
    return book


def _passed(folder, **environment):
    """Return for each cell whether pytest passed it, and what pytest said."""
    sanitise = f"--nbval-sanitize-with={ROOT / 'tests' / 'nbval.cfg'}"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval", "-v"]
    said = subprocess.run(
        [*command, "--nbval-current-env", sanitise, "chapter.ipynb"],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    ).stdout
    return ["PASSED" in x for x in said.splitlines() if "::Cell" in x and "%]" in x], said
