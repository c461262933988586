"""Quadratic existence: how low can the survivors bring the quadratic model? (chapters 6 and 7)

With x = w* - w^k on the pruned positions P and S the survivors, the best step
v on S solves H_SS v = (H x)_S, and the loss of the quadratic model rises by

    1/2 (x - v)^T H (x - v) = 1/2 x^T H x - 1/2 v^T (H x)_S.

This is the optimal-brain-surgeon re-fit (Hassibi and Stork 1993) of all
survivors at once. **exact** in the quadratic model, for a positive
semi-definite H.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError
from prunelimit.progress import progress_bar
from prunelimit.spectrum.matrix import SymmetricMatrix


@dataclass(frozen=True)
class Refit:
    """The re-fitted survivors of one mask, in the quadratic model.

    Attributes
    ----------
    one_shot_rise
        1/2 x^T H x: loss rise with the survivors untouched.
    rise
        Loss rise after the step found; never below the minimum, so the
        minimum is at most this. Decreases with every iteration.
    step
        ``(dim,)``: what to add to the masked weights; 0 on pruned positions.
    iterations
        Matrix products used, beside the one for H x; 0 where the equations were solved directly.
    residual
        ‖H_SS v - (H x)_S‖ / ‖(H x)_S‖ at the end.
    converged
        Whether `residual` met the tolerance. If not, the minimum may lie lower than `rise`: a mask
        that fails is then not known to fail.
    """

    one_shot_rise: float
    rise: float
    step: Tensor
    iterations: int
    residual: float
    converged: bool


def refit_survivors(
    operator: SymmetricMatrix,
    weights: Tensor,
    keep: Tensor,
    *,
    tolerance: float = 1e-3,
    max_iterations: int = 60,
    start: Tensor | None = None,
    progress: bool | None = None,
) -> Refit:
    """Re-fit the survivors of a mask by conjugate gradients on their block of the curvature.

    Parameters
    ----------
    operator
        The curvature at the dense weights; positive semi-definite for a
        minimum to exist (the generalised Gauss-Newton matrix is, for a loss
        that is convex in the outputs).
    weights
        ``(dim,)`` dense weights w*.
    keep
        ``(dim,)`` boolean, True where a weight survives.
    tolerance
        Relative residual to stop at.
    max_iterations
        Products to stop at.
    start
        ``(dim,)`` first guess of the step (say, from a neighbouring sparsity).
    progress
        See `prunelimit.progress.progress_bar`.

    Raises
    ------
    PruneLimitError
        If the shapes differ from ``(dim,)``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> matrix = SimpleNamespace(dim=2, matmul=torch.tensor([[2.0, 1.0], [1.0, 1.0]]).matmul)
    >>> fit = refit_survivors(matrix, torch.tensor([1.0, 3.0]), torch.tensor([False, True]))
    >>> fit.one_shot_rise, fit.rise, fit.step.tolist()
    (1.0, 0.5, [0.0, 1.0])
    """
    for name, tensor in (("weights", weights), ("keep", keep)):
        if tensor.shape != (operator.dim,):
            raise PruneLimitError(
                f"{name} has shape {tuple(tensor.shape)}, expected ({operator.dim},)"
            )
    removed = torch.where(keep, torch.zeros_like(weights), weights)
    image = operator.matmul(removed).to(weights)
    one_shot = 0.5 * _dot(removed, image)
    target = torch.where(keep, image, torch.zeros_like(image))
    step = torch.zeros_like(weights) if start is None else torch.where(keep, start, 0.0 * start)
    step, residual, iterations = _conjugate_gradients(
        operator, target, step, keep, tolerance, max_iterations, progress
    )
    # At v = step the rise is one_shot - v^T b + 1/2 v^T A v with A v = b - residual.
    gain = 0.5 * _dot(step, target) + 0.5 * _dot(step, residual)
    norm = float(target.norm())
    relative = float(residual.norm()) / norm if norm > 0 else 0.0
    return Refit(
        one_shot_rise=one_shot,
        rise=one_shot - gain,
        step=step,
        iterations=iterations,
        residual=relative,
        converged=relative <= tolerance,
    )


@dataclass(frozen=True)
class SurvivorsBlock:
    """The part of the curvature H at w* that the re-fit of one mask needs.

    Attributes
    ----------
    matrix
        ``(s, s)``: H_SS, the curvature among the s survivors.
    image
        ``(s,)``: their entries of H w*.
    square
        w*^T H w*.
    """

    matrix: Tensor
    image: Tensor
    square: float


def refit_directly(block: SurvivorsBlock, weights: Tensor, keep: Tensor) -> Refit:
    """Re-fit the survivors of a mask that keeps few: the minimum itself.

    With x = w* - w_S the pruned part of the weights, (H x)_S = (H w*)_S - H_SS w_S, and likewise
    for x^T H x: beside H w* it takes the survivors' block alone. Of the steps that reach the
    minimum, the shortest. What conjugate gradients leave out after some tens of products moved
    thresholds by a tenth of a point.

    Parameters
    ----------
    block
        Of the mask's survivors, in the order of the weights.
    weights, keep
        As in `refit_survivors`.

    Examples
    --------
    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 1.0]])
    >>> weights = torch.tensor([1.0, 3.0])
    >>> block = SurvivorsBlock(matrix[1:, 1:], (matrix @ weights)[1:], square=17.0)
    >>> fit = refit_directly(block, weights, torch.tensor([False, True]))
    >>> fit.one_shot_rise, fit.rise
    (1.0, 0.5)
    """
    rounding = torch.finfo(block.matrix.dtype).eps
    matrix, image, kept = (t.double() for t in (block.matrix, block.image, weights[keep]))
    of_kept = matrix @ kept
    one_shot = 0.5 * (block.square - 2.0 * _dot(kept, image) + _dot(kept, of_kept))
    target = image - of_kept
    values, vectors = torch.linalg.eigh(matrix)
    largest = float(values.abs().max()) if len(values) else 0.0
    curved = values > len(values) * rounding * largest
    shares = (vectors.T @ target)[curved]
    step = torch.zeros_like(weights, dtype=torch.float64)
    step[keep] = vectors[:, curved] @ (shares / values[curved])
    left = target - matrix @ step[keep]
    residual = float(left.norm() / target.norm()) if target.any() else 0.0
    return Refit(
        one_shot_rise=one_shot,
        rise=one_shot - 0.5 * float((shares.square() / values[curved]).sum()),
        step=step.to(weights),
        iterations=0,
        residual=residual,
        converged=residual <= 1e-3,  # more is left where rounding hides curvatures
    )


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.double(), b.double()))


def _conjugate_gradients(
    operator: SymmetricMatrix,
    target: Tensor,
    step: Tensor,
    keep: Tensor,
    tolerance: float,
    max_iterations: int,
    progress: bool | None,
) -> tuple[Tensor, Tensor, int]:
    """Step, residual and products: solve the survivors' block, up to a negative curvature."""

    def block(vector: Tensor) -> Tensor:
        return torch.where(keep, operator.matmul(vector).to(vector), torch.zeros_like(vector))

    step = step.clone()
    residual = target - block(step) if bool(step.any()) else target.clone()
    direction = residual.clone()
    squared = _dot(residual, residual)
    goal = tolerance * float(target.norm())
    used = 0
    with progress_bar("re-fit", total=max_iterations, enabled=progress) as bar:
        while used < max_iterations and squared**0.5 > goal:
            image = block(direction)
            used += 1
            curvature = _dot(direction, image)
            if curvature <= 0:
                break
            rate = squared / curvature
            step += rate * direction
            residual -= rate * image
            previous, squared = squared, _dot(residual, residual)
            direction = residual + (squared / previous) * direction
            bar.update(1, f"residual {(squared**0.5) / max(float(target.norm()), 1e-300):.1e}")
    return step, residual, used
