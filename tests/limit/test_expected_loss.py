"""The expected loss is the limit inverted, and its ends are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from limit_support import (
    DIM,
    SPECTRA,
    distances,
    eigenvalue_lists,
)

from prunelimit import limit


@pytest.mark.parametrize("orientation", ["orthogonal", "isotropic"])
@pytest.mark.parametrize("name", SPECTRA)
def test_loss_curve_is_the_limit_inverted(name, orientation):
    for epsilon in (0.02, 0.3):
        kept = limit.sharp_limit(SPECTRA[name], 3.0, epsilon, orientation=orientation)
        if 0 < kept < DIM:
            loss = limit.sharp_loss(SPECTRA[name], 3.0, kept, orientation=orientation)
            assert loss == pytest.approx(epsilon, rel=1e-7)


@given(eigenvalue_lists, distances)
def test_loss_curve_falls_between_its_ends(eigenvalues, distance):
    dim = eigenvalues.size
    start = limit.one_shot_random_orientation(eigenvalues.sum(), distance, dim)
    for orientation in ("orthogonal", "isotropic"):
        losses = limit.sharp_loss(
            eigenvalues, distance, np.linspace(0, dim, 9), orientation=orientation
        )
        assert losses[0] == pytest.approx(start)
        assert losses[-1] == 0
        assert (np.diff(losses) <= 1e-9 * start).all()


def test_loss_of_the_last_dimension_is_the_harmonic_mean():
    spectrum = np.array([1.0, 2.0, 4.0])
    loss = limit.sharp_loss(spectrum, 1.0, 3 - 1e-9)
    assert loss == pytest.approx(0.5 * 3 / (1 / spectrum).sum(), rel=1e-6)


def test_ridge_at_inverts_effective_dimension():
    spectrum = np.r_[SPECTRA["inverse_square"], np.zeros(30)]
    for ridge in (1e-6, 1e-3, 1.0, 1e3):
        kept = limit.effective_dimension(spectrum, ridge)
        assert limit.ridge_at(spectrum, kept) == pytest.approx(ridge, rel=1e-9)
    assert limit.ridge_at(spectrum, 0) == math.inf
    assert limit.ridge_at(spectrum, DIM) == 0


def test_one_shot_random_orientation_is_the_mean_over_directions():
    generator = np.random.default_rng(5)
    spectrum = SPECTRA["harmonic"]
    directions = generator.standard_normal((4000, DIM))
    directions *= 3.0 / np.linalg.norm(directions, axis=1, keepdims=True)
    losses = 0.5 * np.square(directions) @ spectrum
    expected = limit.one_shot_random_orientation(spectrum.sum(), 3.0, DIM)
    assert abs(losses.mean() - expected) < 4 * losses.std() / math.sqrt(losses.size)
