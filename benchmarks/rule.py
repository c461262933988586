"""What the search of `find_limit` asks, by how sure it has to be: simulated on measured curves.

Every network with stored grids (``results/find.json``, ``results/outside.json``) gives a curve of
the loss against the weights kept: its grid from the dense network, and the tries beyond, straight
between them. A rule is run on it as on a network, in no time, but a try is then the same wherever
it starts from, as no fine-tuning is. `find.CASES` chose how sure a search has to be: the surest of
`SURE` that took less than half of bisection's six tries. The others' tries under an earlier rule
had been read.
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
from prunelimit.pruning.search import LEAST_SLOPE, SearchRule
from prunelimit.records import from_plain

TOLERANCE = 0.01
SURE = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
MOST_TRIES = 12


@dataclass(frozen=True)
class Curve:
    """Excess by −log of the share kept, and where the grid puts the threshold."""

    depths: np.ndarray
    excess: np.ndarray
    threshold: float
    rule: SearchRule

    def at(self, kept: int) -> float:
        """The excess; beyond what was measured it goes on with the least slope of all."""
        depth = -math.log(kept / self.rule.dim)
        beyond = depth - float(np.clip(depth, self.depths[0], self.depths[-1]))
        return float(np.interp(depth, self.depths, self.excess)) + LEAST_SLOPE * beyond


def curve(row: dict[str, Any]) -> Curve:
    """Of a stored row of either benchmark."""
    facts, grid = row.get("facts", row), row["grid"]["from_dense"]
    on_grid = zip(grid["points"], grid["losses"], strict=True)
    losses = {one["sparsity"]: one["loss"] for one in row["found"]["tries"]}
    losses |= {point / 100: loss for point, loss in on_grid}
    places = sorted(losses)
    criterion = LossRise(find.loss_fn, [], facts["loss"], facts["epsilon"])
    dim, expected = facts["dim"], from_plain(Expected, row["expected"], "a stored row")
    guess = (1 - float(expected.sparsity)) * dim
    return Curve(
        -np.log1p(-np.array(places)),
        np.array([criterion.excess(losses[place]) for place in places]),
        grid["threshold"],
        SearchRule(dim, guess, criterion.slope, TOLERANCE, expected.spread),
    )


def searched(found: Curve, sure: float) -> tuple[int, float]:
    """Tries, and the error of the answer in sparsity."""
    rule, points = replace(found.rule, sure=sure), dict[int, float]()
    while len(points) < MOST_TRIES and (kept := rule.following(points)) is not None:
        points[kept] = found.at(kept)
    return len(points), 1 - rule.crossing(points) / rule.dim - found.threshold


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
