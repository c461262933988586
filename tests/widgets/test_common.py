"""The numbers, addresses and controls that every widget shares, against scipy and numpy."""

import base64
import json
import subprocess

import matplotlib
import mpmath
import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _instances
from scipy import special
from widget_support import NODE, call, call_many, needs_node

from prunelimit import limit, plots, widgets
from prunelimit.errors import PruneLimitError
from prunelimit.widgets import network

pytestmark = needs_node


def test_log_gamma_and_log_beta_agree_with_scipy():
    rng = np.random.default_rng(0)
    a, b = 10 ** rng.uniform(-1, 5, (2, 300))
    found = call_many([("common", "logGamma", [x]) for x in a])
    assert np.allclose(found, special.gammaln(a), rtol=1e-12, atol=1e-12)
    found = call_many([("common", "logBeta", [x, y]) for x, y in zip(a, b, strict=True)])
    with mpmath.workdps(40):  # scipy's own loses ten digits here
        exact = [float(mpmath.log(mpmath.beta(x, y))) for x, y in zip(a, b, strict=True)]
    assert np.allclose(found, exact, rtol=1e-12, atol=1e-12)


def test_incomplete_beta_agrees_with_scipy_from_small_to_large_arguments():
    rng = np.random.default_rng(1)
    a, b = 10 ** rng.uniform(-0.3, 4.7, (2, 400))
    centre = a / (a + b)
    spread = np.sqrt(centre * (1 - centre) / (a + b + 1))
    x = np.clip(centre + rng.uniform(-5, 5, 400) * spread, 1e-12, 1 - 1e-12)
    found = call_many([("common", "betaRegularized", arg) for arg in zip(x, a, b, strict=True)])
    assert np.allclose(found, special.betainc(a, b, x), rtol=1e-9, atol=1e-12)


def test_erfc_agrees_with_scipy():
    x = np.linspace(-6, 12, 361)
    found = call_many([("common", "erfc", [value]) for value in x])
    assert np.allclose(found, special.erfc(x), rtol=1e-11, atol=1e-15)


def random_spectrum(rng):
    size = rng.integers(1, 60)
    nodes = 10 ** rng.uniform(-8, 3, size)
    counts = rng.integers(1, 3000, size).astype(float)
    if rng.random() < 0.3:
        nodes[0] = 0.0
    return nodes, counts


def test_limits_agree_with_the_package_on_random_spectra_and_profiles():
    rng = np.random.default_rng(2)
    calls, expected = [], []
    for _ in range(300):
        nodes, counts = random_spectrum(rng)
        dim = counts.sum()
        epsilon = 10 ** rng.uniform(-4, 1)
        grid = np.linspace(0, dim, 30)
        radii = 10 ** rng.uniform(-1, 1.5) * np.sqrt(1 - grid / dim)
        formula = ["paper", "sharp"][rng.integers(2)]
        table = {"$table": [grid, radii]}
        calls.append(("common", "solveLimit", [formula, nodes, counts, table, epsilon]))
        solve = limit.paper_limit if formula == "paper" else limit.sharp_limit
        expected.append(
            solve(nodes, lambda k, g=grid, r=radii: np.interp(k, g, r), epsilon, counts)
        )
    found = [answer["kept"] for answer in call_many(calls)]
    sizes = np.array([sum(np.asarray(arguments[2])) for _, _, arguments in calls])
    assert np.max(np.abs(np.array(found) - expected) / sizes) < 1e-9
    assert len({answer["status"] for answer in call_many(calls)}) >= 2


def test_effective_dimension_and_its_inverse_agree_with_the_package():
    rng = np.random.default_rng(3)
    spectra = [random_spectrum(rng) for _ in range(200)]
    ridges = 10 ** rng.uniform(-8, 4, 200)
    calls = [
        ("common", "effectiveDimension", [*s, r]) for s, r in zip(spectra, ridges, strict=True)
    ]
    expected = [
        limit.effective_dimension(nodes, r, counts)
        for (nodes, counts), r in zip(spectra, ridges, strict=True)
    ]
    assert np.allclose(call_many(calls), expected, rtol=1e-12)
    shares = rng.uniform(0.01, 0.99, 200)
    kept = [f * counts[nodes > 0].sum() for f, (nodes, counts) in zip(shares, spectra, strict=True)]
    calls = [("common", "ridgeAt", [*s, k]) for s, k in zip(spectra, kept, strict=True) if k > 0]
    expected = [
        limit.ridge_at(nodes, k, counts)
        for (nodes, counts), k in zip(spectra, kept, strict=True)
        if k > 0
    ]
    assert np.allclose(call_many(calls), expected, rtol=1e-9)


def test_chi_square_draws_have_the_right_mean_and_variance():
    code = (
        "import {generator, chiSquare} from './prunelimit/widgets/common.mjs';"
        "const out = {}; for (const d of [1, 2, 7, 5000]) { const u = generator(d);"
        "out[d] = Array.from({length: 20000}, () => chiSquare(u, d)); }"
        "process.stdout.write(JSON.stringify(out));"
    )
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", code], capture_output=True, text=True, check=True
    )
    for freedom, draws in json.loads(done.stdout).items():
        d = float(freedom)
        assert abs(np.mean(draws) - d) < 4 * np.sqrt(2 * d / 20000)
        fourth = 12 * d * (d + 4)  # central moment
        assert abs(np.var(draws) - 2 * d) < 4 * np.sqrt((fourth - 4 * d * d) / 20000)


names = st.text("abcdefghij-", min_size=1, max_size=8)
settings_of = st.dictionaries(st.text("abcxyz_", min_size=1, max_size=5), st.text(max_size=12))


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(names, settings_of, max_size=3), st.sampled_from(["", "the-theorem"]))
def test_fragment_is_read_back_as_it_was_written(states, anchor):
    written = json.dumps({"anchor": anchor, "widgets": list(states.items())})
    code = (
        "import {formatFragment, parseFragment} from './prunelimit/widgets/common.mjs';"
        f"const given = JSON.parse({json.dumps(written)}); given.widgets = new Map(given.widgets);"
        "const back = parseFragment(formatFragment(given));"
        "process.stdout.write(JSON.stringify({anchor: back.anchor, widgets: [...back.widgets]}));"
    )
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", code], capture_output=True, text=True, check=True
    )
    back = json.loads(done.stdout)
    assert back["anchor"] == anchor
    assert {name: values for name, values in back["widgets"]} == states


def test_a_value_from_outside_is_made_admissible_or_refused():
    slider = {"kind": "slider", "min": 1, "max": 10, "integer": True}
    choice = {"kind": "choice", "options": [{"value": 10, "label": "ten"}]}
    asked = [
        (slider, "3.4"),
        (slider, "99"),
        (slider, "x"),
        (slider, ""),
        (choice, "10"),
        (choice, "11"),
    ]
    found = call_many(
        [("common", "admit", list(pair)) for pair in asked] + [("common", "format", [1])]
    )
    assert found[:2] == [3, 10]
    assert found[2:4] == [None, None]
    assert found[4] == 10 and found[5] is None


def test_numbers_are_written_for_readers():
    cases = {0: "0", 75.87654: "75.88", -2.5: "−2.5", 1e-7: "1.00·10⁻⁷", 100000: "100000"}
    found = call_many([("common", "format", [number]) for number in cases])
    assert found == list(cases.values())


@pytest.mark.parametrize("name", widgets.__all__)
def test_the_bundle_is_one_module_with_the_same_exports(name, tmp_path):
    widget = getattr(widgets, name)()
    file = tmp_path / "bundle.mjs"
    file.write_text(widget._esm)
    code = (
        f"const own = await import('./prunelimit/widgets/{widget._module}.mjs');"
        f"const all = await import('{file.as_uri()}');"
        "const missing = Object.keys(own).filter((key) => typeof all[key] !== typeof own[key]);"
        "if (missing.length || typeof all.default.render !== 'function') throw new Error(missing);"
    )
    done = subprocess.run([NODE, "--input-type=module", "-e", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", widgets.__all__)
def test_presets_controls_and_static_figure_of_each_widget(name):
    widget = getattr(widgets, name)()
    assert 3 <= len(widget._presets) <= 5
    for preset in widget._presets:
        changed = type(widget)(**preset["values"])  # admissible values of known controls
        assert changed.describe()
    before = len(_instances)
    assert widget.static_figure().startswith(b"\x89PNG")
    assert len(_instances) == before  # a picture makes no further models for the page to carry
    assert widget._defaults == widget.values()
    for name_, _trait in widget.control_traits():
        assert name_ in widget._esm


def test_bad_names_and_values_are_refused_with_a_reason():
    with pytest.raises(PruneLimitError, match="no control 'colour'"):
        widgets.SublevelSet(colour="red")
    with pytest.raises(PruneLimitError, match="epsilon"):
        widgets.SublevelSet(epsilon=-1.0)
    with pytest.raises(PruneLimitError, match="family"):
        widgets.SublevelSet(family="flat")


def test_python_controls_are_linked_both_ways():
    widget = widgets.SublevelSet()
    column = widget.with_controls().children[1]
    by_name = {child.description: child for child in column.children}
    by_name["distance R"].value = 2.0
    assert widget.distance == 2.0
    widget.dim = 64
    assert by_name["weights D"].value == 64
    assert len(column.children) == len(widget.values())


def test_showing_a_widget_also_gives_a_figure_for_print_and_pages_without_scripts():
    bundle = widgets.SublevelSet()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"].startswith("Sublevel set: how many weights must stay?: With eps")


def test_control_traits_need_no_instance():
    names = [name for name, trait in widgets.SublevelSet.control_traits()]
    assert names[0] == "epsilon" and isinstance(widgets.SublevelSet.dim, traitlets.Enum)
    assert call("common", "toPosition", {"scale": "log"}, 100) == pytest.approx(2)


def test_a_built_page_shows_the_figure_to_readers_without_scripts():
    stage = pytest.importorskip("book.tools.stage")
    from nbformat import v4

    bundle = widgets.Kinematics()._repr_mimebundle_()
    cell = v4.new_code_cell("", outputs=[v4.new_output("display_data", data=bundle)])
    shown = stage.with_noscript(v4.new_notebook(cells=[cell])).cells[0].outputs[-1]
    html = shown["data"]["text/html"]
    assert html.startswith('<noscript><img alt="Kinematics: hit or miss?: A random subspace')
    assert bundle["image/png"] in html


@pytest.mark.parametrize("name", widgets.__all__)
def test_a_static_figures_curves_carry_no_marks_in_the_books_style(name, monkeypatch):
    widget = getattr(widgets, name)()
    drawn = []
    draw = widget._draw
    monkeypatch.setattr(widget, "_draw", lambda figure: (draw(figure), drawn.append(figure)))
    with matplotlib.rc_context():
        plots.use_style()
        widget.static_figure()
    lines = [line for axes in drawn[0].axes for line in axes.lines if len(line.get_xdata()) > 30]
    assert {line.get_marker() for line in lines} <= {"None", ""}


@pytest.mark.parametrize("nodes", [[0.0, 0.0], [1.0, 0.0], list(np.geomspace(1e-9, 1, 2000))])
def test_a_shorter_spectrum_has_the_trace_and_the_dimensions_of_the_whole(nodes) -> None:
    counts = np.arange(1.0, len(nodes) + 1)
    shorter, many = network.compress_spectrum(nodes, counts)
    assert len(shorter) <= network.MOST_NODES and many.sum() == pytest.approx(counts.sum())
    assert shorter @ many == pytest.approx(np.asarray(nodes) @ counts)
