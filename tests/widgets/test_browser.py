"""Every widget, driven in headless Chromium from a file: numbers, drawings, addresses, faults."""

import functools
import itertools
import json
import re
import time

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from widget_support import (
    GOES_BY_COLOUR,
    MOVE,
    SHOWN,
    Driven,
    barriers,
    faults,
    hurried,
    needs_browser,
    needs_node,
    on_screen,
    wait_until,
    write_page,
)

from prunelimit import widgets

pytestmark = [needs_browser, needs_node]


@pytest.fixture(scope="module")
def browser(browser):
    """Of which no test here is about time."""
    with hurried(browser):
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """All widgets on one page."""
    return page_with(tmp_path_factory.mktemp("widgets") / "all.html", *widgets.__all__)


def page_with(path, *names):
    return write_page(path, *(getattr(widgets, name)() for name in names))


LOADS = itertools.count()

# One widget's tests after another, so that its page is open.
each_widget = pytest.mark.parametrize("name", widgets.__all__, scope="module")


def load(browser, page):
    # An address of its own, so that it loads.
    browser.get(f"{page.as_uri()}?{next(LOADS)}")
    wait_until(browser, "return document.body.dataset.ready === 'yes'")


def freshly_opened(browser, page):
    load(browser, page)
    yield browser
    browser.execute_script("localStorage.clear()")  # the next test finds no guess of this one's
    assert faults(browser) == []


@pytest.fixture
def opened(browser, page):
    yield from freshly_opened(browser, page)


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """The page of one widget: the others' simulations take no time."""
    folder = tmp_path_factory.mktemp("alone")
    return functools.cache(lambda name: page_with(folder / f"{name}.html", name))


@pytest.fixture
def alone(browser, page_of, name):
    """One widget on its page, as it was opened or as Reset leaves it after another test."""
    page = page_of(name)
    if browser.current_url.startswith(page.as_uri()):
        widget = Driven(browser, getattr(widgets, name)().key)
        widget.press("Reset")
        wait_until(browser, f"return {widget.root}.dataset.address === 'written'")
        assert browser.execute_script("return location.hash") == ""
    else:
        load(browser, page)
    yield browser
    browser.execute_script("localStorage.clear()")
    assert faults(browser) == []


@pytest.fixture
def few(browser, tmp_path, names):
    """The widgets that a test names, on their page."""
    yield from freshly_opened(browser, page_with(tmp_path / "few.html", *names))


def shows(*names):
    return pytest.mark.parametrize("names", [names], ids=lambda names: "-".join(names))


@pytest.fixture
def looked_at(browser, page):
    """All widgets, on a page that the tests which only look at it share."""
    if not browser.current_url.startswith(f"{page.as_uri()}?") or "#" in browser.current_url:
        load(browser, page)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert faults(browser) == []


def pass_frames(browser):
    """The widgets see a new size in the first frame and draw themselves in the second."""
    browser.execute_async_script(
        "let left = 3; const next = () => (left-- ? paintedFrame(next) : arguments[0]()); next();"
    )


def set_screen(browser, width, height):
    on_screen(browser, width, height)
    pass_frames(browser)


def compare(original, shown):
    """The numbers of `SHOWN` are the package's, at the page's own settings."""
    for control, value in shown["state"].items():
        setattr(original, control, value)
    expected = original.numbers()
    assert expected.keys() <= shown["numbers"].keys()
    for name, value in expected.items():
        assert shown["numbers"][name] == pytest.approx(value, rel=1e-9, abs=1e-11), name


def compare_with_python(widget, original):
    compare(original, widget.script(f"{SHOWN} return shown(root);"))


# Moves every control until it has changed something. One may be hidden, or idle, in one situation:
# it is tried in others, beginning with the one that stands (null). All in one call, so that no
# sample falls between the looks.
TRY_ALL = """const [controls, situations] = arguments, idle = new Set(controls), seen = [];
const press = (name) => root.querySelector(`[data-preset='${name}']`).click();
const look = () => seen[seen.push(shown(root)) - 1].picture;
for (const situation of situations) {
  if (situation) press(typeof situation === 'string' ? situation : 'Reset');
  if (Array.isArray(situation)) move(root, ...situation);
  let before = look();
  const here = [...root.querySelectorAll('.pl-control:not([hidden]) [data-control]')];
  here.sort((a, b) => (b.type === 'checkbox') - (a.type === 'checkbox')); // while there are samples
  for (const control of here.map((node) => node.dataset.control).filter((key) => idle.has(key))) {
    for (const share of [0.31, 0.77, 0.5]) {
      move(root, control, share);
      const after = look();
      if (after !== before) idle.delete(control);
      before = after;
    }
  }
}
return [[...idle], seen.map(({ state, numbers }) => ({ state, numbers }))];"""


@each_widget
def test_every_control_changes_what_is_shown_and_the_numbers_are_pythons(alone, name):
    original = getattr(widgets, name)()
    widget = Driven(alone, original.key)
    controls = [control for control, _ in original.control_traits()]
    options = widget.script(
        "return [...root.querySelectorAll('select')].flatMap((node) => [...node.options]"
        ".map((option, j) => [node.dataset.control, j / Math.max(1, node.options.length - 1)]))"
    )
    situations = [None, "Reset", *options, *(preset["name"] for preset in original._presets)]
    all_lie = f"return {widget.root}.dataset.samples !== 'falling'"
    wait_until(alone, all_lie)  # what is drawn at random can be shown and hidden
    idle, seen = widget.script(f"{MOVE} {SHOWN} {TRY_ALL}", controls, situations)
    for shown in seen:
        compare(original, shown)
    assert idle == [] and len(seen) >= len(situations) + 3 * len(controls)
    assert widget.sentence()


@shows("Kinematics", "SublevelSet")
def test_two_widgets_keep_their_states_and_an_anchor_in_one_address(few):
    first, second = Driven(few, "kinematics"), Driven(few, "sublevel-set")
    few.execute_script("location.hash = '#place'")
    first.move("angle", 0.25)
    second.move("distance", 0.75)
    wait_until(few, "return location.hash.includes('sublevel-set')")
    wait_until(few, "return location.hash.includes('kinematics')")
    assert few.execute_script("return location.hash").startswith("#place&")
    states = first.state(), second.state()
    few.refresh()
    wait_until(few, "return document.body.dataset.ready === 'yes'")
    assert (first.state(), second.state()) == states


@shows("Kinematics")
def test_a_link_to_a_state_moves_the_open_page(few):
    widget = Driven(few, "kinematics")
    few.execute_script("location.hash = '#w=kinematics:dim=1000,angle=60'")
    wait_until(
        few,
        "return document.querySelector('[data-widget=kinematics]').dataset.state.includes('1000')",
    )
    assert widget.state()["angle"] == 60
    words = "return root.querySelector('.pl-step-words').textContent"
    assert widget.script(words).startswith("A link has set what you see")
    widget.press("next")
    assert widget.script(words).startswith("1 of ")


def test_nonsense_in_the_address_is_ignored(browser, tmp_path):
    page = page_with(tmp_path / "one.html", "Kinematics")
    browser.get("about:blank")
    browser.get(page.as_uri() + "#w=kinematics:dim=7,angle=x,share=99,cone=cube")
    wait_until(browser, "return document.body.dataset.ready === 'yes'")
    state = Driven(browser, "kinematics").state()
    assert (state["dim"], state["angle"], state["cone"]) == (100, 45, "circular")
    assert state["share"] == 1
    assert faults(browser) == []


@pytest.mark.parametrize("value", ["NaN", "1e308", "%E0%A4%A", "<img src=x onerror=alert(1)>"])
def test_no_address_breaks_a_widget(browser, page, value):
    made = [getattr(widgets, name)() for name in widgets.__all__]
    parts = [
        f"w={widget.key}:" + ",".join(f"{control['key']}={value}" for control in widget._controls)
        for widget in made
    ]
    browser.get("about:blank")
    browser.get(f"{page.as_uri()}#{'&'.join(parts)}")
    wait_until(browser, "return document.body.dataset.ready === 'yes'")
    every = "[...document.querySelectorAll('.pl-widget')].map"
    seen = browser.execute_script(
        f"{SHOWN} return Object.fromEntries({every}((root) => [root.dataset.widget, shown(root)]));"
    )
    for original in made:
        compare(original, seen[original.key])
        assert not re.search("NaN|undefined|Infinity|onerror", seen[original.key]["picture"])
    assert faults(browser) == []


@shows("Kinematics")
def test_a_link_within_the_page_leaves_the_state_in_the_address(few):
    widget = Driven(few, "kinematics")
    widget.move("angle", 0.25)
    wait_until(few, "return location.hash.includes('kinematics')")
    written = few.execute_script("return location.hash.slice(1)")
    few.execute_script("location.hash = '#place'")
    wait_until(few, "return location.hash.includes('kinematics')")
    assert few.execute_script("return location.hash") == f"#place&{written}"


@shows("Kinematics")
def test_no_room_at_all_is_no_fault_and_the_drawing_comes_back(few):
    resize = "document.getElementById('place').style.width = arguments[0]"
    width = "return document.querySelector('svg.pl-plot').getAttribute('width')"
    wide = few.execute_script(width)
    for pixels in ("0px", "60px", "300px"):
        few.execute_script(resize, pixels)
        pass_frames(few)
    assert 200 < int(few.execute_script(width)) < 300
    few.execute_script(resize, "")
    wait_until(few, f"{width} === '{wide}'")


@each_widget
def test_guided_steps_set_their_states_and_spare_the_guess(alone, name):
    original = getattr(widgets, name)()
    widget = Driven(alone, original.key)
    assert 3 <= len(original._steps) <= 6
    first = original._steps[0]["values"]  # it describes what stands there before anything is moved
    assert first == {name: original._defaults[name] for name in first}
    if "guess" in original.values():
        widget.move("guess", 0.25)
    guess = widget.state().get("guess")
    for step in [*original._steps[1:], None, original._steps[0]]:
        widget.press("next")
        wanted = original._defaults | (step or original._steps[-1])["values"]
        wanted |= {"guess": guess} if guess is not None else {}
        wait_until(alone, f"return {STILL}({widget.root}, {json.dumps(wanted)})")
        compare_with_python(widget, original)


# Whether a widget has come to rest in a state.
STILL = """((root, wanted) => Object.entries(JSON.parse(root.dataset.state)).every(
  ([key, value]) => typeof value === "number"
    ? Math.abs(value - wanted[key]) <= 1e-9 * Math.abs(value) : value === wanted[key]))"""


@each_widget
def test_play_goes_through_the_states_and_stops_at_the_last(alone, name):
    original = getattr(widgets, name)()
    widget = Driven(alone, original.key)
    if not widget.script("return Boolean(root.querySelector('.pl-player'))"):
        pytest.skip("nothing to play")
    before = widget.state()
    widget.press("play")
    pressed = "root.querySelector('.pl-play').getAttribute('aria-pressed')"
    assert widget.script(f"return {pressed}") == "true"
    wait_until(alone, f"const root = {widget.root}; return {pressed} === 'false'")
    after = widget.state()
    assert after != before
    widget.press("step-through")  # from the start again
    wait_until(alone, f"return {widget.root}.dataset.state !== {json.dumps(json.dumps(after))}")
    compare_with_python(widget, original)


# The last of a widget's tests: it leaves a page that a link has opened.
@each_widget
def test_presets_reset_and_the_address(alone, name):
    widget = Driven(alone, getattr(widgets, name)().key)
    start = widget.state()
    for preset in alone.execute_script(
        "return window.models[arguments[0]].get('_presets')", widget.key
    ):
        widget.press(preset["name"])
        state = widget.state()
        for name, value in preset["values"].items():
            assert state[name] == pytest.approx(value)
    wait_until(alone, f"return {widget.root}.dataset.address === 'written'")
    assert f"w={widget.key}:" in alone.execute_script("return location.hash")
    left = widget.state()
    all_lie = f"return {widget.root}.dataset.samples !== 'falling'"
    wait_until(alone, all_lie)
    shown = widget.numbers()
    alone.refresh()
    wait_until(alone, "return document.body.dataset.ready === 'yes'")
    wait_until(alone, all_lie)
    assert widget.state() == left
    assert widget.numbers() == shown
    widget.press("Reset")
    assert widget.state() == start
    wait_until(alone, f"return !location.hash.includes('w={widget.key}:')")


def test_nothing_glides_for_readers_who_want_stillness(opened):
    wish = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wish})
    try:
        seen = opened.execute_async_script(
            """const [done] = arguments, seen = {};
            for (const root of document.querySelectorAll('.pl-widget')) {
              const before = root.dataset.state, states = new Set();
              new MutationObserver(() => states.add(root.dataset.state))
                .observe(root, {attributes: true, attributeFilter: ['data-state']});
              root.querySelector('[data-action=next]').click();
              seen[root.dataset.widget] = () => { states.delete(before); return states.size; };
            }
            const counted = () => Object.entries(seen).map(([key, count]) => [key, count()]);
            let left = 8; // frames, of which a glide takes two
            const next = () => (left-- ? requestAnimationFrame(next) : done(counted()));
            next();"""
        )
        assert len(seen) == len(widgets.__all__)
        assert {key: count for key, count in seen if count > 1} == {}
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@shows("CutANetwork", "FourAnswers")
def test_a_guess_is_remembered_and_laid_beside_the_answers(few):
    Driven(few, "cut-a-network").move("guess", 0.65 / 0.99)
    few.execute_script("history.replaceState(null, '', location.pathname)")
    few.refresh()
    wait_until(few, "return document.body.dataset.ready === 'yes'")
    widget = Driven(few, "four-answers")
    assert widget.state()["guess"] == pytest.approx(0.65, abs=0.01)
    assert "your guess" in widget.drawing()
    widget.press("Untouched")
    assert widget.state()["guess"] == pytest.approx(0.65, abs=0.01)
    assert "than you guessed" in widget.sentence()


@shows("CutANetwork")
def test_a_guess_may_be_typed(few):
    widget = Driven(few, "cut-a-network")
    field = few.find_element(By.CSS_SELECTOR, "[data-widget=cut-a-network] [data-field=guess]")
    assert field.get_attribute("value") == ""
    field.send_keys("72.5", Keys.TAB)
    assert widget.state()["guess"] == pytest.approx(0.725)
    assert few.execute_script("return localStorage.getItem('prunelimit.guess.digits 64-12-10')")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("400")
    assert widget.state()["guess"] == pytest.approx(0.99)
    assert field.get_attribute("value") == "99"
    widget.move("guess", 0.5)
    assert field.get_attribute("value") == "50"
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(Keys.DELETE)
    assert widget.state()["guess"] == 0


@shows("Kinematics")
def test_arrow_keys_move_a_slider(few):
    widget = Driven(few, "kinematics")
    slider = few.find_element(By.CSS_SELECTOR, "[data-widget=kinematics] [data-control=angle]")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert widget.state()["angle"] == 45.5
    slider.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert widget.state()["angle"] == 44.5


@pytest.mark.parametrize(
    ("name", "panel", "control"),
    [
        ("Kinematics", "probability", "share"),
        ("StatisticalDimension", "shape", "angle"),
        ("ConeAndSubspace", "plane", "x1"),
        ("SublevelSet", "losses", "epsilon"),
        ("Lanczos", "ritz", "steps"),
        ("OnePicture", "plane", "w2"),
        ("Reexpansion", "reach", "sparsity"),
    ],
)
def test_dragging_the_picture_moves_the_state(alone, name, panel, control):
    widget = Driven(alone, getattr(widgets, name)().key)
    before = widget.state()[control]
    # The driver loses its hold on what is drawn anew; a reader's finger does not.
    if widget.state().get("simulate"):
        widget.move("simulate", 0)
    handle = alone.find_elements(By.CSS_SELECTOR, f"svg[data-panel={panel}] .pl-touch")[-1]
    alone.execute_script("arguments[0].scrollIntoView({block: 'center'})", handle)
    ActionChains(alone).click_and_hold(handle).move_by_offset(25, 30).release().perform()
    assert widget.state()[control] != before


@pytest.fixture
def finger(browser):
    """Put a finger down and draw it along in steps; its touches reach the page as a phone's do."""
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def touch(kind, *points):
        touches = {"type": kind, "touchPoints": [{"x": x, "y": y, "id": 1} for x, y in points]}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", touches)

    def draw(x, y, right, down):
        touch("touchStart", (x, y))
        for share in np.linspace(0, 1, 12)[1:]:
            touch("touchMove", (x + share * right, y + share * down))
        touch("touchEnd")
        pass_frames(browser)

    yield draw
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(
    ("name", "panel", "control"),
    [("FourAnswers", "answers", "guess"), ("ConeAndSubspace", "space", "turn")],
)
def test_a_finger_on_a_picture_scrolls_the_page_taps_and_drags_across(
    alone, name, panel, control, finger
):
    widget = Driven(alone, getattr(widgets, name)().key)
    set_screen(alone, 390, 600)
    widget.script("root.style.marginBlock = '800px'")

    def height():
        """Where the page stands once it stands: a flick goes on for a while by itself."""
        before = None
        while (now := alone.execute_script("return window.scrollY")) != before:
            before = now
            time.sleep(0.15)
        return now

    def touched(right, down):
        height()
        x, y = widget.script(
            "const svg = root.querySelector(`svg[data-panel=${arguments[0]}]`);"
            "svg.scrollIntoView({block: 'center'});"
            "const box = svg.getBoundingClientRect();"
            "return [box.left + 0.35 * box.width, box.top + 0.8 * box.height];",
            panel,
        )
        state, before = widget.state()[control], height()
        finger(x, y, right, down)
        # A sentence that takes another line moves the page by that line.
        return widget.state()[control] != state, abs(height() - before) > 40

    assert touched(0, -90) == (False, True)
    assert touched(70, 4) == (True, False)
    assert touched(1, 1) == (True, False)


@shows("Kinematics")
def test_python_moves_the_widget_and_the_widget_tells_python(few):
    widget = Driven(few, "kinematics")
    few.execute_script("window.models['kinematics'].set('angle', 20)")
    assert widget.state()["angle"] == 20
    widget.move("angle", 0.5)
    wait_until(few, "return window.models['kinematics'].saved > 0")
    saved = few.execute_script("return window.models['kinematics'].get('angle')")
    assert saved == widget.state()["angle"]


def contrast(first, second):
    def luminance(colour):
        channels = np.array(colour[:3]) / 255
        linear = np.where(
            channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return linear @ [0.2126, 0.7152, 0.0722]

    light, dark = sorted([luminance(first), luminance(second)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@shows("Kinematics")
def test_colours_can_be_told_from_the_paper_in_both_themes(few, theme):
    few.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    colours = few.execute_script(
        """const root = document.querySelector('.pl-widget');
        const read = (name) => {
          const probe = document.createElement('i');
          probe.style.color = `var(--pl-${name})`;
          root.append(probe);
          const found = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
          probe.remove();
          return found;
        };
        return Object.fromEntries(['ink', 'soft', 'paper', 'raised', 'blue', 'orange', 'green',
          'red', 'purple', 'sky', 'grey'].map((name) => [name, read(name)]));"""
    )
    paper = colours["paper"]
    assert (np.mean(paper) > 128) == (theme == "light")
    for name in ("ink", "soft"):
        assert contrast(colours[name], paper) >= 4.5
        assert contrast(colours[name], colours["raised"]) >= 4.5
    for name in ("blue", "orange", "green", "red", "purple", "sky", "grey"):
        assert contrast(colours[name], paper) >= 3


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_picture_and_its_control_fit_one_screen(looked_at, width, height):
    set_screen(looked_at, width, height)
    spans = looked_at.execute_script(
        """const roots = [...document.querySelectorAll('.pl-widget')];
        return Object.fromEntries(roots.map((root) => {
        const first = root.querySelector('.pl-control:not(details *)').getBoundingClientRect();
        const player = root.querySelector('.pl-player') || root.querySelector('.pl-control');
        const plot = root.querySelector('figure').getBoundingClientRect();
        const low = Math.max(first.bottom, player.getBoundingClientRect().bottom, plot.bottom);
        return [root.dataset.widget, low - Math.min(plot.top, first.top)]; }))"""
    )
    assert len(spans) == len(widgets.__all__)
    assert {key: span for key, span in spans.items() if span > height} == {}


def test_jupyterlabs_rules_for_lists_leave_the_numbers_under_their_names(looked_at):
    # As JupyterLab has them for what a cell shows.
    beside = looked_at.execute_script(
        """const sheet = document.createElement('style');
        sheet.textContent = 'main dl dt { float: left; width: 20% } main dl dd { float: left }';
        document.head.append(sheet);
        const beside = [...document.querySelectorAll('.pl-readouts > div')].filter((row) =>
        row.querySelector('dd').getBoundingClientRect().top <
        row.querySelector('dt').getBoundingClientRect().bottom - 1).length;
        sheet.remove();
        return beside;"""
    )
    assert beside == 0


def test_nothing_is_wider_than_a_phone(looked_at):
    set_screen(looked_at, 360, 780)
    assert looked_at.execute_script("return document.documentElement.scrollWidth") <= 360
    overflowing = looked_at.execute_script(
        """return [...document.querySelectorAll('.pl-widget *')].filter((node) =>
        node.offsetParent && node.getBoundingClientRect().right > 361 && !node.closest('svg')
        && !node.closest('.pl-hidden')).map((node) => node.outerHTML.slice(0, 90))"""
    )
    assert overflowing == []


def test_no_words_in_a_picture_lie_on_others_on_a_phone(looked_at):
    set_screen(looked_at, 390, 844)
    overlaps = looked_at.execute_script(
        """return [...document.querySelectorAll('svg.pl-plot')].flatMap((svg) => {
          const boxes = [...svg.querySelectorAll('text')]
            .map((text) => [text.textContent.trim(), text.getBoundingClientRect()])
            .filter(([words, box]) => words && box.width);
          return boxes.flatMap(([words, a], i) => boxes.slice(i + 1).filter(([, b]) =>
            Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4,
          ).map(([others]) => [svg.dataset.panel, words, others]));
        });"""
    )
    assert overlaps == []


def test_axe_finds_nothing_serious(looked_at):
    theme = "document.documentElement.dataset.theme = arguments[0]"
    looked_at.execute_script(theme, "light")
    assert barriers(looked_at) == []
    looked_at.execute_script(theme, "dark")
    assert barriers(looked_at, *GOES_BY_COLOUR) == []
    looked_at.execute_script(theme, "light")


def test_controls_are_named_large_enough_and_the_sentences_are_announced(looked_at):
    small, unnamed, silent = looked_at.execute_script(
        """const all = (what) => [...document.querySelectorAll(`.pl-widget :is(${what})`)];
        const told = (nodes) => nodes.map((node) => node.outerHTML.slice(0, 80));
        return [
          told(all('button, select, input, .pl-check').filter((node) => node.offsetParent
            && node.type !== 'checkbox' && node.getBoundingClientRect().height < 44)),
          told(all('input, select').filter((node) => !node.labels?.[0]?.textContent.trim())),
          told(all('svg.pl-plot:not([aria-label])')),
        ];"""
    )
    assert (small, unnamed, silent) == ([], [], [])
    sentences = {}
    for name in widgets.__all__:
        original = getattr(widgets, name)()
        widget = Driven(looked_at, original.key)
        sentences[original.key] = widget.sentence()
        widget.press(original._presets[1]["name"])
    wait_until(
        looked_at,
        f"const before = {json.dumps(sentences)};"
        "return [...document.querySelectorAll('.pl-widget')].every((root) => {"
        "const said = root.querySelector('[role=status]').textContent;"
        "return said === root.querySelector('.pl-sentence').textContent"
        " && said !== before[root.dataset.widget]; })",
    )
