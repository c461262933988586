"""Statistical dimensions and intrinsic volumes against independent formulas and simulations."""

import math

import mpmath
import numpy as np
import pytest
from geometry_support import ALL, KNOWN, check_z, normals
from hypothesis import given, settings
from hypothesis import strategies as st

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
    estimate_gaussian_width,
    estimate_statistical_dimension,
)

CONES = st.one_of(
    st.builds(Orthant, st.integers(1, 40)),
    st.builds(CircularCone, st.integers(2, 60), st.floats(0.01, 1.55)),
    st.builds(MonotoneCone, st.integers(2, 40)),
    st.integers(1, 40).flatmap(
        lambda dim: st.builds(L1DescentCone, st.just(dim), st.integers(1, dim))
    ),
)


def check_laws(cone):
    """Probability vector, Gauss-Bonnet and mean; the polar's are reversed."""
    volumes = cone.intrinsic_volumes()
    index = np.arange(cone.dim + 1)
    assert volumes.shape == (cone.dim + 1,)
    assert np.all(volumes >= 0)
    assert volumes.sum() == pytest.approx(1, abs=1e-11)
    assert index @ volumes == pytest.approx(cone.statistical_dimension(), abs=1e-9)
    if not cone.is_subspace:
        assert (volumes * (-1.0) ** index).sum() == pytest.approx(0, abs=1e-11)
    np.testing.assert_allclose(cone.polar().intrinsic_volumes(), volumes[::-1], rtol=1e-12)
    total = cone.statistical_dimension() + cone.polar().statistical_dimension()
    assert total == pytest.approx(cone.dim, abs=1e-9)


@pytest.mark.parametrize("cone", KNOWN, ids=repr)
def test_laws_on_every_cone(cone):
    check_laws(cone)


@given(CONES)
def test_laws_on_random_cones(cone):
    check_laws(cone)


@settings(max_examples=30)
@given(CONES, CONES)
def test_products_add_and_convolve(a, b):
    product = Product(a, b)
    check_laws(product)
    convolved = np.convolve(a.intrinsic_volumes(), b.intrinsic_volumes())
    np.testing.assert_allclose(np.exp(product.log_intrinsic_volumes()), convolved, rtol=1e-10)
    np.testing.assert_allclose(
        product.polar().intrinsic_volumes(), product.intrinsic_volumes()[::-1], rtol=1e-10
    )


@pytest.mark.parametrize("dim", [1, 2, 5, 20])
def test_orthants_have_binomial_volumes(dim):
    exact = [math.comb(dim, j) / 2**dim for j in range(dim + 1)]
    np.testing.assert_allclose(Orthant(dim).intrinsic_volumes(), exact, rtol=1e-13)
    assert Orthant(dim).statistical_dimension() == dim / 2


def stirling_cycles(dim):
    row = [1]
    for n in range(dim):
        row = [n * a + b for a, b in zip([*row, 0], [0, *row], strict=True)]
    return row


@pytest.mark.parametrize("dim", [1, 2, 6, 17, 40, 150])
def test_monotone_cones_have_stirling_volumes(dim):
    exact = [
        float(mpmath.log(mpmath.mpf(count) / math.factorial(dim))) if count else -np.inf
        for count in stirling_cycles(dim)
    ]
    np.testing.assert_allclose(MonotoneCone(dim).log_intrinsic_volumes(), exact, atol=1e-12)


@pytest.mark.parametrize(
    ("dim", "angle"), [(2, 0.3), (3, np.pi / 6), (10, np.pi / 6), (11, 1.5), (400, 0.02)]
)
def test_circular_volumes_against_high_precision(dim, angle):
    with mpmath.workdps(60):
        a = mpmath.mpf(angle)
        s, c = mpmath.sin(a), mpmath.cos(a)

        def cap(t):
            knots = [0, *(t * (1 - mpmath.mpf(2) ** -k) for k in range(1, 12)), t]
            weight = mpmath.quad(lambda u: mpmath.sin(u) ** (dim - 2), knots)
            return weight / mpmath.beta(mpmath.mpf(dim - 1) / 2, 0.5)

        exact = [cap(mpmath.pi / 2 - a)]
        for j in range(1, dim):
            half = mpmath.mpf(1) / 2
            binomial = mpmath.binomial((dim - 2) * half, (j - 1) * half)
            exact.append(half * binomial * s ** (j - 1) * c ** (dim - j - 1))
        exact.append(cap(a))
        logs = np.array([float(mpmath.log(v)) for v in exact])
    got = CircularCone(dim, angle).log_intrinsic_volumes()
    np.testing.assert_allclose(got, logs, rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize(("dim", "angle"), [(2, 0.7), (3, np.pi / 6), (10, np.pi / 6), (300, 1.2)])
def test_circular_statistical_dimension_against_quadrature(dim, angle):
    def shadow(theta):
        return mpmath.cos(max(theta - angle, 0)) ** 2 * mpmath.sin(theta) ** (dim - 2)

    knots = [0, angle, *np.linspace(angle, angle + np.pi / 2, 12)[1:]]
    mean = mpmath.quad(shadow, knots) / mpmath.beta((dim - 1) / 2, 0.5)
    delta = CircularCone(dim, angle).statistical_dimension()
    assert delta == pytest.approx(float(dim * mean), rel=1e-11)
    assert delta == pytest.approx(dim * np.sin(angle) ** 2, abs=1)


def test_circular_cones_of_45_degrees_are_self_polar():
    for dim in (2, 3, 8, 101):
        cone = SecondOrderCone(dim)
        assert cone.statistical_dimension() == pytest.approx(dim / 2, abs=1e-11)
        volumes = cone.intrinsic_volumes()
        np.testing.assert_allclose(volumes, volumes[::-1], rtol=1e-12)
        x = normals(cone, 20)
        np.testing.assert_allclose(cone.polar().project(x), -cone.project(-x), atol=1e-13)
    complement = CircularCone(9, np.pi / 2 - 0.3).intrinsic_volumes()
    np.testing.assert_allclose(
        CircularCone(9, 0.3).intrinsic_volumes(), complement[::-1], rtol=1e-11
    )


def test_plane_cones_are_angles():
    # In the plane, v_2 is the cone's share of the circle and v_1 = ½.
    for cone, angle in (
        (Orthant(2), np.pi / 2),
        (CircularCone(2, 0.2), 0.4),
        (MonotoneCone(2), np.pi),
        (L1DescentCone(2, 1), np.pi / 2),
        (L1DescentCone(2, 2), np.pi),
    ):
        share = angle / (2 * np.pi)
        np.testing.assert_allclose(cone.intrinsic_volumes(), [0.5 - share, 0.5, share], atol=1e-12)


def test_l1_solid_angle_of_one_nonzero_is_a_circle_share_or_a_regular_cone():
    # {h_1 ≤ -|h_2| - |h_3|} is a cone over a square: Girard's theorem gives its solid angle.
    dihedral = np.arccos(-1 / 3)
    share = (4 * dihedral - 2 * np.pi) / (4 * np.pi)
    assert L1DescentCone(3, 1).intrinsic_volumes()[3] == pytest.approx(share, rel=1e-11)


@pytest.mark.parametrize(("dim", "sparsity"), [(6, 1), (7, 3), (8, 6)])
def test_l1_volumes_against_face_counts_of_projections(dim, sparsity):
    cone = L1DescentCone(dim, sparsity)
    count = 40_000
    polar = cone.polar().project(normals(cone, count, seed=11))
    threshold = polar[:, :1]
    unclipped = np.sum(np.abs(polar[:, sparsity:]) < threshold * (1 - 1e-9), axis=1)
    face = np.where(threshold[:, 0] > 1e-12, 1 + unclipped, 0)
    share = np.bincount(dim - face, minlength=dim + 1) / count
    exact = cone.intrinsic_volumes()
    assert np.all(np.abs(share - exact) < 4 * np.sqrt(exact * (1 - exact) / count) + 1e-9)


def test_l1_curve_bounds_the_exact_dimension():
    for dim, sparsity in ((10, 1), (100, 3), (100, 60), (1000, 100)):
        cone = L1DescentCone(dim, sparsity)
        excess = cone.asymptotic_statistical_dimension() - cone.statistical_dimension()
        assert 0 <= excess <= 2 * np.sqrt(dim / sparsity)
    assert L1DescentCone(4, 4).asymptotic_statistical_dimension() == 4


def test_l1_curve_against_a_direct_minimum():
    share = 0.2

    def psi(tau):
        tail = mpmath.quad(lambda u: (u - tau) ** 2 * mpmath.exp(-(u**2) / 2), [tau, tau + 6, 40])
        return share * (1 + tau**2) + (1 - share) * mpmath.sqrt(2 / mpmath.pi) * tail

    best = min(float(psi(tau)) for tau in np.linspace(0.5, 2, 301))
    got = L1DescentCone(50, 10).asymptotic_statistical_dimension() / 50
    assert best - 1e-5 < got <= best + 1e-12


@pytest.mark.parametrize(
    "cone",
    [
        Orthant(10_000),
        CircularCone(10_000, 0.4),
        CircularCone(10_000, 0.001),
        MonotoneCone(10_000),
        L1DescentCone(10_000, 1000),
        L1DescentCone(10_000, 1),
        Product(Orthant(5000), CircularCone(5000, 1.0)),
        Subspace(10_000, 40),
    ],
    ids=repr,
)
def test_ten_thousand_dimensions(cone):
    logs = cone.log_intrinsic_volumes()
    possible = logs > -np.inf
    volumes = np.exp(logs)
    assert volumes.sum() == pytest.approx(1, abs=1e-11)
    mean = np.arange(cone.dim + 1) @ volumes
    assert mean == pytest.approx(cone.statistical_dimension(), rel=1e-11)
    if not cone.is_subspace:
        assert volumes[::2].sum() == pytest.approx(0.5, abs=1e-11)
        # Intrinsic volumes of these cones are log-concave as far as float logarithms can tell.
        # The end volumes of circular cones are not, hence the slice.
        curve = np.diff(logs[possible][1:-1], 2)
        assert curve.max() < 1e-9


def test_small_entries_keep_their_logarithms():
    assert MonotoneCone(10_000).log_intrinsic_volumes()[-1] == pytest.approx(
        -math.lgamma(10_001), rel=1e-13
    )
    assert Orthant(10_000).log_intrinsic_volumes()[0] == pytest.approx(-10_000 * np.log(2))
    with mpmath.workdps(30):
        x = mpmath.sin(mpmath.mpf(0.001)) ** 2
        tail = mpmath.betainc(mpmath.mpf(9999) / 2, 0.5, 0, x, regularized=True) / 2
        exact = float(mpmath.log(tail))
    got = CircularCone(10_000, 0.001).log_intrinsic_volumes()[-1]
    assert got == pytest.approx(exact, rel=1e-12)


def test_monte_carlo_dimensions_within_four_standard_errors():
    for index, cone in enumerate([*KNOWN, PSDCone(4), PSDCone(7)]):
        for one in (cone, cone.polar()):
            estimate = estimate_statistical_dimension(one, samples=4000, seed=index)
            check_z(f"δ {one!r}", estimate, one.statistical_dimension())


@pytest.mark.parametrize("cone", ALL, ids=repr)
def test_width_sandwich(cone):
    for one in (cone, cone.polar()):
        if np.allclose(one.project(normals(one, 20)), 0):
            continue
        width = estimate_gaussian_width(one, samples=4000, seed=1)
        delta = estimate_statistical_dimension(one, samples=4000, seed=2)
        slack = 4 * (delta.stderr + 2 * (abs(width.value) + 1) * width.stderr)
        assert width.value > -4 * width.stderr
        assert width.value**2 <= delta.value + slack
        assert delta.value <= width.value**2 + 1 + slack


def test_known_gaussian_widths():
    # A subspace's width is the mean of a chi variable.
    chi = np.sqrt(2) * math.gamma(2.5) / math.gamma(2)
    # A ray: E g_1 = 0.
    for cone, exact in ((Subspace(9, 4), chi), (Orthant(1), 0.0), (PSDCone(1), 0.0)):
        estimate = estimate_gaussian_width(cone, samples=20_000, seed=3)
        check_z(f"w {cone!r}", estimate, exact)


def test_elliptic_cone_near_its_asymptotic_dimension():
    rng = np.random.default_rng(0)
    dim = 300
    cone = EllipsoidCone(rng.uniform(0.2, 2.0, dim), 2 * rng.standard_normal(dim))
    estimate = estimate_statistical_dimension(cone, samples=4000, seed=1)
    assert abs(estimate.value - cone.asymptotic_statistical_dimension()) < 2
