"""Each widget's formulas in JavaScript against the package's own, over random settings."""

import itertools
import json

import mpmath
import numpy as np
import pytest
from scipy import linalg, stats
from widget_support import call_many, needs_node

from prunelimit import cones, kinematics, limit, sublevel, widgets
from prunelimit.errors import PruneLimitError
from prunelimit.widgets import lanczos
from prunelimit.widgets.cut_a_network import hour_network

pytestmark = needs_node


# ---- 1: cone and subspace


def test_moreau_split_agrees_with_the_projection_of_the_package():
    rng = np.random.default_rng(10)
    states = [
        {"angle": rng.uniform(5, 85), "x1": rng.uniform(-3, 3), "x2": rng.uniform(-3, 3)}
        for _ in range(300)
    ]
    found = call_many([("cone_and_subspace", "split", [state]) for state in states])
    for state, result in zip(states, found, strict=True):
        cone = cones.CircularCone(2, np.radians(state["angle"]))
        up, right = cone.project([state["x2"], state["x1"]])
        assert np.allclose(result["cone"], [right, up], rtol=1e-9, atol=1e-12)
        polar = np.array([state["x1"], state["x2"]]) - [right, up]
        assert np.allclose(result["polar"], polar, rtol=1e-9, atol=1e-12)
        assert abs(result["inner"]) < 1e-12


def test_projection_onto_circular_cones_of_any_dimension():
    rng = np.random.default_rng(11)
    cases = [(rng.standard_normal(int(rng.integers(2, 9))), rng.uniform(3, 87)) for _ in range(200)]
    found = call_many([("cones", "projectCircular", list(case)) for case in cases])
    for (x, degrees), result in zip(cases, found, strict=True):
        expected = cones.CircularCone(len(x), np.radians(degrees)).project(x)
        assert np.allclose(result, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("subspace", "m"), [("line", 1), ("plane", 2)])
def test_spun_subspaces_hit_as_often_as_the_formula_says(subspace, m):
    angles = [10.0, 35.0, 60.0, 80.0]
    spins = 4000
    seeds = [{"$generator": 7919 * seed} for seed in range(1, spins + 1)]
    memory = {"samples": call_many([("cone_and_subspace", "spin", [seed]) for seed in seeds])}
    states = [{"subspace": subspace, "angle": angle, "x1": 1, "x2": 1} for angle in angles]
    found = call_many([("cone_and_subspace", "evaluate", [s, {}, memory]) for s in states])
    for angle, result in zip(angles, found, strict=True):
        cone = cones.CircularCone(3, np.radians(angle))
        expected = kinematics.intersection_probability(cone, m)
        error = np.sqrt(expected * (1 - expected) / spins)
        assert abs(result["share"] - expected) < 4 * error


# ---- 2: statistical dimension


def cone_states(rng, count, kinds, largest=2000):
    for _ in range(count):
        yield {
            "cone": str(rng.choice(kinds)),
            "dim": int(np.exp(rng.uniform(np.log(3), np.log(largest)))),
            "angle": float(rng.uniform(2, 88)),
            "share": float(rng.uniform(0, 1)),
        }


def test_statistical_dimensions_agree_with_the_package():
    kinds = ["circular", "orthant", "subspace", "descent"]
    states = list(cone_states(np.random.default_rng(20), 300, kinds, largest=100_000))
    found = call_many([("cones", "statisticalDimension", [state]) for state in states])
    for state, result in zip(states, found, strict=True):
        geometry = cone_of(state)
        expected = (
            geometry.asymptotic_statistical_dimension()
            if state["cone"] == "descent"
            else geometry.statistical_dimension()
        )
        assert result == pytest.approx(expected, rel=1e-9)


def cone_of(state):
    number = min(state["dim"], max(1, int(np.floor(state["share"] * state["dim"] + 0.5))))
    return {
        "circular": lambda: cones.CircularCone(state["dim"], np.radians(state["angle"])),
        "orthant": lambda: cones.Orthant(state["dim"]),
        "subspace": lambda: cones.Subspace(state["dim"], number),
        "descent": lambda: cones.L1DescentCone(state["dim"], number),
    }[state["cone"]]()


def test_intrinsic_volumes_agree_with_the_package():
    states = list(cone_states(np.random.default_rng(21), 40, ["circular", "orthant"]))
    rng = np.random.default_rng(22)
    asked = [(s, int(j)) for s in states for j in {0, s["dim"], *rng.integers(0, s["dim"], 8)}]
    found = call_many([("cones", "intrinsicVolume", list(pair)) for pair in asked])
    for (state, j), result in zip(asked, found, strict=True):
        expected = cone_of(state).intrinsic_volumes()[j]
        assert result == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_the_density_is_that_of_the_mixture():
    states = list(cone_states(np.random.default_rng(23), 12, ["circular", "orthant"], largest=400))
    for state in states:
        volumes = cone_of(state).intrinsic_volumes()
        delta = cone_of(state).statistical_dimension()
        grid = delta * np.linspace(0.5, 1.5, 9) + 1
        terms = call_many([("statistical_dimension", "mixture", [state, delta])])[0]
        found = call_many([("statistical_dimension", "density", [terms, t]) for t in grid])
        freedom = np.arange(1, state["dim"] + 1)
        expected = stats.chi2.pdf(grid[:, None], freedom) @ volumes[1:]
        assert np.allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["circular", "orthant", "subspace", "descent"])
def test_sampled_squares_average_to_the_statistical_dimension(kind):
    state = {"cone": kind, "dim": 45, "angle": 40.0, "share": 0.3}
    drawn = np.array(call_many([("statistical_dimension", "samples", [state, 4000, 3])])[0])
    delta = cone_of(state).statistical_dimension()
    assert abs(drawn.mean() - delta) < 4 * drawn.std() / np.sqrt(drawn.size)


def test_descent_projection_of_given_vectors_agrees_with_the_package():
    rng = np.random.default_rng(24)
    cases = [(rng.standard_normal(20), int(rng.integers(1, 20))) for _ in range(100)]
    found = call_many([("statistical_dimension", "descentSquare", list(case)) for case in cases])
    for (g, nonzeros), result in zip(cases, found, strict=True):
        # the package puts the non-zeros first and positive, as the widget does
        expected = np.sum(cones.L1DescentCone(20, nonzeros).project(g) ** 2)
        assert result == pytest.approx(expected, rel=1e-9, abs=1e-9)


# ---- 3: kinematics


def test_hitting_probabilities_agree_with_the_kinematic_formula():
    states = list(cone_states(np.random.default_rng(30), 300, ["circular", "orthant"]))
    rng = np.random.default_rng(31)
    asked = []
    for state in states:
        delta = cone_of(state).statistical_dimension()
        near = rng.normal(state["dim"] - delta, np.sqrt(state["dim"]))
        asked.append((state, int(np.clip(round(near), 1, state["dim"]))))
    found = call_many([("cones", "hittingProbability", list(pair)) for pair in asked])
    for (state, m), result in zip(asked, found, strict=True):
        expected = kinematics.intersection_probability(cone_of(state), m)
        assert result == pytest.approx(expected, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("form", ["paper", "sharper"])
def test_bounds_agree_with_the_package(form):
    rng = np.random.default_rng(32)
    cases = []
    for _ in range(300):
        dim = int(rng.integers(2, 5000))
        cases.append((rng.uniform(0.01, dim - 0.01), int(rng.integers(0, dim + 1)), dim))
    found = call_many([("kinematics", "bounds", [*case, form]) for case in cases])
    bounds = kinematics.approximate_bounds if form == "paper" else kinematics.sharper_bounds
    for case, result in zip(cases, found, strict=True):
        assert np.allclose(result, bounds(*case), rtol=1e-9, atol=1e-12)


def test_simulated_hits_follow_the_exact_probability():
    cases = [({"dim": 60, "angle": a}, m) for a in (20, 45, 70) for m in (5, 20, 30, 50)]
    hits = call_many([("kinematics", "simulateHits", [*case, 4000, 7]) for case in cases])
    for (state, m), count in zip(cases, hits, strict=True):
        cone = cones.CircularCone(60, np.radians(state["angle"]))
        expected = kinematics.intersection_probability(cone, m)
        error = np.sqrt(max(expected * (1 - expected), 1e-3) / 4000)
        assert abs(count / 4000 - expected) < 4 * error


# ---- 0, 1, 4: the one picture


def picture_states(rng, count):
    for _ in range(count):
        yield {
            "turn": float(rng.uniform(-90, 90)),
            "epsilon": float(10 ** rng.uniform(-1.7, 0.3)),
            "w1": float(rng.uniform(-1, 4)),
            "w2": float(rng.uniform(-1, 3)),
            "ratio": float(10 ** rng.uniform(0, 1.4)),
            "tilt": float(rng.uniform(-90, 90)),
            "simulate": False,
        }


def test_the_one_picture_agrees_with_python():
    states = list(picture_states(np.random.default_rng(40), 300))
    found = call_many([("one_picture", "evaluate", [state]) for state in states])
    for state, result in zip(states, found, strict=True):
        for name, value in widgets.OnePicture(**state).numbers().items():
            assert result[name] == pytest.approx(value, rel=1e-9, abs=1e-9), (name, state)
    assert len({result["meets"] for result in found}) == 2


def test_the_cone_of_the_one_picture_holds_just_the_lines_that_meet_the_set():
    rng = np.random.default_rng(41)
    for state in picture_states(rng, 12):
        angles = np.linspace(-90, 90, 100, endpoint=False).tolist()
        least = [widgets.OnePicture(**state | {"turn": a}).numbers()["least"] for a in angles]
        share = np.mean(np.array(least) <= state["epsilon"])
        assert widgets.OnePicture(**state).numbers()["share"] == pytest.approx(share, abs=0.02)


# ---- 4: the sublevel set


def sublevel_states(rng, count, dims):
    for _ in range(count):
        yield {
            "family": str(rng.choice(["power", "exponential"])),
            "power": float(rng.uniform(0, 3)),
            "rate": float(rng.uniform(0, 15)),
            "dim": int(rng.choice(dims)),
            "epsilon": float(10 ** rng.uniform(-4, 0.7)),
            "distance": float(rng.uniform(0.5, 6)),
        }


def test_sublevel_set_agrees_with_the_limits_of_the_package():
    states = list(sublevel_states(np.random.default_rng(0), 300, [20, 64, 200]))
    found = call_many([("sublevel_set", "evaluate", [state]) for state in states])
    for state, result in zip(states, found, strict=True):
        spectrum = widgets.SublevelSet(**state).eigenvalues()
        arguments = (spectrum, state["distance"], state["epsilon"])
        assert result["paper"] == pytest.approx(limit.paper_limit(*arguments), rel=1e-9, abs=1e-8)
        assert result["sharp"] == pytest.approx(limit.sharp_limit(*arguments), rel=1e-9, abs=1e-8)
        assert result["trace"] == pytest.approx(spectrum.sum(), rel=1e-12)
        bound = limit.sharpness_bound(spectrum.sum(), *arguments[1:], state["dim"])
        assert result["bound"] == pytest.approx(bound, rel=1e-9)
        once = limit.one_shot_random_orientation(spectrum.sum(), state["distance"], state["dim"])
        assert result["oneShot"] == pytest.approx(once, rel=1e-9)


def test_binned_spectra_count_every_eigenvalue_and_stay_close_to_the_exact_limits():
    states = list(sublevel_states(np.random.default_rng(1), 60, [1000, 10_000, 100_000]))
    found = call_many([("sublevel_set", "evaluate", [state]) for state in states])
    for state, result in zip(states, found, strict=True):
        assert sum(result["counts"]) == state["dim"]
        assert len(result["nodes"]) <= 256
        spectrum = widgets.SublevelSet(**state).eigenvalues()
        arguments = (spectrum, state["distance"], state["epsilon"])
        assert abs(result["paper"] - limit.paper_limit(*arguments)) < 2e-4 * state["dim"]
        assert abs(result["sharp"] - limit.sharp_limit(*arguments)) < 2e-4 * state["dim"]
        binned = (result["nodes"], state["distance"], state["epsilon"], result["counts"])
        assert result["paper"] == pytest.approx(limit.paper_limit(*binned), rel=1e-9, abs=1e-6)
        assert result["sharp"] == pytest.approx(limit.sharp_limit(*binned), rel=1e-9, abs=1e-6)


def test_loss_curve_is_the_sharp_loss():
    states = list(sublevel_states(np.random.default_rng(2), 20, [20, 200]))
    found = call_many([("sublevel_set", "evaluate", [state]) for state in states])
    for state, result in zip(states, found, strict=True):
        spectrum = widgets.SublevelSet(**state).eigenvalues()
        kept = np.array(result["curves"]["kept"])
        inner = (kept > 1e-3 * state["dim"]) & (kept < 0.999 * state["dim"])
        expected = limit.sharp_loss(spectrum, state["distance"], kept[inner])
        assert np.allclose(np.array(result["curves"]["sharp"])[inner], expected, rtol=1e-8)


def test_simulated_subspaces_in_javascript_python_and_by_brute_force_tell_the_same():
    eigenvalues = 1 / np.arange(1, 31.0)
    code = [("sublevel_set", "drawMany", [eigenvalues, 200])]
    browser = np.array(call_many(code)[0])
    rng = np.random.default_rng(4)
    python = sublevel.simulate_loss_curves(eigenvalues, 400, rng).unit
    for kept in (0, 3, 10, 20, 29):
        brute = np.array([brute_force_loss(eigenvalues, kept, rng) for _ in range(400)])
        for sample in (browser, python):
            drawn = sample[:, kept]
            error = np.hypot(drawn.std() / np.sqrt(len(drawn)), brute.std() / np.sqrt(len(brute)))
            assert abs(drawn.mean() - brute.mean()) < 4 * error


def brute_force_loss(eigenvalues, kept, rng):
    """Least squares over a random subspace orthogonal to a random unit vector."""
    dim = eigenvalues.size
    x = rng.standard_normal(dim)
    x /= np.linalg.norm(x)
    subspace = rng.standard_normal((dim, kept))
    subspace -= np.outer(x, x @ subspace)
    root = np.sqrt(eigenvalues)
    if kept == 0:
        return 0.5 * np.sum((root * x) ** 2)
    best = np.linalg.lstsq(root[:, None] * subspace, root * x, rcond=None)[0]
    return 0.5 * np.sum((root * (x - subspace @ best)) ** 2)


# ---- 5: Lanczos


def lanczos_states(rng, count):
    for _ in range(count):
        yield {
            "spectrum": str(rng.choice(["network", "power", "even", "clusters"])),
            "steps": int(rng.integers(1, 61)),
            "ridge": float(10 ** rng.uniform(-7, 2)),
            "reorthogonalise": bool(rng.integers(2)),
            "probe": int(rng.integers(4)),
        }


def test_lanczos_runs_are_the_same_bit_for_bit_ghosts_included():
    data = widgets.Lanczos().data
    for state in lanczos_states(np.random.default_rng(50), 24):
        widget = widgets.Lanczos(data=data, **state)
        chosen = data["spectra"][state["spectrum"]]
        weights = chosen["counts"]
        if state["probe"]:
            weights = data["probes"][state["spectrum"]][state["probe"] - 1]
        arguments = [chosen["nodes"], weights, state["steps"], state["reorthogonalise"]]
        found = call_many([("lanczos", "tridiagonalise", arguments)])[0]
        alphas, betas = widget.run()
        assert found["alphas"] == alphas.tolist() and found["betas"] == betas.tolist()


def test_brackets_and_ritz_values_agree_with_the_package():
    data = widgets.Lanczos().data
    states = list(lanczos_states(np.random.default_rng(51), 200))
    made = [widgets.Lanczos(data=data, **state) for state in states]
    runs = [dict(zip(("alphas", "betas"), widget.run(), strict=True)) for widget in made]
    dim = float(lanczos.DIM)
    found = call_many(
        [
            ("lanczos", "bracket", [run, len(run["alphas"]), state["ridge"], dim])
            for run, state in zip(runs, states, strict=True)
        ]
    )
    for widget, ends in zip(made, found, strict=True):
        expected = widget.numbers()
        assert np.allclose(ends, [expected["lower"], expected["upper"]], rtol=1e-9, atol=1e-9 * dim)
    found = call_many([("lanczos", "ritzValues", [run, len(run["alphas"])]) for run in runs])
    for run, values in zip(runs, found, strict=True):
        expected = linalg.eigvalsh_tridiagonal(run["alphas"], run["betas"][:-1])
        assert np.allclose(values, expected, rtol=1e-9, atol=1e-12 * expected.max())


def test_the_bracket_agrees_with_forty_digit_arithmetic():
    data = widgets.Lanczos().data
    chosen = data["spectra"]["power"]
    exact = forty_digit_run(chosen["nodes"], chosen["counts"], 30)
    for steps, ridge in itertools.product((1, 5, 12, 30), (1e-4, 1e-2, 1.0)):
        widget = widgets.Lanczos(data=data, spectrum="power", steps=steps, ridge=ridge)
        expected = call_many([("lanczos", "bracket", [exact, steps, ridge, lanczos.DIM])])[0]
        found = widget.numbers()
        # The iteration's own rounding reaches the seventh digit of the Radau end.
        assert np.allclose([found["lower"], found["upper"]], expected, rtol=1e-6)


def forty_digit_run(eigenvalues, counts, steps):
    run = {"alphas": [], "betas": []}
    with mpmath.workdps(40):
        nodes = [mpmath.mpf(node) for node in eigenvalues]
        scale = mpmath.sqrt(sum(counts))
        vector = [mpmath.sqrt(count) / scale for count in counts]
        previous, beta = [mpmath.mpf(0)] * len(nodes), mpmath.mpf(0)
        for _ in range(steps):
            following = [node * entry for node, entry in zip(nodes, vector, strict=True)]
            alpha = mpmath.fdot(vector, following)
            following = [
                f - alpha * v - beta * p
                for f, v, p in zip(following, vector, previous, strict=True)
            ]
            beta = mpmath.sqrt(mpmath.fdot(following, following))
            run["alphas"].append(float(alpha))
            run["betas"].append(float(beta))
            previous, vector = vector, [entry / beta for entry in following]
    return run


def test_the_bracket_holds_the_exact_value_and_closes():
    data = widgets.Lanczos().data
    for name in ("network", "power", "even", "clusters"):
        for ridge in (1e-5, 1e-2, 1.0):
            widths = []
            for steps in (3, 10, 30, 60):
                widget = widgets.Lanczos(data=data, spectrum=name, ridge=ridge, steps=steps)
                found = widget.numbers()
                slack = 1e-6 * lanczos.DIM
                assert found["lower"] - slack <= found["exact"] <= found["upper"] + slack
                widths.append(found["upper"] - found["lower"])
            assert all(a >= b - slack for a, b in zip(widths, widths[1:], strict=False))


def test_ghosts_come_up_without_reorthogonalisation_and_only_then():
    data = widgets.Lanczos().data
    state = {"spectrum": "network", "steps": 60, "ridge": 1e-3, "probe": 0}
    asked = [
        ("lanczos", "evaluate", [state | {"reorthogonalise": on}, data]) for on in (True, False)
    ]
    with_it, without = call_many(asked)
    assert with_it["ghostCount"] == 0
    assert without["ghostCount"] > 0


# ---- 0, 6, 7, 8: a real network


def compare_numbers(kind, states, tolerance=1e-9):
    """`evaluate` in node against `numbers` in Python."""
    data = kind().data
    module = kind._module
    found = call_many([(module, "evaluate", [state, data]) for state in states])
    for state, result in zip(states, found, strict=True):
        for name, value in kind(data=data, **state).numbers().items():
            if name in result:
                assert result[name] == pytest.approx(value, rel=tolerance, abs=1e-10), (name, state)
    return found


def test_the_limit_agrees_with_the_package():
    rng = np.random.default_rng(60)
    states = [
        {
            "epsilon": float(10 ** rng.uniform(-4, 0.3)),
            "scale": float(2 ** rng.uniform(-2, 2)),
            "sharpness": float(10 ** rng.uniform(-2, 2)),
            "guess": 0.5,
            "reveal": bool(rng.integers(2)),
        }
        for _ in range(200)
    ]
    found = compare_numbers(widgets.TheLimit, states)
    assert len({round(result["sharp"], 6) for result in found}) > 100  # not all at an end


def test_boundaries_pass_through_the_limits():
    data = widgets.TheLimit().data
    rng = np.random.default_rng(61)
    for _ in range(10):
        epsilon = 10 ** rng.uniform(-3, 0)
        arguments = [data["nodes"], data["counts"], data["dim"], epsilon, 400]
        found = call_many([("common", "boundaries", arguments)])[0]
        for formula, points in found.items():
            sparsity, radius = points[int(rng.integers(120, 300))]
            solve = limit.paper_limit if formula == "paper" else limit.sharp_limit
            kept = solve(data["nodes"], radius, epsilon, data["counts"])
            assert 1 - kept / data["dim"] == pytest.approx(sparsity, rel=1e-8, abs=1e-8)


def test_guess_histogram_and_paths_agree_with_python():
    rng = np.random.default_rng(62)
    places = rng.uniform(0.01, 0.99, (100, 2))
    compare_numbers(
        widgets.WhereDoesAccuracyBreak,
        [{"guess": a, "loss": 0.2 * b, "reveal": True} for a, b in places.tolist()],
    )
    compare_numbers(
        widgets.CutTheHistogram, [{"sparsity": s} for s in np.linspace(0, 0.999, 200).tolist()]
    )
    compare_numbers(
        widgets.Paths,
        [
            {"sparsity": s, "guess": "l2", "reveal": True}
            for s in np.linspace(0.6, 0.99, 80).tolist()
        ],
    )


def test_pictures_drawn_anew_agree_with_python_and_with_what_the_steps_say():
    states = [
        {"pictures": pictures, "sparsity": sparsity}
        for pictures in (1, 2, 4, 8, 16)
        for sparsity in (0.68, 0.7, 0.8, 0.83, 0.88)
    ]
    found = compare_numbers(widgets.Reexpansion, states)
    ends = {tuple(state.values()): result for state, result in zip(states, found, strict=True)}
    assert ends[1, 0.8]["real"] > ends[1, 0.8]["level"] >= ends[16, 0.8]["real"]
    assert 4.5 < ends[16, 0.8]["real"] / ends[16, 0.8]["promised"] < 5.5
    assert ends[2, 0.8]["real"] > 4 * ends[2, 0.8]["promised"]
    assert all(result["real"] > 4 * result["level"] for (_, s), result in ends.items() if s == 0.88)


def test_the_four_answers_agree_with_python_and_lie_where_the_losses_cross():
    compare_numbers(widgets.FourAnswers, [{"shown": n, "guess": 0.4} for n in range(6)])
    network, found = hour_network(), widgets.FourAnswers().data["answers"]
    level = network["loss"] + network["epsilon"]
    losses = {s: loss for s, loss, _ in network["oneShot"]}
    again = {entry["sparsity"]: entry["loss"] for entry in network["retrained"]}
    for row, measured in ((found[0], losses), (found[-1], again)):
        assert measured[row["low"]] <= level < measured[row["high"]]
        assert not [s for s in measured if row["low"] < s < row["high"]]


def test_layers_lose_as_many_weights_as_the_network():
    data = widgets.CutTheHistogram().data
    sizes = {name: sum(counts) for name, counts in data["weights"]["counts"].items()}
    states = [{"sparsity": s} for s in np.linspace(0.01, 0.99, 25).tolist()]
    found = call_many([("cut_the_histogram", "evaluate", [state, data]) for state in states])
    for state, result in zip(states, found, strict=True):
        removed = sum(share * sizes[name] for name, share in result["layers"])
        assert removed == pytest.approx(state["sparsity"] * data["dim"], abs=0.01 * data["dim"])


def test_a_report_of_ones_own_becomes_a_grid_that_keeps_its_limits():
    from prunelimit.spectrum import Spectrum

    rng = np.random.default_rng(63)
    eigenvalues = tuple(np.sort(10 ** rng.uniform(-8, 1, 3000)))
    weights = rng.laplace(size=3000)
    profile = limit.distance_profile(weights)

    class Report:
        spectrum = Spectrum(dim=3000, policy="abs", eigenvalues=eigenvalues)
        distance = staticmethod(profile)
        dim, epsilon = 3000, 0.05
        one_shot_curve = (np.linspace(0, 1, 50), np.linspace(0, 1, 50) ** 3)

    widget = widgets.TheLimit(Report())
    assert len(widget.data["nodes"]) <= 256 and widget.epsilon == 0.05
    found = widget.numbers()
    exact = (
        limit.paper_limit(eigenvalues, profile, 0.05),
        limit.sharp_limit(eigenvalues, profile, 0.05),
    )
    assert found["paper"] == pytest.approx(1 - exact[0] / 3000, abs=1e-3)
    assert found["sharp"] == pytest.approx(1 - exact[1] / 3000, abs=1e-3)
    assert found["oneShot"] == pytest.approx(0.05 ** (1 / 3), abs=1e-3)

    walked = widgets.Lanczos(Report(), ridge=0.01)
    exact = limit.effective_dimension(eigenvalues, 0.01)
    assert walked.numbers()["exact"] == pytest.approx(exact, rel=1e-3)
    assert walked.spectrum == "yours"


def test_shipped_data_stay_small():
    for name in widgets.__all__:
        assert len(json.dumps(getattr(widgets, name)().data)) < 300_000


def test_what_describes_no_network_is_refused():
    with pytest.raises(PruneLimitError, match="describes no network"):
        widgets.TheLimit({"weights": [1, 2]})
