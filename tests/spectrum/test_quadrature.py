"""Quadrature rules and certified brackets against dense spectra."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct
from scipy.linalg import toeplitz

from prunelimit.errors import PruneLimitError
from prunelimit.records import from_plain, to_plain
from prunelimit.spectrum import KrylovSpace, Spectrum
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.bracket import (
    FoldedRule,
    Rule,
    Vectors,
    deflate,
    folded_rule,
    gauss_rule,
    radau_rule,
)
from prunelimit.spectrum.quadrature import gauss, gauss_radau

SEMI_DEFINITE = ("power", "bulks", "zeros", "constant", "exponential")
INDEFINITE = ("negative tail", "symmetric", "few negative")


def eigenvalues_of(shape: str, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Test spectra, with a little randomness."""
    index = np.arange(1, dim + 1)
    if shape == "power":
        return 10.0 * index ** -rng.uniform(0.3, 2.5)
    if shape == "bulks":
        return np.where(index <= dim // 10, 10.0, 1e-3) * rng.uniform(0.8, 1.2, dim)
    if shape == "zeros":
        return np.where(index <= dim // 10, rng.exponential(1.0, dim), 0.0)
    if shape == "constant":
        return np.full(dim, rng.uniform(0.1, 2.0))
    if shape == "exponential":
        return np.exp(-np.linspace(0, rng.uniform(4, 14), dim))
    if shape == "negative tail":
        positive = 10.0 * index ** -rng.uniform(0.5, 1.5)
        return np.where(index % 3 == 0, -rng.uniform(0.01, 0.5) * positive, positive)
    if shape == "symmetric":
        return rng.normal(size=dim)
    return np.where(index <= 3, -rng.exponential(1.0, dim), rng.exponential(0.1, dim))


def grown(eigenvalues: np.ndarray, starts: np.ndarray, products: int) -> KrylovSpace:
    """A space on the diagonal matrix from the columns of `starts`."""
    matrix = torch.from_numpy(eigenvalues)[:, None]
    space = KrylovSpace(Basis(len(eigenvalues), torch.float64), torch.float64)
    for column in starts.T:
        space.add_start(torch.from_numpy(column.copy()))
    while space.products < products and not space.exhausted:
        space.grow(lambda block: (matrix * block.reshape(len(matrix), -1)).reshape(block.shape))
    return space


def as_given(starts: np.ndarray) -> Vectors:
    return Vectors(np.zeros((len(starts), 0)), starts)


def spectrum_from(
    space: KrylovSpace, policy: str, confidence: float = 0.0, deflating: bool = False
) -> Spectrum:
    """As the engine assembles it; the probes' own forms unless `deflating`."""
    coefficients, starts = space.coefficients(), space.start_coordinates()
    dim = space.basis.dim
    vectors = deflate(coefficients, starts, dim) if deflating else as_given(starts)
    return Spectrum(
        dim=dim,
        policy=policy,
        gauss=gauss_rule(coefficients, vectors),
        outer=radau_rule(coefficients, vectors, 1e-14),
        folded=folded_rule(coefficients, vectors),
        probes=starts.shape[1],
        rounding=1e-14,
        confidence=confidence,
    )


def kept(eigenvalues: np.ndarray, ridge: float, policy: str) -> np.ndarray:
    values = np.abs(eigenvalues) if policy == "abs" else np.maximum(eigenvalues, 0)
    return values / (values + ridge)


def signs(rng: np.random.Generator, dim: int, count: int = 1) -> np.ndarray:
    return rng.choice([-1.0, 1.0], (dim, count))


def rotated(rng: np.random.Generator, vectors: np.ndarray) -> np.ndarray:
    """A random rotation: flips, a cosine transform, a shuffle."""
    flipped = signs(rng, len(vectors)) * vectors
    return rng.permutation(dct(flipped, axis=0, norm="ortho"))


@given(
    st.sampled_from(SEMI_DEFINITE + INDEFINITE),
    st.sampled_from(["ggn", "abs", "clip"]),
    st.integers(1, 40),
    st.integers(1, 3),
    st.integers(0, 2**32),
    st.floats(-4, 1.5),
)
@settings(max_examples=400)
def test_every_policy_brackets_the_quadratic_forms(
    shape, policy, products, probes, seed, exponent
) -> None:
    rng = np.random.default_rng(seed)
    eigenvalues = eigenvalues_of(shape, 100, rng)
    if policy == "ggn":
        eigenvalues = np.abs(eigenvalues)
    ridge, starts = 10.0**exponent, signs(rng, 100, probes) * rng.uniform(0.2, 2, (100, 1))
    space = grown(eigenvalues, starts, max(products, probes))
    scale = np.sqrt(100 / probes / (starts**2).sum(axis=0))
    space.starts = [start * factor for start, factor in zip(space.starts, scale, strict=True)]
    truth = float(kept(eigenvalues, ridge, policy) @ ((starts * scale) ** 2).sum(axis=1))
    interval = spectrum_from(space, policy).effective_dimension(ridge)
    slack = 1e-7 * 100
    assert interval.lower - slack <= truth <= interval.upper + slack
    assert interval.lower <= interval.value <= interval.upper


def test_single_start_rules_are_gauss_and_gauss_radau() -> None:
    rng = np.random.default_rng(3)
    eigenvalues = eigenvalues_of("power", 60, rng)
    space = grown(eigenvalues, rng.normal(size=(60, 1)), 8)
    coefficients = space.coefficients()
    alphas, betas = np.diag(coefficients), np.diag(coefficients, -1)
    unit = as_given(np.eye(8)[:, :1])
    for rule, (nodes, weights) in (
        (gauss_rule(coefficients, unit), gauss(alphas, betas)),
        (radau_rule(coefficients, unit, 0.0), gauss_radau(alphas, betas, 0.0)),
    ):
        np.testing.assert_allclose(rule.nodes, nodes, atol=1e-9)
        np.testing.assert_allclose(rule.weights, weights, atol=1e-9)


@given(st.integers(2, 12), st.integers(0, 2**32))
def test_rules_are_exact_for_polynomials(steps, seed) -> None:
    rng = np.random.default_rng(seed)
    eigenvalues, start = rng.uniform(0.1, 1.0, 40), rng.normal(size=(40, 1))
    coefficients = grown(eigenvalues, start, steps).coefficients()
    alphas, betas = np.diag(coefficients), np.diag(coefficients, -1)
    weights = start[:, 0] ** 2 / np.sum(start**2)
    for rule, degree in (
        (gauss(alphas, betas), 2 * steps - 1),
        (gauss_radau(alphas, betas, 0.0), 2 * steps),
    ):
        for power in range(degree + 1):
            moment = weights @ eigenvalues**power
            assert float(rule[1] @ rule[0] ** power) == pytest.approx(moment, rel=1e-8)


def test_radau_has_the_node_asked_for() -> None:
    nodes, _ = gauss_radau(np.array([1.0, 2.0, 1.5]), np.array([0.3, 0.4, 0.5]), -0.25)
    assert nodes[0] == pytest.approx(-0.25, abs=1e-14)


@pytest.mark.parametrize("policy", ["ggn", "abs", "clip"])
def test_bracket_closes_with_depth_and_with_company(policy: str) -> None:
    rng = np.random.default_rng(0)
    eigenvalues = eigenvalues_of("power" if policy == "ggn" else "negative tail", 300, rng)
    start = signs(rng, 300)
    widths = [
        spectrum_from(grown(eigenvalues, start, products), policy).effective_dimension(0.01).width
        for products in (4, 10, 20, 40, 80)
    ]
    assert all(b <= a + 1e-7 for a, b in zip(widths, widths[1:], strict=False))
    assert widths[-1] < 1e-3 * widths[0]
    company = grown(eigenvalues, np.hstack([start, signs(rng, 300, 3)]), 80)
    alone = grown(eigenvalues, start, 20)
    company.starts = company.starts[:1]
    wide, narrow = (spectrum_from(s, policy).effective_dimension(0.01) for s in (alone, company))
    assert narrow.width <= wide.width + 1e-7


def test_space_satisfies_its_relation_and_keeps_orthogonality() -> None:
    rng = np.random.default_rng(1)
    eigenvalues = 10.0 ** -np.linspace(0, 8, 60)
    space = grown(eigenvalues, rng.normal(size=(60, 2)), 20)
    space.add_start(torch.from_numpy(rng.normal(size=60)))
    space.grow(lambda block: torch.from_numpy(eigenvalues)[:, None] * block, block=3)
    count = len(space.basis)
    assert space.products == 23 and space.pending == count - 23
    basis = space.basis.combine(torch.eye(count, dtype=torch.float64))
    torch.testing.assert_close(basis.T @ basis, torch.eye(count, dtype=torch.float64))
    image = torch.from_numpy(eigenvalues)[:, None] * basis[:, :23]
    torch.testing.assert_close(basis @ torch.from_numpy(space.coefficients()), image)
    values, coordinates, residuals = space.ritz()
    vectors = space.ritz_vectors(coordinates)
    errors = torch.from_numpy(eigenvalues)[:, None] * vectors - vectors * torch.from_numpy(values)
    np.testing.assert_allclose(errors.norm(dim=0).numpy(), residuals, atol=1e-12)


def test_exhaustion_makes_the_quadrature_exact() -> None:
    eigenvalues = np.repeat([0.0, 1.0, 5.0], [50, 30, 20])
    space = grown(eigenvalues, np.ones((100, 1)), 50)
    assert space.products == 3 and space.exhausted
    for policy in ("ggn", "abs", "clip"):
        interval = spectrum_from(space, policy).effective_dimension(0.5)
        assert interval.value == pytest.approx(30 / 1.5 + 100 / 5.5, rel=1e-9)
        assert interval.width < 1e-5


def test_asymmetric_products_are_noticed() -> None:
    rng = np.random.default_rng(0)
    space = KrylovSpace(Basis(30, torch.float64), torch.float64)
    space.add_start(torch.ones(30, dtype=torch.float64))
    with pytest.raises(PruneLimitError, match="not one symmetric matrix"):
        for _ in range(5):
            noise = torch.from_numpy(rng.normal(size=30))
            space.grow(lambda vector, noise=noise: (1 + noise) * vector)


@pytest.mark.parametrize("probes", [1, 4])
def test_probe_error_covers_the_truth(probes: int) -> None:
    """99 % two-sided, on fresh rotated spectra: at least 97 of 100 (P < 0.1 % if 99 % holds)."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(100):
        shape = rng.choice(SEMI_DEFINITE + INDEFINITE)
        policy = "ggn" if shape in SEMI_DEFINITE else rng.choice(["abs", "clip"])
        eigenvalues = eigenvalues_of(shape, 200, rng)
        space = grown(eigenvalues, rotated(rng, signs(rng, 200, probes)), 40)
        ridge = 10 ** rng.uniform(-4, 1)
        spectrum = spectrum_from(space, policy, confidence=0.99, deflating=True)
        truth = kept(eigenvalues, ridge, policy).sum()
        hits += truth in spectrum.effective_dimension(ridge)
    assert hits >= 97


def test_deflation_knows_found_eigenvalues_exactly() -> None:
    rng = np.random.default_rng(8)
    eigenvalues = np.concatenate([np.linspace(20, 60, 12), 0.01 * rng.random(388)])
    space = grown(eigenvalues, rotated(rng, signs(rng, 400, 4)), 60)
    plain, deflated = (spectrum_from(space, "ggn", 0.99, flag) for flag in (False, True))
    assert deflated.gauss is not None
    fixed = np.array(deflated.gauss.weights) - np.array(deflated.gauss.random)
    assert fixed.sum() == pytest.approx(12, abs=1e-6)
    truth = kept(eigenvalues, 1.0, "ggn").sum()
    sharp, blunt = deflated.effective_dimension(1.0), plain.effective_dimension(1.0)
    assert truth in sharp and sharp.width < 0.2 * blunt.width


def test_deflation_leaves_multiple_eigenvalues_to_the_probes() -> None:
    rng = np.random.default_rng(9)
    eigenvalues = np.concatenate([np.full(40, 50.0), 0.01 * rng.random(360)])
    space = grown(eigenvalues, rotated(rng, signs(rng, 400, 4)), 60)
    spectrum = spectrum_from(space, "ggn", 0.99, deflating=True)
    assert kept(eigenvalues, 1.0, "ggn").sum() in spectrum.effective_dimension(1.0)


def test_trace_and_density_of_exact_and_estimated_spectra() -> None:
    rng = np.random.default_rng(2)
    eigenvalues = np.sort(eigenvalues_of("power", 200, rng))
    exact = Spectrum(dim=200, policy="ggn", eigenvalues=tuple(eigenvalues))
    assert exact.trace().value == pytest.approx(eigenvalues.sum())
    space = grown(eigenvalues, rotated(rng, signs(rng, 200, 3)), 36)
    estimated = spectrum_from(space, "ggn", deflating=True)
    assert abs(estimated.trace().z_score(eigenvalues.sum())) < 4
    nodes, weights = estimated.density()
    assert len(nodes) == 36 and weights.sum() == pytest.approx(200)


@pytest.mark.parametrize("policy", ["abs", "clip"])
@pytest.mark.parametrize("shape", INDEFINITE)
@pytest.mark.parametrize("products", [1, 4, 12, 40])
def test_the_trace_of_an_unfinished_iteration_is_as_sure_as_it_says(policy, shape, products):
    """Sign vectors see the trace of a diagonal matrix exactly: what is left is the iteration's."""
    rng = np.random.default_rng(products)
    eigenvalues = eigenvalues_of(shape, 200, rng)
    estimated = spectrum_from(grown(eigenvalues, signs(rng, 200), products), policy)
    truth = (np.abs(eigenvalues) if policy == "abs" else np.maximum(eigenvalues, 0)).sum()
    assert abs(estimated.trace().z_score(truth)) <= 1 + 1e-9
    # The share is (1 - tr H / tr |H|) / 2, as sure as its tr |H|; clip's is 2 tr H+ - tr H.
    ratio, whole = 1 - 2 * estimated.negative_share(), np.abs(eigenvalues).sum()
    error = estimated.trace().stderr * (1 if policy == "abs" else 2)
    assert abs(ratio * whole - eigenvalues.sum()) <= abs(ratio) * error + 1e-9 * whole


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
    rng = np.random.default_rng(4)
    space = grown(eigenvalues_of("symmetric", 20, rng), signs(rng, 20), 5)
    for spectrum in (
        spectrum_from(space, "clip"),
        spectrum_from(space, "abs"),
        Spectrum(dim=2, policy="abs", eigenvalues=(-1.0, 2.0), notes=("a note",), examples=3),
    ):
        assert from_plain(Spectrum, json.loads(json.dumps(to_plain(spectrum)))) == spectrum


def test_refusals_name_value_and_remedy() -> None:
    spectrum = Spectrum(dim=1, policy="ggn", eigenvalues=(1.0,))
    for ridge in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(PruneLimitError, match=f"ridge is {ridge}"):
            spectrum.effective_dimension(ridge)
    with pytest.raises(PruneLimitError, match="policy 'fisher'.*ggn"):
        Spectrum(dim=1, policy="fisher", eigenvalues=(1.0,))
    rule, folded = Rule((1.0,), (1.0,), (1.0,)), FoldedRule((1.0,), (1.0,), (1.0,), (1.0,))
    for parts in ({}, {"gauss": rule, "folded": folded, "probes": 1}):
        with pytest.raises(PruneLimitError, match="needs all eigenvalues"):
            Spectrum(dim=1, policy="ggn", **parts)
    with pytest.raises(PruneLimitError, match="no entry .policy."):
        from_plain(Spectrum, {"dim": 3})


def test_half_precision_storage_does_little_harm() -> None:
    """Full runs on a dense matrix with basis vectors in float64, float32 and bfloat16."""
    matrix = torch.from_numpy(toeplitz(0.9 ** np.arange(400)))
    start = torch.from_numpy(signs(np.random.default_rng(0), 400)[:, 0])
    results = []
    for stored, computed in (
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
    ):
        space = KrylovSpace(Basis(400, stored), computed)
        space.add_start(start)
        for _ in range(40):
            space.grow(lambda vector: (matrix @ vector.double()).to(vector.dtype))
        results.append(spectrum_from(space, "ggn").effective_dimension(0.05).value)
    assert results[1] == pytest.approx(results[0], rel=1e-4)
    assert results[2] == pytest.approx(results[0], rel=3e-2)


def test_a_ridge_below_rounding_keeps_what_a_larger_one_has() -> None:
    """N_eff falls with the ridge, also where a Ritz value below 0 hides the ridge."""
    gauss = Rule((1e-3, 1.0), (60.0, 40.0), (60.0, 40.0))
    outer = Rule((-1e-4, 1.0), (60.0, 40.0), (60.0, 40.0))
    found = Spectrum(dim=100, policy="ggn", gauss=gauss, outer=outer, probes=1)
    brackets = [found.quadrature_bracket(float(r)) for r in np.geomspace(1e-7, 10.0, 60)]
    assert all(bracket.lower > 34.0 for bracket in brackets[:25])
    # Ridges are tried a factor of two apart, hence not exactly.
    assert np.all(np.diff([bracket.value for bracket in brackets]) <= 0.1)


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_long_vectors_are_handled_in_slices(monkeypatch, stored: torch.dtype) -> None:
    """Against the projector written out in float64, with slices that divide nothing evenly."""
    vectors = torch.linalg.qr(torch.randn(50, 11, generator=torch.Generator().manual_seed(0)))[0]
    basis = Basis(50, stored)
    monkeypatch.setattr("prunelimit.spectrum.basis.SLICE_ENTRIES", 7 * basis.rows)
    for vector in vectors.T:
        basis.append(vector)
    kept = vectors.to(stored).double()
    left = torch.ones(50)
    removed = basis.orthogonalise(left)
    inner = kept.T @ torch.ones(50, dtype=torch.float64)
    expected = torch.ones(50, dtype=torch.float64) - kept @ inner
    again = kept.T @ expected
    np.testing.assert_allclose(removed, (inner + again).numpy(), atol=1e-5)
    torch.testing.assert_close(left.double(), expected - kept @ again, atol=1e-5, rtol=0)
    coordinates = torch.randn(11, 2, dtype=torch.float64)
    combined = basis.combine(coordinates).double()
    torch.testing.assert_close(combined, kept @ coordinates, atol=1e-5, rtol=0)


def test_basis_spills_to_disk() -> None:
    vectors = torch.linalg.qr(torch.randn(50, 30, generator=torch.Generator().manual_seed(0)))[0]
    memory_only, spilling = Basis(50), Basis(50, memory=50 * 4 * 8)
    memory_only.rows = spilling.rows = 8
    for vector in vectors.T:
        memory_only.append(vector)
        spilling.append(vector)
    probe = torch.ones(50)
    first, second = probe.clone(), probe.clone()
    np.testing.assert_array_equal(memory_only.orthogonalise(first), spilling.orthogonalise(second))
    assert torch.equal(first, second)
    torch.testing.assert_close(spilling.vector(29), vectors[:, 29])
