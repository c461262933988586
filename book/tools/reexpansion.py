r"""Write ``reexpanded.json``: one quadratic picture of a loss, drawn anew once or several times.

``python -m book.tools.reexpansion`` takes the network of chapter 0
(``hour_network.json``) from w* to a magnitude mask in 1, 2, 4, 8 and 16 equal cuts along the
order of its weights, so that all end with the same survivors. Before each cut it expands the
loss about where it stands,

.. math:: q(d) = L(v) + g^\top d + \tfrac12 d^\top G d,

with the gradient g and the Gauss-Newton matrix G at v, lets d remove the next weights, and
chooses the survivors' part of d to minimise ``q(d) + μ/2 |d_kept|²``. Then it goes there, and
looks at the loss. The damping μ is needed: along flat directions the minimiser of q itself is
many times as far away as w* is long. Biases stay as they are. It takes some minutes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from book.tools.content import ROOT
from book.tools.hour_network import build
from prunelimit.files import write_text
from prunelimit.lab import data
from prunelimit.lab.existence.landscape import Landscape
from prunelimit.lab.store.provenance import describe_module
from prunelimit.pruning import magnitude_order
from prunelimit.pruning.masks import removed_count
from prunelimit.records import rounded, to_plain
from prunelimit.widgets.cut_a_network import hour_network

FORMAT = "prunelimit.reexpanded/1"
EXPANSIONS = (1, 2, 4, 8, 16)
SPARSITIES = (0.68, 0.72, 0.76, 0.8, 0.84, 0.88)
DAMPING = 1e-3
POINTS = 16
"""How often the real loss is looked at along a path, at least, and four times in each step."""
TARGET = ROOT / "prunelimit" / "widgets" / "reexpanded.json"

Picture = tuple[Tensor, Tensor]
"""Gradient ``(n,)`` and Gauss-Newton matrix ``(n, n)`` in n weights."""


@dataclass(frozen=True)
class Stage:
    """One step along one quadratic picture, ``q(t) = start + slope t + curvature t²/2``.

    Attributes
    ----------
    removed
        Weights that are 0 after it.
    slope, curvature
        g·d and dᵀGd of the step d.
    losses
        The real loss at equal steps of t, up to t = 1.
    """

    removed: int
    slope: float
    curvature: float
    losses: tuple[float, ...]


def main() -> None:
    """Measure every path and write the file."""
    model, network = load_hour_network(), hour_network()
    space = Landscape(model, cross_entropy, data.load("digits").train_eval)
    order = magnitude_order(model)
    first = space.gauss_newton(space.start, space.prunable[order])  # all paths begin with it
    found: dict[str, Any] = {
        "format": FORMAT,
        "name": network["name"],
        "dim": len(order),
        "loss": rounded(float(space.losses(space.start[None]))),
        "epsilon": rounded(network["epsilon"]),
        "sparsities": SPARSITIES,
        "runs": {
            str(expansions): [
                rounded([list(vars(stage).values()) for stage in path])
                for path in (walk(space, order, s, expansions, first) for s in SPARSITIES)
            ]
            for expansions in EXPANSIONS
        },
        "provenance": to_plain(describe_module("book.tools.reexpansion", [])),
    }
    write_text(TARGET, json.dumps(found, separators=(",", ":")) + "\n")


def load_hour_network() -> nn.Module:
    """The network of chapter 0 in float64, out of the file that its widget reads.

    Examples
    --------
    >>> len(magnitude_order(load_hour_network()))
    888
    """
    model = build().double().eval()
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    with torch.no_grad():
        for module, stored in zip(linear, hour_network()["layers"], strict=True):
            flat = torch.zeros(module.weight.numel(), dtype=torch.float64)
            flat[stored["at"]] = torch.tensor(stored["weight"], dtype=torch.float64)
            module.weight.copy_(flat.view_as(module.weight))
            module.bias.copy_(torch.tensor(stored["bias"], dtype=torch.float64))
    return model


def step_to(weights: Tensor, removed: int, picture: Picture, damping: float = DAMPING) -> Tensor:
    """The step d that sets the first weights to 0 and is best for the others, damped.

    Parameters
    ----------
    weights
        Where the picture was drawn, ``(n,)``, those to remove first.
    removed
        How many.
    picture
        In the same order.
    damping
        μ > 0.

    Examples
    --------
    >>> coupled = torch.tensor([[2.0, 1.0], [1.0, 1.0]])
    >>> step_to(torch.ones(2), 1, (torch.zeros(2), coupled), damping=1e-9)
    tensor([-1.,  1.])
    """
    gradient, matrix = picture
    gone = -weights[:removed]
    block = matrix[removed:, removed:]
    block = block + damping * torch.eye(len(block), dtype=block.dtype)
    pull = gradient[removed:] + matrix[removed:, :removed] @ gone
    best = -torch.cholesky_solve(pull[:, None], torch.linalg.cholesky(block))[:, 0]
    return torch.cat([gone, best])


def walk(
    space: Landscape, order: Tensor, sparsity: float, expansions: int, first: Picture | None = None
) -> list[Stage]:
    """From w* to the magnitude mask of `sparsity` in equal cuts, one picture for each.

    Parameters
    ----------
    space
        The loss, around w*.
    order
        In which the weights go: that of the magnitudes at w*.
    sparsity
        Of the last mask.
    expansions
        How many pictures.
    first
        That at w*, in all weights; None draws it.
    """
    last = removed_count(sparsity, len(order))
    point, before, stages = space.start, 0, []
    places = torch.linspace(0, 1, 1 + max(4, POINTS // expansions), dtype=point.dtype)[1:]
    for number in range(1, expansions + 1):
        removed, alive = round(last * number / expansions), space.prunable[order[before:]]
        gradient, matrix = picture = first or space.gauss_newton(point, alive)
        step = step_to(point[alive], removed - before, picture)
        moved = torch.stack([point.index_add(0, alive, t * step) for t in places])
        slope, curvature = float(gradient @ step), float(step @ matrix @ step)
        stages.append(Stage(removed, slope, curvature, tuple(space.losses(moved).tolist())))
        point, before, first = moved[-1], removed, None
    return stages


if __name__ == "__main__":
    main()
