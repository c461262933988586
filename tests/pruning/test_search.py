"""The search rule on curves whose threshold is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from prunelimit.errors import PruneLimitError
from prunelimit.pruning.search import SearchRule, bracket, contradictions


def run(rule: SearchRule, excess, most: int = 60) -> dict[int, float]:
    points: dict[int, float] = {}
    while (kept := rule.following(points)) is not None:
        assert 1 <= kept < rule.dim and kept not in points
        points[kept] = excess(kept)
        assert len(points) < most, "the rule does not come to an end"
    return points


@st.composite
def curves(draw) -> tuple[int, float, object, float]:
    """A dimension, a threshold in kept weights, and a monotone excess that is 0 there.

    The logarithm of the loss is a power of the distance in log(kept), of another steepness on
    either side: convex, concave, flat or steep.
    """
    dim = draw(st.integers(50, 10**6))
    threshold = draw(st.floats(2.0, dim - 1.0))
    slopes = [draw(st.floats(0.05, 50.0)) for _ in range(2)]
    powers = [draw(st.floats(0.5, 2.0)) for _ in range(2)]

    def excess(kept: float) -> float:
        depth = math.log(threshold / kept)
        side = int(depth > 0)
        return math.copysign(slopes[side] * abs(depth) ** powers[side], depth)

    return dim, threshold, excess, draw(st.floats(1.0, dim - 1.0))


@settings(max_examples=300, deadline=None)
@given(curves(), st.floats(0.3, 30.0), st.sampled_from([0.003, 0.01, 0.05]))
def test_monotone_curves_end_within_the_measured_bracket(curve, slope, tolerance) -> None:
    dim, threshold, excess, guess = curve
    rule = SearchRule(dim, guess, slope, tolerance)
    points = run(rule, excess)
    found = bracket(points, dim)
    assert found.failing < threshold * (1 + 1e-9) and threshold <= found.passing * (1 + 1e-9)
    assert rule.finished(points)
    if found.passing in points and found.failing in points:
        assert found.failing <= rule.crossing(points) <= found.passing


@settings(max_examples=300, deadline=None)
@given(
    st.integers(300, 10**6),
    st.floats(0.05, 0.97),
    st.floats(0.5, 8.0),
    st.floats(0.5, 2.0),
    st.floats(-0.06, 0.06),
)
def test_a_fair_guess_needs_few_tries(dim, sparsity, slope, ratio, error) -> None:
    """Straight in log–log, a slope known up to a factor of 2, a guess up to six points off."""
    threshold = max(2.0, (1 - sparsity) * dim)
    guess = min(max(1 - sparsity + error, 0.01), 0.99) * dim
    rule = SearchRule(dim, guess, slope * ratio, 0.01)
    points = run(rule, lambda kept: slope * math.log(threshold / kept))
    found = bracket(points, dim)
    assert len(points) <= 7
    if found.passing in points and found.failing in points:
        assert abs(rule.crossing(points) - threshold) <= max(1.0, 0.01 * dim)


def test_on_typical_curves_three_tries_are_typical() -> None:
    """The spread of slopes and guesses that the committed study has, without its networks."""
    rng = np.random.default_rng(0)
    counts, errors = [], []
    for _ in range(400):
        slope, threshold = math.exp(rng.normal(0.5, 0.9)), rng.uniform(0.04, 0.3)
        bend = rng.uniform(-0.3, 0.3)
        guess = threshold * math.exp(rng.normal(0, 0.15))
        rule = SearchRule(5000, 5000 * guess, slope * math.exp(rng.normal(0, 0.5)), 0.01)

        def excess(kept: int, slope=slope, threshold=threshold, bend=bend) -> float:
            depth = math.log(5000 * threshold / kept)
            return slope * depth * (1 + bend * math.tanh(depth))

        points = run(rule, excess)
        counts.append(len(points))
        errors.append(abs(rule.crossing(points) / 5000 - threshold))
    assert np.median(counts) <= 3 and np.quantile(counts, 0.9) <= 4
    assert np.mean(np.array(errors) <= 0.01) >= 0.98


@settings(max_examples=200, deadline=None)
@given(curves(), st.integers(0, 2**32 - 1), st.floats(0.0, 0.5))
def test_noise_neither_traps_it_nor_breaks_the_bracket(curve, seed, noise) -> None:
    dim, _, excess, guess = curve
    rng = np.random.default_rng(seed)
    points = run(SearchRule(dim, guess, 2.0, 0.01), lambda k: excess(k) + noise * rng.normal())
    found = bracket(points, dim)
    assert found.passing == dim or points[found.passing] <= 0
    assert found.failing == 0 or points[found.failing] > 0
    assert all(points[k] > 0 for k in points if k < found.passing)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1.0, 6.0))
def test_little_noise_costs_little(seed, slope) -> None:
    """Noise that alone moves the threshold by half a point leaves the answer within two."""
    rng = np.random.default_rng(seed)
    dim, threshold = 4000, 0.12 * 4000
    noise = slope * 0.005 / 0.12
    rule = SearchRule(dim, 0.15 * dim, slope, 0.01)
    points = run(rule, lambda k: slope * math.log(threshold / k) + noise * rng.uniform(-1, 1))
    assert abs(rule.crossing(points) - threshold) / dim <= 0.02


def test_a_guess_at_either_end_widens_geometrically() -> None:
    def excess(kept: int) -> float:
        return 3 * math.log(40_000 / kept)

    for guess in (1.0, 999_999.0):
        rule = SearchRule(10**6, guess, 3.0, 0.01)
        assert len(run(rule, excess)) <= 10


def test_every_sparsity_passes_and_none_passes() -> None:
    rule = SearchRule(1000, 200.0, 2.0, 0.01)
    points = run(rule, lambda kept: -0.3)
    assert bracket(points, 1000).passing == 1 and len(points) <= 8
    points = run(rule, lambda kept: 0.3)
    found = bracket(points, 1000)
    assert found.passing == 1000 and found.failing >= 980 and len(points) <= 8


def test_a_bracket_a_little_wide_is_enough_where_the_tries_agree_with_the_slope() -> None:
    rule = SearchRule(dim=1000, guess=100.0, slope=2.0, tolerance=0.01)
    straight = {115: -0.28, 88: 0.28}
    assert rule.finished(straight) and rule.following(straight) is None
    assert rule.crossing(straight) == pytest.approx(math.sqrt(115 * 88), rel=0.01)
    # The loss has fallen to nothing at the passing try: on the straight line it would be 89.
    assert 94 < rule.crossing({120: -6.0, 85: 1.0}) < 105
    assert not rule.finished({126: -0.28, 85: 0.28})  # 4.1 points


def test_a_cliff_takes_few_tries() -> None:
    """The loss falls to nothing just above the threshold: a straight line would creep."""
    rule = SearchRule(dim=2000, guess=248.0, slope=2.5, tolerance=0.01)
    for beyond in (1.5, 18.0):

        def cliff(kept: int, beyond: float = beyond) -> float:
            return (beyond if kept < 180 else 18) * math.log(180 / kept)

        assert len(run(rule, cliff)) <= 4


@pytest.mark.parametrize("points", [{16_000: -0.4}, {4_000: 0.7}, {12_000: -0.6, 5_000: 1.1}])
def test_the_next_try_is_the_median_that_bayes_rule_gives(points) -> None:
    """Against the rule on every number of weights, from densities of another library."""
    rule = SearchRule(dim=40_000, guess=8_000.0, slope=2.0, tolerance=0.01, spread=0.08)
    passing, failing = (
        next((k for k in points if (points[k] <= 0) == passes), None) for passes in (True, False)
    )
    kept = np.arange((failing or 0) + 1, passing or 40_000)
    slope = 2.0 if len(points) == 1 else 1.7 / math.log(12 / 5)  # as expected, or as measured
    error = np.sqrt(kept / 40_000) - math.sqrt(0.2)
    likely = stats.t(4, scale=0.08).pdf(error) / np.sqrt(kept)  # a density of the root, by weight
    for end, spread in ((passing, 1.2), (failing, 0.8)):
        if end is not None:
            expected = slope * abs(np.log(kept / end))
            likely *= stats.norm(scale=spread).pdf(np.log(abs(points[end]) / expected))
    median = float(np.interp(0.5, np.cumsum(likely) / likely.sum(), kept))
    denser = 0.0 if failing is None else 0.5 * 0.01 * 40_000
    assert rule.following(points) == pytest.approx(median + denser, rel=1e-3)


def test_contradictions_are_not_believed() -> None:
    points = {100: 0.4, 150: -0.1, 180: 0.05, 300: -0.2}
    assert bracket(points, 1000).passing == 150 and contradictions(points) == {180: 150}
    rule = SearchRule(1000, 200.0, 2.0, 0.01)
    assert 100 < rule.crossing(points) < 150
    assert rule.crossing({90: 0.1} | points) == rule.crossing({100: 0.1, 150: -0.1})


def test_more_tries_may_follow_with_a_finer_tolerance() -> None:
    def excess(kept: int) -> float:
        return 2 * math.log(1234.5 / kept)

    points = run(SearchRule(10_000, 1500.0, 2.0, 0.02), excess)
    finer = SearchRule(10_000, 1500.0, 2.0, 0.0005)
    before = len(points)
    while (kept := finer.following(points)) is not None:
        points[kept] = excess(kept)
    assert len(points) > before and abs(finer.crossing(points) - 1234.5) <= 5


@pytest.mark.parametrize("tolerance", [0.0, -0.1, 0.5, 1.0, math.nan])
def test_a_tolerance_without_meaning_is_refused(tolerance) -> None:
    with pytest.raises(PruneLimitError, match="tolerance"):
        SearchRule(10, 1.0, 1.0, tolerance)
