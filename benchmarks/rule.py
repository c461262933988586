"""What the search of `find_limit` asks, by how sure it has to be: simulated on measured curves.

Every network with stored grids (``results/find.json``, ``results/outside.json``) gives a curve of
the loss against the weights kept: its grid from the dense network, and the tries beyond, straight
between them. A rule is run on it as on a network, in no time, but a try is then the same wherever
it starts from, as no fine-tuning is. `find.CASES` chose how sure a search has to be: the surest of
`SURE` that took about half of bisection's six tries. The others' tries under an earlier rule had
been read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import common, find, outside
from prunelimit.expected import Expected
from prunelimit.pruning.criterion import LossRise
from prunelimit.pruning.search import SearchRule
from prunelimit.records import from_plain

TOLERANCE = 0.01
SURE = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
BEYOND = 2.5
"""Slope of a curve where nothing was measured."""


@dataclass(frozen=True)
class Curve:
    """Excess by −log of the share kept, and where the grid puts the threshold."""

    dim: int
    depths: np.ndarray
    excess: np.ndarray
    threshold: float
    rule: SearchRule

    def at(self, kept: int) -> float:
        depth = -math.log(kept / self.dim)
        beyond = depth - float(np.clip(depth, self.depths[0], self.depths[-1]))
        return float(np.interp(depth, self.depths, self.excess)) + BEYOND * beyond


def curve(row: dict[str, Any]) -> Curve:
    """Of a stored row of either benchmark."""
    facts = row.get("facts", row)
    level = facts["loss"] + facts["epsilon"]
    grid, tries = row["grid"]["from_dense"], row["found"]["tries"]
    losses = {one["sparsity"]: one["loss"] for one in tries}
    losses |= {
        point / 100: loss for point, loss in zip(grid["points"], grid["losses"], strict=True)
    }
    places = sorted(place for place in losses if place < 1)
    dim, expected = facts["dim"], from_plain(Expected, row["expected"], "a stored row")
    guess = min(max((1 - float(expected.sparsity)) * dim, 1.0), dim - 1.0)
    slope = LossRise(find.loss_fn, [], facts["loss"], facts["epsilon"]).slope
    return Curve(
        dim,
        -np.log1p(-np.array(places)),
        np.log(np.maximum([losses[place] for place in places], 1e-6 * level) / level),
        grid["threshold"],
        SearchRule(dim, guess, slope, TOLERANCE, expected.spread),
    )


def searched(found: Curve, sure: float) -> tuple[int, float]:
    """Tries, and the error of the answer in sparsity."""
    rule, points = replace(found.rule, sure=sure), dict[int, float]()
    while len(points) < 12 and (kept := rule.following(points)) is not None:
        points[kept] = found.at(kept)
    return len(points), 1 - rule.crossing(points) / found.dim - found.threshold


def run(surely: Sequence[float] = SURE) -> dict[str, dict[str, dict[str, float]]]:
    """By what the search asks, then by which networks."""
    chosen = {case.name for case in find.CASES}
    rows = {path: json.loads(path.read_text("utf-8"))["rows"] for path in (find.PATH, outside.PATH)}
    parts = {
        "chose": [row for name, row in rows[find.PATH].items() if name in chosen],
        "others": [row for name, row in rows[find.PATH].items() if name not in chosen],
        "other kinds": [row for row in rows[outside.PATH].values() if "grid" in row],
    }
    curves = {name: [curve(row) for row in part] for name, part in parts.items()}
    found = {}
    for sure in surely:
        found[str(sure)] = {name: _summary(part, sure) for name, part in curves.items()}
        print(f"\nsure of {sure}")
        print(common.table(found[str(sure)], list(found[str(sure)]["chose"])))
    return found


def _summary(curves: list[Curve], sure: float) -> dict[str, float]:
    ends = np.array([searched(one, sure) for one in curves])
    tries, errors = ends[:, 0], abs(ends[:, 1])
    return {
        "tries": float(tries.mean()),
        "median": float(np.median(tries)),
        "90th": float(np.quantile(tries, 0.9)),
        "near": float((errors <= TOLERANCE).mean()),
        "error": float(errors.mean()),
    }
