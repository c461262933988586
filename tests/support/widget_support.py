"""What the widgets' tests share: calling their JavaScript from Python."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

CALL = Path(__file__).parents[1] / "widgets" / "call.mjs"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


def _plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value))


def call_many(calls):
    """Results of ``[(module, function, args), ...]`` from one run of node."""
    asked = [{"module": module, "name": name, "args": list(args)} for module, name, args in calls]
    done = subprocess.run(
        [NODE, str(CALL)], input=json.dumps(asked, default=_plain), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def call(module, name, *args):
    return call_many([(module, name, args)])[0]


# ---- in the browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="Chromium or its driver is not installed"
)

# A page that shows widgets without any front end: a stand-in for the model that anywidget
# passes to a module, which is all that the module sees of it.
PAGE = CALL.with_name("page.html")


def write_page(path, *widgets):
    """A page with the given widgets, for `file://`."""
    states = [
        {
            "_esm": widget._esm,
            "key": widget.key,
            "title": widget.title,
            "data": widget.data,
            "_controls": widget._controls,
            "_presets": widget._presets,
            "_defaults": widget._defaults,
            "_steps": widget._steps,
            **widget.values(),
        }
        for widget in widgets
    ]
    text = json.dumps(states).replace("</", "<\\/")
    page = PAGE.read_text().replace("@@CSS@@", widgets[0]._css).replace("@@STATES@@", text)
    path.write_text(page, encoding="utf-8")
    return path


def open_browser(profile):
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = CHROMIUM
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,1000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    browser.set_script_timeout(PATIENCE)
    return browser


AS_NEW = (
    ("Emulation.clearDeviceMetricsOverride", {}),
    ("Emulation.setEmulatedMedia", {"features": []}),
    ("Emulation.setScriptExecutionDisabled", {"value": False}),
    ("Network.setBlockedURLs", {"urls": []}),
    ("Storage.clearDataForOrigin", {"origin": "file://", "storageTypes": "all"}),
)


def as_if_new(browser):
    """Nothing open, nothing kept, nothing emulated, no faults: as a browser that has just begun."""
    browser.get("about:blank")
    for command, settings in AS_NEW:
        browser.execute_cdp_cmd(command, settings)
    faults(browser)


def on_screen(browser, width, height):
    """From now on pages are seen on a screen of this size: a phone's where it is narrow."""
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


HURRY = """{ // Frames do not wait until they are painted, and by the page's clock each takes a
// quarter of a second: what falls, glides and plays is through in as many steps, and few paints.
const [later, frame] = [window.setTimeout.bind(window), window.requestAnimationFrame.bind(window)];
let [clock, due, last] = [performance.now(), new Map(), 0];
const pass = () => {
  const calls = [...due.values()];
  due.clear();
  clock += 250;
  for (const call of calls) try { call(clock); } catch (error) { reportError(error); }
};
performance.now = () => (clock += 0.25); // so that a frame of samples has an end
window.setTimeout = (call, ms, ...rest) => later(call, ms / 8, ...rest);
window.requestAnimationFrame = (call) => {
  if (!due.size) later(pass, 0);
  due.set(++last, call);
  return last;
};
window.cancelAnimationFrame = (id) => due.delete(id);
window.paintedFrame = frame; }"""


@contextlib.contextmanager
def hurried(browser):
    """Time is short on every page that is opened meanwhile."""
    add, drop = (f"Page.{what}ScriptToEvaluateOnNewDocument" for what in ("add", "remove"))
    script = browser.execute_cdp_cmd(add, {"source": HURRY})
    try:
        yield browser
    finally:
        browser.execute_cdp_cmd(drop, script)


PATIENCE = 180
"""Seconds for a page to come to rest, which takes one or two: a machine may be busy or stall, and
no test is about time (the driver's own limit on one script, 30 s, failed a run of CI)."""


def wait_until(browser, script):
    """What the script returns, once that is something: the page itself looks again and again."""
    found, failure = browser.execute_async_script(
        f"""const done = arguments[0], look = () => {{ {script} }};
        const again = () => {{
          try {{
            const found = look();
            if (found) done([found, null]); else setTimeout(again, 20);
          }} catch (error) {{ done([null, String(error)]); }}
        }};
        again();"""
    )
    assert failure is None, failure
    return found


def faults(browser):
    """Console errors and requests that leave the machine since the last call."""
    errors = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    errors += browser.execute_script("return window.pageErrors || []")
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if not url.startswith(("file:", "blob:", "data:", "chrome:")):
                errors.append(f"request to {url}")
    return errors


AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
GOES_BY_COLOUR = ("color-contrast", "link-in-text-block")
"""All rules of axe whose verdict another theme may change."""


def barriers(browser, *rules):
    """What keeps people out who do not see, hear or point as others do: serious findings of axe."""
    if not browser.execute_script("return Boolean(window.axe)"):
        browser.execute_script(AXE.read_text(encoding="utf-8"))
    found = browser.execute_async_script(
        "const [rules, done] = arguments, options = {resultTypes: ['violations']};"
        "if (rules.length) options.runOnly = {type: 'rule', values: rules};"
        # What fades in (a fold that was just opened) has its colours at the end.
        "for (const moving of document.getAnimations())"
        "  if (Number.isFinite(moving.effect.getComputedTiming().endTime)) moving.finish();"
        "axe.run(document, options).then((r) => done(r.violations));",
        rules,
    )
    return [
        (v["id"], [node["html"][:120] for node in v["nodes"][:3]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


# Puts a control at a share of its range by the event that a finger or a key sends.
MOVE = """const move = (root, key, share) => {
  const input = root.querySelector(`[data-control='${key}']`);
  if (input.type === 'checkbox') { input.click(); return; }
  if (input.tagName === 'SELECT') {
    const options = input.options;
    input.selectedIndex = Math.round(share * (options.length - 1));
    input.dispatchEvent(new Event('change', {bubbles: true}));
    return;
  }
  const [low, high] = [Number(input.min), Number(input.max)];
  input.value = low + share * (high - low);
  input.dispatchEvent(new Event('input', {bubbles: true}));
};"""

# What a widget shows now: its state, its numbers in full, its drawing and its readouts.
SHOWN = """const shown = (root) => {
  const readouts = [...root.querySelectorAll('[data-readout]')];
  const drawn = [...root.querySelectorAll('svg.pl-plot')].map((svg) => svg.innerHTML);
  return {
    state: JSON.parse(root.dataset.state),
    numbers: Object.fromEntries(readouts.filter((node) => node.dataset.value !== undefined)
      .map((node) => [node.dataset.readout, Number(node.dataset.value)])),
    picture: [...drawn, ...readouts.map((node) => node.textContent)].join(' '),
  };
};"""


class Driven:
    """One widget on the open page, driven as a reader would."""

    def __init__(self, browser, key):
        self.browser = browser
        self.selector = f'[data-widget="{key}"]'
        self.root = f"document.querySelector({json.dumps(self.selector)})"
        self.key = key

    def script(self, body, *args):
        code = f"const root = {self.root}; {body}"
        return self.browser.execute_script(code, *args)

    def state(self):
        return json.loads(self.script("return root.dataset.state"))

    def number(self, name):
        found = self.script(
            "return root.querySelector(`[data-readout='${arguments[0]}']`)?.dataset.value", name
        )
        return None if found is None else float(found)

    def numbers(self):
        return self.script(
            "return Object.fromEntries([...root.querySelectorAll('[data-readout]')].map("
            "(node) => [node.dataset.readout, node.textContent]))"
        )

    def drawing(self):
        return self.script(
            "return [...root.querySelectorAll('svg.pl-plot')].map((svg) => "
            "svg.innerHTML.replace(/pl-clip-[-\\w]+/g, '')).join('')"
        )

    def sentence(self):
        return self.script("return root.querySelector('.pl-sentence').textContent")

    def press(self, name):
        self.script(
            "root.querySelector(`[data-preset='${arguments[0]}'], [data-action='${arguments[0]}'],"
            " [data-step='${arguments[0]}']`).click()",
            name,
        )

    def move(self, key, share):
        """Put a control at `share` of its range."""
        self.script(f"{MOVE} move(root, ...arguments);", key, share)

    def shown_controls(self):
        return self.script(
            "return [...root.querySelectorAll('[data-control]')].filter((node) => "
            "!node.closest('.pl-control').hidden).map((node) => node.dataset.control)"
        )

    def shown_sliders(self):
        return self.script(
            "return [...root.querySelectorAll('input[type=range]')].filter((node) => "
            "!node.closest('.pl-control').hidden).map((node) => node.dataset.control)"
        )

    def redraw_times(self, key, steps=40):
        """Milliseconds from an input event to finished layout, over a sweep of the control."""
        return self.script(
            """const input = root.querySelector(`[data-control='${arguments[0]}']`);
            const [low, high] = [Number(input.min), Number(input.max)];
            const times = [];
            for (let j = 0; j < arguments[1]; j += 1) {
              input.value = low + (high - low) * ((j * 17) % arguments[1]) / arguments[1];
              const start = performance.now();
              input.dispatchEvent(new Event('input', {bubbles: true}));
              root.getBoundingClientRect();
              times.push(performance.now() - start);
            }
            return times;""",
            key,
            steps,
        )
