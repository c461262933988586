"""The handout: every exercise of every chapter, once, and its solution in one edition only."""

import re

import pytest
from bs4 import BeautifulSoup

from book.tools import handout
from book.tools.build import HTML
from book.tools.content import ROOT

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py"))
LABEL = re.compile(r"^# :::\{exercise\}.*\n# :label: (\S+)", re.MULTILINE)
RUBRIC = (ROOT / "book" / "rubric.md").read_text()

PAGE = """<html><body><h1>A title<a href="#a-title">#</a></h1>
<div class="exercise admonition" id="ex-one"><p class="admonition-title">Exercise 3.1</p>
<section id="exercise-content"><p>Find <a href="#other">it</a>.</p></section></div>
<div class="solution admonition" id="sol"><p class="admonition-title">Solution to
<a href="#ex-one">Exercise 3.1</a></p><section><p>As <a href="04_next.html#thm">told</a> by
<a href="../book/paper.html">the</a> <a href="https://doi.org/1">paper</a>.</p></section></div>
</body></html>"""


@pytest.fixture
def made(tmp_path):
    page = tmp_path / "html" / "notebooks" / "03_small.html"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE)
    (page.parent / "00_none.html").write_text("<html><body><h1>No exercise</h1></body></html>")
    return [p.read_text() for p in handout.build("../pages", tmp_path / "out", tmp_path / "html")]


def test_the_two_editions_differ_in_the_solutions(made):
    without, with_them = (BeautifulSoup(text, "html.parser") for text in made)
    for soup in (without, with_them):
        assert [h.get_text() for h in soup.select("h2")] == ["3. A title"]
        assert [h.get_text() for h in soup.select("h3")] == ["Exercise 3.1"]
    assert without.select(".solution") == [] and len(with_them.select(".solution")) == 1


def test_references_lead_to_the_book_and_not_to_nowhere(made):
    links = [a["href"] for a in BeautifulSoup(made[1], "html.parser").select("a")]
    assert links == [
        "../pages/notebooks/03_small.html#other",
        "../pages/notebooks/04_next.html#thm",
        "../pages/book/paper.html",
        "https://doi.org/1",
    ]


def test_three_exercises_in_every_chapter_and_a_rubric_for_each():
    tables = re.split(r"^## Chapter ", RUBRIC, flags=re.MULTILINE)[1:]
    chapters = [path for path in CHAPTERS if LABEL.search(path.read_text())]
    assert len(chapters) == len(tables) == 10
    for path, table in zip(chapters, tables, strict=True):
        assert len(LABEL.findall(path.read_text())) == 3
        assert f"</notebooks/{path.stem}>" in table
        assert re.findall(r"^\| (calculate|code|criticise) \|", table, re.MULTILINE) == [
            "calculate",
            "code",
            "criticise",
        ]


@pytest.mark.skipif(not (HTML / "book" / "rubric.html").is_file(), reason="the book is not built")
def test_every_exercise_of_the_built_book_is_on_both_editions(tmp_path):
    labels = [label for path in CHAPTERS for label in LABEL.findall(path.read_text())]
    for page in handout.build(folder=tmp_path):
        soup = BeautifulSoup(page.read_text(), "html.parser")
        assert [box["id"] for box in soup.select(".exercise")] == labels
        solved = page.stem == "solutions"
        assert len(soup.select(".solution")) == (len(labels) if solved else 0)
        assert len([h for h in soup.select("h3") if h.get_text() == "Marking"]) == 10 * solved
        local = [x["src"] for x in soup.select("[src]") if not x["src"].startswith("data:")]
        assert [x for x in local if not (tmp_path / x).is_file()] == []
