"""The study's thresholds by other yardsticks: two more baselines, and SGD for the descent.

w* minimises L + λ‖w‖₁ and is no minimum of L. So ε may be counted from L(w*), from what the same
training brings the dense network down to, or on the regularised loss; and what a converged descent
reaches is more than what a stated budget of SGD does.

SGD trains all masks of a network in one batched pass: ``python -m benchmarks batched`` measures
8.4 times the throughput of one after another on the smallest MLPs, 3.4 on a transformer and 2.9 on
a convolutional network (32 masks, one thread). The descent has no use for it: its time goes into
one mask's Jacobian and factorisations, which are arithmetic, not calls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, vmap

from prunelimit.lab.existence.landscape import Landscape
from prunelimit.lab.existence.threshold import ExistenceSearch
from prunelimit.lab.studies.curves import Bench, minibatches
from prunelimit.records import fields_to_plain
from prunelimit.results.existence import Network, Threshold

RATE, MOMENTUM = 0.05, 0.9
"""SGD's; the rate falls by a cosine over as many batches of 32 as the network was trained on."""

MASKS = 24
"""From 0.8 of the fewest weights kept at a network's thresholds up to 0.95 of all, by a factor."""


def add(bench: Bench, network: Network, record: dict[str, Any]) -> None:
    """Write the thresholds by other yardsticks into the record's rows.

    A network at the tuned baseline's level is at that of L(w*) where this is the higher one: then
    the sparser of both thresholds stands for it (see `at_least`).
    """
    rows = sorted(record["rows"], key=lambda row: row["epsilon"])
    search = ExistenceSearch(bench.landscape, bench.order)
    for row in rows:
        level = record["finetuned_loss"] + row["epsilon"]
        tuned = fields_to_plain(search.threshold(level, row["real_existence"]["value"]))
        row["real_existence_finetuned_baseline"] = tuned
        if record["finetuned_loss"] <= record["loss"]:
            row["real_existence"] = at_least(row["real_existence"], tuned)
    if network.l1:
        given = record["rows"][1]
        given["real_existence_l1"] = fields_to_plain(_regularised(bench, network, given))
    removed = masks(rows, bench.dim)
    keep = torch.stack([bench.landscape.keep(bench.order[:count]) for count in removed])
    losses = sgd(bench.landscape, keep, network.steps, network.seed).tolist()
    for row in rows:
        level = record["loss"] + row["epsilon"]
        row["real_existence_sgd"] = fields_to_plain(threshold(removed, losses, level, bench.dim))


def at_least(found: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A threshold, given that another descent reached `other` at the same level or a lower one.

    Where that is sparser, what the first descent reached stands beside it as ``nested``.
    """
    if other["lower"] <= found["lower"]:
        return found
    ends = {name: other[name] for name in ("lower", "value", "upper", "status")}
    return found | ends | {"nested": found["value"]}


def _regularised(bench: Bench, network: Network, row: dict[str, Any]) -> Threshold:
    """The threshold where l1-regularised losses are compared, on both sides."""
    landscape = Landscape(bench.model, bench.loss_fn, bench.data, l1=network.l1)
    level = float(landscape.losses(landscape.start[None])) + row["epsilon"]
    search = ExistenceSearch(landscape, bench.order, resolution=0.01)
    return search.threshold(level, row["real_existence"]["value"])


# ------------------------------------------------------------------------- SGD
def masks(rows: list[dict[str, Any]], dim: int) -> list[int]:
    """Numbers of weights to remove, from few to many, around and above the rows' thresholds."""
    fewest = 0.8 * dim * min(1 - row["real_existence"]["value"] for row in rows)
    kept = torch.logspace(math.log10(max(fewest, 1.0)), math.log10(0.95 * dim), MASKS)
    return sorted({dim - round(float(count)) for count in kept})


def sgd(landscape: Landscape, keep: Tensor, steps: int, seed: int) -> Tensor:
    """Loss of every mask ``(masks, size)`` after SGD from the dense network, same batches for all.

    Examples
    --------
    >>> data = [(torch.eye(2).repeat(20, 1), torch.tensor([[1.0], [2.0]]).repeat(20, 1))]
    >>> line = Landscape(torch.nn.Linear(2, 1, bias=False), torch.nn.functional.mse_loss, data)
    >>> sgd(line, torch.tensor([[True, True], [False, True]]), 200, seed=0).round(decimals=3)
    tensor([0.0000, 0.5000], dtype=torch.float64)
    """

    def loss(point: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        return landscape.loss_fn(landscape.outputs_at(point, inputs), targets)

    slopes_of = vmap(grad(loss), (0, None, None))
    points = torch.where(keep, landscape.start, 0.0)
    speed = torch.zeros_like(points)
    for step, batch in enumerate(minibatches(len(landscape.inputs), steps, seed)):
        slopes = slopes_of(points, landscape.inputs[batch], landscape.targets[batch])
        speed = MOMENTUM * speed + torch.where(keep, slopes, 0.0)
        points = points - 0.5 * RATE * (1 + math.cos(math.pi * step / steps)) * speed
    return landscape.losses(points)


def threshold(removed: list[int], losses: list[float], level: float, dim: int) -> Threshold:
    """The sparsest mask that reaches the level, and the next; the dense network does.

    Examples
    --------
    >>> threshold([20, 50, 60, 90], [0.1, 0.4, 0.1, 0.9], level=0.2, dim=100).value
    0.8
    """
    passing = max((n for n, loss in zip(removed, losses, strict=True) if loss <= level), default=0)
    return beside(passing, removed, dim)


def beside(passing: int, tried: Iterable[int], dim: int) -> Threshold:
    """The threshold between a mask that passes and the next one tried; the mask itself, if none.

    Examples
    --------
    >>> beside(50, [20, 60], 100).upper, beside(50, [20], 100).value
    (0.6, 0.5)
    """
    beyond = [count for count in tried if count > passing]
    if not beyond:
        return Threshold(passing / dim, passing / dim, 1.0, "bracketed")
    return Threshold.between(passing, min(beyond), dim)
