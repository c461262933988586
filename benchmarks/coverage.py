"""How often the bracket holds: fresh small networks, every policy, against the dense truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.common import clustered, ragged, trained_network
from prunelimit.spectrum import POLICIES, CurvatureOperator, hessian_spectrum


def one_case(seed: int) -> dict[str, Any]:
    """A random network and policy; whether the truth lies in the interval at three ridges."""
    rng = np.random.default_rng([2026, seed])
    features, classes = int(rng.integers(8, 21)), int(rng.integers(3, 11))
    widths = [features, *rng.integers(10, 28, int(rng.integers(1, 4))).tolist(), classes]
    activation = [nn.ReLU, nn.Tanh, nn.GELU][int(rng.integers(3))]
    data = clustered(features, classes, int(rng.integers(100, 600)), rng.uniform(0.3, 2), seed)
    l1 = float(rng.choice([0.0, 1e-4, 1e-3]))
    model = trained_network(widths, activation, data, l1, int(rng.integers(1, 30)), seed)
    policy = str(rng.choice(list(POLICIES)))
    batches, loss = ragged(data, seed), nn.functional.cross_entropy
    dense = CurvatureOperator(model, loss, batches, POLICIES[policy], dtype=torch.float64).dense()
    values = torch.linalg.eigvalsh(dense).numpy()
    values = np.abs(values) if policy == "abs" else np.maximum(values, 0)
    mean = values.sum() / len(values)
    ridges = [float(mean * factor) for factor in (0.3, 1.0, 10.0)]
    method = "gram" if policy == "ggn" and rng.random() < 0.5 else "lanczos"
    spectrum = hessian_spectrum(
        model,
        loss,
        batches,
        policy,
        method=method,
        ridges=ridges,
        tolerance=float(rng.choice([0.02, 0.05])),
        max_products=max(16, len(values) // 2),
        seed=seed,
    )
    truths = [float(np.sum(values / (values + ridge))) for ridge in ridges]
    found = [spectrum.effective_dimension(ridge) for ridge in ridges]
    return {
        "dim": len(values),
        "policy": policy,
        "method": method,
        "products": spectrum.products,
        "probes": spectrum.probes,
        "exact": spectrum.exact,
        "held": [truth in interval for truth, interval in zip(truths, found, strict=True)],
        "width": [interval.width / len(values) for interval in found],
    }


def run(cases: int = 100) -> dict[str, Any]:
    """Count the cases whose three intervals all hold, and those at the middle ridge."""
    rows = [one_case(seed) for seed in range(cases)]
    open_rows = [row for row in rows if not row["exact"]]
    summary = {
        "cases": cases,
        "estimated_not_exact": len(open_rows),
        "all_three_held": sum(all(row["held"]) for row in rows),
        "held_at_the_mean_curvature": sum(row["held"][1] for row in rows),
        "intervals": 3 * cases,
        "intervals_held": sum(sum(row["held"]) for row in rows),
        "median_width": float(np.median([row["width"][1] for row in rows])),
    }
    print(summary)
    return {"summary": summary, "cases": rows}
