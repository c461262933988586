"""Two-sided quadrature from a Krylov space, for every ridge at once (no torch in here).

The state of a Krylov space of a symmetric matrix A is C with A V = U C, V the
first P columns of U (`prunelimit.spectrum.krylov`), hence T = V^T A V is the
top of C and V^T A^2 V = C^T C. Let z = V a.

*Positive semi-definite A* (exact). (x + s)^-1 is operator convex, hence
z^T (A + s)^-1 z >= a^T (T + s)^-1 a; and the continuation T^ of T by the block
that gives the eigenvalue 0 once for every pending vector (block Gauss-Radau,
Golub and Meurant 2010, section 6.7) bounds it from above. For one start vector
these are Gauss and Gauss-Radau quadrature.

*Indefinite A* (exact; the use made of it is this project's). Let q_i, s_i be
the right singular vectors and singular values of C, alpha_i = q_i^T a and
tau_i = q_i^T T a. For every t > 0 the same convexity, applied to A^2, gives

    z^T (A^2 + t)^-1 z >= sum alpha_i^2 / (s_i^2 + t),
    z^T A (A^2 + t)^-1 A z >= sum tau_i^2 / (s_i^2 + t),

and the two add up, the first times t, to z^T z. Since 1/(sqrt(x) + s) is a
Stieltjes function, a mixture of 1/(x + t), both carry over to the ridge
functional of |A|:

    sum tau_i^2 / (s_i (s_i + s))  <=  z^T |A| (|A| + s)^-1 z
                                   <=  sum alpha_i^2 s_i / (s_i + s),

and, by Cauchy-Schwarz for the error of the bilinear form between z and A z,
to z^T A (|A| + s)^-1 z, half of whose sum with the line above is the
functional of the positive part of A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CONVERGED = 0.02
"""Largest sine of the angle between a Ritz vector and its eigenvector that counts as found."""

MIN_PROBES_TO_DEFLATE = 3


def ritz_pairs(coefficients: Array) -> tuple[Array, Array, Array]:
    """Ritz values, coordinates and residual norms from C: those of T, with those of A - theirs.

    Examples
    --------
    >>> values, _, residuals = ritz_pairs(np.array([[2.0], [1.0]]))
    >>> values.tolist(), residuals.tolist()
    ([2.0], [1.0])
    """
    size = coefficients.shape[1]
    square = coefficients[:size]
    values, vectors = np.linalg.eigh((square + square.T) / 2)
    residuals = np.linalg.norm(coefficients[size:] @ vectors, axis=0)
    return values, vectors, residuals


@dataclass(frozen=True)
class Vectors:
    """What the trace is made of, as coordinates in the Krylov space.

    Attributes
    ----------
    fixed
        ``(P, q)``: converged Ritz vectors, each of which counts once.
    random
        ``(P, p)``: the probes without their part along `fixed`, scaled so that
        the squares add up to the remaining dimensions.
    """

    fixed: Array
    random: Array


def deflate(coefficients: Array, starts: Array, dim: int) -> Vectors:
    """Split the trace into found eigenvectors, known exactly, and probes for the rest.

    A found eigenvector has weight 1 in the trace; a probe only knows it as the
    square of a random number. With several probes, the Ritz vectors of largest
    curvature are set apart for as long as they have converged and look simple:
    a group of equal eigenvalues as large as the number of probes may be
    incomplete, and betrays itself by too large a weight.

    The arguments are `KrylovSpace.coefficients`, `KrylovSpace.start_coordinates`, and the dimension
    that the probes sample.

    Examples
    --------
    >>> vectors = deflate(np.array([[2.0], [1.0]]), np.array([[2.0]]), dim=4)
    >>> vectors.fixed.shape, float((vectors.random**2).sum())
    ((1, 0), 4.0)
    """
    values, basis, residuals = ritz_pairs(coefficients)
    inside = basis.T @ starts
    probes = starts.shape[1]
    chosen = _found(values, residuals, (inside**2).mean(axis=1), probes, dim)
    rest = inside.copy()
    rest[chosen] = 0.0
    squares = (rest**2).sum(axis=0)
    keep = squares > 0
    count = max(1, int(keep.sum()))
    scale = np.sqrt((dim - len(chosen)) / (count * np.where(keep, squares, 1.0)))
    return Vectors(basis[:, chosen], basis @ (rest * scale)[:, keep])


def _found(values: Array, residuals: Array, weights: Array, probes: int, dim: int) -> list[int]:
    """Indices of converged, simple Ritz pairs, from the largest |value| down to the first doubt."""
    if probes < MIN_PROBES_TO_DEFLATE:
        return []
    chosen: list[int] = []
    heaviest = 1.0 + 6.0 * np.sqrt(2.0 / probes)
    for index in np.argsort(-np.abs(values)):
        distance = np.abs(values - values[index])
        near = distance <= max(residuals[index], 1e-5 * abs(values[index]))
        gap = distance[~near].min(initial=np.inf)
        doubtful = (
            residuals[index] > CONVERGED * gap
            or near.sum() >= probes
            or weights[index] > heaviest
            or len(chosen) >= dim // 2
        )
        if doubtful or not np.isfinite(gap):
            break
        chosen.append(int(index))
    return chosen


@dataclass(frozen=True)
class Rule:
    """Curvatures, the dimensions at each, and the part of these that comes from probes."""

    nodes: tuple[float, ...]
    weights: tuple[float, ...]
    random: tuple[float, ...]

    def with_zeros(self, count: int) -> Rule:
        """The rule with `count` further dimensions known to have curvature 0."""
        if count == 0:
            return self
        return Rule((*self.nodes, 0.0), (*self.weights, float(count)), (*self.random, 0.0))


def _rule(nodes: Array, fixed: Array, random: Array) -> Rule:
    drawn = (random**2).sum(axis=1)
    return Rule(_floats(nodes), _floats(drawn + (fixed**2).sum(axis=1)), _floats(drawn))


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def gauss_rule(coefficients: Array, vectors: Vectors) -> Rule:
    """Block Gauss rule: Ritz values and squared coordinates.

    Examples
    --------
    >>> vectors = Vectors(np.zeros((1, 0)), np.array([[2.0]]))
    >>> gauss_rule(np.array([[3.0], [1.0]]), vectors)
    Rule(nodes=(3.0,), weights=(4.0,), random=(4.0,))
    """
    values, basis, _ = ritz_pairs(coefficients)
    return _rule(values, basis.T @ vectors.fixed, basis.T @ vectors.random)


def radau_rule(coefficients: Array, vectors: Vectors, rounding: float) -> Rule:
    """Block Gauss-Radau rule with a node at the lower end of a positive semi-definite spectrum.

    The node stands at 0 up to `rounding` (relative to the largest curvature),
    or as far below as rounding has moved the lowest Ritz value.

    Examples
    --------
    >>> vectors = Vectors(np.zeros((1, 0)), np.array([[1.0]]))
    >>> rule = radau_rule(np.array([[1.0], [1.0]]), vectors, rounding=0.0)
    >>> np.round(rule.nodes, 12).tolist(), np.round(rule.weights, 12).tolist()
    ([0.0, 2.0], [0.5, 0.5])
    """
    size = coefficients.shape[1]
    values, basis, _ = ritz_pairs(coefficients)
    coupling = coefficients[size:]
    noise = rounding * float(np.abs(values).max(initial=0.0))
    node = min(0.0, float(values[0])) - noise
    across = coupling @ basis
    gaps = values - node  # 0 in the zero matrix only, which couples to nothing
    corner = node * np.eye(len(coupling)) + (across / np.where(gaps > 0, gaps, 1.0)) @ across.T
    inner = basis @ (values[:, None] * basis.T)
    extended = np.block([[inner, coupling.T], [coupling, corner]])
    nodes, frame = np.linalg.eigh((extended + extended.T) / 2)
    frame = frame[:size].T
    return _rule(nodes, frame @ vectors.fixed, frame @ vectors.random)


@dataclass(frozen=True)
class FoldedRule:
    """The weights of the bracket for |A| and the positive part of A; see the module's text.

    Attributes
    ----------
    nodes
        Singular values s_i of C, ``(P,)``.
    flat, mixed, curved
        Sums over the vectors of alpha_i^2, alpha_i tau_i and tau_i^2, ``(P,)`` each.
    """

    nodes: tuple[float, ...]
    flat: tuple[float, ...]
    mixed: tuple[float, ...]
    curved: tuple[float, ...]


def folded_rule(coefficients: Array, vectors: Vectors) -> FoldedRule:
    """Singular values of C with the weights of the bracket for indefinite matrices.

    Examples
    --------
    >>> vectors = Vectors(np.zeros((1, 0)), np.array([[1.0]]))
    >>> folded_rule(np.array([[-3.0], [4.0]]), vectors)
    FoldedRule(nodes=(5.0,), flat=(1.0,), mixed=(-3.0,), curved=(9.0,))
    """
    size = coefficients.shape[1]
    square = (coefficients[:size] + coefficients[:size].T) / 2
    _, nodes, frame = np.linalg.svd(coefficients, full_matrices=False)
    both = np.hstack([vectors.fixed, vectors.random])
    alpha, tau = frame @ both, frame @ (square @ both)
    sums = [
        (left * right).sum(axis=1) for left, right in ((alpha, alpha), (alpha, tau), (tau, tau))
    ]
    return FoldedRule(_floats(nodes), *map(_floats, sums))


def absolute_bracket(rule: FoldedRule, ridge: float) -> tuple[float, float]:
    """Lower and upper bound of the trace of |A| (|A| + ridge)^-1 over the rule's vectors.

    Examples
    --------
    >>> rule = FoldedRule(nodes=(2.0,), flat=(1.0,), mixed=(-2.0,), curved=(4.0,))
    >>> [round(end, 12) for end in absolute_bracket(rule, 2.0)]
    [0.5, 0.5]
    """
    nodes, flat, curved = (np.asarray(x) for x in (rule.nodes, rule.flat, rule.curved))
    safe = np.maximum(nodes, np.finfo(float).tiny)
    total = np.where(nodes > 0, curved / safe, 0.0) / (nodes + ridge)
    return float(total.sum()), float(flat @ (nodes / (nodes + ridge)))


def clipped_bracket(rule: FoldedRule, ridge: float) -> tuple[float, float]:
    """Lower and upper bound of the trace of A_+ (A_+ + ridge)^-1, A_+ the positive part.

    Examples
    --------
    >>> rule = FoldedRule(nodes=(2.0,), flat=(1.0,), mixed=(-2.0,), curved=(4.0,))
    >>> [round(end, 12) + 0.0 for end in clipped_bracket(rule, 2.0)]
    [0.0, 0.0]
    """
    lower, upper = absolute_bracket(rule, ridge)
    nodes, flat, mixed, curved = map(np.asarray, (rule.nodes, rule.flat, rule.mixed, rule.curved))
    signed = float((mixed / (nodes + ridge)).sum())
    still = max(upper - lower, 0.0) / ridge
    moved = max(float(((flat * nodes**2 - curved) / (nodes + ridge)).sum()), 0.0)
    error = 0.5 * math.sqrt(still * moved)
    return (lower + signed - error) / 2, (upper + signed + error) / 2
