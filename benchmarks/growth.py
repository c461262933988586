"""Time and memory against D, N and the number of probes, each case in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.spectrum import CurvatureOperator, Spectrum, hessian_spectrum

PRODUCTS = 24

Data = list[tuple[Tensor, Tensor]]


def network(inputs: int, width: int) -> nn.Module:
    """A network inputs-width-width-10."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 10),
    )


def run_steps(model: nn.Module, data: Data, policy: str, products: int) -> Spectrum:
    """A search that no bracket ends before so many products."""
    return hessian_spectrum(
        model,
        nn.functional.cross_entropy,
        data,
        policy,
        method="lanczos",
        ridges=[1e-9],
        tolerance=1e-9,
        max_products=products,
    )


def peak_mebibytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def case(width: int, examples: int, policy: str, products: int) -> dict[str, float]:
    """A network 100-width-width-10: seconds for one product and for a run, and peak memory."""
    model = network(100, width)
    data = [(torch.randn(examples, 100), torch.randint(10, (examples,)))]
    before = peak_mebibytes()
    kind = "ggn" if policy == "ggn" else "hessian"
    operator = CurvatureOperator(model, nn.functional.cross_entropy, data, kind)
    vector = torch.randn(operator.dim)
    operator @ vector
    began = time.process_time()
    operator @ vector
    one = time.process_time() - began
    operator.release()
    began = time.process_time()
    run_steps(model, data, policy, products)
    return {
        "dim": operator.dim,
        "examples": examples,
        "products": products,
        "cpu_seconds_per_product": one,
        "cpu_seconds_per_step": (time.process_time() - began) / products,
        "peak_mebibytes": peak_mebibytes(),
        "mebibytes_before": before,
    }


def largest(width: int = 4600, products: int = 200) -> dict[str, float]:
    """One run for a network 784-width-width-10, by default of 25 million dimensions."""
    model = network(784, width)
    data = [(torch.randn(64, 784), torch.randint(10, (64,)))]
    began, processor = time.perf_counter(), time.process_time()
    spectrum = run_steps(model, data, "abs", products)
    return {
        "dim": spectrum.dim,
        "examples": 64,
        "products": spectrum.products,
        "cpu_seconds": time.process_time() - processor,
        "seconds": time.perf_counter() - began,
        "peak_mebibytes": peak_mebibytes(),
    }


def isolated(function: Callable[..., dict[str, float]], *arguments: object) -> dict[str, float]:
    """What a function of this module returns in a fresh process, so that peak memory is its own."""
    name = function.__name__
    code = f"import json; from benchmarks.growth import {name} as case; "
    code += f"print(json.dumps(case(*{arguments})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def run(quick: bool = False) -> dict[str, Any]:
    """D from 10^4 to 10^7 at 256 examples, N and depth at fixed D; 200 steps at 25 million."""
    widths = (60, 260, 950) if quick else (60, 260, 950, 3110)
    rows = {
        "dimension": [isolated(case, width, 256, "abs", PRODUCTS) for width in widths],
        "examples": [isolated(case, 260, n, "abs", PRODUCTS) for n in (256, 1024, 4096)],
        "steps": [isolated(case, 950, 256, "abs", steps) for steps in (12, 24, 48)],
    }
    if not quick:
        rows["largest"] = [isolated(largest)]
    for name, group in rows.items():
        print(f"\ngrowth in {name}")
        for row in group:
            print("  " + "  ".join(f"{key} {value:.4g}" for key, value in row.items()))
    return rows
