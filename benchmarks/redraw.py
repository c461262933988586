"""Milliseconds from an input event to finished layout, for every slider of every widget.

All widgets stand on one page, opened from a file in headless Chromium. Each slider that a
preset shows is swept over its range three times; painting is the browser's own affair and not
counted. "undisturbed" takes the fastest of the three at each position: a busy machine shows in the
other columns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import table
from prunelimit import widgets
from tests.support import widget_support as support

EVENTS, ROUNDS = 40, 3


@contextmanager
def all_widgets() -> Iterator[tuple[Any, list[Any]]]:
    """A browser that shows every widget on one page, and the widgets."""
    made = [getattr(widgets, name)() for name in widgets.__all__]
    with tempfile.TemporaryDirectory() as folder:
        page = support.write_page(Path(folder) / "all.html", *made)
        browser = support.open_browser(Path(folder) / "profile")
        try:
            browser.set_script_timeout(120)
            browser.get(page.as_uri())
            support.wait_until(browser, "return document.body.dataset.ready === 'yes'")
            yield browser, made
        finally:
            browser.quit()


def run(quick: bool = False) -> dict[str, Any]:
    """Sweep, print one row a widget, and return the rows with the slowest slider named.

    `quick` takes five positions once, of the widget as it opens.
    """
    with all_widgets() as (browser, made):
        version = browser.capabilities["browserVersion"]
        rows = {type(w).__name__: _summary(_sweeps(browser, w, quick)) for w in made}
    print(table(rows, ["median ms", "p95 ms", "max ms", "undisturbed"]))
    return {"chromium": version, "widgets": rows}


def _sweeps(browser: Any, widget: Any, quick: bool) -> dict[str, np.ndarray]:
    """Times by preset and slider: (rounds, events)."""
    driven = support.Driven(browser, widget.key)
    events, repeated = (5, 1) if quick else (EVENTS, ROUNDS)
    presets = [] if quick else [preset["name"] for preset in widget._presets]
    found = {}
    for preset in ["Reset", *presets]:
        driven.press(preset)
        for slider in driven.shown_sliders():
            rounds = [driven.redraw_times(slider, events) for _ in range(repeated)]
            found[f"{preset}: {slider}"] = np.array(rounds)
            driven.press(preset)
    return found


def _summary(sweeps: dict[str, np.ndarray]) -> dict[str, Any]:
    times = np.concatenate(list(sweeps.values()), axis=1)
    return {
        "median ms": float(np.median(times)),
        "p95 ms": float(np.percentile(times, 95)),
        "max ms": float(times.max()),
        "undisturbed": float(np.percentile(times.min(axis=0), 95)),
        "events": times.size,
        "slowest slider": max(sweeps, key=lambda name: float(np.median(sweeps[name]))),
    }
