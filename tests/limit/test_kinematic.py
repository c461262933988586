"""The kinematic ends solve equations of their own."""

import math

import numpy as np
import pytest
from limit_support import (
    SPECTRA,
)

from prunelimit import limit


def test_interval_ends_solve_their_own_equations():
    spectrum = np.tile(SPECTRA["harmonic"], 50)
    dim, eta, epsilon = spectrum.size, 0.05, 0.1
    spread = math.sqrt(8 * math.log(4 / eta)) * math.sqrt(dim)
    profile = limit.distance_profile(np.random.default_rng(0).normal(size=dim) * 0.1)
    found = limit.paper_interval(spectrum, profile, epsilon, eta)
    for kept, shift in ((found.lower, -1 - spread), (found.value, 0), (found.upper, spread)):
        level = 2 * epsilon / profile(kept) ** 2
        assert kept == pytest.approx(limit.effective_dimension(spectrum, level) + shift, abs=1e-5)
    assert 0 < found.lower < found.value < found.upper < dim


def test_interval_is_clipped_in_small_dimensions():
    found = limit.paper_interval(np.ones(100), 1.0, 0.5, 0.1)
    assert (found.lower, found.value, found.upper) == (0.0, pytest.approx(50.0), 100.0)
    plenty = limit.paper_interval(np.ones(10_000), 1.0, 1e9, 0.1)
    assert plenty.lower == 0
    assert plenty.upper == pytest.approx(math.sqrt(8 * math.log(40) * 10_000), abs=0.01)
