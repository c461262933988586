"""The teacher's guide: a plan for each chapter, and links that lead to states that exist."""

import re
from urllib.parse import unquote

import numpy as np
import pytest
import yaml

from book.tools.content import ROOT
from prunelimit import cones, widgets

GUIDE = (ROOT / "book" / "teaching.md").read_text()
LINKS = re.findall(r'<a href="\.\./notebooks/(\w+)\.html#w=([\w-]+):([^"]+)">', GUIDE)
MADE = {name.lower(): getattr(widgets, name) for name in widgets.__all__}


def plans():
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
    named = [re.search(r"\{doc\}`[^<]*</([^>]+)>`", plan)[1] for plan in plans()]
    assert named == chapters()


@pytest.mark.parametrize("plan", plans(), ids=lambda plan: plan.splitlines()[0])
def test_each_plan_fills_fifty_minutes_and_has_its_parts(plan):
    marks = [(int(a), int(b)) for a, b in re.findall(r"^\| (\d+)–(\d+) \|", plan, re.MULTILINE)]
    assert marks[0][0] == 0
    assert marks[-1][1] == 50
    assert [end for _, end in marks[:-1]] == [start for start, _ in marks[1:]]
    for part in ("**Open with.**", "**Board.**", "**Listen for.**"):
        assert part in plan


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
