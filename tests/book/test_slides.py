"""The deck: every slide from a chapter, with notes from a plan, alive, and with no network."""

import io
import json
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from widget_support import (
    Driven,
    call_many,
    faults,
    needs_browser,
    needs_node,
    on_screen,
    wait_until,
)

from book.tools import plans, slides
from prunelimit import widgets
from prunelimit.plots import style

DECK = slides.slides()
each_slide = pytest.mark.parametrize("slide", DECK, ids=lambda slide: slide.name)
CLASSES = {getattr(widgets, name)().key: name for name in widgets.__all__}
LIVING = [slide for slide in DECK if "widgets." in slide.show]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return slides.build(folder=tmp_path_factory.mktemp("deck"))


class Addresses(HTMLParser):
    """What a page loads, and what it links to."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        kept = self.links if tag == "a" else self.loads
        kept += [given[name] for name in ("src", "href") if given.get(name)]


def test_a_lecture_of_fifty_minutes_in_fifteen_to_twenty_slides():
    assert 15 <= len(DECK) <= 20
    assert sum(slide.minutes for slide in DECK) == 50
    assert len({slide.name for slide in DECK}) == len(DECK)
    chapters = {slide.show[:2] for slide in DECK if slide.show}
    assert chapters == {f"{number:02}" for number in range(8)}


@each_slide
def test_every_slide_has_notes_from_the_plans(slide):
    assert slide.notes
    for name in slide.notes:
        assert len(plans.part(name).split()) >= 6


@each_slide
def test_what_a_slide_shows_stands_in_a_committed_chapter(slide):
    if slide.show:
        notebook, cell = slides.cell_shown(slide.show)
        shown = [o for o in cell.outputs if {"image/png", "text/html"} & set(o.get("data", {}))]
        assert len(shown) == 1
        assert (slides.widget_of(notebook, shown[0].data) is not None) == (slide in LIVING)


def test_a_cell_that_is_not_there_is_refused():
    for words in ("no such words", "import"):
        with pytest.raises(slides.UnknownCell, match="07_lomp"):
            slides.cell_shown(f"07_lomp: {words}")


def test_a_part_that_no_plan_has_is_refused():
    with pytest.raises(KeyError):
        plans.part("Convex cones: 1–2")


def test_the_plan_of_the_lecture_follows_the_deck():
    rows = re.findall(
        r"^\| (\d+)–(\d+) \| Slides? (\d+)(?:–(\d+))?\.", plans.plans()["A lecture"], re.M
    )
    ends = [(slide.begins, slide.begins + slide.minutes) for slide in DECK]
    expected = [(ends[int(a) - 1][0], ends[int(b or a) - 1][1]) for *_, a, b in rows]
    assert [(int(start), int(end)) for start, end, *_ in rows] == expected
    assert expected[0][0] == 0 and expected[-1][1] == 50
    assert [end for _, end in expected[:-1]] == [start for start, _ in expected[1:]]


@needs_node
def test_the_states_of_the_widgets_are_admitted():
    asked = [(s, pair.split("=")) for s in LIVING for pair in s.state.split(",") if pair]
    controls = []
    for slide, (name, value) in asked:
        notebook, cell = slides.cell_shown(slide.show)
        widget = slides.widget_of(notebook, cell.outputs[-1].data)
        (control,) = [c for c in widget["_controls"] if c["key"] == name]
        controls.append(("words", "admit", (control, value)))
    admitted = call_many(controls)
    assert admitted == [json.loads(value) for _, (_, value) in asked]


def test_the_deck_asks_for_nothing_from_elsewhere(page):
    found = Addresses(page.read_text())
    assert [u for u in found.loads + found.links if urlsplit(u).scheme not in ("", "data")] == []
    files = [u for u in found.loads if not urlsplit(u).scheme]
    assert files and [u for u in files if not (page.parent / u).is_file()] == []


def test_notes_keep_formulas_and_lose_the_roles():
    text = plans.to_html(
        "{prf:ref}`thm-moreau` of {doc}`Chapter 1 </notebooks/x>`: $a < b$ {cite}`x`"
    )
    assert text == (
        "<p><em>Moreau's decomposition</em> of Chapter 1: "
        '<span class="math inline">\\(a &lt; b\\)</span></p>\n'
    )


PRESS = (
    "document.dispatchEvent(new KeyboardEvent('keydown', {keyCode: arguments[0], bubbles: true}))"
)
LEFT, RIGHT, N = 37, 39, 78
TWO_FRAMES = "requestAnimationFrame(() => requestAnimationFrame(() => arguments[0]()))"


def follows_the_pointer(browser, widget):
    """A handle goes as far as the pointer, though the deck enlarges its widgets."""
    wait_until(browser, f"return {widget.root}.dataset.samples !== 'falling'")
    handle = browser.find_element(By.CSS_SELECTOR, ".present .pl-touch")
    before, far = widget.state()["share"], 120
    # The axis leaves 60 of the picture's own units for what stands beside it.
    own, across = widget.script(
        "const svg = root.querySelector('svg.pl-plot');"
        "return [Number(svg.getAttribute('width')), svg.getBoundingClientRect().width]"
    )
    assert across > 1.1 * own
    ActionChains(browser).click_and_hold(handle).move_by_offset(far, 0).release().perform()
    expected = far / across * own / (own - 60)
    assert widget.state()["share"] - before == pytest.approx(expected, abs=0.01)


@needs_browser
def test_the_deck_lives_in_a_browser(page, browser):
    place = next(i for i, s in enumerate(DECK) if s.state)

    def of_the_slide(expression):
        script = f"const slide = document.querySelector('section.present'); return {expression}"
        return browser.execute_script(script)

    browser.get(page.as_uri())
    wait_until(browser, "return document.body.dataset.ready === 'yes'")
    for _ in range(place + sum(slide.later for slide in DECK[:place])):
        browser.execute_script(PRESS, RIGHT)
    assert of_the_slide("slide.id") == DECK[place].name
    wait_until(browser, "return document.querySelector('.present svg.pl-plot path') !== null")
    key = of_the_slide("slide.querySelector('[data-widget]').dataset.widget")
    widget, made = Driven(browser, key), getattr(widgets, CLASSES[key])
    state = widget.state()
    assert set(DECK[place].state.split(",")) <= {f"{n}={v}" for n, v in state.items()}
    for name, value in made(**state).numbers().items():
        assert widget.number(name) == pytest.approx(value, rel=1e-9, abs=1e-11)
    follows_the_pointer(browser, widget)
    browser.execute_script(PRESS, N)
    pane = "document.querySelector('.pane')"
    assert all(name in of_the_slide(f"{pane}.textContent") for name in DECK[place].notes)
    assert of_the_slide(f"{pane}.offsetHeight") > 100
    browser.execute_script(PRESS, LEFT)
    assert of_the_slide("slide.id") == DECK[place - 1].name
    assert faults(browser) == []


# How many pixels high the figures' words of ten points stand on the slide.
OF_TEN_POINTS = f"""return [...document.querySelectorAll('.present .figure img')].map((img) =>
  Math.min(img.clientWidth / img.naturalWidth, img.clientHeight / img.naturalHeight)
  * {style.DPI * 10 / 72})"""


def test_a_picture_higher_than_wide_is_cut_where_the_white_between_its_panels_is_widest():
    pixels = np.full((300, 200, 3), 255, np.uint8)
    pixels[10:90] = pixels[93:150] = pixels[170:290] = 0
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "png")
    parts = [Image.open(io.BytesIO(part)) for part in slides.side_by_side(picture.getvalue())]
    assert [part.size for part in parts] == [(200, 160), (200, 140)]
    assert np.array_equal(np.concatenate([np.asarray(part) for part in parts]), pixels)
    wide = io.BytesIO()
    Image.fromarray(pixels[:200]).save(wide, "png")
    assert slides.side_by_side(wide.getvalue()) == [wide.getvalue()]


@needs_browser
def test_every_slide_fits_one_screen_and_without_scripts_all_are_read(page, browser):
    def room(here, height):
        on_screen(browser, 1280, height)
        browser.execute_async_script(TWO_FRAMES)  # a widget draws itself anew in the first
        return browser.execute_script(f"return {here}.clientHeight - {here}.scrollHeight")

    browser.get(page.as_uri())
    wait_until(browser, "return document.body.dataset.ready === 'yes'")
    for slide in DECK:
        here = f"document.querySelector('section.present#{slide.name}')"
        wait_until(browser, f"return {here} !== null")
        if slide in LIVING:
            wait_until(browser, f"return {here}.querySelector('svg.pl-plot path') !== null")
        assert min(room(here, 800), room(here, 720)) >= 0, slide.title
        assert all(size >= 16 for size in browser.execute_script(OF_TEN_POINTS)), slide.title
        caption = browser.execute_script(f"return {here}.querySelector('.cut')?.innerText ?? ''")
        assert not re.search(r"\b(above|below)\b", caption, re.IGNORECASE), slide.title
        if slide.later:  # the room answers first
            figure = f"getComputedStyle({here}.querySelector('.figure')).visibility"
            assert browser.execute_script(f"return {figure}") == "hidden"
            browser.execute_script(PRESS, RIGHT)
            wait_until(browser, f"return {figure} === 'visible'")
        browser.execute_script(PRESS, RIGHT)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get("about:blank")
    browser.get(page.as_uri())
    tops, notes, stills, figures = browser.execute_script(
        """const seen = (node) => node.offsetHeight > 20;
        const all = (what) => [...document.querySelectorAll(what)];
        return [all('.slides > section').map((one) => one.getBoundingClientRect().top),
        all('aside.notes').every(seen), all('.still img').every(seen),
        all('.figure img').every((img) => getComputedStyle(img).visibility === 'visible')]"""
    )
    assert sorted(set(tops)) == tops and len(tops) == len(DECK)
    assert notes and stills and figures
