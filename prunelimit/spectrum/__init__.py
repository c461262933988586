"""Chapter 5: the spectrum of the curvature, and the effective dimension with its bracket."""

from prunelimit.spectrum.engine import CurvatureWarning, hessian_spectrum
from prunelimit.spectrum.gram import GramOperator
from prunelimit.spectrum.krylov import KrylovSpace
from prunelimit.spectrum.operator import CurvatureOperator
from prunelimit.spectrum.result import POLICIES, Spectrum
from prunelimit.spectrum.search import Target

__all__ = [
    "POLICIES",
    "CurvatureOperator",
    "CurvatureWarning",
    "GramOperator",
    "KrylovSpace",
    "Spectrum",
    "Target",
    "hessian_spectrum",
]
