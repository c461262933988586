"""The cones that the geometry's tests run over, and an oracle for projections."""

import numpy as np

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
)

# Cones whose intrinsic volumes are known.
KNOWN = [
    Subspace(7, 3),
    Orthant(1),
    Orthant(6),
    CircularCone(2, 0.4),
    CircularCone(3, np.pi / 6),
    CircularCone(10, np.pi / 6),
    CircularCone(12, 1.4),
    SecondOrderCone(9),
    MonotoneCone(2),
    MonotoneCone(8),
    L1DescentCone(2, 1),
    L1DescentCone(9, 1),
    L1DescentCone(12, 4),
    L1DescentCone(5, 5),
    PSDCone(1),
    PSDCone(2),
    Product(Orthant(3), CircularCone(4, 0.3)),
    Product(MonotoneCone(5), Subspace(4, 1)),
    Product(L1DescentCone(6, 2), Orthant(3).polar()),
]
# Cones with a projection only.
PROJECTED = [
    PSDCone(4),
    EllipsoidCone([1.0, 0.2, 3.0, 0.7, 0.7], [1.0, 0.3, 2.0, -0.5, 0.1]),
    EllipsoidCone([1.0, np.inf, 0.5], [2.0, 3.0, 0.0]),
    Product(PSDCone(3), EllipsoidCone([0.3, 0.1], [1.0, 1.0])),
]
ALL = KNOWN + PROJECTED
WITH_POLARS = ALL + [cone.polar() for cone in ALL]


# Name and z of every Monte-Carlo check that ran, so that the largest can be reported.
Z_SCORES = []


def check_z(name, estimate, exact):
    """Assert that an estimate lies within four standard errors of the exact value."""
    z = float(estimate.z_score(exact)) if estimate.stderr > 1e-12 else 0.0
    Z_SCORES.append((name, z))
    assert abs(z) < 4, (name, estimate, exact)
    if estimate.stderr <= 1e-12:
        assert abs(estimate.value - exact) < 1e-9, (name, estimate, exact)


def normals(cone, count, seed=0):
    """Standard normal points ``(count, dim)``."""
    return np.random.default_rng(seed).standard_normal((count, cone.dim))
