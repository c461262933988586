"""No string key into a result outside the package that reads their files."""

from pathlib import Path

import pytest
from result_keys import code_of_page, string_keys

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "notebooks").rglob("*.py"))
PAGES = sorted((ROOT / "book").glob("*.md"))
TOOLS = sorted((ROOT / "book" / "tools").glob("*.py"))
DRAWN = [
    path for room in ("plots", "widgets") for path in (ROOT / "prunelimit" / room).rglob("*.py")
]

LABORATORY = sorted((ROOT / "prunelimit" / "lab").rglob("*.py"))


def by_name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*CHAPTERS, *DRAWN], ids=by_name)
def test_chapters_figures_and_widgets_have_none(path):
    own = path.name in ("base.py", "network.py")  # the widgets' own example
    assert string_keys(path.read_text(), json_is_a_result=not own) == []


@pytest.mark.parametrize("path", PAGES, ids=by_name)
def test_pages_have_none(path):
    assert string_keys(code_of_page(path)) == []


@pytest.mark.parametrize("path", [*LABORATORY, *TOOLS], ids=by_name)
def test_the_laboratory_and_the_books_tools_have_none(path):
    assert string_keys(path.read_text(), json_is_a_result=False) == []


LOADED = 'from prunelimit.results import Result\nfound = Result.load("a.json")\n'


@pytest.mark.parametrize(
    "code",
    [
        'found["epsilon"]',
        'found.get("note")',
        'found.prediction["dim"]',
        'found.to_dict()["task"]',
        'found.refit[0]["rise"]',
        'max(row["rise"] for row in found.refit)',
        'rises = [row["rise"] for row in found.refit]',
        'for point in found.finetune:\n    print(point["test_accuracy"])',
        'runs = {n: Result.load(n) for n in "ab"}\nruns["a"]["epsilon"]',
        'runs = {"a": found}\nfor name, run in runs.items():\n    run["epsilon"]',
        'def read(name):\n    return Result.load(name)\nread("a")["epsilon"]',
        'def shown(result):\n    return result["dense"]',
        'def shown(points: Sequence[RefitPoint]):\n    return [p["rise"] for p in points]',
        'import json\nwith open("a.json") as file:\n    data = json.load(file)\ndata["rows"]',
        'anything["prediction"]["paper"]',
        'anything["thresholds"]',
        'numbers.get("provenance")',
        'from prunelimit.lab import experiment\nexperiment.run_task(1, 2)["dense"]',
    ],
)
def test_a_string_key_is_found(code):
    assert string_keys(LOADED + code) != []


@pytest.mark.parametrize(
    "code",
    [
        "found.epsilon",
        'found.stages["refit"].cost.seconds',
        'found.provenance.packages["torch"]',
        'import pandas as pd\ntable = pd.DataFrame(found.refit)\ntable["rise"].max()',
        'from prunelimit import results\nresults.table(found.refit)[["rise", "distance"]]',
        'runs = {"a": Result.load("a")}\nruns["a"].epsilon',
        "rows = [row.columns() for row in found.points()]\nimport pandas as pd\n"
        'pd.DataFrame(rows)["paper"]',
        'curves = {"paper": [1.0]}\ncurves["paper"]',
        'point.measured["real_existence"]',
    ],
)
def test_what_is_no_string_key_into_a_result_is_left_alone(code):
    assert string_keys(LOADED + code) == []
