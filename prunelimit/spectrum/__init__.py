"""Chapter 5: the spectrum of the curvature, and the effective dimension with its bracket."""

from prunelimit.spectrum.budget import DataBudget, data_budget, subsample
from prunelimit.spectrum.engine import (
    CurvatureWarning,
    hessian_spectrum,
    matrix_spectrum,
    spectrum_of_space,
)
from prunelimit.spectrum.gram import GramOperator
from prunelimit.spectrum.krylov import KrylovSpace
from prunelimit.spectrum.operator import CurvatureOperator
from prunelimit.spectrum.result import POLICIES, Spectrum
from prunelimit.spectrum.search import Target
from prunelimit.spectrum.stochastic import (
    estimate_diagonal,
    estimate_trace,
    row_l1_norms,
    top_eigenpairs,
)

__all__ = [
    "POLICIES",
    "CurvatureOperator",
    "CurvatureWarning",
    "DataBudget",
    "GramOperator",
    "KrylovSpace",
    "Spectrum",
    "Target",
    "data_budget",
    "estimate_diagonal",
    "estimate_trace",
    "hessian_spectrum",
    "matrix_spectrum",
    "row_l1_norms",
    "spectrum_of_space",
    "subsample",
    "top_eigenpairs",
]
