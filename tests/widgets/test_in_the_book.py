"""The widgets in the built pages, opened from the disk: alive, right, and remembered."""

import html
import json
import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from widget_support import Driven, faults, hurried, needs_browser, wait_until

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
    # What takes most of the time: tests/book/test_pages.py opens each page with all of it.
    beside = ["*mathjax*", "*fontawesome*", "*.png"]
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": beside})
    with hurried(browser):
        yield browser


def link_to(states):
    """The fragment of an address that gives each widget a state."""
    parts = []
    for key, state in states.items():
        words = {n: v if isinstance(v, str) else json.dumps(v) for n, v in state.items()}
        pairs = [f"{name}={quote(word, safe='')}" for name, word in words.items()]
        parts.append(f"w={key}:{','.join(pairs)}")
    return "&".join(parts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_widgets_of_a_built_page(browser, page):
    originals = {name: getattr(widgets, name)() for name in PAGES[page]}
    shown = {original.key: Driven(browser, original.key) for original in originals.values()}
    presets = {original.key: original._presets[-1] for original in originals.values()}
    browser.get("about:blank")
    browser.get(f"{page.as_uri()}#{link_to({k: p['values'] for k, p in presets.items()})}")
    for widget in shown.values():
        wait_until(browser, f"return {widget.root} !== null")
    linked = {key: widget.state() for key, widget in shown.items()}
    for name, original in originals.items():
        state = linked[original.key]
        assert presets[original.key]["values"].items() <= state.items()
        for readout, value in type(original)(data=PAGES[page][name], **state).numbers().items():
            found = shown[original.key].number(readout)
            assert found == pytest.approx(value, rel=1e-9, abs=1e-11)
    # What is left is kept as it was given, by the same page: a second load would take as long.
    usual = pressed(browser, shown, dict.fromkeys(shown, "Reset"))
    assert browser.execute_script("return location.hash") == ""
    again = pressed(browser, shown, {key: preset["name"] for key, preset in presets.items()})
    kept = {
        key: {name: value for name, value in state.items() if value != usual[key][name]}
        for key, state in again.items()
    }
    assert again == linked
    hash_ = browser.execute_script("localStorage.clear(); return location.hash")
    moved = link_to({key: state for key, state in kept.items() if state})
    assert sorted(hash_[1:].split("&")) == sorted(moved.split("&"))
    assert [f for f in faults(browser) if not any(harmless in f for harmless in HARMLESS)] == []


def pressed(browser, shown, names):
    """The widgets' states once a button of each was pressed and the address has them."""
    for key, widget in shown.items():
        widget.press(names[key])
    for widget in shown.values():
        wait_until(browser, f"return {widget.root}.dataset.address === 'written'")
    return {key: widget.state() for key, widget in shown.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_without_scripts_a_built_page_shows_a_described_figure(page):
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r'<noscript>\s*<img alt="([^"]*)" src="data:image/png', text)
    for name in PAGES[page]:
        described = [html.unescape(words) for words in pictures]
        assert any(words.startswith(getattr(widgets, name)._heading) for words in described)
