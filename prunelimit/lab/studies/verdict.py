r"""The paper's limit by the paper's own choices, beside its own measure of what pruning reaches.

Curvature is \|H\|, ε the standard deviation of the losses of minibatches of 128, the distance R
rounded to an integer as its code rounds it; "actual" is the sparsity up to which the one-shot
accuracy holds. Made by::

    python -m prunelimit.lab.studies.verdict digits-mlp fashion-mlp fc5 \
        --seed 0 1 2 --output book/results/verdict.json

Networks that the output has are not measured again.
"""

from __future__ import annotations

import argparse
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from prunelimit.estimates import Interval
from prunelimit.lab.experiment import accuracy_threshold
from prunelimit.lab.stages import prediction, sweeps
from prunelimit.lab.stages.run import Run
from prunelimit.lab.store.provenance import describe_module
from prunelimit.lab.studies.depth import RUNS, trained
from prunelimit.lab.studies.scales import scale_of
from prunelimit.limit.distance import Distance, as_distance_function
from prunelimit.progress import progress_bar
from prunelimit.report import PruningLimit
from prunelimit.results.choices import OwnChoices, Verdict

_BATCH_SIZE = 128


def rounded_limit(needed: Callable[[float], float], distance: Distance, dim: int) -> float:
    """Share of `dim` weights that the paper's formula keeps where R is rounded to an integer.

    The smallest k that is at least the weights `needed` at the rounded R(k), which fall with k: by
    bisection. Halves are rounded down.

    Parameters
    ----------
    needed
        Rounded distance, above 0, to weights; not decreasing.
    distance
        R of k, not increasing.
    dim
        D.

    Examples
    --------
    >>> rounded_limit(lambda r: 10.0 * r, lambda k: 5 * (1 - k / 100), 100)
    0.3
    """
    radius = as_distance_function(distance, dim)

    def suffices(kept: int) -> bool:
        whole = math.ceil(radius(kept) - 0.5)
        return whole <= 0 or needed(whole) <= kept

    return (1 + bisect_left(range(1, dim), True, key=suffices)) / dim


def rounded_sparsity(report: PruningLimit) -> float:
    """The paper's limit with R rounded, at the spectrum's best value."""
    dimension, twice = report.spectrum.effective_dimension, 2 * report.epsilon
    return 1 - rounded_limit(lambda r: dimension(twice / r**2).value, report.distance, report.dim)


def measure(name: str, seed: int, device: str = "auto") -> OwnChoices:
    """One network by both curvatures, and up to where its one-shot accuracy holds."""
    scale, directory = scale_of(name, seed), RUNS / f"{name}-seed{seed}"
    model, splits = trained(scale.task, directory, device)
    config = replace(scale.measurement, epsilon=None, epsilon_batch_size=_BATCH_SIZE)
    by_theirs, by_ours = (
        Run(model, splits, scale.task.training, replace(config, policy=policy), directory, device)
        for policy in ("abs", "ggn")
    )
    theirs = prediction.measure(by_theirs, "verdict-abs")
    ours = prediction.measure(by_ours, "verdict-ggn")
    prediction.clear(by_theirs)  # both are complete
    return OwnChoices(
        name=name,
        seed=seed,
        dim=theirs.dim,
        epsilon=theirs.epsilon,
        loss=theirs.loss.mean,
        paper=_interval(theirs),
        rounded=rounded_sparsity(theirs),
        gauss_newton=_interval(ours),
        accuracy=accuracy_threshold(sweeps.measure(by_theirs), config.accuracy_tolerance),
    )


def _interval(report: PruningLimit) -> Interval:
    limit = report.paper
    return Interval(limit.lower, float(limit.sparsity), limit.upper)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the networks that the output lacks, and write it after each."""
    parser = argparse.ArgumentParser(prog="python -m prunelimit.lab.studies.verdict")
    parser.add_argument("names", nargs="+", help="of prunelimit.lab.studies.scales")
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args(arguments)
    rows = list(Verdict.load(given.output).rows) if given.output.is_file() else []
    done = {(row.name, row.seed) for row in rows}
    todo = [pair for pair in product(given.names, given.seed) if pair not in done]
    with progress_bar("the paper's choices", total=len(todo)) as bar:
        for name, seed in todo:
            rows.append(measure(name, seed, given.device))
            made = describe_module("prunelimit.lab.studies.verdict", arguments, given.device)
            Verdict(tuple(rows), made).save(given.output)
            bar.update(1, f"{name}, seed {seed}")


if __name__ == "__main__":
    main()
