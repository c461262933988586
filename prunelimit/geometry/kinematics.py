"""Will a cone and a randomly turned subspace meet anywhere but at the origin?

Chapter 3 of the book: exact probabilities from conic intrinsic volumes, the approximate
bounds of Amelunxen, Lotz, McCoy & Tropp (2014), and simulations that know neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from prunelimit.errors import PruneLimitError, require
from prunelimit.estimates import Estimate
from prunelimit.geometry import cones
from prunelimit.geometry.cones._checks import FloatArray, check_integer, make_generator
from prunelimit.geometry.recovery import recovers
from prunelimit.progress import track

__all__ = [
    "approximate_bounds",
    "intersection_probabilities",
    "intersection_probability",
    "intersection_probability_of_cones",
    "sharper_bounds",
    "simulate_intersection",
]

Bounds = tuple[float, float] | tuple[FloatArray, FloatArray]

_BATCH_ENTRIES = 2**20
_CUT_LIMIT = 2000
_FIRST_CUTS = 4


def intersection_probabilities(cone: cones.Cone) -> FloatArray:
    """`intersection_probability` for every subspace dimension 0 … dim at once, ``(dim + 1,)``.

    Raises
    ------
    PruneLimitError
        Where the cone's intrinsic volumes are unknown.

    Examples
    --------
    >>> from prunelimit.cones import Orthant
    >>> intersection_probabilities(Orthant(2)).round(12)
    array([0. , 0.5, 1. ])
    """
    if cone.is_subspace:
        return (np.arange(cone.dim + 1) + cone.statistical_dimension() > cone.dim).astype(float)
    volumes = cone.intrinsic_volumes()
    tails = np.zeros(cone.dim + 3)
    # tails[j] = v_j + v_{j+2} + …, each parity summed from its end.
    for parity in (0, 1):
        column = volumes[parity::2]
        tails[parity : cone.dim + 1 : 2] = np.cumsum(column[::-1])[::-1]
    subspace_dims = np.arange(cone.dim + 1)
    return np.clip(2 * tails[cone.dim - subspace_dims + 1], 0.0, 1.0)


def intersection_probability(cone: cones.Cone, subspace_dim: int) -> float:
    """Probability that a uniformly random subspace meets the cone in more than the origin.

    The kinematic formula ``P = 2 (v_{D-m+1} + v_{D-m+3} + …)`` for a cone that is no
    subspace (Amelunxen et al. 2014, Fact 2.1 and Eq. (5.11)); two subspaces in general
    position meet when their dimensions add up to more than D. Exact.

    Parameters
    ----------
    cone
        A cone with known intrinsic volumes.
    subspace_dim
        m, from 0 to ``cone.dim``.

    Raises
    ------
    PruneLimitError
        If `subspace_dim` is out of range or the intrinsic volumes are unknown.

    Examples
    --------
    >>> from prunelimit.cones import Orthant
    >>> round(intersection_probability(Orthant(3), 2), 12)  # Wendel's theorem
    0.75
    """
    index = check_integer(subspace_dim, "subspace_dim", 0, cone.dim)
    return float(intersection_probabilities(cone)[index])


def intersection_probability_of_cones(a: cones.Cone, b: cones.Cone) -> float:
    """Probability that `a` and a uniformly turned copy of `b` share more than the origin.

    ``P = 2 (v_{D+1} + v_{D+3} + …)`` of the product a × b, unless both are subspaces
    (Amelunxen et al. 2014, Fact 2.1). Exact.

    Raises
    ------
    PruneLimitError
        If the cones live in different dimensions or an intrinsic volume is unknown.

    Examples
    --------
    >>> from prunelimit.cones import Orthant, Subspace
    >>> round(intersection_probability_of_cones(Orthant(3), Subspace(3, 2)), 12)
    0.75
    """
    if a.dim != b.dim:
        raise PruneLimitError(f"the cones live in different dimensions: {a.dim} and {b.dim}")
    return intersection_probability(cones.Product(a, b), a.dim)


def approximate_bounds(statistical_dimension: float, subspace_dim: ArrayLike, dim: int) -> Bounds:
    """Lower and upper bound on the intersection probability from the statistical dimension.

    Theorem I of Amelunxen et al. 2014 for a subspace (Theorem 2.4 of Zhang et al. 2024, who
    cite it as Theorem 7.1), solved for η at the gap ``δ + m - D``:
    ``η = 4 exp(-gap²/(8 D))``. Exact as a bound, loose as an estimate.

    Parameters
    ----------
    statistical_dimension
        δ, from 0 to dim.
    subspace_dim
        m, a number or an array, each from 0 to dim.
    dim
        D.

    Returns
    -------
    tuple
        ``(lower, upper)``, floats, or arrays shaped as `subspace_dim`.

    Raises
    ------
    PruneLimitError
        If an argument is out of range.

    Examples
    --------
    >>> lower, upper = approximate_bounds(500.0, 700, 1000)
    >>> round(lower, 3), upper
    (0.973, 1.0)
    """
    gap = _checked_gap(statistical_dimension, subspace_dim, dim)
    return _bounds_from(gap, 4 * np.exp(-(gap**2) / (8 * dim)))


def sharper_bounds(statistical_dimension: float, subspace_dim: ArrayLike, dim: int) -> Bounds:
    """Like `approximate_bounds`, with the transition width ``ω² = min(δ, D - δ)`` in place of D.

    ``η = 4 exp(-(λ²/8)/(ω² + λ))`` at ``λ = |δ + m - D|`` (Amelunxen et al. 2014, Theorem
    7.1, from the concentration of Theorem 6.1). Exact as a bound; better for very small and
    very large cones. Arguments and result as in `approximate_bounds`.

    Raises
    ------
    PruneLimitError
        If an argument is out of range.

    Examples
    --------
    >>> lower, upper = sharper_bounds(20.0, 800, 1000)
    >>> lower, bool(upper < approximate_bounds(20.0, 800, 1000)[1])
    (0.0, True)
    """
    gap = _checked_gap(statistical_dimension, subspace_dim, dim)
    width = min(statistical_dimension, dim - statistical_dimension)
    distance = np.abs(gap)
    # A tiny floor keeps 0/0 away where both the gap and the width vanish.
    return _bounds_from(gap, 4 * np.exp(-(gap**2) / 8 / np.maximum(width + distance, 1e-300)))


def _checked_gap(statistical_dimension: float, subspace_dim: ArrayLike, dim: int) -> FloatArray:
    check_integer(dim, "dim", 1)
    inside = 0 <= statistical_dimension <= dim
    require(inside, "statistical_dimension", statistical_dimension, f"between 0 and dim = {dim}")
    dims = np.asarray(subspace_dim, dtype=np.float64)
    inside = bool(np.all((dims >= 0) & (dims <= dim)))
    require(inside, "subspace_dim", subspace_dim, f"between 0 and {dim}")
    return statistical_dimension + dims - dim


def _bounds_from(gap: FloatArray, eta: FloatArray) -> Bounds:
    lower = np.where(gap > 0, np.maximum(1 - eta, 0.0), 0.0)
    upper = np.where(gap < 0, np.minimum(eta, 1.0), 1.0)
    return (float(lower), float(upper)) if gap.ndim == 0 else (lower, upper)


def simulate_intersection(
    cone: cones.Cone, subspace_dim: int, trials: int = 1000, seed: int | np.random.Generator = 0
) -> Estimate:
    """Share of random subspaces that meet the cone in more than the origin.

    No intrinsic volume enters, so this checks the kinematic formula:

    - circular cones: the squared cosine of the angle between axis and subspace is a
      Beta(m/2, (D-m)/2) variable, drawn directly (millions a second);
    - cones over ellipsoids: a least-squares problem a trial, solved in batches;
    - ℓ1 descent cones: a linear programme a trial (basis pursuit);
    - polars: C° meets L just when C misses the orthogonal complement of L (almost surely);
    - all others: non-negative least squares against the polar cone's generators, or against
      cuts that projections onto the cone supply until a vector of the cone, or a proof
      that there is none, is found.

    Parameters
    ----------
    cone
        Any cone.
    subspace_dim
        m, from 0 to ``cone.dim``.
    trials
        Number of subspaces, at least 2.
    seed
        A whole number, or a generator to draw from.

    Returns
    -------
    Estimate
        The share, and its binomial standard error with half a success and half a failure
        added, so that it is not 0 after trials that all agree. It is 0 where the answer
        is certain: for subspaces, m = 0 and m = D.

    Raises
    ------
    PruneLimitError
        If an argument is out of range.

    Examples
    --------
    >>> cone = cones.CircularCone(10, 0.7)
    >>> estimate = simulate_intersection(cone, 5, trials=4000, seed=1)
    >>> abs(estimate.z_score(intersection_probability(cone, 5))) < 4
    True
    """
    index = check_integer(subspace_dim, "subspace_dim", 0, cone.dim)
    count = check_integer(trials, "trials", 2)
    generator = make_generator(seed)
    if cone._normals().shape[1] == cone.dim:
        return Estimate(0.0, 0.0)
    if cone.is_subspace or index in (0, cone.dim):
        lines = cone._lineality().shape[1]
        return Estimate(float(index == cone.dim or lines + index > cone.dim), 0.0)
    hits = _count_meetings(cone, index, count, generator)
    smoothed = (hits + 0.5) / (count + 1)
    return Estimate(hits / count, float(np.sqrt(smoothed * (1 - smoothed) / count)))


def _count_meetings(
    cone: cones.Cone, subspace_dim: int, trials: int, generator: np.random.Generator
) -> int:
    codim = cone.dim - subspace_dim
    if isinstance(cone, cones.PolarCone):
        return trials - _count_meetings(cone.original, codim, trials, generator)
    if isinstance(cone, cones.CircularCone):
        squared_cosines = generator.beta(subspace_dim / 2, codim / 2, trials)
        return int(np.sum(squared_cosines >= np.cos(cone.angle) ** 2))
    if isinstance(cone, cones.EllipsoidCone):
        return _count_ellipsoid_meetings(cone.slopes, subspace_dim, trials, generator)
    hits = 0
    for _ in track(range(trials), "subspaces"):
        if isinstance(cone, cones.L1DescentCone):
            hits += not recovers(generator.standard_normal((codim, cone.dim)), cone.sparsity)
        else:
            basis = generator.standard_normal((cone.dim, subspace_dim))
            hits += _meets(cone, np.linalg.qr(basis)[0], generator)
    return hits


def _count_ellipsoid_meetings(
    slopes: FloatArray, subspace_dim: int, trials: int, generator: np.random.Generator
) -> int:
    """Subspaces {Gy} with a y for which ``(g_1·y)² ≥ Σ slopes_i² (g_i·y)²``, G's rows g normal."""
    curved = slopes[slopes > 0]
    if subspace_dim > len(curved):  # flat directions alone suffice
        return trials
    if 2 * subspace_dim > len(slopes) + 1 and len(curved) == len(slopes):
        # The polar cone has inverse slopes and meets the smaller complement just when C misses L.
        codim = len(slopes) + 1 - subspace_dim
        return trials - _count_ellipsoid_meetings(1 / slopes, codim, trials, generator)
    batch = max(1, _BATCH_ENTRIES // (len(curved) * subspace_dim))
    hits = 0
    for start in range(0, trials, batch):
        size = min(batch, trials - start)
        axis = generator.standard_normal((size, subspace_dim, 1))
        sides = generator.standard_normal((size, len(curved), subspace_dim)) * curved[:, None]
        upper = np.linalg.qr(sides, mode="r")
        # The largest (g_1·y)²/‖Sy‖² is ‖R⁻ᵀ g_1‖², S = QR.
        best = np.linalg.solve(np.swapaxes(upper, 1, 2), axis)
        hits += int(np.sum(np.sum(best**2, axis=(1, 2)) >= 1))
    return hits


def _meets(cone: cones.Cone, basis: FloatArray, generator: np.random.Generator) -> bool:
    """Whether the span of `basis` (orthonormal columns in general position) meets the cone.

    Within the cone's span, either some y makes ``⟨By, q⟩ < 0`` for every q of the polar cone,
    or 0 is a convex combination of vectors Bᵀq. Non-negative least squares finds which,
    for the polar vectors collected so far; projecting By onto the cone either shows that
    it lies inside or adds the polar vector that it violates most.
    """
    basis = _within_span(cone, basis)
    free = cone.dim - cone._normals().shape[1] - cone._lineality().shape[1]
    if basis.shape[1] == 0 or basis.shape[1] > free:
        return basis.shape[1] > 0
    cuts = cone._polar_generators()
    complete = cuts is not None
    if cuts is None:
        cuts = _sampled_cuts(cone, generator)
    rows = _unit_rows(cuts @ basis)
    while len(rows) < _CUT_LIMIT:
        direction = _separating_direction(rows)
        if direction is None:
            return False
        if complete:
            return True
        point = basis @ direction
        violation = point - cone.project(point)
        if np.linalg.norm(violation) <= 1e-9 * np.linalg.norm(point):
            return True
        rows = np.vstack([rows, _unit_rows(violation[None] @ basis)])
    raise PruneLimitError(
        f"could not decide within {_CUT_LIMIT} cuts whether a subspace meets {cone!r}; "
        "try a smaller dimension"
    )


def _sampled_cuts(cone: cones.Cone, generator: np.random.Generator) -> FloatArray:
    """At least one vector of the polar cone inside the cone's span, rows ``(count, dim)``."""
    normals = cone._normals()
    while True:
        samples = generator.standard_normal((_FIRST_CUTS, cone.dim))
        samples -= samples @ normals @ normals.T
        cuts = samples - cone.project(samples)
        # What is left of a sample inside the cone is rounding error, not a polar vector.
        kept = np.linalg.norm(cuts, axis=1) > 1e-6 * np.linalg.norm(samples, axis=1)
        if kept.any():
            return cuts[kept]


def _within_span(cone: cones.Cone, basis: FloatArray) -> FloatArray:
    """Orthonormal basis of the part of the subspace inside the cone's span."""
    normals = cone._normals()
    if normals.shape[1] == 0:
        return basis
    _, _, right = np.linalg.svd(normals.T @ basis, full_matrices=True)
    return basis @ right[normals.shape[1] :].T


def _unit_rows(rows: FloatArray) -> FloatArray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1.0))[length[:, 0] > 0]


def _separating_direction(rows: FloatArray) -> FloatArray | None:
    """Find y with ``⟨row, y⟩ < 0`` for all unit rows, or None if 0 is in their convex hull.

    The residual of ``min ‖rowsᵀp‖² + (Σp - 1)², p ≥ 0`` is the direction (Wolfe's nearest point).
    """
    stacked = np.vstack([rows.T, np.ones(len(rows))])
    target = np.zeros(len(stacked))
    target[-1] = 1.0
    weights, residual = optimize.nnls(stacked, target, maxiter=50 * len(rows))
    return None if residual < 1e-7 else -(rows.T @ weights)
