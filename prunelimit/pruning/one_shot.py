"""The one-shot curve of the quadratic model: 1/2 x^T H x, one product a sparsity (chapter 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prunelimit.errors import require
from prunelimit.estimates import BracketedFloat
from prunelimit.progress import progress_bar
from prunelimit.spectrum.matrix import SymmetricMatrix

_FIRST_ROUND = 16
_LATER_ROUNDS = 7
_SCAN = 32
_RESOLUTION = 1e-3
_BLOCK_ENTRIES = 100_000_000


@dataclass(frozen=True)
class OneShotCurve:
    """Quadratic loss rise of one-shot pruning, measured where the crossing needs it.

    Attributes
    ----------
    sparsity
        Largest sparsity up to which every measured rise is at most ε, with the
        bracket (lower: that sparsity; upper: the next one measured).
    every
        Whether the rise was measured at every number of weights kept. If not, the
        curve may have crossed ε between two measured points and come back: the
        bracket is an estimate (heuristic), not a bound.
    kept, rises
        ``(points,)``: weights kept and 1/2 x^T H x, sorted from dense to sparse.
    dim
        Number of prunable weights.
    products
        Matrix-vector products used.
    """

    sparsity: BracketedFloat
    kept: np.ndarray
    rises: np.ndarray
    dim: int
    products: int
    every: bool = False

    @property
    def sparsities(self) -> np.ndarray:
        """``(points,)``: 1 - kept / dim."""
        return 1.0 - self.kept / self.dim


def quadratic_rises(
    operator: SymmetricMatrix, weights: Tensor, order: Tensor, removed: list[int]
) -> list[float]:
    """1/2 x^T H x with the first `removed` positions of `order` set to 0, for each count.

    **Exact** in the quadratic model of the operator's H at `weights` ``(dim,)``; the linear term is
    not in it.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> identity = SimpleNamespace(dim=3, matmul=lambda vectors: vectors)
    >>> quadratic_rises(identity, torch.tensor([1.0, 2.0, 3.0]), torch.arange(3), [0, 2])
    [0.0, 2.5]
    """
    block = max(1, min(8, _BLOCK_ENTRIES // operator.dim))
    rises: list[float] = []
    for start in range(0, len(removed), block):
        counts = removed[start : start + block]
        moved = torch.zeros(operator.dim, len(counts), dtype=weights.dtype, device=weights.device)
        for column, count in enumerate(counts):
            positions = order[:count]
            moved[positions, column] = weights[positions]
        image = operator.matmul(moved).to(moved)
        rises += (0.5 * (moved.double() * image.double()).sum(0)).tolist()
    return rises


_SHOWN = 256
_ROWS = 512


def every_rise(matrix: Tensor, weights: Tensor, order: Tensor) -> Tensor:
    """1/2 x^T H x at every number of weights removed, ``(dim + 1,)``, from the matrix itself.

    Removing one weight more adds its row of the permuted matrix (**exact**, D² operations).

    Examples
    --------
    >>> every_rise(torch.eye(2), torch.tensor([1.0, 2.0]), torch.arange(2)).tolist()
    [0.0, 0.5, 2.5]
    """
    order = order.to(matrix.device)
    moved = weights.to(matrix)[order]
    steps = torch.zeros(len(order) + 1, dtype=torch.float64, device=matrix.device)
    for start in range(0, len(order), _ROWS):
        rows = matrix[order[start : start + _ROWS]][:, order]
        before = (
            rows.tril(start - 1) @ moved
            + rows.diagonal(start) * moved[start : start + len(rows)] / 2
        )
        steps[start + 1 : start + 1 + len(rows)] = moved[start : start + len(rows)] * before
    return steps.cumsum(0)


def exact_one_shot_curve(
    matrix: Tensor, weights: Tensor, order: Tensor, epsilon: float
) -> OneShotCurve:
    """The same as `one_shot_curve` from the matrix itself, judged at every number of weights.

    Its bracket holds for curves that are not monotone as well (**exact** in the quadratic
    model); the points returned are a selection.

    Raises
    ------
    PruneLimitError
        If `epsilon` is not positive.

    Examples
    --------
    >>> curve = exact_one_shot_curve(torch.eye(4), torch.ones(4), torch.arange(4), epsilon=1.1)
    >>> float(curve.sparsity), curve.every
    (0.5, True)
    """
    require(epsilon > 0, "epsilon", epsilon, "positive")
    rises = every_rise(matrix, weights, order).cpu().numpy()
    dim = len(rises) - 1
    above = np.flatnonzero(rises > epsilon)
    failing = int(above[0]) if above.size else dim + 1
    shown = np.unique(np.linspace(0, dim, min(dim, _SHOWN) + 1).round().astype(int))
    shown = np.union1d(shown, [failing - 1, min(failing, dim)])
    passing = (failing - 1) / dim
    return OneShotCurve(
        sparsity=BracketedFloat(passing, passing, min(failing, dim) / dim),
        kept=dim - shown,
        rises=rises[shown],
        dim=dim,
        products=0,
        every=True,
    )


def one_shot_curve(
    operator: SymmetricMatrix,
    weights: Tensor,
    order: Tensor,
    epsilon: float,
    *,
    progress: bool | None = None,
) -> OneShotCurve:
    """Find where the quadratic one-shot rise first exceeds ε.

    A first round spreads points over all sparsities; later rounds refine
    between the last that passes and the first that fails, and scan where the
    curve was near ε before. A curve that is not monotone is judged by its
    first crossing on that grid.

    The bracket is refined to a thousandth in sparsity, but never below one weight.

    Raises
    ------
    PruneLimitError
        If `epsilon` is not positive.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> identity = SimpleNamespace(dim=4, matmul=lambda vectors: vectors)
    >>> curve = one_shot_curve(identity, torch.ones(4), torch.arange(4), epsilon=1.1)
    >>> float(curve.sparsity)
    0.5
    """
    require(epsilon > 0, "epsilon", epsilon, "positive")
    dim = operator.dim
    known = {0: 0.0}
    passing, failing, scanned = 0, dim + 1, -1
    wanted = np.unique(np.linspace(0, dim, _FIRST_ROUND + 1).round().astype(int))
    with progress_bar("one-shot curve", enabled=progress) as bar:
        while True:
            fresh = [int(count) for count in wanted if int(count) not in known]
            known |= dict(zip(fresh, quadratic_rises(operator, weights, order, fresh), strict=True))
            counts = sorted(known)
            failing = next((count for count in counts if known[count] > epsilon), dim + 1)
            passing = max(count for count in counts if count < failing)
            bar.update(len(fresh), f"between {passing / dim:.4f} and {min(failing, dim) / dim:.4f}")
            if failing <= dim and failing - passing > max(1, _RESOLUTION * dim):
                wanted = np.linspace(passing, failing, _LATER_ROUNDS + 2).round().astype(int)[1:-1]
            elif passing == scanned:
                break
            else:  # a curve that is not monotone may have crossed where it was near ε before
                scanned = passing
                near = max(c for c in counts if c <= passing and known[c] < epsilon / 4)
                wanted = np.linspace(near, passing, _SCAN).round().astype(int)
    removed = np.array(sorted(known))
    return OneShotCurve(
        sparsity=BracketedFloat(passing / dim, passing / dim, min(failing, dim) / dim),
        kept=dim - removed,
        rises=np.array([known[int(count)] for count in removed]),
        dim=dim,
        products=len(known) - 1,
    )
