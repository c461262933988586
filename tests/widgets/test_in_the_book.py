"""The widgets in the built pages, opened from the disk: alive, right, and remembered."""

import html
import json
import os
import re
from pathlib import Path

import pytest
from widget_support import Driven, faults, needs_browser, wait_until

from prunelimit import widgets

ROOT = Path(__file__).parents[2]
BUILT = Path(os.environ.get("PRUNELIMIT_BUILT_PAGES", ROOT / "_build" / "html"))
STATE = re.compile(
    r'<script type="application/vnd.jupyter.widget-state\+json">(.*?)</script>', re.DOTALL
)
HARMLESS = (
    "THEBE_JS_URL",
    "invalid theme mode",
    "[anywidget] Failed to initialize model.",
    "ERR_BLOCKED_BY_CLIENT",
)


def shown_widgets(page):
    """Names of the widget classes on a built page whose code is today's, and their data."""
    found = STATE.search(page.read_text(encoding="utf-8"))
    if not found:
        return {}
    states = [model["state"] for model in json.loads(found[1])["state"].values()]
    classes = {getattr(widgets, name)._module: name for name in widgets.__all__}
    # Each once, though a page may hold more than one model of a widget.
    return {
        name: state["data"]
        for state in states
        for module, name in classes.items()
        if state.get("_anywidget_id", "").endswith(f".{module}.{name}")
        and state["_esm"] == getattr(widgets, name)()._esm
    }


PAGES = {
    page: found
    for page in sorted([*BUILT.glob("book/*.html"), *BUILT.glob("notebooks/*.html")])
    if (found := shown_widgets(page))
}

pytestmark = [
    needs_browser,
    pytest.mark.skipif(not PAGES, reason="no built page shows the present widgets: make book"),
]


@pytest.fixture(scope="module")
def browser(browser):
    # tests/book/test_pages.py opens each page with its formulas, which take most of the time.
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*mathjax*"]})
    return browser


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_widgets_of_a_built_page(browser, page):
    browser.get("about:blank")
    browser.get(page.as_uri())
    left = {}
    for name, data in PAGES[page].items():
        original = getattr(widgets, name)()
        widget = Driven(browser, original.key)
        wait_until(browser, f"return {widget.root} !== null")
        widget.press(original._presets[-1]["name"])
        left[widget] = state = widget.state()
        for readout, value in type(original)(data=data, **state).numbers().items():
            assert widget.number(readout) == pytest.approx(value, rel=1e-9, abs=1e-11)
        wait_until(browser, f"return {widget.root}.dataset.address === 'written'")
    # Else a guess made in one widget of the page would be recalled in another.
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    for widget, state in left.items():
        wait_until(browser, f"return {widget.root} !== null")
        assert widget.state() == state
    found = [f for f in faults(browser) if not any(harmless in f for harmless in HARMLESS)]
    assert found == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_without_scripts_a_built_page_shows_a_described_figure(page):
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r'<noscript>\s*<img alt="([^"]*)" src="data:image/png', text)
    for name in PAGES[page]:
        described = [html.unescape(words) for words in pictures]
        assert any(words.startswith(getattr(widgets, name)._heading) for words in described)
