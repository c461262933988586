"""Projections, membership and polars of every cone."""

import numpy as np
import pytest
from geometry_support import ALL, WITH_POLARS, normals
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

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
from prunelimit.errors import PruneLimitError


@pytest.mark.parametrize("cone", WITH_POLARS, ids=repr)
def test_projection_satisfies_moreau(cone):
    # These three conditions characterise the pair of projections.
    x = 3 * normals(cone, 60)
    inner, outer = cone.project(x), cone.polar().project(x)
    np.testing.assert_allclose(inner + outer, x, atol=1e-12)
    assert np.abs(np.sum(inner * outer, axis=1)).max() < 1e-9
    # Where the projection is 0, rounding errors point anywhere.
    kept, cut = (part[np.linalg.norm(part, axis=1) > 1e-9] for part in (inner, outer))
    assert np.all(cone.contains(kept, tolerance=1e-8))
    assert np.all(cone.polar().contains(cut, tolerance=1e-8))


@pytest.mark.parametrize("cone", ALL, ids=repr)
def test_polar_vectors_make_obtuse_angles(cone):
    inside = cone.project(normals(cone, 40, seed=1))
    opposite = cone.polar().project(normals(cone, 40, seed=2))
    assert (inside @ opposite.T).max() < 1e-9
    assert cone.polar().polar() == cone or cone.polar().polar() is cone


@pytest.mark.parametrize("cone", ALL, ids=repr)
def test_one_point_and_a_batch_agree(cone):
    x = normals(cone, 5, seed=3)
    batch = cone.project(x)
    assert batch.shape == x.shape
    for point, projected in zip(x, batch, strict=True):
        np.testing.assert_allclose(cone.project(point), projected, atol=1e-12)
        assert cone.contains(projected, tolerance=1e-8) is True


@pytest.mark.parametrize("cone", ALL, ids=repr)
def test_projection_is_idempotent_homogeneous_and_keeps_zero(cone):
    x = normals(cone, 20, seed=4)
    projected = cone.project(x)
    np.testing.assert_allclose(cone.project(projected), projected, atol=1e-8)
    np.testing.assert_allclose(cone.project(7 * x), 7 * projected, atol=1e-8)
    np.testing.assert_array_equal(cone.project(np.zeros(cone.dim)), np.zeros(cone.dim))
    assert cone.contains(np.zeros(cone.dim))


def test_projections_by_hand():
    np.testing.assert_array_equal(Orthant(3).project([1, -2, 3]), [1, 0, 3])
    np.testing.assert_allclose(SecondOrderCone(3).project([0, 3, 4]), [2.5, 1.5, 2], atol=1e-15)
    np.testing.assert_allclose(MonotoneCone(4).project([3, 1, 2, 5]), [2, 2, 2, 5])
    np.testing.assert_allclose(L1DescentCone(2, 2).project([1, 3]), [-1, 1])
    cone = PSDCone(2)
    np.testing.assert_allclose(cone.to_matrix(cone.project(cone.to_vector([[0, 2], [2, 0]]))), 1.0)


@given(
    st.integers(2, 8),
    st.lists(st.floats(0.05, 20), min_size=8, max_size=8),
    st.floats(1.001, 50),
    st.integers(0, 10**6),
)
def test_ellipsoid_projection_against_a_general_optimiser(dim, radii, distance, seed):
    rng = np.random.default_rng(seed)
    radii = np.array(radii[:dim])
    direction = rng.standard_normal(dim)
    centre = direction * distance / np.linalg.norm(direction / radii)
    cone = EllipsoidCone(radii, centre)
    x = rng.standard_normal(dim) * np.linalg.norm(centre)
    projected = cone.project(x)
    scale = np.linalg.norm(x)
    assert cone.contains(projected, tolerance=1e-6)
    # Every ray t·(centre + radii·u), ‖u‖ ≤ 1, t ≥ 0 lies in the cone, and none is nearer to x.
    u = rng.standard_normal((4000, dim))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    rays = centre + radii * u
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    assert np.all(cone.contains(rays, tolerance=1e-6))
    nearest = np.sqrt(scale**2 - np.maximum((rays @ x).max(), 0.0) ** 2)
    assert np.linalg.norm(x - projected) <= nearest + 1e-6 * scale


def test_ellipsoid_membership_against_the_definition():
    rng = np.random.default_rng(8)
    radii, centre = np.array([0.5, 1.5, 0.8]), np.array([1.0, 2.0, -0.4])
    cone = EllipsoidCone(radii, centre)
    for v in rng.standard_normal((200, 3)) + centre:
        best = optimize.minimize_scalar(
            lambda t, v=v: np.sum(((t * v - centre) / radii) ** 2), bounds=(0, 100)
        )
        if abs(best.fun - 1) > 1e-6:
            assert cone.contains(v) == (best.fun < 1)


def test_ellipsoid_seen_from_a_distance_is_a_circular_cone():
    ball = EllipsoidCone(np.full(6, 0.5), 2 * np.eye(6)[0])
    cone = CircularCone(6, np.arcsin(0.25))
    x = normals(cone, 300)
    np.testing.assert_allclose(ball.project(x), cone.project(x), atol=1e-13)
    np.testing.assert_allclose(ball.unit_support(x), cone.unit_support(x), atol=1e-12)
    np.testing.assert_allclose(
        ball.polar().unit_support(x), cone.polar().unit_support(x), atol=1e-12
    )


def test_psd_vectors_keep_the_inner_product():
    cone = PSDCone(4)
    a, b = normals(cone, 2)
    np.testing.assert_allclose(np.sum(cone.to_matrix(a) * cone.to_matrix(b)), a @ b)
    np.testing.assert_allclose(cone.to_vector(cone.to_matrix(a)), a)


@given(st.integers(1, 30), st.integers(0, 10**6), st.data())
def test_l1_descent_cone_is_where_the_norm_does_not_grow(dim, seed, data):
    sparsity = data.draw(st.integers(1, dim))
    cone = L1DescentCone(dim, sparsity)
    x0 = (np.arange(dim) < sparsity).astype(float)
    h = normals(cone, 50, seed)
    h[::2] = cone.project(h[::2])
    growth = np.abs(x0 + 1e-6 * h).sum(axis=1) - x0.sum()
    clear = np.abs(growth) > 1e-13
    np.testing.assert_array_equal(cone.contains(h)[clear], (growth <= 0)[clear])


@pytest.mark.parametrize("cone", WITH_POLARS, ids=repr)
def test_unit_support_bounds_every_unit_vector(cone):
    rng = np.random.default_rng(5)
    # Points inside the polar cone, where the supremum is negative or 0, and points anywhere.
    x = np.vstack([normals(cone, 10), cone.polar().project(normals(cone, 10, seed=6))])
    x[10:] -= 1e-3 * cone.project(rng.standard_normal(cone.dim))
    support = cone.unit_support(x)
    u = cone.project(rng.standard_normal((4000, cone.dim)))
    u = u[np.linalg.norm(u, axis=1) > 1e-9]
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    reached = (x @ u.T).max(axis=1)
    assert np.all(reached <= support + 1e-9)


def test_unit_support_inside_the_polar_cone_is_attained():
    # Dense sampling of three-dimensional cones comes close from below.
    rng = np.random.default_rng(7)
    for cone in (
        Orthant(3),
        CircularCone(3, 0.5),
        PSDCone(2),
        L1DescentCone(3, 1),
        EllipsoidCone([0.5, 0.2, 0.4], [1.0, 0.5, 0.2]),
        Product(Orthant(1), CircularCone(2, 0.3)),
    ):
        for one in (cone, cone.polar()):
            x = one.polar().project(rng.standard_normal((20, 3)))
            x = x[one.unit_support(x) < -1e-3]
            u = one.project(rng.standard_normal((60_000, 3)))
            u = u[np.linalg.norm(u, axis=1) > 1e-9]
            u /= np.linalg.norm(u, axis=1, keepdims=True)
            reached = (x @ u.T).max(axis=1)
            np.testing.assert_allclose(reached, one.unit_support(x), atol=0.03)
            assert np.all(reached <= one.unit_support(x) + 1e-9)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Orthant(0),
        lambda: Orthant(-3),
        lambda: Orthant(2.5),
        lambda: Orthant("3"),
        lambda: Subspace(3, 4),
        lambda: Subspace(3, -1),
        lambda: CircularCone(1, 0.5),
        lambda: CircularCone(3, 0.0),
        lambda: CircularCone(3, np.pi / 2),
        lambda: CircularCone(3, -0.1),
        lambda: CircularCone(3, float("nan")),
        lambda: CircularCone(3, "wide"),
        lambda: SecondOrderCone(0),
        lambda: MonotoneCone(0),
        lambda: PSDCone(0),
        lambda: L1DescentCone(5, 0),
        lambda: L1DescentCone(5, 6),
        lambda: Product(Orthant(2), "cone"),
        lambda: EllipsoidCone([1.0, -1.0], [3.0, 0.0]),
        lambda: EllipsoidCone([1.0, 1.0], [0.5, 0.0]),
        lambda: EllipsoidCone([1.0, np.inf], [0.5, 100.0]),
        lambda: EllipsoidCone([1.0, 1.0], [3.0, 0.0, 0.0]),
        lambda: EllipsoidCone([1.0, 1.0], [np.nan, 0.0]),
        lambda: PSDCone(2).to_vector([[0.0, 1.0], [2.0, 0.0]]),
        lambda: PSDCone(2).to_vector(np.eye(3)),
        lambda: PSDCone(2).to_matrix([1.0, 2.0]),
        lambda: PSDCone(3).intrinsic_volumes(),
        lambda: EllipsoidCone([1.0], [2.0]).intrinsic_volumes(),
        lambda: EllipsoidCone([1.0], [2.0]).statistical_dimension(),
        lambda: EllipsoidCone([1.0], [2.0]).polar().statistical_dimension(),
        lambda: estimate_statistical_dimension(Orthant(3), samples=1),
        lambda: estimate_statistical_dimension(Orthant(3), samples=10, seed=-1),
        lambda: estimate_gaussian_width(Subspace(3, 0), samples=10),
        lambda: estimate_gaussian_width(Orthant(3), samples=10.5),
    ],
)
def test_bad_input_is_refused_with_a_reason(build):
    with pytest.raises(PruneLimitError, match=r"\w+ \w+"):
        build()


@pytest.mark.parametrize("cone", [*ALL, Orthant(2).polar()], ids=repr)
def test_bad_points_are_refused(cone):
    good = np.ones(cone.dim)
    for bad in (
        np.ones(cone.dim + 1),
        np.ones((2, 2, cone.dim)),
        np.float64(1.0),
        good * np.nan,
        good * np.inf,
        ["a"] * cone.dim,
    ):
        for method in (cone.project, cone.contains, cone.unit_support):
            with pytest.raises(PruneLimitError):
                method(bad)


def test_points_are_not_changed():
    x = np.array([[1.0, -1.0, 0.5]])
    for cone in (Subspace(3, 1), Orthant(3), CircularCone(3, 0.3), MonotoneCone(3)):
        cone.project(x)
        np.testing.assert_array_equal(x, [[1.0, -1.0, 0.5]])


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1.0, 1e160, 1e300])
def test_circular_projection_has_no_scale(size: float) -> None:
    rng = np.random.default_rng(4)
    cone, points = CircularCone(5, 0.6), rng.normal(size=(40, 5))
    np.testing.assert_allclose(cone.project(points * size) / size, cone.project(points), rtol=1e-9)
    assert not cone.project(np.zeros(5)).any()
