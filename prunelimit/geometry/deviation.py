"""How far from the phase transition its probabilities are settled (chapters 3 and 6)."""

from __future__ import annotations

import numpy as np

from prunelimit.errors import require


def deviation(eta: float, dim: int) -> float:
    """``a_η √D`` with ``a_η = √(8 log(4/η))``: how far from the transition P ≤ η or ≥ 1-η holds.

    Source: Amelunxen et al. 2014, Theorem I (exact as a bound).

    Parameters
    ----------
    eta
        η, strictly between 0 and 1.
    dim
        D.

    Raises
    ------
    PruneLimitError
        If η is not inside (0, 1) or dim < 1.

    Examples
    --------
    >>> round(deviation(0.05, 100), 2)
    59.21
    """
    require(dim == int(dim) >= 1, "dim", dim, "a whole number of at least 1")
    require(0 < eta < 1, "eta", eta, "inside (0, 1)")
    return float(np.sqrt(8 * np.log(4 / eta) * dim))
