"""The trace against a dense matrix."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from prunelimit.errors import PruneLimitError
from prunelimit.spectrum.stochastic import (
    TRACE_METHODS,
    estimate_trace,
)


@pytest.fixture(scope="module")
def dense() -> torch.Tensor:
    """A symmetric matrix with outliers and a negative tail."""
    generator = torch.Generator().manual_seed(0)
    frame = torch.linalg.qr(torch.randn(200, 200, generator=generator, dtype=torch.float64))[0]
    values = 10.0 / torch.arange(1, 201, dtype=torch.float64)
    values[130:] *= -0.3
    return frame @ (values[:, None] * frame.T)


@pytest.fixture(scope="module")
def matrix(dense):
    return SimpleNamespace(
        dim=200, device="cpu", dtype=torch.float64, matmul=lambda vectors: dense @ vectors
    )


@pytest.mark.parametrize("method", TRACE_METHODS)
def test_trace_is_unbiased(matrix, dense, method: str) -> None:
    values = [estimate_trace(matrix, 24, method, seed=seed).value for seed in range(40)]
    error = np.mean(values) - float(torch.trace(dense))
    assert abs(error) < 4 * np.std(values) / np.sqrt(40)


def test_xtrace_beats_hutchinson_where_there_are_outliers(matrix, dense) -> None:
    truth = float(torch.trace(dense))
    errors = {
        method: np.sqrt(
            np.mean([(estimate_trace(matrix, 60, method, s).value - truth) ** 2 for s in range(20)])
        )
        for method in ("xtrace", "hutchinson")
    }
    assert errors["xtrace"] < 0.6 * errors["hutchinson"]


def test_low_rank_is_exact_for_the_sketching_methods(dense) -> None:
    low = dense[:, :3] @ dense[:, :3].T
    matrix = SimpleNamespace(dim=200, device="cpu", dtype=torch.float64, matmul=lambda v: low @ v)
    for method in ("xtrace", "hutch++"):
        estimate = estimate_trace(matrix, 18, method).value
        assert estimate == pytest.approx(float(torch.trace(low)), rel=1e-6)


def test_refusals(matrix) -> None:
    for call, match in (
        (lambda: estimate_trace(matrix, method="guess"), "unknown method 'guess'"),
        (lambda: estimate_trace(matrix, products=3), "products=3 is too few"),
    ):
        with pytest.raises(PruneLimitError, match=match):
            call()
