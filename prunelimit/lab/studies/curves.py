"""A small network of the existence study: its training, and the curves that matrices give."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from prunelimit.lab.existence.landscape import Landscape
from prunelimit.lab.studies import zoo
from prunelimit.lab.studies.zoo import Examples
from prunelimit.limit.distance import DistanceProfile, distance_profile
from prunelimit.limit.measure import SpectralMeasure
from prunelimit.limit.solve import solve_limit
from prunelimit.network.parameters import prunable_parameters
from prunelimit.pruning.masks import magnitude_order
from prunelimit.pruning.one_shot import every_rise
from prunelimit.results.existence import Network
from prunelimit.spectrum.operator import CurvatureOperator

BATCH = 32
"""Size of the batches of training, and of those whose losses' deviation is ε."""


# -------------------------------------------------------------------- training
def loss_function(found: Examples) -> Any:
    """Cross entropy, or the squared error of the regression."""
    return mse_loss if found.targets.is_floating_point() else cross_entropy


def train(network: Network, found: Examples) -> nn.Module:
    """The trained network, in eval mode: minibatches of 32, cosine, l1 on prunable weights."""
    # A loop of its own, not `lomp.Descent`: two of three networks are trained by Adam, and the
    # study's bits hang on the order of `minibatches` and on an L1 term inside the loss, whose
    # gradient Adam scales with the rest.
    torch.manual_seed(network.seed)
    model = zoo.build(network.kind, tuple(found.inputs.shape[1:]), found.outputs, network.widths)
    optimizer = _optimizer(network, model)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, network.steps)
    loss_fn, weights = loss_function(found), list(prunable_parameters(model).values())
    for batch in minibatches(len(found.inputs), network.steps, network.seed):
        loss = loss_fn(model(found.inputs[batch]), found.targets[batch])
        if network.l1:
            loss = loss + network.l1 * sum(w.abs().sum() for w in weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def minibatches(examples: int, steps: int, seed: int) -> Iterator[Tensor]:
    """Positions of each step's examples: one permutation after another, the rest of each left out.

    Examples
    --------
    >>> [len(batch) for batch in minibatches(70, 3, seed=0)]
    [32, 32, 32]
    """
    generator, order = torch.Generator().manual_seed(seed), torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < BATCH:
            order = torch.randperm(examples, generator=generator)
        batch, order = order[:BATCH], order[BATCH:]
        yield batch


def _optimizer(network: Network, model: nn.Module) -> torch.optim.Optimizer:
    rate = network.learning_rate
    if network.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    if network.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=rate)
    return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)


# ----------------------------------------------------------------- measurement
class Bench:
    """A trained network and its matrices, each computed once.

    Parameters
    ----------
    model
        Trained, in eval mode.
    found
        Its data.
    """

    def __init__(self, model: nn.Module, found: Examples) -> None:
        self.model, self.found = model, found
        self.loss_fn = loss_function(found)
        self.data = [(found.inputs, found.targets)]
        self.landscape = Landscape(model, self.loss_fn, self.data)
        self.order = magnitude_order(model)
        self.dim = len(self.order)
        free = torch.arange(self.landscape.size)
        start = self.landscape.start
        self.gradient, self.matrix = self.landscape.gauss_newton(start, free)
        self.loss = float(self.landscape.losses(start[None]))
        self.weights = start[self.landscape.prunable]
        self.profile: DistanceProfile = distance_profile(self.weights.numpy())

    def batch_losses(self) -> np.ndarray:
        """Losses of batches of `BATCH` in the stored order, the last shorter one left out."""
        with torch.no_grad():
            pairs = zip(
                self.found.inputs.split(BATCH), self.found.targets.split(BATCH), strict=True
            )
            losses = [float(self.loss_fn(self.model(x), y)) for x, y in pairs if len(x) == BATCH]
        return np.array(losses)

    def block(self) -> Tensor:
        """The Gauss-Newton matrix on the prunable weights."""
        chosen = self.landscape.prunable
        return self.matrix[chosen][:, chosen]

    def hessian(self) -> Tensor:
        """The Hessian on the prunable weights."""
        return CurvatureOperator(
            self.model, self.loss_fn, self.data, "hessian", device="cpu", dtype=torch.float64
        ).dense()

    def newton_decrement(self) -> float:
        """½ gᵀ(G + δI)⁻¹g over the prunable weights, δ a millionth of the mean curvature."""
        block = self.block().clone()
        block.diagonal().add_(max(1e-6 * float(block.diagonal().mean()), 1e-300))
        slope = self.gradient[self.landscape.prunable]
        return 0.5 * float(slope @ torch.linalg.solve(block, slope))

    # ------------------------------------------------------------- one-shot
    def one_shot_rises(self) -> np.ndarray:
        """½ xᵀGx with the first m weights of the order removed, for every m in 0 … D."""
        return every_rise(self.block(), self.weights, self.order).numpy()

    def one_shot_measured(self, epsilon: float) -> float:
        """Largest sparsity up to which the measured rise is at most ε, to about one part in 400."""
        low, high = 0.0, 1.0
        for _ in range(2):
            points = np.linspace(low, high, 21)[1:]
            removed = [self.order[: round(p * self.dim)] for p in points]
            masked = self.landscape.start * torch.stack(list(map(self.landscape.keep, removed)))
            passes = self.landscape.losses(masked).numpy() <= self.loss + epsilon
            first = int(np.argmin(passes)) if not passes.all() else len(points)
            low, high = (points[first - 1] if first else low), points[min(first, 19)]
            if first == len(points):
                return 1.0
        return float(low)

    # --------------------------------------------------- quadratic existence
    def quadratic_existence(self, epsilon: float, *, biases: bool) -> float:
        """Sparsity at which the quadratic model's re-fitted rise meets ε.

        With `biases`, every parameter that training moves is re-fitted; without, the
        surviving weights alone.
        """
        counts = range(1, self.dim)
        return bisect_right(counts, epsilon, key=lambda n: self.refitted_rise(n, biases)) / self.dim

    def refitted_rise(self, removed: int, biases: bool) -> float:
        """The quadratic model's rise with its survivors (and biases) re-fitted."""
        keep = self.landscape.keep(self.order[:removed])
        moved = torch.where(keep, 0.0, self.landscape.start)
        if not biases:
            only = torch.zeros_like(keep)
            only[self.landscape.prunable] = True
            keep = keep & only
        image = self.matrix @ moved
        block = self.matrix[keep][:, keep]
        if not len(block):
            return 0.5 * float(moved @ image)
        block.diagonal().add_(max(1e-9 * float(block.diagonal().mean()), 1e-300))
        step = torch.linalg.solve(block, image[keep])
        return 0.5 * float(moved @ image) - 0.5 * float(step @ image[keep])


def limits(measure: SpectralMeasure, profile: DistanceProfile, epsilon: float) -> dict[str, Any]:
    """Both formulas' limits, as `prunelimit.predict_limit` computes them."""
    found = {}
    for formula in ("paper", "sharp"):
        solution = solve_limit(measure.dimension, profile, epsilon, profile.dim, formula)
        found[formula] = {
            "sparsity": solution.sparsity,
            "distance": solution.distance,
            "status": solution.status,
        }
    return found
