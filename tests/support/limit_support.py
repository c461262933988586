"""Spectra that the tests of the limit share, and a scan that knows no solver."""

import numpy as np
from hypothesis import strategies as st

from prunelimit import limit

DIM = 200


RANKS = np.arange(1, DIM + 1)


SPECTRA = {
    "harmonic": 1 / RANKS,
    "inverse_square": 1 / RANKS**2.0,
    "exponential": np.exp(-np.linspace(0, 12, DIM)),
    "two_level": np.where(RANKS <= DIM // 10, 10.0, 1e-3),
}


eigenvalue_lists = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-6, 1e3)), min_size=2, max_size=40
).map(np.array)


distances = st.floats(1e-2, 1e2)


budgets = st.floats(1e-5, 1e2)


def scan(eigenvalues, distance, epsilon, ridge_of_k):
    """Largest k on a fine grid at which N(ridge(k)) still reaches k: no solver involved."""
    grid = np.linspace(0, eigenvalues.size, 50_001)[1:-1]
    radius = np.array([distance(k) for k in grid]) if callable(distance) else distance
    with np.errstate(divide="ignore"):
        ridge = ridge_of_k(grid, eigenvalues.size, 2 * epsilon / np.square(radius))
    dimension = np.zeros_like(grid)
    for eigenvalue in eigenvalues[eigenvalues > 0]:
        dimension += eigenvalue / (eigenvalue + ridge)
    reached = grid[dimension >= grid]
    return reached[-1] if reached.size else 0.0


RIDGES = {
    "paper": lambda k, dim, level: level,
    "sharp": lambda k, dim, level: level * (dim - k) / k,
    "sharp_isotropic": lambda k, dim, level: level * dim / k,
}


def solve(eigenvalues, distance, epsilon, formula):
    return limit.solve_limit(
        lambda ridge: limit.effective_dimension(eigenvalues, ridge),
        distance,
        epsilon,
        len(eigenvalues),
        formula,
    )
