"""What decides how sparse a network can go: converged thresholds of many small networks.

The calibration behind `prunelimit.expected` and chapter 10's tables are made by::

    python -m prunelimit.lab.studies.existence --output book/results/existence.json

Networks are measured one after another, each in a file of its own: killed at any time, the
same command goes on, on another machine from the networks in the committed file. ``--share 1/3``
measures every third of them, so that several processes can stand side by side; ``--collect``
writes what is there and measures nothing. A better optimiser moves thresholds, and each row says
which way was its own: a network whose file is deleted is measured anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prunelimit.expected import mean_share
from prunelimit.files import write_json, write_text
from prunelimit.lab.existence.converged import Descent, minimise
from prunelimit.lab.existence.threshold import SETTLED, ExistenceSearch
from prunelimit.lab.store.provenance import code_version, describe_module
from prunelimit.lab.studies import yardsticks, zoo
from prunelimit.lab.studies.curves import BATCH, Bench, limits, train
from prunelimit.lab.studies.plan import networks
from prunelimit.limit.measure import SpectralMeasure, spectral_measure
from prunelimit.progress import progress_bar
from prunelimit.pruning.cut import last_path_gone, lowest_constant_loss
from prunelimit.pruning.masks import LAYERS_AT, layer_counts, magnitude_mask
from prunelimit.records import fields_to_plain, from_plain, rounded, to_plain
from prunelimit.results.existence import ExistenceStudy, Network, Threshold
from prunelimit.results.parts import Provenance
from prunelimit.spectrum.operator import CurvatureOperator

FORMAT = ExistenceStudy.FORMAT

SLOW = ("cnn-batch", "cnn-group", "resnet", "transformer")
"""Families whose Hessian products are dear: one network of each has |H|, the others have it all."""


def measure(network: Network) -> dict[str, Any]:
    """Train a network, predict, and measure the four curves; plain numbers."""
    began, used = time.perf_counter(), time.process_time()
    found = zoo.examples(network.source, network.examples)
    bench = Bench(train(network, found), found)
    batches = bench.batch_losses()
    block = bench.block()
    spectra = {"ggn": spectral_measure(torch.linalg.eigvalsh(block).clamp(min=0).numpy())}
    if network.family not in SLOW or network.name in list(networks())[:12]:
        spectra["abs"] = spectral_measure(torch.linalg.eigvalsh(bench.hessian()).abs().numpy())
    rises = bench.one_shot_rises()
    rows = [
        _predicted(bench, spectra, rises, epsilon, source)
        for epsilon, source in (
            (float(batches.std(ddof=1)), f"standard deviation of minibatches of {BATCH}"),
            (network.epsilon, "given"),
        )
    ]
    predicted = time.process_time() - used
    facts = _existence(bench, rows)
    decrement = bench.newton_decrement()
    _raise_levels(bench, spectra["ggn"], rows, "gain", bench.loss - facts["finetuned_loss"])
    _raise_levels(bench, spectra["ggn"], rows, "decrement", decrement)
    record = {
        "format": FORMAT,
        "name": network.name,
        "network": dataclasses.asdict(network),
        **_facts(bench, spectra["ggn"]),
        "batch_std": rows[0]["epsilon"],
        "newton_decrement": decrement,
        **facts,
        "rows": rows,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "cpu_seconds_before_existence": round(predicted, 1),
        "code": code_version(),
    }
    yardsticks.add(bench, network, record)
    return record


def _raise_levels(
    bench: Bench, spectrum: SpectralMeasure, rows: list[dict[str, Any]], name: str, gain: float
) -> None:
    """Write both formulas at ε plus a gain into the rows."""
    for row in rows:
        row[name] = limits(spectrum, bench.profile, row["epsilon"] + max(0.0, gain))


def _facts(bench: Bench, spectrum: SpectralMeasure) -> dict[str, Any]:
    """What is known of the trained network and its magnitude masks, whatever ε is."""
    shares = np.linspace(0, 1, 21)
    layers = layer_counts(bench.model, magnitude_mask(bench.model, LAYERS_AT))
    operator = CurvatureOperator(bench.model, bench.loss_fn, bench.data)
    return {
        "dim": bench.dim,
        "free": bench.landscape.size,
        "examples": len(bench.found.inputs),
        "classes": bench.found.outputs,
        "loss": bench.loss,
        **_accuracies(bench),
        "norm": float(bench.weights.norm()),
        "gradient_norm": float(bench.gradient[bench.landscape.prunable].norm()),
        "trace": spectrum.trace(),
        "eigenvalue_quantiles": np.quantile(spectrum.nodes, shares).tolist(),
        "rank": spectrum.rank,
        "layers": len(layers),
        "layer_share": mean_share(layers),
        "cut": last_path_gone(operator, bench.order),
        "constant_loss": lowest_constant_loss(operator),
        "distance_quantiles": [bench.profile(share * bench.dim) for share in shares],
    }


def _accuracies(bench: Bench) -> dict[str, float | None]:
    found = bench.found
    if found.targets.is_floating_point():
        return {"train_accuracy": None, "test_accuracy": None}
    with torch.no_grad():
        right = [
            float((bench.model(x).argmax(1) == y).float().mean())
            for x, y in ((found.inputs, found.targets), (found.test_inputs, found.test_targets))
        ]
    return {"train_accuracy": right[0], "test_accuracy": right[1]}


def _predicted(
    bench: Bench,
    spectra: dict[str, SpectralMeasure],
    rises: np.ndarray,
    epsilon: float,
    source: str,
) -> dict[str, Any]:
    """Predictions at one ε, and the curves that need no search."""
    found = {name: limits(spectrum, bench.profile, epsilon) for name, spectrum in spectra.items()}
    removed = round(found["ggn"]["paper"]["sparsity"] * bench.dim)
    gone = bench.order[:removed]
    slope = bench.gradient[bench.landscape.prunable]
    above = np.nonzero(rises > epsilon)[0]
    return {
        "epsilon": epsilon,
        "epsilon_source": source,
        **found,
        "at_twice_epsilon": limits(spectra["ggn"], bench.profile, 2 * epsilon),
        "linear_rise": -float(slope[gone] @ bench.weights[gone]),
        "one_shot_quadratic": float((above[0] - 1 if len(above) else bench.dim) / bench.dim),
        "one_shot": bench.one_shot_measured(epsilon),
        "quadratic_existence": bench.quadratic_existence(epsilon, biases=True),
        "quadratic_existence_fixed_biases": bench.quadratic_existence(epsilon, biases=False),
    }


def _existence(bench: Bench, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Converged thresholds, from the lowest level to the highest; written into the rows."""
    search = ExistenceSearch(bench.landscape, bench.order)
    rising = sorted(rows, key=lambda row: row["epsilon"])
    dense = minimise(
        bench.landscape,
        torch.ones(bench.landscape.size, dtype=torch.bool),
        level=0.02 * rising[0]["epsilon"],
        descent=Descent(iterations=25, hopeless=math.inf, dense_dim=700),
    )
    # The geometric mean of what the two formulas keep, within reason.
    limits_kept = (1 - rising[0]["ggn"][name]["sparsity"] for name in ("paper", "sharp"))
    guess = 1 - math.sqrt(math.prod(min(max(share, 0.02), 0.9) for share in limits_kept))
    for row in rising:
        found = search.threshold(bench.loss + row["epsilon"], guess, double=True)
        damped_by = list(search.descent.scalings)
        row["real_existence"] = fields_to_plain(found) | {"damped_by": damped_by}
        guess = found.value
    return {
        "finetuned_loss": dense.loss,
        "finetuned_status": dense.status,
        "iterations": search.iterations,
        "minima": [
            [count, round(m.loss, 6), m.status] for count, m in sorted(search.minima.items())
        ],
    }


# ------------------------------------------------------------------------- run
def measured(name: str, runs: Path) -> dict[str, Any] | None:
    """The record of a network, if it was measured as it is asked for now."""
    path = runs / f"{name}.json"
    if not path.is_file():
        return None
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    asked = json.loads(json.dumps(dataclasses.asdict(networks()[name])))
    return stored if stored.get("format") == FORMAT and stored["network"] == asked else None


def run_study(names: Sequence[str], runs: Path) -> None:
    """Measure each network that is not measured yet."""
    runs.mkdir(parents=True, exist_ok=True)
    with progress_bar("existence", total=len(names)) as bar:
        for name in names:
            if measured(name, runs) is None:
                write_json(runs / f"{name}.json", measure(networks()[name]))
            bar.update(1, name)


def restore(output: Path, runs: Path) -> None:
    """Take the finished networks of a collected file as measured, so that only the rest is."""
    if not output.is_file():
        return
    runs.mkdir(parents=True, exist_ok=True)
    for record in json.loads(output.read_text(encoding="utf-8"))["networks"]:
        path = runs / f"{record['name']}.json"
        if not path.exists():
            write_json(path, record)


def collect(runs: Path, output: Path, made: Provenance) -> None:
    """Write the finished networks, in the order of the plan, with where they come from."""
    found = [row for name in networks() if (row := measured(name, runs)) is not None]
    study = {
        "format": FORMAT,
        "planned": len(networks()),
        "networks": [rounded(_marked(_raised(row))) for row in found],
        "cpu_seconds": round(sum(row["cpu_seconds"] for row in found), 1),
        "provenance": to_plain(made),
    }
    write_text(output, json.dumps(study, separators=(",", ":")) + "\n")


def _raised(network: dict[str, Any]) -> dict[str, Any]:
    """Thresholds at least as sparse as every mask with a solution at or below their level.

    A solution under a mask is one under every denser one and at every higher level (exact), which
    an earlier search forgot. Where no mask beyond was tried, the value is the lower end.
    """
    dim, least = network["dim"], 0
    rows = [dict(row) for row in network["rows"]]
    tried = [count for count, *_ in network["minima"]]
    tried += [round(row["real_existence"]["upper"] * dim) for row in rows]
    for row in sorted(rows, key=lambda row: row["epsilon"]):
        found, level = row["real_existence"], network["loss"] + row["epsilon"]
        # Losses are kept to six decimals.
        reached = [n for n, loss, _ in network["minima"] if loss + 5e-7 <= level]
        least = max([least, round(found["lower"] * dim), *reached])
        if found["status"] == "bracketed" and least > round(found["lower"] * dim):
            new = yardsticks.beside(least, tried, dim)
            ends = {"lower": new.lower, "value": new.value, "upper": new.upper}
            row["real_existence"] = found | ends | {"raised_from": found["value"]}
    return network | {"rows": rows}


def _marked(network: dict[str, Any]) -> dict[str, Any]:
    """Say of each converged threshold whether another descent moved it: then it is a bound."""
    rows = []
    for row in network["rows"]:
        found = from_plain(Threshold, row["real_existence"])
        nested = found.by_nested_search
        once = nested if found.once is None else found.once
        moved = max(nested - once, found.value - nested) > SETTLED
        rows.append(row | {"real_existence": row["real_existence"] | {"lower_bound": moved}})
    return network | {"rows": rows}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, or a share of it, and write one JSON file."""
    parser = argparse.ArgumentParser(prog="python -m prunelimit.lab.studies.existence")
    parser.add_argument("--runs", type=Path, default=Path("runs/existence"))
    parser.add_argument("--networks", nargs="+", default=list(networks()), metavar="NAME")
    parser.add_argument("--share", default="1/1", metavar="PART/PARTS")
    parser.add_argument("--collect", action="store_true", help="measure nothing more")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(arguments)
    if given.output is not None:
        restore(given.output, given.runs)
    part, parts = map(int, given.share.split("/"))
    if not given.collect:
        run_study(given.networks[part - 1 :: parts], given.runs)
    if given.output is not None:
        made = describe_module("prunelimit.lab.studies.existence", arguments)
        collect(given.runs, given.output, made)


if __name__ == "__main__":
    main()
