"""Is `find_limit` within a point of a dense grid with the same fine-tuning, after how many tries?

nice python -m benchmarks.find            # writes results/find.json, a network at a time;
nice python -m benchmarks.find --summary  # the same command goes on where it stopped
nice python -m benchmarks.find --again    # another rule: every search anew, beside its stored grids

All are searched ``--again`` whenever the rule (`prunelimit.pruning.search`) or
`prunelimit.expected`, where a search begins, has changed; the numbers of `OTHERS` are chapter 10's.
No choice was made on these, but what earlier rules tried on them had been read. Since the rule
weighs the expectation with the tries (`benchmarks.rule`; before, it went by the tries alone) it
takes at most three fine-tunings on nine of ten of them, for four, and 0.47 of bisection's, as
before; it is within a point of the grid from the dense network on 82 %, for 86 %: one network of
22. The grids differ, by up to 3.1 points, where fine-tunings end in other minima.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn

import prunelimit as pl
from benchmarks import common
from prunelimit.estimates import crossing_between
from prunelimit.files import write_json
from prunelimit.network.adapter import adapt
from prunelimit.network.losses import loss_statistics
from prunelimit.network.parameters import prunable_parameters
from prunelimit.pruning.finetune import Retraining
from prunelimit.records import to_plain

PATH = common.RESULTS / "find.json"
ITERATIONS = 100
"""Of full-batch L-BFGS in one fine-tuning: the loop that the search and both grids are given."""
EXAMPLES = 500
"""Of digits at most, for the time."""

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}
loss_fn = nn.functional.cross_entropy


@dataclass(frozen=True)
class Case:
    """One network: its kind, its data, and how it was trained."""

    kind: str
    data: str
    widths: tuple[int, ...] = ()
    l1: float = 0.0
    epochs: int = 40
    optimiser: str = "sgd"
    seed: int = 0

    @property
    def name(self) -> str:
        shape = "-".join(map(str, self.widths)) or "small"
        return f"{self.data} {self.kind} {shape} {self.optimiser} l1={self.l1:g} seed {self.seed}"


CASES = (
    *(
        Case(kind, "digits 4x4", widths, l1, optimiser=optimiser)
        for kind in ACTIVATIONS
        for widths, l1, optimiser in (
            ((16, 16), 1e-3, "sgd"),
            ((32,), 1e-4, "sgd"),
            ((16, 16, 16), 0.0, "sgd"),
            ((16, 16), 0.0, "adamw"),
        )
    ),
    *(
        Case(kind, data, (16, 16), l1, optimiser=optimiser)
        for data in ("breast cancer", "wine", "iris")
        for kind, l1, optimiser in (("relu", 1e-3, "sgd"), ("tanh", 0.0, "adamw"))
    ),
    *(
        Case(kind, "digits", l1=l1, epochs=20, optimiser="adamw", seed=seed)
        for kind in ("cnn", "transformer")
        for l1, seed in ((0.0, 0), (3e-4, 1))
    ),
)


OTHERS = tuple(replace(case, seed=case.seed + 20) for case in CASES)
"""The same with other seeds: the judgement that no choice has seen."""


class RowTransformer(nn.Module):
    """A small transformer over the eight rows of a digit."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 12)
        self.place = nn.Parameter(0.1 * torch.randn(8, 12))
        self.query, self.key, self.value = (nn.Linear(12, 12) for _ in range(3))
        self.mixed, self.norm = nn.Linear(12, 12), nn.LayerNorm(12)
        self.up, self.down, self.head = nn.Linear(12, 24), nn.Linear(24, 12), nn.Linear(12, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        rows = self.embed(inputs.view(-1, 8, 8)) + self.place
        weights = self.query(rows) @ self.key(rows).transpose(1, 2) / 12**0.5
        rows = rows + self.mixed(weights.softmax(-1) @ self.value(rows))
        rows = rows + self.down(nn.functional.gelu(self.up(self.norm(rows))))
        return self.head(rows.mean(1))


def network(case: Case, features: int, classes: int) -> nn.Module:
    if case.kind == "transformer":
        return RowTransformer()
    if case.kind == "cnn":
        return nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(96, classes),
        )
    widths = (features, *case.widths, classes)
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), ACTIVATIONS[case.kind]()]
    return nn.Sequential(*layers[:-1])


def load(name: str) -> tuple[Tensor, Tensor]:
    source = {
        "digits": datasets.load_digits,
        "digits 4x4": datasets.load_digits,
        "breast cancer": datasets.load_breast_cancer,
        "wine": datasets.load_wine,
        "iris": datasets.load_iris,
    }[name]
    inputs, targets = source(return_X_y=True)
    if name == "digits 4x4":
        inputs = inputs.reshape(-1, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 16)
    inputs = inputs / 16 if "digits" in name else (inputs - inputs.mean(0)) / inputs.std(0)
    order = np.random.default_rng(0).permutation(len(inputs))[:EXAMPLES]
    return torch.tensor(inputs[order], dtype=torch.float32), torch.tensor(targets[order])


def trained(case: Case) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """The network in eval mode, and its training data in fixed batches."""
    inputs, targets = load(case.data)
    torch.manual_seed(case.seed)
    model = network(case, inputs.shape[1], int(targets.max()) + 1)
    makers: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "sgd": functools.partial(torch.optim.SGD, lr=0.05, momentum=0.9),
        "adamw": functools.partial(torch.optim.AdamW, lr=3e-3, weight_decay=0.01),
    }
    optimiser = makers[case.optimiser](model.parameters())
    size = 64 if len(inputs) > 400 else 32
    for _ in range(case.epochs):
        for chosen in torch.randperm(len(inputs)).split(size):
            optimiser.zero_grad()
            loss = loss_fn(model(inputs[chosen]), targets[chosen])
            loss = loss + case.l1 * sum(p.abs().sum() for p in model.parameters())
            loss.backward()
            optimiser.step()
    return model.eval(), list(zip(inputs.split(size), targets.split(size), strict=True))


class Loop:
    """Full-batch L-BFGS on the cross-entropy of the training data, with a little decay."""

    def __init__(self, data: list[tuple[Tensor, Tensor]]) -> None:
        self.inputs, self.targets = (torch.cat(part) for part in zip(*data, strict=True))

    def __call__(self, masked: nn.Module) -> None:
        parameters = list(masked.parameters())
        optimiser = torch.optim.LBFGS(
            parameters, max_iter=ITERATIONS, history_size=20, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            optimiser.zero_grad()
            loss = loss_fn(masked(self.inputs), self.targets)
            (loss + 1e-5 * sum(p.square().sum() for p in parameters)).backward()
            return loss.detach()

        optimiser.step(closure)


def grids(retraining: Retraining, level: float, around: float) -> dict[str, Any]:
    """Both dense grids near the answer (see `dense_grid`)."""
    return {
        name: dense_grid(retraining, level, around, nested)
        for name, nested in (("from_dense", False), ("nested", True))
    }


def dense_grid(retraining: Retraining, level: float, around: float, nested: bool) -> dict[str, Any]:
    """Fine-tune at every whole point near the answer, and see where the loss meets the level.

    Each point starts from the dense network, or, `nested`, from the solution a point denser: the
    walk then goes from seven points below `around` upwards. The threshold is that of the sparsest
    passing point (existence: masks are nested), interpolated in the logarithm of the loss.
    """
    start = retraining.model
    losses: dict[int, float] = {}

    def loss(point: int) -> float:
        nonlocal start
        if point not in losses:
            tuned = retraining.run(start, point / 100)
            adapted = adapt(tuned, retraining.loss_fn, retraining.data[1])
            losses[point] = loss_statistics(*adapted).mean
            start = tuned if nested else start
        return losses[point]

    middle = min(max(round(100 * around), 8), 97)
    if nested:
        walk(loss, middle - 7, 1, lambda value: value > level)
    else:
        walk(loss, middle, 1, lambda value: value > level)
        walk(loss, middle - 1, -1, lambda value: value <= level)
    points = sorted(losses)
    passing = [point for point in points if losses[point] <= level]
    return {
        "points": points,
        "losses": [losses[point] for point in points],
        "threshold": crossing(losses, level, max(passing, default=0)),
    }


def walk(
    loss: Callable[[int], float], point: int, step: int, decided: Callable[[float], bool]
) -> None:
    alike = 0
    while 0 < point < 100 and alike < 3:
        alike = alike + 1 if decided(loss(point)) else 0
        point += step


def crossing(losses: dict[int, float], level: float, passing: int) -> float:
    if passing == 0 or passing + 1 not in losses:
        return passing / 100
    here, beyond = (
        (float(p), math.log(max(losses[p], 1e-12) / level)) for p in (passing, passing + 1)
    )
    return crossing_between(here, beyond, 0.0) / 100


def run_case(case: Case, stored: dict[str, Any] | None = None) -> dict[str, Any]:
    """Train, predict, search; and walk both grids, unless they are given."""
    began = time.process_time()
    model, data = trained(case)
    report = pl.predict_limit(model, loss_fn, data, progress=False)
    predicted = time.process_time()
    loop = Loop(data)
    found = pl.find_limit(model, loss_fn, data, report, loop, progress=False)
    retraining = Retraining(model, list(prunable_parameters(model)), loss_fn, (data, data), loop)
    searched = time.process_time()
    level = report.loss.mean + report.epsilon
    return {
        "case": asdict(case),
        "dim": report.dim,
        "loss": report.loss.mean,
        "epsilon": report.epsilon,
        "paper": float(report.paper.sparsity),
        "sharp": float(report.sharp.sparsity),
        "expected": to_plain(report.expected),
        "found": found.to_dict(),
        "grid": stored or grids(retraining, level, found.sparsity),
        "seconds": {
            "report": predicted - began,
            "search": searched - predicted,
            "grids": time.process_time() - searched,
        },
    }


def search_again(row: dict[str, Any]) -> dict[str, Any]:
    """A stored row with the search that the rule makes now."""
    case = Case(**row["case"] | {"widths": tuple(row["case"]["widths"])})
    made = run_case(case, row["grid"])
    return made | {"seconds": made["seconds"] | {"grids": row["seconds"]["grids"]}}


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The targets: within a point of either grid, fine-tunings, and their share of bisection's."""
    found = np.array([r["found"]["sparsity"] for r in rows.values()])
    dense, nested = (
        np.array([r["grid"][name]["threshold"] for r in rows.values()])
        for name in ("from_dense", "nested")
    )
    measured = (dense + nested) / 2
    expected, lower, upper = (
        np.array([r["expected"][name] for r in rows.values()])
        for name in ("sparsity", "lower", "upper")
    )
    formulas = np.array([(r["paper"], r["sharp"]) for r in rows.values()])
    tries = np.array([r["found"]["cost"]["fine_tunings"] for r in rows.values()])
    bisections = np.array([r["found"]["cost"]["bisection"] for r in rows.values()])
    between = (found >= np.minimum(dense, nested) - 0.01) & (
        found <= np.maximum(dense, nested) + 0.01
    )
    return {
        "networks": len(rows),
        "within_a_point_of_the_grid_from_the_dense_network": share(abs(found - dense) <= 0.01),
        "within_a_point_of_the_nested_grid": share(abs(found - nested) <= 0.01),
        "within_a_point_of_or_between_both": share(between),
        "grids_within_a_point_of_each_other": share(abs(dense - nested) <= 0.01),
        "mean_error_from_dense": float(abs(found - dense).mean()),
        "mean_error_nested": float(abs(found - nested).mean()),
        "median_error_from_dense": float(np.median(abs(found - dense))),
        "bias_from_dense": float((found - dense).mean()),
        "expected_mean_error": float(abs(expected - measured).mean()),
        "expected_covers": share((lower <= measured) & (measured <= upper)),
        "expected_median_half_width": float(np.median(upper - lower) / 2),
        "threshold_outside_both_formulas": share(
            (found < formulas.min(1)) | (found > formulas.max(1))
        ),
        "median_fine_tunings": float(np.median(tries)),
        "ninetieth_percentile_fine_tunings": float(np.quantile(tries, 0.9)),
        "fine_tunings_by_bisections": float(np.mean(tries / bisections)),
        "cpu_seconds": float(sum(sum(r["seconds"].values()) for r in rows.values())),
    }


def share(holds: np.ndarray) -> float:
    return float(np.mean(holds))


def run(only: str = "", again: bool = False) -> dict[str, dict[str, Any]]:
    """Every case that the stored file lacks, or every stored one `again`; each written at once."""
    torch.set_num_threads(1)
    stored = json.loads(PATH.read_text()) if PATH.is_file() else {"rows": {}}
    rows: dict[str, dict[str, Any]] = stored["rows"]
    for case in (*CASES, *OTHERS):
        if (case.name in rows) != again or only not in case.name:
            continue
        rows[case.name] = row = search_again(rows[case.name]) if again else run_case(case)
        found, grid = row["found"], row["grid"]
        print(
            f"{case.name:<45} found {found['sparsity']:.4f} "
            f"grid {grid['from_dense']['threshold']:.4f} "
            f"nested {grid['nested']['threshold']:.4f} "
            f"paper {row['paper']:.3f} sharp {row['sharp']:.3f} tries {len(found['tries'])} "
            f"({sum(row['seconds'].values()):.0f} s)",
            flush=True,
        )
        store(PATH, "python -m benchmarks.find", summaries(rows), rows)
    return rows


def summaries(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Of all networks, and of those that no choice has seen."""
    others = {case.name for case in OTHERS}
    parts = {"all": rows, "others": {name: row for name, row in rows.items() if name in others}}
    return {name: summary(part) for name, part in parts.items() if part}


# ------------------------------------------------- what `benchmarks.outside` does alike
def store(path: Path, command: str, summaries: Any, rows: dict[str, dict[str, Any]]) -> None:
    """Write what is done so far."""
    path.parent.mkdir(exist_ok=True)
    made = {"command": command, "machine": common.machine(), "summary": summaries, "rows": rows}
    write_json(path, made)


def command(
    description: str | None,
    path: Path,
    run: Callable[[str, bool], dict[str, dict[str, Any]]],
    summaries: Callable[[dict[str, dict[str, Any]]], dict[str, dict[str, float]]],
) -> None:
    """The command line: run, or say what is stored."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--summary", action="store_true", help="of what is stored; run nothing")
    parser.add_argument("--again", action="store_true", help="search again, beside stored grids")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    if options.summary:
        rows = json.loads(path.read_text())["rows"]
    else:
        rows = run(options.only, options.again)
    print(json.dumps(summaries(rows), indent=1))


def main() -> None:
    command(__doc__, PATH, run, summaries)


if __name__ == "__main__":
    main()
