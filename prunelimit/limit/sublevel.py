r"""Loss sublevel sets: the ellipsoid {w : ½(w - w*)ᵀH(w - w*) ≤ ε} (chapter 4).

Its radii, its width as seen from the pruned network, and the pruning model asked
exactly: does a random k-dimensional subspace through w^k meet it? The answer is
simulated from the least loss on the subspace, which is a least-squares problem.

The Hessian is diagonal here without loss of generality, since the subspaces (and
the direction x = w* - w^k) are drawn from a rotation-invariant law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, stats

from prunelimit.errors import PruneLimitError, require
from prunelimit.estimates import Estimate, Interval
from prunelimit.geometry.cones import EllipsoidCone, estimate_statistical_dimension
from prunelimit.limit.distance import Distance, as_distance_function
from prunelimit.limit.measure import spectral_measure
from prunelimit.limit.solve import Orientation, formula_of
from prunelimit.progress import track

__all__ = [
    "LossCurves",
    "cone_statistical_dimension",
    "contact_points",
    "ellipsoid_radii",
    "ellipsoid_width",
    "simulate_loss_curves",
]


def ellipsoid_radii(eigenvalues: ArrayLike, epsilon: float) -> NDArray[np.float64]:
    """Radii r_i = √(2ε/λ_i) of the sublevel set along the Hessian's axes.

    Parameters
    ----------
    eigenvalues
        Non-negative eigenvalues of the Hessian, ``(dim,)``.
    epsilon
        Loss that may be lost, positive.

    Returns
    -------
    ndarray
        ``(dim,)``, in the units of the weights; infinite along flat directions.

    Raises
    ------
    PruneLimitError
        For a non-positive epsilon or bad eigenvalues.

    Examples
    --------
    >>> ellipsoid_radii([2.0, 0.5, 0.0], epsilon=1.0)
    array([ 1.,  2., inf])
    """
    spectral_measure(eigenvalues)
    require(0 < epsilon < math.inf, "epsilon", epsilon, "positive and finite")
    values = np.maximum(np.asarray(eigenvalues, dtype=np.float64), 0.0)
    with np.errstate(divide="ignore"):
        return np.sqrt(2 * epsilon / values)


def ellipsoid_width(
    eigenvalues: ArrayLike, distance: float, epsilon: float, weights: ArrayLike | None = None
) -> float:
    """Squared width of the sublevel set seen from distance R: Σ r_i²/(R² + r_i²).

    Parameters
    ----------
    eigenvalues
        Non-negative eigenvalues of the Hessian, ``(dim,)``.
    distance
        R > 0, how far the viewer stands from the centre.
    epsilon
        Loss that may be lost, positive.
    weights
        How many eigenvalues each node stands for, if `eigenvalues` are nodes.

    Returns
    -------
    float
        Between 0 and D. Each axis adds the squared sine of the angle it subtends, tan = r_i/R;
        a flat direction adds 1.

    Raises
    ------
    PruneLimitError
        For bad input.

    Notes
    -----
    Larsen et al. (2022), and Zhang et al. (2024) after them. Heuristic as an estimate of the
    statistical dimension of the cone over the ellipsoid: `cone_statistical_dimension` measures it.

    Examples
    --------
    >>> ellipsoid_width([2.0, 2.0, 0.0], distance=1.0, epsilon=1.0)
    2.0
    """
    require(0 < distance < math.inf, "distance", distance, "positive and finite")
    require(0 < epsilon < math.inf, "epsilon", epsilon, "positive and finite")
    return spectral_measure(eigenvalues, weights).codimension(2 * epsilon / distance**2)


def contact_points(radii: ArrayLike, centre: ArrayLike) -> NDArray[np.float64]:
    """Where the lines of sight from the origin touch an ellipsoid: two points, or a closed curve.

    Parameters
    ----------
    radii
        Finite semi-axes ``(dim,)``, dim 2 or 3.
    centre
        The ellipsoid's centre ``(dim,)``; the origin must be outside.

    Returns
    -------
    ndarray
        ``(2, 2)`` or ``(120, 3)``; the last point of the curve is its first.

    Raises
    ------
    PruneLimitError
        In other dimensions, and if the origin is not outside.

    Notes
    -----
    Exact. Divided by the radii, the ellipsoid is a unit ball seen from distance ρ; its points
    of contact lie at height 1/ρ towards the viewer, on a sphere of radius √(1 - 1/ρ²).

    Examples
    --------
    >>> contact_points([1.0, 1.0], [np.sqrt(2), 0.0]).round(6) + 0.0
    array([[ 0.707107,  0.707107],
           [ 0.707107, -0.707107]])
    """
    axes, middle = np.asarray(radii, dtype=np.float64), np.asarray(centre, dtype=np.float64)
    if axes.shape != middle.shape or axes.shape not in ((2,), (3,)):
        raise PruneLimitError(
            f"pictures have 2 or 3 dimensions; got radii {axes.shape} and centre {middle.shape}"
        )
    white = middle / axes
    rho = float(np.linalg.norm(white))
    if not (np.isfinite(axes).all() and (axes > 0).all() and rho > 1):
        raise PruneLimitError(
            "radii must be positive and finite, and the origin outside the ellipsoid; "
            f"got radii {axes} and centre {middle}"
        )
    # Columns 1, 2 of the full basis are orthogonal to the line of sight.
    sideways = np.linalg.svd(white[None, :])[2][1:]
    if axes.size == 2:
        circle = np.array([1.0, -1.0])[:, None] * sideways
    else:
        turn = np.linspace(0, 2 * np.pi, 120)[:, None]
        circle = np.cos(turn) * sideways[0] + np.sin(turn) * sideways[1]
    return axes * (white * (1 - 1 / rho**2) + math.sqrt(1 - 1 / rho**2) * circle)


def cone_statistical_dimension(
    eigenvalues: ArrayLike,
    distance: float,
    epsilon: float,
    viewpoints: int = 8,
    samples: int = 200,
    seed: int | np.random.Generator = 0,
) -> Estimate:
    """Statistical dimension of the cone over the sublevel set, seen from random directions.

    Parameters
    ----------
    eigenvalues
        Non-negative eigenvalues of the Hessian, ``(dim,)``; dim up to about a thousand (one
        dense eigenvalue problem a viewpoint).
    distance
        R > 0, how far the viewer stands from the centre.
    epsilon
        Loss that may be lost, positive.
    viewpoints
        Number of uniformly random directions, at least 2; the standard error is taken
        between them, since the cone depends on where it is seen from.
    samples
        Gaussian vectors projected for each.
    seed
        Integer or generator.

    Returns
    -------
    Estimate
        Between 0 and D; a viewer inside the set sees the whole space, D.

    Raises
    ------
    PruneLimitError
        For bad input.

    Notes
    -----
    Exact up to the Monte-Carlo error: δ = E‖Π_C g‖² by projection on `cones.EllipsoidCone`.

    Examples
    --------
    >>> ball = cone_statistical_dimension(np.full(40, 2.0), 2.0, 1.0, seed=1)
    >>> abs(ball.z_score(10.5)) < 4  # a ball seen under sin α = 1/2: D sin²α + cos(2α)
    True
    """
    ellipsoid_width(eigenvalues, distance, epsilon)  # refuses bad input
    require(viewpoints >= 2, "viewpoints", viewpoints, "at least 2, for a standard error")
    values = np.maximum(np.asarray(eigenvalues, dtype=np.float64), 0.0)
    generator = np.random.default_rng(seed)
    seen = []
    for _ in track(range(viewpoints), "looking at the ellipsoid"):
        centre = generator.standard_normal(values.size)
        centre *= distance / np.linalg.norm(centre)
        if 0.5 * values @ centre**2 <= epsilon:
            seen.append(float(values.size))
            continue
        cone = EllipsoidCone(ellipsoid_radii(values, epsilon), centre)
        seen.append(estimate_statistical_dimension(cone, samples, generator).value)
    return Estimate(float(np.mean(seen)), float(np.std(seen, ddof=1) / math.sqrt(viewpoints)))


@dataclass(frozen=True, eq=False)
class LossCurves:
    """Least loss on nested random subspaces, one row a draw, at distance 1.

    The subspaces of one draw are nested, so each row falls with k. The loss is
    quadratic: at distance R it is R² times as much.

    Attributes
    ----------
    unit
        Array ``(trials, dim + 1)``: entry (j, k) is the least loss of draw j on k dimensions.

    Examples
    --------
    >>> curves = simulate_loss_curves([2.0, 2.0, 2.0], trials=5, seed=0)
    >>> round(curves.at(0, distance=3.0).value, 12)
    9.0
    """

    unit: NDArray[np.float64]

    @property
    def dim(self) -> int:
        """Number of weights D."""
        return self.unit.shape[1] - 1

    def at(self, kept: int, distance: Distance = 1.0) -> Estimate:
        """Mean least loss on `kept` dimensions at distance R."""
        factor = as_distance_function(distance, self.dim)(kept) ** 2
        losses = factor * self.unit[:, kept]
        return Estimate(float(losses.mean()), float(losses.std(ddof=1) / math.sqrt(losses.size)))

    def meeting(self, epsilon: float, distance: Distance = 1.0) -> NDArray[np.float64]:
        """Fraction of draws that meet the sublevel set, for k = 0 ... D: ``(dim + 1,)``."""
        return self._meets(epsilon, distance).mean(axis=0)

    def threshold(
        self, epsilon: float, distance: Distance = 1.0, coverage: float = 0.95
    ) -> Interval:
        """Smallest k at which half of the subspaces meet the set, with a confidence interval.

        Each draw has a smallest k of its own; the value is their (lower) median, and the
        ends are order statistics that enclose the median of the law with probability
        `coverage`. Ends are exact for any law (binomial), no normality needed.

        Raises
        ------
        PruneLimitError
            For a negative epsilon.
        """
        require(epsilon >= 0, "epsilon", epsilon, "a loss increase of at least 0")
        smallest = np.sort(self._meets(epsilon, distance).argmax(axis=1))
        trials = smallest.size
        below = int(stats.binom.ppf((1 - coverage) / 2, trials, 0.5))
        lower = smallest[max(below - 1, 0)]
        upper = smallest[min(trials - below, trials - 1)]
        return Interval(float(lower), float(smallest[(trials - 1) // 2]), float(upper))

    def _meets(self, epsilon: float, distance: Distance) -> NDArray[np.bool_]:
        radius = as_distance_function(distance, self.dim)
        factors = np.array([radius(float(kept)) ** 2 for kept in range(self.dim + 1)])
        return self.unit * factors <= epsilon


def simulate_loss_curves(
    eigenvalues: ArrayLike,
    trials: int = 100,
    seed: int | np.random.Generator = 0,
    orientation: Orientation = "orthogonal",
    largest_kept: int | None = None,
) -> LossCurves:
    """Draw random subspaces and measure the least loss on them, for every k at once.

    Parameters
    ----------
    eigenvalues
        Non-negative eigenvalues ``(dim,)``, any number of zeros; dim up to a few thousand
        (one QR factorisation a draw, cost rank · largest_kept²).
    trials
        Number of draws, at least 2.
    seed
        Integer or generator.
    orientation
        ``"orthogonal"``: x = w* - w^k is orthogonal to the subspace, as under a mask;
        ``"isotropic"``: it points anywhere.
    largest_kept
        Simulate up to this k only (beyond it the curve is NaN, up to the rank).

    Returns
    -------
    LossCurves
        At distance 1.

    Raises
    ------
    PruneLimitError
        For bad input.

    Notes
    -----
    With V a basis of the subspace the least loss is half the squared residual of √H x
    regressed on √H V. It equals ½ aᵀ(AᵀH⁻¹A)⁻¹a for an orthonormal basis A of the complement
    and a = Aᵀx, and needs no inverse of H. Columns join one by
    one in a QR factorisation, so one factorisation serves every k.

    Examples
    --------
    >>> simulate_loss_curves([4.0, 1.0, 0.0], trials=2, seed=0).unit.shape
    (2, 4)
    """
    measure = spectral_measure(eigenvalues)
    require(trials >= 2, "trials", trials, "at least 2, for a standard error")
    formula_of(orientation)  # refuses what is none
    dim = int(measure.dim)
    largest = dim if largest_kept is None else largest_kept
    if not 0 <= largest <= dim:
        raise PruneLimitError(f"largest_kept = {largest} is outside 0 ... {dim}")
    generator = np.random.default_rng(seed)
    roots = np.sqrt(np.sort(measure.nodes)[::-1])  # large rows first: QR is then row-wise stable
    rows = [
        _draw(roots, dim, largest, orientation == "orthogonal", generator)
        for _ in track(range(trials), "drawing subspaces")
    ]
    return LossCurves(np.stack(rows))


def _draw(
    roots: NDArray[np.float64],
    dim: int,
    largest_kept: int,
    orthogonal: bool,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Least loss at distance 1 on one draw of nested subspaces, k = 0 ... dim."""
    rank = roots.size
    # The complement of x has dim - 1 dimensions, hence no more columns.
    columns = min(largest_kept, rank, dim - 1 if orthogonal else dim)
    direction = generator.standard_normal(dim)
    direction /= np.linalg.norm(direction)
    basis = generator.standard_normal((rank, columns))
    if orthogonal:
        # Only rows with curvature are kept; the flat rows enter through one Gaussian each.
        along = direction[:rank] @ basis
        along += np.linalg.norm(direction[rank:]) * generator.standard_normal(columns)
        basis -= np.outer(direction[:rank], along)
    target = roots * direction[:rank]
    q = linalg.qr(roots[:, None] * basis, mode="economic", check_finite=False)[0]
    share = q.T @ target
    rest = 0.0 if columns == rank else float(np.square(target - q @ share).sum())
    curve = np.full(dim + 1, np.nan)
    curve[: columns + 1] = 0.5 * (rest + np.append(np.cumsum(np.square(share)[::-1])[::-1], 0.0))
    curve[rank:] = 0.0  # L and the flat directions together then fill the space
    return curve
