"""The whole of `predict_limit` against the official recipe: 128 products, one probe, |lambda|.

The truth is dense. Both sides see the same network, data and epsilon; the recipe's
fixed point uses its 128 Ritz values.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.common import clustered, trained_network
from prunelimit.limit import distance_profile, paper_limit, solve_limit
from prunelimit.parameters import flatten, prunable_parameters
from prunelimit.predict import predict_limit
from prunelimit.spectrum import CurvatureOperator, hessian_spectrum
from prunelimit.spectrum.quadrature import gauss


def official(
    operator: CurvatureOperator, profile: Any, epsilon: float, seed: int, products: int = 128
) -> float:
    """Sparsity by SLQ at fixed depth from one Gaussian probe, without reorthogonalisation."""
    vector = torch.randn(operator.dim, generator=torch.Generator().manual_seed(seed))
    vector /= vector.norm()
    last, beta = torch.zeros_like(vector), 0.0
    alphas, betas = [], []
    for _ in range(products):
        image = operator @ vector - beta * last
        alphas.append(float(image @ vector))
        image -= alphas[-1] * vector
        beta = float(image.norm())
        betas.append(beta)
        last, vector = vector, image / beta
    nodes, weights = gauss(np.array(alphas), np.array(betas))
    size = np.abs(nodes)

    def effective_dimension(ridge: float) -> float:
        return operator.dim * float(weights @ (size / (size + ridge)))

    return solve_limit(effective_dimension, profile, epsilon, operator.dim).sparsity


def run(quick: bool = False, seeds: int = 3) -> dict[str, Any]:
    """On an MLP just too large to be solved densely by itself."""
    widths = [64, 70, 30, 10]
    data = clustered(widths[0], 10, 500 if quick else 1000, 1.0, 0)
    model = trained_network(widths, nn.ReLU, data, 1e-4, 15, 0)
    loss, batches = nn.functional.cross_entropy, [data]
    operator = CurvatureOperator(model, loss, batches, "hessian")
    weights = flatten(p.detach() for p in prunable_parameters(model).values()).double().numpy()
    profile, epsilon = distance_profile(weights), 0.05 * operator.loss + 1e-3
    results: dict[str, Any] = {"dim": operator.dim, "epsilon": epsilon}
    dense = hessian_spectrum(model, loss, batches, policy="abs", method="dense")
    truth = 1 - paper_limit(np.abs(dense.eigenvalues), profile, epsilon) / operator.dim
    results["truth"] = {"sparsity": truth, "products": dense.products}
    began, errors = time.process_time(), []
    for seed in range(seeds):
        errors.append(official(operator, profile, epsilon, seed) - truth)
    results["official recipe"] = {
        "products": 128,
        "cpu_seconds": (time.process_time() - began) / seeds,
        "rms_error": float(np.sqrt(np.mean(np.square(errors)))),
    }
    for tolerance in (0.02, 0.01, 0.005):
        began, errors, products, held = time.process_time(), [], [], 0
        for seed in range(seeds):
            report = predict_limit(
                model, loss, batches, epsilon=epsilon, policy="abs", tolerance=tolerance, seed=seed
            )
            errors.append(float(report.paper.sparsity) - truth)
            products.append(report.spectrum.products)
            held += report.paper.lower <= truth <= report.paper.upper
        results[f"predict_limit, sure of {tolerance}"] = {
            "products": float(np.mean(products)),
            "cpu_seconds": (time.process_time() - began) / seeds,
            "rms_error": float(np.sqrt(np.mean(np.square(errors)))),
            "held": held / seeds,
        }
    for name, row in results.items():
        print(f"  {name}: {row}")
    return results
