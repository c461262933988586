r"""Other readings of the curvature, tried against what fine-tuning reaches (chapter 10).

Both limits read the Gauss-Newton matrix at w*. On a network that fits its data that
matrix is small, and much larger on the way to w^k. Each correction here exchanges one
ingredient, and gives a sparsity for both formulas, k_paper and k_sharp:

path
    the curvature averaged along the way from w* to w^k, a fixed point in k as well;
rounds
    spectrum, distance and loss measured again after each of several cuts;
bound
    J^T B J with Boehning's B = 1/2 (I - 11^T/C), which does not saturate;
layers
    each layer's block with its own distance, under the global magnitude mask;
gain
    epsilon plus what fine-tuning takes off the dense network's loss;
path and gain
    both.

All are this project's and **heuristic**: chapter 10 says what each is worth.
Matrices are built whole, so they are for up to some thousands of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.limit.distance import distance_profile
from prunelimit.limit.solve import Formula, paper_limit, ridge_at, sharp_limit, sharp_loss
from prunelimit.network.evaluate import evaluate
from prunelimit.network.parameters import (
    flatten,
    prunable_parameters,
    prunable_weights,
    with_weights,
)
from prunelimit.pruning import magnitude_mask, magnitude_order
from prunelimit.pruning.finetune import FineTuning, finetune
from prunelimit.pruning.masks import removed_count
from prunelimit.spectrum.jacobian import example_jacobians

Array = NDArray[np.float64]
Root = Callable[[Tensor], Tensor]
Batches = Iterable[tuple[Tensor, Tensor]]

_EXAMPLES_AT_ONCE = 256


def predicted_sparsity(
    eigenvalues: ArrayLike, weights: ArrayLike, epsilon: float, formula: Formula
) -> float:
    """Sparsity at a formula's limit, for magnitude pruning of these weights.

    Parameters
    ----------
    eigenvalues
        Non-negative, ``(dim,)``.
    weights
        ``(dim,)``: R(k) is theirs.
    epsilon
        Loss rise allowed.
    formula
        "paper" or "sharp".

    Examples
    --------
    >>> predicted_sparsity([1.0, 1.0], [1.0, 1.0], 10.0, "sharp")
    1.0
    """
    solve = {"paper": paper_limit, "sharp": sharp_limit}[formula]
    values = np.asarray(weights, dtype=np.float64)
    return 1 - solve(eigenvalues, distance_profile(values), epsilon) / values.size


# ------------------------------------------------------------------ curvature
def cross_entropy_root(outputs: Tensor) -> Tensor:
    """A with A^T A = diag(p) - pp^T for each example's softmax p, ``(n, C, C)``.

    ``A = diag(p)^(1/2) (I - 1 p^T)``, **exact**.

    Examples
    --------
    >>> root = cross_entropy_root(torch.zeros(1, 2))[0]
    >>> root.T @ root
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    p = outputs.softmax(dim=1)
    centred = torch.eye(p.shape[1], dtype=p.dtype, device=p.device) - p[:, None, :]
    return p.sqrt()[:, :, None] * centred


def boehning_root(outputs: Tensor) -> Tensor:
    """A with A^T A = 1/2 (I - 11^T/C), the same for every example, ``(n, C, C)``.

    That matrix minus diag(p) - pp^T is positive semi-definite for every p (Boehning
    1992): a curvature that confidence cannot lower. **Exact**.

    Examples
    --------
    >>> root = boehning_root(torch.zeros(1, 2))[0]
    >>> root.T @ root
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    n, classes = outputs.shape
    centred = torch.eye(classes, dtype=outputs.dtype, device=outputs.device) - 1 / classes
    return (0.5**0.5 * centred).expand(n, -1, -1)


def gauss_newton_matrix(
    model: nn.Module,
    batches: Batches,
    root: Root = cross_entropy_root,
    weights: Tensor | slice = slice(None),
) -> Tensor:
    """The mean over the examples of J^T A^T A J, ``(dim, dim)`` in float64.

    Parameters
    ----------
    model
        Treats its examples apart; only prunable weights are differentiated.
    batches
        Of ``(inputs, targets)``; the targets do not enter.
    root
        A from the outputs; see `cross_entropy_root` and `boehning_root`.
    weights
        Indices of those whose block is wanted, in that order; all by default.

    Examples
    --------
    >>> layer = nn.Linear(1, 2, bias=False)
    >>> _ = layer.weight.data.zero_()
    >>> gauss_newton_matrix(layer, [(torch.ones(3, 1), torch.zeros(3))]).float()
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    model = _wide_copy(model)
    parameters = prunable_parameters(model)
    dim = torch.arange(sum(p.numel() for p in parameters.values()))[weights].numel()
    matrix = torch.zeros(dim, dim, dtype=torch.float64)
    examples = 0
    for inputs, _ in batches:
        for part in inputs.double().split(_EXAMPLES_AT_ONCE):
            with torch.no_grad():
                jacobians = example_jacobians(model, parameters, part)[:, :, weights]
                rows = torch.bmm(root(model(part)), jacobians).flatten(0, 1)
            matrix.addmm_(rows.T, rows)
            examples += len(part)
    return matrix / examples


def _wide_copy(model: nn.Module) -> nn.Module:
    return with_weights(model, prunable_weights(model)).double().eval()


def eigenvalues_of(matrix: Tensor) -> Array:
    """Eigenvalues ``(dim,)`` of a positive semi-definite matrix, rounding below 0 cut off.

    Examples
    --------
    >>> eigenvalues_of(torch.tensor([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 2.0]
    """
    values: Array = torch.linalg.eigvalsh(matrix).clamp_min(0).cpu().numpy()
    return values


# ----------------------------------------------------------------------- path
def path_matrix(model: nn.Module, batches: Batches, sparsity: float, start: Tensor) -> Tensor:
    """Curvature averaged along the straight way from w* to w^k, ``(dim, dim)``.

    Taylor's remainder is ``1/2 x^T (2 ∫ (1-t) H(w* - tx) dt) x``, **exact** with the
    Hessian; the rule on t = 0, 1/2, 1 that integrates parabolas against that weight is
    ``H(0)/3 + 2 H(1/2)/3``. With Gauss-Newton matrices in place of H it is **heuristic**.

    Parameters
    ----------
    model
        At w*.
    batches
        See `gauss_newton_matrix`.
    sparsity
        Of the magnitude mask at the way's end.
    start
        The matrix at w*.

    Examples
    --------
    >>> layer = nn.Linear(1, 2, bias=False)
    >>> _ = layer.weight.data.zero_()
    >>> data = [(torch.ones(3, 1), torch.zeros(3))]
    >>> path_matrix(layer, data, 0.5, gauss_newton_matrix(layer, data)).float()
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    halfway = prunable_weights(model)
    removed = magnitude_order(model)[: removed_count(sparsity, halfway.numel())]
    halfway[removed] *= 0.5
    return start / 3 + gauss_newton_matrix(with_weights(model, halfway), batches) * (2 / 3)


def fixed_point(sparsities: Sequence[float], predicted: Sequence[float]) -> float:
    """Where a prediction that depends on a sparsity agrees with it.

    Parameters
    ----------
    sparsities
        Increasing, the first one 0.
    predicted
        The prediction from what was measured at each; linear in between.

    Returns
    -------
    float
        The first crossing of ``predicted = sparsity``; if there is none, the last prediction.

    Raises
    ------
    PruneLimitError
        If the lists do not fit, or the sparsities do not begin at 0 and increase.

    Examples
    --------
    >>> fixed_point([0.0, 0.5, 1.0], [0.9, 0.7, 0.6])
    0.6666666666666666
    """
    s, p = np.asarray(sparsities, dtype=float), np.asarray(predicted, dtype=float)
    if s.shape != p.shape or s.size < 2 or s[0] != 0 or not (np.diff(s) > 0).all():
        raise PruneLimitError(
            f"need as many predictions as sparsities, which increase from 0; got {s} and {p}"
        )
    surplus = p - s
    below = np.flatnonzero(surplus < 0)
    if not below.size:
        return float(p[-1])
    after = max(int(below[0]), 1)
    before = after - 1
    share = surplus[before] / (surplus[before] - surplus[after])
    return float(s[before] + share * (s[after] - s[before]))


# --------------------------------------------------------------------- layers
def layer_blocks(model: nn.Module, matrix: Tensor) -> list[tuple[Array, Array]]:
    """Weights and eigenvalues of the diagonal block of each layer.

    Examples
    --------
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> [(_, eigenvalues)] = layer_blocks(layer, torch.eye(2).double())
    >>> eigenvalues.tolist()
    [1.0, 1.0]
    """
    blocks, start = [], 0
    for parameter in prunable_parameters(model).values():
        stop = start + parameter.numel()
        weights = parameter.detach().double().flatten().cpu().numpy()
        blocks.append((weights, eigenvalues_of(matrix[start:stop, start:stop])))
        start = stop
    return blocks


def layers_sparsity(
    blocks: Sequence[tuple[Array, Array]], epsilon: float, formula: Formula
) -> float:
    """Largest sparsity of the global magnitude mask at which the layers' losses add up to ε.

    A layer with k of its D weights left at distance R is charged what its formula asks:
    ``(R²/2) σ`` (paper) or ``(R²/2) σ k/(D-k)`` (sharp), with N(σ) = k for its own
    block. So ε is shared out as the global mask needs it, and correlations between
    layers are left out.

    Parameters
    ----------
    blocks
        From `layer_blocks`.
    epsilon
        Loss rise allowed.
    formula
        "paper" or "sharp".

    Examples
    --------
    >>> blocks = [(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4))]
    >>> layers_sparsity(blocks, 1.2, "sharp"), layers_sparsity(blocks, 1.2, "paper")
    (0.25, 0.25)
    """
    sizes = [weights.size for weights, _ in blocks]
    magnitudes = np.abs(np.concatenate([weights for weights, _ in blocks]))
    layer = np.repeat(np.arange(len(blocks)), sizes)[np.argsort(magnitudes, kind="stable")]

    def loss(removed: int) -> float:
        gone = np.bincount(layer[:removed], minlength=len(blocks))
        return sum(
            _layer_loss(weights, eigenvalues, weights.size - int(count), formula)
            for (weights, eigenvalues), count in zip(blocks, gone, strict=True)
            if count
        )

    passing, failing = 0, magnitudes.size + 1
    while failing - passing > 1:
        middle = (passing + failing) // 2
        if loss(middle) <= epsilon:
            passing = middle
        else:
            failing = middle
    return passing / magnitudes.size


def _layer_loss(weights: Array, eigenvalues: Array, kept: int, formula: Formula) -> float:
    distance = distance_profile(weights)(float(kept))
    if formula == "sharp":
        return float(sharp_loss(eigenvalues, distance, float(kept)))
    return 0.5 * distance**2 * ridge_at(eigenvalues, float(kept)) if distance > 0 else 0.0


# --------------------------------------------------------------------- rounds
@dataclass(frozen=True)
class Round:
    """A network after one of several cuts and its fine-tuning.

    Attributes
    ----------
    sparsity
        Reached so far.
    loss
        Of the fine-tuned network.
    weights, eigenvalues
        Of the survivors, ``(kept,)``: their magnitudes, and their block of the matrix.
    """

    sparsity: float
    loss: float
    weights: Array
    eigenvalues: Array


def prune_in_rounds(
    model: nn.Module,
    batches: Batches,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    sparsities: Sequence[float],
    highest_loss: float,
    budget: FineTuning,
    loader: Batches,
) -> list[Round]:
    """Cut to each sparsity in turn by magnitude, fine-tune, measure the survivors anew.

    Parameters
    ----------
    model
        Trained, dense; left untouched.
    batches
        On which loss and curvature are measured.
    loss_fn
        Cross entropy, as a mean.
    sparsities
        Increasing from 0, where the network is taken as it is.
    highest_loss
        Stop after the first round that ends above it.
    budget, loader
        Of the fine-tuning after each cut.
    """
    rounds: list[Round] = []
    network = model
    for sparsity in sparsities:
        mask = magnitude_mask(network, sparsity)
        if sparsity > 0:
            network = finetune(
                network, mask, loss_fn, loader, batches, budget, device="cpu", progress=False
            ).model
        keep = flatten(mask.values())
        matrix = gauss_newton_matrix(network, batches)[keep][:, keep]
        survivors = prunable_weights(network)[keep].double().numpy()
        loss, _ = evaluate(network, loss_fn, batches, device="cpu")
        rounds.append(Round(sparsity, loss, survivors, eigenvalues_of(matrix)))
        if loss > highest_loss:
            break
    return rounds


def rounds_sparsity(rounds: Sequence[Round], highest_loss: float, formula: Formula) -> float:
    """The prediction that the last useful round makes.

    Each round predicts within its survivors, with the loss that is left to lose. The
    first prediction that the next cut would pass is the answer; a round whose loss is
    above `highest_loss` predicts nothing.

    Parameters
    ----------
    rounds
        From `prune_in_rounds`.
    highest_loss
        L(w*) + ε.
    formula
        "paper" or "sharp".

    Examples
    --------
    >>> curved = Round(0.0, 1.0, np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    >>> rounds_sparsity([curved], 1.25, "sharp") == predicted_sparsity(
    ...     curved.eigenvalues, curved.weights, 0.25, "sharp")
    True
    """
    found = 0.0
    for number, now in enumerate(rounds):
        if now.loss >= highest_loss:
            break
        allowed = highest_loss - now.loss
        within = predicted_sparsity(now.eigenvalues, now.weights, allowed, formula)
        found = 1 - (1 - within) * (1 - now.sparsity)
        if number + 1 < len(rounds) and found < rounds[number + 1].sparsity:
            break
    return found
