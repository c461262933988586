"""Chapter 5: the spectrum of the curvature, and the effective dimension with its bracket.

Names are loaded on first use, so that a stored spectrum is read without the machinery that
computes one.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "DataBudget": "budget",
    "data_budget": "budget",
    "subsample": "budget",
    "CurvatureWarning": "engine",
    "hessian_spectrum": "engine",
    "matrix_spectrum": "engine",
    "spectrum_of_space": "engine",
    "GramOperator": "gram",
    "KrylovSpace": "krylov",
    "CurvatureOperator": "operator",
    "POLICIES": "result",
    "Spectrum": "result",
    "Target": "search",
    "estimate_diagonal": "stochastic",
    "estimate_trace": "stochastic",
    "row_l1_norms": "stochastic",
    "top_eigenpairs": "stochastic",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"prunelimit.spectrum.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'prunelimit.spectrum' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
