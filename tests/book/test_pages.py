"""The built pages, opened from a disk: nothing is fetched, nothing fails, nothing is too wide."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from widget_support import (
    GOES_BY_COLOUR,
    PATIENCE,
    barriers,
    faults,
    needs_browser,
    on_screen,
    wait_until,
)

from book.tools.address import address
from book.tools.build import HTML
from book.tools.content import ROOT
from book.tools.stage import pages
from prunelimit.plots.style import DPI

BUILT = sorted(p for p in HTML.rglob("*.html") if "_static" not in p.relative_to(HTML).parts)
needs_pages = pytest.mark.skipif(not BUILT, reason="the book is not built: make book")
each_page = pytest.mark.parametrize("path", BUILT, ids=lambda p: p.stem)
OFFERED = re.compile(r"https://(mybinder|colab)\.|/issues/new\?")
TO_A_FILE = re.compile(r"(?:/edit/main|/blob/main|lab/tree)/(.+)")
SHOW = "document.documentElement.dataset.theme = arguments[0]"
UNFOLD = "for (const fold of document.querySelectorAll('details')) fold.open = true;"
FADING = "return document.getAnimations().map((one) => one.animationName).filter(Boolean)"
# What has to be pushed sideways to be read: a table, a formula, a line of code.
SIDEWAYS = (
    "return [...document.querySelectorAll('article :is(table, pre, mjx-container[display])')]"
    ".map((e) => (e.tagName === 'TABLE' ? e.parentElement : e))"
    ".filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 2)"
    ".map((e) => e.textContent.trim().slice(0, 60));"
)
# How often tables are set anew when a fold is closed and opened again. Where a page has many of
# both, all tables at every fold took a minute.
SET_AGAIN = """
const done = arguments[0], fold = document.querySelector('article details');
const pause = () => new Promise((go) => setTimeout(go, 100));
let seen = 0;
const watch = new MutationObserver((changes) => { seen += changes.length; });
for (const table of document.querySelectorAll('article table'))
  watch.observe(table, {attributes: true});
fold.open = false;
pause().then(() => { fold.open = true; return pause(); }).then(() => done(seen));
"""
# The theme says this whenever no choice of light or dark is stored yet.
HARMLESS = ("Got invalid theme mode",)


class References(HTMLParser):
    """What a page loads by itself, and what it links to."""

    LOADS = (("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src"))
    LINKED = ("stylesheet", "preload", "icon", "prefetch", "modulepreload")

    def __init__(self, text):
        super().__init__()
        self.loads, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.loads += [given[a] for t, a in self.LOADS if t == tag and given.get(a)]
        if tag == "link" and set((given.get("rel") or "").split()) & set(self.LINKED):
            self.loads.append(given["href"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


@needs_pages
def test_every_page_of_the_contents_is_built():
    missing = [page.name for page in pages() if not (HTML / f"{page.name}.html").is_file()]
    assert missing == []


@needs_pages
@each_page
def test_a_page_loads_local_files_only_and_they_are_there(path):
    references = References(path.read_text())
    away = [url for url in references.loads if re.match(r"(https?:)?//", url)]
    assert away == []
    local = [u for u in references.loads + references.links if not urlsplit(u).scheme]
    wanted = {unquote(urlsplit(u).path) for u in local} - {""}
    assert sorted(u for u in wanted if not (path.parent / u).exists()) == []


# What is set as it is: outputs, code, scripts.
AS_IT_IS = re.compile(r"<(table|pre|code|script|noscript|head)\b.*?</\1>", re.DOTALL)


@needs_pages
@each_page
def test_no_line_ends_between_a_number_and_its_percent_sign(path):
    words = re.sub(r"<[^>]*>", "", AS_IT_IS.sub("", path.read_text()))
    assert re.findall(r".{20}\d[ \n]%", words) == []


@needs_pages
@each_page
def test_buttons_lead_to_files_that_the_repository_has(path):
    links = References(path.read_text()).links
    where = address()
    offered = [u for u in links if OFFERED.search(u)]
    if where is None:
        assert offered == []
        return
    place = where.partition("//")[2].partition("/")[2]
    files = [m[1] for u in links if (m := TO_A_FILE.search(u)) and place in u]
    assert [name for name in files if not (ROOT / unquote(name)).is_file()] == []
    if path.parent != HTML:
        assert any(u.startswith(f"{where}/issues/new?") for u in offered)


def serious_faults(browser):
    return [f for f in faults(browser) if not any(h in f for h in HARMLESS)]


@needs_pages
@needs_browser
def test_search_works_from_a_disk(browser):
    faults(browser)
    browser.get((HTML / "search.html").as_uri() + "?q=polar+cone")
    links = "return [...document.querySelectorAll('#search-results li a')].map((a) => a.href)"
    found = wait_until(browser, links)
    assert any("book/glossary.html" in url for url in found)
    assert serious_faults(browser) == []


@needs_pages
@needs_browser
@each_page
def test_a_page_opens_without_fault_fits_a_phone_and_keeps_nobody_out(browser, path):
    faults(browser)
    on_screen(browser, 390, 844)
    # The front page's figure plays, and what moves has no colours to be measured.
    still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": still})
    browser.get(path.as_uri())
    browser.execute_async_script(
        "const done = arguments[0];"
        "const typeset = window.MathJax?.startup?.promise ?? Promise.resolve();"
        "typeset.then(() => setTimeout(done, 300));"
    )
    assert serious_faults(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 392
    browser.execute_script(UNFOLD)
    assert browser.execute_script(FADING) == []
    WebDriverWait(browser, PATIENCE).until(lambda b: b.execute_script(SIDEWAYS) == [])
    browser.execute_script(SHOW, "light")
    assert barriers(browser) == []
    browser.execute_script(SHOW, "dark")
    assert barriers(browser, *GOES_BY_COLOUR) == []


@needs_pages
@needs_browser
def test_the_words_of_the_front_page_fit_one_screen(browser):
    on_screen(browser, 1280, 800)
    browser.get((HTML / "book" / "intro.html").as_uri())
    bottoms = browser.execute_script(
        "return [...document.querySelectorAll('article :is(h1, h2, p, li)')]"
        ".filter((e) => e.offsetHeight && !e.closest('figure, .prev-next-area, footer'))"
        ".map((e) => e.getBoundingClientRect().bottom + window.scrollY);"
    )
    assert len(bottoms) >= 8 and max(bottoms) <= 800


@needs_pages
@needs_browser
def test_on_a_phone_a_long_page_is_a_list_of_heads_and_a_link_opens_its_section(browser):
    on_screen(browser, 390, 844)
    browser.get((HTML / "book" / "paper.html").as_uri() + "#what-we-hold")
    heads = (
        "return [...document.querySelectorAll('.section-fold[open] h2')].map((h) => h.innerText)"
    )
    assert browser.execute_script(heads) == ["What we hold of the paper"]
    assert browser.execute_script("return document.querySelectorAll('.section-fold').length") > 12


@needs_pages
@needs_browser
def test_on_a_phone_figures_can_be_read_and_rows_of_numbers_stay_whole(browser):
    on_screen(browser, 390, 844)
    browser.get((HTML / "notebooks" / "03_kinematics.html").as_uri())
    browser.execute_script(UNFOLD)
    lines = wait_until(
        browser,
        "const rows = [...document.querySelectorAll('.cell_output pre')]"
        ".find((block) => block.textContent.includes('14 equations: exact'));"
        "return rows.style.fontSize && rows.clientHeight / parseFloat(rows.style.fontSize);",
    )
    assert lines < 5 * 1.5 + 4  # five rows, and what is above and below them
    of_ten_points = browser.execute_script(
        "return [...document.querySelectorAll('.cell_output figure > img')]"
        f".map((img) => img.clientWidth / img.naturalWidth * {DPI * 10 / 72})"
    )
    assert len(of_ten_points) >= 6 and min(of_ten_points) >= 9.5


@needs_pages
@needs_browser
def test_a_broken_line_of_code_goes_on_further_in_and_is_copied_as_it_was(browser):
    on_screen(browser, 390, 844)
    browser.get((HTML / "notebooks" / "05_hessian_spectra.html").as_uri())
    code = (
        "[...document.querySelectorAll('pre')].find((e) => e.textContent.includes('gauss(alphas'))"
    )
    text = browser.execute_script(f"return {code}.textContent")
    assert text.splitlines()[1:3] == [
        "for rule in (gauss(alphas, betas), gauss_radau(alphas, betas, node=0.0)):",
        "    nodes, weights = rule",
    ]
    lines = browser.execute_script(
        f"return [...{code}.querySelectorAll('.code-line')].map((line) => {{"
        "const text = document.createTreeWalker(line, NodeFilter.SHOW_TEXT), range = new Range();"
        "text.nextNode(); range.setStart(text.currentNode, text.currentNode.data.search(/\\S|$/));"
        "range.setEndAfter(line.lastChild);"
        "return [...range.getClientRects()].map((box) => Math.round(box.left)); })"
    )
    first = min(lines[1])
    assert lines[1][0] == first and max(lines[1]) > first  # broken
    assert lines[0][0] == first < lines[2][0]  # the block's own indentation


@needs_pages
@needs_browser
def test_on_a_phone_tables_of_numbers_keep_their_columns_and_folds_suit_a_finger(browser):
    on_screen(browser, 390, 844)
    browser.get((HTML / "notebooks" / "10_limits_of_the_limit.html").as_uri())
    browser.execute_script(UNFOLD)
    led = (
        "[...document.querySelectorAll('table.led')].map((table) => [...table.rows]"
        ".flatMap((row) => [...row.cells].slice(-1)).map((cell) =>"
        " Math.round(cell.getBoundingClientRect().right)).filter(Boolean))"
    )
    edges = wait_until(browser, f"const led = {led}; return led.length >= 3 && led")
    assert [set(of_one) for of_one in edges if len(set(of_one)) > 1] == []
    assert browser.execute_script("return document.querySelectorAll('table.stacked').length") == 0
    assert browser.execute_async_script(SET_AGAIN) == 0
    low = "[...document.querySelectorAll('article summary')].filter((e) => e.offsetHeight < 40)"
    assert browser.execute_script(f"return {low}.map((e) => e.innerText)") == []
    browser.get((HTML / "notebooks" / "04_sublevel_sets.html").as_uri())
    tall = (
        "const [block] = [...document.querySelectorAll('.cell_output pre')].filter((e) =>"
        " e.textContent.includes('isotropic')), lines = [...block.querySelectorAll('.code-line')];"
        "return block.style.fontSize && lines.map((line) => line.offsetHeight)"
    )
    assert len(set(wait_until(browser, tall))) == 1  # no line is broken


@needs_pages
@needs_browser
def test_a_prediction_is_kept_and_laid_beside_what_came_out(browser):
    browser.get((HTML / "notebooks" / "06_pruning_limit.html").as_uri())
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    fields = browser.find_elements(By.CSS_SELECTOR, "label.prediction input")
    shown = (
        "return [...document.querySelectorAll('details.sd-dropdown')].map((fold) => [fold.innerText"
        ".split('\\n')[0], fold.querySelector('p.prediction:not([hidden])')?.textContent])"
        ".filter(([, said]) => said)"
    )
    assert len(fields) >= 5 and browser.execute_script(shown) == []
    fields[2].send_keys("half of them")
    browser.refresh()
    assert browser.execute_script(shown) == [["What came out", "You predicted: half of them"]]
    browser.execute_script("localStorage.clear()")


@needs_pages
@needs_browser
def test_a_page_read_in_the_dark_is_printed_in_the_light_theme(browser):
    browser.get((HTML / "book" / "intro.html").as_uri())
    theme = "return document.documentElement.dataset.theme"
    browser.execute_script(SHOW, "dark")
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(theme) == "light"
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(theme) == "dark"


@needs_pages
@pytest.mark.parametrize("path", sorted((HTML / "notebooks").glob("*.html")), ids=lambda p: p.stem)
def test_every_numbered_statement_carries_a_label(path):
    boxes = re.findall(
        r'<div class="proof (?:theorem|proposition|lemma|assumption) admonition".*?</p>',
        path.read_text(),
        re.DOTALL,
    )
    unlabelled = [re.sub(r"<[^>]*>", "", box).strip() for box in boxes if "label-" not in box]
    assert unlabelled == []
