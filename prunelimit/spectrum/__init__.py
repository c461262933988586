"""Chapter 5: the spectrum of the curvature, and the effective dimension with its bracket.

Names are loaded on first use, so that a stored spectrum is read without the machinery that
computes one.
"""

from prunelimit.on_use import loaded_on_use

_PUBLIC = {
    "DataBudget": "budget",
    "data_budget": "budget",
    "subsample": "budget",
    "CurvatureWarning": "engine",
    "hessian_spectrum": "hessian",
    "matrix_spectrum": "hessian",
    "spectrum_of_space": "engine",
    "GramOperator": "gram",
    "KrylovSpace": "krylov",
    "CurvatureOperator": "operator",
    "Workspace": "operator",
    "POLICIES": "result",
    "Spectrum": "result",
    "Target": "search",
    "estimate_trace": "stochastic",
}

__all__ = sorted(_PUBLIC)

__getattr__, __dir__ = loaded_on_use(__name__, _PUBLIC)
