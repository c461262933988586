"""The teacher's guide: a plan for each chapter, and links that lead to states that exist."""

import re
from urllib.parse import unquote

import nbformat
import numpy as np
import pytest
import yaml
from widget_support import call_many, needs_node

from book.tools import plans
from book.tools.content import ROOT
from prunelimit import cones, widgets
from prunelimit.widgets.cut_a_network import hour_network

GUIDE = (ROOT / "book" / "teaching.md").read_text()
LINKS = re.findall(r'<a href="\.\./notebooks/(\w+)\.html#w=([\w-]+):([^"]+)">', GUIDE)
MADE = {name.lower(): getattr(widgets, name) for name in widgets.__all__}


def chapter_plans():
    """The text below each heading of the part "Plans"."""
    part = re.split(r"^## ", GUIDE, flags=re.MULTILINE)
    (text,) = [p for p in part if p.startswith("Plans\n")]
    return re.split(r"^### ", text, flags=re.MULTILINE)[1:]


def chapters():
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    # Chapter 0 is the book in an hour, and its own plan.
    return [file for file in files if re.match(r"notebooks/(?!00_)", file)]


def settings_of(text, controls):
    """What a link sets, as the page reads it: an option of a menu is named by its text."""
    found = {}
    for pair in text.split(","):
        name, _, value = pair.partition("=")
        control = controls[unquote(name)].metadata["control"]
        if control["kind"] == "choice":
            named = {str(option["value"]): option["value"] for option in control["options"]}
            found[name] = named[unquote(value)]
        elif control["kind"] == "toggle":
            found[name] = {"true": True, "false": False}[value]
        else:
            found[name] = (int if control["integer"] else float)(value)
    return found


def test_the_plans_follow_the_chapters():
    named = [re.search(r"\{doc\}`[^<]*</([^>]+)>`", plan)[1] for plan in chapter_plans()]
    assert named == chapters()


@pytest.mark.parametrize("plan", chapter_plans(), ids=lambda plan: plan.splitlines()[0])
def test_each_plan_fills_fifty_minutes_and_has_its_parts(plan):
    marks = [(int(a), int(b)) for a, b in re.findall(r"^\| (\d+)–(\d+) \|", plan, re.MULTILINE)]
    assert marks[0][0] == 0
    assert marks[-1][1] == 50
    assert [end for _, end in marks[:-1]] == [start for start, _ in marks[1:]]
    for part in ("**Open with.**", "**Board.**", "**Listen for.**"):
        assert part in plan
    assert "#w=" in plan


def test_every_link_with_a_state_is_understood():
    assert len(LINKS) == GUIDE.count("#w=") > 0


@pytest.mark.parametrize("page, key, state", LINKS, ids=["-".join(link) for link in LINKS])
def test_a_link_leads_to_a_state_of_a_widget_on_that_page(page, key, state):
    kind = MADE[key.replace("-", "")]
    assert f"widgets.{kind.__name__}(" in (ROOT / "notebooks" / f"{page}.py").read_text()
    wanted = settings_of(state, dict(kind.control_traits()))
    shown = kind(**wanted)  # refuses what lies outside of a control's range
    assert shown.key == key
    values = {name: shown.values()[name] for name in wanted}
    assert values == wanted
    assert wanted != {name: kind().values()[name] for name in wanted}


@needs_node
def test_the_page_itself_admits_every_state():
    """As the reader's browser does: by the page's own script, for the widget that is there."""
    parsed = call_many([("words", "parseFragment", (f"#w={key}:{s}",)) for _, key, s in LINKS])
    wanted = [
        (shown_control(page, key, name), value)
        for (page, key, _), fragment in zip(LINKS, parsed, strict=True)
        for name, value in fragment["widgets"][key].items()
    ]
    admitted = call_many([("words", "admit", pair) for pair in wanted])
    assert [as_written(value) for value in admitted] == [as_written(v) for _, v in wanted]


def shown_control(page, key, name):
    """A control of the widget that the committed chapter shows."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{page}.ipynb", as_version=4)
    (saved,) = notebook.metadata["widgets"].values()
    states = [model["state"] for model in saved["state"].values()]
    (control,) = [
        c for s in states if s.get("key") == key for c in s["_controls"] if c["key"] == name
    ]
    return control


def as_written(value):
    return str(value).lower() if isinstance(value, bool) else re.sub(r"\.0$", "", str(value))


def test_an_hour_and_the_course():
    text = plans.plans()
    marks = re.findall(r"^\| (\d+)–(\d+) \|", text["An hour"], re.MULTILINE)
    assert marks[0][0] == "0" and marks[-1][1] == "60"
    assert [end for _, end in marks[:-1]] == [start for start, _ in marks[1:]]
    assert text["An hour"].count("#w=") >= 6
    assert re.findall(r"^\| (\d) \|", text["Four weeks"], re.MULTILINE) == list("1234")


def test_every_misconception_has_a_state_that_dispels_it():
    rows = [line for line in plans.plans()["Misconceptions"].splitlines() if line[:3] == '| "']
    assert len(rows) >= 8
    assert all("#w=" in row.split(" | ")[1] for row in rows)


def test_the_numbers_of_the_hour_and_of_the_misconceptions():
    cut = {s: widgets.CutANetwork(sparsity=s).numbers() for s in (0.5, 0.8)}
    again = widgets.CutANetwork(sparsity=0.8, retrained=True).numbers()
    assert (cut[0.5]["right"], cut[0.8]["right"], again["right"]) == (8, 6, 8)
    assert [round(100 * n["accuracy"]) for n in (cut[0.8], again)] == [86, 96]
    hour = hour_network()
    allowed = hour["loss"] + hour["epsilon"]
    assert max(e["sparsity"] for e in hour["retrained"] if e["loss"] <= allowed) == 0.84
    assert round(hour["predicted"]["sharp"], 3) == 0.874
    far, near = widgets.SublevelSet(epsilon=0.4), widgets.SublevelSet(distance=1.5)
    assert far.numbers()["paper"] == pytest.approx(near.numbers()["paper"])
    hit = widgets.HitOrMiss(dim=1000, angle=30.0, share=0.8).numbers()["probability"]
    assert round(hit, 3) == 0.996
    assert widgets.Kinematics(dim=100000, share=0.48).numbers()["probability"] < 1e-12
    usual, other = widgets.TheLimit().numbers(), widgets.TheLimit(epsilon=0.1).numbers()
    assert (round(usual["paper"], 3), round(other["paper"], 3)) == (0.894, 0.940)
    same = widgets.TheLimit(scale=0.5, sharpness=4.0).numbers()
    assert [same[n] for n in ("oneShot", "paper", "sharp")] == pytest.approx(
        [usual[n] for n in ("oneShot", "paper", "sharp")]
    )
    closed = widgets.Lanczos(steps=60).numbers()
    assert closed["upper"] - closed["lower"] < 1e-3 * closed["exact"]
    digits = [widgets.CutTheHistogram(sparsity=s).numbers() for s in (0.0, 0.8)]
    assert round(digits[1]["distance"], 2) == 2.85
    assert round(100 * (digits[0]["accuracy"] - digits[1]["accuracy"])) == 3
    orders = []
    for sparsity in (0.8, 0.99):
        found = widgets.Paths(sparsity=sparsity, reveal=True).numbers()
        orders.append(sorted(found, key=found.get))
    assert orders[0] != orders[1]


def test_the_numbers_that_the_guide_quotes_are_those_of_the_widgets():
    chances = [widgets.Kinematics(dim=dim, share=0.48).numbers() for dim in (100, 1000)]
    narrow = widgets.Kinematics(angle=15.0, share=0.9).numbers()["probability"]
    equal = widgets.SublevelSet(power=0.0, epsilon=4.0).numbers()
    half = widgets.SublevelSet(epsilon=0.0561).numbers()
    moved, usual = widgets.SublevelSet(epsilon=0.4, distance=6.0), widgets.SublevelSet()
    assert [round(found["probability"], 2) for found in chances] == [0.39, 0.19]
    assert round(narrow, 1) == 0.2
    assert round(equal["paper"]) == 106
    assert equal["sharp"] == pytest.approx(200)
    assert half["paper"] == pytest.approx(100, abs=0.1)
    assert half["sharp"] == pytest.approx(100, abs=0.5)
    assert moved.numbers()["sharp"] == pytest.approx(usual.numbers()["sharp"])
    for text in ("0.39 and 0.19", "keeps 106 of 200", "three times in four", "12.2 against 11.2"):
        assert text in GUIDE


def test_the_spreads_that_the_guide_quotes_follow_from_the_intrinsic_volumes():
    spreads = []
    for cone in (cones.CircularCone(100, np.pi / 4), cones.Orthant(100)):
        volumes, j = cone.intrinsic_volumes(), np.arange(101)
        mean = volumes @ j
        spreads.append(np.sqrt(volumes @ (j - mean) ** 2 + 2 * mean))
    assert np.round(spreads, 1).tolist() == [12.2, 11.2]
