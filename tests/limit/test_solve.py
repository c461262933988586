"""The limits against closed forms, a brute-force scan, and the theory sheet's table."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limit_support import (
    DIM,
    RIDGES,
    SPECTRA,
    budgets,
    distances,
    eigenvalue_lists,
    scan,
    solve,
)

from prunelimit import limit
from prunelimit.errors import PruneLimitError

# spectrum, epsilon, k_paper, k_sharp orthogonal, isotropic at R = 3. The two sharp values
# marked were 4.4 and 102.6 in the table that this project started from; a scan of the
# equation (below) gives these.
TABLE = [
    ("harmonic", 0.1, 75.9, 10.5, 8.3),
    ("inverse_square", 0.01, 30.6, 4.5, 4.4),  # marked
    ("exponential", 0.01, 101.8, 102.7, 88.3),  # marked
    ("exponential", 0.1, 64.0, 43.7, 37.8),
    ("two_level", 0.01, 75.9, 36.3, 32.1),
    ("two_level", 0.1, 27.7, 20.5, 20.4),
]


@pytest.mark.parametrize(("name", "epsilon", "paper", "sharp", "isotropic"), TABLE)
def test_table(name, epsilon, paper, sharp, isotropic):
    spectrum = SPECTRA[name]
    assert round(limit.paper_limit(spectrum, 3.0, epsilon), 1) == paper
    assert round(limit.sharp_limit(spectrum, 3.0, epsilon), 1) == sharp
    assert round(limit.sharp_limit(spectrum, 3.0, epsilon, orientation="isotropic"), 1) == isotropic


@pytest.mark.parametrize("formula", RIDGES)
@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("profile", [False, True])
def test_scan_finds_the_same_root(name, formula, profile):
    weights = np.random.default_rng(1).laplace(size=DIM) * 0.2
    distance = limit.distance_profile(weights) if profile else 3.0
    for epsilon in (0.003, 0.05):
        expected = scan(SPECTRA[name], distance, epsilon, RIDGES[formula])
        found = solve(SPECTRA[name], distance, epsilon, formula)
        assert found.kept == pytest.approx(expected, abs=2 * DIM / 50_000)
        assert found.kept == pytest.approx(
            limit.effective_dimension(SPECTRA[name], found.ridge), abs=1e-10 * DIM
        )


@given(eigenvalue_lists, distances, budgets)
def test_paper_is_its_closed_form_at_constant_distance(eigenvalues, distance, epsilon):
    expected = sum(x * distance**2 / (x * distance**2 + 2 * epsilon) for x in eigenvalues)
    found = limit.paper_limit(eigenvalues, distance, epsilon)
    assert found == pytest.approx(expected, abs=1e-10 * eigenvalues.size)


@given(st.floats(1e-3, 1e3), st.floats(0.1, 10), st.floats(1e-4, 10))
def test_equal_eigenvalues(curvature, distance, epsilon):
    """N(s) = D c/(c + s): each formula has a closed form, and the sharp one is all or nothing."""
    share = 2 * epsilon / (curvature * distance**2)
    spectrum = np.full(50, curvature)
    assert solve(spectrum, distance, epsilon, "paper").kept == pytest.approx(50 / (1 + share))
    isotropic = solve(spectrum, distance, epsilon, "sharp_isotropic")
    assert isotropic.kept == pytest.approx(50 * max(0, 1 - share), abs=1e-8)
    if abs(share - 1) > 1e-9:
        orthogonal = solve(spectrum, distance, epsilon, "sharp")
        assert (orthogonal.status, orthogonal.kept) == (("any", 0.0) if share > 1 else ("none", 50))


def test_equal_eigenvalues_exactly_at_the_budget():
    found = solve(np.full(50, 2.0), 1.0, 1.0, "sharp")
    assert (found.status, found.kept) == ("any", 0.0)


def test_equal_eigenvalues_with_a_distance_that_shrinks():
    """Then the loss is R(k)^2 c / 2 at every k, and the limit is where R(k)^2 = 2 epsilon / c."""
    found = limit.sharp_limit(np.full(100, 4.0), lambda k: math.sqrt(1 - k / 100), 0.5)
    assert found == pytest.approx(75, abs=1e-8)


def test_two_levels_closed_form():
    """With curvature on m of D directions, N(s) = m c/(c + s), so k is linear in the budget."""
    curvature, rank, dim, distance, epsilon = 3.0, 30, 120, 2.0, 0.4
    spectrum = np.r_[np.full(rank, curvature), np.zeros(dim - rank)]
    share = 2 * epsilon / (curvature * distance**2)
    # c (rank - k)/k * k/(D - k) = c share  =>  k = (rank - share D)/(1 - share)
    sharp = (rank - share * dim) / (1 - share)
    assert limit.sharp_limit(spectrum, distance, epsilon) == pytest.approx(sharp, abs=1e-8)
    isotropic = rank - share * dim
    found = limit.sharp_limit(spectrum, distance, epsilon, orientation="isotropic")
    assert found == pytest.approx(isotropic, abs=1e-8)


@settings(deadline=None)
@given(eigenvalue_lists, distances, budgets, st.floats(1.0, 10), st.sampled_from([*RIDGES]))
def test_more_budget_or_less_distance_keeps_fewer(eigenvalues, distance, epsilon, factor, formula):
    size = 1e-9 * eigenvalues.size
    base = solve(eigenvalues, distance, epsilon, formula).kept
    assert solve(eigenvalues, distance, epsilon * factor, formula).kept <= base + size
    assert solve(eigenvalues, distance * factor, epsilon, formula).kept >= base - size


@settings(deadline=None)
@given(eigenvalue_lists, distances, budgets, st.data(), st.sampled_from([*RIDGES]))
def test_flatter_keeps_fewer(eigenvalues, distance, epsilon, data, formula):
    """Lowering any eigenvalue cannot raise a limit."""
    size = eigenvalues.size
    factors = data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
    flatter = solve(eigenvalues * np.array(factors), distance, epsilon, formula).kept
    assert flatter <= solve(eigenvalues, distance, epsilon, formula).kept + 1e-9 * size


@settings(deadline=None)
@given(eigenvalue_lists, distances, budgets, st.floats(0.1, 10), st.sampled_from([*RIDGES]))
def test_limits_see_only_distance_squared_times_curvature_over_budget(
    eigenvalues, distance, epsilon, scale, formula
):
    # equal eigenvalues at the very edge of all or nothing may fall on either side
    if formula == "sharp" and eigenvalues.max() < 1.01 * eigenvalues.min():
        return
    base = solve(eigenvalues, distance, epsilon, formula).kept
    moved = solve(eigenvalues / scale**2, scale * distance, epsilon, formula).kept
    budget = solve(eigenvalues, scale * distance, epsilon * scale**2, formula).kept
    assert [moved, budget] == pytest.approx([base, base], abs=1e-7 * eigenvalues.size)


@settings(deadline=None)
@given(eigenvalue_lists, distances, budgets)
def test_order_of_the_three_limits(eigenvalues, distance, epsilon):
    """Isotropic <= paper and isotropic <= sharp; sharp and paper swap sides at D/2."""
    paper, sharp, isotropic = (
        solve(eigenvalues, distance, epsilon, formula).kept for formula in RIDGES
    )
    size = 1e-9 * eigenvalues.size
    assert isotropic <= paper + size
    assert isotropic <= sharp + size
    half = eigenvalues.size / 2
    if paper < half - size:
        assert sharp <= paper + size
    elif paper > half + size:
        assert sharp >= paper - size


@given(eigenvalue_lists.filter(lambda x: (x > 0).sum() > x.size / 2 and x.max() > x[x > 0].min()))
def test_sharp_equals_paper_at_one_half(eigenvalues):
    ridge = limit.ridge_at(eigenvalues, eigenvalues.size / 2)
    kept = [solve(eigenvalues, 1.0, ridge / 2, formula).kept for formula in ("paper", "sharp")]
    if eigenvalues.max() > 1.01 * eigenvalues.min():
        assert kept == pytest.approx([eigenvalues.size / 2] * 2, rel=1e-6)


@settings(deadline=None)
@given(eigenvalue_lists, distances, budgets, st.booleans())
def test_sharpness_bound_holds(eigenvalues, distance, epsilon, shrinking):
    dim = eigenvalues.size
    radius = (lambda k: distance * math.sqrt(1 - k / dim)) if shrinking else distance
    bound = limit.sharpness_bound(eigenvalues.sum(), radius, epsilon, dim)
    assert limit.paper_limit(eigenvalues, radius, epsilon) / dim <= bound + 1e-9


def test_sharpness_bound_formula_and_equality():
    trace, distance, epsilon, dim = 12.0, 3.0, 0.2, 40
    expected = distance**2 * trace / (distance**2 * trace + 2 * epsilon * dim)
    assert limit.sharpness_bound(trace, distance, epsilon, dim) == pytest.approx(expected)
    level = limit.paper_limit(np.full(dim, trace / dim), distance, epsilon) / dim
    assert level == pytest.approx(expected)


# -- edges ---------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", RIDGES)
def test_edges(formula):
    spectrum, singular = SPECTRA["harmonic"], np.r_[SPECTRA["harmonic"], np.zeros(50)]
    assert solve(spectrum, 0.0, 0.1, formula).status == "any"
    assert solve(spectrum, 3.0, math.inf, formula).kept == 0
    assert solve(np.zeros(7), 3.0, 0.1, formula).kept == 0
    assert solve(np.zeros(7), 3.0, 0.0, formula).kept == 0
    no_budget = solve(spectrum, 3.0, 0.0, formula)
    assert (no_budget.status, no_budget.kept) == ("none", DIM)
    flat = solve(singular, 3.0, 0.0, formula)
    assert (flat.status, flat.kept) == ("solved", DIM)  # the rank, of DIM + 50
    for epsilon in (1e-300, 1e-12):
        assert solve(singular, 3.0, epsilon, formula).kept == pytest.approx(DIM, abs=1e-6)


def test_no_proper_subspace_will_do():
    """Below the harmonic mean of the eigenvalues no k < D suffices, above the mean any does."""
    spectrum = np.array([1.0, 2.0, 4.0])
    harmonic, mean = 3 / (1 / spectrum).sum(), spectrum.mean()
    assert solve(spectrum, 1.0, 0.5 * harmonic * 0.999, "sharp").status == "none"
    assert solve(spectrum, 1.0, 0.5 * harmonic * 1.001, "sharp").status == "solved"
    assert solve(spectrum, 1.0, 0.5 * mean * 0.999, "sharp").status == "solved"
    found = solve(spectrum, 1.0, 0.5 * mean * 1.001, "sharp")
    assert (found.status, found.kept, found.sparsity, found.pruning_ratio) == ("any", 0, 1, 0)


def test_the_trivial_root_is_not_returned():
    """Every k solves k = N(ridge(k)) at k = D when no eigenvalue is 0; the answer is below."""
    spectrum = SPECTRA["exponential"]
    ridge = RIDGES["sharp"](np.array([float(DIM)]), DIM, 2 * 0.1 / 9)
    assert limit.effective_dimension(spectrum, ridge)[0] == DIM
    assert limit.sharp_limit(spectrum, 3.0, 0.1) < 44


def test_zero_distance_from_some_k_on():
    """A network with 50 zero weights: w^k = w* from k = 50 on, so no formula asks for more."""
    profile = limit.distance_profile(np.r_[np.zeros(50), np.linspace(0.1, 1, 50)])
    for formula in RIDGES:
        for epsilon in (0.0, 1e-300, 1e-10):
            found = solve(np.ones(100), profile, epsilon, formula)
            assert found.kept == pytest.approx(50, abs=1e-4)
            assert found.kept <= 50


def test_step_distance_stops_at_the_step():
    """A distance that jumps from 3 to 0 at k = 20: the crossing is the jump."""
    spectrum = SPECTRA["harmonic"]
    found = solve(spectrum, lambda k: 3.0 if k < 20 else 0.0, 0.1, "paper")
    assert found.kept == pytest.approx(20, abs=1e-8)


@pytest.mark.parametrize("solver", [limit.paper_limit, limit.sharp_limit])
@pytest.mark.parametrize(
    ("spectrum", "distance", "epsilon", "message"),
    [
        ([1.0, -0.5], 1.0, 0.1, "abs .*clip .*ggn"),
        ([1.0, math.nan], 1.0, 0.1, "NaN"),
        ([1.0, math.inf], 1.0, 0.1, "infinity"),
        ([], 1.0, 0.1, "non-empty"),
        ([[1.0]], 1.0, 0.1, "shape"),
        ([1.0], -1.0, 0.1, "distance"),
        ([1.0], math.nan, 0.1, "distance"),
        ([1.0], math.inf, 0.1, "distance"),
        ([1.0], "far", 0.1, "distance"),
        ([1.0], 1.0, -0.1, "epsilon"),
        ([1.0], 1.0, math.nan, "epsilon"),
        ([1.0, 1.0], lambda k: k, 0.1, "must not increase"),
        ([1.0, 1.0], lambda k: 1 - k, 0.1, "at least 0"),
    ],
)
def test_bad_input_is_refused(solver, spectrum, distance, epsilon, message):
    with pytest.raises(PruneLimitError, match=message):
        solver(spectrum, distance, epsilon)


def test_more_bad_input_is_refused():
    with pytest.raises(PruneLimitError, match="orientation"):
        limit.sharp_limit([1.0], 1.0, 0.1, orientation="sideways")
    with pytest.raises(PruneLimitError, match="formula"):
        limit.solve_limit(lambda s: 1 / (1 + s), 1.0, 0.1, 1, formula="exact")
    with pytest.raises(PruneLimitError, match="outside 0"):
        limit.solve_limit(lambda s: 5 / (1 + s), 1.0, 0.1, dim=1)
    with pytest.raises(PruneLimitError, match="dim"):
        limit.solve_limit(lambda s: 1 / (1 + s), 1.0, 0.1, dim=0)
    with pytest.raises(PruneLimitError, match="weights"):
        limit.paper_limit([1.0, 2.0], 1.0, 0.1, weights=[1.0])
    with pytest.raises(PruneLimitError, match="weights"):
        limit.paper_limit([1.0, 2.0], 1.0, 0.1, weights=[1.0, -1.0])
    with pytest.raises(PruneLimitError, match="ridge"):
        limit.effective_dimension([1.0], -1.0)
    with pytest.raises(PruneLimitError, match="kept"):
        limit.sharp_loss([1.0, 2.0], 1.0, 3)
    with pytest.raises(PruneLimitError, match="trace"):
        limit.sharpness_bound(-1.0, 1.0, 0.1, 10)
    with pytest.raises(PruneLimitError, match="confidence_eta"):
        limit.paper_interval([1.0], 1.0, 0.1, confidence_eta=1.0)


def test_rounding_below_zero_counts_as_zero():
    assert limit.effective_dimension([1.0, -1e-14, 0.0], 1.0) == 0.5


# -- effective dimension, weights, size -----------------------------------------------------


def test_effective_dimension_is_the_trace_of_a_ridge_smoother():
    generator = np.random.default_rng(3)
    factor = generator.standard_normal((12, 7))
    hessian = factor @ factor.T
    for ridge in (0.01, 1.0, 30.0):
        expected = np.trace(hessian @ np.linalg.inv(hessian + ridge * np.eye(12)))
        found = limit.effective_dimension(np.linalg.eigvalsh(hessian), ridge)
        assert found == pytest.approx(expected, rel=1e-9)


def test_effective_dimension_ends_and_shape():
    values = limit.effective_dimension([2.0, 1.0, 0.0], [[0.0, math.inf], [1.0, 2.0]])
    assert values == pytest.approx(np.array([[2, 0], [2 / 3 + 1 / 2, 1 / 2 + 1 / 3]]))


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 9)), min_size=1, max_size=9))
def test_weights_stand_for_repetition(pairs):
    nodes, counts = map(np.array, zip(*pairs, strict=True))
    whole = np.repeat(nodes, counts)
    for ridge in (1e-3, 1.0):
        assert limit.effective_dimension(nodes, ridge, counts) == pytest.approx(
            limit.effective_dimension(whole, ridge)
        )
    for solver in (limit.paper_limit, limit.sharp_limit):
        assert solver(nodes, 1.0, 0.3, weights=counts) == pytest.approx(
            solver(whole, 1.0, 0.3), abs=1e-7 * whole.size
        )


def test_ten_million_weights():
    """Against the integral of N for eigenvalues spread uniformly on (0, 1)."""
    dim = 10_000_000
    spectrum = (np.arange(dim) + 0.5) / dim
    spectrum = np.r_[spectrum[: dim // 2], np.zeros(dim // 2)]
    ridge = 0.02
    # mean of x/(x + s) over (0, 1/2) is 1 - 2 s log((1/2 + s)/s); half of the weights are flat
    expected = 0.5 * (1 - 2 * ridge * math.log((0.5 + ridge) / ridge))
    assert limit.paper_limit(spectrum, 10.0, 1.0) / dim == pytest.approx(expected, abs=1e-10)
    sharp = limit.sharp_limit(spectrum, 10.0, 1.0)
    level = 0.02 * (dim - sharp) / sharp
    assert limit.effective_dimension(spectrum, level) / dim == pytest.approx(sharp / dim, abs=1e-9)
