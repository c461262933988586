"""Intersection probabilities: closed forms, bounds and simulations."""

import math

import numpy as np
import pytest
from geometry_support import KNOWN, check_z
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from prunelimit.cones import (
    CircularCone,
    EllipsoidCone,
    L1DescentCone,
    MonotoneCone,
    Orthant,
    Product,
    PSDCone,
    SecondOrderCone,
    Subspace,
)
from prunelimit.errors import PruneLimitError
from prunelimit.kinematics import (
    approximate_bounds,
    deviation,
    intersection_probabilities,
    intersection_probability,
    intersection_probability_of_cones,
    sharper_bounds,
    simulate_intersection,
)


@given(st.integers(1, 60), st.data())
def test_orthants_follow_wendel(dim, data):
    m = data.draw(st.integers(0, dim))
    # Wendel 1962: dim random vectors in R^m lie in a half-space.
    wendel = sum(math.comb(dim - 1, k) for k in range(m)) / 2 ** (dim - 1)
    assert intersection_probability(Orthant(dim), m) == pytest.approx(wendel, abs=1e-12)


@given(st.integers(2, 300), st.floats(0.01, 1.56), st.data())
def test_circular_cones_follow_the_beta_distribution(dim, angle, data):
    m = data.draw(st.integers(1, dim - 1))
    # ‖P_L e‖² of a fixed unit vector is Beta(m/2, (D-m)/2).
    beta = special.betainc((dim - m) / 2, m / 2, np.sin(angle) ** 2)
    got = intersection_probability(CircularCone(dim, angle), m)
    assert got == pytest.approx(beta, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("cone", KNOWN, ids=repr)
def test_probabilities_are_monotone_and_complementary(cone):
    exact = intersection_probabilities(cone)
    assert exact.shape == (cone.dim + 1,)
    assert exact[0] == 0
    assert exact[-1] == pytest.approx(1, abs=1e-12)
    assert np.all(np.diff(exact) >= -1e-12)
    assert intersection_probability(cone, cone.dim // 2) == exact[cone.dim // 2]
    if not cone.is_subspace:
        # Exactly one of C ∩ L and C° ∩ L^⊥ is non-trivial, almost surely.
        polar = intersection_probabilities(cone.polar())
        np.testing.assert_allclose(exact + polar[::-1], 1, atol=1e-11)


@given(st.integers(1, 12), st.data())
def test_two_subspaces_meet_by_counting_dimensions(dim, data):
    a, b = data.draw(st.integers(0, dim)), data.draw(st.integers(0, dim))
    expected = float(a + b > dim)
    assert intersection_probability(Subspace(dim, a), b) == expected
    both = intersection_probability_of_cones(Subspace(dim, a), Subspace(dim, b))
    assert both == expected
    assert simulate_intersection(Subspace(dim, a), b, trials=2).value == expected


@pytest.mark.parametrize("cone", KNOWN, ids=repr)
def test_a_subspace_is_one_of_the_two_cones(cone):
    for m in range(cone.dim + 1):
        both = intersection_probability_of_cones(cone, Subspace(cone.dim, m))
        assert both == pytest.approx(intersection_probability(cone, m), abs=1e-12)


def test_two_plane_cones_meet_by_their_angles():
    for a, b in ((0.2, 0.3), (0.7, 1.0), (0.1, 1.5)):
        exact = (2 * a + 2 * b) / (2 * np.pi)
        got = intersection_probability_of_cones(CircularCone(2, a), CircularCone(2, b))
        assert got == pytest.approx(exact, abs=1e-13)


def test_two_circular_cones_meet_when_their_axes_are_near():
    # Two circular cones meet when the angle between their axes is at most α + β.
    for dim, a, b in ((3, 0.4, 0.5), (10, 0.8, 0.7), (40, 0.9, 0.6), (7, 1.2, 1.0)):
        reach = a + b
        cap = special.betainc((dim - 1) / 2, 0.5, np.sin(reach) ** 2) / 2
        exact = cap if reach <= np.pi / 2 else 1 - cap
        got = intersection_probability_of_cones(CircularCone(dim, a), CircularCone(dim, b))
        assert got == pytest.approx(exact, rel=1e-9)


def test_two_orthants_against_linear_programmes():
    rng = np.random.default_rng(2)
    dim, trials, hits = 4, 1500, 0
    for _ in range(trials):
        rotation = stats.ortho_group.rvs(dim, random_state=rng)
        # x ≥ 0 with sum 1 and rotation·x ≥ 0
        programme = optimize.linprog(
            np.zeros(dim), A_ub=-rotation, b_ub=np.zeros(dim), A_eq=np.ones((1, dim)), b_eq=[1.0]
        )
        hits += programme.status == 0
    exact = intersection_probability_of_cones(Orthant(dim), Orthant(dim))
    assert abs(hits / trials - exact) < 4 * np.sqrt(exact * (1 - exact) / trials)


@given(st.tuples(st.integers(1, 400), st.floats(0, 1), st.floats(0, 1)))
def test_bounds_bracket_and_follow_the_theorem(case):
    dim, share, m_share = case
    delta, m = share * dim, round(m_share * dim)
    for bounds in (approximate_bounds, sharper_bounds):
        lower, upper = bounds(delta, m, dim)
        assert 0 <= lower <= upper <= 1
        assert (lower == 0) or (delta + m > dim)
        assert (upper == 1) or (delta + m < dim)


@pytest.mark.parametrize("cone", [c for c in KNOWN if not c.is_subspace], ids=repr)
def test_bounds_hold_for_the_exact_probability(cone):
    dims = np.arange(cone.dim + 1)
    exact = intersection_probabilities(cone)
    for bounds in (approximate_bounds, sharper_bounds):
        lower, upper = bounds(cone.statistical_dimension(), dims, cone.dim)
        assert np.all(lower <= exact + 1e-12)
        assert np.all(exact <= upper + 1e-12)


def test_bounds_hold_in_high_dimension_and_are_not_empty():
    for cone in (CircularCone(2000, 0.3), Orthant(2000), MonotoneCone(2000)):
        dims = np.arange(cone.dim + 1)
        exact = intersection_probabilities(cone)
        for bounds in (approximate_bounds, sharper_bounds):
            lower, upper = bounds(cone.statistical_dimension(), dims, cone.dim)
            assert np.all((lower <= exact + 1e-12) & (exact <= upper + 1e-12))
            assert upper.min() < 0.01
    # For a small cone the sharper form starts far earlier.
    cone = MonotoneCone(2000)
    plain = approximate_bounds(cone.statistical_dimension(), np.arange(2001), 2000)[1]
    sharp = sharper_bounds(cone.statistical_dimension(), np.arange(2001), 2000)[1]
    assert np.sum(sharp < 0.01) > np.sum(plain < 0.01) + 200


def test_bounds_invert_the_deviation():
    for eta in (0.3, 0.05, 1e-6):
        gap = deviation(eta, 900)
        assert gap == pytest.approx(np.sqrt(8 * np.log(4 / eta)) * 30)
        lower, upper = approximate_bounds(0.0, max(900 - gap, 0), 900)
        if gap <= 900:
            assert upper == pytest.approx(eta)
        lower, upper = approximate_bounds(min(gap, 900), 900, 900)
        if gap <= 900:
            assert lower == pytest.approx(1 - eta)


def test_the_transition_has_its_location_and_width():
    for dim in (100, 1000, 10_000):
        cone = CircularCone(dim, 0.6)
        exact = intersection_probabilities(cone)
        half = np.searchsorted(exact, 0.5)
        assert abs(half - (dim - cone.statistical_dimension())) < 2
        width = np.searchsorted(exact, 0.9) - np.searchsorted(exact, 0.1)
        # The volumes' standard deviation is sin 2α √(D/2) to first order: 2·1.2816 of them.
        assert width == pytest.approx(2.563 * np.sin(1.2) * np.sqrt(dim / 2), rel=0.1)


SIMULATED = [
    (Orthant(30), (11, 15, 18)),
    (CircularCone(50, 0.7), (25, 30)),
    (CircularCone(4, 0.7).polar(), (1, 2)),
    (SecondOrderCone(20), (9, 12)),
    (MonotoneCone(15), (10, 12)),
    (MonotoneCone(9).polar(), (2, 3)),
    (L1DescentCone(16, 3), (6, 8)),
    (L1DescentCone(10, 2).polar(), (4, 6)),
    (PSDCone(2), (1, 2)),
    (Product(PSDCone(2), Subspace(5, 2)), (3, 4, 5)),
    (Product(Orthant(5), CircularCone(7, 0.6)), (5, 8)),
    (Product(L1DescentCone(7, 2), SecondOrderCone(4)), (4, 6)),
    (Product(MonotoneCone(5), MonotoneCone(4).polar()), (4, 6)),
]


@pytest.mark.parametrize(("cone", "dims"), SIMULATED, ids=repr)
def test_simulation_agrees_with_the_formula(cone, dims):
    for m in dims:
        estimate = simulate_intersection(cone, m, trials=500, seed=m)
        check_z(f"P {cone!r} m={m}", estimate, intersection_probability(cone, m))


def test_ellipsoid_simulation_agrees_with_the_circular_cone():
    ball = EllipsoidCone(np.full(40, 0.5), np.eye(40)[3])
    cone = CircularCone(40, np.pi / 6)
    for m in (5, 20, 28, 30, 35):
        estimate = simulate_intersection(ball, m, trials=4000, seed=m)
        check_z(f"P ball m={m}", estimate, intersection_probability(cone, m))
    estimate = simulate_intersection(ball.polar(), 10, trials=4000, seed=0)
    check_z("P polar of ball", estimate, intersection_probability(cone.polar(), 10))


def test_ellipsoid_simulation_against_a_search_over_the_subspace():
    rng = np.random.default_rng(3)
    cone = EllipsoidCone([0.5, 2.0, 1.0, 0.3], [1.5, 2.0, 0.5, 0.4])
    trials, hits = 400, 0
    for _ in range(trials):
        basis = np.linalg.qr(rng.standard_normal((4, 2)))[0]
        angles = np.linspace(0, 2 * np.pi, 3000)
        hits += np.any(cone.contains(np.column_stack([np.cos(angles), np.sin(angles)]) @ basis.T))
    estimate = simulate_intersection(cone, 2, trials=4000, seed=1)
    spread = np.hypot(estimate.stderr, np.sqrt(0.25 / trials))
    assert abs(hits / trials - estimate.value) < 4 * spread


def test_flat_ellipsoids_are_met_by_their_lines():
    cone = EllipsoidCone([1.0, np.inf, np.inf, 0.5], [2.0, 0.0, 0.0, 0.3])
    assert simulate_intersection(cone, 2, trials=50).value == 1
    # Only the plane of axes 1 and 4 matters to a line: projected there, it is a random line.
    plane = EllipsoidCone([1.0, 0.5], [2.0, 0.3])
    share = np.arctan(1 / plane.slopes[0]) * 2 / np.pi
    check_z("P flat", simulate_intersection(cone, 1, trials=4000, seed=2), share)


def test_psd_cone_is_symmetric_about_one_half():
    # Self-duality: P(m) + P(D-m) = 1.
    cone = PSDCone(4)
    low = simulate_intersection(cone, 4, trials=600, seed=1)
    high = simulate_intersection(cone, 6, trials=600, seed=2)
    assert abs(low.value + high.value - 1) < 4 * np.hypot(low.stderr, high.stderr)


def test_certain_cases_carry_no_error():
    for cone in (Orthant(4), PSDCone(3), L1DescentCone(5, 2), EllipsoidCone([1, 1], [2, 0])):
        none = simulate_intersection(cone, 0, trials=5)
        full = simulate_intersection(cone, cone.dim, trials=5)
        assert (none.value, none.stderr, full.value, full.stderr) == (0, 0, 1, 0)
    assert simulate_intersection(Subspace(4, 0), 4, trials=5).value == 0


def test_simulations_repeat_with_their_seed():
    cone = Orthant(8)
    again = [simulate_intersection(cone, 4, trials=200, seed=9) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0] != simulate_intersection(cone, 4, trials=200, seed=10)


@pytest.mark.parametrize(
    "call",
    [
        lambda: intersection_probability(Orthant(3), 4),
        lambda: intersection_probability(Orthant(3), -1),
        lambda: intersection_probability(Orthant(3), 1.5),
        lambda: intersection_probability(PSDCone(3), 2),
        lambda: intersection_probability_of_cones(Orthant(3), Orthant(4)),
        lambda: approximate_bounds(-1.0, 2, 5),
        lambda: approximate_bounds(6.0, 2, 5),
        lambda: approximate_bounds(float("nan"), 2, 5),
        lambda: approximate_bounds(1.0, 6, 5),
        lambda: approximate_bounds(1.0, 2, 0),
        lambda: sharper_bounds(1.0, [1, -2], 5),
        lambda: deviation(0.0, 5),
        lambda: deviation(1.0, 5),
        lambda: deviation(0.1, 0),
        lambda: simulate_intersection(Orthant(3), 4),
        lambda: simulate_intersection(Orthant(3), 2, trials=1),
        lambda: simulate_intersection(Orthant(3), 2, trials=10, seed=-2),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(PruneLimitError, match=r"\w+ \w+"):
        call()
