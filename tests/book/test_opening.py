"""The front page's figure: it plays once, stops at a key, and rests for who wants stillness."""

from selenium.webdriver.common.keys import Keys
from widget_support import HURRY, faults, needs_browser, wait_until

from book.tools.stage import opening
from prunelimit import widgets

pytestmark = needs_browser
WORDS = "return document.querySelector('#opening p').textContent"
BUTTON = "return document.querySelector('#opening button')"
THIRTY_FRAMES = (
    "const done = arguments[0]; let n = 0;"
    "const next = () => (n++ > 30 ? done() : requestAnimationFrame(next)); next();"
)
LINES = "return document.querySelector('#opening svg').innerHTML.length"


def show(browser, folder, motion):
    page = folder / "page.html"
    page.write_text(f'<!doctype html><div id="opening"></div><script>{opening()}</script>')
    wanted = [{"name": "prefers-reduced-motion", "value": motion}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
    browser.get(page.as_uri())


def test_it_plays_by_itself_stops_at_a_key_and_ends(browser, tmp_path):
    show(browser, tmp_path, "no-preference")
    assert "888 weights" in browser.execute_script(WORDS)
    wait_until(browser, f"{WORDS}.includes('are cut')")
    browser.execute_script(BUTTON).send_keys(Keys.ENTER)
    browser.execute_script(HURRY)  # the rest is of what is shown, not of when
    rests = browser.execute_script(LINES)
    browser.execute_async_script(THIRTY_FRAMES)
    assert browser.execute_script(LINES) == rests
    browser.execute_script(BUTTON).send_keys(Keys.SPACE)
    wait_until(browser, f"{BUTTON}.textContent.includes('Again')")
    again = widgets.CutANetwork(sparsity=0.9, retrained=True).numbers()["right"]
    assert f"trained again: {again:.0f} of 8" in browser.execute_script(WORDS)
    assert faults(browser) == []


def test_it_rests_for_who_wants_stillness(browser, tmp_path):
    show(browser, tmp_path, "reduce")
    untouched = widgets.CutANetwork(sparsity=0.9).numbers()["right"]
    assert f"nothing is trained: {untouched:.0f} of 8" in browser.execute_script(WORDS)
    assert "Cut it" in browser.execute_script(BUTTON).text
    assert browser.execute_script("return document.querySelector('svg').ariaLabel.length") > 80
