"""Estimates by projecting random normal vectors; they serve every cone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Estimate
from prunelimit.geometry.cones._base import Cone
from prunelimit.geometry.cones._checks import FloatArray, check_integer, make_generator

_BATCH_ENTRIES = 2**17


def estimate_statistical_dimension(
    cone: Cone, samples: int = 10_000, seed: int | np.random.Generator = 0
) -> Estimate:
    """Mean of ``‖Π_C g‖²`` over `samples` standard normal vectors g.

    Parameters
    ----------
    cone
        Any cone.
    samples
        Number of vectors, at least 2.
    seed
        A whole number, or a generator to draw from.

    Raises
    ------
    PruneLimitError
        If `samples` < 2 or the seed is negative.

    Examples
    --------
    >>> from prunelimit.cones import Orthant
    >>> estimate = estimate_statistical_dimension(Orthant(20), samples=2000, seed=1)
    >>> abs(estimate.z_score(10.0)) < 4
    True
    """
    return _average(cone, samples, seed, lambda g: np.sum(cone.project(g) ** 2, axis=1))


def estimate_gaussian_width(
    cone: Cone, samples: int = 10_000, seed: int | np.random.Generator = 0
) -> Estimate:
    """Mean of ``sup ⟨g, u⟩`` over unit vectors u of the cone, for standard normal g.

    The Gaussian width w satisfies w² ≤ δ ≤ w² + 1 (Amelunxen et al. 2014, Prop. 10.2; exact).

    Parameters
    ----------
    cone
        Any cone but {0}, which has no unit vector.
    samples
        Number of vectors, at least 2.
    seed
        A whole number, or a generator to draw from.

    Raises
    ------
    PruneLimitError
        If `samples` < 2, the seed is negative, or the cone is {0}.

    Examples
    --------
    >>> from prunelimit.cones import Subspace
    >>> width = estimate_gaussian_width(Subspace(5, 1), samples=2000, seed=1)
    >>> abs(width.z_score((2 / np.pi) ** 0.5)) < 4
    True
    """
    if cone._normals().shape[1] == cone.dim:
        raise PruneLimitError("the cone {0} has no unit vector, hence no Gaussian width")
    return _average(cone, samples, seed, lambda g: np.asarray(cone.unit_support(g)))


def _average(
    cone: Cone,
    samples: int,
    seed: int | np.random.Generator,
    statistic: Callable[[FloatArray], FloatArray],
) -> Estimate:
    count = check_integer(samples, "samples", 2)
    generator = make_generator(seed)
    batch = max(1, _BATCH_ENTRIES // cone.dim)
    values = np.concatenate(
        [
            statistic(generator.standard_normal((min(batch, count - start), cone.dim)))
            for start in range(0, count, batch)
        ]
    )
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(count)))
