"""The distance R(k) against the norm of what is removed, and what is no distance."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelimit.errors import PruneLimitError
from prunelimit.limit.distance import as_distance_function, distance_profile


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30))
def test_profile_is_the_norm_of_what_is_removed(values):
    weights = np.array(values)
    profile = distance_profile(weights)
    order = np.argsort(-np.abs(weights), kind="stable")
    assert profile.dim == weights.size
    for kept in range(weights.size + 1):
        removed = np.delete(weights, order[:kept])
        assert profile(kept) == pytest.approx(np.linalg.norm(removed), abs=1e-12)


def test_profile_between_integers_and_outside():
    profile = distance_profile([[3.0, 0.0], [-4.0, 4.0]])
    assert profile(0.5) ** 2 == pytest.approx((41 + 25) / 2)
    with pytest.raises(PruneLimitError, match="outside"):
        profile(4.1)
    with pytest.raises(PruneLimitError, match="NaN"):
        distance_profile([1.0, math.nan])
    with pytest.raises(PruneLimitError, match="at least one"):
        distance_profile([])


def test_small_squares_are_not_lost_beside_large_ones():
    """A running sum that began with the largest square would leave the last distances at 0."""
    weights = np.r_[np.full(10, 1e-9), 1e9]
    assert distance_profile(weights)(1) == pytest.approx(1e-9 * math.sqrt(10), rel=1e-12)


def test_numbers_and_functions_are_taken_alike():
    constant = as_distance_function(np.float32(2.0), dim=10)
    assert constant(0) == constant(10) == 2.0
    falling = as_distance_function(lambda kept: 10 - kept, dim=10)
    assert falling(2.5) == 7.5


@pytest.mark.parametrize(
    ("distance", "message"),
    [
        (-1.0, "at least 0"),
        (math.nan, "finite"),
        ("far", "number or a function"),
        (lambda kept: kept, "must not increase"),
        (lambda kept: "far", r"distance\(0\)"),
    ],
)
def test_what_is_no_distance_is_refused(distance, message):
    with pytest.raises(PruneLimitError, match=message):
        as_distance_function(distance, dim=10)
