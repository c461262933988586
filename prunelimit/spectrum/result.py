"""What a curvature run knows, and what follows from it for every ridge at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from scipy.special import ndtri

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Estimate, Interval
from prunelimit.spectrum.quadrature import Array, averaged_gauss, gauss, gauss_radau

POLICIES = {"ggn": "ggn", "abs": "hessian", "clip": "hessian"}
"""Policy to the curvature it needs. "ggn": the positive semi-definite Gauss-Newton matrix;
"abs": |H| (the paper's); "clip": negative curvature counts as flat."""


@dataclass(frozen=True)
class ProbeRun:
    """The tridiagonal matrix of one random probe.

    Attributes
    ----------
    alphas, betas
        ``(steps,)`` each; the last beta couples to the next vector, 0 if exhausted.
    """

    alphas: tuple[float, ...]
    betas: tuple[float, ...]

    @property
    def steps(self) -> int:
        """Products of this run."""
        return len(self.alphas)


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of a curvature matrix as far as it is known.

    Either all eigenvalues (`eigenvalues` is set), or Lanczos runs from random
    Rademacher probes.

    Attributes
    ----------
    dim
        Dimension D.
    policy
        "ggn", "abs" or "clip" (see `POLICIES`).
    runs
        One `ProbeRun` a probe.
    eigenvalues
        All D signed eigenvalues, ascending, or None.
    products
        Matrix-vector products with the full data that were spent.
    rounding
        Relative accuracy of a product; eigenvalues are known to about this
        times the largest.
    examples, outputs, loss
        Of the data: number N, outputs per example C, mean loss.
    confidence
        Two-sided, for the error of the probes; 0 leaves the quadrature's bracket alone.
    """

    dim: int
    policy: str
    runs: tuple[ProbeRun, ...] = ()
    eigenvalues: tuple[float, ...] | None = None
    products: float = 0.0
    rounding: float = 1e-7
    examples: int | None = None
    outputs: int | None = None
    loss: float | None = None
    confidence: float = 0.99
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise PruneLimitError(
                f"policy={self.policy!r} is unknown; choose one of {', '.join(POLICIES)}"
            )
        if self.eigenvalues is None and not self.runs:
            raise PruneLimitError("a spectrum needs eigenvalues or at least one Lanczos run")

    @property
    def exact(self) -> bool:
        """Whether every eigenvalue is known."""
        return self.eigenvalues is not None

    @property
    def rank_cap(self) -> int | None:
        """Largest rank the data allow a Gauss-Newton matrix, N C (None if unknown)."""
        if self.policy != "ggn" or self.examples is None or self.outputs is None:
            return None
        return min(self.dim, self.examples * self.outputs)

    # ------------------------------------------------------------- functionals
    def effective_dimension(self, ridge: float) -> Interval:
        """N_eff(ridge) = Tr A (A + ridge I)^-1 for the policy's matrix A, with its bracket.

        For "ggn" the ends are Gauss and Gauss-Radau quadrature of
        ridge/(lambda + ridge), a lower and an upper bound by theorem (Golub and
        Meurant 2010, section 6.3), widened by the probes' error: a Rademacher
        probe's variance is at most 2 |f(A) - c I|_F^2 for every c, that is
        2 D Var f(lambda) over the spectrum, estimated by the quadrature itself.

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
        if not (math.isfinite(ridge) and ridge > 0):
            raise PruneLimitError(f"ridge={ridge} must be a positive, finite curvature")
        if self.eigenvalues is not None:
            return self._exact_effective_dimension(ridge)
        lower, value, upper, spread = self._flat_fraction(ridge)
        margin = self._quantile() * math.sqrt(2.0 * spread / (self.dim * len(self.runs)))
        cap = self.dim if self.rank_cap is None else self.rank_cap

        def kept(flat: float) -> float:
            return min(max(self.dim * (1.0 - flat), 0.0), cap)

        rounding = 1e-12 + 8.0 * self.rounding * (1.0 - value)
        most_flat = _score_end(upper, margin) + rounding
        most_kept = _score_end(1.0 - lower, margin) + rounding
        return Interval(kept(most_flat), kept(value), kept(1.0 - most_kept))

    def _exact_effective_dimension(self, ridge: float) -> Interval:
        values = self._apply_policy(np.asarray(self.eigenvalues))
        terms = values / (values + ridge)
        noise = self.rounding * float(np.abs(values).max(initial=0.0))
        error = float(np.sum(1.0 - terms) * min(1.0, noise / ridge))
        total = float(terms.sum())
        return Interval(max(0.0, total - error), total, min(float(self.dim), total + error))

    def _flat_fraction(self, ridge: float) -> tuple[float, float, float, float]:
        """Mean over the probes of lower, value, upper and variance of ridge/(lambda + ridge)."""
        rows = [self._bracket_run(index, ridge) for index in range(len(self.runs))]
        lower, value, upper, spread = np.mean(rows, axis=0)
        return float(lower), float(value), float(upper), float(spread)

    def _bracket_run(self, index: int, ridge: float) -> tuple[float, float, float, float]:
        def integral(rule: tuple[Array, Array], power: int = 1) -> float:
            return float(rule[1] @ self._resolvent(rule[0], ridge) ** power)

        rules = self._rules(index)
        ends = [min(1.0, max(0.0, integral(rule))) for rule in rules]
        lower, upper = min(ends), max(ends)
        if self.policy == "ggn":
            lower, upper = (
                ends[0],
                max(ends[0], ends[1]) if self._pole_is_clear(rules, ridge) else 1.0,
            )
        value = (lower + upper) / 2
        spread = max(integral(rules[0], 2) - integral(rules[0]) ** 2, 0.0) + (upper - lower) / 2
        return lower, value, upper, spread

    def _pole_is_clear(self, rules: list[tuple[Array, Array]], ridge: float) -> bool:
        return float(rules[1][0][0]) > -0.5 * ridge

    def _rules(self, index: int) -> list[tuple[Array, Array]]:
        """Gauss first, then the rules that end the bracket on the other side."""
        cache: dict[int, list[tuple[Array, Array]]] = self.__dict__.setdefault("_rule_cache", {})
        if index not in cache:
            run = self.runs[index]
            alphas, betas = np.asarray(run.alphas), np.asarray(run.betas)
            first = gauss(alphas, betas)
            rules = [first, first]
            if betas[-1] > 0:
                scale = self.rounding * float(np.abs(first[0]).max())
                node = min(-scale, float(first[0][0]) - scale)
                if self.policy == "ggn":
                    rules = [first, gauss_radau(alphas, betas, node)]
                else:
                    rules = [first, averaged_gauss(alphas, betas)]
            cache[index] = rules
        return cache[index]

    def _apply_policy(self, values: Array) -> Array:
        return np.abs(values) if self.policy == "abs" else np.maximum(values, 0.0)

    def _resolvent(self, values: Array, ridge: float) -> Array:
        """f(lambda) = ridge/(lambda + ridge) of the policy; analytic near 0 for "ggn"."""
        if self.policy == "ggn":
            values = np.maximum(values, -0.5 * ridge)
        else:
            values = self._apply_policy(values)
        return ridge / (values + ridge)

    def _quantile(self) -> float:
        return float(ndtri(0.5 + self.confidence / 2)) if self.confidence > 0 else 0.0

    def trace(self, signed: bool = False) -> Estimate:
        """Trace of the policy's matrix, or with `signed` of the curvature matrix itself.

        Examples
        --------
        >>> Spectrum(dim=2, policy="clip", eigenvalues=(-1.0, 3.0)).trace().value
        3.0
        """
        if self.eigenvalues is not None:
            values = np.asarray(self.eigenvalues)
            return Estimate(float((values if signed else self._apply_policy(values)).sum()), 0.0)
        nodes, weights = self.density(signed)
        mean = float(weights @ nodes) / self.dim
        variance = float(weights @ (nodes - mean) ** 2) / self.dim
        return Estimate(self.dim * mean, math.sqrt(2.0 * self.dim * variance / len(self.runs)))

    def density(self, signed: bool = False) -> tuple[Array, Array]:
        """Nodes (curvatures) and weights (numbers of dimensions, summing to D).

        With Lanczos runs these are the Ritz values of all probes, unsmeared.

        Examples
        --------
        >>> nodes, weights = Spectrum(dim=2, policy="abs", eigenvalues=(-1.0, 3.0)).density()
        >>> nodes.tolist(), weights.tolist()
        ([1.0, 3.0], [1.0, 1.0])
        """
        if self.eigenvalues is not None:
            nodes, weights = np.asarray(self.eigenvalues), np.ones(self.dim)
        else:
            rules = [self._rules(index)[0] for index in range(len(self.runs))]
            nodes = np.concatenate([rule[0] for rule in rules])
            weights = np.concatenate([rule[1] for rule in rules]) * (self.dim / len(rules))
        if not signed:
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
        nodes, weights = self.density(signed=True)
        total = float(weights @ np.abs(nodes))
        return float(weights @ np.maximum(-nodes, 0.0)) / total if total > 0 else 0.0

    # ---------------------------------------------------------------- storage
    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, fit for JSON; see `from_dict`.

        Examples
        --------
        >>> Spectrum(dim=1, policy="abs", eigenvalues=(2.0,)).to_dict()["eigenvalues"]
        [2.0]
        """
        return _plain(asdict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Spectrum:
        """The inverse of `to_dict`.

        Raises
        ------
        PruneLimitError
            If entries are missing or unknown.

        Examples
        --------
        >>> spectrum = Spectrum(dim=1, policy="abs", eigenvalues=(2.0,))
        >>> Spectrum.from_dict(spectrum.to_dict()) == spectrum
        True
        """
        unknown = set(data) - {entry.name for entry in fields(cls)}
        missing = {"dim", "policy"} - set(data)
        if unknown or missing:
            raise PruneLimitError(
                f"this is no stored spectrum: unknown entries {sorted(unknown)}, missing entries "
                f"{sorted(missing)}; give what Spectrum.to_dict returned"
            )
        values = dict(data)
        values["runs"] = tuple(
            ProbeRun(tuple(run["alphas"]), tuple(run["betas"])) for run in data.get("runs", ())
        )
        if values.get("eigenvalues") is not None:
            values["eigenvalues"] = tuple(values["eigenvalues"])
        values["notes"] = tuple(data.get("notes", ()))
        return cls(**values)


def _score_end(share: float, margin: float) -> float:
    """Upper end for a share whose variance grows in proportion to it (as Wilson's interval).

    Solves x = share + margin sqrt(x/share): a probe that sees too little of a
    rare part sees too little of its variance as well.
    """
    if share <= 0.0 or margin == 0.0:
        return share + margin
    slope = margin / math.sqrt(share)
    return ((slope + math.sqrt(slope**2 + 4.0 * share)) / 2.0) ** 2


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
