"""What a reader feels: input to redraw while samples fall, frames while playing, cold links.

The first two stand on one page of all widgets, opened from a file in headless Chromium, one input
event a frame; on a busy machine the lowest tenth says most. Cold links open built pages, each in a
browser with an empty profile.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import table
from benchmarks.redraw import all_widgets
from tests.support import widget_support as support

ROOT = Path(__file__).parents[1]
BUILT = Path(os.environ.get("PRUNELIMIT_BUILT_PAGES", ROOT / "_build" / "html"))
LOADS = 20
LINKS = (
    "notebooks/00_an_hour.html#w=hit-or-miss:dim=1000,share=0.45",
    "notebooks/03_kinematics.html#w=kinematics:dim=1000,share=0.48",
)
SETTLED_S = 6

EVENTS = """
const [selector, key, events, done] = arguments;
const root = document.querySelector(selector);
const input = root.querySelector(`[data-control='${key}']`);
const [low, high] = [Number(input.min), Number(input.max)];
const times = [];
let falling = 0;
const once = () => {
  falling += root.dataset.samples === 'falling';
  input.value = low + (high - low) * ((times.length * 17) % events) / events;
  const start = performance.now();
  input.dispatchEvent(new Event('input', {bubbles: true}));
  root.getBoundingClientRect();
  times.push(performance.now() - start);
  if (times.length < events) requestAnimationFrame(once);
  else done([times, falling / events]);
};
requestAnimationFrame(once);
"""

FRAMES = """
const [root, done] = [document.querySelector(arguments[0]), arguments[1]];
const play = root.querySelector('[data-action=play]');
if (!play) return done(null);
const stamps = [];
const began = performance.now();
const tick = (now) => {
  stamps.push(now);
  if (performance.now() - began < 3000) requestAnimationFrame(tick);
  else { play.click(); done(stamps); }
};
play.click();
requestAnimationFrame(tick);
"""


def run(events: int = 60, loads: int = LOADS) -> dict[str, Any]:
    """Measure, print one row a widget, and return the rows and the cold loads."""
    with all_widgets() as (browser, made):
        rows = {type(widget).__name__: _felt(browser, widget, events) for widget in made}
    print(table(rows, ["median ms", "p10 ms", "p95 ms", "falling", "frames per s"]))
    cold = {link: f"{sum(_lands(link) for _ in range(loads))} of {loads}" for link in _built()}
    print(*(f"{link}: {found}" for link, found in cold.items()), sep="\n")
    return {"widgets": rows, "cold": cold}


def _felt(browser: Any, widget: Any, events: int) -> dict[str, float]:
    driven = support.Driven(browser, widget.key)
    found = [
        browser.execute_async_script(EVENTS, driven.selector, slider, events)
        for slider in driven.shown_sliders()
    ]
    times = np.concatenate([times for times, _ in found])
    driven.press("Reset")
    stamps = browser.execute_async_script(FRAMES, driven.selector)
    return {
        "median ms": float(np.median(times)),
        "p10 ms": float(np.percentile(times, 10)),
        "p95 ms": float(np.percentile(times, 95)),
        "falling": float(np.mean([share for _, share in found])),
        "frames per s": float("nan")
        if stamps is None
        else 1000 / float(np.median(np.diff(stamps))),
    }


def _built() -> list[str]:
    return [link for link in LINKS if (BUILT / link.split("#")[0]).exists()]


def _lands(link: str) -> bool:
    """Whether a browser with an empty profile ends with the link's widget on its screen."""
    with tempfile.TemporaryDirectory() as profile:
        browser = support.open_browser(profile)
        try:
            browser.set_script_timeout(60)
            page, _, state = link.partition("#")
            browser.get(f"{(BUILT / page).as_uri()}#{state}")
            key = state.removeprefix("w=").split(":")[0]
            root = f"document.querySelector('[data-widget={key}]')"
            support.wait_until(browser, f"return {root} !== null")
            browser.execute_async_script(f"setTimeout(arguments[0], {1000 * SETTLED_S})")
            top = browser.execute_script(f"return {root}.getBoundingClientRect().top")
            return bool(-1 <= top <= 200)
        finally:
            browser.quit()
