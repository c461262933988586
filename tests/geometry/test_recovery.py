"""Basis pursuit: linear programmes, maps, and the curve of the descent cone."""

import numpy as np
import pytest
from geometry_support import check_z

from prunelimit.cones import L1DescentCone
from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Estimate
from prunelimit.geometry.recovery import recovers, recovery_map, transition_curve
from prunelimit.kinematics import intersection_probabilities


def test_recovery_by_hand():
    assert recovers(np.eye(4), sparsity=4)
    # One equation determines a vector with one non-zero when its coefficient is the largest.
    assert recovers([[3.0, 1.0, -2.0]], sparsity=1)
    assert not recovers([[1.0, 3.0, -2.0]], sparsity=1)
    assert not recovers(np.zeros((0, 3)), sparsity=1)


def test_recovery_is_a_null_space_that_misses_the_descent_cone():
    rng = np.random.default_rng(1)
    for _ in range(40):
        matrix = rng.standard_normal((4, 6))
        null = np.linalg.svd(matrix)[2][4:].T
        angles = np.linspace(0, 2 * np.pi, 20_000)
        circle = np.column_stack([np.cos(angles), np.sin(angles)]) @ null.T
        meets = bool(np.any(L1DescentCone(6, 2).contains(circle)))
        assert recovers(matrix, sparsity=2) != meets


def test_map_equals_one_programme_a_cell():
    dim, sparsities, measurements = 9, [1, 2, 4, 7], [0, 2, 3, 5, 6, 8, 9]
    got = recovery_map(dim, sparsities, measurements, trials=4, seed=3)
    expected = np.zeros_like(got.successes)
    for trial in range(4):
        matrix = np.random.default_rng((3, trial)).standard_normal((dim, dim))
        expected += [[recovers(matrix[:m], s) for m in measurements] for s in sparsities]
    np.testing.assert_array_equal(got.successes, expected)
    assert got.trials == 4


def test_map_frequencies_match_the_exact_probability():
    dim, sparsities, measurements, trials = 12, [1, 3, 6], [2, 5, 7, 9, 11], 250
    got = recovery_map(dim, sparsities, measurements, trials=trials, seed=5)
    for row, sparsity in enumerate(sparsities):
        failure = intersection_probabilities(L1DescentCone(dim, sparsity))
        for column, count in enumerate(measurements):
            exact = 1 - failure[dim - count]
            spread = np.sqrt(max(exact * (1 - exact), 0.5 / trials) / trials)
            estimate = Estimate(got.frequency[row, column], spread)
            check_z(f"recovery s={sparsity} m={count}", estimate, exact)


def test_half_of_the_vectors_are_recovered_at_the_curve():
    dim, sparsities = 60, [3, 12, 30]
    curve = transition_curve(dim, sparsities)
    for sparsity, delta in zip(sparsities, curve, strict=True):
        failure = intersection_probabilities(L1DescentCone(dim, sparsity))
        needed = dim - np.searchsorted(failure, 0.5)
        assert abs(needed - delta) < 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: recovers(np.ones(3), 1),
        lambda: recovers(np.full((2, 3), np.nan), 1),
        lambda: recovers(np.ones((2, 3)), 4),
        lambda: recovery_map(5, [0, 1], [2]),
        lambda: recovery_map(5, [1, 1], [2]),
        lambda: recovery_map(5, [], [2]),
        lambda: recovery_map(5, [2, 1], [2]),
        lambda: recovery_map(5, [1], [6]),
        lambda: recovery_map(5, [1], [2], trials=0),
        lambda: recovery_map(0, [1], [2]),
        lambda: transition_curve(5, [6]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(PruneLimitError, match=r"\w+ \w+"):
        call()
