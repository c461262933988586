"""The widgets under the real front end that the book ships, in a file without a kernel."""

import json
import shutil
from pathlib import Path

import anywidget
import pytest
from ipywidgets.embed import embed_data
from widget_support import Driven, faults, needs_browser, wait_until

from prunelimit import widgets

VENDOR = Path(__file__).parents[2] / "book" / "_static" / "vendor"

pytestmark = [
    needs_browser,
    pytest.mark.skipif(
        not (VENDOR / "embed-amd.js").exists(), reason="the book's front end is not here"
    ),
]

# anywidget's own two-second timer, which a busy machine misses; the widgets come up all the same.
SLOW = "[anywidget] Failed to initialize model."

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Widgets</title>
@@SCRIPTS@@
<script type="application/vnd.jupyter.widget-state+json">@@STATE@@</script></head>
<body>@@VIEWS@@</body></html>"""


def lay_out_front_end(folder):
    """The book's files, and anywidget's own beside them, as the built page has them."""
    folder.mkdir()
    for file in [*VENDOR.glob("*.js"), *VENDOR.glob("*.woff2")]:
        shutil.copy(file, folder)
    shutil.copy(Path(anywidget.__file__).parent / "nbextension/index.js", folder / "anywidget.js")


def write_embedded_page(path, made):
    lay_out_front_end(path.parent / "vendor")
    data = embed_data(views=made, drop_defaults=False)
    names = ["require.js", "widgets-paths.js", "embed-amd.js", "amd-off.js"]
    scripts = "\n".join(
        f'<script src="vendor/{name}" data-jupyter-widgets-cdn="./"></script>' for name in names
    )
    views = "".join(
        f'<script type="application/vnd.jupyter.widget-view+json">{json.dumps(view)}</script>'
        for view in data["view_specs"]
    )
    state = json.dumps(data["manager_state"]).replace("</", "<\\/")
    page = PAGE.replace("@@SCRIPTS@@", scripts).replace("@@VIEWS@@", views)
    path.write_text(page.replace("@@STATE@@", state), encoding="utf-8")
    return path


def test_every_widget_lives_in_a_page_without_a_kernel(browser, tmp_path):
    made = [getattr(widgets, name)() for name in widgets.__all__]
    page = write_embedded_page(tmp_path / "page.html", made)
    browser.get(page.as_uri())
    wait_until(
        browser,
        f"return document.querySelectorAll('[data-widget] svg path').length > 0 && "
        f"document.querySelectorAll('[data-widget]').length === {len(made)}",
    )
    for original in made:
        widget = Driven(browser, original.key)
        assert widget.state() == original.values()
        before = widget.drawing()
        widget.press(original._presets[1]["name"])
        assert widget.drawing() != before
        expected = type(original)(data=original.data, **widget.state()).numbers()
        for name, value in expected.items():
            assert widget.number(name) == pytest.approx(value, rel=1e-9, abs=1e-11)
    assert {fault for fault in faults(browser) if SLOW not in fault} == set()
