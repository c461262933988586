"""How `default_finetuning` was chosen: which networks pass where a converged search says they can.

Of each kind of `benchmarks.kinds` the network of seed 0, which calibrates `prunelimit.expected` and
judges nothing, is fine-tuned from the dense network, `MARGIN` denser than its converged threshold
(``results/outside.json``): by Adam at three rates, and by SGD at half the inverse of the largest
curvature, the budget before. All have the epochs of `default_finetuning`.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import prunelimit as pl
from benchmarks import common, outside
from benchmarks.kinds import KINDS, trained
from prunelimit.errors import DivergenceError
from prunelimit.pruning import FineTuning, finetune, magnitude_mask

MARGIN = 0.05
RATES = (0.02, 0.05, 0.1)
WORST = 10.0


def run(quick: bool = False) -> dict[str, Any]:
    torch.set_num_threads(1)
    stored = json.loads(outside.PATH.read_text(encoding="utf-8"))["rows"]
    rows = {}
    for kind in KINDS[-1:] if quick else KINDS:
        case = replace(kind, seed=0)
        rows[case.name] = one_case(case, stored[case.name]["converged"]["value"] - MARGIN)
        print(common.table({case.name: rows[case.name]}, list(rows[case.name])), flush=True)
    found = {
        name: {
            "pass": sum(row[name] <= 0 for row in rows.values()),
            "mean": float(np.mean([row[name] for row in rows.values()])),
        }
        for name in next(iter(rows.values()))
    }
    print(common.table(found, ["pass", "mean"]))
    return {"networks": len(rows), "margin": MARGIN, "summary": found, "log of excess": rows}


def one_case(case: outside.Case, sparsity: float) -> dict[str, float]:
    """Log of the loss reached over the loss allowed, by budget; `WORST` where it diverges."""
    model, loss_fn, data = trained(case)
    report = pl.predict_limit(model, loss_fn, data, progress=False)
    level = report.loss.mean + report.epsilon
    adam = pl.default_finetuning(data)
    largest = max(abs(value) for value in report.spectrum.eigenvalues or ())
    rate = min(0.1, 0.5 / max(largest, 1e-12))
    budgets = {"sgd": FineTuning(epochs=adam.epochs, learning_rate=rate)}
    budgets |= {f"adam {rate:g}": replace(adam, learning_rate=rate) for rate in RATES}
    masks, found = magnitude_mask(model, sparsity), {}
    for name, budget in budgets.items():
        try:
            loss = finetune(model, masks, loss_fn, data, data, budget).lowest_loss
        except DivergenceError:
            loss = math.inf
        found[name] = min(math.log(max(loss, 1e-12) / level), WORST)
    return found
