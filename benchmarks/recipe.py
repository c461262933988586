"""The whole of `predict_limit` against the official recipe: 128 products, one probe, |lambda|.

Both sides see the same network, data and epsilon; the recipe's fixed point uses its
128 Ritz values. The truth is dense on a small network, and a narrow bracket on FC5.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.common import clustered, fit, trained_network
from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Interval
from prunelimit.lab.data import load
from prunelimit.lab.models import build
from prunelimit.limit.distance import DistanceProfile, distance_profile
from prunelimit.limit.solve import paper_limit, solve_limit
from prunelimit.network.losses import loss_statistics
from prunelimit.network.parameters import prunable_weights
from prunelimit.predict import predict_limit
from prunelimit.spectrum import CurvatureOperator, Spectrum, hessian_spectrum
from prunelimit.spectrum.quadrature import gauss

FC5_RUNS = ((10_000, 10), (3_000, 20))
"""Images and epochs: as a task would train it, and fitted until epsilon is tiny."""


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


def small(quick: bool, seeds: int) -> dict[str, Any]:
    """An MLP just too large to be solved densely by itself; the truth is dense."""
    widths = [64, 70, 30, 10]
    data = clustered(widths[0], 10, 500 if quick else 1000, 1.0, 0)
    model = trained_network(widths, nn.ReLU, data, 1e-4, 15, 0)
    loss, batches = nn.functional.cross_entropy, [data]
    operator = CurvatureOperator(model, loss, batches, "hessian")
    weights = prunable_weights(model).double().numpy()
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
    return results


def fc5(examples: int, epochs: int) -> dict[str, Any]:
    """The paper's FC5 on Fashion-MNIST; the truth is what a bracket four times as narrow leaves.

    Where 400 products do not bring that about, it has the bracket that they do bring.
    """
    splits = load("fashion-mnist", None, 0)
    inputs, targets = (
        torch.cat(parts)[:examples] for parts in zip(*splits.train_eval, strict=True)
    )
    model = build("fc5", tuple(inputs.shape[1:]), 10, seed=0)
    fit(model, (inputs, targets), 5e-5, epochs, seed=0, learning_rate=0.01)
    loss, batches = (
        nn.functional.cross_entropy,
        list(zip(inputs.split(1000), targets.split(1000), strict=True)),
    )
    profile = distance_profile(prunable_weights(model).double().numpy())
    minibatches = list(zip(inputs.split(128), targets.split(128), strict=True))
    spread = loss_statistics(model, loss, minibatches)
    results: dict[str, Any] = {"dim": profile.dim, "examples": examples, "epochs": epochs}
    results |= {"loss": spread.mean, "epsilon": spread.batch_std}
    for policy, tolerance in (("abs", 0.01), ("ggn", 0.005)):
        with tempfile.TemporaryDirectory() as folder:
            for label, width in (
                (f"ours, {policy}, sure of {tolerance}", tolerance),
                (f"truth, {policy}", tolerance / 4),
            ):
                results[label] = _bracketed(
                    model, batches, policy, profile, spread.batch_std, width, folder
                )
    operator = CurvatureOperator(model, loss, batches, "hessian")
    began = time.process_time()
    found = official(operator, profile, spread.batch_std, 0)
    results["official recipe, abs"] = {
        "sparsity": found,
        "products": 128,
        "cpu_seconds": time.process_time() - began,
    }
    return results


def _bracketed(
    model: nn.Module,
    batches: list[tuple[Tensor, Tensor]],
    policy: str,
    profile: DistanceProfile,
    epsilon: float,
    tolerance: float,
    checkpoint: str,
) -> dict[str, float]:
    """The paper's limit with its bracket, and what it cost; goes on where a wider one stopped."""

    def sparsity(spectrum: Spectrum) -> Interval:
        kept = [
            solve_limit(
                lambda ridge, end=end: getattr(spectrum.effective_dimension(ridge), end),
                profile,
                epsilon,
                profile.dim,
            ).sparsity
            for end in ("upper", "value", "lower")
        ]
        return Interval(*kept)

    began = time.process_time()
    spectrum = hessian_spectrum(
        model,
        nn.functional.cross_entropy,
        batches,
        policy,
        stop=sparsity,
        tolerance=tolerance,
        max_products=400,
        checkpoint=checkpoint,
    )
    found = sparsity(spectrum)
    return {
        "sparsity": found.value,
        "lower": found.lower,
        "upper": found.upper,
        "products": spectrum.products,
        "cpu_seconds": time.process_time() - began,
    }


def run(quick: bool = False, seeds: int = 3) -> dict[str, Any]:
    """A small network against its dense truth, and FC5 where Fashion-MNIST is at hand."""
    results = {"MLP 64-70-30-10": small(quick, seeds)}
    if not quick:
        try:
            for examples, epochs in FC5_RUNS:
                results[f"FC5, {examples} images, {epochs} epochs"] = fc5(examples, epochs)
        except PruneLimitError as error:
            print(f"FC5 is left out: {error}")
    for network, rows in results.items():
        print(f"\n{network}")
        for name, row in rows.items():
            print(f"  {name}: {row}")
    return results
