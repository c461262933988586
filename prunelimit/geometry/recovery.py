"""Sparse recovery by basis pursuit, the classic phase transition of the kinematics formula.

A vector with s non-zeros is the only minimiser of ``‖x‖₁`` among the solutions of m random
linear equations exactly when the equations' null space misses the descent cone of the ℓ1 norm,
so the number of equations needed is that cone's statistical dimension (Amelunxen et al. 2014,
Fact 2.8 and Thm. II; the location asymptotic, the probability itself exact).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from prunelimit.errors import PruneLimitError
from prunelimit.geometry.cones import L1DescentCone
from prunelimit.geometry.cones._checks import FloatArray, check_integer
from prunelimit.progress import track

_OPTIMUM_TOLERANCE = 1e-7


@dataclass(frozen=True)
class RecoveryMap:
    """Counts of successful recoveries over a grid of sparsities and numbers of measurements.

    Attributes
    ----------
    dim
        Length of the unknown vector.
    sparsities, measurements
        The grid, increasing whole numbers.
    successes
        ``(len(sparsities), len(measurements))``, how many trials recovered the vector.
    trials
        Number of trials behind every cell.
    seed
        The seed that drew them.
    """

    dim: int
    sparsities: tuple[int, ...]
    measurements: tuple[int, ...]
    successes: np.ndarray
    trials: int
    seed: int

    @property
    def frequency(self) -> FloatArray:
        """Share of successes, shaped as `successes`."""
        return self.successes / self.trials


def recovers(measurement_matrix: ArrayLike, sparsity: int) -> bool:
    """Whether basis pursuit recovers the vector (1, …, 1, 0, …, 0) with `sparsity` ones.

    The answer depends on the signs and places of the non-zeros only, and for a Gaussian
    matrix its probability not even on those. A linear programme (HiGHS) decides.

    Parameters
    ----------
    measurement_matrix
        ``(measurements, dim)``, rows in general position.
    sparsity
        From 1 to dim.

    Raises
    ------
    PruneLimitError
        For a matrix that is not finite and two-dimensional, a bad sparsity, or a linear
        programme that fails.

    Examples
    --------
    >>> recovers(np.eye(3), sparsity=2)
    True
    >>> recovers([[1.0, 2.0, 4.0]], sparsity=1)
    False
    """
    matrix = np.asarray(measurement_matrix, dtype=np.float64)
    if matrix.ndim != 2 or not np.all(np.isfinite(matrix)):
        raise PruneLimitError(f"the measurement matrix must be finite and 2-D, got {matrix.shape}")
    count, dim = matrix.shape
    check_integer(sparsity, "sparsity", 1, dim)
    if count == 0:
        return False
    programme = optimize.linprog(
        np.ones(2 * dim),  # x = positive part - negative part
        A_eq=np.hstack([matrix, -matrix]),
        b_eq=matrix[:, :sparsity].sum(axis=1),
        method="highs-ds",
        options={"presolve": False},
    )
    if programme.status != 0:
        raise PruneLimitError(f"the linear programme failed: {programme.message}")
    # The planted vector is feasible with norm `sparsity`; a smaller optimum means failure.
    return bool(programme.fun > sparsity * (1 - _OPTIMUM_TOLERANCE))


def recovery_map(
    dim: int,
    sparsities: Sequence[int],
    measurements: Sequence[int],
    trials: int = 10,
    seed: int = 0,
) -> RecoveryMap:
    """Simulate success or failure of basis pursuit over a grid.

    In one trial all cells share a Gaussian matrix, of which m measurements use the first m rows,
    and one order of the support. Success then never turns to failure when rows are added or
    non-zeros removed, because null spaces shrink and descent cones are nested; so a walk along
    the border settles all cells with ``len(sparsities) + len(measurements)`` linear programmes.
    Each cell's frequency is as unbiased as from separate draws (ours); cells are dependent.

    Parameters
    ----------
    dim
        Length of the unknown vector.
    sparsities, measurements
        Increasing whole numbers, sparsities from 1 to dim, measurements from 0 to dim.
    trials
        How many matrices to draw.
    seed
        Trial t draws from ``(seed, t)``.

    Raises
    ------
    PruneLimitError
        For a grid that does not increase or leaves its range.

    Examples
    --------
    >>> recovery_map(12, sparsities=[1, 6], measurements=[2, 11], trials=2).successes
    array([[1, 2],
           [0, 2]])
    """
    check_integer(dim, "dim", 1)
    check_integer(trials, "trials", 1)
    check_integer(seed, "seed", 0)
    rows = _checked_grid(sparsities, "sparsities", 1, dim)
    columns = _checked_grid(measurements, "measurements", 0, dim)
    successes = np.zeros((len(rows), len(columns)), dtype=int)
    for trial in track(range(trials), "recovery"):
        matrix = np.random.default_rng((seed, trial)).standard_normal((dim, dim))
        first = 0  # place of the fewest measurements that suffice
        for row, sparsity in enumerate(rows):
            while first < len(columns) and not recovers(matrix[: columns[first]], sparsity):
                first += 1
            successes[row, first:] += 1
    return RecoveryMap(dim, rows, columns, successes, trials, seed)


def _checked_grid(values: Sequence[int], name: str, lowest: int, highest: int) -> tuple[int, ...]:
    grid = tuple(check_integer(value, name, lowest, highest) for value in values)
    if not grid or any(b <= a for a, b in zip(grid, grid[1:], strict=False)):
        raise PruneLimitError(f"{name} must be increasing whole numbers, got {values!r}")
    return grid


def transition_curve(dim: int, sparsities: Sequence[int]) -> FloatArray:
    """Statistical dimension of the ℓ1 descent cone at each sparsity: where recovery sets in.

    Examples
    --------
    >>> transition_curve(100, [10, 50]).round(2)
    array([32.32, 82.36])
    """
    return np.array(
        [L1DescentCone(dim, int(sparsity)).statistical_dimension() for sparsity in sparsities]
    )
