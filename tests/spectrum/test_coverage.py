"""Brackets at 99 % hold whatever the eigenvectors, in few dimensions too."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prunelimit.spectrum import KrylovSpace, hessian_spectrum, matrix_spectrum
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.bracket import deflate
from prunelimit.spectrum.engine import spectrum_of_space
from prunelimit.spectrum.search import sphere


def grown(matrix: torch.Tensor, probes: int, products: int, seed: int) -> KrylovSpace:
    dim = len(matrix)
    space = KrylovSpace(Basis(dim, torch.float64), torch.float64)
    for index in range(probes):
        space.add_start(sphere(dim, seed, index))
    while space.products < products and not space.exhausted:
        space.grow(lambda block: matrix @ block)
    return space


def spikes(dim: int, rng: np.random.Generator) -> torch.Tensor:
    """Eigenvectors of two entries each, (e_i ± e_j)/√2: a sign vector misses half of them."""
    frame = torch.zeros(dim, dim, dtype=torch.float64)
    turn = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5
    for start in range(0, dim - 1, 2):
        frame[start : start + 2, start : start + 2] = turn
    if dim % 2:
        frame[-1, -1] = 1.0
    values = 10.0 * np.arange(1, dim + 1.0) ** -rng.uniform(0.2, 2.0) * (rng.random(dim) < 0.7)
    return frame @ torch.diag(torch.from_numpy(values)) @ frame.T


def projector(dim: int, rng: np.random.Generator) -> torch.Tensor:
    kept = (np.arange(dim) < rng.integers(0, dim + 1)).astype(float)
    return torch.diag(torch.from_numpy(kept * rng.uniform(0.1, 20)))


@pytest.mark.parametrize("probes", [1, 3, 6])
@pytest.mark.parametrize("dim", [2, 3, 5, 9, 40, 150])
def test_brackets_hold_for_spiky_eigenvectors_and_few_dimensions(dim: int, probes: int) -> None:
    """99 % two-sided: at most 5 of 120 fail (P < 1 % if 99 % holds)."""
    rng = np.random.default_rng(dim + probes)
    misses = 0
    for trial in range(120):
        matrix = (spikes if trial % 2 else projector)(dim, rng)
        ridge = float(10 ** rng.uniform(-2, 1))
        products = int(rng.integers(1, 2 * probes + 4)) + probes
        interval = spectrum_of_space(grown(matrix, probes, products, trial), "ggn", dim)
        values = torch.linalg.eigvalsh(matrix).clamp_min(0)
        truth = float((values / (values + ridge)).sum())
        found = interval.effective_dimension(ridge)
        misses += not found.lower - 1e-6 <= truth <= found.upper + 1e-6
    assert misses <= 5


@pytest.mark.parametrize("probes", [1, 4])
def test_the_quadrature_bracket_bounds_the_forms_that_it_names(probes: int) -> None:
    rng = np.random.default_rng(1)
    for trial in range(60):
        dim, ridge = 60, float(10 ** rng.uniform(-2, 1))
        matrix = (spikes if trial % 2 else projector)(dim, rng)
        space = grown(matrix, probes, int(rng.integers(probes, 30)), trial)
        spectrum = spectrum_of_space(space, "ggn", dim)
        if spectrum.exact:
            continue
        vectors = deflate(space.coefficients(), space.start_coordinates(), dim)
        both = torch.from_numpy(np.hstack([vectors.fixed, vectors.random]))
        drawn = space.ritz_vectors(both.numpy())
        kept = matrix @ torch.linalg.inv(matrix + ridge * torch.eye(dim, dtype=torch.float64))
        truth = float((drawn * (kept @ drawn)).sum())
        found = spectrum.quadrature_bracket(ridge)
        assert found.lower - 1e-6 <= truth <= found.upper + 1e-6


def test_a_space_of_all_dimensions_is_the_matrix() -> None:
    torch.manual_seed(0)
    x = torch.randn(30, 1, dtype=torch.float64)
    data = [(x, (x[:, 0] > 0).long())]
    model = nn.Linear(1, 2, bias=False).double()
    found, right = (
        hessian_spectrum(model, F.cross_entropy, data, method=method)
        for method in ("lanczos", "dense")
    )
    for ridge in (0.01, 0.3):
        bracket, truth = found.effective_dimension(ridge), right.effective_dimension(ridge).value
        assert bracket.lower - 1e-7 <= truth <= bracket.upper + 1e-7


def test_the_zero_matrix_is_flat() -> None:
    zero = SimpleNamespace(
        dim=30, device=torch.device("cpu"), dtype=torch.float64, matmul=lambda v: 0 * v
    )
    spectrum = matrix_spectrum(zero, ridges=[1.0])
    assert 0.0 in spectrum.effective_dimension(1.0)
    assert np.isfinite(spectrum.effective_dimension(1.0).upper)


def test_probes_on_the_sphere_are_isotropic() -> None:
    drawn = torch.stack([sphere(50, 0, index) for index in range(4000)]).double()
    torch.testing.assert_close(
        drawn.square().sum(1), torch.full((4000,), 50.0).double(), rtol=1e-5, atol=0
    )
    covariance = drawn.T @ drawn / 4000
    assert float((covariance - torch.eye(50).double()).abs().max()) < 0.1
