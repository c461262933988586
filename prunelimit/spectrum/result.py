"""What a curvature run knows, and what follows from it for every ridge at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from prunelimit.errors import PruneLimitError, require, require_all
from prunelimit.estimates import Estimate, Interval
from prunelimit.names import require_known
from prunelimit.spectrum.bracket import (
    Array,
    FoldedRule,
    Rule,
    absolute_bracket,
    clipped_bracket,
)

POLICIES = {"ggn": "ggn", "abs": "hessian", "clip": "hessian"}
"""Policy to the curvature it needs. "ggn": the Gauss-Newton matrix, positive
semi-definite for a loss that is convex in the outputs; "abs": |H| (the paper's);
"clip": negative curvature counts as flat."""


def require_policy(policy: object) -> None:
    """Refuse a policy that is none of `POLICIES`.

    Raises
    ------
    PruneLimitError
        If it is unknown.
    """
    require_known("policy", policy, POLICIES)


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of a curvature matrix as far as it is known.

    Either all eigenvalues (`eigenvalues` is set), or the quadrature rules of a
    Krylov space grown from random probes on the sphere.

    Attributes
    ----------
    dim
        Dimension D.
    policy
        "ggn", "abs" or "clip" (see `POLICIES`).
    eigenvalues
        All D signed eigenvalues, ascending, or None.
    gauss
        Ritz values, signed, with their weights in dimensions.
    outer
        For "ggn" the Gauss-Radau rule, which bounds from the other side.
    folded
        For "abs" and "clip" the rule of their bracket.
    probes
        Number of random probes p.
    products
        Matrix-vector products with the full data that the rules rest on.
    rounding
        Relative accuracy of a product; eigenvalues are known to about this
        times the largest.
    examples, outputs, loss
        Of the data: number N, outputs per example C, mean loss.
    confidence
        Two-sided, for the error of the probes; 0 leaves the quadrature's bracket alone.
    notes
        Warnings, in words.
    """

    dim: int
    policy: str
    eigenvalues: tuple[float, ...] | None = None
    gauss: Rule | None = None
    outer: Rule | None = None
    folded: FoldedRule | None = None
    probes: int = 0
    products: float = 0.0
    rounding: float = 1e-7
    examples: int | None = None
    outputs: int | None = None
    loss: float | None = None
    confidence: float = 0.99
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_policy(self.policy)
        other = self.outer if self.policy == "ggn" else self.folded
        if self.eigenvalues is None and (self.gauss is None or other is None or self.probes < 1):
            raise PruneLimitError(
                "a spectrum needs all eigenvalues, or the quadrature rules of at least one probe"
            )

    @property
    def exact(self) -> bool:
        """Whether every eigenvalue is known."""
        return self.eigenvalues is not None

    @property
    def rank_cap(self) -> int:
        """Largest rank that the data allow a Gauss-Newton matrix, N C; D where unknown."""
        if self.policy != "ggn" or self.examples is None or self.outputs is None:
            return self.dim
        return min(self.dim, self.examples * self.outputs)

    # ------------------------------------------------------------- functionals
    def effective_dimension(self, ridge: float) -> Interval:
        """N_eff(ridge) = Tr A (A + ridge I)^-1 for the policy's matrix A, with its bracket.

        The ends bound quadratic forms by theorem (see `quadrature_bracket`;
        exact), widened by the probes' error. A probe on the sphere finds the mean of
        f(lambda) over the spectrum with variance 2 Var f(lambda) / (D + 2) (exact),
        whatever the eigenvectors. Var f is estimated by the quadrature itself, and
        normal quantiles are taken (asymptotic in D); for few dimensions a term
        q² / (D p) is added, as in Wilson's interval (heuristic; the tests count).

        Parameters
        ----------
        ridge
            Positive, in units of curvature.

        Returns
        -------
        Interval
            In dimensions, between 0 and D.

        Raises
        ------
        PruneLimitError
            If `ridge` is not positive and finite.

        Examples
        --------
        >>> Spectrum(dim=2, policy="ggn", eigenvalues=(1.0, 3.0)).effective_dimension(1.0).value
        1.25
        """
        require(0 < ridge < math.inf, "ridge", ridge, "a positive, finite curvature")
        if self.eigenvalues is not None:
            return self._exact_effective_dimension(ridge)
        lower, upper = self._bracket(ridge)
        below, above = self._probe_error(ridge, lower, upper)
        value = (lower + upper) / 2
        assert self.gauss is not None
        rounding = self._rounding_error(ridge, max(map(abs, self.gauss.nodes)), upper)
        return Interval(
            max(0.0, lower - below - rounding),
            min(max(value, 0.0), self.rank_cap),
            min(upper + above + rounding, self.rank_cap),
        )

    def quadrature_bracket(self, ridge: float) -> Interval:
        """The certified bracket of the quadratic forms that stand for the trace.

        These are q^T f(A) q of each Ritz vector q that was set apart as found, once
        each, and the mean of z^T f(A) z over what is left of the probes z, scaled to
        the other dimensions (see `prunelimit.spectrum.bracket.deflate`; exact).
        Their own random error is not in it: it does not bound the trace.

        Examples
        --------
        >>> spectrum = Spectrum(dim=2, policy="ggn", eigenvalues=(1.0, 3.0))
        >>> spectrum.quadrature_bracket(1.0).value
        1.25
        """
        return replace(self, confidence=0.0).effective_dimension(ridge)

    def _exact_effective_dimension(self, ridge: float) -> Interval:
        values = self._apply_policy(np.asarray(self.eigenvalues))
        terms = values / (values + ridge)
        total = float(terms.sum())
        error = self._rounding_error(ridge, float(values.max(initial=0.0)), total)
        return Interval(max(0.0, total - error), total, min(float(self.rank_cap), total + error))

    def _rounding_error(self, ridge: float, largest: float, kept: float) -> float:
        """What rounding in the products may do, in dimensions (heuristic).

        Curvatures are known to about `rounding` times the largest. Moved at random
        by that much, N_eff moves by D times their ratio to the ridge at worst, of
        which a twentieth is allowed. All curvatures may be off by a common factor,
        too. The tests hold float32 against float64.
        """
        absolute = self.dim * min(1.0, 1e-9 + 0.05 * self.rounding * largest / ridge)
        return absolute + 100 * self.rounding * kept

    def _bracket(self, ridge: float) -> tuple[float, float]:
        """Bounds of the probes' quadratic forms, in dimensions."""
        if self.policy == "ggn":
            assert self.gauss is not None and self.outer is not None
            lower = max(_kept(self.outer, r) for r in self._ridges_above_rounding(ridge))
            above_0 = tuple(max(node, 0.0) for node in self.gauss.nodes)
            upper = _kept(replace(self.gauss, nodes=above_0), ridge)
        else:
            assert self.folded is not None
            bracket = absolute_bracket if self.policy == "abs" else clipped_bracket
            lower, upper = bracket(self.folded, ridge)
        lower, upper = max(lower, 0.0), min(upper, float(self.dim))
        return min(lower, upper), upper

    def _ridges_above_rounding(self, ridge: float) -> Array:
        """The ridge, and larger ones where a Ritz value below 0, which is rounding, hides it.

        What is kept at a larger ridge is kept at a smaller one, too.
        """
        assert self.outer is not None
        hidden = -2.0 * min(self.outer.nodes)
        if hidden <= 0.0:
            return np.array([ridge])
        larger = hidden * 2.0 ** np.arange(_DOUBLINGS)
        return np.append(larger[larger >= ridge], max(ridge, hidden))

    def _probe_error(self, ridge: float, lower: float, upper: float) -> tuple[float, float]:
        """Margins below and above, in dimensions, for the part that comes from probes."""
        if self.confidence <= 0:
            return 0.0, 0.0
        assert self.gauss is not None
        nodes = self._apply_policy(np.asarray(self.gauss.nodes))
        random = np.array(self.gauss.random)
        drawn = float(random.sum())
        if drawn <= 0:
            return 0.0, 0.0
        terms = nodes / (nodes + ridge)
        kept = float(random @ terms) / drawn
        variance = float(random @ (terms - kept) ** 2) / drawn + (upper - lower) / (2 * drawn)
        quantile = float(ndtri(0.5 + self.confidence / 2))
        size = self.probes * (drawn + 2.0) / 2.0
        margin = quantile * math.sqrt(variance / size)
        few = quantile**2 / (2.0 * size)
        above = _score_end(kept, margin) - kept + few
        below = _score_end(1.0 - kept, margin) - (1.0 - kept) + few
        return drawn * below, drawn * above

    def _apply_policy(self, values: Array) -> Array:
        return np.abs(values) if self.policy == "abs" else np.maximum(values, 0.0)

    def trace(self, signed: bool = False) -> Estimate:
        """Trace of the policy's matrix, or with `signed` of the curvature matrix itself.

        An unfinished iteration leaves that of |H| in a bracket, whose half width is in the error.

        Examples
        --------
        >>> Spectrum(dim=2, policy="clip", eigenvalues=(-1.0, 3.0)).trace().value
        3.0
        """
        if self.eigenvalues is not None:
            values = np.asarray(self.eigenvalues)
            return Estimate(float((values if signed else self._apply_policy(values)).sum()), 0.0)
        assert self.gauss is not None
        nodes = np.asarray(self.gauss.nodes)
        nodes = nodes if signed else self._apply_policy(nodes)
        random = np.array(self.gauss.random)
        drawn = float(random.sum())
        mean = float(random @ nodes) / drawn if drawn > 0 else 0.0
        variance = float(random @ (nodes - mean) ** 2)
        value = float(np.asarray(self.gauss.weights) @ nodes)
        open_ = 0.0
        if self.folded and self.policy != "ggn" and not signed:
            far = 1e12 * max(self.folded.nodes) or 1.0  # N_eff times a ridge that dwarfs H
            ends = far * np.array(absolute_bracket(self.folded, far))
            if self.policy == "clip":
                ends = (ends + self.trace(signed=True).value) / 2
            value, open_ = float(ends.mean()), float(np.ptp(ends)) / 2
        return Estimate(value, math.hypot(open_, math.sqrt(2.0 * variance / self.probes)))

    def density(self) -> tuple[Array, Array]:
        """Nodes (curvatures) and weights (numbers of dimensions, summing to D), unsmeared.

        Examples
        --------
        >>> nodes, weights = Spectrum(dim=2, policy="abs", eigenvalues=(-1.0, 3.0)).density()
        >>> nodes.tolist(), weights.tolist()
        ([1.0, 3.0], [1.0, 1.0])
        """
        if self.eigenvalues is not None:
            nodes, weights = np.asarray(self.eigenvalues), np.ones(self.dim)
        else:
            assert self.gauss is not None
            nodes, weights = np.array(self.gauss.nodes), np.array(self.gauss.weights)
        nodes = self._apply_policy(nodes)
        order = np.argsort(nodes, kind="stable")
        return nodes[order], weights[order]

    def negative_share(self) -> float:
        """Share of the curvature that is negative: sum of |lambda| over lambda < 0, over all.

        Examples
        --------
        >>> Spectrum(dim=2, policy="abs", eigenvalues=(-1.0, 3.0)).negative_share()
        0.25
        """
        found, signed = self.trace().value, self.trace(signed=True).value
        positive = (found + signed) / 2 if self.policy == "abs" else found
        total = 2 * positive - signed
        return max(0.0, positive - signed) / total if total > 0 else 0.0


_LARGEST = 1e100
"""No curvature is larger, and what is computed from it overflows nowhere."""


def require_sensible(spectrum: Spectrum) -> None:
    """Refuse a spectrum, read from a file, that no computation finds.

    Raises
    ------
    PruneLimitError
        If its parts do not fit each other, or a number is out of its range; the message names it.
    """
    rules = [rule for rule in (spectrum.gauss, spectrum.outer, spectrum.folded) if rule is not None]
    parts = [list(vars(rule).values()) for rule in rules]
    values = () if spectrum.eigenvalues is None else spectrum.eigenvalues
    require_all(
        "the spectrum",
        dim=spectrum.dim >= 1,
        eigenvalues=spectrum.eigenvalues is None or len(values) == spectrum.dim,
        rules=all(len(column) == len(rule[0]) > 0 for rule in parts for column in rule),
        numbers=all((np.abs(column) < _LARGEST).all() for column in (values, *sum(parts, []))),
        weights=all(
            min(column, default=0) >= 0
            for rule in rules
            if isinstance(rule, Rule)
            for column in (rule.weights, rule.random)
        ),
        examples=spectrum.examples is None or spectrum.examples >= 1,
        outputs=spectrum.outputs is None or spectrum.outputs >= 1,
        probes=spectrum.probes >= (spectrum.eigenvalues is None),
        rounding=0 <= spectrum.rounding < 1,
        confidence=0 <= spectrum.confidence < 1,
    )


_DOUBLINGS = 24
"""Doublings of a hidden ridge, from float32's resolution up to the largest curvature."""


def _kept(rule: Rule, ridge: float) -> float:
    """Sum of weight lambda/(lambda + ridge) over a rule."""
    nodes = np.asarray(rule.nodes)
    return float(np.asarray(rule.weights) @ (nodes / (nodes + ridge)))


def _score_end(share: float, margin: float) -> float:
    """Upper end for a share whose variance grows in proportion to it (as Wilson's interval).

    Solves x = share + margin sqrt(x/share): a probe that sees too little of a
    rare part sees too little of its variance as well.
    """
    if share <= 0.0 or margin == 0.0:
        return share + margin
    slope = margin / math.sqrt(share)
    return ((slope + math.sqrt(slope**2 + 4.0 * share)) / 2.0) ** 2
