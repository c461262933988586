"""Linear regressions: networks for which every mask's lowest loss is known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class Regression:
    """A layer at the least-squares solution of its data, and what is known about it.

    Attributes
    ----------
    model, data
        The layer (no bias, float64) and one batch.
    """

    model: nn.Module
    data: list[tuple[torch.Tensor, torch.Tensor]]

    def lowest_loss(self, kept: int) -> float:
        """Least squares on the `kept` columns of largest weight."""
        inputs, targets = (part.numpy() for part in self.data[0])
        weights = self.model.weight.detach().numpy().ravel()
        columns = np.sort(np.argsort(np.abs(weights), kind="stable")[len(weights) - kept :])
        solution = np.linalg.lstsq(inputs[:, columns], targets, rcond=None)[0]
        return float(np.mean((inputs[:, columns] @ solution - targets) ** 2))

    def threshold(self, epsilon: float) -> int:
        """Fewest weights with which the loss stays within `epsilon` of the dense one."""
        dim = self.model.weight.numel()
        level = self.lowest_loss(dim) + epsilon
        return min(kept for kept in range(1, dim + 1) if self.lowest_loss(kept) <= level)

    def solve(self, masked: nn.Module) -> None:
        """A fine-tuning loop that puts the survivors where they are best, exactly."""
        inputs, targets = (part.numpy() for part in self.data[0])
        free = masked.weight.detach().numpy().copy()
        columns = np.flatnonzero(free)
        free[0, columns] = np.linalg.lstsq(inputs[:, columns], targets, rcond=None)[0][:, 0]
        with torch.no_grad():
            (weight,) = masked.parameters()
            weight.copy_(torch.from_numpy(free))


def regression(
    dim: int = 80, examples: int = 400, correlation: float = 0.5, seed: int = 0
) -> Regression:
    """Correlated inputs, weights of all sizes, and noise in the targets."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(dim) + correlation * rng.normal(size=(dim, dim)) / np.sqrt(dim)
    inputs = rng.normal(size=(examples, dim)) @ mixing
    truth = rng.normal(size=dim) * np.exp(rng.normal(size=dim))
    targets = inputs @ truth + rng.normal(size=examples)
    solution = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    model = nn.Linear(dim, 1, bias=False).double()
    model.weight.data = torch.tensor(solution)[None]
    return Regression(model.eval(), [(torch.tensor(inputs), torch.tensor(targets)[:, None])])
