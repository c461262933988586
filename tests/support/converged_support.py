"""A small network whose minima under masks are found exactly."""

import torch
from torch import nn

from prunelimit.lab.existence.converged import Descent
from prunelimit.lab.existence.landscape import Landscape
from prunelimit.pruning.masks import magnitude_order

EXACT = Descent(iterations=200, tolerance=1e-12, patience=3)


def tiny_network(seed: int = 0) -> tuple[nn.Module, list[tuple[torch.Tensor, torch.Tensor]]]:
    torch.manual_seed(seed)
    inputs = torch.randn(60, 4)
    targets = (inputs[:, 0] * inputs[:, 1] > 0).long() + (inputs[:, 2] > 1).long()
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), [(inputs, targets)]


def mask(landscape: Landscape, model: nn.Module, removed: int) -> torch.Tensor:
    return landscape.keep(magnitude_order(model)[:removed])
