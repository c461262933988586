"""Is `find_limit` within a point of a dense grid with the same fine-tuning, after how many tries?

nice python -m benchmarks.find            # writes results/find.json, a network at a time;
nice python -m benchmarks.find --summary  # the same command goes on where it stopped
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn

import prunelimit as pl
from benchmarks import common
from prunelimit.files import write_json
from prunelimit.network.losses import loss_statistics
from prunelimit.pruning.finetune import FineTuning, finetune
from prunelimit.pruning.masks import magnitude_mask

PATH = common.RESULTS / "find.json"
STEPS = 400
EXAMPLES = 500
"""Of a fine-tuning (the default has 2,000), and of digits at most: for the time."""

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
        Case(kind, "digits", widths, l1, optimiser=optimiser)
        for kind in ACTIVATIONS
        for widths, l1, optimiser in (
            ((16, 16), 1e-3, "sgd"),
            ((32,), 1e-4, "sgd"),
            ((24, 24, 24), 0.0, "sgd"),
            ((16, 16), 0.0, "adamw"),
        )
    ),
    *(
        Case(kind, data, (24, 24), l1, optimiser=optimiser)
        for data in ("breast cancer", "wine", "iris")
        for kind, l1, optimiser in (("relu", 1e-3, "sgd"), ("tanh", 0.0, "adamw"))
    ),
    *(
        Case(kind, "digits", l1=l1, epochs=20, optimiser="adamw", seed=seed)
        for kind in ("cnn", "transformer")
        for l1, seed in ((0.0, 0), (3e-4, 1))
    ),
)


class RowTransformer(nn.Module):
    """A small transformer over the eight rows of a digit."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 16)
        self.place = nn.Parameter(0.1 * torch.randn(8, 16))
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.mixed, self.norm = nn.Linear(16, 16), nn.LayerNorm(16)
        self.up, self.down, self.head = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        rows = self.embed(inputs.view(-1, 8, 8)) + self.place
        weights = self.query(rows) @ self.key(rows).transpose(1, 2) / 4
        rows = rows + self.mixed(weights.softmax(-1) @ self.value(rows))
        rows = rows + self.down(nn.functional.gelu(self.up(self.norm(rows))))
        return self.head(rows.mean(1))


def network(case: Case, features: int, classes: int) -> nn.Module:
    if case.kind == "transformer":
        return RowTransformer()
    if case.kind == "cnn":
        return nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(192, classes),
        )
    widths = (features, *case.widths, classes)
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), ACTIVATIONS[case.kind]()]
    return nn.Sequential(*layers[:-1])


def load(name: str) -> tuple[Tensor, Tensor]:
    source = {
        "digits": datasets.load_digits,
        "breast cancer": datasets.load_breast_cancer,
        "wine": datasets.load_wine,
        "iris": datasets.load_iris,
    }[name]
    inputs, targets = source(return_X_y=True)
    inputs = inputs / 16 if name == "digits" else (inputs - inputs.mean(0)) / inputs.std(0)
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


def budget(case_data: list[tuple[Tensor, Tensor]], report: pl.PruningLimit) -> FineTuning:
    """The default budget, cut to `STEPS`."""
    default = pl.default_finetuning(case_data, report.spectrum)
    return replace(default, epochs=math.ceil(STEPS / len(case_data)))


def dense_grid(
    model: nn.Module,
    data: list[tuple[Tensor, Tensor]],
    tuning: FineTuning,
    level: float,
    around: float,
) -> dict[str, Any]:
    """Fine-tune at every whole point from the dense network; where the loss meets the level.

    From the point nearest to `around` the walk goes to both sides, until three points in a row
    are decided alike: passing on the dense side, failing on the sparse one. The threshold is that
    of the sparsest passing point (existence: nested masks), interpolated in the logarithm of the
    loss towards the next.
    """
    losses: dict[int, float] = {}

    def loss(point: int) -> float:
        if point not in losses:
            masks = magnitude_mask(model, point / 100)
            tuned = finetune(model, masks, loss_fn, data, data, tuning, progress=False)
            losses[point] = loss_statistics(tuned.model, loss_fn, data).mean
        return losses[point]

    middle = min(max(round(100 * around), 3), 97)
    walk(loss, middle, 1, lambda value: value > level)
    walk(loss, middle - 1, -1, lambda value: value <= level)
    points = sorted(losses)
    passing = [point for point in points if losses[point] <= level]
    return {
        "points": points,
        "losses": [losses[point] for point in points],
        "threshold": crossing(losses, level, max(passing, default=0)),
        "first_failure": min((p for p in points if losses[p] > level), default=100) / 100,
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
    low, high = (math.log(max(losses[p], 1e-12) / level) for p in (passing, passing + 1))
    return (passing + low / (low - high)) / 100


def run_case(case: Case) -> dict[str, Any]:
    began = time.process_time()
    model, data = trained(case)
    report = pl.predict_limit(model, loss_fn, data, progress=False)
    tuning = budget(data, report)
    predicted = time.process_time()
    found = pl.find_limit(model, loss_fn, data, report, tuning, progress=False)
    searched = time.process_time()
    level = report.loss.mean + report.epsilon
    grid = dense_grid(model, data, tuning, level, found.sparsity)
    return {
        "case": asdict(case),
        "dim": report.dim,
        "loss": report.loss.mean,
        "epsilon": report.epsilon,
        "accuracy": pl.sweep(model, loss_fn, data, [0.0]).dense_accuracy,
        "paper": float(report.paper.sparsity),
        "sharp": float(report.sharp.sparsity),
        "finetuning": asdict(tuning),
        "found": found.to_dict(),
        "grid": grid,
        "seconds": {
            "report": predicted - began,
            "search": searched - predicted,
            "grid": time.process_time() - searched,
        },
    }


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The targets: within a point, number of fine-tunings, epochs against bisection."""
    error = np.array([abs(r["found"]["sparsity"] - r["grid"]["threshold"]) for r in rows.values()])
    tries = np.array([r["found"]["cost"]["fine_tunings"] for r in rows.values()])
    share = [
        r["found"]["cost"]["epochs"] / r["found"]["cost"]["bisection_epochs"] for r in rows.values()
    ]
    inside = [
        r["found"]["lower"] - 1e-9 <= r["grid"]["threshold"] <= r["found"]["upper"] + 1e-9
        for r in rows.values()
    ]
    outside = [
        not min(r["paper"], r["sharp"]) <= r["grid"]["threshold"] <= max(r["paper"], r["sharp"])
        for r in rows.values()
    ]
    return {
        "networks": len(rows),
        "within_a_point": float(np.mean(error <= 0.01)),
        "mean_error": float(error.mean()),
        "largest_error": float(error.max()),
        "grid_inside_bracket": float(np.mean(inside)),
        "grid_outside_both_formulas": float(np.mean(outside)),
        "median_fine_tunings": float(np.median(tries)),
        "ninetieth_percentile_fine_tunings": float(np.quantile(tries, 0.9)),
        "epochs_by_bisections": float(np.mean(share)),
        "cpu_seconds": float(sum(sum(r["seconds"].values()) for r in rows.values())),
    }


def run(only: str = "") -> dict[str, dict[str, Any]]:
    """Every case that the stored file lacks; each is written as soon as it is done."""
    torch.set_num_threads(1)
    stored = json.loads(PATH.read_text()) if PATH.is_file() else {"rows": {}}
    rows: dict[str, dict[str, Any]] = stored["rows"]
    for case in CASES:
        if case.name in rows or only not in case.name:
            continue
        rows[case.name] = row = run_case(case)
        found, grid = row["found"], row["grid"]
        print(
            f"{case.name:<45} found {found['sparsity']:.4f} grid {grid['threshold']:.4f} "
            f"paper {row['paper']:.3f} sharp {row['sharp']:.3f} tries {len(found['tries'])} "
            f"({sum(row['seconds'].values()):.0f} s)",
            flush=True,
        )
        common.RESULTS.mkdir(exist_ok=True)
        write_json(
            PATH,
            {
                "command": "python -m benchmarks.find",
                "machine": common.machine(),
                "summary": summary(rows),
                "rows": rows,
            },
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summary", action="store_true", help="of what is stored; run nothing")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    rows = json.loads(PATH.read_text())["rows"] if options.summary else run(options.only)
    print(json.dumps(summary(rows), indent=1))


if __name__ == "__main__":
    main()
