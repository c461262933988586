"""Quadrature rules and brackets against dense spectra."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunelimit.errors import PruneLimitError
from prunelimit.spectrum import ProbeRun, Spectrum
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.lanczos import Lanczos
from prunelimit.spectrum.quadrature import averaged_gauss, gauss, gauss_radau

SHAPES = ("power", "bulks", "zeros", "constant", "exponential")


def spectrum_of_shape(shape: str, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Positive semi-definite test spectra, with a little randomness."""
    index = np.arange(1, dim + 1)
    if shape == "power":
        return 10.0 * index ** -rng.uniform(0.3, 2.5)
    if shape == "bulks":
        return np.where(index <= dim // 10, 10.0, 1e-3) * rng.uniform(0.8, 1.2, dim)
    if shape == "zeros":
        return np.where(index <= dim // 10, rng.exponential(1.0, dim), 0.0)
    if shape == "constant":
        return np.full(dim, rng.uniform(0.1, 2.0))
    return np.exp(-np.linspace(0, rng.uniform(4, 14), dim))


def lanczos_run(eigenvalues: np.ndarray, start: np.ndarray, steps: int) -> ProbeRun:
    """A run on the diagonal matrix; rotation invariance is tested by the engine's own tests."""
    matrix = torch.from_numpy(eigenvalues)
    run = Lanczos(torch.from_numpy(start), Basis(len(start), dtype=torch.float64))
    while run.steps < steps and not run.exhausted:
        run.advance(matrix * run.current)
    return ProbeRun(tuple(run.alphas.tolist()), tuple(run.betas.tolist()))


def signs(rng: np.random.Generator, dim: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], dim)


@given(st.sampled_from(SHAPES), st.integers(2, 30), st.integers(0, 2**32), st.floats(-4, 1.5))
@settings(max_examples=150)
def test_gauss_and_radau_bracket_the_quadratic_form(shape, steps, seed, exponent) -> None:
    rng = np.random.default_rng(seed)
    eigenvalues = spectrum_of_shape(shape, 120, rng)
    ridge, start = 10.0**exponent, signs(rng, 120)
    weights = start**2 / np.sum(start**2)
    truth = float(weights @ (ridge / (eigenvalues + ridge)))
    run = lanczos_run(eigenvalues, start, steps)
    spectrum = Spectrum(dim=120, policy="ggn", runs=(run,), rounding=1e-14, confidence=0.0)
    interval = spectrum.effective_dimension(ridge)
    slack = 1e-9
    assert interval.lower / 120 - slack <= 1 - truth <= interval.upper / 120 + slack
    assert interval.lower <= interval.value <= interval.upper


@given(st.integers(2, 12), st.integers(0, 2**32))
def test_rules_are_exact_for_polynomials(steps, seed) -> None:
    rng = np.random.default_rng(seed)
    eigenvalues, start = rng.uniform(0.1, 1.0, 40), rng.normal(size=40)
    run = lanczos_run(eigenvalues, start, steps)
    alphas, betas = np.array(run.alphas), np.array(run.betas)
    weights = start**2 / np.sum(start**2)
    for rule, degree in (
        (gauss(alphas, betas), 2 * steps - 1),
        (gauss_radau(alphas, betas, 0.0), 2 * steps),
        (averaged_gauss(alphas, betas), 2 * steps - 1),
    ):
        for power in range(degree + 1):
            assert float(rule[1] @ rule[0] ** power) == pytest.approx(
                weights @ eigenvalues**power, rel=1e-8
            )


def test_radau_has_the_node_asked_for() -> None:
    nodes, _ = gauss_radau(np.array([1.0, 2.0, 1.5]), np.array([0.3, 0.4, 0.5]), -0.25)
    assert nodes[0] == pytest.approx(-0.25, abs=1e-14)


def test_bracket_closes_with_depth() -> None:
    rng = np.random.default_rng(0)
    eigenvalues, start = spectrum_of_shape("power", 300, rng), signs(rng, 300)
    widths = []
    for steps in (2, 5, 10, 20, 40):
        runs = (lanczos_run(eigenvalues, start, steps),)
        spectrum = Spectrum(dim=300, policy="ggn", runs=runs, rounding=1e-15, confidence=0.0)
        widths.append(spectrum.effective_dimension(0.01).width)
    assert all(b <= a + 1e-9 for a, b in zip(widths, widths[1:], strict=False))
    assert widths[-1] < 1e-3 * widths[0]


def test_lanczos_keeps_orthogonality_and_reproduces_eigenvalues() -> None:
    rng = np.random.default_rng(1)
    eigenvalues = 10.0 ** -np.linspace(0, 8, 60)
    matrix = torch.from_numpy(eigenvalues)
    run = Lanczos(torch.from_numpy(rng.normal(size=60)), Basis(60, dtype=torch.float64))
    while not run.exhausted:
        run.advance(matrix * run.current)
    basis = run.basis.combine(torch.eye(len(run.basis), dtype=torch.float64))
    torch.testing.assert_close(basis.T @ basis, torch.eye(len(run.basis), dtype=torch.float64))
    assert np.allclose(run.ritz()[0][-20:], np.sort(eigenvalues)[-20:], rtol=1e-6)


def test_exhaustion_makes_the_quadrature_exact() -> None:
    eigenvalues = np.repeat([0.0, 1.0, 5.0], [50, 30, 20])
    run = lanczos_run(eigenvalues, np.ones(100), 50)
    assert run.steps == 3
    spectrum = Spectrum(dim=100, policy="ggn", runs=(run,), confidence=0.0)
    assert spectrum.effective_dimension(0.5).value == pytest.approx(30 / 1.5 + 100 / 5.5, rel=1e-9)


def test_probe_error_covers_the_truth() -> None:
    """99 % two-sided: at least 97 of 100 fresh probes on a rotated spectrum, one probe each."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(100):
        eigenvalues = spectrum_of_shape(rng.choice(SHAPES), 200, rng)
        rotation = np.linalg.qr(rng.normal(size=(200, 200)))[0]
        run = lanczos_run(eigenvalues, rotation.T @ signs(rng, 200), 40)
        ridge = 10 ** rng.uniform(-4, 1)
        spectrum = Spectrum(dim=200, policy="ggn", runs=(run,), rounding=1e-14)
        hits += np.sum(eigenvalues / (eigenvalues + ridge)) in spectrum.effective_dimension(ridge)
    assert hits >= 97


def test_trace_and_density_of_exact_and_estimated_spectra() -> None:
    rng = np.random.default_rng(2)
    eigenvalues = np.sort(spectrum_of_shape("power", 200, rng))
    exact = Spectrum(dim=200, policy="ggn", eigenvalues=tuple(eigenvalues))
    assert exact.trace().value == pytest.approx(eigenvalues.sum())
    rotation = np.linalg.qr(rng.normal(size=(200, 200)))[0]
    runs = tuple(lanczos_run(eigenvalues, rotation.T @ signs(rng, 200), 12) for _ in range(3))
    estimated = Spectrum(dim=200, policy="ggn", runs=runs)
    assert abs(estimated.trace().z_score(eigenvalues.sum())) < 4
    nodes, weights = estimated.density()
    assert len(nodes) == 36 and weights.sum() == pytest.approx(200)


def test_signed_spectra() -> None:
    values = (-2.0, -1.0, 0.0, 5.0)
    absolute = Spectrum(dim=4, policy="abs", eigenvalues=values)
    clipped = Spectrum(dim=4, policy="clip", eigenvalues=values)
    assert absolute.effective_dimension(1.0).value == pytest.approx(2 / 3 + 1 / 2 + 5 / 6)
    assert clipped.effective_dimension(1.0).value == pytest.approx(5 / 6)
    assert absolute.trace().value == 8 and clipped.trace().value == 5
    assert absolute.trace(signed=True).value == 2
    assert absolute.negative_share() == pytest.approx(3 / 8)


def test_round_trip_through_json() -> None:
    run = lanczos_run(np.linspace(0.1, 1, 20), np.ones(20), 4)
    for spectrum in (
        Spectrum(dim=20, policy="clip", runs=(run,), products=4, examples=3, outputs=2, loss=0.5),
        Spectrum(dim=2, policy="abs", eigenvalues=(-1.0, 2.0), notes=("a note",)),
    ):
        assert Spectrum.from_dict(json.loads(json.dumps(spectrum.to_dict()))) == spectrum


def test_refusals_name_value_and_remedy() -> None:
    spectrum = Spectrum(dim=1, policy="ggn", eigenvalues=(1.0,))
    for ridge in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(PruneLimitError, match=f"ridge={ridge}"):
            spectrum.effective_dimension(ridge)
    with pytest.raises(PruneLimitError, match="policy='fisher'.*ggn"):
        Spectrum(dim=1, policy="fisher", eigenvalues=(1.0,))
    with pytest.raises(PruneLimitError, match="eigenvalues or at least one"):
        Spectrum(dim=1, policy="ggn")
    with pytest.raises(PruneLimitError, match="missing entries"):
        Spectrum.from_dict({"dim": 3})
