"""Chapter 5: the spectrum of the curvature, and the effective dimension with its bracket."""

from prunelimit.spectrum.engine import hessian_spectrum
from prunelimit.spectrum.operator import CurvatureOperator
from prunelimit.spectrum.result import POLICIES, ProbeRun, Spectrum

__all__ = ["POLICIES", "CurvatureOperator", "ProbeRun", "Spectrum", "hessian_spectrum"]
