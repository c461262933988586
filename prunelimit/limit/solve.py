r"""The pruning limit: how few weights a quadratic loss allows (chapters 4 and 6).

Every formula here reads a spectrum only through the effective dimension
N(σ) = Σ λ_i/(λ_i + σ), and every one of them becomes the same kind of equation
once k is written as k = N(σ):

    R(k)² · curvature(σ) = 2ε,

    paper             curvature(σ) = σ
    sharp             curvature(σ) = σ N(σ) / (D - N(σ))
    sharp_isotropic   curvature(σ) = σ N(σ) / D

Proposition (ours, exact). If R does not increase with k, the left side does not
decrease with σ, so its crossing of 2ε is unique unless both factors stand still.
Proof: N falls as σ grows, hence R(N(σ)) does not fall. The curvatures do not fall
either. The first is σ. As D - N = σ Σ 1/(λ_i + σ), the second is the mean of the λ_i
with weights p_i ∝ 1/(λ_i + σ). Its derivative is the covariance under p of λ_i and
-1/(λ_i + σ), two increasing functions of λ_i, hence not negative: the mean rises from
the harmonic to the arithmetic mean of the eigenvalues, and stands still only if
they are all equal. The third is Σ λ_i σ/(λ_i + σ) over D. ∎

In the unknown k the sharp equation k = N((2ε/R²)(D - k)/k) has more roots: k = D
always solves it when no eigenvalue is 0 (both sides are D), and k = 0 does so in
the limit. Neither says anything about the model. The solver looks for the crossing
in σ and so never meets them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from prunelimit.errors import PruneLimitError, require
from prunelimit.limit.distance import Distance, as_distance_function
from prunelimit.limit.measure import SpectralMeasure, spectral_measure

Formula = Literal["paper", "sharp", "sharp_isotropic"]
Orientation = Literal["orthogonal", "isotropic"]
Status = Literal["solved", "any", "none"]

_RESOLUTION = 1e-12  # k/D that counts as 0, and 1 - k/D that counts as 0
_LOG_TOLERANCE = 1e-12  # of log σ; |dk/dlog σ| <= D/4, so 1e-10 in k/D is safe
_LOG_RANGE = 690.0  # exp(690) is still a float
_FAR = 1e4  # stands for the logarithm of infinity


@dataclass(frozen=True)
class LimitSolution:
    """Where a limit's equation is met.

    Attributes
    ----------
    kept
        Number of weights k that the formula asks for, a real number in [0, dim].
    ridge
        The curvature scale σ with k = N(σ); infinite at k = 0 and 0 where k is the rank.
    distance
        R(k).
    status
        ``"solved"``: a crossing between the ends. ``"any"``: the loss budget is met
        at every k, so k = 0. ``"none"``: no k below D meets it, so k = D.
    dim
        Number of weights D.

    Examples
    --------
    >>> LimitSolution(kept=25.0, ridge=0.1, distance=1.0, status="solved", dim=100.0).sparsity
    0.75
    """

    kept: float
    ridge: float
    distance: float
    status: Status
    dim: float

    @property
    def pruning_ratio(self) -> float:
        """Fraction kept, k/D (the paper's rho)."""
        return self.kept / self.dim

    @property
    def sparsity(self) -> float:
        """Fraction removed, 1 - k/D."""
        return 1 - self.kept / self.dim


def effective_dimension(
    eigenvalues: ArrayLike, ridge: ArrayLike, weights: ArrayLike | None = None
) -> float | NDArray[np.float64]:
    """Effective dimension N(σ) = Σ λ_i/(λ_i + σ).

    Statisticians know it as the degrees of freedom of ridge regression.

    Parameters
    ----------
    eigenvalues
        Non-negative eigenvalues ``(dim,)``, or the nodes of a spectral density.
    ridge
        Curvature scale σ >= 0, a number or an array of any shape, in the units of the
        eigenvalues. At 0 the answer is the rank, at infinity 0.
    weights
        How many eigenvalues each node stands for (Ritz weights times D); their sum is D.

    Returns
    -------
    float or ndarray
        In the shape of `ridge`.

    Raises
    ------
    PruneLimitError
        For a negative or NaN ridge, and for eigenvalues that are empty, not finite or negative.

    Notes
    -----
    The functional behind Theorem 3.2 of Zhang et al. (2024): D minus the squared width of
    the ellipsoid with radii √(2ε/λ_i) at distance R is N(2ε/R²).

    Examples
    --------
    >>> effective_dimension([1.0, 1.0, 0.0], 1.0)
    1.0
    """
    measure = spectral_measure(eigenvalues, weights)
    ridges = np.asarray(ridge, dtype=np.float64)
    require(bool((ridges >= 0).all()), "ridge", ridge, "at least 0 and not NaN")
    values = np.array([measure.dimension(float(value)) for value in ridges.ravel()])
    return float(values[0]) if ridges.ndim == 0 else values.reshape(ridges.shape)


def paper_limit(
    eigenvalues: ArrayLike, distance: Distance, epsilon: float, weights: ArrayLike | None = None
) -> float:
    """The paper's limit: the k that solves k = N(2ε/R(k)²).

    Parameters
    ----------
    eigenvalues
        Non-negative eigenvalues of the Hessian, ``(dim,)``; any number of zeros.
    distance
        R = ‖w* - w^k‖, a number or a non-increasing function of real k.
    epsilon
        Loss that may be lost, in the units of the loss; 0 and infinity are allowed.
    weights
        How many eigenvalues each node stands for, if `eigenvalues` are nodes.

    Returns
    -------
    float
        Weights kept, k, to 1e-10 in k/D. At the edges: R = 0, epsilon infinite or no
        curvature give 0; epsilon = 0 gives the rank of the Hessian, or the smallest k
        with R(k) = 0 if that is less.

    Raises
    ------
    PruneLimitError
        For negative or non-finite input, with the remedy.

    Notes
    -----
    Zhang et al. (2024), Theorem 3.2, with the ellipsoid's width of Larsen et al.
    (2022): heuristic, because that width stands in for the cone's statistical
    dimension. Use `solve_limit` for the ridge and the status.

    Examples
    --------
    >>> round(paper_limit(1 / np.arange(1, 201), 3.0, 0.1), 1)
    75.9
    """
    return solve_measure(spectral_measure(eigenvalues, weights), distance, epsilon, "paper").kept


def sharp_limit(
    eigenvalues: ArrayLike,
    distance: Distance,
    epsilon: float,
    weights: ArrayLike | None = None,
    orientation: Orientation = "orthogonal",
) -> float:
    """The sharp threshold: the smallest k whose random subspace reaches the sublevel set.

    `orientation` ``"orthogonal"``: w* - w^k is orthogonal to the kept subspace, as under any mask;
    k = N((2ε/R²)(D - k)/k). ``"isotropic"``: it points anywhere; k = N(2εD/(R²k)). All else is as
    in `paper_limit`.

    Returns
    -------
    float
        Weights kept, k, to 1e-10 in k/D; 0 if every k will do (``R(0)² Tr H <= 2εD``)
        and D if no smaller one will. Other edges are as in `paper_limit`.

    Raises
    ------
    PruneLimitError
        For negative or non-finite input, with the remedy.

    Notes
    -----
    Ours, asymptotic: from a deterministic equivalent (LeJeune et al. 2022) for the
    model's own question. It equals the paper's limit at k = D/2 and is sparser beyond.

    Examples
    --------
    >>> round(sharp_limit(1 / np.arange(1, 201), 3.0, 0.1), 1)
    10.5
    """
    formula = formula_of(orientation)
    return solve_measure(spectral_measure(eigenvalues, weights), distance, epsilon, formula).kept


def solve_limit(
    effective_dimension: Callable[[float], float],
    distance: Distance,
    epsilon: float,
    dim: float,
    formula: Formula = "paper",
) -> LimitSolution:
    """Solve a limit's equation for a spectrum that is known only through N(σ).

    `effective_dimension` takes a ridge σ > 0 to N(σ), non-increasing, between 0 and `dim` = D; its
    lower (upper) bound gives a lower (upper) bound of k.

    Raises
    ------
    PruneLimitError
        For bad input, and if `effective_dimension` leaves [0, dim].

    Examples
    --------
    >>> solution = solve_limit(lambda ridge: 100 / (1 + ridge), 1.0, 0.5, dim=100)
    >>> round(solution.kept, 6), solution.status
    (50.0, 'solved')
    """
    require(0 < dim < math.inf, "dim", dim, "a positive number of weights")

    def dimension(ridge: float) -> float:
        value = float(effective_dimension(ridge))
        if not -1e-9 * dim <= value <= (1 + 1e-9) * dim:
            raise PruneLimitError(
                f"effective_dimension({ridge:g}) = {value:g} is outside 0 ... {dim:g}; "
                "is it scaled to the number of weights, and the spectrum non-negative?"
            )
        return min(max(value, 0.0), float(dim))

    return _Equation(
        dimension, lambda ridge: dim - dimension(ridge), float(dim), distance, epsilon, formula
    ).solve()


def sharpness_bound(trace: float, distance: Distance, epsilon: float, dim: float) -> float:
    """Bound on the paper's k/D from the trace alone: R² Tr H/(R² Tr H + 2εD).

    An upper bound on the fraction kept by `paper_limit`, in [0, 1]; where R is a function of k, the
    fixed point with R(k) in it.

    Raises
    ------
    PruneLimitError
        For bad input.

    Notes
    -----
    Lemma 3.5 of Zhang et al. (2024); exact for `paper_limit`: N is concave in the
    eigenvalues, so levelling them all to Tr H / D can only raise it, at every ridge.

    Examples
    --------
    >>> sharpness_bound(trace=100.0, distance=1.0, epsilon=0.5, dim=100)
    0.5
    """
    require(0 < dim < math.inf, "dim", dim, "a positive number of weights")
    if not (math.isfinite(trace) and trace >= 0):
        raise PruneLimitError(
            f"trace must be finite and at least 0; got {trace} "
            "(for an indefinite Hessian use the trace of |H|, of its positive part, or of the GGN)"
        )
    return paper_limit([trace / dim], distance, epsilon, weights=[dim]) / dim


@dataclass
class _Equation:
    """R(k)² · curvature(σ) = 2ε with k = N(σ) + shift, solved in log σ."""

    dimension: Callable[[float], float]
    codimension: Callable[[float], float]
    dim: float
    distance: Distance
    epsilon: float
    formula: Formula
    shift: float = 0.0

    def __post_init__(self) -> None:
        known = get_args(Formula)
        require(self.formula in known, "formula", self.formula, f"one of {', '.join(known)}")
        require(self.epsilon >= 0, "epsilon", self.epsilon, "a loss increase of at least 0")
        self.radius = as_distance_function(self.distance, self.dim)

    def solve(self) -> LimitSolution:
        if self.radius(0.0) == 0 or math.isinf(self.epsilon):
            return self._any()
        if self.epsilon == 0:
            return self._without_budget()
        start = math.log(2 * self.epsilon) - 2 * math.log(self.radius(0.0))
        bracket = self._bracket(min(max(start, -_LOG_RANGE), _LOG_RANGE))
        if isinstance(bracket, LimitSolution):
            return bracket
        log_ridge = brentq(self._excess, *bracket, xtol=_LOG_TOLERANCE, maxiter=500)
        return self._at(math.exp(log_ridge))

    def kept(self, ridge: float) -> float:
        return min(max(self.dimension(ridge) + self.shift, 0.0), self.dim)

    def _excess(self, log_ridge: float) -> float:
        """Log of R(k)² curvature/(2ε): positive where the budget is exceeded."""
        ridge = math.exp(log_ridge)
        number = self.dimension(ridge)
        radius = self.radius(min(max(number + self.shift, 0.0), self.dim))
        if radius == 0:
            return -_FAR
        return (
            log_ridge
            + self._log_odds(number, ridge)
            + 2 * math.log(radius)
            - math.log(2 * self.epsilon)
        )

    def _log_odds(self, number: float, ridge: float) -> float:
        """Log of curvature/σ."""
        if self.formula == "paper":
            return 0.0
        others = self.dim if self.formula == "sharp_isotropic" else self.codimension(ridge)
        if number == 0 or others == 0:
            return -_FAR if number == 0 else _FAR
        return math.log(number) - math.log(others)

    def _bracket(self, start: float) -> tuple[float, float] | LimitSolution:
        """Walk from `start` in growing steps to where the budget's sign changes."""
        upwards = self._excess(start) <= 0
        near, step = start, 1.0
        while True:
            far = near + step if upwards else near - step
            if self._is_end(math.exp(near), upwards):
                return self._any() if upwards else self._none()
            if abs(far) > _LOG_RANGE:  # the budget is out of a float's range
                return self._any() if upwards else self._without_budget()
            excess = self._excess(far)
            # Rounding on a plateau (equal eigenvalues) must not pass for a crossing.
            if upwards and excess > 1e-13:
                return near, far
            if not upwards and excess <= 0:
                return far, near
            near, step = far, 2 * step

    def _is_end(self, ridge: float, upwards: bool) -> bool:
        if self.formula == "paper":  # its curvature, σ itself, has no end
            return False
        remaining = self.dimension(ridge) if upwards else self.codimension(ridge)
        return remaining <= _RESOLUTION * self.dim

    def _without_budget(self) -> LimitSolution:
        """With epsilon = 0: the rank of H, or the smallest k with R(k) = 0 if that is less."""
        rank = self.kept(math.exp(-_LOG_RANGE))
        if self.radius(rank) > 0:
            kept = rank
        else:
            missed, met = 0.0, rank  # R(0) > 0 = R(rank)
            while met - missed > _RESOLUTION * self.dim:
                middle = (missed + met) / 2
                missed, met = (missed, middle) if self.radius(middle) == 0 else (middle, met)
            kept = met
        if kept >= (1 - _RESOLUTION) * self.dim:
            return self._none()
        return LimitSolution(kept, 0.0, self.radius(kept), "solved" if kept else "any", self.dim)

    def _at(self, ridge: float) -> LimitSolution:
        kept = self.kept(ridge)
        if kept == 0:
            return self._any()
        if kept == self.dim:
            return self._none()
        return LimitSolution(kept, ridge, self.radius(kept), "solved", self.dim)

    def _any(self) -> LimitSolution:
        return LimitSolution(0.0, math.inf, self.radius(0.0), "any", self.dim)

    def _none(self) -> LimitSolution:
        return LimitSolution(self.dim, 0.0, self.radius(self.dim), "none", self.dim)


def solve_measure(
    measure: SpectralMeasure,
    distance: Distance,
    epsilon: float,
    formula: Formula,
    shift: float = 0.0,
) -> LimitSolution:
    """Solve a limit's equation for a spectrum, with `shift` added to k."""
    return _Equation(
        measure.dimension, measure.codimension, measure.dim, distance, epsilon, formula, shift
    ).solve()


def formula_of(orientation: Orientation) -> Formula:
    """The formula for an orientation of w* - w^k.

    Raises
    ------
    PruneLimitError
        If `orientation` is neither orthogonal nor isotropic.
    """
    if orientation == "orthogonal":
        return "sharp"
    if orientation == "isotropic":
        return "sharp_isotropic"
    raise PruneLimitError(f"orientation must be orthogonal or isotropic; got {orientation!r}")
