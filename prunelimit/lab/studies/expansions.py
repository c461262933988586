"""From theory to training: how many damped quadratic pictures reach the converged threshold.

Around w* the loss has one quadratic picture. Its damped minimum under a mask is another point,
with a picture of its own; and so on. One picture is what a formula in (w*, g, G) may read;
many are a training. Made by::

    python -m prunelimit.lab.studies.expansions --study book/results/existence.json \\
        --output book/results/expansions.json

Networks that the output has are not expanded again: only what the study measured is read anew.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prunelimit.estimates import crossing_between
from prunelimit.lab.existence.converged import Descent, minimise
from prunelimit.lab.store.provenance import describe_module
from prunelimit.lab.studies import zoo
from prunelimit.lab.studies.curves import Bench, train
from prunelimit.progress import progress_bar
from prunelimit.results.existence import (
    ExistenceStudy,
    ExpandedNetwork,
    Expansions,
    MeasuredNetwork,
)

COUNTS = (1, 2, 4, 8, 16)
FAMILIES = (
    "mlp-digits",
    "mlp-digits-4x4",
    "mlp-fashion-7x7",
    "mlp-fashion-14x14",
    "mlp-layernorm",
    "mlp-deep",
    "mlp-tables",
    "regression",
)
"""Those whose matrices are cheap; the first two networks of each."""

MASKS = 40
ONE = Descent(iterations=1, hopeless=math.inf, scalings=("mean",))


def losses_by_expansions(bench: Bench, removed: int) -> list[float]:
    """Loss under a magnitude mask after 0, 1, …, 16 damped pictures, from w* cut."""
    keep = bench.landscape.keep(bench.order[:removed])
    point: Tensor = torch.where(keep, bench.landscape.start, 0.0)
    losses, damping = [float(bench.landscape.losses(point[None]))], 1e-2
    for _ in range(max(COUNTS)):
        found = minimise(bench.landscape, keep, point, descent=ONE, damping=damping)
        point, damping = found.point, min(found.damping, 1.0)
        losses.append(found.loss)
    return losses


def crossing(sparsities: Sequence[float], losses: Sequence[float], level: float) -> float:
    """The sparsest mask that passes, and on to the level in the logarithm of loss and kept.

    Examples
    --------
    >>> crossing([0.5, 0.75], [0.5, 2.0], 1.0).__round__(3)
    0.646
    >>> crossing([0.5, 0.75], [2.0, 3.0], 1.0)
    0.0
    """
    passing = [i for i, loss in enumerate(losses) if loss <= level]
    if not passing:
        return 0.0
    last = passing[-1]
    if last + 1 == len(losses):
        return sparsities[last]
    place, beyond = (
        (-math.log1p(-sparsities[i]), math.log(max(losses[i], 1e-12) / level))
        for i in (last, last + 1)
    )
    return 1 - math.exp(-crossing_between(place, beyond, 0.0))


def measure(network: MeasuredNetwork) -> ExpandedNetwork:
    """Thresholds after each number of pictures, at both of the network's ε."""
    found = zoo.examples(network.network.source, network.network.examples)
    bench = Bench(train(network.network, found), found)
    deepest = max(row.real_existence.value for row in network.rows)
    kept = np.geomspace(0.8, max(0.3 * (1 - deepest), 1 / bench.dim), MASKS)
    counts = sorted({round((1 - share) * bench.dim) for share in kept})
    losses = [losses_by_expansions(bench, removed) for removed in counts]
    sparsities = [removed / bench.dim for removed in counts]
    thresholds = tuple(
        tuple(
            crossing(sparsities, [curve[n] for curve in losses], bench.loss + row.epsilon)
            for n in COUNTS
        )
        for row in network.rows
    )
    return ExpandedNetwork(
        name=network.name,
        family=network.network.family,
        epsilons=tuple(row.epsilon for row in network.rows),
        quadratic_existence=tuple(row.quadratic_existence for row in network.rows),
        real_existence=tuple(row.real_existence.value for row in network.rows),
        thresholds=thresholds,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the first networks of the cheap families, and write one file."""
    parser = argparse.ArgumentParser(prog="python -m prunelimit.lab.studies.expansions")
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--each", type=int, default=2, help="networks a family")
    given = parser.parse_args(arguments)
    networks = ExistenceStudy.load(given.study).networks
    chosen = [
        network
        for family in FAMILIES
        for network in [n for n in networks if n.network.family == family][: given.each]
    ]
    known = Expansions.load(given.output).networks if given.output.is_file() else ()
    done = {network.name: network for network in known}
    measured = []
    with progress_bar("expansions", total=len(chosen)) as bar:
        for network in chosen:
            found = done.get(network.name) or measure(network)
            reached = tuple(row.real_existence.value for row in network.rows)
            measured.append(replace(found, real_existence=reached))
            bar.update(1, network.name)
    made = describe_module("prunelimit.lab.studies.expansions", arguments)
    Expansions(COUNTS, tuple(measured), made).save(given.output)


if __name__ == "__main__":
    main()
